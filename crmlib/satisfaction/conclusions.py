"""What the satisfaction analysis found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, p_of, percent, verdict
from crmlib.intervals import FEWEST

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.satisfaction.ordered import OrderedFit


def answer(table: pd.DataFrame, *, days: int, source: str, level: float = 0.95) -> Finding:
    """Whether the satisfied come back, and whether being satisfied is enough.

    Parameters
    ----------
    table : pandas.DataFrame
        `grade_table`.
    """
    top, below = table.iloc[-1], table.iloc[-2]
    key, label = "very_satisfied_minus_satisfied_return", "Come back: very satisfied less satisfied"
    if np.isnan(top["step_low"]):
        sentence = f"At {source} too few customers gave the two best grades to say which of them come back."
        return Finding(key, None, "share", sentence)
    advice = verdict(
        top["step_low"],
        top["step_high"],
        above="to be satisfied is not enough, so work for the top grade, not for the mean",
        below="the top grade does not bring them back, so do not pay for it",
        same="the top grade cannot be told apart from the one below, so do not pay for it alone",
    )
    points = between(top["step_low"], top["step_high"], lambda x: f"{100 * x:+.1f}", level)
    sentence = (
        f"At {source} {percent(top['returned'])} of the very satisfied order again within {days} days, of the "
        f"satisfied {percent(below['returned'])}, {100 * top['step']:+.1f} points{points}: {advice}."
    )
    return Finding(key, top["step"], "share", sentence, top["step_low"], top["step_high"], level, label)


def shares(table: pd.DataFrame, mean: float, *, source: str, level: float = 0.95) -> Finding:
    """How many are very satisfied and how many disappointed."""
    top = table.iloc[-1]
    low = table["share"].iloc[:2].sum()
    held = between(top["low"], top["high"], percent, level)
    sentence = (
        f"At {source} {percent(top['share'])}{held} of {table['customers'].sum():,} answers are very satisfied and "
        f"{percent(low)} disappointed or very disappointed; the mean grade of {mean:.2f} says neither."
    )
    key, label = "very_satisfied_share", "Very satisfied customers, of those who answered"
    return Finding(key, top["share"], "share", sentence, top["low"], top["high"], level, label)


def equal_steps(line: pd.DataFrame, *, level: float = 0.95) -> Finding:
    """Whether a score with equal steps fits the return."""
    p_value = line["p_value"].iloc[0]
    key = "equal_steps_p_value"
    if np.isnan(p_value):
        return Finding(key, None, "", "Fewer than three grades were given, so equal steps cannot be tested.")
    worst = line.iloc[int((line["observed"] - line["line"]).abs().argmax())]
    wording = f"A score with equal steps does not fit who returns ({p_of(p_value)})"
    if p_value >= 1 - level:
        wording = f"A score with equal steps cannot be told apart from who returns ({p_of(p_value)})"
    sentence = (
        f"{wording}: at grade {worst['grade']:.0f} it expects {percent(worst['line'])}, and "
        f"{percent(worst['observed'])} come back."
    )
    return Finding(key, p_value, "", sentence)


def groups(table: pd.DataFrame) -> Finding:
    """The groups of 30 or more that lie farthest apart in the share of the very satisfied, with their means."""
    table = table[table["customers"] >= FEWEST]
    if len(table) < 2:
        several = f"Fewer than two groups have {FEWEST} customers, so none compare."
        return Finding("largest_gap_very_satisfied", None, "share", several)
    ranked = table.sort_values("very_satisfied", ascending=False, kind="stable")
    first, last = ranked.iloc[0], ranked.iloc[-1]
    gap = first["very_satisfied"] - last["very_satisfied"]
    top, low, back = ((first[name], last[name]) for name in ("very_satisfied", "disappointed", "returned"))
    sentence = (
        f"By {first['group']} {percent(top[0])} are very satisfied, {100 * gap:.1f} points more than by "
        f"{last['group']}, and {percent(low[0])} disappointed against {percent(low[1])}; the mean grades are "
        f"{first['mean_grade']:.2f} and {last['mean_grade']:.2f}, and {percent(back[0])} and {percent(back[1])} "
        "come back."
    )
    label = "Very satisfied: largest gap between channels"
    return Finding("largest_gap_very_satisfied", gap, "share", sentence, label=label)


def driver(found: OrderedFit, name: str, *, unit: str, times: float = 1.0, level: float = 0.95) -> Finding:
    """What a driver does to the odds of a better grade, for so many units of it."""
    row = found.odds[found.odds["driver"] == name].iloc[0]
    value, low, high = (float(row[each]) ** times for each in ("odds_ratio", "low", "high"))
    wording = verdict(
        np.log(low), np.log(high), above="raise", below="lower", same="cannot be told apart from not moving"
    )
    sentence = (
        f"{times:g} {unit} more {wording} the odds of a better grade: by the ordered model they are multiplied by "
        f"{value:.2f}{between(low, high, lambda x: f'{x:.2f}', level)}."
    )
    return Finding(f"odds_ratio_{name}", value, "", sentence, low, high, level)


def without_ratio(odds: pd.DataFrame) -> str:
    """Which terms of `ordered_fit` or `odds_by_cut` have no ratio and why, for a line below a table, or ""."""
    missing = odds.loc[odds["reason"] != "", ["driver", "reason"]].drop_duplicates()
    named = []
    for reason, group in missing.groupby("reason", sort=False):
        terms = ", ".join(group["driver"]) if len(group) <= 6 else f"{len(group):,} terms"
        named.append(f"{terms} ({reason})")
    return f" No finite ratio: {'; '.join(named)}." if named else ""


def truth(table: pd.DataFrame, rates: tuple[float, ...]) -> Finding:
    """How many of the true return rates the intervals hold, in the simulated survey."""
    held = [low <= rate <= high for low, rate, high in zip(table.returned_low, rates, table.returned_high, strict=True)]
    sentence = (
        f"On the simulated survey {sum(held)} of {len(held)} intervals hold the true chance to come back, which goes "
        f"from {percent(rates[0], 0)} of the very disappointed to {percent(rates[-1], 0)} of the very satisfied."
    )
    return Finding("true_return_rates_held", sum(held), "grades", sentence)
