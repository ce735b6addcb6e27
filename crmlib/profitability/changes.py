"""What a measure changes for each customer who stays: price, minimum order, channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.profitability.activities import activities
from crmlib.profitability.counts import Count
from crmlib.profitability.drivers import Day, collected, in_order

if TYPE_CHECKING:
    import pandas as pd

SMALL_ORDERS = "small_orders"


def next_period(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Array: the second period's margins of the first period's customers, in the order of the first.

    Parameters
    ----------
    before, after : pandas.DataFrame
        As `customer_margin` gives them, one row a customer.

    Returns
    -------
    pandas.DataFrame, one row a customer of the first period
        The columns of `after`; 0 for who has no row in it.

    Raises
    ------
    MissingColumnsError, DataError
        No customer_id; a customer twice in a period.
    """
    for name, table in (("before", before), ("after", after)):
        if "customer_id" not in table.columns:
            raise MissingColumnsError(f"{name} lacks 'customer_id'; give what customer_margin returns")
        if table["customer_id"].duplicated().any():
            raise DataError(f"{name} holds a customer twice; give one row a customer")
    rows = before[["customer_id"]].merge(after, on="customer_id", how="left", indicator="in")
    there = rows.pop("in") == "both"
    numbers = [name for name in rows.columns if name != "customer_id"]
    return rows.assign(**{name: rows[name].where(there, 0.0) for name in numbers})


def small_orders(tables: Mapping[str, Any], *, minimum: float, since: Day = None, as_of: Day = None) -> Any:
    """Frame: orders below a minimum amount, by customer; returns (negative amounts) are none.

    Parameters
    ----------
    tables : mapping of str to any frame
        orders (customer_id, amount; ordered_at where a period is given).
    minimum : float
        Above 0, in the source's currency.
    since, as_of : date or ISO string, optional
        First and last day that count, both included. Default: all days.

    Returns
    -------
    frame of the same kind, one row a customer with an order
        customer_id, small_orders (how many), small_revenue (what they come to). Sorted by customer on eager frames.

    Raises
    ------
    ParameterError, MissingColumnsError
    """
    if not (np.isfinite(minimum) and minimum > 0):
        raise ParameterError(f"the minimum order is {minimum}; give an amount above 0")
    orders = nw.from_native(tables["orders"])
    if "amount" not in orders.collect_schema().names():
        raise MissingColumnsError("orders lacks 'amount'; add it to say which orders are small")
    small = (nw.col("amount") >= 0) & (nw.col("amount") < minimum)
    flagged = orders.with_columns(
        small_orders=nw.when(small).then(nw.lit(1.0)).otherwise(nw.lit(0.0)),
        small_revenue=nw.when(small).then(nw.col("amount")).otherwise(nw.lit(0.0)),
    )
    sums = {name: Count("orders", name) for name in (SMALL_ORDERS, "small_revenue")}
    return in_order(collected({"orders": flagged.to_native()}, sums, since=since, as_of=as_of)).to_native()


def avoidable_rate(costs: Any, driver: str) -> float:
    """Array: avoidable cost of one more unit of a driver, all its activities together; 0 where none charges it.

    Parameters
    ----------
    costs : any frame or sequence of Activity
        As `activities` takes them; those given as an amount save nothing by one unit less.
    driver : str
    """
    return float(sum(one.rate * one.avoidable for one in activities(costs) if one.driver == driver and one.rate))


def price_change(margin: pd.DataFrame, rise: float) -> np.ndarray:
    """Array: what a price higher by `rise` (0.05 = 5 %) adds to each customer who stays and buys as much.

    Refunds fall with it: it is the revenue that rises, so a customer with returns only loses.

    Raises
    ------
    ParameterError
        A fall of 100 % or more.
    """
    if not (np.isfinite(rise) and rise > -1):
        raise ParameterError(f"the price rises by {rise}; give a share such as 0.05, above -1")
    return rise * margin["revenue"].to_numpy(dtype=float)


def minimum_order_change(small: pd.DataFrame, *, minimum: float, cost_per_order: float) -> np.ndarray:
    """Array: what each customer saves the firm who places small orders together instead of apart.

    A customer who buys for S in k orders below the minimum m buys the same in max(1, ⌊S / m⌋) of at least m (S below
    m: a single one, let pass), and k less these orders cost nothing: the goods are the same, and their picking.

    Parameters
    ----------
    small : pandas.DataFrame
        small_orders, small_revenue of the period that judges, as `small_orders` gives them.
    minimum : float
        Above 0.
    cost_per_order : float
        Avoidable cost of an order, at least 0: see `avoidable_rate`.
    """
    if not (minimum > 0 and cost_per_order >= 0):
        raise ParameterError(f"minimum {minimum} and cost {cost_per_order}: give more than 0, and at least 0")
    orders, revenue = small[SMALL_ORDERS].to_numpy(dtype=float), small["small_revenue"].to_numpy(dtype=float)
    together = np.minimum(orders, np.maximum(1.0, np.floor(revenue / minimum)))
    return cost_per_order * (orders - np.where(orders > 0, together, 0.0))


def channel_change(margin: pd.DataFrame, saved: float, *, names: Sequence[str] | None = None) -> np.ndarray:
    """Array: what a cheaper channel saves: a share of each customer's avoidable cost of the named activities.

    Parameters
    ----------
    margin : pandas.DataFrame
        Of the period that judges.
    saved : float
        Share of that cost (0-1).
    names : sequence of str, optional
        Activities. Default: all, the column avoidable_cost.
    """
    if not 0 <= saved <= 1:
        raise ParameterError(f"the channel saves {saved}; give a share from 0 to 1")
    columns = ["avoidable_cost"] if names is None else [f"avoidable_{name}" for name in names]
    lacking = [name for name in columns if name not in margin.columns]
    if lacking:
        raise MissingColumnsError(f"margin lacks {', '.join(map(repr, lacking))}; give what customer_margin returns")
    return saved * margin[columns].sum(axis=1).to_numpy(dtype=float)
