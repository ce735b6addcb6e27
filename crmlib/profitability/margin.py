"""Tables and rates -> each customer's margin: a frame function, the same on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw

from crmlib.columns import numbers
from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas, wrap
from crmlib.profitability.activities import Activity, activities
from crmlib.profitability.counts import REFUNDS, Count
from crmlib.profitability.drivers import Day, collected, counted, in_order

_COST, _MISSING = "goods_cost", "cost_missing"


def customer_margin(
    tables: Mapping[str, Any],
    costs: Any = None,
    *,
    since: Day = None,
    as_of: Day = None,
    cost_share: float | None = None,
) -> Any:
    """Frame: what each customer brought in and cost, by activity, avoidable apart from allocated.

    Avoidable cost is what the firm saves when the customer leaves; it decides. Allocated cost stays
    with the firm whoever leaves; sharing it out explains, it does not decide. For each customer,
    with quantity q of an activity's driver, its rate r and avoidable share a,

        contribution = revenue − goods_cost − Σ a r q
        full_margin  = contribution − Σ (1 − a) r q

    where an activity given as an amount has the rate amount / Σ max(q, 0), and q cut at 0: a customer with
    returns only bears nothing of it and is credited nothing. Margins therefore add up to the firm's.

    Parameters
    ----------
    tables : mapping of str to any frame
        `orders` (customer_id, amount; ordered_at where a period is given; cost unless `order_lines` has it),
        and those that the drivers count: see `driver_quantities`. Negative amounts are returns; a
        missing one counts as 0, which is why the contract of `orders` refuses it.
    costs : any frame or sequence of Activity, optional
        See `activities`. Default: the table `costs` where there is one, else none. A driver that no activity
        charges costs nothing; an activity whose driver nobody caused costs nothing if it has a rate.
    since, as_of : date or ISO string, optional
        First and last day that count, both included. Default: all days.
    cost_share : float, optional
        Assumed cost of goods as a share of revenue (0-1), for tables without a cost; never used where there is one.

    Returns
    -------
    frame of the same kind, one row a customer with any row in the tables read; no orders, no rows
        customer_id, orders (rows of orders, returns included), list_revenue (before discounts and refunds),
        discounts, refunds (orders of a negative amount; both positive, 0 where the tables have none),
        revenue = list_revenue − discounts − refunds, goods_cost, gross_margin;
        `quantity_<driver>`, `avoidable_<activity>` and `allocated_<activity>`; avoidable_cost, allocated_cost,
        service_cost (their sum), contribution, full_margin: all Float64, money in the source's currency. Customers
        of whose goods a cost is missing have no goods_cost and no margins (null). Sorted by customer on eager frames.

    Raises
    ------
    ParameterError
        An activity without a rate, a driver that the tables do not offer, an activity that stands twice.
    DataError
        Neither cost nor `cost_share`; an amount to share out although nobody caused its driver. On lazy frames
        such an amount takes one aggregate query now.
    MissingColumnsError

    References
    ----------
    Cooper, R., & Kaplan, R. S. (1991), Profit priorities from activity-based costing, Harvard Business Review 69(3),
        130-135.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({"customer_id": [1, 1, 2], "amount": [50.0, 30.0, 20.0], "cost": [30.0, 20.0, 15.0]})
    >>> rates = [Activity("handling", "orders", rate=4.0), Activity("rent", "revenue", amount=10.0)]
    >>> customer_margin({"orders": orders}, rates)[["customer_id", "gross_margin", "contribution", "full_margin"]]
       customer_id  gross_margin  contribution  full_margin
    0            1          30.0          22.0         14.0
    1            2           5.0           1.0         -1.0
    """
    if "orders" not in tables:
        raise DataError(f"customer margins need the table 'orders'; there are {', '.join(tables) or 'no tables'}")
    if as_of is None:
        as_of = getattr(tables, "as_of", None)
    tables = dict(tables.items())
    tables["orders"] = _checked(tables["orders"])
    if costs is None:
        costs = tables.get("costs", ())
    charged = activities(costs)
    drivers = sorted({one.driver for one in charged})
    sums = {f"quantity_{name}": counted(tables, name) for name in drivers if name != "customers"}
    tables, goods = _goods(tables, cost_share)
    sales = {"orders": Count("orders"), "revenue": Count("orders", "amount"), "refunds": REFUNDS, **_discounts(tables)}
    table = collected(tables, {**sales, **goods, **sums}, since=since, as_of=as_of)
    if "customers" in drivers:
        table = table.with_columns(quantity_customers=nw.lit(1.0))
    if "discounts" not in sales:
        table = table.with_columns(discounts=nw.lit(0.0))
    table = table.with_columns(list_revenue=nw.col("revenue") + nw.col("discounts") + nw.col("refunds"))
    pooled = sorted({one.driver for one in charged if one.amount})
    base = table
    if pooled and "customers" not in pooled and isinstance(table, nw.LazyFrame):  # the query reads no other table
        base = collected(
            tables, {f"quantity_{name}": counted(tables, name) for name in pooled}, since=since, as_of=as_of
        )
    table = _with_goods(table, goods, cost_share)
    return in_order(_charged(table, charged, drivers, _totals(base, pooled))).to_native()


def _checked(orders: Any) -> Any:
    """Return the orders, once they have what every margin needs."""
    view = wrap(orders, ("customer_id", "amount"), table="orders")
    kind = view.collect_schema()["amount"]
    if isinstance(kind, (nw.String, nw.Date, nw.Datetime, nw.Duration, nw.Categorical)):
        raise DataError(f"amount is {kind}, no number; convert it first")
    return orders


def _discounts(tables: Mapping[str, Any]) -> dict[str, Count]:
    """Where the discounts stand, the orders first; nothing where there are none."""
    for name in ("orders", "order_lines"):
        if name in tables and "discount" in nw.from_native(tables[name]).collect_schema().names():
            return {"discounts": Count(name, "discount")}
    return {}


def _goods(tables: dict[str, Any], cost_share: float | None) -> tuple[dict[str, Any], dict[str, Count]]:
    """Where the cost of goods stands; a flag marks rows whose cost is missing."""
    for name in ("orders", "order_lines"):
        if name in tables and "cost" in nw.from_native(tables[name]).collect_schema().names():
            missing = nw.when(nw.col("cost").is_null()).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
            flagged = nw.from_native(tables[name]).with_columns(missing.alias(_MISSING)).to_native()
            return {**tables, name: flagged}, {_COST: Count(name, "cost"), _MISSING: Count(name, _MISSING)}
    if cost_share is None:
        raise DataError(
            "neither orders nor order_lines has a 'cost'; add it, or assume one with cost_share, a share of revenue"
        )
    if not 0 <= cost_share <= 1:
        raise ParameterError(f"cost_share is {cost_share}; give the cost of goods as a share of revenue from 0 to 1")
    return tables, {}


def _with_goods(table: Any, goods: Mapping[str, Count], cost_share: float | None) -> Any:
    if not goods:
        table = table.with_columns(goods_cost=nw.col("revenue") * nw.lit(float(cost_share or 0.0)))
    else:
        table = table.with_columns(goods_cost=nw.when(nw.col(_MISSING) == 0).then(nw.col(_COST)))
    return table.with_columns(gross_margin=nw.col("revenue") - nw.col("goods_cost"))


def _charged(table: Any, charged: tuple[Activity, ...], drivers: list[str], totals: Mapping[str, float]) -> Any:
    """The table with the cost of each activity and the margins."""
    costs: dict[str, nw.Expr] = {}
    for kind in ("avoidable", "allocated"):
        for one in charged:
            share = one.avoidable if kind == "avoidable" else 1 - one.avoidable
            quantity = nw.col(f"quantity_{one.driver}")
            if one.amount is not None:
                rate = one.amount / totals[one.driver] if one.amount else 0.0
                quantity = nw.when(quantity > 0).then(quantity).otherwise(nw.lit(0.0))
            else:
                rate = one.rate or 0.0
            costs[f"{kind}_{one.name}"] = quantity * nw.lit(float(rate * share))
    table = table.with_columns(**costs) if costs else table
    for kind in ("avoidable", "allocated"):
        parts = [nw.col(f"{kind}_{one.name}") for one in charged]
        table = table.with_columns(nw.sum_horizontal(*parts, nw.lit(0.0)).alias(f"{kind}_cost"))
    margins = table.with_columns(
        service_cost=nw.col("avoidable_cost") + nw.col("allocated_cost"),
        contribution=nw.col("gross_margin") - nw.col("avoidable_cost"),
    ).with_columns(full_margin=nw.col("contribution") - nw.col("allocated_cost"))
    return margins.select(
        *("customer_id", "orders", "list_revenue", "discounts", "refunds", "revenue", "goods_cost", "gross_margin"),
        *(f"quantity_{name}" for name in drivers),
        *costs,
        *("avoidable_cost", "allocated_cost", "service_cost", "contribution", "full_margin"),
    )


def _totals(table: Any, drivers: list[str]) -> dict[str, float]:
    """Sum of the positive quantities of the drivers by which an amount is shared out."""
    if not drivers:
        return {}
    parts = {
        name: nw.when(nw.col(f"quantity_{name}") > 0).then(nw.col(f"quantity_{name}")).otherwise(nw.lit(0.0))
        for name in set(drivers)
    }
    sums = table.select(**parts).select(*(nw.col(name).sum() for name in parts))
    found = {str(name): float(total or 0) for name, total in to_pandas(sums.to_native()).iloc[0].fillna(0.0).items()}
    for name, total in found.items():
        if not total > 0:
            raise DataError(
                f"an amount is to be shared out by {name!r}, of which no customer has any in this period; "
                "take another driver or a period with orders, or leave the activity out"
            )
    return found


def require_margins(values: Any) -> None:
    """Refuse missing or infinite margins.

    Raises
    ------
    DataError
    """
    import numpy as np

    missing = int((~np.isfinite(numbers(values, "margin"))).sum())
    if missing:
        raise DataError(
            f"the margin of {missing:,} customers is missing, for a cost of their goods is; "
            "fill orders.cost, or leave these customers out"
        )
