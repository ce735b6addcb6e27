"""Expected answers to the exercises of notebook 04, by another route than the lesson's.

They add up the orders' amount and cost with pandas instead of `crmlib.profitability`.
"""

from __future__ import annotations

import math
from typing import Any

from crmlib.exercises.checking import exercise
from crmlib.frames import to_pandas


@exercise(
    "04.1",
    question="What share of customers has a gross margin below zero, service left out?",
    unit="share",
    praise="what is left are those who buy below cost; the difference to the lesson's share is the cost of serving.",
)
def negative_gross_share(orders: Any, last_day: str, cost_share: float) -> float:
    """Customers whose orders cost more than they brought, over all."""
    table = _orders(orders, last_day, cost_share)
    gross = table.groupby("customer_id")["gross"].sum()
    return float((gross < 0).mean())


@exercise(
    "04.2",
    question="What share of the gross margin do the best fifth of customers by revenue hold?",
    unit="share",
    praise="less than the best fifth by margin: who pays most is not always who leaves most.",
)
def best_fifth_by_revenue(orders: Any, last_day: str, cost_share: float) -> float:
    """Gross margin of the ⌈n/5⌉ customers with the highest revenue, over all."""
    table = _orders(orders, last_day, cost_share)
    sums = table.groupby("customer_id")[["amount", "gross"]].sum().sort_values("amount", ascending=False, kind="stable")
    return float(sums["gross"].iloc[: math.ceil(len(sums) / 5)].sum() / sums["gross"].sum())


@exercise(
    "04.3",
    question="What gross margin did the losers of the second period bring, jointly, in the first?",
    unit="money",
    praise="the margin comes back towards the mean even backwards in time, so nothing that was done can be its cause.",
)
def losers_looked_back(orders: Any, last_day: str, judge_from: str, cost_share: float) -> float:
    """Joint first-period margin of those negative in the second and with an order in the first."""
    import pandas as pd

    table = _orders(orders, last_day, cost_share)
    later = table["ordered_at"] >= pd.Timestamp(judge_from)
    second = table[later].groupby("customer_id")["gross"].sum()
    losers = set(second.index[second < 0])
    return float(table.loc[~later & table["customer_id"].isin(losers), "gross"].sum())


def _orders(orders: Any, last_day: str, cost_share: float) -> Any:
    """Orders up to the last day with their gross margin."""
    import pandas as pd

    table = to_pandas(orders)
    table = table[table["ordered_at"] < pd.Timestamp(last_day) + pd.Timedelta(days=1)]
    cost = table["cost"] if "cost" in table else cost_share * table["amount"]
    return table.assign(gross=table["amount"] - cost)
