"""Intervals that several topics share: the bootstrap over customers, and what a level may be."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import ParameterError
from crmlib.options import number

#: Fewer customers than this get no bootstrap interval: of so few it is too narrow.
FEWEST = 30

#: Weights at a time, about 32 MB: more would leave the processor's own memory and be slower.
_AT_ONCE = 4_000_000


def bootstrap_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    n: int,
    *,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Array: percentile interval of a statistic over resamples of n customers.

    Parameters
    ----------
    statistic : callable
        Takes weights of shape (n, b), how often each customer was drawn in each of b replicates, and
        returns the statistics, shape (k, b). NaN marks a replicate in which it does not exist.
    n : int
        Number of customers.
    level, replicates
        Coverage between 0 and 1; number of resamples, at least 1.
    rng : numpy.random.Generator

    Returns
    -------
    (low, high), each of shape (k,)

    References
    ----------
    Efron, B. (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1-26.
    """
    require_level(level)
    if replicates < 1:
        raise ParameterError(f"replicates is {replicates}; give at least 1, better 1,000")
    draws = []
    block = max(1, min(replicates, _AT_ONCE // max(n, 1)))
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        draws.append(statistic(resamples(n, size, rng)))
    low, high = np.nanquantile(np.concatenate(draws, axis=1), [(1 - level) / 2, (1 + level) / 2], axis=1)
    return low, high


def corrected_interval(
    estimate: np.ndarray, draws: np.ndarray, acceleration: np.ndarray, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    r"""Array: bias-corrected and accelerated (BCa) bootstrap interval.

    The percentile interval reads the quantiles :math:`\alpha` and :math:`1 - \alpha` of the replicates;
    this one reads them at :math:`\Phi(z_0 + (z_0 + z_\alpha) / (1 - a (z_0 + z_\alpha)))`, with
    :math:`\Phi(z_0)` the part of the replicates below the estimate (ties by half). Where small counts
    make an estimate skewed, its errors fall on both sides alike: of 40 conversions the percentile
    interval misses above eight times as often as below.

    Parameters
    ----------
    estimate, acceleration : arrays (k,)
        Statistics of the sample, and their a: a sixth of the skewness of their influence. Where a is
        missing, 0 is taken.
    draws : array (k, replicates)
        NaN or infinite where a replicate has none; such replicates are left out.
    level : float

    Returns
    -------
    (low, high), each of shape (k,), NaN without any replicate or estimate

    References
    ----------
    Efron, B. (1987), Better bootstrap confidence intervals, JASA 82, 171-185, equations 2.2-2.3.
    """
    from scipy.special import ndtr, ndtri

    require_level(level)
    z = ndtri((1 + level) / 2)
    ends = np.full((2, len(draws)), np.nan)
    for row, (value, a) in enumerate(zip(estimate, np.nan_to_num(acceleration), strict=True)):
        kept = draws[row][np.isfinite(draws[row])]
        if not (len(kept) and np.isfinite(value)):
            continue
        near = 1e-9 * max(abs(value), 1e-300)  # rounding of sums must not decide a tie
        below = ((kept < value - near).mean() + (kept <= value + near).mean()) / 2
        shift = ndtri(np.clip(below, 0.5 / len(kept), 1 - 0.5 / len(kept)))
        moved = shift + np.array([-z, z])
        ends[:, row] = np.quantile(kept, ndtr(shift + moved / np.maximum(1 - a * moved, 1e-3)))
    low, high = ends
    return low, high


def accelerations(leave_out: np.ndarray) -> np.ndarray:
    r"""Array: acceleration :math:`a = \sum d^3 / 6 (\sum d^2)^{3/2}` from jackknife values.

    Parameters
    ----------
    leave_out : array (k, groups)
        Statistics without each unit, or without each of many equal groups of units drawn by lot: third
        moments of independent units add, so that groups estimate the same a, with an error of about
        0.65 / groups.

    Returns
    -------
    array (k,), 0 where nothing moves
    """
    d = leave_out.mean(axis=1, keepdims=True) - leave_out
    spread = (d**2).sum(axis=1) ** 1.5
    return np.divide((d**3).sum(axis=1), 6 * spread, out=np.zeros(len(d)), where=spread > 0)


def resamples(n: int, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Array: how often each of n is drawn when n are, in each replicate, shape (n, replicates)."""
    drawn = np.array([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(replicates)])
    return drawn.T.astype(float, order="C")


def holm(p_values: ArrayLike) -> np.ndarray:
    """Array: p-values adjusted for the number of comparisons, so that one level holds for all of them.

    Sorted upwards, the i-th of m is multiplied by m − i + 1, then made monotone and cut at 1. Own code
    because statsmodels' `multipletests` collects all garbage at each call, 70 ms in a notebook.

    Parameters
    ----------
    p_values : array-like, shape (m,)

    Returns
    -------
    array, shape (m,), in the order given

    References
    ----------
    Holm, S. (1979), A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6, 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)) if len(p) else p
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def require_level(level: float) -> None:
    """Refuse a coverage outside the open interval from 0 to 1.

    Raises
    ------
    ParameterError
    """
    if not 0 < number(level, "level") < 1:
        raise ParameterError(f"level is {level}; give a coverage between 0 and 1, such as 0.95")
