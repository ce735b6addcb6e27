"""What the valuation found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmlib.findings import Finding, between, count, money, percent, ranged

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def answer(
    base: pd.Series,
    groups: pd.DataFrame,
    *,
    years: float,
    currency: str,
    level: float = 0.95,
) -> Finding:
    """What the base is still worth, and what keeping a customer of it may cost.

    Parameters
    ----------
    base : pandas.Series
        `base_value`.
    groups : pandas.DataFrame
        `keeping_ceilings`: the best, the others.
    years, currency, level
        As they were made with.
    """
    ends = between(base["low"], base["high"], lambda x: money(x, currency, 0), level)
    each = base["value"] / base["customers"]
    best, rest = groups.iloc[0], groups.iloc[1]
    part = percent(best["customers"] / base["customers"], 0)
    span = "year" if years == 1 else f"{years:g} years"
    best_pay, rest_pay = (money(row["ceiling"], currency) for row in (best, rest))
    sentence = (
        f"Over the next {span} these {count(base['customers'])} customers are still worth "
        f"{money(base['value'], currency, 0)}{ends} of margin, {money(each, currency)} each; for a measure that keeps "
        f"{percent(best['ceiling'] / best['each'], 0)} of those who would leave now pay at most {best_pay} for each of "
        f"the best {part}, who hold {percent(best['share'])} of the value, and {rest_pay} for each of the others."
    )
    return _total("base_value", base, currency, sentence, level, label=f"Margin to come in the next {span}")


def ranking(rules: pd.DataFrame, *, depth: float, days: int, level: float = 0.95) -> Finding:
    """What those ranked first by expected value brought in during the hold-out, against a naive ranking.

    Parameters
    ----------
    rules : pandas.DataFrame
        rule, captured, low, high, difference, distinct: the naive ranking first, then the one by expected value.
    depth, days, level
        Part selected; length of the hold-out; level of the intervals.
    """
    naive, row = rules.iloc[0], rules.iloc[1]
    held = percent(row["captured"]) + between(row["low"], row["high"], percent, level)
    other = f"ranking by {naive['rule']} ({percent(naive['captured'])})"
    if not row["distinct"]:
        against = f"which cannot be told apart from {other}"
    else:
        against = (
            f"{100 * abs(row['difference']):.1f} points {'more' if row['difference'] > 0 else 'less'} than {other}"
        )
    sentence = (
        f"The {percent(depth, 0)} of customers ranked first by {row['rule']} brought in {held} of the revenue of the "
        f"{days} days held out, {against}."
    )
    label = f"Next {days} days' revenue from the best {percent(depth, 0)} by value"
    return Finding("captured_by_value", row["captured"], "share", sentence, row["low"], row["high"], level, label)


def holdout_total(rules: pd.DataFrame, *, model: str, days: int) -> Finding:
    """Purchases of the hold-out against the model's and the best naive rule's total.

    Parameters
    ----------
    rules : pandas.DataFrame
        `holdout_evaluation`.
    model : str
        Name of the model.
    days : int
    """
    first = rules.iloc[0]
    naive = rules.iloc[1 + int(rules["total_error"].iloc[1:].abs().to_numpy().argmin())]
    beaten = (rules["more_error"].iloc[1:] > 0) & (rules["p_value"].iloc[1:] < 0.05)
    error = (
        "every naive rule errs distinctly more customer by customer"
        if beaten.all()
        else f"customer by customer {count((~beaten).sum())} of {len(beaten)} naive rules cannot be shown to do worse"
    )
    sentence = (
        f"Of {count(first['actual'])} purchases in the {days} days held out {model} expected "
        f"{count(first['predicted'])}, {_off(first['total_error'])}; the rule '{naive['rule']}' was "
        f"{_off(naive['total_error'])}, and {error}."
    )
    label = "Error of the purchases foretold for the time held out"
    return Finding("holdout_total_error", first["total_error"], "of the purchases made", sentence, label=label)


def customer_intervals(inside: pd.Series, *, days: int, level: float) -> Finding:
    """How many customers bought as often as their prediction interval says.

    Parameters
    ----------
    inside : pandas.Series of bool
        One a customer.
    days, level
    """
    sentence = (
        f"In the {days} days held out {percent(inside.mean())} of customers bought a number of times inside their own "
        f"{percent(level, 0)} prediction interval{_kept(float(inside.mean()), level)}."
    )
    label = "Customers inside their own prediction interval"
    return Finding("prediction_interval_coverage", inside.mean(), "share", sentence, label=label)


def activity(shares: Mapping[str, float]) -> Finding:
    """Part of the customers who are still active, by each model.

    Parameters
    ----------
    shares : mapping of model to mean probability to be active, the chosen one first
    """
    (name, first), *others = shares.items()
    told = ", ".join(f"{percent(share)} by {other}" for other, share in others)
    gap = max(abs(share - first) for _, share in others) if others else 0.0
    advice = (
        "the models disagree on who has left, so read it as a ranking and never as a count"
        if gap > 0.1
        else "the models agree"
    )
    sentence = f"Still active are {percent(first)} of customers by {name}" + (f", {told}: {advice}." if told else ".")
    return Finding("active_share", first, "share", sentence, label="Customers still active, by the model")


def holdout_revenue(base: pd.Series, actual: float, *, days: int, currency: str, level: float = 0.95) -> Finding:
    """Revenue foretold for the hold-out with its interval, against what came.

    Parameters
    ----------
    base : pandas.Series
        `base_value` of the calibration fit over the hold-out, undiscounted, with margin 1.
    actual : float
    days, currency, level
    """
    ends = between(base["low"], base["high"], lambda x: money(x, currency, 0), level)
    if base["low"] != base["low"]:
        place = "without an interval"
    elif base["low"] <= actual <= base["high"]:
        place = "inside the interval"
    else:
        place = f"{'above' if actual > base['high'] else 'below'} the interval, which knows no season and no trend"
    sentence = (
        f"For the {days} days held out {money(base['value'], currency, 0)}{ends} of revenue were foretold; "
        f"{money(actual, currency, 0)} came, {place}."
    )
    label = f"Revenue foretold for the {days} days held out"
    return _total("holdout_revenue_foretold", base, currency, sentence, level, label=label)


def independence(by_number: pd.DataFrame, correlation: float, *, currency: str, limit: float = 0.3) -> Finding:
    """Whether frequent buyers spend otherwise an order than rare ones.

    Parameters
    ----------
    by_number : pandas.DataFrame
        `order_value_by_frequency`.
    correlation : float
        Of number and mean value of repeat orders, over customers.
    currency : str
    limit : float
        Beyond it the health card warns.
    """
    few, many = by_number.iloc[0], by_number.iloc[-1]
    apart = many["low"] > few["high"] or many["high"] < few["low"]
    strength = (
        f"beyond the {limit:g} that the spend model can bear: value frequent and rare buyers apart"
        if abs(correlation) > limit
        else f"not strictly independent, as the spend model takes them, but far from the {limit:g} at which it misleads"
        if apart
        else "as independent as the spend model takes them, for all that can be told"
    )
    sentence = (
        f"Customers with {few['group']} repeat purchase spend {money(few['order_value'], currency)} an order, those "
        f"with {many['group']} {money(many['order_value'], currency)} (correlation {correlation:+.3f}): {strength}."
    )
    return Finding("spend_frequency_correlation", correlation, "correlation", sentence)


def range_of_choices(scenarios: pd.DataFrame, *, currency: str) -> Finding:
    """Between what the base's value lies over the choices of model, discount and horizon, and which moves it most.

    Parameters
    ----------
    scenarios : pandas.DataFrame
        `value_scenarios`.
    """
    order = scenarios.sort_values("value", kind="stable")
    low, high = order.iloc[0], order.iloc[-1]
    names = {"model": "the model", "yearly_rate": "the discount", "years": "the horizon"}
    spread = {name: _factor(scenarios, name) for name in names}
    most = max(spread, key=lambda name: spread[name])
    rest = ", ".join(f"{names[name]} {spread[name]:.1f}" for name in names if name != most)
    factor = high["value"] / low["value"]
    sentence = (
        f"By the choices tried the base is worth {money(low['value'], currency, 0)} to "
        f"{money(high['value'], currency, 0)}, {factor:.1f} times as much; {names[most]} moves it most, "
        f"by a factor of {spread[most]:.1f} ({rest}): state it with every value."
    )
    return Finding("value_range_factor", factor, "factor", sentence, label="Largest by smallest value of the choices")


def truth_check(base: pd.Series, true: float, *, currency: str, level: float = 0.95) -> Finding:
    """On the simulated firm: the true value of the base and its interval.

    Parameters
    ----------
    base : pandas.Series
        `base_value`.
    true : float
    currency, level
    """
    ends = between(base["low"], base["high"], lambda x: money(x, currency, 0), level)
    held = base["low"] <= true <= base["high"]
    sentence = (
        f"On the simulated firm the base was valued at {money(base['value'], currency, 0)}{ends}; "
        f"its true expected value of {money(true, currency, 0)} lies {'inside' if held else 'outside'}."
    )
    return _total("simulated_value", base, currency, sentence, level)


def health(card: pd.DataFrame) -> Finding:
    """How many checks of the health card pass, and which warn.

    Parameters
    ----------
    card : pandas.DataFrame
        `health_card`.
    """
    warned = card[card["status"] == "warn"]
    told = f"warned: {', '.join(warned['check'])}" if len(warned) else "none warns"
    sentence = f"{len(card) - len(warned)} of {len(card)} checks of the fit pass; {told}."
    return Finding("checks_passed", len(card) - len(warned), "checks", sentence, label="Checks of the fit that pass")


def _total(key: str, base: pd.Series, currency: str, sentence: str, level: float, *, label: str = "") -> Finding:
    """A base's value, with its interval where there is one."""
    return ranged(key, base["value"], currency, sentence, base["low"], base["high"], level, label)


def _factor(scenarios: pd.DataFrame, name: str) -> float:
    """Mean over the other choices of the largest over the smallest value."""
    others = [other for other in ("model", "yearly_rate", "years") if other != name]
    values = scenarios.groupby(others)["value"]
    return float((values.max() / values.min()).mean())


def _off(error: float) -> str:
    return f"{percent(abs(error))} too {'many' if error > 0 else 'few'}"


def _kept(coverage: float, level: float) -> str:
    if coverage >= level:
        return ", at least as many as it promises"
    return ", about as many as it promises" if coverage > level - 0.01 else ", fewer than it promises"
