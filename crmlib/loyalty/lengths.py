"""Shares of the top by the length of the window, as they are and as chance would have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, to_pandas, wrap
from crmlib.loyalty.chance import chance_correction
from crmlib.loyalty.concentration import gini, top_share
from crmlib.loyalty.tables import window_totals
from crmlib.models import NBD

if TYPE_CHECKING:
    import pandas as pd


def share_by_window(
    orders: Any,
    *,
    days: Sequence[int],
    value: str = "amount",
    p: float = 0.2,
    start: Any = None,
    customers: Any = None,
    as_of: Any = None,
) -> pd.DataFrame:
    """Array: top share in calendar windows of several lengths, with and without those who bought nothing.

    Parameters
    ----------
    orders, start, customers, as_of
        As in `window_totals`.
    days : sequence of int
        Lengths of windows; of each as many windows as follow one another up to `as_of`.
    value : {"amount", "orders", "order_days"}
        Whose concentration is asked.
    p : float

    Returns
    -------
    pandas.DataFrame, one row a window in which something was bought
        days (its length), window (from 0), customers (at risk), buyers (value above 0), all_customers,
        buyers_only (top shares, 0-1), gini (over all customers).

    Raises
    ------
    DataError
        No window of any length had ended by `as_of`, or a customer's value in a window is negative.
    ParameterError
    """
    import pandas as pd

    if value not in ("amount", "orders", "order_days"):
        raise ParameterError(f"value {value!r} is unknown; use amount, orders or order_days")
    rows = []
    for length in days:
        totals = window_totals(
            orders,
            days=length,
            windows=_windows(orders, length, start, as_of),
            start=start,
            customers=customers,
            as_of=as_of,
        )
        for window, group in to_pandas(totals).groupby("window"):
            values = group[value].to_numpy(dtype=float)
            if values.any():
                buyers = values[values != 0]
                shares = (top_share(values, p), top_share(buyers, p), gini(values))
                rows.append((length, window, len(values), len(buyers), *shares))
    if not rows:
        raise DataError(f"no window of {min(days)} days with orders had ended by the last day; take shorter windows")
    names = ["days", "window", "customers", "buyers", "all_customers", "buyers_only", "gini"]
    return pd.DataFrame(rows, columns=names)


def chance_by_window(
    orders: Any,
    *,
    days: Sequence[int],
    fitted_days: int,
    anchor: str = "first_order",
    p: float = 0.2,
    customers: Any = None,
    as_of: Any = None,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: top share of order days by length of the window, beside an NBD fitted to one of the windows.

    Parameters
    ----------
    orders, anchor, customers, as_of
        As in `window_totals`; each length's first window is taken.
    days : sequence of int
        Lengths of windows.
    fitted_days : int
        Length of the window that the NBD is fitted to; from there it is extrapolated to the others.
    p, level, replicates, rng
        As in `chance_correction`.

    Returns
    -------
    pandas.DataFrame, one row a length
        days, customers (at risk), observed, low, high, nbd (fitted to this window itself), gap (observed
        minus nbd), gap_low, gap_high, predicted (by the NBD of `fitted_days`), long_run (of the NBD
        fitted to this window).

    Raises
    ------
    DataError, ConvergenceError, ParameterError
    """
    import pandas as pd

    def counts(length: int) -> np.ndarray:
        totals = window_totals(orders, days=length, anchor=anchor, customers=customers, as_of=as_of)
        found = to_pandas(totals)["order_days"].to_numpy()
        if not len(found):
            raise DataError(f"no window of {length} days had ended by the last day; take shorter windows")
        return found

    fitted = NBD(counts(fitted_days), fitted_days).fit()
    rows = []
    for length in days:
        x = counts(length)
        table = chance_correction(x, p=p, level=level, replicates=replicates, rng=rng).set_index("quantity")
        observed, gap = table.loc["observed"], table.loc["gap"]
        row = (length, len(x), *observed, table.loc["nbd", "value"], *gap)
        rows.append((*row, fitted.top_share(p, length), table.loc["long_run", "value"]))
    names = [
        "days",
        "customers",
        "observed",
        "low",
        "high",
        "nbd",
        "gap",
        "gap_low",
        "gap_high",
        "predicted",
        "long_run",
    ]
    return pd.DataFrame(rows, columns=names)


def _windows(orders: Any, length: int, start: Any, as_of: Any) -> int:
    """How many windows of a length follow one another up to the last day, 1 to 1,000."""
    import narwhals.stable.v2 as nw

    view = wrap(orders, ("ordered_at",), table="orders").filter(~nw.col("ordered_at").is_null())
    instant = nw.col("ordered_at").cast(nw.Datetime("us"))
    ends = to_pandas(view.select(first=instant.min(), last=instant.max()).to_native())
    if ends.isna().any(axis=None):  # no orders, so no window will have any
        return 1
    first = as_date(start, name="start") or ends["first"].iloc[0].date()
    last = as_date(as_of, name="as_of") or ends["last"].iloc[0].date()
    return int(np.clip(((last - first).days + 1) // length, 1, 1_000))
