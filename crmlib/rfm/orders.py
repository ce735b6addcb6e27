"""What counts as an order: rows up to a day, with returns told apart."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from crmlib.columns import order_rows
from crmlib.frames import as_date, day_number, to_pandas

#: A row that is an order: one of 0 is, and one whose amount is missing, which counts 0.
BOUGHT = nw.col("amount") >= 0


class Rows(NamedTuple):
    """Orders and returns up to a day.

    `table` holds customer_id, ordered_at, amount (Float64, 0 where missing) and day (Int64, since 1970-01-01); `last`
    is the number of the last day, `returns` whether some amount is negative.
    """

    table: Any
    last: int
    returns: bool


def day_index(day: datetime.date) -> int:
    """Days since 1970-01-01, as `frames.day_number` counts them."""
    return (day - datetime.date(1970, 1, 1)).days


def rows_until(orders: Any, last: str | datetime.date | None, *, name: str = "as_of") -> Rows:
    """Rows of customers and instants that are known, up to the end of a day; default the last row's.

    Its number and the least amount are read ahead, also of a lazy frame: a small aggregate.
    """
    instant, amount = nw.col("ordered_at"), nw.col("amount")
    end = as_date(last, name=name)
    kept = order_rows(orders)
    kept = kept.select("customer_id", "ordered_at", amount.cast(nw.Float64), day=day_number(instant))
    known = ~(amount.is_null() | amount.is_nan())
    kept = kept.with_columns(amount=nw.when(known).then(amount).otherwise(0.0))
    if end is not None:
        kept = kept.filter(nw.col("day") <= day_index(end))
    ahead = to_pandas(kept.select(last=nw.col("day").max(), least=amount.min()).to_native()).astype(float).iloc[0]
    number = day_index(end) if end is not None else int(ahead["last"]) if ahead.notna().all() else 0
    return Rows(kept, number, bool(ahead["least"] < 0))


def net_amount(rows: Rows, *, after: int) -> Any:
    """Money that each customer brought in after a day, returns taken off: customer_id, amount."""
    table = rows.table.filter(nw.col("day") > after).group_by("customer_id").agg(nw.col("amount").sum())
    return table.with_columns(nw.col("amount").round(6))  # or equal sums differ by the order of their parts
