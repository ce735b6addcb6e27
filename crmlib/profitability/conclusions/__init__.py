"""What the margin analysis found, in sentences whose direction comes from the numbers."""

from crmlib.profitability.conclusions.letting_go import allocated, answer, lowest_group, persistence, poaching, truth
from crmlib.profitability.conclusions.standing import potential, unprofitable, whale, why

__all__ = [
    "allocated",
    "answer",
    "lowest_group",
    "persistence",
    "poaching",
    "potential",
    "truth",
    "unprofitable",
    "whale",
    "why",
]
