"""Orders -> one row a customer and window, zeros kept: frame functions, the same on every engine."""

from __future__ import annotations

import datetime
import itertools
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmlib.columns import PURCHASE, order_rows
from crmlib.errors import DataError, ParameterError
from crmlib.frames import PERIODS, as_date, day_number, period_number, wrap

if TYPE_CHECKING:
    from crmlib.data import Tables

_EPOCH = datetime.date(1970, 1, 1)
_MOST = 1_000  # windows or periods: each becomes a literal of the query
_PANDAS_PERIODS = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}


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
    for name, value, most in (("days", days, 100_000), ("windows", windows, _MOST)):
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
        **{name: nw.col(name) if day is None else nw.lit(_number(day)) for name, day in given.items()}
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
    grid = at_risk.join(_numbers(horizon, [0] * windows, "window", "nothing"), how="cross").filter(whole)
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
    return _in_order(table, "customer_id", "window").to_native()


def membership_panel(
    orders: Any,
    memberships: Any,
    customers: Any,
    *,
    start: str | datetime.date,
    as_of: str | datetime.date,
    period: str = "month",
    per_days: float = 30.0,
) -> Any:
    """Frame: each customer's orders and spend in every period, and when they joined the programme.

    The panel is balanced: customers won before it starts, in all complete periods from `start` to
    `as_of`, zeros included. Months differ in length, and a heavy buyer's count differs with them by more
    than a light buyer's; rates for a fixed number of days keep that out of the comparison.

    Parameters
    ----------
    orders : any frame
        customer_id, ordered_at, amount (a negative one is a return: money, but no order).
    memberships : any frame
        customer_id, joined_at; one row a member, the first where there are more. May have no rows.
    customers : any frame
        customer_id of those who could join. Where known, acquired_at leaves out who was won on `start` or
        later, and account (Boolean) who holds none and so could not join.
    start : date or ISO string
        The panel begins with the first whole period from this day on.
    as_of : date or ISO string
        Last day of the data; the panel ends with the last whole period up to it.
    period : {"month", "day", "week", "quarter", "year"}
    per_days : float
        Days that the rates are for, above 0.

    Returns
    -------
    frame of the same kind, one row a customer and period
        customer_id, period (Int64, from 0), joined (Float64: the period in which the customer joined,
        negative before the panel; missing for who had not joined by the panel's end), amount, orders
        (Float64, per `per_days` days; orders counts rows of orders, returns left out).

    Raises
    ------
    MissingColumnsError
    ParameterError
        An unknown period, no whole period between `start` and `as_of`, or more than 1,000.
    """
    if not per_days > 0:
        raise ParameterError(f"per_days is {per_days}; give a number of days above 0, such as 30")
    first, last = as_date(start, name="start"), as_date(as_of, name="as_of")
    if first is None or last is None:
        raise ParameterError("a panel needs start and as_of; give both as YYYY-MM-DD")
    origin, lengths = _whole_periods(first, last, period)
    number = (period_number(nw.col("ordered_at"), period) - origin).cast(nw.Int64)
    sums = (
        order_rows(orders)
        .with_columns(period=number, amount=nw.col("amount").cast(nw.Float64), bought=PURCHASE.cast(nw.Int64))
        .filter(nw.col("period") >= 0, nw.col("period") < len(lengths))
        .group_by("customer_id", "period")
        .agg(nw.col("amount").sum(), orders=nw.col("bought").sum())
    )
    joined = (period_number(nw.col("joined_at"), period) - origin).cast(nw.Int64)
    membership = wrap(memberships, ("customer_id", "joined_at"), table="memberships")
    kind = membership.collect_schema()["joined_at"]
    if not isinstance(kind, (nw.Date, nw.Datetime)):
        raise DataError(f"joined_at is {kind}, no date or datetime; convert it first, as pandas.to_datetime does")
    _require_one_kind(orders=orders, memberships=memberships, customers=customers)
    joins = (
        membership.filter(~nw.col("joined_at").is_null())
        .select("customer_id", joined=joined)
        .filter(nw.col("joined") < len(lengths))
        .group_by("customer_id")
        .agg(nw.col("joined").min())
    )
    people = _eligible(customers, first)
    periods = _numbers(people.head(1), lengths, "period", "length")
    rate = [
        (nw.col(name).fill_null(0).cast(nw.Float64) * per_days / nw.col("length")).alias(name)
        for name in ("amount", "orders")
    ]
    table = (
        people.join(joins, on="customer_id", how="left")
        .join(periods, how="cross")
        .join(sums, on=["customer_id", "period"], how="left")
        .select("customer_id", "period", nw.col("joined").cast(nw.Float64), *rate)
    )
    return _in_order(table, "customer_id", "period").to_native()


def _require_one_kind(**tables: Any) -> None:
    """Refuse tables of which one has text for customer_id and another numbers: nobody would be found in both."""
    kinds = {
        name: wrap(one, ("customer_id",), table=name).collect_schema()["customer_id"] for name, one in tables.items()
    }
    if any(isinstance(kind, nw.String) for kind in kinds.values()) and any(
        kind.is_numeric() for kind in kinds.values()
    ):
        told = ", ".join(f"{kind} in {name}" for name, kind in kinds.items())
        raise DataError(f"customer_id is {told}; make them one kind")


def panel_start(tables: Tables, start: str | datetime.date | None = None) -> datetime.date:
    """First day of a membership panel: as given, else the simulated firm's own.

    Parameters
    ----------
    tables : Tables
    start : date or ISO string, optional
        A day some periods before the programme began; "" for not set.

    Raises
    ------
    ParameterError
        Not given, and the source is no simulated firm with a programme.
    """
    day = as_date(start, name="start")
    if day is not None:
        return day
    known = getattr(tables.truth, "parameters", None)
    if known is None or not known.programme:
        raise ParameterError(
            f"source {tables.source!r} does not say when its programme began; "
            "give the panel's first day, some periods before that"
        )
    return _EPOCH + datetime.timedelta(microseconds=int(known.panel_start))


def _daily(orders: Any, last: datetime.date | None) -> Any:
    """One row a customer and day with an order or return: day (number), amount, orders; up to the day `last`."""
    table = order_rows(orders).select(
        "customer_id",
        day_number(nw.col("ordered_at")).alias("day"),
        nw.col("amount").cast(nw.Float64),
        orders=PURCHASE.cast(nw.Int64),
    )
    if last is not None:
        table = table.filter(nw.col("day") <= _number(last))
    return table.group_by("customer_id", "day").agg(nw.col("amount").sum(), nw.col("orders").sum())


def _ids(customers: Any) -> Any:
    """Distinct customers."""
    table = wrap(customers, ("customer_id",), table="customers")
    return table.filter(~nw.col("customer_id").is_null()).unique()


def _eligible(customers: Any, start: datetime.date) -> Any:
    """Distinct customers who were there before a day and could join, as far as the columns tell."""
    known = nw.from_native(customers).collect_schema().names()
    columns = [name for name in ("acquired_at", "account") if name in known]
    table = wrap(customers, ("customer_id", *columns), table="customers").filter(~nw.col("customer_id").is_null())
    if "account" in columns:
        table = table.filter(~nw.col("account").is_null()).filter(nw.col("account").cast(nw.Boolean))
    if "acquired_at" in columns:
        table = table.filter(~nw.col("acquired_at").is_null())
        table = table.filter(day_number(nw.col("acquired_at")) < _number(start))
    return table.select("customer_id").unique()


def _whole_periods(first: datetime.date, last: datetime.date, period: str) -> tuple[int, list[int]]:
    """Number of the first whole period from a day on, and the lengths in days of all up to another day."""
    import pandas as pd

    if period not in PERIODS:
        raise ParameterError(f"period {period!r} is unknown; use one of {', '.join(PERIODS)}")
    code = _PANDAS_PERIODS[period]
    begin, end = pd.Period(first, code), pd.Period(last, code)
    begin += int(begin.start_time.date() < first)
    end -= int(end.end_time.date() > last)
    count = (end - begin).n + 1 if end >= begin else 0
    if not 1 <= count <= _MOST:
        raise ParameterError(f"{count} whole {period}s lie between {first} and {last}; a panel needs 1 to {_MOST:,}")
    starts = [(begin + step).start_time.date() for step in range(count + 1)]
    lengths = [(later - earlier).days for earlier, later in itertools.pairwise(starts)]
    day = starts[0]
    numbers = {
        "day": (day - _EPOCH).days,
        "week": ((day - _EPOCH).days + 3) // 7,
        "month": day.year * 12 + day.month - 1,
        "quarter": day.year * 4 + (day.month - 1) // 3,
        "year": day.year,
    }
    return numbers[period], lengths


def _numbers(one_row: Any, values: list[int], index: str, value: str) -> Any:
    """The given values with their index from 0, made from a frame of one row: lazy stays lazy on any engine."""
    row = one_row.select(**{f"n{number}": nw.lit(each, dtype=nw.Int64) for number, each in enumerate(values)}).head(1)
    long = row.unpivot(variable_name="name", value_name=value)
    return long.select(nw.col("name").str.slice(1).cast(nw.Int64).alias(index), nw.col(value).cast(nw.Int64))


def _number(day: datetime.date) -> int:
    return (day - _EPOCH).days


def _require_whole(name: str, value: int, most: int) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= value <= most:
        raise ParameterError(f"{name} is {value!r}; give a whole number from 1 to {most:,}")


def _in_order(table: Any, *columns: str) -> Any:
    """Sorted if eager; lazy frames carry no row order."""
    return table.sort(*columns) if isinstance(table, nw.DataFrame) else table
