"""Orders -> whether customers bought in each calendar period, what the BG/BB model takes: frame functions."""

from __future__ import annotations

import datetime
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.errors import ParameterError
from crmlib.frames import PERIODS, as_date, period_number
from crmlib.rfm.orders import BOUGHT, rows_until


def opportunity_history(
    orders: Any,
    *,
    period: str = "month",
    as_of: str | datetime.date | None = None,
    until: str | datetime.date | None = None,
) -> Any:
    """Frame: at how many calendar periods after the first each customer ordered, and at which one last.

    Each period that ended after the one of the first order is an opportunity, taken when there was an order in it.

    Parameters
    ----------
    orders : any frame
        As `purchase_history` takes it; returns count as there.
    period : {"month", "day", "week", "quarter", "year"}
        Calendar period of an opportunity; weeks begin on Monday.
    as_of : date or ISO string, optional
        Last day that counts; a period that it does not end is no opportunity yet. Default: the last row's day.
    until : date or ISO string, optional
        Last day of a hold-out after `as_of`: adds its columns.

    Returns
    -------
    frame of the same kind, one row a customer with an order in a period that ended by `as_of`
        customer_id; frequency (Int64, opportunities taken); recency (Int64, number of the last one taken, 0 for none);
        age (Int64, opportunities had); monetary_value (Float64, amount of these periods, returns taken off, over
        frequency; missing where that is 0). With `until`: holdout_time (Int64, further opportunities),
        holdout_frequency (Int64, of them taken), holdout_amount (Float64, their amount, returns taken off). Sorted by
        customer_id on eager frames.

    Raises
    ------
    MissingColumnsError
    ParameterError
        An unknown period; no period ends after `as_of` up to `until`.

    References
    ----------
    Fader, P. S., Hardie, B. G. S., & Shang, J. (2010), Customer-base analysis in a discrete-time noncontractual
        setting, Marketing Science 29, 1086-1108, section 2.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({"customer_id": [1, 1, 1, 2], "amount": [5.0, 7.0, 3.0, 4.0],
    ...     "ordered_at": pd.to_datetime(["2026-01-01", "2026-01-15", "2026-03-15", "2026-02-08"])})
    >>> opportunity_history(orders, as_of="2026-04-30")
       customer_id  frequency  recency  age  monetary_value
    0            1          1        2    3             3.0
    1            2          0        0    2             NaN
    """
    if period not in PERIODS:
        raise ParameterError(f"period {period!r} is unknown; use one of {', '.join(PERIODS)}")
    split, stop = as_date(as_of, name="as_of"), as_date(until, name="until")
    if stop is not None and split is None:
        raise ParameterError("as_of is not set; give the last day of the history as YYYY-MM-DD")
    rows = rows_until(orders, stop or split)
    end = datetime.date(1970, 1, 1) + datetime.timedelta(days=rows.last)
    ended, last = _ended(split or end, period), _ended(end, period)
    if stop is not None and last <= ended:
        raise ParameterError(f"no {period} ends after {split} up to {end}; take a later until or shorter periods")
    met = _periods(rows.table, period, last)
    table = _taken(met.filter(nw.col("number") <= ended), ended)
    if stop is not None:
        later = met.filter(nw.col("number") > ended).group_by("customer_id")
        table = table.join(
            later.agg(holdout_frequency=nw.col("bought").sum(), holdout_amount=nw.col("amount").sum()),
            on="customer_id",
            how="left",
        ).with_columns(
            nw.lit(last - ended).cast(nw.Int64).alias("holdout_time"),
            nw.col("holdout_frequency").fill_null(0).cast(nw.Int64),
            nw.col("holdout_amount").fill_null(0.0).cast(nw.Float64),
        )
        first = ("customer_id", "frequency", "recency", "age", "monetary_value")
        table = table.select(*first, "holdout_time", "holdout_frequency", "holdout_amount")
    return (table.sort("customer_id") if isinstance(table, nw.DataFrame) else table).to_native()


def _periods(rows: Any, period: str, last: int) -> Any:
    """One row a customer and period up to one: customer_id, number, amount, bought, first (of the first order)."""
    numbered = rows.with_columns(number=period_number(nw.col("ordered_at"), period), bought=BOUGHT.cast(nw.Int64))
    met = (
        numbered.filter(nw.col("number") <= last)
        .group_by("customer_id", "number")
        .agg(nw.col("amount").sum(), nw.col("bought").max())
    )
    ordered = nw.when(nw.col("bought") > 0).then(nw.col("number"))
    met = met.with_columns(ordered=ordered).with_columns(first=nw.col("ordered").min().over("customer_id"))
    return met.filter(nw.col("number") >= nw.col("first"))


def _taken(met: Any, ended: int) -> Any:
    again = nw.col("number") > nw.col("first")
    table = (
        met.with_columns(
            repeat=nw.when(again).then(nw.col("bought")).otherwise(nw.lit(0)),
            spent=nw.when(again).then(nw.col("amount")).otherwise(nw.lit(0.0)),
        )
        .group_by("customer_id")
        .agg(
            first=nw.col("first").min(),
            last=nw.col("ordered").max(),
            frequency=nw.col("repeat").sum(),
            spent=nw.col("spent").sum(),
        )
    )
    some = nw.when(nw.col("frequency") > 0).then(nw.col("frequency"))  # missing, so that no engine divides by 0
    return table.select(
        "customer_id",
        nw.col("frequency").cast(nw.Int64),
        (nw.col("last") - nw.col("first")).cast(nw.Int64).alias("recency"),
        (ended - nw.col("first")).cast(nw.Int64).alias("age"),
        (nw.col("spent") / some).cast(nw.Float64).alias("monetary_value"),
    )


def _ended(day: datetime.date, period: str) -> int:
    """Number of the last period that has ended by the end of a day."""
    following = datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(days=1)
    calendar = nw.from_dict({"at": [following]}, backend="pyarrow")
    return int(calendar.select(n=period_number(nw.col("at"), period))["n"].to_list()[0]) - 1
