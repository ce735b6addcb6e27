r"""Ordered logit: what moves the grades, without taking the steps between them for equal.

With a latent satisfaction :math:`x'\beta + \varepsilon`, :math:`\varepsilon` logistic, that is graded by cuts
:math:`\kappa_1 < \dots < \kappa_4`,

.. math:: P(\text{grade} > k) = \frac{1}{1 + e^{\kappa_k - x'\beta}},

so a driver multiplies the odds of a better grade by the same :math:`e^\beta` at every cut. That can be looked at:
`odds_by_cut` estimates it at each cut by itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.intervals import FEWEST, require_level
from crmlib.satisfaction.grades import GRADES, checked

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class OrderedFit:
    """Fitted ordered logit.

    Attributes
    ----------
    odds : pandas.DataFrame, one row a driver
        driver, odds_ratio (of a better grade, for one unit or against the reference), low, high, p_value, reason
        (why they are missing, or empty).
    reference : mapping of text driver to category
        What the others are compared with: the first by name of those in the model.
    cuts : float array
        Between the grades that were given.
    grades : int array
        Those grades.
    nobs : int
    """

    odds: pd.DataFrame
    reference: Mapping[str, str]
    cuts: np.ndarray
    grades: np.ndarray
    nobs: int
    _slopes: np.ndarray
    _columns: tuple[str, ...]

    def shares(self, **drivers: Any) -> np.ndarray:
        """Shares of the grades at values of the drivers, shape (grades given,); text drivers by their category.

        Raises
        ------
        ParameterError
            A driver is not given, or a driver or category is not in the model.
        """
        numeric = [column for column in self._columns if ": " not in column]
        names = {*numeric, *self.reference}
        if names != set(drivers):
            raise ParameterError(f"give a value for each of {', '.join(sorted(names))}")
        there = {f"{name}: {drivers[name]}" for name in self.reference}
        for name in there - set(self._columns) - {f"{name}: {first}" for name, first in self.reference.items()}:
            raise ParameterError(f"{name} is not in the model; take a category that is")
        row = [float(drivers[c]) if c in numeric else float(c in there) for c in self._columns]
        above = 1 / (1 + np.exp(self.cuts - float(np.dot(row, self._slopes))))
        return -np.diff(np.concatenate([[1.0], above, [0.0]]))


def ordered_fit(answers: Any, drivers: Sequence[str], *, level: float = 0.95) -> OrderedFit:
    """Array: ordered logit of the grade on its drivers.

    Parameters
    ----------
    answers : any frame
        grade (1-5) and the drivers: numbers, flags, or text (a category each, against the first by name).
        Categories with fewer than 30 answers, or all of whose answers have the best or the worst grade (odds without
        a finite estimate), are left out with their answers; their ratio is missing.
    drivers : sequence of str
    level : float
        Coverage of the Wald intervals, on the log scale.

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        No answers, fewer than two grades, a missing or constant driver, no category with 30 answers and no number.
    ConvergenceError

    References
    ----------
    McCullagh (1980); fitted by statsmodels' OrderedModel.
    """
    import pandas as pd
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    require_level(level)
    terms = _terms(answers, drivers)
    table, design, names = terms.table, *_design(terms.table, terms.numbers, terms.categories)
    grades, code = np.unique(table["grade"], return_inverse=True)
    if len(grades) < 2:
        raise DataError("all answers have the same grade, so nothing can move it; take more answers")
    centre, scale = design.mean(axis=0), design.std(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence is judged below, by the gradient
        model = OrderedModel(code, (design - centre) / scale, distr="logit")
        found = model.fit(method="bfgs", disp=0, maxiter=500)
    score = np.abs(model.score(found.params)).max() / len(table)
    bse = np.asarray(found.bse, dtype=float)[: len(names)]
    if not (score < 1e-4 and np.all(np.isfinite(bse))):
        raise ConvergenceError("the ordered model did not converge; take fewer drivers or more answers")
    slopes = np.asarray(found.params, dtype=float)[: len(names)] / scale
    cuts = model.transform_threshold_params(np.asarray(found.params))[1:-1] + centre @ slopes
    odds = _complete(pd.DataFrame(_odds(names, slopes, bse / scale, level)), terms.names, terms.missing)
    reference = {driver: kept[0] for driver, kept in terms.categories.items() if len(kept) > 1}
    return OrderedFit(odds, reference, cuts, grades, len(code), slopes, tuple(names))


def odds_by_cut(answers: Any, drivers: Sequence[str], *, level: float = 0.95) -> pd.DataFrame:
    """Array: odds of a grade above each cut, by a binary logit of its own: equal ones let the ordered model stand.

    Parameters and errors as in `ordered_fit`.

    Returns
    -------
    pandas.DataFrame, one row a cut and driver
        above (grade that is exceeded), meaning ("better than …"), driver, odds_ratio, low, high, p_value, reason (why
        they are missing, as where all answers of a category fall on one side of the cut). Cuts with fewer than 30
        answers on either side are not in it.
    """
    import pandas as pd
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    require_level(level)
    terms = _terms(answers, drivers)
    parts = []
    for cut in list(GRADES)[:-1]:
        above = (terms.table["grade"] > cut).to_numpy()
        if min(above.sum(), len(above) - above.sum()) < FEWEST:
            continue
        inside, categories, missing = _both_sides(terms, above)
        design, names = _design(terms.table[inside], terms.numbers, categories)
        scale = design.std(axis=0)
        columns = np.column_stack([np.ones(len(design)), (design - design.mean(axis=0)) / scale])
        with warnings.catch_warnings():
            for kind in (PerfectSeparationWarning, RuntimeWarning):
                warnings.simplefilter("error", kind)
            try:
                found = Logit(above[inside].astype(float), columns).fit(disp=0, maxiter=100)
            except (PerfectSeparationWarning, RuntimeWarning, np.linalg.LinAlgError) as error:
                raise ConvergenceError(f"a driver separates the grades at {cut}; leave it out") from error
        odds = _odds(names, np.asarray(found.params)[1:] / scale, np.asarray(found.bse)[1:] / scale, level)
        made = _complete(pd.DataFrame(odds), terms.names, {**missing, **terms.missing})
        made.insert(0, "meaning", f"better than {GRADES[cut]}")
        made.insert(0, "above", cut)
        parts.append(made)
    if not parts:
        raise DataError(f"no cut has {FEWEST} answers on either side; take more answers")
    return pd.concat(parts, ignore_index=True)


def _odds(names: list[str], slopes: np.ndarray, errors: np.ndarray, level: float) -> dict[str, Any]:
    from scipy.stats import norm

    half = norm.ppf(0.5 + level / 2) * errors
    return {
        "driver": names,
        "odds_ratio": np.exp(slopes),
        "low": np.exp(slopes - half),
        "high": np.exp(slopes + half),
        "p_value": 2 * norm.sf(np.abs(slopes / errors)),
    }


@dataclass(frozen=True)
class _Terms:
    """Answers that the models take, their drivers, and the terms without an estimate with the reason."""

    table: pd.DataFrame
    numbers: list[str]
    categories: dict[str, list[str]]  # the first is the reference
    names: list[str]
    missing: dict[str, str]


def _terms(answers: Any, drivers: Sequence[str]) -> _Terms:
    import pandas as pd

    if isinstance(drivers, str) or not drivers:
        raise ParameterError("drivers names no column; give a list, such as ['hours']")
    table = checked(answers, *drivers)
    numbers = [driver for driver in drivers if pd.api.types.is_numeric_dtype(table[driver])]
    categories: dict[str, list[str]] = {}
    names: list[str] = []
    missing: dict[str, str] = {}
    inside = np.ones(len(table), dtype=bool)
    ends = {table["grade"].min(), table["grade"].max()}
    for driver in drivers:
        if driver in numbers:
            names.append(driver)
            continue
        table[driver] = table[driver].astype(str)
        graded = table.groupby(driver)["grade"].agg(["size", "min", "max"])
        lone = (graded["min"] == graded["max"]) & graded["min"].isin(ends) & (len(ends) > 1)
        few = graded["size"] < FEWEST
        kept = graded.index[~(few | lone)].tolist()
        if not kept and not numbers:
            raise DataError(f"no {driver} has {FEWEST} answers of several grades; leave it out or take more answers")
        if not kept:
            names.append(driver)
            missing[driver] = f"no category has {FEWEST} answers of several grades"
            continue
        categories[driver] = kept
        inside &= table[driver].isin(categories[driver]).to_numpy()
        others = [name for name in graded.index if name != categories[driver][0]]
        names += [f"{driver}: {name}" for name in others]
        missing |= {f"{driver}: {name}": "all have one grade" for name in graded.index[lone & ~few]}
        missing |= {f"{driver}: {name}": f"fewer than {FEWEST} answers" for name in graded.index[few]}
    return _Terms(table[inside], numbers, categories, names, missing)


def _both_sides(terms: _Terms, above: np.ndarray) -> tuple[np.ndarray, dict[str, list[str]], dict[str, str]]:
    """Answers and categories with an estimate at a cut: those that lie on both sides of it; and the others' reason."""
    inside, missing = np.ones(len(above), dtype=bool), dict[str, str]()
    categories: dict[str, list[str]] = {}
    for driver, kept in terms.categories.items():
        share = terms.table.assign(above=above).groupby(driver)["above"].mean()
        split = [name for name in kept if 0 < share[name] < 1]
        categories[driver] = split
        inside &= terms.table[driver].isin(split).to_numpy()
        whose = {name: name if name not in split else kept[0] for name in kept[1:] if not {name, kept[0]} <= {*split}}
        missing |= {f"{driver}: {name}": f"all of {lone} lie on one side of the cut" for name, lone in whose.items()}
    return inside, categories, missing


def _complete(odds: pd.DataFrame, names: list[str], missing: Mapping[str, str]) -> pd.DataFrame:
    """A row for each term, with the reason in place of what could not be estimated."""
    whole = odds.set_index("driver").reindex(names).rename_axis("driver")
    whole.loc[[name for name in names if name in missing]] = np.nan
    return whole.assign(reason=[missing.get(name, "") for name in names]).reset_index()


def _design(table: Any, numbers: Sequence[str], categories: Mapping[str, list[str]]) -> tuple[np.ndarray, list[str]]:
    """The drivers as columns of numbers, and their names."""
    columns = {driver: table[driver].to_numpy(dtype=float) for driver in numbers}
    for driver, kept in categories.items():
        for category in kept[1:]:
            columns[f"{driver}: {category}"] = (table[driver] == category).to_numpy(dtype=float)
    design = np.column_stack(list(columns.values())) if columns else np.empty((len(table), 0))
    if design.shape[1] == 0 or not np.all(design.std(axis=0) > 0):
        raise DataError("a driver is the same in all answers, so what it moves is not known; leave it out")
    return design, list(columns)
