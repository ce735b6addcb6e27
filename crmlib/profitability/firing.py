"""What letting customers go does to profit: only what they cost alone leaves with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.profitability.margin import require_margins

if TYPE_CHECKING:
    import pandas as pd


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


def _columns(margin: pd.DataFrame, *names: str) -> list[np.ndarray]:
    lacking = [name for name in names if name not in margin.columns]
    if lacking:
        raise MissingColumnsError(f"margin lacks {', '.join(map(repr, lacking))}; give what customer_margin returns")
    columns = [margin[name].to_numpy(dtype=float) for name in names]
    for column in columns:
        require_margins(column)
    return columns
