"""How a driver is counted, and what of it falls into a window of days."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.data.contracts import CONTRACTS
from crmlib.errors import ParameterError
from crmlib.frames import day_number, wrap

ORDERS, RETURNS, REFUNDED = "[orders]", "[returns]", "[refunds]"
MONTHS, ACQUIRED = "[months]", "[acquired]"
DAYS_A_MONTH = 30


@dataclass(frozen=True, slots=True)
class Count:
    """How a driver is counted: rows of a table, or the sum of one of its columns; spread over so many months."""

    table: str
    column: str | None = None
    spread: float | None = None

    @property
    def reaches_back(self) -> bool:
        """Whether rows from before the period count in it."""
        return self.column == MONTHS or self.spread is not None


#: Amounts paid back: orders of a negative amount.
REFUNDS = Count("orders", REFUNDED)


def value_of(count: Count, first: datetime.date | None, last: datetime.date | None, day: str | None) -> nw.Expr:
    """What one row adds."""
    amount = nw.col("amount")
    signs: dict[str | None, tuple[nw.Expr, Any]] = {
        ORDERS: (amount >= 0, 1.0),
        RETURNS: (amount < 0, 1.0),
        REFUNDED: (amount < 0, -amount),
    }
    if count.column == MONTHS:
        return days_within(first, last, "acquired_at") / DAYS_A_MONTH
    if count.column in signs:
        which, what = signs[count.column]
        value = nw.when(which).then(what).otherwise(nw.lit(0.0))
    elif count.column == ACQUIRED:
        value = nw.when(~nw.col("acquired_at").is_null()).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    else:
        value = nw.lit(1.0) if count.column is None else nw.col(count.column).cast(nw.Float64).fill_null(0.0)
    if count.spread is None or day is None:
        return value
    length = count.spread * DAYS_A_MONTH
    return value * days_within(first, last, day, length) / length


def days_within(
    first: datetime.date | None, last: datetime.date | None, column: str, length: float | None = None
) -> nw.Expr:
    """Whole days of the period from the row's day on, that day included; at most `length` after it."""
    if last is None:
        raise ParameterError("a driver over 'months' needs the period's end; give as_of")
    epoch = datetime.date(1970, 1, 1)
    start = came = day_number(nw.col(column))
    end = nw.lit(float((last - epoch).days + 1))
    if length is not None:
        end = nw.min_horizontal(end, came.cast(nw.Float64) + length)
    if first is not None:
        start = nw.max_horizontal(came, nw.lit((first - epoch).days))
    return nw.max_horizontal(end - start.cast(nw.Float64), nw.lit(0.0))


def rows_of(
    tables: Mapping[str, Any], table: str, columns: Sequence[str | None], first: Any, last: Any, day: str | None
) -> Any:
    """Rows of a table within the period, with their customer; lines find theirs through their order."""
    plain = [column for column in columns if column and not column.startswith("[")]
    if table == "orders":
        plain.append("amount")
    if ACQUIRED in columns:
        plain.append("acquired_at")
    if table == "order_lines":
        orders = rows_of(tables, "orders", ["order_id"], first, last, None).select("order_id", "customer_id")
        lines = wrap(tables[table], sorted({"order_id", *plain}), table=table)
        return lines.join(orders, on="order_id", how="inner")
    if day is None and (first or last):
        day = instant_column(table, schema_of(tables[table]))
    wanted = sorted({"customer_id", *plain, *([day] if day else [])})
    rows = wrap(tables[table], wanted, table=table).filter(~nw.col("customer_id").is_null())
    rows = rows.filter(~nw.col(day).is_null()) if day else rows
    return within(rows, day, first, last) if day else rows


def within(rows: Any, column: str, first: datetime.date | None, last: datetime.date | None) -> Any:
    """Rows from the first day to the end of the last."""
    instant = nw.col(column)
    if rows.collect_schema()[column] == nw.Date:
        edges: list[Any] = [first, last and last + datetime.timedelta(days=1)]
    else:
        days = (first, last and last + datetime.timedelta(days=1))
        edges = [day and datetime.datetime.combine(day, datetime.time()) for day in days]
    if edges[0] is not None:
        rows = rows.filter(instant >= nw.lit(edges[0]))
    return rows.filter(instant < nw.lit(edges[1])) if edges[1] is not None else rows


def instant_column(table: str, schema: Mapping[str, Any]) -> str | None:
    """Column by which a row of the table falls into a period."""
    if table == "orders":
        return "ordered_at"
    contract = CONTRACTS.get(table)
    known = [column.name for column in contract.columns if column.event] if contract else []
    return next((name for name in (*known, *schema) if name in schema and name.endswith("_at")), None)


def schema_of(frame: Any) -> Mapping[str, Any]:
    """Columns of a frame with their types."""
    return nw.from_native(frame).collect_schema()
