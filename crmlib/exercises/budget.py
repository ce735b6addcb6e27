"""Expected answers to the exercises of notebook 16, by another route than the lesson's.

They walk through customers and ages one by one, instead of calling `crmlib.budget`.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from crmlib.exercises.checking import exercise
from crmlib.frames import to_pandas


@exercise(
    "16.1",
    question="Which share of what a customer brings in over six ages comes with age 0?",
    unit="share",
    praise="the first order pays for most of the acquisition, or nothing does for long.",
)
def first_age_share(customers: Any, orders: Any, period_days: int, last_day: datetime.date) -> float:
    """Mean margin of age 0 over the sum of the means of ages 0 to 5."""
    means = _means(to_pandas(customers), to_pandas(orders), period_days, last_day, 6)
    return means[0] / sum(means)


@exercise(
    "16.2",
    question="After how many days has the pot of all paid channels paid back?",
    unit="days",
    tolerance=0,
    praise="a pot pays back when its average customer does, and hides the channels that never do.",
)
def pooled_payback(customers: Any, orders: Any, costs: Any, period_days: int, last_day: datetime.date) -> float:
    """Add the means up until they reach the cost of one customer."""
    people = to_pandas(customers)
    paid = {name: cost for name, cost in zip(costs["channel"], costs["cost"], strict=True) if cost > 0}
    people = people[people["channel"].astype(str).isin(paid)]
    dates, first = people["acquired_at"].dropna().dt.date, to_pandas(orders)["ordered_at"].min().date()
    won = int(((first <= dates) & (dates <= last_day)).sum())
    price, total = sum(paid.values()) / won, 0.0
    for age, mean in enumerate(_means(people, to_pandas(orders), period_days, last_day, None), 1):
        total += mean
        if total >= price:
            return float(period_days * age)
    return float("inf")


@exercise(
    "16.3",
    question="Which part of what the channels that seem to pay back cost goes to such that do not?",
    unit="share",
    praise="hold those channels out by lot before giving them more.",
)
def misjudged_share(recorded: Any, added: Any) -> float:
    """Add up cost channel by channel."""
    real = {row["channel"]: row for row in added.to_dict("records")}
    seeming = [row for row in recorded.to_dict("records") if row["cost"] > 0 and np.isfinite(row["days"])]

    def lost(row: dict[str, Any]) -> bool:
        truth = real.get(row["channel"])
        return truth is None or not np.isfinite(truth["days"])

    return sum(row["cost"] for row in seeming if lost(row)) / sum(row["cost"] for row in seeming)


def _means(people: Any, orders: Any, period_days: int, last_day: datetime.date, ages: int | None) -> list[float]:
    """Mean margin of each age over the customers who completed it, at least 30 of them."""
    orders = orders[orders["ordered_at"].notna()]
    begin, end = orders["ordered_at"].min().date().toordinal(), last_day.toordinal()
    won = {row: at.date().toordinal() for row, at in zip(people["customer_id"], people["acquired_at"], strict=True)}
    left: dict[tuple[Any, int], float] = {}
    for who, at, margin in zip(orders["customer_id"], orders["ordered_at"], orders["margin"], strict=True):
        if who in won:
            key = (who, (at.date().toordinal() - won[who]) // period_days)
            left[key] = left.get(key, 0.0) + margin
    means: list[float] = []
    while ages is None or len(means) < ages:
        start, stop = len(means) * period_days, (len(means) + 1) * period_days
        seen = [who for who, day in won.items() if begin <= day + start and day + stop - 1 <= end]
        if len(seen) < 30:
            break
        means.append(sum(left.get((who, len(means)), 0.0) for who in seen) / len(seen))
    return means
