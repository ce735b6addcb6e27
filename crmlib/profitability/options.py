"""What low-value customers may become is worth: later contribution along the migration between groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level
from crmlib.profitability.migration import quantile_groups, require_pairs

if TYPE_CHECKING:
    import pandas as pd


def option_value(
    pairs: pd.DataFrame,
    *,
    groups: int = 5,
    periods: int = 4,
    discount: float = 0.02,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    r"""Array: contribution to be expected of a customer of each group over the next periods, discounted.

    Groups of the first period are of equal size; their bounds sort the second period's customers too, so that a
    group means the same in both. With the migration matrix P (who is not seen again has a group of their own and
    stays in it), the mean contribution r of the second period by group come from, and the discount a period d,

    .. math:: V_h = \frac{r + P V_{h-1}}{1 + d}, \qquad W_h = \frac{r + P \max(W_{h-1}, 0)}{1 + d}, \qquad
        V_0 = W_0 = 0:

    V keeps everybody over h periods; W may let a customer go at the end of each period, knowing the group arrived in.
    Letting go now brings 0: a group with V (or W) above 0 is worth keeping, and W − V is what the right to wait
    and see is worth. After one period V is the discounted mean of what the group did bring, and W = V.

    That customers move on as between these two periods, whatever group they came from before, is assumed, and
    that who was not seen never comes back: where many pause for a period, V is too low.

    Parameters
    ----------
    pairs : pandas.DataFrame
        As `paired_margins` gives them.
    groups, periods : int
        Number of groups, at least 2; periods ahead, at least 1, as long as the second.
    discount : float
        A period's, at least 0.
    level, replicates
        Level of the intervals, bootstrap over customers at fixed bounds; number of replicates.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a group that has customers, 1 the lowest
        group, customers, next (V of one period, money a customer), kept (V), low, high (of kept; NaN in a group of
        fewer than 30), option (W), option_low, option_high. No customers: no rows.

    Raises
    ------
    ParameterError

    References
    ----------
    Pfeifer, P. E., & Carraway, R. L. (2000), Modeling customer relationships as Markov chains, Journal of Interactive
        Marketing 14(2), 43-55.
    """
    import pandas as pd

    require_level(level)
    if isinstance(periods, bool) or not isinstance(periods, (int, np.integer)) or periods < 1:
        raise ParameterError(f"periods is {periods!r}; give a whole number of 1 or more")
    if not (np.isfinite(discount) and discount >= 0):
        raise ParameterError(f"the discount is {discount}; give a rate a period of 0 or more")
    pairs = require_pairs(pairs)
    first = quantile_groups(pairs["before"], groups)
    cell, after = _cells(pairs, first, groups), pairs["after"].to_numpy(dtype=float)
    there = np.flatnonzero(np.bincount(first, minlength=groups + 1)[1:])

    def statistics(weights: np.ndarray) -> np.ndarray:
        columns = [_values(cell, after, column, groups, periods, discount)[:, there] for column in weights.T]
        return np.stack([column.ravel() for column in columns], axis=1)

    n = len(pairs)
    found = statistics(np.ones((n, 1))).reshape(3, len(there))
    ends = np.full((2, 3, len(there)), np.nan)
    if n >= FEWEST:
        drawn = bootstrap_interval(statistics, n, level=level, replicates=replicates, rng=rng)
        ends = np.stack(drawn).reshape(2, 3, len(there))
    sizes = np.bincount(first, minlength=groups + 1)[1:][there]
    ends[:, :, sizes < FEWEST] = np.nan
    table = {"group": there + 1, "customers": sizes, "next": found[0]}
    table |= {"kept": found[1], "low": ends[0, 1], "high": ends[1, 1]}
    return pd.DataFrame({**table, "option": found[2], "option_low": ends[0, 2], "option_high": ends[1, 2]})


def _cells(pairs: pd.DataFrame, first: np.ndarray, groups: int) -> np.ndarray:
    """Number of each customer's step: from a group (rows) to not seen (column 0) or a group."""
    before, after = (pairs[name].to_numpy(dtype=float) for name in ("before", "after"))
    # The bound between two groups is the highest value of the lower one; empty groups share their neighbour's.
    tops = [before[first <= group].max(initial=-np.inf) for group in range(1, groups)]
    later = np.where(pairs["seen"].to_numpy(dtype=bool), 1 + np.searchsorted(tops, after, side="left"), 0)
    return (first - 1) * (groups + 1) + later


def _values(
    cell: np.ndarray, after: np.ndarray, weights: np.ndarray, groups: int, periods: int, discount: float
) -> np.ndarray:
    """V after one period, V and W after all, a column a group; NaN for a group that nobody was drawn from."""
    shape = (groups, groups + 1)
    counts = np.bincount(cell, weights=weights, minlength=groups * (groups + 1)).reshape(shape)
    sums = np.bincount(cell, weights=weights * after, minlength=groups * (groups + 1)).reshape(shape)
    rows, arrived = counts.sum(axis=1, keepdims=True), counts.sum(axis=0)
    moves = counts / np.where(rows > 0, rows, 1.0)
    step = (sums / np.where(rows > 0, rows, 1.0)).sum(axis=1)
    stays = np.divide(sums.sum(axis=0), arrived, out=np.zeros(groups + 1), where=arrived > 0)[0]
    value = np.zeros((2, groups + 1))  # V and W; column 0 is "not seen"
    once = np.full(groups, np.nan)
    for period in range(periods):
        ahead = np.stack([value[0], np.maximum(value[1], 0.0)])
        groups_ahead = (step + ahead @ moves.T) / (1 + discount)
        gone_ahead = (stays + ahead[:, :1]) / (1 + discount)
        value = np.concatenate([gone_ahead, groups_ahead], axis=1)
        once = value[0, 1:] if period == 0 else once
    return np.where(rows[:, 0] > 0, np.stack([once, value[0, 1:], value[1, 1:]]), np.nan)
