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

_ORDERS, _RETURNS, _REFUNDS = "[orders]", "[returns]", "[refunds]"
_ROWS = "[rows]"  # an aggregate needs a column
_MONTHS, _ACQUIRED = "[months]", "[acquired]"
_DAYS_A_MONTH = 30


@dataclass(frozen=True, slots=True)
class Count:
    """How a driver is counted: rows of a table, or the sum of one of its columns; spread over so many months."""

    table: str
    column: str | None = None
    spread: float | None = None

    @property
    def reaches_back(self) -> bool:
        """Whether rows from before the period count in it."""
        return self.column == _MONTHS or self.spread is not None


#: Amounts paid back: orders of a negative amount.
REFUNDS = Count("orders", _REFUNDS)


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
    dated = "customers" in tables and "acquired_at" in _schema(tables["customers"])
    names += ["months", "acquisition"] if dated else []
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
    if driver in ("months", "acquisition") and driver in offered(tables):
        return Count("customers", _MONTHS if driver == "months" else _ACQUIRED)
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
        day = _instant(table, _schema(tables[table])) if back else None
        rows = _rows(tables, table, [count.column for count in own.values()], None if back else first, last, day)
        values = {name: _value(count, first, last, day).cast(nw.Float64) for name, count in own.items()}
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
    if count.reaches_back or _instant(count.table, _schema(tables[count.table])) is None:
        raise ParameterError(f"{base!r} cannot be spread over months, for it has no day; use it without /{months}")
    return Count(count.table, count.column, number)


def _value(count: Count, first: datetime.date | None, last: datetime.date | None, day: str | None) -> nw.Expr:
    """What one row adds."""
    amount = nw.col("amount")
    signs: dict[str | None, tuple[nw.Expr, Any]] = {
        _ORDERS: (amount >= 0, 1.0),
        _RETURNS: (amount < 0, 1.0),
        _REFUNDS: (amount < 0, -amount),
    }
    if count.column == _MONTHS:
        return _days(first, last, "acquired_at") / _DAYS_A_MONTH
    if count.column in signs:
        which, what = signs[count.column]
        value = nw.when(which).then(what).otherwise(nw.lit(0.0))
    elif count.column == _ACQUIRED:
        value = nw.when(~nw.col("acquired_at").is_null()).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    else:
        value = nw.lit(1.0) if count.column is None else nw.col(count.column).cast(nw.Float64).fill_null(0.0)
    if count.spread is None or day is None:
        return value
    length = count.spread * _DAYS_A_MONTH
    return value * _days(first, last, day, length) / length


def _days(first: datetime.date | None, last: datetime.date | None, column: str, length: float | None = None) -> nw.Expr:
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


def _rows(
    tables: Mapping[str, Any], table: str, columns: Sequence[str | None], first: Any, last: Any, day: str | None
) -> Any:
    """Rows of a table within the period, with their customer; lines find theirs through their order."""
    plain = [column for column in columns if column and not column.startswith("[")]
    if table == "orders":
        plain.append("amount")
    if _ACQUIRED in columns:
        plain.append("acquired_at")
    if table == "order_lines":
        orders = _rows(tables, "orders", ["order_id"], first, last, None).select("order_id", "customer_id")
        lines = wrap(tables[table], sorted({"order_id", *plain}), table=table)
        return lines.join(orders, on="order_id", how="inner")
    if day is None and (first or last):
        day = _instant(table, _schema(tables[table]))
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
