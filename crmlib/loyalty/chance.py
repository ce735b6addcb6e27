"""How much of the concentration of one window is chance: the NBD beside what was observed.

In a short window even equal customers differ: some happen to buy, others do not. With the negative
binomial distribution, in which nobody changes, it can be computed what that alone makes of the top
share. It is for counts of purchases, not money, and zeros belong in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.intervals import require_level
from crmlib.loyalty.concentration import top_share
from crmlib.loyalty.logit import logit_interval
from crmlib.models import NBD, gamma_top_share, nbd_top_share
from crmlib.models.top_shares import require_part

if TYPE_CHECKING:
    import pandas as pd


def chance_correction(
    counts: ArrayLike,
    *,
    p: float = 0.2,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: top share of purchase counts, what the NBD makes of it, and what would remain in the long run.

    Assumes that every customer at risk buys at an own constant rate (Poisson), that rates are gamma
    distributed, and that nobody leaves. The gap between observed and NBD is read as departure from that.

    Parameters
    ----------
    counts : array-like of whole numbers, shape (n,)
        Purchases of every customer at risk in one window, zeros kept, first purchases left out.
    p : float
        Part of the customers, between 0 and 1.
    level, replicates
        Coverage, between 0 and 1; number of bootstrap replicates over customers, each of which refits the NBD.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, four rows
        quantity ("observed": top share in this window; "nbd": the share that the fitted NBD implies for
        it, ties split at the cut; "gap": observed minus nbd, paired in each replicate; "long_run": the
        share once chance has averaged out), value, low, high (shares).

    Raises
    ------
    DataError
        No customers, no purchases, counts that are not whole or negative.
    ConvergenceError
        Customers differ no more than by chance.
    ParameterError

    References
    ----------
    Schmittlein, D. C., Cooper, L. G., & Morrison, D. G. (1993), Marketing Science 12, 167-183.
    """
    import pandas as pd
    from scipy.stats import norm

    require_part(p)
    require_level(level)
    model = NBD(counts)
    fitted = model.fit()
    values, each = model.counts, model.weights.astype(np.int64)

    def shares(weights: np.ndarray, r: np.ndarray, ratio: np.ndarray) -> np.ndarray:
        observed = np.array([top_share(values, p, weights=column) for column in weights])
        return np.column_stack([observed, nbd_top_share(r, ratio, 1.0, p), gamma_top_share(r, p)])

    value = shares(each[None], np.array([fitted.r]), np.array([fitted.alpha]))[0]
    # Customers with equal counts are alike, so drawing customers is drawing the histogram.
    drawn = rng.multinomial(each.sum(), each / each.sum(), size=replicates)
    drawn = drawn[drawn @ values > 0]
    draws = shares(drawn, *_shapes(values, drawn))
    low, high = logit_interval(value, draws, level=level, replicates=replicates)
    gap = value[0] - value[1]
    spread = norm.ppf(0.5 + level / 2) * np.std(draws[:, 0] - draws[:, 1], ddof=1)
    return pd.DataFrame(
        {
            "quantity": ["observed", "nbd", "gap", "long_run"],
            "value": [value[0], value[1], gap, value[2]],
            "low": [low[0], low[1], gap - spread, low[2]],
            "high": [high[0], high[1], gap + spread, high[2]],
        }
    )


def _shapes(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum-likelihood r and alpha (window = 1) of many histograms over the same counts at once.

    At the maximum r / alpha is the mean, which leaves Σ w [ψ(r + x) − ψ(r)] + N ln(r / (r + m)) = 0 in r.
    Its left side falls from positive to negative, so halving finds the root; where the counts are not
    over-dispersed r ends at its upper bound, a Poisson distribution for all that matters.
    """
    from scipy.special import digamma

    people = weights.sum(axis=1)
    mean = weights @ values / people
    low, high = np.full(len(people), -10.0), np.full(len(people), 14.0)
    for _ in range(50):
        middle = (low + high) / 2
        r = np.exp(middle)
        slope = np.einsum("bk,bk->b", weights, digamma(r[:, None] + values) - digamma(r)[:, None])
        rising = slope - people * np.log1p(mean / r) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    r = np.exp((low + high) / 2)
    return r, r / mean
