"""What the cohort analysis found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmlib.errors import DataError, ParameterError
from crmlib.findings import Finding, between, count, money, percent, ranged

if TYPE_CHECKING:
    import pandas as pd


_NAMES = {
    "day": "%d %b %Y",
    "week": "week of %d %b %Y",
    "month": "%b %Y",
    "quarter": "quarter from %b %Y",
    "year": "%Y",
}


def cohort_name(cohort: pd.Timestamp, period: str) -> str:
    """Label of a cohort: "Jan 1997" for months, "1997" for years, "week of 06 Jan 1997"."""
    return cohort.strftime(_NAMES[period])


def completed_ages(triangle: pd.DataFrame, *, at_least: int = 0, customers: int = 2) -> int:
    """Oldest age that some cohort has completed, once the data are found to suffice.

    Parameters
    ----------
    triangle : pandas.DataFrame
    at_least : int
        The age that an analysis needs.
    customers : int
        How many customers it needs.

    Raises
    ------
    DataError
        No orders, too few customers, or no cohort that has completed its first period (or, for a
        later age, its second).
    ParameterError
        No cohort has completed the age asked for.
    """
    whole = triangle[triangle["complete"]]
    found = int(triangle.loc[triangle["age"] == 0, "customers"].sum())
    if found < customers:
        raise DataError(
            f"{found} customer{'s' * (found != 1)} up to as_of; retention needs at least {customers}: "
            "take a later as_of or more data"
        )
    if whole.empty:
        raise DataError("no cohort has completed its first period; take a shorter period or a later as_of")
    oldest = int(whole["age"].max())
    if not oldest and at_least:
        raise DataError("no cohort has been followed past its first period; take a shorter period or a later as_of")
    if oldest < at_least:
        raise ParameterError(
            f"age {at_least} is asked for, but the oldest cohort has completed only {oldest}; take 1..{oldest}"
        )
    return oldest


def answer(returned: pd.DataFrame, comparison: pd.DataFrame, *, age: int, period: str, level: float = 0.95) -> Finding:
    """The share that has come back by an age, and how many later cohorts stand above or below the first.

    Parameters
    ----------
    returned, comparison : pandas.DataFrame
        `pooled_retention` and `cohort_comparison` of the `returned_triangle`.
    age, period, level
        As they were made with.
    """
    row = returned[returned["age"] == age].iloc[0]
    share = percent(row["retention_rate"]) + between(row["low"], row["high"], percent, level)
    back = f"By {period} {age} after their first order {share} of customers have ordered again"
    key, sentence = f"returned_by_{period}_{age}", f"{back}; {verdict_on_newer(comparison, period)}."
    label = f"Customers who ordered again by {period} {age}"
    return Finding(key, row["retention_rate"], "share", sentence, row["low"], row["high"], level, label)


def active_share(pooled: pd.DataFrame, *, age: int, period: str, level: float = 0.95) -> Finding:
    """The active share at one age, beside that at age 1."""
    row, first = (pooled[pooled["age"] == a].iloc[0] for a in (age, 1))
    share = percent(row["retention_rate"]) + between(row["low"], row["high"], percent, level)
    sentence = f"In {period} {age} itself {share} of customers are active"
    if age > 1:
        sentence += f", after {percent(first['retention_rate'])} in {period} 1"
    key = f"active_share_{period}_{age}"
    label = f"Customers active in {period} {age}"
    return Finding(key, row["retention_rate"], "share", f"{sentence}.", row["low"], row["high"], level, label)


def newest_against_first(comparison: pd.DataFrame, *, age: int, period: str, level: float = 0.95) -> Finding:
    """The newest comparable cohort's share that has come back, minus the first's."""
    key = "newest_minus_first_cohort"
    if comparison.empty:
        alone = f"Only one cohort has completed {period} {age}: there is nothing to compare it with."
        return Finding(key, None, "share", alone)
    row = comparison.iloc[-1]
    newest, first = (cohort_name(row[name], period) for name in ("cohort", "baseline"))
    ends = between(row["low"], row["high"], lambda share: f"{100 * share:+.1f}", level)
    if not row["distinct"]:
        wording = f"cannot be told apart from {first}'s: the difference is {100 * row['difference']:+.1f} points{ends}"
    else:
        side = "above" if row["difference"] > 0 else "below"
        wording = f"is {100 * abs(row['difference']):.1f} points {side} {first}'s{ends}"
    sentence = f"Of the newest comparable cohort, {newest}, the share back by {period} {age} {wording}."
    label = f"Newest cohort less the first, share back by {period} {age}"
    return Finding(key, row["difference"], "share", sentence, row["low"], row["high"], level, label)


def second_order(curve: pd.DataFrame, *, days: int, level: float = 0.95) -> Finding:
    """Share of customers with a second order within so many days (one minus the survival curve)."""
    from crmlib.cohorts.survival import curve_at

    row = curve_at(curve, days)
    share, low, high = 1 - row["survival"], 1 - row["high"], 1 - row["low"]
    sentence = f"Within {days} days {percent(share)}{between(low, high, percent, level)} of customers order again."
    last = float(curve["time"].iloc[-1])
    if last < days:
        sentence = f"{sentence[:-1]}; the latest second order came on day {last:.0f}."
    label = f"Customers with a second order within {days} days"
    return Finding(f"second_order_within_{days}_days", share, "share", sentence, low, high, level, label)


def worth(value: pd.DataFrame, *, age: int, period: str, currency: str, level: float = 0.95) -> Finding:
    """Cumulative revenue of a newly won customer up to an age, and the first period's part of it."""
    row = value[value["age"] == age].iloc[0]
    amount = money(row["value"], currency) + between(row["low"], row["high"], lambda x: money(x, currency), level)
    sentence = f"By the end of {period} {age} after the first, a newly won customer has brought in {amount}."
    if 0 < value["value"].iloc[0] <= row["value"]:  # with returns a customer may have brought in more before
        first = value["value"].iloc[0] / row["value"]
        sentence = f"{sentence[:-1]}, {percent(first, 0)} of it in the {period} of the first order."
    key, label = f"revenue_per_customer_{period}_{age}", f"Revenue of a new customer by the end of {period} {age}"
    return ranged(key, row["value"], currency, sentence, row["low"], row["high"], level, label)


def acquisition_ceiling(
    value: pd.DataFrame, *, age: int, period: str, currency: str, margin_rate: float, level: float = 0.95
) -> Finding:
    """The most that winning a customer may cost to be paid back by an age, at an assumed margin."""
    row = margin_rate * value[value["age"] == age].iloc[0][["value", "low", "high"]]
    key, label = f"acquisition_cost_ceiling_{period}_{age}", f"Most to pay for a customer, paid back by {period} {age}"
    if row["value"] <= 0:
        sentence = (
            f"At an assumed margin of {percent(margin_rate, 0)} of revenue, winning a customer is not paid back "
            f"by the end of {period} {age}, whatever it costs."
        )
        return ranged(key, row["value"], currency, sentence, row["low"], row["high"], level, label)
    amount = money(row["value"], currency) + between(row["low"], row["high"], lambda x: money(x, currency), level)
    sentence = (
        f"At an assumed margin of {percent(margin_rate, 0)} of revenue, winning a customer is paid back "
        f"by the end of {period} {age} if it costs at most {amount}."
    )
    return ranged(key, row["value"], currency, sentence, row["low"], row["high"], level, label)


def truth_coverage(cells: pd.DataFrame, *, level: float = 0.95) -> Finding:
    """How many of a simulated firm's cells held the true active share inside their interval.

    Parameters
    ----------
    cells : pandas.DataFrame
        low, high and true_share, one row a cell.
    level : float
        Level of the cells' intervals.
    """
    from statsmodels.stats.proportion import proportion_confint

    inside = cells["true_share"].between(cells["low"], cells["high"])
    low, high = proportion_confint(int(inside.sum()), len(cells), alpha=0.05, method="wilson")
    promised = percent(level, 0)
    wording = f"in keeping with the {promised} promised"
    if not low <= level <= high:
        wording = f"{'more' if inside.mean() > level else 'fewer'} than the {promised} promised"
    sentence = (
        f"On the simulated firm the {promised} intervals held the true share in {count(inside.sum())} of "
        f"{count(len(cells))} cells ({percent(inside.mean())}), {wording}."
    )
    return Finding("simulated_coverage", float(inside.mean()), "share", sentence, low, high, 0.95)


def verdict_on_newer(comparison: pd.DataFrame, period: str) -> str:
    """Are newer cohorts better than the baseline, in half a sentence, from a `cohort_comparison`."""
    if comparison.empty:
        return "only one cohort has got that far, so newer ones cannot be compared yet"
    up = int((comparison["distinct"] & (comparison["difference"] > 0)).sum())
    down = int((comparison["distinct"] & (comparison["difference"] < 0)).sum())
    later = len(comparison)
    article = "the " if period in ("week", "quarter") else ""
    first = f"that of {article}{cohort_name(comparison['baseline'].iloc[0], period)}"
    everyone = {1: "the later cohort", 2: "both later cohorts"}.get(later, f"all {later} later cohorts")
    if not up and not down:
        nobody = {1: "the later cohort", 2: "the two later cohorts"}.get(later, f"the {later} later cohorts")
        return f"{nobody} cannot be told apart from {first}"
    if up and down:
        return f"of {later} later cohorts {up} did better than {first} and {down} worse"
    direction = "better" if up else "worse"
    if up + down == later:
        return f"{everyone} did {direction} than {first}"
    return f"{up + down} of {later} later cohorts did {direction} than {first}, the rest cannot be told apart from it"
