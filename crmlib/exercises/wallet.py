"""Expected answers to the exercises of notebook 19, by another route than the lesson's.

They walk through the households instead of using `crmlib.wallet`.
"""

from __future__ import annotations

from typing import Any

from crmlib.exercises.checking import exercise


@exercise(
    "19.1",
    question="What share of their category purchases do buyers of the smallest brand give to it?",
    unit="share",
    praise="far below a half, and not a sign of weakness: brands of that size get no more.",
)
def smallest_share(choices: Any) -> float:
    """Purchases of the smallest brand over all purchases of its buyers."""
    households, brand = _rows(choices), _extreme(choices, min)
    takers = [row for row in households if row[brand]]
    return sum(row[brand] for row in takers) / sum(sum(row.values()) for row in takers)


@exercise(
    "19.2",
    question="How many purchases per buyer does w (1 - b) = w0 predict for the smallest brand?",
    praise="hold the observed number against it: both are lower than the largest brand's.",
)
def jeopardy_line(choices: Any) -> float:
    """w0 / (1 - b) with w0 weighted by penetration."""
    households = _rows(choices)
    reach, often = {}, {}
    for brand in households[0]:
        takers = [row[brand] for row in households if row[brand]]
        reach[brand], often[brand] = len(takers) / len(households), sum(takers) / len(takers)
    constant = sum(reach[b] * often[b] * (1 - reach[b]) for b in reach) / sum(reach.values())
    return constant / (1 - reach[_extreme(choices, min)])


@exercise(
    "19.3",
    question="What share of the largest brand's buyers buys no other brand?",
    unit="share",
    praise="it is high partly because many bought the category only once; hold yours against brands of its size.",
)
def sole_buyers(choices: Any) -> float:
    """Buyers of the largest brand without another brand, over all of them."""
    brand = _extreme(choices, max)
    takers = [row for row in _rows(choices) if row[brand]]
    return sum(sum(row.values()) == row[brand] for row in takers) / len(takers)


def _rows(choices: Any) -> list[dict[Any, int]]:
    return [dict(zip(choices.columns, map(int, row), strict=True)) for row in choices.to_numpy()]


def _extreme(choices: Any, which: Any) -> Any:
    return which(choices.columns, key=lambda brand: int(choices[brand].sum()))
