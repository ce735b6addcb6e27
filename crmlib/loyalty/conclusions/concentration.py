"""What was found on concentration: the share of the top, and how much of it is chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, count, percent, ranged, verdict
from crmlib.loyalty.conclusions.joining import cause
from crmlib.loyalty.conclusions.wording import WHAT, named, wording_of

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.loyalty.programme import ProgrammeEffect


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
    first = f"At {source} the top {percent(part, 0)} of customers hold {held} of {WHAT[measure]} in {count(days)} days"
    second = cause(found, comparisons, wording_of(outcome, currency), firm)
    key, label = f"top_{100 * part:.0f}_percent_share", f"Share of {WHAT[measure]} held by the top {percent(part, 0)}"
    return ranged(key, row["value"], "share", f"{first}, {wording}; {second}", row["low"], row["high"], level, label)


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
        f"The top {percent(part, 0)} of all customers hold {percent(first[0])} of {WHAT[measure]} in an average "
        f"window of {short} days and {percent(last[0])} in one of {long}; of those who bought anything they hold "
        f"{percent(first[1])} and {percent(last[1])}: the window's length alone moves the share by "
        f"{100 * abs(difference):.1f} points, so name window and base."
    )
    label = f"Top {percent(part, 0)}: share in {short} days less that in {long}"
    return Finding("top_share_short_minus_long", difference, "share", sentence, label=label)


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
    label = f"Top {percent(part, 0)}: share less that if nobody changed"
    return Finding("top_share_minus_nbd", row["gap"], "share", sentence, row["gap_low"], row["gap_high"], level, label)


def moderation(stability: pd.DataFrame, *, days: int, part: float, source: str, level: float = 0.95) -> Finding:
    """How many heavy buyers stay heavy, beside what chance alone would leave."""
    stay, before, after = (named(stability, name) for name in ("stay_heavy", "share_before", "share_after"))
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
    label = f"Heavy buyers who stay heavy in the next {count(days)} days"
    return ranged(
        "heavy_buyers_who_stay_heavy", stay["value"], "share", sentence, stay["low"], stay["high"], level, label
    )
