"""Orders -> cohort tables: frame functions, the same on every engine."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from crmlib.columns import order_rows
from crmlib.errors import ParameterError
from crmlib.frames import PERIODS, as_date, day_number, period_number, period_start, to_pandas, wrap

#: Beyond this many periods a lazy grid of all of them costs more than asking the orders again which have a cohort.
_WIDE = 2_000

#: A row that is no return; one whose amount is missing is an order.
_BOUGHT = ~(nw.col("amount") < 0).fill_null(False)

_ORDER_COLUMNS = ("customer_id", "ordered_at", "amount")


def retention_triangle(orders: Any, *, period: str = "month", as_of: str | datetime.date | None = None) -> Any:
    """Frame: active customers and revenue of every cohort at every age.

    Parameters
    ----------
    orders : any frame
        customer_id; ordered_at (date or datetime without zone); amount (money, may be zero; a
        negative one is a return, whose money counts but which makes nobody active). Rows without
        customer or instant are left out, and returns before a customer's first order.
    period : {"month", "day", "week", "quarter", "year"}
        Calendar period of cohorts and ages; weeks begin on Monday.
    as_of : date or ISO string, optional
        Last day that counts, the day included; later orders are left out. Default: the last order's day.

    Returns
    -------
    frame of the same kind, one row a cohort and age, every age up to `as_of`, zeros included
        cohort (datetime, first day of the period), age (Int64, periods), customers (Int64, size of
        the cohort), active (Int64, customers with an order), retention_rate (Float64, active /
        customers, 0-1), amount (Float64, revenue), complete (Boolean, the period had ended by
        `as_of`). Sorted by cohort and age on eager frames; lazy results carry no order.
        No orders, or none up to `as_of`: no rows.

    Raises
    ------
    MissingColumnsError, ParameterError

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({"customer_id": [1, 1, 2], "amount": [5.0, 7.0, 4.0],
    ...     "ordered_at": pd.to_datetime(["2026-01-03", "2026-02-10", "2026-01-20"])})
    >>> retention_triangle(orders, as_of="2026-02-28")[["age", "customers", "active", "amount"]]
       age  customers  active  amount
    0    0          2       2     9.0
    1    1          2       1     7.0
    """
    kept, horizon = orders_until(orders, period, as_of)
    activity, active = _activity(kept, period, returns=horizon.returns), nw.len()
    if horizon.returns:  # else every row of the activity is of an active customer
        activity = activity.with_columns(came=(nw.col("orders") > 0).cast(nw.Int64))
        active = nw.col("came").sum()
    seen = activity.group_by("number", "age").agg(
        cohort=nw.col("cohort").min(), active=active, amount=nw.col("amount").sum()
    )
    # A cohort's size is its active customers at age 0, so one look at `seen` gives every cell: on an
    # engine without shared subplans each further one would read the orders again.
    size = nw.when(nw.col("age") == 0).then(nw.col("active"))
    cells = (
        _grid(kept, seen, horizon)
        .join(seen, on=["number", "age"], how="left")
        .with_columns(customers=size.max().over("number"), cohort=nw.col("cohort").max().over("number"))
        .filter(~nw.col("customers").is_null())
        .with_columns(nw.col("active").fill_null(0), nw.col("amount").fill_null(0.0))
    )
    triangle = cells.select(
        "cohort",
        nw.col("age").cast(nw.Int64),
        nw.col("customers").cast(nw.Int64),
        nw.col("active").cast(nw.Int64),
        (nw.col("active") / nw.col("customers")).cast(nw.Float64).alias("retention_rate"),
        nw.col("amount").cast(nw.Float64),
        (nw.col("number") + nw.col("age") <= horizon.ended).alias("complete"),
    )
    return _in_order(triangle, "cohort", "age").to_native()


def customer_activity(orders: Any, *, period: str = "month", as_of: str | datetime.date | None = None) -> Any:
    """Frame: each customer's revenue and orders by age, only the periods with an order or a return.

    Parameters
    ----------
    orders, period, as_of
        As in `retention_triangle`.

    Returns
    -------
    frame of the same kind, one row a customer and period with an order or a return
        customer_id, cohort (datetime), age (Int64), amount (Float64, revenue in that period),
        orders (Int64, returns not counted), complete_ages (Int64: how many of the customer's periods
        had ended by `as_of`, the same for a whole cohort; an age at or beyond it is not complete).
        Every customer has a row at age 0.
    """
    kept, horizon = orders_until(orders, period, as_of)
    complete_ages = (horizon.ended - nw.col("number") + 1).cast(nw.Int64).alias("complete_ages")
    columns = (
        "customer_id",
        "cohort",
        "age",
        nw.col("amount").cast(nw.Float64),
        nw.col("orders").cast(nw.Int64),
        complete_ages,
    )
    return _in_order(
        _activity(kept, period, returns=horizon.returns).select(*columns), "customer_id", "age"
    ).to_native()


def second_order_times(orders: Any, *, as_of: str | datetime.date | None = None) -> Any:
    """Frame: days from each customer's first to second order day, or how long none was seen.

    Orders on one day count as one. The event is observed, so a survival curve of it is legitimate;
    customers without a second order are censored at `as_of`.

    Parameters
    ----------
    orders : any frame
        customer_id, ordered_at [amount: a negative one is a return and no order]. Rows without
        customer or instant are left out.
    as_of : date or ISO string, optional
        Last day that counts. Default: the last order's day.

    Returns
    -------
    frame of the same kind, one row a customer
        customer_id, cohort_day (Int64, days since 1970-01-01 of the first order), days (Int64, at
        least 1 when observed; 0 when the first order fell on `as_of`), observed (Boolean).
    """
    wrap(orders, ("customer_id", "ordered_at"), table="orders")
    priced = "amount" in nw.from_native(orders).collect_schema().names()
    kept, horizon = orders_until(orders, "day", as_of, columns=_ORDER_COLUMNS if priced else _ORDER_COLUMNS[:2])
    if horizon.returns:
        kept = kept.filter(_BOUGHT)
    days = kept.select("customer_id", day_number(nw.col("ordered_at")).alias("day"))
    first = days.group_by("customer_id").agg(first=nw.col("day").min())
    second = (
        days.join(first, on="customer_id", how="inner")
        .filter(nw.col("day") > nw.col("first"))
        .group_by("customer_id")
        .agg(second=nw.col("day").min())
    )
    table = first.join(second, on="customer_id", how="left").select(
        "customer_id",
        nw.col("first").cast(nw.Int64).alias("cohort_day"),
        (nw.col("second").fill_null(horizon.last) - nw.col("first")).cast(nw.Int64).alias("days"),
        (~nw.col("second").is_null()).alias("observed"),
    )
    return _in_order(table, "customer_id").to_native()


class _Horizon(NamedTuple):
    """What is known ahead: numbers of the first period with an order, of the one of as_of, and of the
    last that had ended by the end of that day; and whether returns are among the orders.
    """

    first: int
    last: int
    ended: int
    returns: bool


def orders_until(
    orders: Any, period: str, as_of: str | datetime.date | None, columns: Sequence[str] = _ORDER_COLUMNS
) -> tuple[Any, _Horizon]:
    """Orders up to the end of the day `as_of`, and the horizon.

    First and last instant and the least amount are read ahead, also of a lazy frame: a small aggregate
    that Parquet answers from its statistics, where joining it back in would read all orders once more.
    """
    if period not in PERIODS:
        raise ParameterError(f"period {period!r} is unknown; use one of {', '.join(PERIODS)}")
    day = as_date(as_of, name="as_of")
    instant = nw.col("ordered_at")
    kept = order_rows(orders, columns)
    if day is not None:
        dates = kept.collect_schema()["ordered_at"] == nw.Date
        following = datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(days=1)
        kept = kept.filter(instant <= nw.lit(day) if dates else instant < nw.lit(following))
    ahead = {"first": instant.min(), "last": instant.max()}
    if "amount" in columns:
        ahead["least"] = nw.col("amount").min()
    span = to_pandas(kept.select(**ahead).to_native()).iloc[0]
    if span[["first", "last"]].isna().any():  # no orders: the grid comes out empty whatever the calendar
        return kept, _Horizon(0, 0, 0, returns=False)
    end = datetime.datetime.combine(day or span["last"].date(), datetime.time())
    calendar = nw.from_dict(
        {"at": [span["first"].to_pydatetime(), end, end + datetime.timedelta(days=1)]}, backend="pyarrow"
    )
    first, last, following_period = calendar.select(n=period_number(nw.col("at"), period))["n"].to_list()
    return kept, _Horizon(first, last, following_period - 1, returns=bool(span.get("least", 0) < 0))


def _activity(kept: Any, period: str, *, returns: bool) -> Any:
    """One row a customer and period: customer_id, number (period of the cohort), cohort, age, amount, orders."""
    instant = nw.col("ordered_at")
    bought = {"bought": _BOUGHT.cast(nw.Int64)} if returns else {}
    orders = nw.col("bought").sum() if returns else nw.len()
    periods = (
        kept.with_columns(period=period_number(instant, period), amount=nw.col("amount").cast(nw.Float64), **bought)
        .group_by("customer_id", "period")
        .agg(amount=nw.col("amount").sum(), orders=orders)
    )
    cohorts = (
        (kept.filter(_BOUGHT) if returns else kept)
        .group_by("customer_id")
        .agg(first=instant.min())
        .select(
            "customer_id", number=period_number(nw.col("first"), period), cohort=period_start(nw.col("first"), period)
        )
    )
    age = (nw.col("period") - nw.col("number")).alias("age")
    joined = periods.join(cohorts, on="customer_id", how="inner")
    table = joined.select("customer_id", "number", "cohort", age, "amount", "orders")
    return table.filter(nw.col("age") >= 0) if returns else table


def _grid(kept: Any, seen: Any, horizon: _Horizon) -> Any:
    """Every cohort number with every age that fits: number, age.

    Made from one row of the orders, so that a lazy frame stays lazy on any engine: digits 0-9 come
    from unpivoting ten literals, and as many places as the span needs are crossed.
    """
    span = horizon.last - horizon.first
    one = kept.head(1).select(**{f"digit_{digit}": nw.lit(digit) for digit in range(10)})
    digits = one.unpivot(variable_name="name", value_name="digit").select("digit")
    numbers = digits.select(n=nw.col("digit"))
    for place in range(1, len(str(span))):
        more = digits.select(more=nw.col("digit") * 10**place)
        numbers = numbers.join(more, how="cross").select(n=nw.col("n") + nw.col("more"))
    numbers = numbers.filter(nw.col("n") <= span)
    starts = numbers.select(number=nw.col("n") + horizon.first)
    if isinstance(kept, nw.DataFrame) or span > _WIDE:
        starts = seen.select("number").unique()
    ages = numbers.select(age=nw.col("n"))
    return starts.join(ages, how="cross").filter(nw.col("number") + nw.col("age") <= horizon.last)


def _in_order(table: Any, *columns: str) -> Any:
    """Sorted if eager; lazy frames carry no row order."""
    return table.sort(*columns) if isinstance(table, nw.DataFrame) else table
