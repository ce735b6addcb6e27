"""Expected answers to the exercises of notebook 03, by another route than the lesson's.

They sort and add with pandas instead of `crmlib.loyalty`.
"""

from __future__ import annotations

import math
from typing import Any

from crmlib.exercises.checking import exercise
from crmlib.frames import to_pandas


@exercise(
    "03.1",
    question="What share of sales do the top 10 % of all customers hold in the first 91 days?",
    unit="share",
    praise="half as many customers hold more than half as much: the curve is steepest at its end.",
)
def top_tenth_share(orders: Any, customers: Any) -> float:
    """Sales of the largest tenth of all customers, rounded up, over all sales of the first 91 days."""
    import pandas as pd

    table = to_pandas(orders)
    first = table["ordered_at"].min().normalize()
    spent = table[table["ordered_at"] < first + pd.Timedelta(days=91)].groupby("customer_id")["amount"].sum()
    count = math.ceil(to_pandas(customers)["customer_id"].nunique() / 10)
    return float(spent.nlargest(count).sum() / spent.sum())


@exercise(
    "03.2",
    question="What part of all customers, the largest first, is enough for half of all sales?",
    unit="share",
    tolerance=0.02,
    praise="one number that is easier to remember than a Gini coefficient, and as honest.",
)
def part_that_holds_half(orders: Any, customers: Any) -> float:
    """Smallest number of customers who hold half of all sales, over all customers."""
    spent = to_pandas(orders).groupby("customer_id")["amount"].sum().sort_values(ascending=False)
    needed = int((spent.cumsum() < spent.sum() / 2).sum()) + 1
    return needed / to_pandas(customers)["customer_id"].nunique()


@exercise(
    "03.3",
    question="By how much did those who would join exceed those who never did in the panel's first period?",
    unit="money per 30 days",
    praise="nobody was a member yet, so no programme can have caused it.",
)
def head_start(panel: Any) -> float:
    """Mean amount in period 0 of those who join later, minus that of those who do not."""
    table = to_pandas(panel)
    start = table[table["period"] == 0]
    later = start["joined"] > 0
    return float(start.loc[later, "amount"].mean() - start.loc[start["joined"].isna(), "amount"].mean())
