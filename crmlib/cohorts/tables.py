"""Orders -> cohort tables: frame functions, the same on every engine."""

from __future__ import annotations

import datetime
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.frames import as_date, day_number, period_number, period_start, wrap

_ORDER_COLUMNS = ("customer_id", "ordered_at", "amount")


def retention_triangle(orders: Any, *, period: str = "month", as_of: str | datetime.date | None = None) -> Any:
    """Frame: active customers and revenue of every cohort at every age.

    Parameters
    ----------
    orders : any frame
        customer_id; ordered_at (date or datetime without zone); amount (money, may be zero or
        negative: any order makes its customer active). Rows without customer or instant are left out.
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
    activity = _activity(orders, period, as_of)
    seen = activity.group_by("number", "cohort", "age").agg(active=nw.len(), amount=nw.col("amount").sum())
    ages = _whole_numbers(activity)
    # Every cohort has an age-0 row, so its cell gives the cohort's size and how far it can be followed.
    grid = (
        activity.filter(nw.col("age") == 0)
        .group_by("number", "cohort", "last", "ended")
        .agg(customers=nw.len())
        .join(ages, how="cross")
        .filter(nw.col("age") <= nw.col("last") - nw.col("number"))
    )
    cells = grid.join(seen.drop("cohort"), on=["number", "age"], how="left").with_columns(
        active=nw.col("active").fill_null(0).cast(nw.Int64), amount=nw.col("amount").fill_null(0.0).cast(nw.Float64)
    )
    triangle = cells.select(
        "cohort",
        nw.col("age").cast(nw.Int64),
        nw.col("customers").cast(nw.Int64),
        "active",
        (nw.col("active") / nw.col("customers")).cast(nw.Float64).alias("retention_rate"),
        "amount",
        (nw.col("number") + nw.col("age") <= nw.col("ended")).alias("complete"),
    )
    return _in_order(triangle, "cohort", "age").to_native()


def customer_activity(orders: Any, *, period: str = "month", as_of: str | datetime.date | None = None) -> Any:
    """Frame: each customer's revenue by age, only the periods with an order.

    Parameters
    ----------
    orders, period, as_of
        As in `retention_triangle`.

    Returns
    -------
    frame of the same kind, one row a customer and period with an order
        customer_id, cohort (datetime), age (Int64), amount (Float64, revenue in that period),
        complete_ages (Int64: how many of the customer's periods had ended by `as_of`, the same for
        a whole cohort; an age at or beyond it is not complete). Every customer has a row at age 0.
    """
    activity = _activity(orders, period, as_of)
    complete_ages = (nw.col("ended") - nw.col("number") + 1).cast(nw.Int64).alias("complete_ages")
    table = activity.select("customer_id", "cohort", "age", nw.col("amount").cast(nw.Float64), complete_ages)
    return _in_order(table, "customer_id", "age").to_native()


def second_order_times(orders: Any, *, as_of: str | datetime.date | None = None) -> Any:
    """Frame: days from each customer's first to second order day, or how long none was seen.

    Orders on one day count as one. The event is observed, so a survival curve of it is legitimate;
    customers without a second order are censored at `as_of`.

    Parameters
    ----------
    orders : any frame
        customer_id, ordered_at. Rows without either are left out.
    as_of : date or ISO string, optional
        Last day that counts. Default: the last order's day.

    Returns
    -------
    frame of the same kind, one row a customer
        customer_id, cohort_day (Int64, days since 1970-01-01 of the first order), days (Int64, at
        least 1 when observed; 0 when the first order fell on `as_of`), observed (Boolean).
    """
    kept = _until(wrap(orders, ("customer_id", "ordered_at"), table="orders"), as_of)
    days = kept.select("customer_id", day_number(nw.col("ordered_at")).alias("day"))
    first = days.group_by("customer_id").agg(first=nw.col("day").min())
    last_day = _last_day(days.select(nw.col("day").max().alias("last_day")), as_of)
    second = (
        days.join(first, on="customer_id", how="inner")
        .filter(nw.col("day") > nw.col("first"))
        .group_by("customer_id")
        .agg(second=nw.col("day").min())
    )
    table = (
        first.join(second, on="customer_id", how="left")
        .join(last_day, how="cross")
        .select(
            "customer_id",
            nw.col("first").cast(nw.Int64).alias("cohort_day"),
            (nw.coalesce("second", "last_day") - nw.col("first")).cast(nw.Int64).alias("days"),
            (~nw.col("second").is_null()).alias("observed"),
        )
    )
    return _in_order(table, "customer_id").to_native()


def _activity(orders: Any, period: str, as_of: str | datetime.date | None) -> Any:
    """One row a customer and period with an order, with the customer's cohort and the horizon.

    customer_id, number (period of the cohort), cohort, age, amount, last (period of as_of),
    ended (last period that had ended by as_of).
    """
    kept = _until(wrap(orders, _ORDER_COLUMNS, table="orders"), as_of)
    instant = nw.col("ordered_at")
    periods = (
        kept.with_columns(number=period_number(instant, period), amount=nw.col("amount").cast(nw.Float64))
        .group_by("customer_id", "number")
        .agg(amount=nw.col("amount").sum(), first=instant.min())
    )
    cohorts = (
        periods.group_by("customer_id")
        .agg(cohort_number=nw.col("number").min(), first_order=nw.col("first").min())
        .with_columns(cohort=period_start(nw.col("first_order"), period))
        .drop("first_order")
    )
    horizon = _horizon(periods, kept, period, as_of)
    return (
        periods.join(cohorts, on="customer_id", how="inner")
        .join(horizon, how="cross")
        .with_columns(age=nw.col("number") - nw.col("cohort_number"), number=nw.col("cohort_number"))
        .select("customer_id", "number", "cohort", "age", "amount", "last", "ended")
    )


def _horizon(periods: Any, kept: Any, period: str, as_of: str | datetime.date | None) -> Any:
    """One row: `last`, the period of as_of, and `ended`, the last one complete by its end of day."""
    day = as_date(as_of, name="as_of")
    if day is not None:
        instant = nw.lit(datetime.datetime.combine(day, datetime.time()))
        frame = periods.head(1).select(last_day=instant)
    else:
        frame = kept.select(last_day=nw.col("ordered_at").max()).filter(~nw.col("last_day").is_null())
    instant = nw.col("last_day").cast(nw.Datetime("us"))
    last, following = period_number(instant, period), period_number(instant.dt.offset_by("1d"), period)
    return frame.select(last=last, ended=following - 1)


def _until(orders: Any, as_of: str | datetime.date | None) -> Any:
    """Rows with customer and instant, up to the end of the day `as_of`."""
    kept = orders.filter(~nw.col("customer_id").is_null(), ~nw.col("ordered_at").is_null())
    day = as_date(as_of, name="as_of")
    if day is None:
        return kept
    if kept.collect_schema()["ordered_at"] == nw.Date:
        return kept.filter(nw.col("ordered_at") <= nw.lit(day))
    midnight = datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(days=1)
    return kept.filter(nw.col("ordered_at") < nw.lit(midnight))


def _last_day(observed: Any, as_of: str | datetime.date | None) -> Any:
    """One row with `last_day` as a day number: as_of if set, else what was observed."""
    day = as_date(as_of, name="as_of")
    if day is None:
        return observed
    return observed.select(last_day=nw.lit((day - datetime.date(1970, 1, 1)).days))


def _whole_numbers(activity: Any) -> Any:
    """Ages 0 to the oldest cohort's, made from one row so that lazy frames stay lazy on any engine.

    Digits 0-9 come from unpivoting ten literals; five places give 99,999, which is 273 years of days.
    """
    span = activity.select(span=nw.col("last").max() - nw.col("number").min())
    one = span.with_columns(**{f"digit_{digit}": nw.lit(digit) for digit in range(10)})
    digits = one.drop("span").unpivot(variable_name="name", value_name="digit").select("digit")
    numbers = digits.select(age=nw.col("digit"))
    for place in (10, 100, 1_000, 10_000):
        tens = digits.select(more=nw.col("digit") * place)
        numbers = (
            numbers.join(tens, how="cross")
            .join(span, how="cross")
            .select(age=nw.col("age") + nw.col("more"), span=nw.col("span"))
            .filter(nw.col("age") <= nw.col("span"))
            .select("age")
        )
    return numbers


def _in_order(table: Any, *columns: str) -> Any:
    """Sorted if eager; lazy frames carry no row order."""
    return table.sort(*columns) if isinstance(table, nw.DataFrame) else table
