"""What the analysis of contracts found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.cohorts.survival import groups_at
from crmlib.errors import DataError
from crmlib.findings import Finding, between, count, money, percent, verdict

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.cohorts.contractual import LogRank
    from crmlib.cohorts.hazards import CoxRegression

#: Below this p-value a test is said to see something.
_SEEN = 0.05
#: Of fewer expected events in a group the chi-squared distribution is rough.
_FEW = 5


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
        f"By month {months} {lost}; in the published cohort, at {say(payment)} a renewal, {_points(points)} of "
        f"retention more {_is(points)} worth {gain} a customer."
    )
    return Finding("point_of_retention", row["gain"], currency, sentence, row["gain_low"], row["gain_high"], level)


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
    if test.p_value >= _SEEN:
        wording = f"'{first['group']}' has lost {gone} and '{last['group']}' {fewest}, which cannot be told apart"
    elif gone == fewest:
        wording = f"every group has lost {gone}"
    else:
        wording = f"'{first['group']}' has lost most, {left}, and '{last['group']}' least, {fewest}"
    short = curves["group"].nunique() - len(at)
    return wording + f" ({short} group{'s' * (short > 1)} not followed so long)" * (short > 0)


def leaving(test: LogRank, cox: CoxRegression, check: pd.DataFrame) -> list[Finding]:
    """Three findings on who leaves: `groups_differ`, `strongest_ratio`, `ratios_constant`."""
    return [groups_differ(test), strongest_ratio(cox), ratios_constant(check)]


def groups_differ(test: LogRank) -> Finding:
    """Whether leaving differs between groups, and where more left than expected."""
    if not test.df:
        who = f"'{test.groups['group'].iloc[0]}'"
        return Finding("log_rank", None, "chi-squared", f"All are of one group, {who}, with none to compare it with.")
    ratio = test.groups["observed"] / test.groups["expected"].where(test.groups["expected"] > 0)
    worst = test.groups.iloc[int(ratio.fillna(0).argmax())]
    if test.p_value >= _SEEN:
        sentence = f"The groups' curves cannot be told apart (log-rank test, {_p(test.p_value)})."
    else:
        expected = count(worst["expected"]) if worst["expected"] >= 10 else f"{worst['expected']:.1f}"
        sentence = (
            f"The groups' curves differ (log-rank test, {_p(test.p_value)}): with '{worst['group']}' "
            f"{count(worst['observed'])} left where {expected} would be expected of equals."
        )
    small = int((test.groups["expected"] < _FEW).sum())
    if small:
        sentence = sentence[:-1] + f"; fewer than {_FEW} are expected of {small} of the groups, so p is rough."
    return Finding("log_rank", test.statistic, "chi-squared", sentence)


def strongest_ratio(cox: CoxRegression) -> Finding:
    """The hazard ratio furthest from 1 of those that can be told from it."""
    rest = f"; {' and '.join(cox.constant)} cannot be asked about, having one value only" if cox.constant else ""
    if cox.ratios.empty:
        sentence = f"What goes with leaving is not told{rest}."
        return Finding("strongest_hazard_ratio", None, "ratio", sentence)
    distinct = cox.ratios[cox.ratios["p_value"] < _SEEN]
    table = distinct if len(distinct) else cox.ratios
    row = table.iloc[int(table["coefficient"].abs().argmax())]
    place = list(cox.ratios["term"]).index(row["term"])
    flag = bool(np.isin(cox.spells[-1][:, place], (0, 1)).all())
    term, shown = (row["term"], "{:.3g}".format) if flag else (f"one more of {row['term']}", "{:.5g}".format)
    ends = between(row["low"], row["high"], shown, cox.level)
    sentence = (
        f"All else equal, {term} goes with {shown(row['hazard_ratio'])} times the rate of leaving{ends}: "
        "a description, not an effect."
    )
    if not len(distinct):
        sentence = f"No hazard ratio can be told from 1, not even {shown(row['hazard_ratio'])}{ends} of {term}."
    sentence = sentence[:-1] + f"{rest}."
    return Finding("strongest_hazard_ratio", row["hazard_ratio"], "ratio", sentence, row["low"], row["high"], cox.level)


def ratios_constant(check: pd.DataFrame) -> Finding:
    """Whether hazard ratios stay constant with tenure (`proportionality`)."""
    if check.empty:
        sentence = "Without a term there is no hazard ratio to be constant."
        return Finding("hazards_proportional", None, "", sentence)
    total = check.iloc[-1]
    terms = check.iloc[:-1]
    if total["p_value"] >= _SEEN:
        sentence = f"That hazard ratios are constant with tenure is not contradicted ({_p(total['p_value'])})."
    else:
        drift = terms.iloc[int(terms["statistic"].argmax())]
        side = "grows" if drift["correlation"] > 0 else "falls"
        sentence = (
            f"The hazard ratios are not constant with tenure ({_p(total['p_value'])}), so each is an average over "
            f"tenures; the drift is clearest in that of {drift['term']}, which {side}."
        )
    return Finding("hazards_proportional", bool(total["p_value"] >= _SEEN), "", sentence)


def projection(errors: pd.DataFrame, *, calibration: int) -> Finding:
    """Which projection held out of sample, and how the classic curves failed."""
    best, worst = errors.iloc[0], errors.iloc[-1]
    if len(errors) < 2:
        raise DataError("a comparison of projections needs at least two methods")
    sentence = (
        f"From {calibration} renewals of the published cohort, {best['method']} misses the later share "
        f"by {100 * best['error_unseen']:.1f} points on average, {worst['method']} by {100 * worst['error_unseen']:.1f}"
    )
    broken = errors.loc[errors["impossible"], "method"].tolist()
    if broken:
        verb = "give" if len(broken) > 1 else "gives"
        sentence += f"; {' and '.join(broken)} {verb} shares that cannot be"
    return Finding("projection_error", best["error_unseen"], "share", f"{sentence}.")


def revenue_kept(retention: pd.DataFrame, *, lag: int, period: str, level: float = 0.95) -> Finding:
    """Net revenue retention, and gross beside it."""
    rows = {row["measure"]: row for _, row in retention.iterrows()}
    net, gross = rows["net"], rows["gross"]
    times = f"{lag} {period}{'s' * (lag != 1)}"
    sentence = (
        f"Customers of {times} before bring {percent(net['value'])}{between(net['low'], net['high'], percent, level)} "
        f"of what they brought then; without what some added, {percent(gross['value'])}"
        f"{between(gross['low'], gross['high'], percent, level)}."
    )
    if np.isnan(net["low"]):
        return Finding("net_revenue_retention", net["value"], "share", sentence)
    return Finding("net_revenue_retention", net["value"], "share", sentence, net["low"], net["high"], level)


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
    return Finding("ruse_of_heterogeneity", rise, "share", sentence, low, high, level)


def heterogeneous_worth(worth: pd.DataFrame, *, points: float, level: float = 0.95) -> Finding:
    """The gain of a point when customers differ, against the constant-rate formula."""
    row = worth.iloc[0]
    factor = row["gain"] / row["flat_gain"]
    times = f"{factor:.1f} times" if abs(factor - 1) > 0.05 else "about"
    # the one rate of the formula has more room below 1 than many of the chances have
    why = ", as many chances are too close to 1 to rise by so much" if factor < 0.95 else ""
    what = _points(points)
    ends = between(row["elasticity_low"], row["elasticity_high"], lambda x: f"{x:.1f}", level)
    sentence = (
        f"{what[0].upper()}{what[1:]} of retention {_is(points)} worth {times} what the formula with one constant rate "
        f"says{why}; the elasticity is {row['elasticity']:.1f}{ends} instead of {row['flat_elasticity']:.1f}."
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
    return Finding("best_retention_spend", best["value"], currency, sentence, best["low"], best["high"], level)


def _points(points: float) -> str:
    return "one point" if np.isclose(points, 0.01) else f"{100 * points:g} points"


def _is(points: float) -> str:
    return "is" if np.isclose(points, 0.01) else "are"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
