"""By what factor some customers leave more readily than others: Cox regression.

References
----------
Cox, D. R. (1972), Regression models and life-tables, JRSS B 34, 187-220.
Efron, B. (1977), The efficiency of Cox's likelihood function for censored data, JASA 72, 557-565.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.cohorts.survival import labels_of, spells
from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

#: Events per coefficient below which a Cox regression is refused.
FEWEST_EVENTS = 5


@dataclass(frozen=True, eq=False)
class CoxRegression:
    """Fitted Cox regression.

    `ratios` has one row a term: term, coefficient, error, hazard_ratio, low, high, p_value; `customers` at risk
    at some time and `events` among them; `llf` the partial log-likelihood; `covariance` of the coefficients;
    `spells` what was fitted: time, event, entry, stratum and one array a term, for each customer; `constant` the
    covariates left out because they have one value only. Where that leaves none, `ratios` is empty and `llf` missing.
    """

    ratios: pd.DataFrame
    customers: int
    events: int
    llf: float
    level: float
    covariance: np.ndarray
    spells: tuple[np.ndarray, ...]
    constant: tuple[str, ...] = ()


def cox_regression(
    durations: Any,
    observed: Any,
    covariates: pd.DataFrame,
    *,
    entry: Any = None,
    strata: Any = None,
    level: float = 0.95,
) -> CoxRegression:
    """Array: Cox's proportional-hazards regression, ties after Efron (statsmodels' PHReg).

    The hazard of a customer with covariates x is h(t) exp(x b): a hazard ratio exp(b) says by what factor the
    rate of leaving differs at every tenure. It describes who leaves, not what would happen if a covariate
    were changed. The time it takes grows with the number of different durations: of very many customers take
    whole months, not days.

    Parameters
    ----------
    durations, observed, entry
        As `survival_curve` takes them. With `entry`, customers without time at risk are left out.
    covariates : pandas.DataFrame, one row a customer
        Numbers and flags enter as they are; text and categories as one term a value against the most
        frequent value. Those with one value only have nothing to tell and are left out.
    strata : array-like, shape (n,), optional
        Groups with a baseline hazard of their own, where proportionality does not hold.
    level : float

    Returns
    -------
    CoxRegression

    Raises
    ------
    ParameterError
        No covariates.
    DataError
        Missing values, a covariate that others determine, a value whose customers never left or all did at once,
        nobody who left, or fewer than 5 events a term.
    ConvergenceError
        The likelihood has no maximum at finite coefficients.
    """
    require_level(level)
    time, status, start = spells(durations, observed, entry)
    if covariates.shape[1] == 0:
        raise ParameterError("covariates names no column; give at least one, such as contract")
    if len(covariates) != len(time):
        raise DataError(f"covariates have {len(covariates)} rows, durations {len(time)}; give one of each a customer")
    at_risk = np.full(len(time), entry is None) | (time > start)  # watched from the start, one may leave on day 0
    layers = np.zeros(len(time), dtype=int) if strata is None else labels_of(strata, len(time)).factorize()[0]
    design = design_of(covariates[at_risk])
    constant = tuple(str(name) for name in design if design[name].nunique() < 2)
    design = design.drop(columns=list(constant))
    spell = time[at_risk], status[at_risk], start[at_risk]
    if not design.shape[1] and status[at_risk].any():
        return _without_terms(spell, layers[at_risk], constant, level)
    check_design(design, status[at_risk])
    return replace(regression(design, spell, layers[at_risk], level=level), constant=constant)


def _without_terms(
    spell: tuple[np.ndarray, np.ndarray, np.ndarray], layers: np.ndarray, constant: tuple[str, ...], level: float
) -> CoxRegression:
    """What is left where no covariate varies."""
    import pandas as pd

    columns = ["coefficient", "error", "hazard_ratio", "low", "high", "p_value"]
    ratios = pd.DataFrame({"term": pd.Series(dtype="str")} | {name: pd.Series(dtype=float) for name in columns})
    size, events = len(spell[0]), int(spell[1].sum())
    sample = (*spell, layers, np.empty((size, 0)))
    return CoxRegression(ratios, size, events, np.nan, level, np.empty((0, 0)), sample, constant)


def regression(
    design: pd.DataFrame, spell: tuple[np.ndarray, np.ndarray, np.ndarray], layers: np.ndarray, *, level: float
) -> CoxRegression:
    """Array: the fit of a checked design to customers with time at risk; `spell` is time, event and entry."""
    import pandas as pd
    from scipy.stats import norm
    from statsmodels.duration.hazard_regression import PHReg

    time, status, start = spell
    entry = start if start.any() else None
    values = design.to_numpy(dtype=float)
    strata = layers if layers.any() else None
    fit = _fitted(PHReg(time, values, status=status.astype(int), entry=entry, strata=strata, ties="efron"))
    z = norm.ppf(0.5 + level / 2)
    with np.errstate(over="ignore"):
        low, high = np.exp(fit.params - z * fit.bse), np.exp(fit.params + z * fit.bse)
    ratios = pd.DataFrame(
        {
            "term": design.columns,
            "coefficient": fit.params,
            "error": fit.bse,
            "hazard_ratio": np.exp(fit.params),
            "low": low,
            "high": high,
            "p_value": 2 * norm.sf(np.abs(fit.params / fit.bse)),
        }
    )
    sample = (time, status, start, layers, values)
    return CoxRegression(ratios, len(time), int(status.sum()), float(fit.llf), level, fit.cov_params(), sample)


def design_of(covariates: pd.DataFrame) -> pd.DataFrame:
    """One column a term, named so that a reader knows what is set against what."""
    import pandas as pd

    columns = {}
    for name, column in covariates.items():
        if column.isna().any():
            raise DataError(f"covariate {name!r} lacks {int(column.isna().sum())} values; fill them or leave them out")
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            columns[str(name)] = column.to_numpy(dtype=float)
            continue
        counts = column.astype(str).value_counts()
        first = sorted(counts.index[counts == counts.max()])[0]
        for value in sorted(counts.index.drop(first)):
            columns[f"{name}: {value} (not {first})"] = (column.astype(str) == value).to_numpy(dtype=float)
        if len(counts) < 2:
            columns[str(name)] = np.zeros(len(column))
    return pd.DataFrame(columns)


def check_design(design: pd.DataFrame, status: np.ndarray) -> None:
    """Refuse what has no finite and unique estimate, and say what to leave out."""
    if not design.shape[1]:
        raise DataError("nobody with any of these values left")
    constant = [name for name in design if design[name].nunique() < 2]
    if constant:
        raise DataError(f"covariate {constant[0]!r} has one value only; leave it out")
    if np.linalg.matrix_rank(design - design.mean()) < design.shape[1]:
        raise DataError("some covariates are determined by the others; leave one of them out")
    if status.sum() < FEWEST_EVENTS * design.shape[1]:
        raise DataError(
            f"{int(status.sum())} customers left, for {design.shape[1]} terms; take fewer covariates or follow for "
            f"longer: at least {FEWEST_EVENTS} a term"
        )
    for name in design:
        one = design[name] == 1
        if set(design[name].unique()) == {0.0, 1.0} and (not status[one].any() or not status[~one].any()):
            raise DataError(
                f"all who left are on one side of {name!r}, so its ratio has no bound; merge or leave it out"
            )


def _fitted(model: Any) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # judged below, by what came out
        try:
            fit = model.fit()
        except np.linalg.LinAlgError as error:
            raise ConvergenceError("the Cox regression has no unique maximum; take fewer covariates") from error
    with np.errstate(all="ignore"):
        gradient, errors = np.abs(model.score(fit.params)), fit.bse
    if (
        not (np.isfinite(fit.params).all() and np.isfinite(errors).all() and (errors > 0).all())
        or (gradient * errors > 1e-3).any()
    ):
        raise ConvergenceError(
            "the Cox regression did not converge; a covariate may decide who leaves: take fewer of them"
        )
    if (errors > 50).any():
        raise ConvergenceError("a hazard ratio of the Cox regression has no bound; merge rare values or leave them out")
    return fit
