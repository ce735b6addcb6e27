"""What the selection analysis found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmlib.findings import Finding, between, count, money, percent, ranged

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.rfm.chain import ChainForecast


def answer(rules: pd.DataFrame, *, rule: str, depth: float, days: int, level: float = 0.95) -> Finding:
    """What the customers selected by a rule bring in afterwards, against the first rule of the comparison.

    Parameters
    ----------
    rules : pandas.DataFrame
        `rule_comparison`.
    rule : str
        The one that is asked about.
    depth, days, level
        Part selected; length of the time after; as the comparison was made with.
    """
    row, first = rules[rules["rule"] == rule].iloc[0], rules.iloc[0]
    held = percent(row["captured"]) + between(row["low"], row["high"], percent, level)
    sentence = (
        f"The {percent(depth, 0)} of customers with the best {rule} brought in {held} of the next {days} days' revenue"
    )
    other = f"{first['rule']} alone ({percent(first['captured'])})"
    points = f"{100 * abs(row['difference']):.1f} points"
    if not row["distinct"]:
        verdict = f"which cannot be told apart from selecting by {other}: the simpler rule will do"
    else:
        better = row["difference"] > 0
        advice = f"select by the {rule}" if better else f"keep to {first['rule']}"
        verdict = f"{points} {'more' if better else 'less'} than selecting by {other}: {advice}"
    interval = row["low"], row["high"], level
    label = f"Next {days} days' revenue from the best {percent(depth, 0)} by RFM"
    return Finding("captured_by_rfm", row["captured"], "share", f"{sentence}, {verdict}.", *interval, label=label)


def model_against_score(rules: pd.DataFrame, *, model: str, rule: str, level: float = 0.95) -> Finding:
    """A model's selection minus a score's, from a comparison in which the score stands first.

    Parameters
    ----------
    rules : pandas.DataFrame
        `rule_comparison` with `rule` first.
    model, rule : str
    level : float
    """
    row = rules[rules["rule"] == model].iloc[0]
    ends = between(row["difference_low"], row["difference_high"], lambda share: f"{100 * share:+.1f}", level)
    if row["distinct"]:
        side = "more" if row["difference"] > 0 else "less"
        wording = f"captures {100 * abs(row['difference']):.1f} points {side} than {_the(rule)}{ends}"
    else:
        wording = (
            f"cannot be told apart from {_the(rule)}: the difference is {100 * row['difference']:+.1f} points{ends}"
        )
    interval = row["difference_low"], row["difference_high"], level
    sentence = f"{_the(model, first=True)} {wording}."
    label = "Revenue captured by the model, less that by the score"
    return Finding("model_minus_rfm", row["difference"], "share", sentence, *interval, label=label)


def parts(rules: pd.DataFrame) -> Finding:
    """Which of recency, frequency and money tells most on its own.

    Parameters
    ----------
    rules : pandas.DataFrame
        `rule_comparison`.
    """
    names = {f"{part} score": part for part in ("recency", "frequency", "monetary")}
    own = rules[rules["rule"].isin(list(names))].sort_values("captured", ascending=False, kind="stable")
    listed = ", ".join(
        f"{names[rule]} {percent(share)}" for rule, share in zip(own["rule"], own["captured"], strict=True)
    )
    best = own.iloc[0]
    sentence = f"Scored by one of the three alone, the same part of customers captures: {listed}."
    label = f"Revenue captured by the {best['rule']} alone"
    return Finding("captured_by_best_part", best["captured"], "share", sentence, label=label)


def chain_error(told: ChainForecast, *, days: int, currency: str) -> Finding:
    """What the chain foretold for the time held out, against what came."""
    forecast, actual = told.foretold, told.came
    if not actual > 0:
        nothing = (
            f"Nothing was bought in the {days} days held out, where the chain foretold {money(forecast, currency, 0)}."
        )
        return Finding("chain_forecast_error", None, "of what came", nothing)
    error = forecast / actual - 1
    wording = f"{percent(abs(error))} {'more' if error > 0 else 'less'} than"
    amount = f"{money(forecast, currency, 0)} from customers known before, {wording}"
    sentence = f"For the {days} days held out the chain foretold {amount} the {money(actual, currency, 0)} that came."
    label = "Error of the revenue foretold from segments' moves"
    return Finding("chain_forecast_error", error, "of what came", sentence, label=label)


def segment_worth(values: pd.DataFrame, *, years: float, currency: str, level: float = 0.95) -> Finding:
    """The segments worth most and least by the chain."""
    order = values.sort_values("value", kind="stable")
    least, most = order.iloc[0], order.iloc[-1]
    amounts = [
        money(row["value"], currency) + between(row["low"], row["high"], lambda x: money(x, currency), level)
        for row in (most, least)
    ]
    span = f"Over {years:g} year{'s' * (years != 1)}, discounted, a customer in the segment"
    sentence = f"{span} “{most['segment']}” brings in {amounts[0]}"
    sentence += f", one in “{least['segment']}” {amounts[1]}." if len(values) > 1 else "."
    label = f"Worth of a customer of the best segment, {years:g} year{'s' * (years != 1)}"
    return ranged("best_segment_value", most["value"], currency, sentence, most["low"], most["high"], level, label)


def more_means_less(grid: pd.DataFrame, *, recency: float, unit: str, currency: str) -> Finding:
    """At which number of purchases the value of a customer last seen at a given time is highest.

    Parameters
    ----------
    grid : pandas.DataFrame
        `iso_value`.
    recency : float
        One of its columns.
    unit, currency : str
    """
    values = grid[recency].dropna()
    best, most = float(values.index[int(values.to_numpy().argmax())]), float(values.index.max())
    start = f"Of customers whose last order came {recency:.0f} {unit}s after their first,"
    if best == most:
        sentence = (
            f"{start} those with more repeat purchases are worth more throughout, {_worth(values, most, currency)}."
        )
    else:
        sentence = (
            f"{start} those with {best:.0f} repeat purchase{'s' * (best != 1)} are worth most, "
            f"{money(values[best], currency)} each, those with {most:.0f} {money(values[most], currency)}: "
            "the more often they used to come, the more their silence says."
        )
    label = "Repeat purchases at which the silent are worth most"
    return Finding("most_valuable_frequency_of_the_silent", float(best), "purchases", sentence, label=label)


def resemblance(area: tuple[float, float, float], lift: pd.DataFrame, *, source: str, level: float = 0.95) -> Finding:
    """How well attributes alone tell the best customers from others whom the model had not seen."""
    value, low, high = area
    shown = f"{value:.2f}" + between(low, high, lambda x: f"{x:.2f}", level)
    sentence = (
        f"At {source}, attributes alone rank one of the best customers above another one with probability {shown}, "
        f"{'better than' if low > 0.5 else 'worse than' if high < 0.5 else 'which cannot be told from'} chance"
    )
    top = lift.iloc[0]
    inside = between(top["low"], top["high"], lambda x: f"{x:.2f}", level)
    part = percent(top["customers"] / lift["customers"].sum(), 0)
    sentence += f"; the {part} that resemble them most hold {top['lift']:.2f} times as many of the best as all{inside}."
    label = "Chance to rank a best customer above another one"
    return Finding("look_alike_ranking", value, "probability", sentence, low, high, level, label=label)


def ceiling(known: dict[str, float], *, rule: str, depth: float, days: int) -> Finding:
    """On the simulated firm: how much of what could be known a rule captures.

    Parameters
    ----------
    known : dict
        Captured share of *expected* spend by rule; "the truth" is the ranking by expected spend itself.
    rule : str
    depth, days
    """
    best, own = known["the truth"], known[rule]
    gain = (own - depth) / (best - depth)
    sentence = (
        f"On the simulated firm the {percent(depth, 0)} selected by {_the(rule)} hold {percent(own)} of the spend "
        f"expected in the next {days} days; who knew each customer's true rate and state could hold {percent(best)}: "
        f"the rule reaches {percent(gain)} of the possible gain over drawing by lot."
    )
    return Finding("simulated_share_of_the_possible", gain, "of what is possible", sentence)


def held(values: pd.DataFrame) -> str:
    """In how many segments the chain's interval holds the true value, for a title."""
    inside = values["true_value"].between(values["low"], values["high"])
    return f"The chain's interval holds the true worth of {inside.sum()} of {values['low'].notna().sum()} segments"


def chain_bias(values: pd.DataFrame, *, level: float = 0.95) -> Finding:
    """On the simulated firm: in how many segments the chain's interval holds the true value, and its bias where not.

    Parameters
    ----------
    values : pandas.DataFrame
        segment, value, low, high, true_value.
    level : float
    """
    judged = values.dropna(subset=["low"])
    inside = judged["true_value"].between(judged["low"], judged["high"])
    over = int((judged["low"] > judged["true_value"]).sum())
    under = int((judged["high"] < judged["true_value"]).sum())
    sentence = (
        f"There the chain's {percent(level, 0)} intervals hold the true value of {count(inside.sum())} of "
        f"{len(judged)} segments; {over} {'is' if over == 1 else 'are'} valued too high and {under} too low: a segment "
        "does not tell all about a customer."
    )
    return Finding("simulated_segments_held", float(inside.mean()) if len(judged) else None, "of segments", sentence)


def _worth(values: Any, at: float, currency: str) -> str:
    return f"{money(values[at], currency)} with {at:.0f}"


def _the(name: str, *, first: bool = False) -> str:
    return f"{'The' if first else 'the'} {name}"
