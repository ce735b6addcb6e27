"""Orders and memberships -> a balanced panel of customers and periods: a frame function, the same on every engine."""

from __future__ import annotations

import datetime
import itertools
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmlib.columns import PURCHASE, order_rows
from crmlib.errors import DataError, ParameterError
from crmlib.frames import PERIODS, as_date, day_number, period_number, wrap
from crmlib.loyalty.tables import EPOCH, MOST, in_order, number_of, numbered

if TYPE_CHECKING:
    from crmlib.data import Tables


_PANDAS_PERIODS = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}


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
    periods = numbered(people.head(1), lengths, "period", "length")
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
    return in_order(table, "customer_id", "period").to_native()


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
    return EPOCH + datetime.timedelta(microseconds=int(known.panel_start))


def _eligible(customers: Any, start: datetime.date) -> Any:
    """Distinct customers who were there before a day and could join, as far as the columns tell."""
    known = nw.from_native(customers).collect_schema().names()
    columns = [name for name in ("acquired_at", "account") if name in known]
    table = wrap(customers, ("customer_id", *columns), table="customers").filter(~nw.col("customer_id").is_null())
    if "account" in columns:
        table = table.filter(~nw.col("account").is_null()).filter(nw.col("account").cast(nw.Boolean))
    if "acquired_at" in columns:
        table = table.filter(~nw.col("acquired_at").is_null())
        table = table.filter(day_number(nw.col("acquired_at")) < number_of(start))
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
    if not 1 <= count <= MOST:
        raise ParameterError(f"{count} whole {period}s lie between {first} and {last}; a panel needs 1 to {MOST:,}")
    starts = [(begin + step).start_time.date() for step in range(count + 1)]
    lengths = [(later - earlier).days for earlier, later in itertools.pairwise(starts)]
    day = starts[0]
    numbers = {
        "day": (day - EPOCH).days,
        "week": ((day - EPOCH).days + 3) // 7,
        "month": day.year * 12 + day.month - 1,
        "quarter": day.year * 4 + (day.month - 1) // 3,
        "year": day.year,
    }
    return numbers[period], lengths
