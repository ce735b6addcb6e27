"""Customers by acquisition channel and age: what each is seen to order, and which ages are seen whole."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import as_date, day_number, to_pandas, wrap

Day = datetime.date | str | None
#: Channel of customers for whom none is recorded.
UNKNOWN = "(unknown)"


def order_margins(orders: Any, costs: Any = None, *, margin_rate: float | None = None) -> Any:
    """Frame: each order with its margin, what it leaves after the cost that it causes.

    Parameters
    ----------
    orders : any frame
        customer_id, ordered_at, amount; cost (of the goods) unless `margin_rate` is given; one column for
        each driver of `costs` but `orders`, which is 1 an order. A negative amount is a return.
    costs : any frame, optional
        driver, rate [behaviour]: cost of one unit of the driver. Rows whose behaviour is not "avoidable" are
        left aside: an order does not cause them.
    margin_rate : float, optional
        Margin as a share of the amount (0-1), instead of cost and `costs`.

    Returns
    -------
    frame of the same kind, one row an order
        customer_id, ordered_at, amount, margin (Float64; missing where an amount or cost is).

    Raises
    ------
    MissingColumnsError
        No cost and no `margin_rate`, or no column for a driver.
    ParameterError
        A `margin_rate` outside 0 to 1, or one beside `costs`; a rate that is missing or negative.
    """
    keys = ("customer_id", "ordered_at", "amount")
    if margin_rate is not None:
        if not 0 <= margin_rate <= 1:
            raise ParameterError(f"margin_rate is {margin_rate}; give a share of the amount, 0 to 1")
        if costs is not None:
            raise ParameterError("give costs or margin_rate, not both: the rate already holds the costs")
        amount = nw.col("amount").cast(nw.Float64)
        return wrap(orders, keys, table="orders").with_columns(margin=margin_rate * amount).to_native()
    wrap(orders, keys, table="orders")
    if "cost" not in nw.from_native(orders).collect_schema().names():
        raise MissingColumnsError("orders lacks 'cost', so margins are unknown; add it, or give a margin_rate above 0")
    rates = {} if costs is None else _rates(costs)
    drivers = [driver for driver in rates if driver != "orders"]
    view = wrap(orders, list(dict.fromkeys([*keys, "cost", *drivers])), table="orders")
    left = nw.col("amount").cast(nw.Float64) - nw.col("cost").cast(nw.Float64) - rates.get("orders", 0.0)
    for driver in drivers:
        left = left - rates[driver] * nw.col(driver).cast(nw.Float64)
    return view.with_columns(margin=left).select(*keys, "margin").to_native()


@dataclass(frozen=True, slots=True, eq=False)
class Ages:
    """Customers of dated acquisition, and their margin at each age that was seen whole.

    Attributes
    ----------
    channels : tuple of str
        Sorted.
    code : int array (customers,)
        Channel of each, an index into `channels`.
    new : bool array (customers,)
        Whether they were won on or after the first day of the orders.
    seen : bool array (customers, ages)
        Whether the whole of that age lies between the first and the last day of the orders.
    active : bool array (customers, ages)
        Whether they ordered at that age; False where it was not seen.
    margin : float array (customers, ages)
        Margin of that age; 0 where it was not seen.
    undated : int
        Customers left out because the day of their acquisition is unknown.
    shared : bool
        Whether a customer stands under several channels.
    """

    channels: tuple[str, ...]
    code: np.ndarray
    new: np.ndarray
    seen: np.ndarray
    active: np.ndarray
    margin: np.ndarray
    undated: int
    shared: bool


def customer_ages(customers: Any, orders: Any, *, period_days: int = 30, since: Day = None, as_of: Day = None) -> Ages:
    """Array: customers by channel and age, censored at the last day and truncated at the first one.

    Age k is days k · period_days to (k + 1) · period_days - 1 after the day of acquisition. It is *seen* when
    it lies between `since` and `as_of` as a whole: customers won late have not reached the high ages, those
    won before the orders begin miss the low ones. `ChannelValues` documents its columns.
    """
    if isinstance(period_days, bool) or not isinstance(period_days, (int, np.integer)) or period_days < 1:
        raise ParameterError(f"period_days is {period_days!r}; give a whole number of days from 1 on")
    people, undated = _people(customers)
    bought = _bought(orders)
    days = bought["day"].to_numpy(dtype=np.int64)
    begin, end = _ends(days, people["acquired"].to_numpy(dtype=np.int64), since, as_of)
    people = people[people["acquired"] <= end].reset_index(drop=True)
    acquired = people["acquired"].to_numpy(dtype=np.int64)
    first = np.maximum(0, -(-(begin - acquired) // period_days))
    beyond = (end - acquired + 1) // period_days
    size = int(beyond.max(initial=0))
    seen = (np.arange(size) >= first[:, None]) & (np.arange(size) < beyond[:, None])
    rows = bought.merge(people.assign(row=np.arange(len(people)))[["customer_id", "row"]], on="customer_id")
    row, since_won = rows["row"].to_numpy(), rows["day"].to_numpy(dtype=np.int64)
    since_won = since_won - acquired[row]
    if (since_won < 0).any():
        number = int((since_won < 0).sum())
        raise DataError(f"{number} orders stand before their customer's acquired_at; correct it to the first order")
    age = since_won // period_days
    kept = (age < beyond[row]) & (age >= first[row])
    row, age, rows = row[kept], age[kept], rows[kept]
    margin, active = np.zeros(seen.shape), np.zeros(seen.shape, dtype=bool)
    np.add.at(margin, (row, age), rows["margin"].to_numpy(dtype=float))
    np.logical_or.at(active, (row, age), rows["orders"].to_numpy() > 0)
    channels, code = np.unique(people["channel"].to_numpy(dtype=object).astype(str), return_inverse=True)
    shared = bool(people["customer_id"].duplicated().any())
    names = tuple(str(name) for name in channels)
    return Ages(names, code, acquired >= begin, seen, active, margin, undated, shared)


def _people(customers: Any) -> tuple[Any, int]:
    """customer_id, channel and day of acquisition of those whose day is known; number of the others."""
    view = wrap(customers, ("customer_id", "channel", "acquired_at"), table="customers")
    name = nw.col("channel").cast(nw.String)
    known = ~name.is_null() & (name.str.strip_chars() != "")
    dated = view.filter(~nw.col("acquired_at").is_null(), ~nw.col("customer_id").is_null()).select(
        "customer_id",
        nw.when(known).then(name).otherwise(nw.lit(UNKNOWN)).alias("channel"),
        day_number(nw.col("acquired_at")).alias("acquired"),
    )
    people = to_pandas(dated.to_native(), sort_by=["customer_id", "channel"])
    missing = view.select((nw.col("acquired_at").is_null() | nw.col("customer_id").is_null()).cast(nw.Int64).sum())
    undated = int(to_pandas(missing.to_native())["acquired_at"].fillna(0).sum())
    twice = int(people.duplicated(["customer_id", "channel"]).sum())
    if twice:
        raise DataError(f"customers: {twice} rows repeat a customer and channel; give each once")
    return people, undated


def _bought(orders: Any) -> Any:
    """customer_id, day, margin, and number of orders that are no return, one row a customer and day."""
    columns = ["customer_id", "ordered_at", "margin"]
    wrap(orders, columns, table="orders")
    priced = "amount" in nw.from_native(orders).collect_schema().names()
    view = wrap(orders, [*columns, "amount"] if priced else columns, table="orders")
    view = view.filter(~nw.col("ordered_at").is_null(), ~nw.col("customer_id").is_null())
    returned = (nw.col("amount") < 0).fill_null(False) if priced else nw.lit(False)
    margin = nw.col("margin").cast(nw.Float64)
    daily = (
        view.with_columns(
            day=day_number(nw.col("ordered_at")),
            margin=margin,
            wrong=(margin.is_null() | ~margin.is_finite()).cast(nw.Int64),
            orders=nw.when(returned).then(0).otherwise(1),
        )
        .group_by("customer_id", "day")
        .agg(nw.col("margin").sum(), nw.col("wrong").sum(), nw.col("orders").sum())
    )
    table = to_pandas(daily.to_native(), sort_by=["customer_id", "day"])
    wrong = int(table["wrong"].sum())
    if wrong:
        raise DataError(f"orders: the margin is missing or infinite in {wrong} rows; fill in amount and cost")
    return table


def _ends(days: np.ndarray, acquired: np.ndarray, since: Day, as_of: Day) -> tuple[int, int]:
    """First and last day of observation, as day numbers."""
    given = [as_date(since, name="since"), as_date(as_of, name="as_of")]
    if not len(days) and None in given:
        raise DataError("there are no orders, so their first and last day are unknown; give since and as_of")
    numbers = [None if day is None else (day - datetime.date(1970, 1, 1)).days for day in given]
    begin = int(days.min()) if numbers[0] is None else numbers[0]
    end = int(days.max()) if numbers[1] is None else numbers[1]
    if begin > end:
        raise ParameterError(f"since lies {begin - end} days after as_of; give the first day before the last")
    return begin, end


def _rates(costs: Any) -> Mapping[str, float]:
    """Avoidable cost of one unit by driver, added up where several activities share one."""
    named = nw.from_native(costs).collect_schema().names()
    columns = ["driver", "rate", *(["behaviour"] if "behaviour" in named else [])]
    table = to_pandas(wrap(costs, columns, table="costs").to_native(), sort_by=["driver"])
    if "behaviour" in table:
        table = table[table["behaviour"].astype(str) == "avoidable"]
    rate = table["rate"].astype(float)
    if not (np.isfinite(rate) & (rate >= 0)).all():
        raise ParameterError("costs: a rate is missing or negative; give the cost of one unit")
    sums = rate.groupby(table["driver"].astype(str)).sum()
    return {str(driver): float(one) for driver, one in sums.items()}
