"""What was found on letting customers go: promised, judged on the next period, and true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, count, percent, ranged, verdict
from crmlib.profitability.conclusions.wording import amount_of, customers_of, ends_of, signed

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.profitability.periods import Persistence
    from crmlib.profitability.poaching import BreakEven


def answer(found: BreakEven, *, customers: int, days: int, currency: str) -> Finding:
    """What letting go those who lost money would have brought in the next period, and what to do.

    Parameters
    ----------
    found : BreakEven
        Chosen on the first period, judged on the second.
    customers : int
        Customers of the first period.
    days : int
        Length of the second.
    currency : str
    """
    key, label = "gain_from_letting_go", "Gain, had those who lost money been let go"
    if not found.fired:
        nobody = "No customer lost money in the first period: there is nobody to let go."
        return Finding(key, 0.0, currency, nobody, label=label)
    who = f"the {customers_of(found.fired)} ({percent(found.fired / customers)}) who lost money in the first period"
    amount = amount_of(abs(found.gain), currency)
    if np.isnan(found.gain_low):
        wording = f"have {'saved' if found.gain > 0 else 'cost'} {amount}; so few customers allow no conclusion"
        return Finding(key, found.gain, currency, f"Letting go {who} would {wording}.", label=label)
    ends = ends_of(found.gain_low, found.gain_high, currency, found.level)
    span = f"in the {days} days after{ends.replace('interval', 'interval of the gain')}"
    higher = "higher" if found.gain > 0 else "lower"
    sentence = verdict(
        found.gain_low,
        found.gain_high,
        above=f"Letting go {who} would have saved {amount} {span}: worth it {_unless(found)}.",
        below=f"Do not let them go: without {who} profit would have been {amount} lower {span}.",
        same=f"Do not count on letting them go: without {who} profit would have been {amount} {higher} {span}, "
        "which cannot be told apart from no difference.",
    )
    return ranged(key, found.gain, currency, sentence, found.gain_low, found.gain_high, found.level, label)


def persistence(found: Persistence, *, currency: str) -> Finding:
    """Of those who lost money and came again, how many lost money again, and what they brought together."""
    key = "negative_again_share"
    if not found.seen:
        return Finding(key, None, "share", "None of those who lost money in the first period ordered in the second.")
    share = percent(found.share) + between(found.low, found.high, percent, found.level)
    sentence = (
        f"Of the {count(found.seen)} who lost money and came again, {share} lost money again; "
        f"jointly they went from {amount_of(found.before, currency)} to {amount_of(found.after, currency)}."
    )
    label = "Lost money again, of those who came again"
    return ranged(key, found.share, "share", sentence, found.low, found.high, found.level, label)


def lowest_group(regression: pd.DataFrame, *, currency: str, level: float = 0.95) -> Finding:
    """What the lowest group of the first period brought in the second.

    Parameters
    ----------
    regression : pandas.DataFrame
        `regression_to_mean`, the lowest group first.
    currency : str
    level : float
        As it was made with.
    """
    row, key = regression.iloc[0], "lowest_group_mean"
    start = (
        f"The lowest of {count(regression['group'].max())} groups, {amount_of(row['before'], currency)} a customer in "
        f"the first period, brought {amount_of(row['after'], currency)} in the next"
        f"{ends_of(row['low'], row['high'], currency, level)}"
    )
    side = verdict(row["low"], row["high"], above="more than it cost", below="less than it cost", same="")
    sentence = f"{start}, {side}." if side else f"{start}, which cannot be told apart from nothing."
    label = "A lowest-group customer in the next period"
    return ranged(key, float(row["after"]), currency, sentence, row["low"], row["high"], level, label)


def allocated(curve: pd.DataFrame, spiral: pd.DataFrame, *, negative: int, currency: str) -> Finding:
    """What profit does when all are let go whose fully loaded margin is negative, believed and true.

    Parameters
    ----------
    curve, spiral : pandas.DataFrame
        `firing_curve` and `death_spiral` of the same margins.
    negative : int
        Customers with a negative fully loaded margin.
    currency : str
    """
    key = "profit_change_fully_loaded"
    start, end = curve.iloc[0], curve.iloc[negative]
    if not negative:
        return Finding(key, 0.0, currency, "No customer has a negative fully loaded margin.")
    believed, true = end["believed_profit"] - start["profit"], end["profit"] - start["profit"]
    rest = spiral["customers"].iloc[-1]
    rounds = len(spiral) - 1
    left = customers_of(rest) if rest else "no customers"
    if not spiral["allocated_cost"].iloc[0] > 0:
        same = f"No cost is allocated: {customers_of(negative)} below zero, however the cost is read."
        return Finding(key, float(true), currency, same)
    end_profit = amount_of(spiral["profit"].iloc[-1], currency)
    look = "looks" if negative == 1 else "look"
    often = "once" if rounds == 1 else f"{count(rounds)} times"
    sentence = (
        f"Allocated cost included, {customers_of(negative)} {look} unprofitable. Letting them go seems to change "
        f"profit by {signed(believed, currency)}, in truth by {signed(true, currency)}, for the allocated cost "
        f"stays; the rule applied {often} leaves a profit of {end_profit} and {left}."
    )
    return Finding(
        key, float(true), currency, sentence, label="Difference in profit without all below zero, fully loaded"
    )


def poaching(found: BreakEven, *, best_share: float) -> Finding:
    """How much of the best customers' margin may be lost before letting go is a mistake."""
    key = "poaching_break_even"
    best = f"the best {percent(best_share, 0)} of customers"
    if not found.fired:
        return Finding(key, None, "share", "Nobody is let go, so that no poaching can make it a mistake.")
    ends = between(found.risk_low, found.risk_high, percent, found.level) if found.risk_high > found.risk_low else ""
    if not found.gain > 0:
        sentence = (
            f"Letting go gains nothing: of the margin of {best}, {percent(found.risk)}{ends} may leave in consequence "
            "before it is a mistake."
        )
    elif found.risk >= 1:
        sentence = f"Even the loss of {percent(found.risk)} of the margin of {best} would not outweigh the gain."
    else:
        sentence = (
            f"Letting go is a mistake once {percent(found.risk)}{ends} of the margin of {best} leaves in consequence."
        )
    label = "Margin of the best that may leave in consequence"
    return ranged(key, found.risk, "share", sentence, found.risk_low, found.risk_high, found.level, label)


def truth(table: pd.DataFrame, *, currency: str, level: float = 0.95) -> Finding:
    """On the simulated firm: the gain promised in sample, judged on the next period, and true.

    Parameters
    ----------
    table : pandas.DataFrame
        As `selection_truth` gives it.
    currency : str
    level : float
        As it was made with.
    """
    promised, judged, true = (float(value) for value in table["gain"].loc[["promised", "judged", "true"]])
    low, high = (float(table[end].loc["judged"]) for end in ("low", "high"))
    inside = low <= true <= high
    sentence = (
        f"On the simulated firm letting go seems to gain {amount_of(promised, currency)} in the period that chose; "
        f"the next period says {amount_of(judged, currency)}{ends_of(low, high, currency, level)}, "
        f"{'and' if inside else 'but'} the truth is {amount_of(true, currency)}, {'inside' if inside else 'outside'} "
        "the interval."
    )
    return ranged("simulated_gain", judged, currency, sentence, low, high, level)


def _unless(found: BreakEven) -> str:
    """Up to which loss of the best a gain is one."""
    if found.risk >= 1:
        return "even if all the best customers left in consequence"
    return f"as long as less than {percent(found.risk)} of the best customers' margin leaves in consequence"
