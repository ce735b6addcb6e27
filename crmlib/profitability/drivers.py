"""Tables -> how often each customer set off each cost driver: frame functions."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.errors import ParameterError
from crmlib.frames import as_date
from crmlib.profitability.counts import (
    ACQUIRED,
    MONTHS,
    ORDERS,
    RETURNS,
    Count,
    instant_column,
    rows_of,
    schema_of,
    value_of,
)

Day = str | datetime.date | None

_ROWS = "[rows]"  # an aggregate needs a column


def driver_quantities(
    tables: Mapping[str, Any], drivers: Sequence[str], *, since: Day = None, as_of: Day = None
) -> Any:
    """Frame: how much of each driver each customer caused in a period.

    A driver is, the first that fits:

    - `customers`, 1 for every customer with any row in the tables read;
    - `orders`, orders of 0 or more; `revenue`, the sum of `orders.amount`; `lines`, rows of `order_lines`;
    - `months`, 30 days each, as a customer within the period: from `customers.acquired_at` or `since`, whichever is
      later, to the end of `as_of`, which must be known;
    - `acquisition`, 1 in the period that holds `customers.acquired_at`, for the cost of winning a customer;
    - the name of a table with a customer_id, such as `contacts` or `cases`: its rows;
    - a column of `orders` or `order_lines`, such as `discount` or `quantity`: its sum;
    - `returns` where neither a table nor a column has this name: orders of a negative amount;
    - `table.column`, such as `memberships.reward_cost`: its sum;
    - any of these of a table with a date, a slash and a number of months, such as `acquisition/12` or
      `touches.cost/24`: spread evenly over so many months of 30 days from its day on, and the part that falls into
      the period counts, also of what was spent before it. Parts of all periods add up to the whole.

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
        before it begins; months, or a cost spread over months, without an end.
    MissingColumnsError
    """
    as_of = getattr(tables, "as_of", None) if as_of is None else as_of
    sums = {name: counted(tables, name) for name in drivers if name != "customers"}
    table = collected(tables, sums, since=since, as_of=as_of)
    if "customers" in drivers:
        table = table.with_columns(customers=nw.lit(1.0))
    return in_order(table.select("customer_id", *drivers)).to_native()


def offered(tables: Mapping[str, Any]) -> list[str]:
    """Names of the drivers that the tables offer, the plain ones first."""
    names = ["customers", "orders", "returns", "revenue", *(["lines"] if "order_lines" in tables else [])]
    dated = "customers" in tables and "acquired_at" in schema_of(tables["customers"])
    names += ["months", "acquisition"] if dated else []
    others = [name for name in tables if name not in ("customers", "orders", "order_lines", "returns")]
    names += [name for name in others if "customer_id" in schema_of(tables[name])]
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
        return Count("orders", ORDERS)
    if driver in ("months", "acquisition") and driver in offered(tables):
        return Count("customers", MONTHS if driver == "months" else ACQUIRED)
    plain = {"lines": Count("order_lines"), "revenue": Count("orders", "amount")}.get(driver)
    if plain is not None and plain.table in tables:
        return plain
    if driver in tables and driver != "order_lines" and "customer_id" in schema_of(tables[driver]):
        return Count(driver)
    for table in ("orders", "order_lines"):
        if driver in _numeric(tables, table):
            return Count(table, driver)
    if driver == "returns":
        return Count("orders", RETURNS)
    table, _, column = driver.partition(".")
    if column and table in tables and column in _numeric(tables, table):
        return Count(table, column)
    if "/" in driver:
        return _spread(tables, driver)
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
    wanted = sorted({("orders", False), *((count.table, count.reaches_back) for count in sums.values())})
    parts = []
    for table, back in wanted:
        own = {name: count for name, count in sums.items() if (count.table, count.reaches_back) == (table, back)}
        day = instant_column(table, schema_of(tables[table])) if back else None
        rows = rows_of(tables, table, [count.column for count in own.values()], None if back else first, last, day)
        values = {name: value_of(count, first, last, day).cast(nw.Float64) for name, count in own.items()}
        parts.append(_summed(rows.select("customer_id", **(values or {_ROWS: nw.lit(1.0)}))))
    # Each table is added up on its own columns first, so that few and narrow rows are stacked.
    zero = nw.lit(0.0)
    names = [*sums] or [_ROWS]
    filled = []
    for part in parts:
        there = set(part.collect_schema().names())
        filled.append(part.select("customer_id", *(nw.col(n) if n in there else zero.alias(n) for n in names)))
    return _summed(nw.concat(filled, how="vertical")) if len(filled) > 1 else filled[0]


def _summed(rows: Any) -> Any:
    """One row a customer with the sum of each other column."""
    names = [name for name in rows.collect_schema().names() if name != "customer_id"]
    return rows.group_by("customer_id").agg(*(nw.col(name).sum() for name in names))


def in_order(table: Any) -> Any:
    """Sorted by customer if eager; lazy frames carry no row order."""
    return table.sort("customer_id") if isinstance(table, nw.DataFrame) else table


def _spread(tables: Mapping[str, Any], driver: str) -> Count:
    """How `driver/months` is counted."""
    base, _, months = driver.rpartition("/")
    try:
        number = float(months)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ParameterError(f"the driver {driver!r} is spread over {months!r} months; give a number, as in {base}/12")
    count = counted(tables, base)
    if count.reaches_back or instant_column(count.table, schema_of(tables[count.table])) is None:
        raise ParameterError(f"{base!r} cannot be spread over months, for it has no day; use it without /{months}")
    return Count(count.table, count.column, number)


def _numeric(tables: Mapping[str, Any], table: str) -> list[str]:
    if table not in tables:
        return []
    return [name for name, kind in schema_of(tables[table]).items() if kind.is_numeric() and not name.endswith("_id")]
