"""What the loyalty analysis found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, count, money, percent, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from crmlib.loyalty.programme import ProgrammeEffect

_WHAT = {"amount": "sales", "orders": "orders", "order_days": "order days"}


def answer(
    shares: pd.DataFrame,
    found: ProgrammeEffect,
    comparisons: pd.DataFrame,
    *,
    part: float,
    days: int,
    measure: str,
    outcome: str,
    currency: str,
    source: str,
    firm: str,
    level: float = 0.95,
) -> Finding:
    """How far 80/20 holds, and whether the programme causes loyalty or attracts it.

    Parameters
    ----------
    shares, found, comparisons
        `concentration` of one window, `programme_effect` and `programme_comparisons`.
    part, days, measure
        Part of the customers, length of the window in days, and what was summed over it.
    outcome, currency
        Outcome of the programme's panel, for 30 days, and the firm's currency.
    source, firm : str
        What the shares and what the programme were measured on, as the sentence shall name them.
    level : float
    """
    row = shares[shares["part"] == part].iloc[0]
    rule = percent(1 - part, 0)
    wording = f"in keeping with the {rule} of the rule"
    if row["high"] < 1 - part:
        wording = f"short of the {rule} of the rule"
    elif row["low"] > 1 - part:
        wording = f"more than the {rule} of the rule"
    elif np.isnan(row["low"]):
        wording = "of too few customers for an interval"
    held = percent(row["value"]) + between(row["low"], row["high"], percent, level)
    first = f"At {source} the top {percent(part, 0)} of customers hold {held} of {_WHAT[measure]} in {count(days)} days"
    second = _cause(found, comparisons, _wording(outcome, currency), firm)
    return _ranged(f"top_{100 * part:.0f}_percent_share", "share", f"{first}, {wording}; {second}", row, level)


def by_window(shares: pd.DataFrame, *, part: float, measure: str) -> Finding:
    """How much the top share moves with the length of the window and with counting those who bought nothing."""
    mean = shares.groupby("days")[["all_customers", "buyers_only"]].mean()
    short, long = mean.index[0], mean.index[-1]
    if short == long:
        sentence = f"Only windows of {long} days fit the data, so the length of the window cannot be varied."
        return Finding("top_share_short_minus_long", None, "share", sentence)
    difference = mean.loc[short, "all_customers"] - mean.loc[long, "all_customers"]
    first, last = ((mean.loc[length, "all_customers"], mean.loc[length, "buyers_only"]) for length in (short, long))
    sentence = (
        f"The top {percent(part, 0)} of all customers hold {percent(first[0])} of {_WHAT[measure]} in an average "
        f"window of {short} days and {percent(last[0])} in one of {long}; of those who bought anything they hold "
        f"{percent(first[1])} and {percent(last[1])}: the window's length alone moves the share by "
        f"{100 * abs(difference):.1f} points, so name window and base."
    )
    return Finding("top_share_short_minus_long", difference, "share", sentence)


def chance(table: pd.DataFrame, *, days: int, part: float, source: str, level: float = 0.95) -> Finding:
    """How much of the top share of counts chance makes, and how the NBD fares.

    Parameters
    ----------
    table : pandas.DataFrame
        `chance_by_window`.
    days : int
        The window spoken of.
    """
    row = table[table["days"] == days].iloc[0]
    gap = round(100 * row["gap"], 1) + 0.0  # never −0.0
    size = f"{abs(gap):.1f} points"
    fit = verdict(
        row["gap_low"],
        row["gap_high"],
        above=f"{size} more than if nobody changed",
        below=f"{size} less than if nobody changed",
        same=f"which cannot be told apart from a base in which nobody changes, {gap:+.1f} points away",
    )
    interval = between(row["gap_low"], row["gap_high"], lambda x: f"{100 * x:+.1f}", level)
    sentence = (
        f"At {source} the top {percent(part, 0)} make {percent(row['observed'])} of the repeat order days in "
        f"{count(days)} days, {fit}{interval}; by the model chance alone makes "
        f"{100 * (row['nbd'] - row['long_run']):.1f} points of it, and {percent(row['long_run'])} would remain in the "
        "long run."
    )
    return Finding("top_share_minus_nbd", row["gap"], "share", sentence, row["gap_low"], row["gap_high"], level)


def moderation(stability: pd.DataFrame, *, days: int, part: float, source: str, level: float = 0.95) -> Finding:
    """How many heavy buyers stay heavy, beside what chance alone would leave."""
    stay, before, after = (_named(stability, name) for name in ("stay_heavy", "share_before", "share_after"))
    fit = verdict(
        stay["low"] - stay["nbd"],
        stay["high"] - stay["nbd"],
        above="more than",
        below="fewer than",
        same="in keeping with",
    )
    sentence = (
        f"At {source} {percent(stay['value'])}{between(stay['low'], stay['high'], percent, level)} of the heavy buyers "
        f"of {count(days)} days are heavy in the next {count(days)}, {fit} the {percent(stay['nbd'])} if nobody "
        f"changed; their share of order days goes from {percent(before['value'])} to "
        f"{percent(after['value'])}, and chance alone would leave {percent(after['nbd'])}: hold what is done for them "
        "against that, not against their past."
    )
    return _ranged("heavy_buyers_who_stay_heavy", "share", sentence, stay, level)


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
    told = _wording(outcome, currency)
    two_way, before_after, naive = (
        _named(comparisons, name)["effect"] for name in ("two_way", "before_after", "naive")
    )
    row = found.overall
    sentence = (
        f"At {firm} joining changes what a member brings in by {told(row['effect'], True)} per 30 days"
        f"{between(row['low'], row['high'], lambda x: told(x, True), found.level)}; two-way fixed effects say "
        f"{told(two_way, True)}, before and after "
        f"{told(before_after, True)}, members against others "
        f"{told(naive, True)}."
    )
    return _ranged("programme_effect_per_30_days", _unit(outcome, currency), sentence, row, found.level, "effect")


def selection(comparisons: pd.DataFrame, *, outcome: str, currency: str, firm: str, level: float = 0.95) -> Finding:
    """What set members apart before they joined."""
    told = _wording(outcome, currency)
    row = _named(comparisons, "selection")
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
    return _ranged("selection_per_30_days", _unit(outcome, currency), sentence, row, level, "effect")


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
    sentence = f"At {firm} members {wording} ({test['df']:.0f} event times, p = {test['p_value']:.2g})."
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
    return _ranged(key, currency, sentence, row, found.level, "effect")


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
    row, cost, margin = (_named(paid, name) for name in ("return", "reward_cost", "caused_margin"))
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
    return _ranged(key, "", sentence, row, level)


def truth(
    found: ProgrammeEffect, comparisons: pd.DataFrame, expected: float, *, outcome: str, currency: str
) -> Finding:
    """Where the simulated firm's true effect on its members lies."""
    told = _wording(outcome, currency)
    row, naive = found.overall, _named(comparisons, "naive")
    inside = {True: "holds", False: "misses"}
    sentence = (
        f"On the simulated firm the true effect on its members is {told(expected, True)} per 30 days: the event "
        f"study's interval {inside[bool(row['low'] <= expected <= row['high'])]} it, that of the naive difference "
        f"{inside[bool(naive['low'] <= expected <= naive['high'])]} it."
    )
    return Finding("true_programme_effect_per_30_days", expected, _unit(outcome, currency), sentence)


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
    told = _wording(outcome, currency)
    off = {name: _named(comparisons, name)["effect"] - expected for name in ("naive", "weighted", "matched")}
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
    return Finding("bias_of_matching_per_30_days", off["matched"], _unit(outcome, currency), sentence)


def _cause(found: ProgrammeEffect, comparisons: pd.DataFrame, told: Callable[..., str], firm: str) -> str:
    """Cause or attract, and what to do, in a sentence and a half."""
    row, naive = found.overall, _named(comparisons, "naive")["effect"]
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
    balance = _named(comparisons, "caused_minus_attracted")
    mostly = verdict(
        balance["low"],
        balance["high"],
        above="it causes more than it attracts",
        below="it mostly attracts customers who were loyal before",
        same="whether it causes or attracts more cannot be told apart",
    )
    value = told(row["effect"]) + between(row["low"], row["high"], told, found.level)
    return f"{gap}, of which joining itself causes {value}: {mostly}, so pay for the {told(row['effect'])} it adds."


def _named(table: pd.DataFrame, name: str) -> pd.Series:
    """Row of a table by the name in its first column."""
    return table[table.iloc[:, 0] == name].iloc[0]


def _wording(outcome: str, currency: str) -> Callable[..., str]:
    def told(value: float, signed: bool = False) -> str:
        sign = ("+" if value >= 0 else "−") if signed else ("−" if value < 0 else "")
        return f"{sign}{money(abs(value), currency)}" if outcome == "amount" else f"{sign}{abs(value):.3f} orders"

    return told


def _unit(outcome: str, currency: str) -> str:
    return currency if outcome == "amount" else "orders"


def _ranged(key: str, unit: str, sentence: str, row: pd.Series, level: float, value: str = "value") -> Finding:
    """Finding with the interval of `row` where it has one."""
    if np.isnan(row["low"]) or np.isnan(row["high"]):
        return Finding(key, row[value], unit, sentence)
    return Finding(key, row[value], unit, sentence, row["low"], row["high"], level)
