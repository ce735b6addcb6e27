"""Intervals of shares on the logit scale."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from crmlib.errors import ParameterError
from crmlib.intervals import require_level


def logit_interval(
    value: np.ndarray, draws: Iterable[np.ndarray], *, level: float, replicates: int
) -> tuple[np.ndarray, np.ndarray]:
    """Array: intervals of shares from bootstrap replicates, normal and bias-corrected on the logit scale.

    Where a share or one of its replicates is 0 or 1 the logit does not exist, and the interval holds the
    plain percentiles. Replicates in which a share does not exist (NaN) are left out.

    Parameters
    ----------
    value : array, shape (k,)
        The estimates.
    draws : iterable of arrays of shape (k,)
        One a replicate.
    level, replicates
        Coverage; how many replicates are asked for, at least 2.

    Raises
    ------
    ParameterError
    """
    from scipy.special import expit, logit
    from scipy.stats import norm

    require_level(level)
    if replicates < 2:
        raise ParameterError(f"replicates is {replicates}; give at least 2, better 1,000")
    drawn = np.array(list(draws))
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn, tails, axis=0) if len(drawn) else np.full((2, len(value)), np.nan)
    inner = (drawn > 0).all(axis=0) & (drawn < 1).all(axis=0) & (value > 0) & (value < 1) if len(drawn) else low > 0
    if inner.any():
        estimate, scores = logit(value[inner]), logit(drawn[:, inner])
        middle, spread = 2 * estimate - scores.mean(axis=0), scores.std(axis=0, ddof=1)
        low[inner], high[inner] = (expit(middle + norm.ppf(tail) * spread) for tail in tails)
    return low, high
