r"""Ordered logit: what moves the grades, without taking the steps between them for equal.

With a latent satisfaction :math:`x'\beta + \varepsilon`, :math:`\varepsilon` logistic, that is graded by cuts
:math:`\kappa_1 < \dots < \kappa_4`,

.. math:: P(\text{grade} > k) = \frac{1}{1 + e^{\kappa_k - x'\beta}},

so a driver multiplies the odds of a better grade by the same :math:`e^\beta` at every cut. That can be looked at:
`odds_by_cut` estimates it at each cut by itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
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
        driver, odds_ratio (of a better grade, for one unit or against the first category), low, high, p_value.
    cuts : float array
        Between the grades that were given.
    grades : int array
        Those grades.
    nobs : int
    """

    odds: pd.DataFrame
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
            A driver is not given, or not in the model.
        """
        names = {column.split(": ")[0] for column in self._columns}
        if names != set(drivers):
            raise ParameterError(f"give a value for each of {', '.join(sorted(names))}")
        row = [float(drivers[c]) if c in drivers else float(drivers[c.split(": ")[0]] == c.split(": ")[1])
               for c in self._columns]  # fmt: skip
        above = 1 / (1 + np.exp(self.cuts - float(np.dot(row, self._slopes))))
        return -np.diff(np.concatenate([[1.0], above, [0.0]]))


def ordered_fit(answers: Any, drivers: Sequence[str], *, level: float = 0.95) -> OrderedFit:
    """Array: ordered logit of the grade on its drivers.

    Parameters
    ----------
    answers : any frame
        grade (1-5) and the drivers: numbers, flags, or text (a category each, against the first by name).
    drivers : sequence of str
    level : float
        Coverage of the Wald intervals, on the log scale.

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        No answers, fewer than two grades, a missing or constant driver.
    ConvergenceError

    References
    ----------
    McCullagh (1980); fitted by statsmodels' OrderedModel.
    """
    import pandas as pd
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    require_level(level)
    table, design, names = _design(answers, drivers)
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
    odds = pd.DataFrame(_odds(names, slopes, bse / scale, level))
    return OrderedFit(odds, cuts, grades, len(code), slopes, tuple(names))


def odds_by_cut(answers: Any, drivers: Sequence[str], *, level: float = 0.95) -> pd.DataFrame:
    """Array: odds of a grade above each cut, by a binary logit of its own: equal ones let the ordered model stand.

    Parameters and errors as in `ordered_fit`.

    Returns
    -------
    pandas.DataFrame, one row a cut and driver
        above (grade that is exceeded), meaning ("better than …"), driver, odds_ratio, low, high, p_value. Cuts with
        fewer than 30 answers on either side are not in it.
    """
    import pandas as pd
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    require_level(level)
    table, design, names = _design(answers, drivers)
    scale = design.std(axis=0)
    columns = np.column_stack([np.ones(len(design)), (design - design.mean(axis=0)) / scale])
    parts = []
    for cut in list(GRADES)[:-1]:
        above = (table["grade"] > cut).to_numpy(dtype=float)
        if min(above.sum(), len(above) - above.sum()) < FEWEST:
            continue
        with warnings.catch_warnings():
            for kind in (PerfectSeparationWarning, RuntimeWarning):
                warnings.simplefilter("error", kind)
            try:
                found = Logit(above, columns).fit(disp=0, maxiter=100)
            except (PerfectSeparationWarning, RuntimeWarning, np.linalg.LinAlgError) as error:
                raise ConvergenceError(f"a driver separates the grades at {cut}; leave it out") from error
        odds = _odds(names, np.asarray(found.params)[1:] / scale, np.asarray(found.bse)[1:] / scale, level)
        parts.append(pd.DataFrame({"above": cut, "meaning": f"better than {GRADES[cut]}", **odds}))
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


def _design(answers: Any, drivers: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Checked answers, and the drivers as columns of numbers with their names."""
    import pandas as pd

    if isinstance(drivers, str) or not drivers:
        raise ParameterError("drivers names no column; give a list, such as ['hours']")
    table = checked(answers, *drivers)
    columns, names = [], []
    for driver in drivers:
        column = table[driver]
        if pd.api.types.is_numeric_dtype(column):
            columns.append(column.to_numpy(dtype=float))
            names.append(driver)
            continue
        for category in sorted(column.astype(str).unique())[1:]:
            columns.append((column.astype(str) == category).to_numpy(dtype=float))
            names.append(f"{driver}: {category}")
    design = np.column_stack(columns) if columns else np.empty((len(table), 0))
    if design.shape[1] == 0 or not np.all(design.std(axis=0) > 0):
        raise DataError("a driver is the same in all answers, so what it moves is not known; leave it out")
    return table, design, names
