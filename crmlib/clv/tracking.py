"""Tracking: cumulative repeat purchases over the calendar, expected and made."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.columns import column_names, order_rows
from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, day_number, period_number, to_pandas
from crmlib.models import BetaGeoBetaBinomialResults, ContractResults

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import TransactionResults


def cumulative_purchases(
    results: TransactionResults | ContractResults,
    orders: Any,
    *,
    acquired_until: str | datetime.date | None = None,
    until: str | datetime.date | None = None,
    unit_days: float = 7.0,
    period: str | None = None,
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
        Days in a unit of time of the fit: 7 for weeks. Not of a BG/BB fit.
    period : {"month", "day", "week", "quarter", "year"}
        Of a BG/BB fit: calendar period of an opportunity, as in `rfm.opportunity_history`. A purchase is then a period
        with an order.

    Returns
    -------
    pandas.DataFrame, one row an ended unit of time since the first order (of a BG/BB fit: period after the first)
        time (units), day (datetime, last day of it), customers (acquired by then), actual, expected (cumulative
        repeat purchases).

    Raises
    ------
    DataError, MissingColumnsError, ParameterError
    """
    import pandas as pd

    if isinstance(results, ContractResults):
        raise ParameterError("who is under contract makes no purchases; use renewal_table")
    if results.model.effects:
        raise DataError("the model has covariates, so that no one expectation holds for all; fit it without them")
    if not unit_days > 0:
        raise ParameterError(f"unit_days is {unit_days}; give the days in a unit of time, such as 7")
    discrete = isinstance(results, BetaGeoBetaBinomialResults)
    if discrete != (period is not None):
        raise ParameterError(
            f"period is {period!r}; a BG/BB fit needs that of its opportunities, such as 'month', other fits have none"
        )
    dates = {"acquired_until": as_date(acquired_until, name="acquired_until"), "until": as_date(until, name="until")}
    starts, repeats, last = _counted(orders, period or "day", **dates)
    if starts.empty:
        raise DataError("orders hold no customer acquired by then; take a later day or check ordered_at")
    first = int(starts["number"].min())
    at = np.arange(1, last - first + 1)
    if not discrete:
        # a unit ends with a whole day: the n-th on the day before n times its length
        at = np.floor(np.arange(1, (last - first + 1) / unit_days + 1) * unit_days).astype(int) - 1
        at = at[at <= last - first]
    length = max(last - first + 1, 1)
    new = np.bincount(starts["number"] - first, weights=starts["n"], minlength=length)[:length]
    made = np.bincount(repeats["number"] - first, weights=repeats["n"], minlength=length)
    by_age = results.expected_purchases(np.arange(length) / (1 if discrete else unit_days))
    expected = np.convolve(new, by_age)[:length]
    return pd.DataFrame(
        {
            "time": np.arange(1, len(at) + 1),
            "day": _ends(first + at, period or "day"),
            "customers": np.cumsum(new)[at].astype(np.int64),
            "actual": np.cumsum(made)[at].astype(np.int64),
            "expected": expected[at],
        }
    )


def _counted(
    orders: Any, period: str, acquired_until: datetime.date | None, until: datetime.date | None
) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """Customers by first period, and repeat purchases by period: number, n; and the last period that has ended."""
    instant, number = nw.col("ordered_at"), nw.col("number")
    needed = ["customer_id", "ordered_at"]
    priced = "amount" in column_names(orders, table="orders")
    kept = order_rows(orders, [*needed, "amount"] if priced else needed)
    # read ahead, also of a lazy frame: a small aggregate
    latest = to_pandas(kept.select(last=instant.max()).to_native())["last"].iloc[0] if until is None else until
    if latest is None or latest != latest:
        latest = datetime.date(1970, 1, 1)
    last = _ended(latest, period)
    if priced:
        kept = kept.filter(~(nw.col("amount").cast(nw.Float64) < 0).fill_null(False))
    if acquired_until is not None:
        day = day_number(instant)
        kept = kept.with_columns(begun=day.min().over("customer_id")).filter(
            nw.col("begun") <= (acquired_until - _EPOCH).days
        )
    met = kept.select("customer_id", number=period_number(instant, period)).unique()
    met = met.with_columns(first=number.min().over("customer_id")).filter(number <= last)
    counted = met.with_columns(repeat=number > nw.col("first")).group_by("repeat", "number").agg(n=nw.len())
    table = to_pandas(counted.to_native(), sort_by=["repeat", "number"]).astype({"number": "int64", "n": "int64"})
    repeat = table["repeat"].astype(bool)
    return table[~repeat], table[repeat], last


def _ended(day: datetime.date, period: str) -> int:
    """Number of the last period that has ended by the end of a day."""
    return _numbers([day + datetime.timedelta(days=1)], period)[0] - 1


def _ends(numbers: Any, period: str) -> Any:
    """Last day of each period."""
    import pandas as pd

    if period == "day":
        return pd.to_datetime(numbers, unit="D").astype("datetime64[us]")
    names = {"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}
    first = pd.Period(_EPOCH, names[period])
    steps = np.asarray(numbers) - _numbers([_EPOCH], period)[0]
    ends = pd.PeriodIndex([first + int(step) for step in steps], freq=names[period]).to_timestamp(how="end")
    return ends.normalize().astype("datetime64[us]")


def _numbers(days: list[datetime.date], period: str) -> list[int]:
    instants = [datetime.datetime.combine(day, datetime.time()) for day in days]
    calendar = nw.from_dict({"at": instants}, backend="pyarrow")
    return list(calendar.select(n=period_number(nw.col("at"), period))["n"].to_list())


_EPOCH = datetime.date(1970, 1, 1)
