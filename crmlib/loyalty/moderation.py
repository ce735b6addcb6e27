"""What heavy buyers do next: they are in part those whom chance favoured, and it does not do so twice.

Schmittlein, Cooper and Morrison (1993) call it the law of buyer moderation. The negative binomial
distribution, in which nobody changes, says how far chance alone draws each group towards the mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import DataError
from crmlib.intervals import FEWEST, require_level
from crmlib.loyalty.logit import logit_interval
from crmlib.models import NBD, NBDResults
from crmlib.models.top_shares import require_part

if TYPE_CHECKING:
    import pandas as pd

_TAIL = 1e-10  # of the distribution's probability that sums over counts may leave out


def buyer_moderation(first: ArrayLike, second: ArrayLike, *, most: int = 10, level: float = 0.95) -> pd.DataFrame:
    """Array: what customers did in the window after, by what they had done before, beside the NBD.

    The NBD is fitted to the first window alone; its expectation (r + x) / (α + 1), the window being the
    unit of time, says how far chance by itself draws each group towards the mean. If nobody changed, the
    observed mean would lie around it.

    Parameters
    ----------
    first, second : array-like of whole numbers, shape (n,)
        Purchases of the same customers in two windows of equal length.
    most : int
        Counts of `most` and more are one group.
    level : float
        Coverage of the normal interval of the mean.

    Returns
    -------
    pandas.DataFrame, one row a group with customers
        purchases (count in the first window; the last row holds `most` and more), customers, before, after
        (mean purchases in either window), expected (by the NBD), low, high (of `after`; NaN for fewer
        than 30 customers).

    Raises
    ------
    DataError, ConvergenceError
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    x, y, fitted = _two_windows(first, second)
    table = pd.DataFrame({"purchases": np.minimum(x, most).astype(np.int64), "before": x, "after": y})
    table["expected"] = fitted.conditional_expected(x, 1.0, 1.0)
    groups = table.groupby("purchases")
    means = groups[["before", "after", "expected"]].mean()
    size, spread = groups.size(), groups["after"].std()
    half = norm.ppf(0.5 + level / 2) * spread / np.sqrt(size)
    half = half.where(size >= FEWEST)
    means = means.assign(low=(means["after"] - half).clip(lower=0), high=means["after"] + half)
    means.insert(0, "customers", size)
    return means.reset_index()


def heavy_buyer_stability(
    first: ArrayLike, second: ArrayLike, *, p: float = 0.2, level: float = 0.95, replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    """Array: how many heavy buyers of one window are heavy in the next, and what they hold then.

    The heavy ones are the top p by count; customers who tie at the cut are each counted with the part
    that fills it up, so row order does not matter. The NBD, fitted to the first window, says what the
    same numbers would be if nobody changed.

    Parameters
    ----------
    first, second : array-like of whole numbers, shape (n,)
        Purchases of the same customers in two windows of equal length.
    p, level, replicates, rng
        As in `chance_correction`; intervals by bootstrap over customers, for what was observed.

    Returns
    -------
    pandas.DataFrame, three rows
        quantity ("stay_heavy": part of the first window's heavy buyers who are heavy in the second;
        "share_before": share of the first window's purchases that they make; "share_after": of the
        second's), value, low, high, nbd (expected if nobody changes; shares).

    Raises
    ------
    DataError, ConvergenceError, ParameterError
    """
    import pandas as pd

    require_part(p)
    x, y, fitted = _two_windows(first, second)
    if not y.sum() > 0:
        raise DataError("nobody bought in the second window; take longer windows")
    pairs, each = np.unique(np.column_stack([x, y]), axis=0, return_counts=True)
    one, two = pairs.T

    def measures(weights: np.ndarray) -> np.ndarray:
        total = weights.sum()
        if not (weights @ one > 0 and weights @ two > 0):
            return np.full(3, np.nan)
        heavy = weights * _heavy_part(one, weights, p)
        again = heavy @ _heavy_part(two, weights, p)
        return np.array([again / (p * total), heavy @ one / (weights @ one), heavy @ two / (weights @ two)])

    value = measures(each)
    draws = rng.multinomial(each.sum(), each / each.sum(), size=replicates)
    low, high = logit_interval(value, map(measures, draws), level=level, replicates=replicates)
    names = ["stay_heavy", "share_before", "share_after"]
    expected = _expected_stability(fitted, p)
    return pd.DataFrame({"quantity": names, "value": value, "low": low, "high": high, "nbd": expected})


def _two_windows(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, np.ndarray, NBDResults]:
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise DataError("the two windows must hold the same customers, in the same order")
    if not (np.all(np.isfinite(y)) and np.all(y >= 0)):
        raise DataError("purchase counts must be whole numbers of at least 0; count order days, not money")
    return x, y, NBD(x).fit()


def _heavy_part(values: np.ndarray, weights: np.ndarray, p: float) -> np.ndarray:
    """Which part of the customers with each value is among the top p: 1 above the cut, a fraction at it."""
    order = np.argsort(-values, kind="stable")
    ranked, count = values[order], weights[order]
    group = np.cumsum(np.append(True, ranked[1:] != ranked[:-1])) - 1
    size = np.bincount(group, weights=count)
    before = np.cumsum(size) - size
    with np.errstate(invalid="ignore", divide="ignore"):  # groups of which a replicate drew nobody
        part = np.clip((p * count.sum() - before) / size, 0, 1)
    filled = np.empty(len(values))
    filled[order] = np.where(size > 0, part, 0.0)[group]
    return filled


def _expected_stability(fitted: NBDResults, p: float) -> np.ndarray:
    """The three measures of `heavy_buyer_stability` under the NBD, by summing over both counts."""
    from scipy.stats import nbinom

    r, alpha = fitted.r, fitted.alpha
    x = np.arange(int(nbinom.isf(_TAIL, r, alpha / (alpha + 1))) + 2)
    chance = nbinom.pmf(x, r, alpha / (alpha + 1))
    heavy = chance * _heavy_part(x, chance / chance.sum(), p)
    # Given x, the rate is Gamma(r + x, α + 1) and the next count NBD with it.
    following = nbinom.pmf(x[None, :], r + x[:, None], (alpha + 1) / (alpha + 2))
    again = heavy @ following @ _heavy_part(x, chance / chance.sum(), p)
    mean = r / alpha
    return np.array([again / p, heavy @ x / mean, heavy @ fitted.conditional_expected(x, 1.0, 1.0) / mean])
