"""Whether the hazard ratios of a Cox regression are constant.

References
----------
Grambsch, P. M., & Therneau, T. M. (1994), Proportional hazards tests and diagnostics based on weighted
    residuals, Biometrika 81, 515-526.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crmlib.cohorts.hazards import CoxRegression, check_design, design_of, regression
from crmlib.cohorts.survival import spells, survival_curve
from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd


def proportionality(cox: CoxRegression) -> pd.DataFrame:
    """Array: are the hazard ratios constant? Grambsch and Therneau's test of each term and of all.

    Correlates the scaled Schoenfeld residuals with 1 - S(t-), the Kaplan-Meier share that had left before (the
    transform "km" of R's cox.zph up to survival 2). A small p-value says that a ratio drifts with tenure; with
    many customers also drifts too small to matter are found, so look at `ratios_by_tenure` too.

    Returns
    -------
    pandas.DataFrame, one row a term, then "all terms"
        term, correlation (positive: the ratio grows with tenure), statistic, df, p_value. Without a term no row.
    """
    import pandas as pd
    from scipy.stats import chi2

    if not len(cox.ratios):
        empty = {name: pd.Series(dtype=float) for name in ("correlation", "statistic", "df", "p_value")}
        return pd.DataFrame({"term": pd.Series(dtype="str")} | empty)
    time, status, start, layers, _ = cox.spells
    curve = survival_curve(time, status, entry=start if start.any() else None)
    residuals = _schoenfeld(cox)
    at = np.concatenate([np.sort(time[status & (layers == layer)]) for layer in np.unique(layers)])
    place = np.maximum(np.searchsorted(curve["time"].to_numpy(), at, side="left") - 1, 0)
    left_before, covariance = 1 - curve["survival"].to_numpy()[place], cox.covariance
    step = left_before - left_before.mean()
    spread = float(step @ step)
    if not spread > 0:
        raise DataError("all events fall on one time, so a drift with tenure cannot be seen; use finer times")
    events = len(residuals)
    scaled = events * residuals @ covariance
    score = step @ scaled
    each = score**2 / (np.diag(covariance) * events * spread)
    raw = step @ residuals
    total = float(raw @ covariance @ raw) * events / spread
    with np.errstate(invalid="ignore"):
        deviation = scaled - scaled.mean(axis=0)
        correlation = step @ deviation / np.sqrt(spread * (deviation**2).sum(axis=0))
    terms = pd.DataFrame({"term": cox.ratios["term"], "correlation": correlation, "statistic": each, "df": 1})
    overall = pd.DataFrame({"term": ["all terms"], "correlation": [np.nan], "statistic": [total], "df": [len(terms)]})
    table = pd.concat([terms, overall], ignore_index=True)
    return table.assign(p_value=chi2.sf(table["statistic"], table["df"]))


def ratios_by_tenure(
    durations: Any,
    observed: Any,
    covariates: pd.DataFrame,
    *,
    cuts: Sequence[float],
    entry: Any = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Array: hazard ratios within stretches of tenure, a Cox regression for each: how they drift, in plain sight.

    Parameters
    ----------
    durations, observed, covariates, entry, level
        As `cox_regression` takes them.
    cuts : sequence of float
        Tenures that part the stretches, ascending, above 0.

    Returns
    -------
    pandas.DataFrame, one row a stretch and term
        from_time, to_time (infinite for the last), customers, events, then the columns of
        `CoxRegression.ratios`: ratio 0 without interval for a value nobody left with, all missing where the
        data do not suffice. A covariate with one value only has no row.
    """
    import pandas as pd

    require_level(level)
    time, status, start = spells(durations, observed, entry)
    ends = [0.0, *map(float, cuts), np.inf]
    if np.any(np.diff(ends) <= 0):
        raise ParameterError(f"cuts are {list(cuts)}; give ascending tenures above 0")
    design, parts = design_of(covariates), []
    design = design.loc[:, design.ne(design.iloc[0]).any()] if len(design) else design
    for low, high in pairwise(ends):
        inside = ((time > low) | ((low == 0) & (entry is None))) & (start < high)
        stretch = _Stretch(
            np.minimum(time, high)[inside], (status & (time <= high))[inside], np.maximum(start, low)[inside]
        )
        parts.append(_ratios(design[inside], stretch, level).assign(from_time=low, to_time=high))
    table = pd.concat(parts, ignore_index=True)
    order = ["from_time", "to_time", "customers", "events"]
    return table[[*order, *table.columns.drop(order)]]


class _Stretch(NamedTuple):
    """Time, event and entry of the customers at risk within a stretch of tenure."""

    time: np.ndarray
    status: np.ndarray
    start: np.ndarray


def _ratios(design: pd.DataFrame, stretch: _Stretch, level: float) -> pd.DataFrame:
    """Ratios of one stretch. A value nobody left with has ratio 0: its customers drop out in the limit."""
    import pandas as pd

    flags = [name for name in design if set(design[name].unique()) <= {0.0, 1.0}]
    silent = [name for name in flags if not stretch.status[design[name] == 1].any()]
    stay = (design[silent] == 0).all(axis=1).to_numpy()
    kept = design.loc[stay].drop(columns=silent)
    counts = {"customers": len(design), "events": int(stretch.status.sum())}
    try:
        check_design(kept, stretch.status[stay])
        spell = stretch.time[stay], stretch.status[stay], stretch.start[stay]
        rest = regression(kept, spell, np.zeros(int(stay.sum()), dtype=int), level=level).ratios
    except (DataError, ConvergenceError):
        rest = pd.DataFrame({"term": kept.columns})
    columns = ["term", "coefficient", "error", "hazard_ratio", "low", "high", "p_value"]
    table = rest.reindex(columns=columns).set_index("term").reindex(pd.Index(design.columns, name="term"))
    table.loc[silent, "hazard_ratio"] = 0.0
    return table.reset_index().assign(**counts)


def _schoenfeld(cox: CoxRegression) -> np.ndarray:
    """Covariates of each who left minus the mean of those at risk, by stratum and time; ties after Efron.

    statsmodels has them with Breslow's mean only.
    """
    time, status, start, layers, design = cox.spells
    weight = np.exp(design @ cox.ratios["coefficient"].to_numpy())
    weighted = np.column_stack([weight, weight[:, None] * design])
    rows = []
    for layer in np.unique(layers):
        own = layers == layer
        events = own & status
        times, deaths = np.unique(time[events], return_counts=True)
        at_risk = _sums_from(time[own], weighted[own], times)
        if start.any():
            at_risk -= _sums_from(start[own], weighted[own], times)
        order = np.argsort(time[events], kind="stable")
        bounds = np.concatenate([[0], np.cumsum(deaths)[:-1]])
        tied = np.add.reduceat(weighted[events][order], bounds) if len(times) else weighted[:0]
        mean = np.empty((len(times), design.shape[1]))
        for i, d in enumerate(deaths):
            steps = at_risk[i] - np.arange(d)[:, None] / d * tied[i]
            mean[i] = (steps[:, 1:] / steps[:, :1]).mean(axis=0)
        rows.append(design[events][order] - np.repeat(mean, deaths, axis=0))
    return np.concatenate(rows)


def _sums_from(at: np.ndarray, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Sums of the values whose `at` is not before each time."""
    order = np.argsort(at, kind="stable")
    ahead = np.concatenate([np.cumsum(values[order][::-1], axis=0)[::-1], np.zeros((1, values.shape[1]))])
    return ahead[np.searchsorted(at[order], times, side="left")]
