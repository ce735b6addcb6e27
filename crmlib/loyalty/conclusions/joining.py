"""What was found on the programme: what joining causes, what it pays, and what sets members apart before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, money, p_of, percent, placed, ranged, verdict
from crmlib.loyalty.conclusions.wording import named, unit_of, wording_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from crmlib.loyalty.programme import ProgrammeEffect


def programme(
    found: ProgrammeEffect,
    comparisons: pd.DataFrame,
    *,
    paid: pd.DataFrame | None = None,
    currency: str,
    margin_rate: float,
    firm: str,
) -> list[Finding]:
    """All on the programme's effect on the amount: `effect`, `break_even`, `returns`, `selection`, `pretrend`."""
    told = {"currency": currency, "firm": firm}
    return [
        effect(found, comparisons, outcome="amount", **told),
        break_even(found, margin_rate=margin_rate, **told),
        returns(paid, margin_rate=margin_rate, level=found.level, **told),
        selection(comparisons, outcome="amount", level=found.level, **told),
        pretrend(found, firm=firm),
    ]


def effect(found: ProgrammeEffect, comparisons: pd.DataFrame, *, outcome: str, currency: str, firm: str) -> Finding:
    """The programme's effect on a member, beside the comparisons that mislead."""
    told = wording_of(outcome, currency)
    two_way, before_after, naive = (named(comparisons, name)["effect"] for name in ("two_way", "before_after", "naive"))
    row = found.overall
    sentence = (
        f"At {firm} joining changes what a member brings in by {told(row['effect'], True)} per 30 days"
        f"{between(row['low'], row['high'], lambda x: told(x, True), found.level)}; two-way fixed effects say "
        f"{told(two_way, True)}, before and after "
        f"{told(before_after, True)}, members against others "
        f"{told(naive, True)}."
    )
    what = "Revenue" if outcome == "amount" else "Orders"
    key, label = "programme_effect_per_30_days", placed(f"{what} that joining adds, per member and 30 days", firm)
    return ranged(key, row["effect"], unit_of(outcome, currency), sentence, row["low"], row["high"], found.level, label)


def selection(comparisons: pd.DataFrame, *, outcome: str, currency: str, firm: str, level: float = 0.95) -> Finding:
    """What set members apart before they joined."""
    told = wording_of(outcome, currency)
    row = named(comparisons, "selection")
    wording = verdict(
        row["low"],
        row["high"],
        above="members were the better customers before they joined",
        below="members were the poorer customers before they joined",
        same="members cannot be told apart from the others before they joined",
    )
    sentence = (
        f"At {firm} {wording}: the difference is {told(row['effect'], True)} per 30 days"
        f"{between(row['low'], row['high'], lambda x: told(x, True), level)}."
    )
    label = placed("Members less others before joining, per 30 days", firm)
    return ranged(
        "selection_per_30_days",
        row["effect"],
        unit_of(outcome, currency),
        sentence,
        row["low"],
        row["high"],
        level,
        label,
    )


def pretrend(found: ProgrammeEffect, *, firm: str) -> Finding:
    """Whether members and controls moved alike before joining."""
    test = found.pretrend
    key = "pretrend_p_value"
    if not test["df"]:
        untested = f"At {firm} no period lies before the reference, so parallel trends could not be tested."
        return Finding(key, None, "", untested)
    wording = "moved apart from the others before they joined, so the estimate of the effect is not to be trusted"
    if test["p_value"] >= 1 - found.level:
        wording = "cannot be told apart from the others in their changes before they joined, as the estimate requires"
    sentence = f"At {firm} members {wording} ({test['df']:.0f} event times, {p_of(test['p_value'])})."
    return Finding(key, test["p_value"], "", sentence)


def break_even(found: ProgrammeEffect, *, currency: str, margin_rate: float, firm: str) -> Finding:
    """The most that a membership may cost, at an assumed margin; for the outcome amount."""
    row = margin_rate * found.overall[["effect", "low", "high"]]
    interval = between(row["low"], row["high"], lambda x: money(x, currency), found.level)
    key = "membership_cost_ceiling_per_30_days"
    if row["low"] <= 0:
        sentence = (
            f"At an assumed margin of {percent(margin_rate, 0)} no cost of a membership is known to be earned back at "
            f"{firm}: what it adds in 30 days is {money(row['effect'], currency)}{interval}."
        )
    else:
        sentence = (
            f"At an assumed margin of {percent(margin_rate, 0)} a membership pays at {firm} if rewards and running it "
            f"cost less than {money(row['effect'], currency)}{interval} per member and 30 days."
        )
    label = placed("Margin that a membership adds, per 30 days", firm)
    return ranged(key, row["effect"], currency, sentence, row["low"], row["high"], found.level, label)


def returns(paid: pd.DataFrame | None, *, currency: str, margin_rate: float, firm: str, level: float = 0.95) -> Finding:
    """What the programme returns on its rewards, at an assumed margin.

    Parameters
    ----------
    paid : pandas.DataFrame or None
        `programme_return`; None where the cost of rewards is not known.
    """
    key = "return_on_rewards"
    if paid is None:
        return Finding(key, None, "", f"What rewards cost at {firm} is not known, so neither is the return on them.")
    row, cost, margin = (named(paid, name) for name in ("return", "reward_cost", "caused_margin"))
    if np.isnan(row["value"]):
        return Finding(key, None, "", f"Rewards cost nothing at {firm}, so there is no return on them.")
    wording = verdict(
        row["low"],
        row["high"],
        above="the programme earns its rewards back",
        below="the programme does not earn its rewards back",
        same="whether the programme earns its rewards back cannot be told",
    )
    sentence = (
        f"At an assumed margin of {percent(margin_rate, 0)} {wording} at {firm}: rewards of "
        f"{money(cost['value'], currency)} per member and 30 days, a caused margin of "
        f"{money(margin['value'], currency)}, a return of {row['value']:+.2f} on each unit spent"
        f"{between(row['low'], row['high'], lambda x: f'{x:+.2f}', level)}, running costs not counted."
    )
    return ranged(key, row["value"], "", sentence, row["low"], row["high"], level)


def truth(
    found: ProgrammeEffect, comparisons: pd.DataFrame, expected: float, *, outcome: str, currency: str
) -> Finding:
    """Where the simulated firm's true effect on its members lies."""
    told = wording_of(outcome, currency)
    row, naive = found.overall, named(comparisons, "naive")
    inside = {True: "holds", False: "misses"}
    sentence = (
        f"On the simulated firm the true effect on its members is {told(expected, True)} per 30 days: the event "
        f"study's interval {inside[bool(row['low'] <= expected <= row['high'])]} it, that of the naive difference "
        f"{inside[bool(naive['low'] <= expected <= naive['high'])]} it."
    )
    return Finding("true_programme_effect_per_30_days", expected, unit_of(outcome, currency), sentence)


def against_truth(
    found: ProgrammeEffect, comparisons: pd.DataFrame, expected: float, *, outcome: str, currency: str
) -> list[Finding]:
    """Both findings on a firm whose truth is known: `truth` and `bias`."""
    told = {"outcome": outcome, "currency": currency}
    return [truth(found, comparisons, expected, **told), bias(comparisons, expected, **told)]


def bias(comparisons: pd.DataFrame, expected: float, *, outcome: str, currency: str) -> Finding:
    """How far the comparisons of members with others are from the simulated firm's true effect.

    Parameters
    ----------
    comparisons : pandas.DataFrame
        Rows of `programme_comparisons` and `adjusted_comparisons`.
    expected : float
        The true effect.
    """
    told = wording_of(outcome, currency)
    off = {name: named(comparisons, name)["effect"] - expected for name in ("naive", "weighted", "matched")}
    adjusted = min((off["weighted"], off["matched"]), key=abs)
    left = abs(adjusted) / abs(off["naive"]) if off["naive"] else float("nan")
    remains = f"looking alike before joining leaves at least {percent(left, 0)} of the naive bias"
    if not left < 1:
        remains = "looking alike before joining takes away none of it"
    sentence = (
        f"On the simulated firm members against others is off the truth by {told(off['naive'], True)} per 30 days, "
        f"against others weighted by their past by {told(off['weighted'], True)}, against matched others by "
        f"{told(off['matched'], True)}: {remains}."
    )
    label = "Simulated firm: matched others less truth, per 30 days"
    return Finding("bias_of_matching_per_30_days", off["matched"], unit_of(outcome, currency), sentence, label=label)


def cause(found: ProgrammeEffect, comparisons: pd.DataFrame, told: Callable[..., str], firm: str) -> str:
    """Cause or attract, and what to do, in a sentence and a half."""
    row, naive = found.overall, named(comparisons, "naive")["effect"]
    side = "more" if naive >= 0 else "less"
    gap = f"at {firm} members bring in {told(abs(naive))} {side} per 30 days than others"
    value = told(row["effect"], True) + between(row["low"], row["high"], lambda x: told(x, True), found.level)
    if found.pretrend["df"] and found.pretrend["p_value"] < 1 - found.level:
        return (
            f"{gap}, but they were on another path before they joined, so what joining causes cannot be read from "
            "this: try the programme on a random part of the base before paying for more of it."
        )
    if row["high"] < 0:
        return f"{gap}, yet joining itself lowers it by {value}: stop or change the programme."
    if row["low"] <= 0:
        return (
            f"{gap}, and an effect of joining itself cannot be told apart from zero ({value}): do not pay for more of "
            "the programme before an experiment has shown one."
        )
    balance = named(comparisons, "caused_minus_attracted")
    mostly = verdict(
        balance["low"],
        balance["high"],
        above="it causes more than it attracts",
        below="it mostly attracts customers who were loyal before",
        same="whether it causes or attracts more cannot be told apart",
    )
    value = told(row["effect"]) + between(row["low"], row["high"], told, found.level)
    advice = f"so pay at most the margin on the {told(row['effect'])} it adds"
    return f"{gap}, of which joining itself causes {value}: {mostly}, {advice}."
