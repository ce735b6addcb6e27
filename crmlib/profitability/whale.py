"""The whale curve: how profit adds up from the best customer to the worst, and what the worst undo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level
from crmlib.profitability.margin import require_margins

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class WhalePeak:
    """Top of a whale curve: up to here each further customer adds, beyond here they take away.

    Attributes
    ----------
    rank : int
        Number of customers up to the peak; at a plateau its first.
    customer_share : float
        The same as a share of all (0-1).
    profit : float
        Cumulative profit there.
    profit_share : float
        The same as a share of the total; NaN where the total is not above 0.
    """

    rank: int
    customer_share: float
    profit: float
    profit_share: float


def whale_curve(margin: ArrayLike, *, rank_by: ArrayLike | None = None) -> pd.DataFrame:
    """Array: cumulative profit by rank, the best customer first.

    Ranked and judged on the same margins the curve flatters: whoever had a lucky period stands in front.
    Ranked by an earlier period and judged on a later one it says what the ranking is worth. Customers who tie
    in `rank_by` share their profit evenly, so that the order of the rows changes nothing.

    Parameters
    ----------
    margin : array-like, shape (n,)
        The margins that are added up.
    rank_by : array-like, shape (n,), optional
        What customers are ranked by, largest first. Default: `margin`, the curve in sample.

    Returns
    -------
    pandas.DataFrame, one row a rank from 0 to n
        rank (customers so far), customer_share (0-1), profit (cumulative, money), profit_share (of the total; NaN
        where the total is not above 0: then shares of it mean nothing). No customers: the row of rank 0 alone.

    Raises
    ------
    DataError
        A missing margin, or two columns of unequal length.

    References
    ----------
    Kaplan, R. S., & Narayanan, V. G. (2001), Measuring and managing customer profitability, Journal of Cost
        Management 15(5), 5-15.

    Examples
    --------
    >>> whale_curve([10.0, -5.0, 15.0])
       rank  customer_share  profit  profit_share
    0     0        0.000000     0.0          0.00
    1     1        0.333333    15.0          0.75
    2     2        0.666667    25.0          1.25
    3     3        1.000000    20.0          1.00
    """
    import pandas as pd

    values, by = paired(margin, rank_by)
    n = len(values)
    ends, profit = _steps(values, by, np.ones(n))
    rank = np.arange(n + 1)
    cumulative = np.interp(rank, ends, profit)
    total = profit[-1]
    share = cumulative / total if total > 0 else np.full(n + 1, np.nan)
    table = {"rank": rank, "customer_share": rank / max(n, 1), "profit": cumulative, "profit_share": share}
    return pd.DataFrame(table)


def whale_peak(margin: ArrayLike, *, rank_by: ArrayLike | None = None) -> WhalePeak:
    """Array: where the whale curve is highest.

    In sample that is the last customer with a margin above 0. Out of sample the peak is picked on the very
    period on which it is judged, so it flatters; what a cut made beforehand is worth, say at `rank_by` above 0,
    is read off the curve at that rank.

    Parameters
    ----------
    margin, rank_by
        As in `whale_curve`.

    Returns
    -------
    WhalePeak
    """
    curve = whale_curve(margin, rank_by=rank_by)
    # Rounding of a sum of cents must not move the peak along a plateau.
    top = curve["profit"].max()
    row = curve[curve["profit"] >= top - 1e-9 * max(1.0, abs(top))].iloc[0]
    return WhalePeak(int(row["rank"]), float(row["customer_share"]), float(row["profit"]), float(row["profit_share"]))


def whale_band(
    margin: ArrayLike,
    *,
    rank_by: ArrayLike | None = None,
    shares: ArrayLike | None = None,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: the whale curve at given shares of customers, with a bootstrap interval over customers.

    Pointwise, and for the profit of as many customers drawn from the same population.

    Parameters
    ----------
    margin, rank_by
        As in `whale_curve`.
    shares : array-like, optional
        Shares of customers (0-1). Default: 0, 0.02, …, 1.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a share
        customer_share, profit (money), low, high; the interval is NaN with fewer than 30 customers.

    Raises
    ------
    DataError, ParameterError
    """
    import pandas as pd

    require_level(level)
    values, by = paired(margin, rank_by)
    at = np.linspace(0, 1, 51) if shares is None else np.asarray(shares, dtype=float)
    if at.ndim != 1 or not ((at >= 0) & (at <= 1)).all():
        raise ParameterError("shares of customers lie between 0 and 1")
    n = len(values)
    order = np.argsort(-by, kind="stable")
    values, by = values[order], by[order]

    def curve(weights: np.ndarray) -> np.ndarray:
        drawn = [_steps(values, by, column, ordered=True) for column in weights.T]
        return np.stack([np.interp(at * n, ends, profit) for ends, profit in drawn], axis=1)

    table = pd.DataFrame({"customer_share": at, "profit": curve(np.ones((n, 1)))[:, 0]})
    low = high = np.full(len(at), np.nan)
    if n >= FEWEST:
        low, high = bootstrap_interval(curve, n, level=level, replicates=replicates, rng=rng)
    return table.assign(low=low, high=high)


def paired(margin: ArrayLike, rank_by: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Margins, and what they are ranked by, of as many customers."""
    values = numbers(margin, "margin")
    by = values if rank_by is None else numbers(rank_by, "rank_by")
    if values.ndim != 1 or values.shape != by.shape:
        raise DataError(f"margin and rank_by must be columns of one length, not {values.shape} and {by.shape}")
    require_margins(values)
    require_margins(by)
    return values, by


def _steps(
    values: np.ndarray, by: np.ndarray, weights: np.ndarray, *, ordered: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Customers and profit up to the end of each group of ties; between them the curve is straight."""
    if not ordered:
        order = np.argsort(-by, kind="stable")
        values, by, weights = values[order], by[order], weights[order]
    last = np.append(by[1:] != by[:-1], True) if len(by) else np.empty(0, dtype=bool)
    ends = np.append(0.0, np.cumsum(weights)[last])
    profit = np.append(0.0, np.cumsum(weights * values)[last])
    return ends, profit
