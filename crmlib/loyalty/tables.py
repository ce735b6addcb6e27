"""Orders -> one row a customer and window, zeros kept: frame functions, the same on every engine."""

from __future__ import annotations

import datetime
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.columns import PURCHASE, order_rows
from crmlib.errors import ParameterError
from crmlib.frames import as_date, day_number, wrap

EPOCH = datetime.date(1970, 1, 1)
MOST = 1_000  # windows or periods: each becomes a literal of the query


def window_totals(
    orders: Any,
    *,
    days: int,
    windows: int = 1,
    anchor: str = "calendar",
    start: str | datetime.date | None = None,
    customers: Any = None,
    as_of: str | datetime.date | None = None,
) -> Any:
    """Frame: what each customer at risk bought in windows of stated length; who bought nothing is in it.

    Parameters
    ----------
    orders : any frame
        customer_id; ordered_at (date or datetime without zone); amount (money; a negative one is a return,
        whose money counts on its day, but which is no order). Rows without customer or instant are left out.
    days : int
        Length of a window in days, at least 1.
    windows : int
        How many windows, one after another, 1 to 1,000.
    anchor : {"calendar", "first_order"}
        Where the first window begins: "calendar", on the same day for all; "first_order", on the day
        after each customer's own first order, so that windows hold repeat orders only.
    start : date or ISO string, optional
        With "calendar": first day of the first window. Default: the day of the first order of all.
    customers : any frame, optional
        customer_id of those at risk. Default: everybody with an order up to `as_of`, which leaves out
        who never bought and counts the later won as at risk before.
    as_of : date or ISO string, optional
        Last day of the data. Default: the last order's day. A window that had not ended by then has no rows.

    Returns
    -------
    frame of the same kind, one row a customer at risk and window
        customer_id, window (Int64, from 0), amount (Float64), orders (Int64, rows of orders, returns left
        out), order_days (Int64, days with such an order). Sorted on eager frames; lazy results carry no order.

    Raises
    ------
    MissingColumnsError, ParameterError

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({"customer_id": [1, 1, 2], "amount": [5.0, 7.0, 4.0],
    ...     "ordered_at": pd.to_datetime(["2026-01-01", "2026-01-09", "2026-01-02"])})
    >>> window_totals(orders, days=7, windows=2, as_of="2026-01-14")
       customer_id  window  amount  orders  order_days
    0            1       0     5.0       1           1
    1            1       1     7.0       1           1
    2            2       0     4.0       1           1
    3            2       1     0.0       0           0
    """
    for name, value, most in (("days", days, 100_000), ("windows", windows, MOST)):
        _require_whole(name, value, most)
    if anchor not in ("calendar", "first_order"):
        raise ParameterError(f"anchor {anchor!r} is unknown; use calendar or first_order")
    first, last = as_date(start, name="start"), as_date(as_of, name="as_of")
    if first is not None and anchor == "first_order":
        raise ParameterError("start is the same day for all customers; leave it out with anchor='first_order'")
    daily = _daily(orders, last)
    ordered = nw.col("orders") > 0
    first_day = nw.when(ordered).then(nw.col("day")).min()
    seen = daily.select(first_day=first_day, last_day=nw.col("day").max())
    given = {"first_day": first, "last_day": last}
    horizon = seen.select(
        **{name: nw.col(name) if day is None else nw.lit(number_of(day)) for name, day in given.items()}
    )
    own = daily.filter(ordered).group_by("customer_id").agg(own=nw.col("day").min())
    at_risk = own if customers is None else _ids(customers)
    if anchor == "first_order":
        at_risk = own.join(_ids(customers), on="customer_id", how="inner") if customers is not None else own
        at_risk = at_risk.select("customer_id", origin=nw.col("own") + 1).join(horizon, how="cross")
    else:
        at_risk = at_risk.select("customer_id").join(horizon, how="cross").with_columns(origin=nw.col("first_day"))
    at_risk = at_risk.select("customer_id", "origin", "last_day")
    whole = nw.col("origin") + (nw.col("window") + 1) * days - 1 <= nw.col("last_day")
    grid = at_risk.join(numbered(horizon, [0] * windows, "window", "nothing"), how="cross").filter(whole)
    bought = (
        daily.join(at_risk, on="customer_id", how="inner")
        .filter(nw.col("day") >= nw.col("origin"), nw.col("day") < nw.col("origin") + windows * days)
        .with_columns(
            window=((nw.col("day") - nw.col("origin")) // days).cast(nw.Int64), order_days=ordered.cast(nw.Int64)
        )
        .group_by("customer_id", "window")
        .agg(nw.col("amount").sum(), nw.col("orders").sum(), nw.col("order_days").sum())
    )
    table = grid.join(bought, on=["customer_id", "window"], how="left").select(
        "customer_id",
        "window",
        nw.col("amount").fill_null(0.0).cast(nw.Float64),
        *(nw.col(name).fill_null(0).cast(nw.Int64) for name in ("orders", "order_days")),
    )
    return in_order(table, "customer_id", "window").to_native()


def _daily(orders: Any, last: datetime.date | None) -> Any:
    """One row a customer and day with an order or return: day (number), amount, orders; up to the day `last`."""
    table = order_rows(orders).select(
        "customer_id",
        day_number(nw.col("ordered_at")).alias("day"),
        nw.col("amount").cast(nw.Float64),
        orders=PURCHASE.cast(nw.Int64),
    )
    if last is not None:
        table = table.filter(nw.col("day") <= number_of(last))
    return table.group_by("customer_id", "day").agg(nw.col("amount").sum(), nw.col("orders").sum())


def _ids(customers: Any) -> Any:
    """Distinct customers."""
    table = wrap(customers, ("customer_id",), table="customers")
    return table.filter(~nw.col("customer_id").is_null()).unique()


def numbered(one_row: Any, values: list[int], index: str, value: str) -> Any:
    """The given values with their index from 0, made from a frame of one row: lazy stays lazy on any engine."""
    row = one_row.select(**{f"n{number}": nw.lit(each, dtype=nw.Int64) for number, each in enumerate(values)}).head(1)
    long = row.unpivot(variable_name="name", value_name=value)
    return long.select(nw.col("name").str.slice(1).cast(nw.Int64).alias(index), nw.col(value).cast(nw.Int64))


def number_of(day: datetime.date) -> int:
    """Number of a day as `day_number` counts them."""
    return (day - EPOCH).days


def _require_whole(name: str, value: int, most: int) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= value <= most:
        raise ParameterError(f"{name} is {value!r}; give a whole number from 1 to {most:,}")


def in_order(table: Any, *columns: str) -> Any:
    """Sorted if eager; lazy frames carry no row order."""
    return table.sort(*columns) if isinstance(table, nw.DataFrame) else table
