"""What was found on money: the revenue kept, what a point of retention is worth, and what keeping may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.cohorts.contract_conclusions.wording import SEEN, is_or_are, points_of
from crmlib.cohorts.survival import groups_at
from crmlib.findings import Finding, between, money, percent, placed, ranged, verdict

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.cohorts.contractual import LogRank


def answer(
    curves: pd.DataFrame,
    test: LogRank | None,
    worth: pd.DataFrame,
    *,
    months: int,
    points: float,
    payment: float,
    currency: str,
    level: float = 0.95,
) -> Finding:
    """Which group has lost most by a tenure, and what a point of retention is worth.

    Parameters
    ----------
    curves : pandas.DataFrame
        As `survival_by_group` gives them.
    test : LogRank or None
        Of the same groups; None where there is only one.
    worth : pandas.DataFrame
        `retention_point_worth`, whose first row counts.
    months : int
        The tenure looked at.
    points, payment, currency, level
        As the others were made with.
    """
    lost = _lost(curves, test, months, level)
    row = worth.iloc[0]
    say = lambda amount: money(amount, currency)  # noqa: E731
    gain = say(row["gain"]) + between(row["gain_low"], row["gain_high"], say, level)
    sentence = (
        f"By month {months} {lost}; in the published cohort, at {say(payment)} a renewal, {points_of(points)} of "
        f"retention more {is_or_are(points)} worth {gain} a customer."
    )
    label = f"Worth of {points_of(points)} of retention, a customer"
    return Finding(
        "point_of_retention", row["gain"], currency, sentence, row["gain_low"], row["gain_high"], level, label
    )


def _lost(curves: pd.DataFrame, test: LogRank | None, months: int, level: float) -> str:
    """Which groups have lost most and least, of those followed so long."""
    at = groups_at(curves, months)
    first, last = at.iloc[0], at.iloc[-1]
    left = percent(1 - first["survival"]) + between(1 - first["high"], 1 - first["low"], percent, level)
    gone, fewest = percent(1 - first["survival"]), percent(1 - last["survival"])
    if test is None or not test.df:
        return f"{left} of all customers have left"
    if len(at) < 2:
        return f"'{first['group']}', the one group followed so long, has lost {left}"
    if test.p_value >= SEEN:
        wording = f"'{first['group']}' has lost {gone} and '{last['group']}' {fewest}, which cannot be told apart"
    elif gone == fewest:
        wording = f"every group has lost {gone}"
    else:
        wording = f"'{first['group']}' has lost most, {left}, and '{last['group']}' least, {fewest}"
    short = curves["group"].nunique() - len(at)
    return wording + f" ({short} group{'s' * (short > 1)} not followed so long)" * (short > 0)


def revenue_kept(retention: pd.DataFrame, *, source: str, lag: int, period: str, level: float = 0.95) -> Finding:
    """Net revenue retention, and gross beside it; the words `source` say where the invoices come from."""
    rows = {row["measure"]: row for _, row in retention.iterrows()}
    net, gross = rows["net"], rows["gross"]
    times = f"{lag} {period}{'s' * (lag != 1)}"
    sentence = (
        f"At {source} customers of {times} before bring {percent(net['value'])}"
        f"{between(net['low'], net['high'], percent, level)} of what they brought then; without what "
        f"some added, {percent(gross['value'])}"
        f"{between(gross['low'], gross['high'], percent, level)}."
    )
    label = placed(f"Net revenue retention over {times}", source)
    return ranged("net_revenue_retention", net["value"], "share", sentence, net["low"], net["high"], level, label)


def truth_found(retention: pd.DataFrame, expected: tuple[float, float], *, level: float = 0.95) -> Finding:
    """Whether a simulated firm's true net revenue retention lies within the interval.

    Parameters
    ----------
    retention : pandas.DataFrame
        As `revenue_retention` gives it.
    expected : (float, float)
        True net and gross retention.
    level : float
    """
    net, gross = retention.iloc[0], retention.iloc[1]
    inside = [bool(row["low"] <= value <= row["high"]) for row, value in zip((net, gross), expected, strict=True)]
    found = {2: "both lie within their intervals", 1: "one of them lies within its interval", 0: "neither is found"}
    gap = net["value"] - expected[0]
    true, seen = (f"{percent(a)} and {percent(b)}" for a, b in (expected, (net["value"], gross["value"])))
    sentence = (
        f"On the simulated firm net and gross revenue retention are truly {true}, estimated {seen}: "
        f"{found[sum(inside)]}, the net rate {100 * gap:+.1f} points off."
    )
    if np.isnan(net["low"]):
        return Finding("simulated_retention_gap", gap, "share", sentence)
    low, high = net["low"] - expected[0], net["high"] - expected[0]
    return Finding("simulated_retention_gap", gap, "share", sentence, low, high, level)


def ruse(rates: pd.DataFrame, *, level: float = 0.95) -> Finding:
    """How far the aggregate retention rate rises in a simulation in which no customer changes."""
    from scipy.stats import norm

    first, last = rates.iloc[0], rates.iloc[-1]
    rise = last["retention_rate"] - first["retention_rate"]
    error = np.sqrt(sum(row["retention_rate"] * (1 - row["retention_rate"]) / row["due"] for row in (first, last)))
    half = norm.ppf(0.5 + level / 2) * error
    low, high = rise - half, rise + half
    moved, size = ("rises" if rise > 0 else "falls", f"{100 * abs(rise):.1f}")
    if low <= 0 <= high:
        moved, size = "moves", f"{100 * rise:+.1f}"
    ends = between(low, high, lambda x: f"{100 * x:+.1f}", level)
    rates_at = [f"{percent(row['retention_rate'])} at renewal {int(row['renewal'])}" for row in (first, last)]
    sentence = (
        f"In a simulation in which no customer ever changes, the retention rate {moved} by {size} "
        f"points{ends}, from {' to '.join(rates_at)}: only who is left has changed."
    )
    label = "Change of retention though nobody changes, simulated"
    return Finding("ruse_of_heterogeneity", rise, "share", sentence, low, high, level, label)


def heterogeneous_worth(worth: pd.DataFrame, *, points: float, level: float = 0.95) -> Finding:
    """The gain of a point when customers differ, against the constant-rate formula."""
    row = worth.iloc[0]
    factor = row["gain"] / row["flat_gain"]
    times = f"{factor:.1f} times" if abs(factor - 1) > 0.05 else "about"
    # the one rate of the formula has more room below 1 than many of the chances have
    why = ", as many chances are too close to 1 to rise by so much" if factor < 0.95 else ""
    what = points_of(points)
    ends = between(row["elasticity_low"], row["elasticity_high"], lambda x: f"{x:.1f}", level)
    sentence = (
        f"{what[0].upper()}{what[1:]} of retention {is_or_are(points)} worth {times} what the formula with one "
        f"constant rate says{why}; the elasticity is {row['elasticity']:.1f}{ends} instead of "
        f"{row['flat_elasticity']:.1f}."
    )
    low, high = row["elasticity_low"], row["elasticity_high"]
    return Finding("retention_elasticity", row["elasticity"], "ratio", sentence, low, high, level)


def keeping_or_winning(plan: pd.DataFrame, *, present: float, currency: str, level: float = 0.95) -> Finding:
    """Whether to spend more or less on keeping, and what winning may cost.

    Parameters
    ----------
    plan : pandas.DataFrame
        As `spending_plan` gives it.
    present : float
        What is spent on keeping a customer for a period now.
    currency, level
    """
    rows = {row["quantity"]: row for _, row in plan.iterrows()}
    names = ("retention_spend_best", "cost_to_win_now", "customer_value_now", "equity_now")
    best, win, most, equity = (rows[name] for name in names)
    say = lambda x: money(x, currency)  # noqa: E731
    side = "more" if best["low"] > present else "less" if best["high"] < present else None
    keep = (
        f"at the assumed ceilings {side} should go into keeping, {say(best['value'])}"
        f"{between(best['low'], best['high'], say, level)} a customer and period instead of {say(present)}"
        if side
        else f"the present {say(present)} for keeping cannot be told from the best"
        f"{between(best['low'], best['high'], say, level)}"
    )
    pays = verdict(equity["low"], equity["high"], above="pays", below="does not pay", same="may or may not pay")
    sentence = (
        f"Winning a customer at {say(win['value'])} {pays}, as one is worth {say(most['value'])}"
        f"{between(most['low'], most['high'], say, level)}; {keep}."
    )
    label = "Best spending on keeping, a customer and period"
    return Finding("best_retention_spend", best["value"], currency, sentence, best["low"], best["high"], level, label)
