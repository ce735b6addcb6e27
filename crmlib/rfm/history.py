"""Orders -> purchase histories, what the lifetime-value models take: frame functions."""

from __future__ import annotations

import datetime
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.errors import ParameterError
from crmlib.frames import as_date
from crmlib.rfm.orders import BOUGHT, rows_until

#: Days in a unit of time; months and years are mean ones.
UNIT_DAYS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}


def purchase_history(orders: Any, *, as_of: str | datetime.date | None = None, unit: str = "week") -> Any:
    """Frame: each customer's repeat purchases, when the last was and for how long the customer has been seen.

    Orders are floored to days and those of one day are one purchase, so that frequency counts days. Times are exact
    days over the length of the unit.

    Parameters
    ----------
    orders : any frame
        customer_id; ordered_at (date or datetime without zone); amount (money; an order of 0 is an order, and one
        whose amount is missing, which counts 0; a negative amount is a return: its money counts, but its day is no
        day with an order). Rows without customer or instant are left out, and returns before the day of a
        customer's first order.
    as_of : date or ISO string, optional
        Last day that counts, the day included; later rows are left out, and customers who only come later.
        Default: the last row's day.
    unit : {"week", "day", "month", "year"}
        Unit of recency and age; a month is 30.4375 days, a year 365.25.

    Returns
    -------
    frame of the same kind, one row a customer with an order up to `as_of`
        customer_id; frequency (Int64, days with an order after the first one); recency (Float64, from the first to
        the last order's day); age (Float64, from the first order's day to `as_of`); monetary_value (Float64, amount
        of the days after the first, which is left out because it is often unlike the rest, over frequency; returns
        on any later day are taken off, so that it may be 0 or below, which `clv.customer_models` leaves out and
        counts; missing where frequency is 0). Sorted by customer_id on eager frames. No orders: no rows; who has
        returns alone has none either.

    Raises
    ------
    MissingColumnsError, ParameterError

    References
    ----------
    Fader, P. S., & Hardie, B. G. S. (2005), Creating an RFM summary using Excel, note.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({"customer_id": [1, 1, 1, 2], "amount": [5.0, 7.0, 3.0, 4.0],
    ...     "ordered_at": pd.to_datetime(["2026-01-01", "2026-01-15", "2026-01-15", "2026-01-08"])})
    >>> purchase_history(orders, as_of="2026-01-29")
       customer_id  frequency  recency  age  monetary_value
    0            1          1      2.0  4.0            10.0
    1            2          0      0.0  3.0             NaN
    """
    days, end = _purchase_days(orders, as_of, name="as_of")
    return _in_order(_histories(days, end, _length(unit))).to_native()


def holdout_history(
    orders: Any,
    *,
    as_of: str | datetime.date,
    until: str | datetime.date | None = None,
    unit: str = "week",
) -> Any:
    """Frame: purchase histories up to one day, beside what the same customers did up to a later one.

    Parameters
    ----------
    orders : any frame
        As `purchase_history` takes it.
    as_of : date or ISO string
        Last day of the history.
    until : date or ISO string, optional
        Last day of the hold-out, after `as_of`. Default: the last order's day.
    unit : {"week", "day", "month", "year"}

    Returns
    -------
    frame of the same kind, one row a customer with an order up to `as_of`
        The columns of `purchase_history`, then holdout_time (Float64, from `as_of` to `until`), holdout_frequency
        (Int64, days with an order in it, 0 for none), holdout_amount (Float64, money of all its days, returns taken
        off).

    Raises
    ------
    MissingColumnsError
    ParameterError
        `until` is not after `as_of`.
    """
    first_end = as_date(as_of, name="as_of")
    if first_end is None:
        raise ParameterError("as_of is not set; give the last day of the history as YYYY-MM-DD")
    days, end = _purchase_days(orders, until, name="until")
    split = first_end.toordinal() - datetime.date(1970, 1, 1).toordinal()
    length = _length(unit)
    if end <= split:
        raise ParameterError(f"until must lie after as_of ({first_end}); no day is left to judge by")
    later = (
        days.filter(nw.col("day") > split)
        .group_by("customer_id")
        .agg(holdout_frequency=nw.col("bought").sum(), holdout_amount=nw.col("amount").sum())
    )
    table = _histories(days.filter(nw.col("day") <= split), split, length)
    table = table.join(later, on="customer_id", how="left").with_columns(
        nw.lit((end - split) / length).cast(nw.Float64).alias("holdout_time"),
        nw.col("holdout_frequency").fill_null(0).cast(nw.Int64),
        nw.col("holdout_amount").fill_null(0.0).cast(nw.Float64),
    )
    ahead = ("customer_id", "frequency", "recency", "age", "monetary_value")
    return _in_order(table.select(*ahead, "holdout_time", "holdout_frequency", "holdout_amount")).to_native()


def _purchase_days(orders: Any, last: str | datetime.date | None, *, name: str) -> tuple[Any, int]:
    """One row a customer and day (customer_id, day, amount, bought: 1 with an order, 0 with returns alone)."""
    rows = rows_until(orders, last, name=name)
    counted = rows.table.with_columns(bought=BOUGHT.cast(nw.Int64))
    days = counted.group_by("customer_id", "day").agg(nw.col("amount").sum(), nw.col("bought").max())
    return days, rows.last


def _histories(days: Any, end: int, length: float) -> Any:
    ordered = nw.when(nw.col("bought") > 0).then(nw.col("day"))
    repeat = nw.when(nw.col("day") > nw.col("first")).then(nw.col("amount")).otherwise(nw.lit(0.0))
    table = (
        days.with_columns(ordered=ordered)
        .with_columns(first=nw.col("ordered").min().over("customer_id"))
        .filter(nw.col("day") >= nw.col("first"))  # nobody whose returns have no order
        .with_columns(repeat=repeat)
        .group_by("customer_id")
        .agg(
            first=nw.col("first").min(),
            last=nw.col("ordered").max(),
            days=nw.col("bought").sum(),
            spent=nw.col("repeat").sum(),
        )
        .with_columns(frequency=nw.col("days").cast(nw.Int64) - 1)
    )
    some = nw.when(nw.col("frequency") > 0).then(nw.col("frequency"))  # missing, so that no engine divides by 0
    return table.select(
        "customer_id",
        "frequency",
        ((nw.col("last") - nw.col("first")) / length).cast(nw.Float64).alias("recency"),
        ((end - nw.col("first")) / length).cast(nw.Float64).alias("age"),
        (nw.col("spent") / some).cast(nw.Float64).alias("monetary_value"),
    )


def _length(unit: str) -> float:
    if unit not in UNIT_DAYS:
        raise ParameterError(f"unit {unit!r} is unknown; use one of {', '.join(UNIT_DAYS)}")
    return UNIT_DAYS[unit]


def _in_order(table: Any) -> Any:
    """Sorted if eager; lazy frames carry no row order."""
    return table.sort("customer_id") if isinstance(table, nw.DataFrame) else table
