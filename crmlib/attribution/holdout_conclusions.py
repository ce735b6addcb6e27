"""What hold-outs found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, count, fitting, money

if TYPE_CHECKING:
    import pandas as pd


def holdout(
    effect: pd.Series, claim: pd.Series, *, cost: float, worth: float, currency: str, level: float = 0.95
) -> Finding:
    """What an experiment says about one channel, beside the customers that a rule claims for it.

    Parameters
    ----------
    effect : pandas.Series
        As `holdout_effect` gives it.
    claim : pandas.Series
        rule, channel, credit: a row of `rule_bias`, the channel being the one that was held out.
    cost : float
        What the channel cost.
    worth, currency
        What a newly won customer is worth.
    level : float
        Level of the effect's interval.
    """
    adds = count(effect["increment"]) + between(effect["low"], effect["high"], count, level)
    needed = cost / worth
    would_pay = f"the {count(needed)} that would pay for it at {money(worth, currency)} each"
    if effect["high"] < needed:
        money_says = f"fewer than {would_pay}"
    elif effect["low"] > needed:
        money_says = f"more than {would_pay}"
    else:
        money_says = f"which leaves open whether they are {would_pay}"
    if claim["credit"] > effect["high"]:
        verb = "refutes"
    elif claim["credit"] < effect["low"]:
        verb = "exceeds"
    else:
        verb = "agrees with"
    sentence = (
        f"Held out from half of the prospects by lot, {claim['channel']} is found to add {adds} customers, "
        f"{money_says}; that {verb} the {count(claim['credit'])} that {claim['rule']} credits it with. "
        f"So large a test finds {count(effect['detectable'])} added customers in 80 % of draws."
    )
    label = fitting(f"Customers that {claim['channel']} adds, by hold-out")
    value, low, high = effect[["increment", "low", "high"]]
    return Finding("holdout_increment", value, "customers", sentence, low, high, level, label)


def regional_holdout(effect: pd.Series, single: pd.Series, claim: pd.Series, *, level: float = 0.95) -> Finding:
    """What a hold-out of whole regions says, beside the rule and the hold-out of prospects.

    Parameters
    ----------
    effect : pandas.Series
        As `regional_holdout_effect` gives it.
    single : pandas.Series
        As `holdout_effect` gives it, for the same channel.
    claim : pandas.Series
        rule, channel, credit: a row of `rule_bias`.
    level : float
        Level of the intervals.
    """
    regions = count(effect["regions_with"] + effect["regions_without"])
    start = f"Held out from {count(effect['regions_without'])} of {regions} regions instead, {claim['channel']}"
    if not np.isfinite([effect["low"], effect["high"]]).all():
        sentence = (
            f"{start} is found to add {count(effect['increment'])} customers, of so few regions without an interval."
        )
        return Finding("regional_holdout_increment", effect["increment"], "customers", sentence)
    adds = count(effect["increment"]) + between(effect["low"], effect["high"], count, level)
    verb = "refutes" if claim["credit"] > effect["high"] else "exceeds" if claim["credit"] < effect["low"] else "allows"
    wider = (effect["high"] - effect["low"]) / (single["high"] - single["low"])
    size = f"{wider:.1f} times as wide as" if wider >= 1.05 else "about as wide as" if wider > 0.95 else "narrower than"
    sentence = (
        f"{start} is found to add {adds} customers, which {verb} the {count(claim['credit'])} of {claim['rule']}: the "
        f"interval is {size} that of prospects taken one by one, for regions differ and are few."
    )
    label = fitting(f"Customers that {claim['channel']} adds, by regional hold-out")
    value, low, high = effect[["increment", "low", "high"]]
    return Finding("regional_holdout_increment", value, "customers", sentence, low, high, level, label)
