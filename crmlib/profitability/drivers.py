"""Tables -> how often each customer set off each cost driver: frame functions."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.data.contracts import CONTRACTS
from crmlib.errors import ParameterError
from crmlib.frames import as_date, day_number, wrap

Day = str | datetime.date | None

_ORDERS, _RETURNS, _MONTHS = "[orders]", "[returns]", "[months]"
_DAYS_A_MONTH = 30


@dataclass(frozen=True, slots=True)
class Count:
    """How a driver is counted: rows of a table, or the sum of one of its columns."""

    table: str
    column: str | None = None


def driver_quantities(
    tables: Mapping[str, Any], drivers: Sequence[str], *, since: Day = None, as_of: Day = None
) -> Any:
    """Frame: how much of each driver each customer caused in a period.

    A driver is, the first that fits:

    - `customers`, 1 for every customer with any row in the tables read;
    - `orders`, orders of 0 or more; `revenue`, the sum of `orders.amount`; `lines`, rows of `order_lines`;
    - `months`, 30 days each, as a customer within the period: from `customers.acquired_at` or `since`, whichever is
      later, to the end of `as_of`, which must be known;
    - the name of a table with a customer_id, such as `contacts` or `cases`: its rows;
    - a column of `orders` or `order_lines`, such as `discount` or `quantity`: its sum;
    - `returns` where neither a table nor a column has this name: orders of a negative amount;
    - `table.column`, such as `memberships.reward_cost`: its sum.

    Parameters
    ----------
    tables : mapping of str to any frame
        As `data.load` gives them; only `orders` is always read, the others where a driver needs them. Rows
        without a customer are left out, missing values of a summed column count as 0.
    drivers : sequence of str
    since, as_of : date or ISO string, optional
        First and last day that count, both included, by the day of the order, the contact, the case and so on;
        tables without a date count whole. Default: all days; for `months` the source's own `as_of`.

    Returns
    -------
    frame of the same kind, one row a customer with any row in the tables read
        customer_id and a Float64 column a driver, under its name. Sorted by customer on eager frames.

    Raises
    ------
    ParameterError
        A driver that the tables do not offer, which the message answers with those they do; a period that ends
        before it begins; months without an end.
    MissingColumnsError
    """
    sums = {name: counted(tables, name) for name in drivers if name != "customers"}
    table = collected(tables, sums, since=since, as_of=as_of)
    if "customers" in drivers:
        table = table.with_columns(customers=nw.lit(1.0))
    return in_order(table.select("customer_id", *drivers)).to_native()


def offered(tables: Mapping[str, Any]) -> list[str]:
    """Names of the drivers that the tables offer, the plain ones first."""
    names = ["customers", "orders", "returns", "revenue", *(["lines"] if "order_lines" in tables else [])]
    names += ["months"] if "customers" in tables and "acquired_at" in _schema(tables["customers"]) else []
    others = [name for name in tables if name not in ("customers", "orders", "order_lines", "returns")]
    names += [name for name in others if "customer_id" in _schema(tables[name])]
    for table in ("orders", "order_lines"):
        names += [name for name in _numeric(tables, table) if name not in ("amount", *names)]
    return names


def counted(tables: Mapping[str, Any], driver: str) -> Count:
    """How a driver is counted in these tables.

    Raises
    ------
    ParameterError
        The tables do not offer it.
    """
    if driver == "orders":
        return Count("orders", _ORDERS)
    if driver == "months" and "months" in offered(tables):
        return Count("customers", _MONTHS)
    plain = {"lines": Count("order_lines"), "revenue": Count("orders", "amount")}.get(driver)
    if plain is not None and plain.table in tables:
        return plain
    if driver in tables and driver != "order_lines" and "customer_id" in _schema(tables[driver]):
        return Count(driver)
    for table in ("orders", "order_lines"):
        if driver in _numeric(tables, table):
            return Count(table, driver)
    if driver == "returns":
        return Count("orders", _RETURNS)
    table, _, column = driver.partition(".")
    if column and table in tables and column in _numeric(tables, table):
        return Count(table, column)
    raise ParameterError(
        f"no table counts the driver {driver!r}; these tables offer {', '.join(offered(tables))}: "
        "use one of them, leave the activity out or add the table"
    )


def collected(tables: Mapping[str, Any], sums: Mapping[str, Count], *, since: Day, as_of: Day) -> Any:
    """One row a customer with each sum, 0 where the customer has none; narwhals frame.

    Every table gives partial sums of all columns; stacked and added up they need no outer join.
    """
    first, last = as_date(since, name="since"), as_date(as_of, name="as_of")
    if first is not None and last is not None and first > last:
        raise ParameterError(f"the period begins on {first} and ends on {last}; give a since before as_of")
    wanted = sorted({"orders", *(count.table for count in sums.values())})
    parts = []
    for table in wanted:
        own = {name: count for name, count in sums.items() if count.table == table}
        rows = _rows(tables, table, [count.column for count in own.values()], first, last)
        values = {name: _value(count, first, last).cast(nw.Float64) for name, count in own.items()}
        zeros = {name: nw.lit(0.0) for name in sums if name not in own}
        parts.append(rows.select("customer_id", **values, **zeros).select("customer_id", *sums))
    stacked = nw.concat(parts, how="vertical") if len(parts) > 1 else parts[0]
    grouped = stacked.with_columns(rows=nw.lit(1.0)) if not sums else stacked  # an aggregate needs a column
    return grouped.group_by("customer_id").agg(*(nw.col(name).sum() for name in sums or ["rows"]))


def in_order(table: Any) -> Any:
    """Sorted by customer if eager; lazy frames carry no row order."""
    return table.sort("customer_id") if isinstance(table, nw.DataFrame) else table


def _value(count: Count, first: datetime.date | None, last: datetime.date | None) -> nw.Expr:
    """What one row adds."""
    if count.column in (_ORDERS, _RETURNS):
        counts = nw.col("amount") >= 0 if count.column == _ORDERS else nw.col("amount") < 0
        return nw.when(counts).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    if count.column == _MONTHS:
        return _months(first, last)
    if count.column is None:
        return nw.lit(1.0)
    return nw.col(count.column).cast(nw.Float64).fill_null(0.0)


def _months(first: datetime.date | None, last: datetime.date | None) -> nw.Expr:
    """Months of 30 days as a customer within the period; whole days, the day of acquisition included."""
    if last is None:
        raise ParameterError("the driver 'months' needs the period's end; give as_of")
    epoch = datetime.date(1970, 1, 1)
    start = day_number(nw.col("acquired_at"))
    if first is not None:
        start = nw.max_horizontal(start, nw.lit((first - epoch).days))
    return ((last - epoch).days + 1 - start).cast(nw.Float64) / _DAYS_A_MONTH


def _rows(tables: Mapping[str, Any], table: str, columns: Sequence[str | None], first: Any, last: Any) -> Any:
    """Rows of a table within the period, with their customer; lines find theirs through their order."""
    plain = [column for column in columns if column and not column.startswith("[")]
    if table == "orders":
        plain.append("amount")
    if table == "order_lines":
        orders = _rows(tables, "orders", ["order_id"], first, last).select("order_id", "customer_id")
        lines = wrap(tables[table], sorted({"order_id", *plain}), table=table)
        return lines.join(orders, on="order_id", how="inner")
    day = _instant(table, _schema(tables[table])) if first or last else None
    if table == "customers" and _MONTHS in columns:  # whoever came before the period is a customer in it
        day, first = "acquired_at", None
    wanted = sorted({"customer_id", *plain, *([day] if day else [])})
    rows = wrap(tables[table], wanted, table=table).filter(~nw.col("customer_id").is_null())
    rows = rows.filter(~nw.col(day).is_null()) if day else rows
    return _within(rows, day, first, last) if day else rows


def _within(rows: Any, column: str, first: datetime.date | None, last: datetime.date | None) -> Any:
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


def _instant(table: str, schema: Mapping[str, Any]) -> str | None:
    """Column by which a row of the table falls into a period."""
    if table == "orders":
        return "ordered_at"
    contract = CONTRACTS.get(table)
    known = [column.name for column in contract.columns if column.event] if contract else []
    return next((name for name in (*known, *schema) if name in schema and name.endswith("_at")), None)


def _numeric(tables: Mapping[str, Any], table: str) -> list[str]:
    if table not in tables:
        return []
    return [name for name, kind in _schema(tables[table]).items() if kind.is_numeric() and not name.endswith("_id")]


def _schema(frame: Any) -> Mapping[str, Any]:
    return nw.from_native(frame).collect_schema()
