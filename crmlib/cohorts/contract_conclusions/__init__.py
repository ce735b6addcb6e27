"""What the analysis of contracts found, in sentences whose direction comes from the numbers."""

from crmlib.cohorts.contract_conclusions.departures import (
    groups_differ,
    leaving,
    projection,
    ratios_constant,
    strongest_ratio,
)
from crmlib.cohorts.contract_conclusions.worth import (
    answer,
    heterogeneous_worth,
    keeping_or_winning,
    revenue_kept,
    ruse,
    truth_found,
)

__all__ = [
    "answer",
    "groups_differ",
    "heterogeneous_worth",
    "keeping_or_winning",
    "leaving",
    "projection",
    "ratios_constant",
    "revenue_kept",
    "ruse",
    "strongest_ratio",
    "truth_found",
]
