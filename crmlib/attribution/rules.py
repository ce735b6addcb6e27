"""The rules by which a conversion is credited to the touches before it.

A rule is a small frozen object; `credits` also takes its name. What each one divides is the same:
the conversions (or the value) of every journey, so credits always sum to what there is to credit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from crmlib.attribution.hazard import PersonPeriod
from crmlib.attribution.modelled import Markov, Shapley
from crmlib.attribution.order import SelectedMarkov
from crmlib.attribution.positional import (
    FirstTouch,
    LastNonDirect,
    LastTouch,
    Linear,
    PositionBased,
    Rule,
    TimeDecay,
)
from crmlib.errors import ParameterError

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


def selected_markov(most: int = 4, folds: int = 5) -> SelectedMarkov:
    """Rule: Markov of the order that predicts held-out journeys best, `rng` draws the folds.

    The order is chosen as `order_choice` says; where credits are resampled it is chosen anew in each
    replicate, the copies of a journey (or customer) staying in one fold.

    Parameters
    ----------
    most : int
        The largest order that is tried, from 1 on.
    folds : int
        Number of folds, at least 2.
    """
    return SelectedMarkov(most, folds)


def person_period() -> PersonPeriod:
    """Rule: what a discrete-time model of the chance to convert loses without a channel, scaled.

    See `crmlib.attribution.touch_effects` for the model and its coefficients. Each touch is a period. A
    channel loses the conversions expected in the periods of its own touches, and what its earlier
    touches add to the chance in later periods; one that loses nothing on balance gets nothing. Of more
    than 40 channels the rarest share their coefficients, and their credit as linear touch divides it.
    """
    return PersonPeriod()


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
    "selected_markov": selected_markov,
    "person_period": person_period,
}


def standard_rules(order: int = 1, half_life: float | None = None, direct: str = "direct") -> tuple[Rule, ...]:
    """The ten rules that are set side by side, those that look at one journey first.

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
        by rate, Shapley by count, person-period model.
    """
    single = (first_touch, last_touch, last_non_direct(direct), linear, position_based(), time_decay(half_life))
    return (*single, markov(order), shapley("rate"), shapley("count"), person_period())


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
