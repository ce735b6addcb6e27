r"""Resamples of customers, and what they say of a mean that a few customers carry.

Margins are skewed: most samples miss the few who bring much, so that the percentile interval of the bootstrap lies too
low and is too short. Hall (1992) corrects the studentised mean t for the skewness :math:`\gamma` of n values. With
:math:`b = \gamma / \sqrt n`,

.. math:: g(t) = t + \frac b 3 t^2 + \frac{b^2}{27} t^3 + \frac b 6

is nearly normal, and turned round :math:`g^{-1}(x) = \frac 3 b \left[(1 + b (x - b / 6))^{1/3} - 1\right]`. Replicates
keep their order, and so how ages hang together: the one at quantile u is put at
:math:`\hat m - \hat\sigma\, g^{-1}(\Phi^{-1}(1 - u))`, so that quantiles of replicates are the ends of Hall's interval.

A small sample that missed the few does not show its skewness either. All customers together do: t of as many customers
drawn from those of all channels, each less the mean of its own, is what t would be if channels' margins differed in
level and scale alone (the studentised bootstrap of Hall 1988, its population all channels'). Where its quantile reaches
further than Hall's correction by the channel's own skewness, it takes its place.

References
----------
Hall, P. (1988), Theoretical comparison of bootstrap confidence intervals, Annals of Statistics 16, 927-953.
Hall, P. (1992), On the removal of skewness by transformation, Journal of the Royal Statistical Society B 54, 221-228.
"""

from __future__ import annotations

import numpy as np

from crmlib.budget.ages import Ages

_BLOCK = 20_000_000
#: Customers of all channels, drawn by lot where there are more, and the largest channel that they stand for: in one
#: with more its own skewness is known well enough.
_POOL, _LARGE = 5_000, 5_000


def resampled(ages: Ages, row: np.ndarray, replicates: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Margins added up and customers seen by age, in each resample of a channel's customers."""
    margin, seen = ages.margin[row], ages.seen[row].astype(float)
    size = len(margin)
    sums, counts = (np.empty((replicates, margin.shape[1])) for _ in range(2))
    block = max(1, min(replicates, _BLOCK // max(size, 1)))
    for start in range(0, replicates, block):
        stop = min(start + block, replicates)
        drawn = [np.bincount(rng.integers(size, size=size), minlength=size) for _ in range(start, stop)]
        weights = np.stack(drawn).astype(float)
        sums[start:stop], counts[start:stop] = weights @ margin, weights @ seen
    return sums, counts


def skews(ages: Ages, row: np.ndarray) -> np.ndarray:
    r"""Hall's b of a channel's mean margin: by age, and of the means added up to its end: array (2, ages).

    It is :math:`\sum d_i^3 / (\sum d_i^2)^{3/2}` with d the influence of a customer, which for a mean of n is
    :math:`\gamma / \sqrt n`. Discounting hardly moves it, so that it is taken from margins as they are.
    """
    influence = _influence(ages, row)
    spread = (influence**2).sum(axis=0) ** 1.5
    found = np.divide((influence**3).sum(axis=0), spread, out=np.zeros(len(spread)), where=spread > 0)
    return np.asarray(found.reshape(2, -1))


def studentised(ages: Ages, rows: list[np.ndarray], replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Student's t of as many customers as a channel has, of all channels': (channels, 2, replicates, ages), sorted.

    By age, and of means added up to its end. Draws that do not vary have no t and are left out. Missing for channels
    beyond the largest.
    """
    found = np.full((len(rows), 2, replicates, ages.margin.shape[1]), np.nan)
    pool = np.concatenate([row.sum() * _influence(ages, row) for row in rows])
    if len(pool) > _POOL:
        pool = pool[rng.choice(len(pool), _POOL, replace=False)]
    both = np.hstack([pool, pool**2]).astype(np.float32)
    for place, row in enumerate(rows):
        n = int(row.sum())
        if n > _LARGE:
            continue
        drawn = [np.bincount(rng.integers(len(pool), size=n), minlength=len(pool)) for _ in range(replicates)]
        mean, square = np.split(np.stack(drawn).astype(np.float32) @ both / n, 2, axis=1)
        variance = (square - mean**2) / max(n - 1, 1)
        error = np.sqrt(np.where(variance > 1e-5 * square / n, variance, np.nan))
        t = np.sort((mean - pool.mean(axis=0)) / error, axis=0)
        for column in np.flatnonzero(np.isnan(t).any(axis=0) & np.isfinite(t[0])):
            known = t[np.isfinite(t[:, column]), column]
            t[:, column] = np.quantile(known, (np.arange(replicates) + 0.5) / replicates)
        found[place] = t.reshape(replicates, 2, -1).swapaxes(0, 1)
    return found


def unskewed(estimate: np.ndarray, draws: np.ndarray, skew: np.ndarray, pooled: np.ndarray) -> np.ndarray:
    """Replicates (replicates, ages) of estimates (ages,) put where their interval has their quantiles.

    `skew` is the channel's (ages,), `pooled` the t of all channels' customers (replicates, ages).
    """
    from scipy.special import ndtri

    order = draws.argsort(axis=0, kind="stable")
    # from the lowest replicate to the highest, whose place below and above the estimate goes with t from high to low
    x = -ndtri((np.arange(len(draws)) + 0.5) / len(draws))[:, None]
    plain = np.abs(skew) < 1e-6
    b = np.where(plain, 1.0, skew)
    own = np.where(plain, x, 3 / b * (np.cbrt(1 + b * (x - b / 6)) - 1))
    t = np.where(x > 0, np.fmax(own, pooled[::-1]), np.fmin(own, pooled[::-1]))
    put = np.empty_like(draws)
    np.put_along_axis(put, order, estimate - draws.std(axis=0, ddof=1) * t, axis=0)
    return put


def _influence(ages: Ages, row: np.ndarray) -> np.ndarray:
    """What each customer adds to a channel's mean margin by age, then to the means added up: (customers, 2 ages)."""
    seen = ages.seen[row]
    mean = ratio(ages.margin[row].sum(axis=0), seen.sum(axis=0))
    by_age = np.where(seen, ages.margin[row] - np.nan_to_num(mean), 0.0) / np.maximum(seen.sum(axis=0), 1)
    return np.hstack([by_age, np.cumsum(by_age, axis=1)])


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Mean; missing where there is nobody."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)
