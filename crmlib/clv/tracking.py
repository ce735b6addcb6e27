"""Tracking: cumulative repeat purchases over the calendar, expected and made."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, day_number, to_pandas, wrap

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import TransactionResults


def cumulative_purchases(
    results: TransactionResults,
    orders: Any,
    *,
    acquired_until: str | datetime.date | None = None,
    until: str | datetime.date | None = None,
    unit_days: float = 7.0,
) -> pd.DataFrame:
    """Array: repeat purchases since the data begin, made by the customers and expected of them by the model.

    Expected of a new customer at each one's own start: what was observed later plays no part, so the curve shows
    a season, a trend, or a wrong model. A purchase is a day with an order.

    Parameters
    ----------
    results : TransactionResults
        Of a model without covariates.
    orders : any frame
        customer_id, ordered_at [amount: a negative one is a return and no purchase].
    acquired_until : date or ISO string, optional
        Only customers whose first order fell up to this day, as in the fit; default all.
    until : date or ISO string, optional
        Last day; default the last order's.
    unit_days : float
        Days in a unit of time of the fit: 7 for weeks.

    Returns
    -------
    pandas.DataFrame, one row an ended unit of time since the first order
        time (units), day (datetime, last day of it), customers (acquired by then), actual, expected (cumulative
        repeat purchases).

    Raises
    ------
    DataError, MissingColumnsError, ParameterError
    """
    import pandas as pd

    if results.model.effects:
        raise DataError("the model has covariates, so that no one expectation holds for all; fit it without them")
    if not unit_days > 0:
        raise ParameterError(f"unit_days is {unit_days}; give the days in a unit of time, such as 7")
    starts, repeats, last = _days(orders, acquired_until, until)
    if starts.empty:
        raise DataError("orders hold no customer acquired by then; take a later day or check ordered_at")
    first = int(starts["day"].min())
    # a unit ends with a whole day: the n-th on the day before n times its length
    ends = first + np.floor(np.arange(1, (last - first + 1) / unit_days + 1) * unit_days).astype(int) - 1
    ends = ends[ends <= last]
    new = np.bincount(starts["day"] - first, weights=starts["n"], minlength=last - first + 1)
    made = np.bincount(repeats["day"] - first, weights=repeats["n"], minlength=last - first + 1)
    by_age = results.expected_purchases(np.arange(last - first + 1) / unit_days)
    expected = np.convolve(new, by_age)[: last - first + 1]
    at = ends - first
    return pd.DataFrame(
        {
            "time": np.arange(1, len(ends) + 1),
            "day": pd.to_datetime(ends, unit="D").astype("datetime64[us]"),
            "customers": np.cumsum(new)[at].astype(np.int64),
            "actual": np.cumsum(made)[at].astype(np.int64),
            "expected": expected[at],
        }
    )


_EPOCH = datetime.date(1970, 1, 1).toordinal()


def _days(orders: Any, acquired_until: Any, until: Any) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Customers by first day, and repeat purchases by day: day (number), n; and the number of the last day."""
    instant = nw.col("ordered_at")
    needed = ["customer_id", "ordered_at"]
    wrap(orders, needed, table="orders")
    priced = "amount" in nw.from_native(orders).collect_schema().names()
    kept = wrap(orders, [*needed, "amount"] if priced else needed, table="orders")
    kept = kept.filter(~nw.col("customer_id").is_null(), ~instant.is_null())
    if priced:
        kept = kept.filter(~(nw.col("amount") < 0).fill_null(False))
    days = kept.select("customer_id", day_number(instant).alias("day")).unique()
    end, acquired = as_date(until, name="until"), as_date(acquired_until, name="acquired_until")
    if end is None:  # read ahead, also of a lazy frame: a small aggregate
        seen = to_pandas(days.select(last=nw.col("day").max()).to_native())["last"].iloc[0]
        last = int(seen) if seen == seen and seen is not None else 0
    else:
        last = end.toordinal() - _EPOCH
        days = days.filter(nw.col("day") <= last)
    days = days.with_columns(first=nw.col("day").min().over("customer_id"))
    if acquired is not None:
        days = days.filter(nw.col("first") <= acquired.toordinal() - _EPOCH)
    counted = days.with_columns(repeat=nw.col("day") > nw.col("first")).group_by("repeat", "day").agg(n=nw.len())
    table = to_pandas(counted.to_native(), sort_by=["repeat", "day"]).astype({"day": "int64", "n": "int64"})
    repeat = table["repeat"].astype(bool)
    return table[~repeat], table[repeat], last
