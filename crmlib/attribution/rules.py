"""The rules by which a conversion is credited to the touches before it.

A rule is a small frozen object; `credits` also takes its name. What each one divides is the same:
the conversions (or the value) of every journey, so credits always sum to what there is to credit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from crmlib.attribution.chain import Chain
from crmlib.attribution.game import EXACT_UP_TO, count_weights, rate_allocation
from crmlib.attribution.paths import Paths
from crmlib.attribution.positional import (
    Allocation,
    FirstTouch,
    LastNonDirect,
    LastTouch,
    Linear,
    PositionBased,
    Rule,
    TimeDecay,
)
from crmlib.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Markov(Rule):
    """What is lost when a channel is taken out of a Markov chain of the given order, scaled to what there is."""

    order: int = 1
    name: ClassVar[str] = "markov"

    def __post_init__(self) -> None:
        if isinstance(self.order, bool) or not isinstance(self.order, (int, np.integer)) or self.order < 1:
            raise ParameterError(f"order is {self.order!r}; give a whole number from 1 on")

    def allocation(self, paths: Paths, rng: np.random.Generator | None = None) -> Allocation:
        """Losses by removal, scaled."""
        chain = Chain.of(paths, int(self.order))

        def credits(amount: np.ndarray, journeys: np.ndarray) -> np.ndarray:
            return scaled(chain.losses(amount, journeys), amount)

        return credits

    def __str__(self) -> str:
        return f"Markov of order {self.order}"


@dataclass(frozen=True, slots=True)
class Shapley(Rule):
    """Each channel's mean contribution over all orders in which channels could have been added."""

    worth: Literal["count", "rate"] = "count"
    permutations: int = 1_000
    name: ClassVar[str] = "shapley"

    def __post_init__(self) -> None:
        if self.worth not in ("count", "rate"):
            raise ParameterError(f"worth is {self.worth!r}; use 'count' or 'rate'")
        if self.permutations < 2:
            raise ParameterError(f"permutations is {self.permutations}; give at least 2, better 1,000")

    def allocation(self, paths: Paths, rng: np.random.Generator | None = None) -> Allocation:
        """Closed form, all subsets or sampled orders."""
        if self.worth == "rate":
            allocate = rate_allocation(paths, self.permutations, rng)
            return lambda amount, journeys: scaled(allocate(amount, journeys), amount)
        parts = count_weights(paths)
        return lambda amount, journeys: parts.T @ amount

    def sampled(self, paths: Paths) -> bool:
        """Rates of more than 15 channels."""
        return self.worth == "rate" and len(paths.channels) > EXACT_UP_TO

    def __str__(self) -> str:
        return f"Shapley by {self.worth}"


def scaled(effects: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Effects of shape (channels, b), each column scaled to the sum of its amounts; zero where there are none."""
    sums, totals = effects.sum(axis=0), amount.sum(axis=0)
    return effects * np.divide(totals, sums, out=np.zeros_like(totals), where=(sums != 0) & (totals != 0))


first_touch = FirstTouch()
last_touch = LastTouch()
linear = Linear()


def last_non_direct(direct: str = "direct") -> LastNonDirect:
    """Rule: all to the last touch that is not direct; a journey of direct touches alone credits direct.

    Parameters
    ----------
    direct : str
        Name of the direct channel. Where no touch has it, the rule is last touch.
    """
    return LastNonDirect(direct)


def position_based(first: float = 0.4, last: float = 0.4) -> PositionBased:
    """Rule: fixed parts to the first and the last touch, the rest evenly to those between.

    One touch gets all; of two, each its part of `first` + `last` (halves, if both are 0).

    Raises
    ------
    ParameterError
        Parts that are no shares, or sum to more than 1.
    """
    return PositionBased(first, last)


def time_decay(half_life: float | None = None) -> TimeDecay:
    r"""Rule: a touch :math:`\Delta` before the journey's last one weighs :math:`2^{-\Delta / h}`.

    Parameters
    ----------
    half_life : float, optional
        h, in days where touches have `touched_at` (default 7), else in positions (default 1). The
        time from the last touch to the conversion cancels.
    """
    return TimeDecay(half_life)


def markov(order: int = 1) -> Markov:
    r"""Rule: the removal effect in a Markov chain of the given order, scaled to the conversions.

    A state is the tuple of the last up to `order` channels, shorter at the start. Removing a channel
    sends every transition into a state that holds it to no conversion; its removal effect is
    :math:`1 - P_{\text{without}} / P`. The chain is solved, not simulated.

    References
    ----------
    Anderl, E., Becker, I., von Wangenheim, F., & Schumann, J. H. (2016), Mapping the customer
    journey, International Journal of Research in Marketing 33, 457-474.
    """
    return Markov(order)


def shapley(worth: Literal["count", "rate"] = "count", permutations: int = 1_000) -> Shapley:
    r"""Rule: the Shapley value of a game among channels.

    Parameters
    ----------
    worth : {"count", "rate"}
        What a set S of channels is worth. `count`: the conversions of journeys whose channels all lie
        in S; the value is then each journey's conversions in equal parts over its distinct channels,
        and journeys that did not convert play no part. `rate`: conversions per journey among those
        journeys (0 where there are none), scaled to all conversions; it can be negative.
    permutations : int
        With `rate` and more than 15 channels: how many orders of the channels are sampled.

    References
    ----------
    Shapley, L. S. (1953), A value for n-person games. Zhao, K., Mahboobi, S. H., & Bagheri, S. R.
    (2018), Shapley value methods for attribution modeling in online advertising, arXiv:1804.05327.
    """
    return Shapley(worth, permutations)


#: Every rule by its name.
RULES: dict[str, Callable[..., Rule]] = {
    "first_touch": FirstTouch,
    "last_touch": LastTouch,
    "last_non_direct": last_non_direct,
    "linear": Linear,
    "position_based": position_based,
    "time_decay": time_decay,
    "markov": markov,
    "shapley": shapley,
}


def standard_rules(order: int = 1, half_life: float | None = None, direct: str = "direct") -> tuple[Rule, ...]:
    """The nine rules that are usually set side by side, those that look at one journey first.

    Parameters
    ----------
    order : int
        Of the Markov chain.
    half_life : float, optional
        Of time decay.
    direct : str
        Name of the direct channel.

    Returns
    -------
    tuple of Rule
        first touch, last touch, last non direct, linear, position based, time decay; Markov, Shapley
        by rate, Shapley by count.
    """
    single = (first_touch, last_touch, last_non_direct(direct), linear, position_based(), time_decay(half_life))
    return (*single, markov(order), shapley("rate"), shapley("count"))


def rule_of(rule: str | Rule | Callable[..., Rule], **options: Any) -> Rule:
    """Rule of a name with its options; a rule object is given back.

    Raises
    ------
    ParameterError
        Unknown name, options that the rule does not have, or options beside a rule object.
    """
    if isinstance(rule, Rule):
        if options:
            raise ParameterError(f"{', '.join(options)} stands beside a rule that is complete; give {rule} its options")
        return rule
    if isinstance(rule, str) and rule not in RULES:
        raise ParameterError(f"rule {rule!r} is unknown; use one of {', '.join(RULES)}")
    make = RULES[rule] if isinstance(rule, str) else rule
    try:
        made = make(**options)
    except TypeError as error:
        raise ParameterError(f"rule {rule!r} does not take {', '.join(options) or 'this'}: {error}") from error
    if not isinstance(made, Rule):
        raise ParameterError(f"rule is {rule!r}; use a name ({', '.join(RULES)}) or a rule such as markov(order=2)")
    return made
