"""Expected answers to the exercises of notebook 05, by another route than the lesson's.

They rank customers by counting, with pandas alone, instead of calling `crmlib.rfm`.
"""

from __future__ import annotations

import math
from typing import Any

from crmlib.exercises.checking import exercise
from crmlib.frames import to_pandas


@exercise(
    "05.1",
    question="What share of the held-out revenue comes from customers with the best of 3 scores in all three?",
    unit="share",
    praise="a coarse score can already hold most of what there is to know.",
)
def best_in_all(orders: Any, cut: Any, last_day: Any) -> float:
    """Revenue of those who score 3 by recency, frequency and money, over all."""
    table = _customers(orders, cut, last_day)
    best = [_scores(table[name], 3) == 3 for name in ("last", "days", "amount")]
    return float(table.loc[best[0] & best[1] & best[2], "later"].sum() / table["later"].sum())


@exercise(
    "05.2",
    question="How many customers must be selected by past spend to reach half of the held-out revenue?",
    unit="customers",
    tolerance=0,
    praise="far fewer than half of them.",
)
def half_of_revenue(orders: Any, cut: Any, last_day: Any) -> int:
    """Add up customer by customer until half is reached."""
    table = _customers(orders, cut, last_day)
    rows = sorted(zip(-table["amount"], table.index, table["later"], strict=True))
    half, total = math.fsum(row[2] for row in rows) / 2, 0.0
    for number, (_, _, later) in enumerate(rows, 1):
        total += later
        if total >= half - 1e-9:
            return number
    return len(rows)


@exercise(
    "05.3",
    question="How many customers are in classes of the RFM score whose mean later margin exceeds the letter's cost?",
    unit="customers",
    tolerance=0,
    praise="and most of that margin would have come without a letter: only a group left out at random can tell.",
)
def paying_classes(orders: Any, cut: Any, last_day: Any) -> int:
    """Count customers in classes with 0.3 × mean revenue above 5."""
    table = _customers(orders, cut, last_day)
    score = _scores(table["last"], 5) + _scores(table["days"], 5) + _scores(table["amount"], 5)
    classes = table["later"].groupby(score)
    return int(sum(len(own) for _, own in classes if 0.3 * own.mean() > 5))


def _customers(orders: Any, cut: Any, last_day: Any) -> Any:
    """Last day, days with an order and sum of amounts up to the cut, and the revenue afterwards."""
    import pandas as pd

    table = to_pandas(orders)
    day = table["ordered_at"].dt.normalize()
    known = table[day <= pd.Timestamp(cut)].assign(day=day)
    each = known.groupby("customer_id").agg(last=("day", "max"), days=("day", "nunique"), amount=("amount", "sum"))
    each["amount"] = each["amount"].round(6)
    after = table[(day > pd.Timestamp(cut)) & (day <= pd.Timestamp(last_day))]
    return each.assign(later=after.groupby("customer_id")["amount"].sum().reindex(each.index, fill_value=0.0))


def _scores(values: Any, bins: int) -> Any:
    """Score by pandas' mean ranks: ⌈k (rank − ½) / n⌉, equal values alike."""
    rank = values.rank(method="average")
    return ((bins * (2 * rank - 1)) / (2 * len(values))).round(9).apply(math.ceil)
