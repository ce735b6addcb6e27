"""Projecting a cohort of contracts: models of differing customers, and the curves that fail.

A polynomial through the first years fits them closely and then leaves the range of shares, or turns upward;
a flat rate takes the mean of the past for ever, though those who leave easily have left. Both are shown
beside the shifted-beta-geometric (sBG) and beta-discrete-Weibull (BdW) models.

References
----------
Fader, P. S., & Hardie, B. G. S. (2007), How to project customer retention, Journal of Interactive Marketing 21,
    76-90: the data, sBG, and the linear, quadratic and exponential curves.
Fader, P. S., Hardie, B. G. S., Liu, Y., Davin, J., & Steenburgh, T. (2018), "How to project customer retention"
    revisited: the role of duration dependence, Journal of Interactive Marketing 43, 1-16: BdW.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Customers still there at the start and after 1 to 12 years, of 1,000 (Fader & Hardie 2007, Table 1; from Berry
#: & Linoff, Data mining techniques, 2004).
_PUBLISHED = {
    "high_end": (1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394),
    "regular": (1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173),
}
METHODS = ("sBG", "BdW", "flat rate", "linear", "quadratic", "exponential")
_DEGREE = {"linear": 1, "quadratic": 2, "exponential": 1}


def published_survivors(segment: str) -> list[int]:
    """Survivors of 1,000 contracts after 0 to 12 years: segment "high_end" or "regular" of Fader & Hardie (2007)."""
    if segment not in _PUBLISHED:
        raise ParameterError(f"segment {segment!r} is unknown; use one of {', '.join(_PUBLISHED)}")
    return list(_PUBLISHED[segment])


def retention_projections(
    customers: ArrayLike,
    *,
    calibration: int,
    horizon: int | None = None,
    methods: Sequence[str] = METHODS,
    level: float = 0.95,
    draws: int = 4_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: a cohort's survival projected by each method from its first renewals only.

    `flat rate`: those still there renew ever after at the pooled rate so far, renewals made over renewals due.
    `linear`, `quadratic`: least squares of the share still there on the number of renewals, the start included;
    `exponential`: of its logarithm. Nothing keeps these between 0 and 1, or from rising.

    Models and flat rate start from who is there at the calibration's end; before it, the models show their fit.
    Intervals are for the share of this cohort that will be there. Models and flat rate: parameters and chance
    both vary (of the flat rate: Jeffreys' posterior). Curves: the prediction interval of their regression. A
    method that cannot be fitted is left out of the table.

    Parameters
    ----------
    customers : array-like of counts
        Still there after 0, 1, 2… renewals, not rising; the ones after `calibration` are kept for judging.
    calibration : int
        Renewals that the methods see, at least 2.
    horizon : int, optional
        Renewals to project to. Default: all that are known, at least one more than calibration.
    methods, level, draws
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a method and number of renewals from 0
        method, renewals, survival (of those at the start), low, high (missing up to calibration), actual (missing
        where unknown), seen (whether the method saw it).

    Raises
    ------
    DataError
        Counts that rise, nobody left or all lost within calibration.
    ParameterError
        An unknown method, or a calibration or horizon out of range.
    """
    import pandas as pd

    require_level(level)
    known = _counts(customers)
    end = len(known) - 1 if horizon is None else horizon
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise ParameterError(f"methods {unknown} are unknown; use some of {', '.join(METHODS)}")
    if not 2 <= calibration <= len(known) - 1:
        raise ParameterError(f"calibration is {calibration}; the data allow 2 to {len(known) - 1} renewals")
    end = max(end, calibration + 1) if horizon is None else end
    if end <= calibration:
        raise ParameterError(f"horizon is {end}; give more than the {calibration} renewals of the calibration")
    seen = known[: calibration + 1]
    if seen[-1] == seen[0] or seen[-1] == 0:
        raise DataError("in the calibration nobody left, or all did: there is nothing to project")
    t = np.arange(end + 1)
    actual = np.full(end + 1, np.nan)
    actual[: min(len(known), end + 1)] = known[: end + 1] / known[0]
    parts = []
    for name in methods:
        try:
            curve = _model(name, seen, t, level, draws, rng) if name in ("sBG", "BdW") else None
        except (DataError, ConvergenceError):
            continue
        if curve is None:
            curve = _flat(seen, t, level, draws, rng) if name == "flat rate" else _regression(name, seen, t, level)
        survival, low, high = curve
        low[: calibration + 1], high[: calibration + 1] = np.nan, np.nan
        table = {"renewals": t, "survival": survival, "low": low, "high": high, "actual": actual}
        parts.append(pd.DataFrame(table).assign(method=name, seen=t <= calibration))
    if not parts:
        raise DataError("no method could be fitted to these customers; take more renewals")
    columns = ["method", "renewals", "survival", "low", "high", "actual", "seen"]
    return pd.concat(parts, ignore_index=True)[columns]


def projection_errors(projections: pd.DataFrame) -> pd.DataFrame:
    """Array: how far each method is off, in the renewals it saw and in those it did not.

    Parameters
    ----------
    projections : pandas.DataFrame
        As `retention_projections` gives them; some renewals after the calibration must be known.

    Returns
    -------
    pandas.DataFrame, one row a method, the best out of sample first
        method, error_seen, error_unseen (mean absolute, in shares), last (projected minus actual at the last
        known renewal), inside (share of unseen points inside their interval), impossible (True where the
        projection rises, or leaves 0 to 1).
    """
    import pandas as pd

    judged = projections[projections["actual"].notna()]
    if judged["seen"].all():
        raise DataError("no renewal after the calibration is known, so nothing can be judged; calibrate on fewer")
    rows = []
    for name, group in judged.groupby("method", sort=False):
        off = group["survival"] - group["actual"]
        unseen = group[~group["seen"]]
        whole = projections.loc[projections["method"] == name, "survival"].to_numpy()
        rows.append(
            {
                "method": name,
                "error_seen": off[group["seen"]].abs().mean(),
                "error_unseen": off[~group["seen"]].abs().mean(),
                "last": off.iloc[-1],
                "inside": unseen["actual"].between(unseen["low"], unseen["high"]).mean(),
                "impossible": bool((np.diff(whole) > 1e-9).any() or (whole < -1e-9).any() or (whole > 1 + 1e-9).any()),
            }
        )
    return pd.DataFrame(rows).sort_values("error_unseen", kind="stable").reset_index(drop=True)


def _counts(customers: ArrayLike) -> Floats:
    n = np.asarray(customers, dtype=float)
    if n.ndim != 1 or len(n) < 3 or not np.isfinite(n).all() or (np.diff(n) > 0).any() or (n < 0).any() or not n[0]:
        raise DataError(
            "customers must be at least three numbers that do not rise and begin above 0: who is there after 0, 1, 2… "
            "renewals"
        )
    return n


def _model(name: str, seen: Floats, t: Any, level: float, draws: int, rng: np.random.Generator) -> list[Floats]:
    from crmlib.models import BetaDiscreteWeibull, ShiftedBetaGeometric

    model = {"sBG": ShiftedBetaGeometric, "BdW": BetaDiscreteWeibull}[name]
    fit = model.from_survivors(seen).fit()
    last, ahead = len(seen) - 1, t[len(seen) :]
    table = fit.prediction_interval(ahead, round(seen[-1]), since=last, level=level, draws=draws, rng=rng)
    nothing = np.full(len(seen), np.nan)
    low, high = (np.concatenate([nothing, table[end] / seen[0]]) for end in ("low", "high"))
    past = np.asarray(fit.survival(t[: len(seen)]), dtype=float)
    return [np.concatenate([past, table["expected"] / seen[0]]), low, high]


def _flat(seen: Floats, t: Any, level: float, draws: int, rng: np.random.Generator) -> list[Floats]:
    made, due = seen[1:].sum(), seen[:-1].sum()
    last, ahead = len(seen) - 1, np.maximum(t - len(seen) + 1, 0)
    rate = rng.beta(made + 0.5, due - made + 0.5, draws)
    there = rng.binomial(round(seen[-1]), rate[:, None] ** ahead) / seen[0]
    low, high = np.quantile(there, [(1 - level) / 2, (1 + level) / 2], axis=0)
    past = np.where(t <= last, np.append(seen, np.zeros(len(t)))[: len(t)], seen[-1]) / seen[0]
    return [past * (made / due) ** ahead, low, high]


def _regression(name: str, seen: Floats, t: Any, level: float) -> list[Floats]:
    from statsmodels.regression.linear_model import OLS

    logs = name == "exponential"
    degree = _DEGREE[name]
    share = seen / seen[0]
    fit = OLS(np.log(share) if logs else share, np.vander(np.arange(len(seen)), degree + 1, increasing=True)).fit()
    design = np.vander(t, degree + 1, increasing=True)
    if fit.df_resid > 0:
        ends = fit.get_prediction(design).conf_int(obs=True, alpha=1 - level).T
    else:  # a curve through every point has no error to judge by
        ends = np.full((2, len(t)), np.nan)
    curves = [design @ fit.params, *ends]
    return [np.exp(curve) if logs else curve for curve in curves]
