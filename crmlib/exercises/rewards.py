"""Expected answers to the exercises of notebook 18, by another route than the lesson's.

They count rows and solve by halving instead of `crmlib.rewards`.
"""

from __future__ import annotations

from typing import Any

from crmlib.exercises.checking import exercise
from crmlib.frames import to_pandas


@exercise(
    "18.1",
    question="What share of the orders on the cards was made with a card more than half full?",
    unit="share",
    praise="this says little of haste: a card that was filled passed every number once, whoever hurries.",
)
def late_orders(progress: Any, threshold: int) -> float:
    """Orders made with more than half of the card filled over all."""
    rows = list(to_pandas(progress)[["purchases", "orders"]].itertuples(index=False, name=None))
    return sum(made for place, made in rows if 2 * place > threshold) / sum(made for _, made in rows)


@exercise(
    "18.2",
    question="At what factor, the same at every number above 0, does pressure just pay for the reward?",
    praise="a reward that costs more than the margin of all but one of the purchases can never be earned by haste.",
)
def break_even_factor(threshold: int, margin: float, reward_cost: float) -> float:
    """Factor at which margin times the caused share is the reward's cost per purchase, by halving; 0 where none is."""
    if margin * (threshold - 1) <= reward_cost:  # all but one of the purchases on a card, at most, are caused
        return 0.0
    low, high = 1e-3, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        time = (1 + (threshold - 1) / middle) / threshold
        low, high = (middle, high) if margin * (1 - time) < reward_cost / threshold else (low, middle)
    return middle


@exercise(
    "18.3",
    question="What share of members ordered in the 30 days before their trial, minus that of the others?",
    unit="share",
    praise="who has just bought has not left: the others as they are hold many who had, unseen.",
)
def fresh_gap(trials: Any) -> float:
    """Share with a newest order of members minus that of others."""
    rows = list(to_pandas(trials)[["member", "newest"]].itertuples(index=False, name=None))
    of = {kind: [newest > 0 for member, newest in rows if bool(member) is kind] for kind in (True, False)}
    return sum(of[True]) / len(of[True]) - sum(of[False]) / len(of[False])
