"""What letting customers go does to profit: fixed cost that stays, and best customers who are poached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level
from crmlib.profitability.margin import require_margins

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class BreakEven:
    """How large a loss of best customers undoes what letting others go brings.

    Attributes
    ----------
    fired, best : int
        Customers let go; customers whom rivals would want.
    gain, gain_low, gain_high : float
        Minus the joint margin of those let go: what their leaving brings (negative: it costs).
    at_stake, at_stake_low, at_stake_high : float
        Joint margin of the best.
    risk, risk_low, risk_high : float
        gain / at_stake, cut to 0-1: the additional share of the best (weighted by margin) that may leave before
        letting the others go is a mistake. 0 where the gain is not above 0: then it is one at any risk. 1 where
        the best are worth less than the gain. NaN where nobody is let go.
    level : float
        Level of the intervals, bootstrap over all customers; NaN with fewer than 30 customers.
    """

    fired: int
    best: int
    gain: float
    gain_low: float
    gain_high: float
    at_stake: float
    at_stake_low: float
    at_stake_high: float
    risk: float
    risk_low: float
    risk_high: float
    level: float


def firing_curve(margin: pd.DataFrame, *, rank_by: ArrayLike | None = None) -> pd.DataFrame:
    """Array: profit after the worst k customers are let go, as believed and as it is.

    Whoever reads the fully loaded margin as what a customer costs believes that allocated cost leaves
    with them. It stays: profit changes by the contribution alone, and the rest bear the cost.

    Parameters
    ----------
    margin : pandas.DataFrame
        contribution, allocated_cost, full_margin, as `customer_margin` gives them.
    rank_by : array-like, optional
        Who is let go first: the lowest. Default: the fully loaded margin. Customers who tie go in the
        order of the rows; tied margins of `full_margin` are let go the lower contribution first.

    Returns
    -------
    pandas.DataFrame, one row a number of customers let go, from 0 to all
        fired, fired_share (0-1), believed_profit, profit (money), allocated_each (allocated cost that each
        remaining customer bears on average; NaN when nobody remains).

    Raises
    ------
    MissingColumnsError, DataError
    """
    import pandas as pd

    contribution, allocated, full = _columns(margin, "contribution", "allocated_cost", "full_margin")
    by = full if rank_by is None else np.asarray(rank_by, dtype=float)
    if by.shape != full.shape:
        raise DataError(f"rank_by has the shape {by.shape}, the margins {full.shape}; give one value a customer")
    require_margins(by)
    order = np.lexsort((contribution, by))
    n = len(order)
    fired = np.arange(n + 1)
    remaining = np.append(n - fired[:-1], np.nan)
    fixed = allocated.sum()
    believed = full.sum() - np.append(0.0, np.cumsum(full[order]))
    profit = contribution.sum() - fixed - np.append(0.0, np.cumsum(contribution[order]))
    table = {"fired": fired, "fired_share": fired / max(n, 1), "believed_profit": believed, "profit": profit}
    return pd.DataFrame({**table, "allocated_each": fixed / remaining})


def death_spiral(margin: pd.DataFrame, *, key: str = "revenue", rounds: int = 50) -> pd.DataFrame:
    """Array: round after round, all whose fully loaded margin is negative are let go, and the rest bear more.

    In each round the allocated cost of the first, which nobody takes along, is shared out anew among those
    who remain, in proportion to `key` (cut at 0). It ends when nobody is negative or nobody is left.

    Parameters
    ----------
    margin : pandas.DataFrame
        contribution, allocated_cost and `key`, as `customer_margin` gives them.
    key : str
        Column by which the allocated cost is shared out, such as revenue or quantity_orders.
    rounds : int
        At most so many, at least 1.

    Returns
    -------
    pandas.DataFrame, one row a round, the first (0) before anybody is let go
        round, customers, fired (at the end of the round), key (their total), contribution, allocated_cost (the
        same in all), profit, rate (allocated cost a unit of the key; NaN when nobody with any remains).

    Raises
    ------
    MissingColumnsError, DataError, ParameterError
    """
    import pandas as pd

    if isinstance(rounds, bool) or not isinstance(rounds, (int, np.integer)) or rounds < 1:
        raise ParameterError(f"rounds is {rounds!r}; give a whole number of 1 or more")
    contribution, allocated, weight = _columns(margin, "contribution", "allocated_cost", key)
    weight, fixed = np.maximum(weight, 0), float(allocated.sum())
    there = np.ones(len(contribution), dtype=bool)
    rows = []
    for number in range(rounds + 1):
        base = float(weight[there].sum())
        rate = fixed / base if base > 0 else np.nan
        load = rate * weight if base > 0 else np.zeros(len(weight))
        leaving = there & (contribution - load < 0)
        profit = float(contribution[there].sum()) - fixed
        rows.append((number, int(there.sum()), int(leaving.sum()), base, profit + fixed, fixed, profit, rate))
        if not leaving.any():
            break
        there = there & ~leaving
    names = ["round", "customers", "fired", "key", "contribution", "allocated_cost", "profit", "rate"]
    return pd.DataFrame(rows, columns=names)


def best_customers(values: ArrayLike, share: float) -> np.ndarray:
    """Array: mask of the ⌈share · n⌉ highest values; at a tie the earlier rows.

    Raises
    ------
    ParameterError
        A share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ParameterError(f"the share of best customers is {share}; give more than 0 and at most 1")
    by = np.asarray(values, dtype=float)
    chosen = np.zeros(len(by), dtype=bool)
    chosen[np.argsort(-by, kind="stable")[: int(np.ceil(share * len(by) - 1e-9))]] = True
    return chosen


def poaching_break_even(
    margin: ArrayLike,
    *,
    fired: ArrayLike,
    best: ArrayLike,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> BreakEven:
    """Array: how many of the best may be lost before letting the unprofitable go is a mistake.

    A rival who cannot tell a firm's good customers from its bad ones is held back by the bad ones. When only
    good ones are left, each is worth wooing (Subramanian, Raju & Zhang 2014). Letting go is a mistake when

        additional share of the best lost  >  −Σ margin of those let go / Σ margin of the best.

    The sums are over the period in which the margins are judged, not the one in which customers are chosen.

    Parameters
    ----------
    margin : array-like, shape (n,)
        Contribution of the period that judges.
    fired, best : array-like of bool, shape (n,)
        Chosen beforehand; nobody can be both.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    BreakEven

    Raises
    ------
    DataError
        Somebody is let go and one of the best, nobody is best, or lengths differ.

    References
    ----------
    Subramanian, U., Raju, J. S., & Zhang, Z. J. (2014), The strategic value of high-cost customers, Management
        Science 60(2), 494-507.
    """
    values = np.asarray(margin, dtype=float)
    gone, top = np.asarray(fired, dtype=bool), np.asarray(best, dtype=bool)
    if not values.shape == gone.shape == top.shape or values.ndim != 1:
        raise DataError("margin, fired and best must be columns of one length")
    require_margins(values)
    if (gone & top).any():
        raise DataError(f"{int((gone & top).sum())} customers are let go and among the best; take fewer best")
    if not top.any():
        raise DataError("nobody is among the best; there is nothing to be poached")
    sums = np.stack([np.where(gone, -values, 0.0), np.where(top, values, 0.0)])
    any_fired = bool(gone.any())

    def statistics(weights: np.ndarray) -> np.ndarray:
        gain, stake = sums @ weights
        return np.stack([gain, stake, _break_even(gain, stake)])

    require_level(level)
    gain, stake, risk = statistics(np.ones((len(values), 1)))[:, 0]
    low = high = np.full(3, np.nan)
    if len(values) >= FEWEST and any_fired:
        low, high = bootstrap_interval(statistics, len(values), level=level, replicates=replicates, rng=rng)
    risk = risk if any_fired else np.nan
    return BreakEven(
        fired=int(gone.sum()),
        best=int(top.sum()),
        gain=float(gain),
        gain_low=float(low[0]),
        gain_high=float(high[0]),
        at_stake=float(stake),
        at_stake_low=float(low[1]),
        at_stake_high=float(high[1]),
        risk=float(risk),
        risk_low=float(low[2]),
        risk_high=float(high[2]),
        level=level,
    )


def _break_even(gain: np.ndarray, stake: np.ndarray) -> np.ndarray:
    """Gain / stake within 0-1: nothing to gain 0, less at stake than gained 1."""
    safe = np.where(stake > 0, stake, 1.0)
    ratio = np.where(stake > 0, gain / safe, 1.0)
    return np.where(gain > 0, np.clip(ratio, 0, 1), 0.0)


def _columns(margin: pd.DataFrame, *names: str) -> list[np.ndarray]:
    lacking = [name for name in names if name not in margin.columns]
    if lacking:
        raise MissingColumnsError(f"margin lacks {', '.join(map(repr, lacking))}; give what customer_margin returns")
    columns = [margin[name].to_numpy(dtype=float) for name in names]
    for column in columns:
        require_margins(column)
    return columns
