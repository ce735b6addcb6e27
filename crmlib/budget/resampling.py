r"""Resamples of customers, and what they say of a mean that a few customers carry.

Margins are skewed: most samples miss the few who bring much, so that the percentile interval of the bootstrap lies too
low and is too short. Hall (1992) corrects the studentised mean t for the skewness :math:`\gamma` of n values. With
:math:`b = \gamma / \sqrt n`,

.. math:: g(t) = t + \frac b 3 t^2 + \frac{b^2}{27} t^3 + \frac b 6

is nearly normal, and turned round :math:`g^{-1}(x) = \frac 3 b \left[(1 + b (x - b / 6))^{1/3} - 1\right]`. Replicates
keep their order, and so how ages hang together: the one at quantile u is put at
:math:`\hat m - \hat\sigma\, g^{-1}(\Phi^{-1}(1 - u))`, so that quantiles of replicates are the ends of Hall's interval.

References
----------
Hall, P. (1992), On the removal of skewness by transformation, Journal of the Royal Statistical Society B 54, 221-228.
"""

from __future__ import annotations

import numpy as np

from crmlib.budget.ages import Ages

_BLOCK = 20_000_000


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
    seen = ages.seen[row]
    mean = ratio(ages.margin[row].sum(axis=0), seen.sum(axis=0))
    by_age = np.where(seen, ages.margin[row] - np.nan_to_num(mean), 0.0) / np.maximum(seen.sum(axis=0), 1)
    found = []
    for influence in (by_age, np.cumsum(by_age, axis=1)):
        spread = (influence**2).sum(axis=0) ** 1.5
        found.append(np.divide((influence**3).sum(axis=0), spread, out=np.zeros(len(spread)), where=spread > 0))
    return np.stack(found)


def unskewed(estimate: np.ndarray, draws: np.ndarray, skew: np.ndarray) -> np.ndarray:
    """Replicates (replicates, ages) of estimates (ages,) put where Hall's interval has their quantiles."""
    from scipy.special import ndtri

    rank = draws.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    x = -ndtri((rank + 0.5) / len(draws))
    plain = np.abs(skew) < 1e-6
    b = np.where(plain, 1.0, skew)
    t = np.where(plain, x, 3 / b * (np.cbrt(1 + b * (x - b / 6)) - 1))
    return np.asarray(estimate - draws.std(axis=0, ddof=1) * t)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Mean; missing where there is nobody."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)
