"""What the referral analysis found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, money, percent, ranged, verdict
from crmlib.referral.growth import growth_multiplier

if TYPE_CHECKING:
    import pandas as pd


def answer(
    reproduction: pd.Series,
    worth: pd.DataFrame,
    *,
    source: str,
    currency: str,
    days: int,
    first_days: int,
    level: float,
) -> Finding:
    """Whether customers bring customers, and what a referred one is worth.

    Parameters
    ----------
    reproduction : pandas.Series
        A row of `reproduction_number`.
    worth : pandas.DataFrame
        `worth_difference` in margin.
    days, first_days : int
        Windows of the two.
    """
    value, low, high = (float(reproduction[name]) for name in ("reproduction", "low", "high"))
    ends = between(low, high, lambda x: f"{100 * x:.1f}", level)
    sentence = f"At {source} 100 customers bring {100 * value:.1f} others within {days} days{ends}, {value:.3f} each"
    row = worth.iloc[0]
    sentence += (
        f"; one whom they bring is worth {money(row['mean'], currency)} of margin in the first {first_days} days, "
        f"{_apart(row, currency)}."
    )
    label = f"Customers brought within {days} days"
    return ranged("reproduction_number", value, "per customer", sentence, low, high, level, label)


def multiplier(reproduction: pd.Series, *, level: float) -> Finding:
    """What one customer becomes over the generations."""
    found = growth_multiplier(*(float(reproduction[name]) for name in ("reproduction", "low", "high")))
    value, low, high = (found[name] for name in ("multiplier", "low", "high"))
    key, label = "customers_over_generations", "What one customer becomes over all generations"
    if not np.isfinite(value):
        sentence = (
            "Each customer brings one other or more, so that referrals alone keep the base growing until those who can "
            "be referred run out: there is no end to add up to."
        )
        return Finding(key, None, "per customer", sentence)
    top = high if np.isfinite(high) else None
    ends = between(low, top, lambda x: f"{x:.2f}", level)
    open_end = "" if top is not None or np.isnan(high) else ", though more than one each cannot be ruled out"
    sentence = (
        f"At this R one customer won by other means becomes over all generations {value:.2f}{ends}{open_end}: referral "
        "multiplies what other marketing brings, and dies out without it."
    )
    if top is None or np.isnan(low):
        return Finding(key, value, "per customer", sentence, label=label)
    return ranged(key, value, "per customer", sentence, low, top, level, label)


def youth(reproduction: pd.Series, *, days: int) -> Finding:
    """What counting the young as if they were done costs."""
    crude, value = float(reproduction["crude"]), float(reproduction["reproduction"])
    gap = crude / value - 1 if value else 0.0
    off = f"{percent(abs(gap))} {'less' if gap < 0 else 'more'} than is so"
    if abs(gap) < 0.0005:
        off = "as the estimate does"
    young = 1 - reproduction["complete"] / reproduction["customers"]
    sentence = (
        f"Customers brought over all customers would say {crude:.3f}, {off}: {percent(young)} of the customers have "
        f"not had their {days} days."
    )
    return Finding("crude_reproduction", crude, "per customer", sentence, label="All brought over all customers")


def growth(reproduction: pd.Series, cycles: pd.DataFrame, *, days: int, level: float) -> list[Finding]:
    """What one customer becomes over the generations, and how long one takes.

    Parameters
    ----------
    reproduction : pandas.Series
        A row of `reproduction_number`.
    cycles : pandas.DataFrame
        `cycle_time`.
    days : int
        Window of both: longer cycles are in neither.
    """
    return [multiplier(reproduction, level=level), cycle(cycles, days=days, level=level)]


def cycle(table: pd.DataFrame, *, days: int, level: float) -> Finding:
    """How long a cycle takes, and what those seen would say."""
    mean, median = table.iloc[0], table.iloc[1]
    shorter = round(mean["days"] - mean["seen"], 1) > 0
    late = ", as long ones have not all had the time to end" if shorter else ""
    ends = between(mean["low"], mean["high"], lambda x: f"{x:.1f}", level)
    sentence = (
        f"From winning a customer to winning one whom they bring within {days} days takes {mean['days']:.1f} days on "
        f"average{ends}, half of them at most {median['days']:.0f}; of the cycles seen so far the mean is "
        f"{mean['seen']:.1f}{late}."
    )
    label = "Mean time from winning a customer to winning theirs"
    return ranged("mean_cycle_days", mean["days"], "days", sentence, mean["low"], mean["high"], level, label)


def few(table: pd.DataFrame, *, level: float) -> Finding:
    """How much hangs on the most active referrers."""
    row, active = table.iloc[len(table) // 2 - 1 if len(table) > 2 else 0], table.iloc[-1]
    ends = between(row["low"], row["high"], percent, level)
    side = verdict(
        row["low"] - row["chance"],
        row["high"] - row["chance"],
        above="more than luck makes",
        below="less than luck makes",
        same="which cannot be told apart from what luck makes",
    )
    side = "too few for an interval, luck alone makes some of it" if np.isnan(row["low"]) else side
    side = "as no more have brought anyone; so it would be by luck" if active["value"] <= row["part"] else side
    sentence = (
        f"{percent(active['value'])} of the customers have brought anyone; the {percent(row['part'], 0)} who brought "
        f"most brought {percent(row['value'])} of all{ends}, {side} ({percent(row['chance'])})."
    )
    label = f"Of all brought, by the most active {percent(row['part'], 0)}"
    return ranged("top_referrers_share", row["value"], "share", sentence, row["low"], row["high"], level, label)


def attributes(worth: pd.DataFrame, *, currency: str, level: float) -> Finding:
    """What is left of the difference in margin among those alike in what the firm records."""
    row, naive = worth[worth["method"] == "matched"].iloc[0], worth.iloc[0]
    key = "matched_margin_difference"
    if np.isnan(row["difference"]):
        return Finding(
            key, None, currency, "No referred customer has others alike in month and attributes to compare with."
        )
    side = "less" if row["difference"] < 0 else "more"
    sentence = (
        f"Among customers alike in month and attributes the referred bring {money(abs(row['difference']), currency)} "
        f"{side} margin{_ends(row, currency, level)}, against a difference of {money(naive['difference'], currency)} "
        f"as they are: {'too few for an interval' if np.isnan(row['low']) else _recorded(row, naive)}."
    )
    label = "Difference in margin, referred against others alike"
    return ranged(key, row["difference"], currency, sentence, row["low"], row["high"], level, label)


def staying(worth: pd.DataFrame, *, days: int, quiet_days: int, level: float) -> Finding:
    """Whether referred customers stay longer."""
    row = worth[worth["method"] == "matched"].iloc[0]
    when = f"In days {days - quiet_days + 1} to {days}" if quiet_days > 1 else f"On day {days}"
    alike = "others alike"
    if np.isnan(row["difference"]):
        row, alike = worth.iloc[0], "others as they are"
    key = "active_difference"
    ends = between(row["low"], row["high"], lambda x: f"{100 * x:+.1f}", level)
    side = verdict(
        row["low"], row["high"], above="they stay more", below="they stay less", same="they cannot be told apart"
    )
    side = "too few for an interval" if np.isnan(row["low"]) else side
    sentence = (
        f"{when}, {percent(row['mean'])} of the referred ordered, "
        f"{100 * row['difference']:+.1f} points against {alike}{ends}: {side}."
    )
    label = "Difference in share still active, referred against others"
    return ranged(key, row["difference"], "share", sentence, row["low"], row["high"], level, label)


def worth(
    compared: dict[str, pd.DataFrame], *, days: int, quiet_days: int, currency: str, level: float
) -> list[Finding]:
    """What is left of the differences in margin and in activity among customers alike.

    Parameters
    ----------
    compared : dict
        `worth_difference` by outcome.
    """
    margin = attributes(compared["margin"], currency=currency, level=level)
    return [margin, staying(compared["active"], days=days, quiet_days=quiet_days, level=level)]


def reward(returns: pd.DataFrame, *, paid: float, currency: str, assumed: float | None, level: float) -> Finding:
    """What a reward may cost, and whether the one paid pays.

    Parameters
    ----------
    returns : pandas.DataFrame
        `programme_return`.
    paid : float
        Reward of one customer brought.
    assumed : float or None
        Share that would come anyway, where it is assumed; None where an arm without the offer tells it.
    """
    rows = returns.set_index("quantity")
    most, net = (rows.loc[name].astype(float).to_dict() for name in ("break_even_reward", "net"))
    if np.isnan(most["low"]):
        few = "Too few customers have been brought whose first days are over to tell what a reward may cost."
        return Finding("break_even_reward", None, currency, few)
    caused = float(rows["value"]["caused_share"])
    pays = verdict(
        net["low"],
        net["high"],
        above=f"at {money(paid, currency)} the programme pays",
        below=f"at {money(paid, currency)} the programme costs more than it brings",
        same=f"at {money(paid, currency)} it cannot be told whether the programme pays",
    )
    source = (
        f"{percent(caused, 0)} of those brought come because of the reward, so that one"
        if assumed is None
        else f"If {percent(assumed, 0)} of those brought would come anyway, a reward"
    )
    ends = between(most["low"], most["high"], lambda x: money(x, currency), level)
    sentence = f"{source} pays up to {money(most['value'], currency)} for each{ends}: {pays}."
    label = "Reward per customer brought that just pays"
    return ranged("break_even_reward", most["value"], currency, sentence, most["low"], most["high"], level, label)


def truth(held: pd.DataFrame, known: pd.Series, *, currency: str) -> Finding:
    """What the simulated firm knows: R, and how much of the difference in margin referral causes.

    Parameters
    ----------
    held : pandas.DataFrame
        The first of `against_truth`.
    known : pandas.Series
        The row of `true_worth` in margin.
    """
    rows = held.set_index("quantity")
    number, margin = (rows.loc[name].astype(float).to_dict() for name in ("reproduction_number", "margin_difference"))
    inside = number["low"] <= number["truth"] <= number["high"]
    share = known["caused"] / known["difference"] if known["difference"] else np.nan
    sentence = (
        f"On the simulated firm R is {number['truth']:.3f}, which the interval {'holds' if inside else 'misses'}; "
        f"being referred causes {money(known['caused'], currency)} of the {money(known['difference'], currency)} by "
        f"which the referred are expected to be worth more ({percent(share, 0)}), while matching says "
        f"{money(margin['estimate'], currency)}: no comparison of records takes out whom customers know."
    )
    label = "Difference in margin that referral causes, simulated firm"
    return Finding("caused_margin_difference", known["caused"], currency, sentence, label=label)


def margin_title(worth: pd.DataFrame) -> str:
    """Title of a figure: how the referred differ from others in margin, where that can be told.

    Parameters
    ----------
    worth : pandas.DataFrame
        `worth_difference` in margin.
    """
    row = worth.iloc[0]
    if np.isnan(row["low"]) or not row["other_mean"] > 0:
        return "Too few referred customers to tell their margin from others'"
    told = (
        f"Referred customers: {100 * row['difference'] / row['other_mean']:+.0f} % margin against others, as they are"
    )
    same = "The margin of referred customers cannot be told from others', as they are"
    return verdict(row["low"], row["high"], above=told, below=told, same=same)


def _ends(row: pd.Series, currency: str, level: float) -> str:
    """Interval of a difference in money, of its size where it lies below zero."""
    low, high = row["low"], row["high"]
    if row["difference"] < 0:
        low, high = -high, -low
    return between(low, high, lambda x: money(x, currency), level)


def _apart(row: pd.Series, currency: str) -> str:
    """How the referred differ from the others in margin, in words."""
    amount = money(abs(row["difference"]), currency)
    if np.isnan(row["low"]):
        return "too few for an interval of the difference to others"
    return verdict(
        row["low"],
        row["high"],
        above=f"{amount} more than one who came otherwise",
        below=f"{amount} less than one who came otherwise",
        same="which cannot be told apart from one who came otherwise",
    )


def _recorded(row: pd.Series, naive: pd.Series) -> str:
    """Whether attributes explain the difference."""
    if abs(naive["difference"]) < 1e-12:
        return "there is no difference to explain"
    explained = 1 - row["difference"] / naive["difference"]
    if explained >= 1:
        return "what the firm records explains all of it"
    if explained > 0.1:
        return f"what the firm records explains {percent(explained, 0)} of it"
    return "what the firm records explains hardly any of it"
