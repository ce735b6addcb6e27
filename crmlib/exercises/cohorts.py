"""Expected answers to the exercises of notebook 02, by another route than the lesson's.

They count with pandas periods and sets of customers instead of `crmlib.cohorts`.
"""

from __future__ import annotations

from typing import Any

from crmlib.exercises.checking import exercise
from crmlib.frames import to_pandas


@exercise(
    "02.1",
    question="What share of all customers is active in the quarter after the one of their first order?",
    unit="share",
    praise="a quarter forgives those who skip a month.",
)
def next_quarter_share(orders: Any, last_day: str) -> float:
    """Pooled over the customers whose next quarter had ended."""
    table, number, first = _periods(orders, last_day, "Q")
    due = table.loc[first + 1 < _running(last_day, "Q"), "customer_id"].nunique()
    came = table.loc[(number == first + 1) & (number < _running(last_day, "Q")), "customer_id"].nunique()
    return came / due


@exercise(
    "02.2",
    question="What share of all revenue comes from customers who ordered on one day only?",
    unit="share",
    praise="one-time customers are many, and what they pay is less than their number suggests.",
)
def one_day_revenue_share(orders: Any, last_day: str) -> float:
    """Revenue of customers with a single distinct order day, over all revenue."""
    table, _, _ = _periods(orders, last_day, "D")
    days = table["ordered_at"].dt.normalize().groupby(table["customer_id"]).transform("nunique")
    return float(table.loc[days == 1, "amount"].sum() / table["amount"].sum())


@exercise(
    "02.3",
    question="By how much does the last cohort's active share differ from the first's in the last complete month?",
    unit="share points",
    tolerance=0.01,
    praise="equal ages in unequal seasons, or equal seasons at unequal ages: only both together tell.",
)
def same_month_difference(orders: Any, last_day: str) -> float:
    """Last cohort minus first, both looked at in the last calendar month that had ended."""
    table, number, first = _periods(orders, last_day, "M")
    month = _running(last_day, "M") - 1
    earlier = sorted(first[first < month].unique())
    shares = []
    for cohort in (earlier[0], earlier[-1]):
        members = set(table.loc[first == cohort, "customer_id"])
        shares.append(len(members & set(table.loc[number == month, "customer_id"])) / len(members))
    return shares[1] - shares[0]


def _periods(orders: Any, last_day: str, code: str) -> tuple[Any, Any, Any]:
    """Orders up to the last day without returns, the period of each, and that of its customer's first order."""
    import pandas as pd

    table = to_pandas(orders)
    table = table[(table["ordered_at"] < pd.Timestamp(last_day) + pd.Timedelta(days=1)) & (table["amount"] >= 0)]
    number = table["ordered_at"].dt.to_period(code)
    return table, number, number.groupby(table["customer_id"]).transform("min")


def _running(last_day: str, code: str) -> Any:
    """The period that had not ended by the end of the last day."""
    import pandas as pd

    return pd.Period(pd.Timestamp(last_day) + pd.Timedelta(days=1), code)
