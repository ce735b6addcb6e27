"""What the loyalty analysis found, in sentences whose direction comes from the numbers."""

from crmlib.loyalty.conclusions.concentration import answer, by_window, chance, moderation
from crmlib.loyalty.conclusions.joining import (
    against_truth,
    bias,
    break_even,
    effect,
    pretrend,
    programme,
    returns,
    selection,
    truth,
)

__all__ = [
    "against_truth",
    "answer",
    "bias",
    "break_even",
    "by_window",
    "chance",
    "effect",
    "moderation",
    "pretrend",
    "programme",
    "returns",
    "selection",
    "truth",
]
