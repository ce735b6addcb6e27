"""What the margin analysis found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.findings import Finding, between, count, money, percent, verdict

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.profitability.losses import Unprofitable
    from crmlib.profitability.migration import Rise
    from crmlib.profitability.periods import Persistence
    from crmlib.profitability.poaching import BreakEven
    from crmlib.profitability.whale import WhalePeak


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
    who = f"the {_customers(found.fired)} ({percent(found.fired / customers)}) who lost money in the first period"
    amount = _money(abs(found.gain), currency)
    if np.isnan(found.gain_low):
        wording = f"have {'saved' if found.gain > 0 else 'cost'} {amount}; so few customers allow no conclusion"
        return Finding(key, found.gain, currency, f"Letting go {who} would {wording}.", label=label)
    ends = _ends(found.gain_low, found.gain_high, currency, found.level)
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
    return _with_interval(key, found.gain, currency, sentence, found.gain_low, found.gain_high, found.level, label)


def unprofitable(found: Unprofitable, *, currency: str) -> Finding:
    """Share of customers below zero, and what they lose together."""
    share = percent(found.share) + between(found.low, found.high, percent, found.level)
    sentence = (
        f"Over the whole time {count(found.customers)} of {count(found.of)} customers, {share}, "
        "cost more than they brought in"
    )
    loss = _money(-found.loss, currency) + _ends(-found.loss_high, -found.loss_low, currency, found.level)
    sentence += f"; together they lost {loss}." if found.customers else "."
    key, label = "unprofitable_share", "Customers who cost more than they bring"
    return _with_interval(key, found.share, "share", sentence, found.low, found.high, found.level, label)


def whale(peak: WhalePeak, *, total: float, currency: str) -> Finding:
    """Where the whale curve is highest."""
    top = f"the best {percent(peak.customer_share)} of customers earn {_money(peak.profit, currency)}"
    if not total > 0:
        return Finding(
            "whale_peak", None, "share", f"Customers as a whole lose money ({_money(total, currency)}): {top}."
        )
    lost = peak.profit - total
    sentence = f"The whale curve peaks at {percent(peak.profit_share)} of the total contribution: {top}, "
    sentence += (
        f"the rest take {_money(lost, currency)} of it away." if lost > 0 else "and nobody takes any of it away."
    )
    label = "Peak of the whale curve, of the total contribution"
    return Finding("whale_peak", peak.profit_share, "share", sentence, label=label)


def why(statement: pd.DataFrame, *, losing: str = "lose", earning: str = "earn") -> Finding:
    """What sets the losing apart: goods, service, size of the order.

    Parameters
    ----------
    statement : pandas.DataFrame
        `income_statement` with the two groups as columns.
    """
    key = "margin_rate_difference"
    if losing not in statement or earning not in statement:
        return Finding(key, None, "share", "All customers are on one side of zero: there are no groups to compare.")
    rates = {}
    for group in (losing, earning):
        column = statement[group]
        if not column["revenue"] > 0:
            return Finding(key, None, "share", "One group of customers has no revenue: rates cannot be compared.")
        served = column["gross_margin"] - column["contribution"]
        rates[group] = (column["gross_margin"] / column["revenue"], served / column["revenue"])
    (low, low_served), (high, high_served) = rates[losing], rates[earning]
    gross, served_gap = high - low, low_served - high_served
    reason = "how they are served, more than what they buy, sets them apart; order size and handling are the lever"
    if gross > served_gap:
        reason = "what they buy, more than how they are served, sets them apart; price and promotion are the lever"
    sentence = (
        f"Of 100 of revenue, customers who lose money leave {100 * low:.1f} after the goods and take "
        f"{100 * low_served:.1f} of avoidable service; the others leave {100 * high:.1f} and take "
        f"{100 * high_served:.1f}: {reason}."
    )
    return Finding(key, gross, "share", sentence)


def persistence(found: Persistence, *, currency: str) -> Finding:
    """Of those who lost money and came again, how many lost money again, and what they brought together."""
    key = "negative_again_share"
    if not found.seen:
        return Finding(key, None, "share", "None of those who lost money in the first period ordered in the second.")
    share = percent(found.share) + between(found.low, found.high, percent, found.level)
    sentence = (
        f"Of the {count(found.seen)} who lost money and came again, {share} lost money again; "
        f"jointly they went from {_money(found.before, currency)} to {_money(found.after, currency)}."
    )
    label = "Lost money again, of those who came again"
    return _with_interval(key, found.share, "share", sentence, found.low, found.high, found.level, label)


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
        f"The lowest of {count(regression['group'].max())} groups, {_money(row['before'], currency)} a customer in "
        f"the first period, brought {_money(row['after'], currency)} in the next"
        f"{_ends(row['low'], row['high'], currency, level)}"
    )
    side = verdict(row["low"], row["high"], above="more than it cost", below="less than it cost", same="")
    sentence = f"{start}, {side}." if side else f"{start}, which cannot be told apart from nothing."
    label = "A lowest-group customer in the next period"
    return _with_interval(key, float(row["after"]), currency, sentence, row["low"], row["high"], level, label)


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
    left = _customers(rest) if rest else "no customers"
    if not spiral["allocated_cost"].iloc[0] > 0:
        same = f"No cost is allocated: {_customers(negative)} below zero, however the cost is read."
        return Finding(key, float(true), currency, same)
    end_profit = _money(spiral["profit"].iloc[-1], currency)
    look = "looks" if negative == 1 else "look"
    often = "once" if rounds == 1 else f"{count(rounds)} times"
    sentence = (
        f"Allocated cost included, {_customers(negative)} {look} unprofitable. Letting them go seems to change "
        f"profit by {_signed(believed, currency)}, in truth by {_signed(true, currency)}, for the allocated cost "
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
    return _with_interval(key, found.risk, "share", sentence, found.risk_low, found.risk_high, found.level, label)


def potential(found: Rise, *, lowest: str, highest: str, currency: str) -> Finding:
    """How many of the lowest became high-value, and what the lowest as a whole brought."""
    key = "risen_share"
    if not found.customers:
        return Finding(key, None, "share", "No customers are in the lowest group.")
    share = percent(found.share, 1) + between(found.low, found.high, percent, found.level)
    others = "" if np.isnan(found.others_share) else f"against {percent(found.others_share)} of the others; "
    sentence = (
        f"Of the {lowest} of customers {share} were among the {highest} a period later, {others}these "
        f"{count(found.risen)} brought {_money(found.margin, currency)}, the whole group "
        f"{_money(found.group_margin, currency)}."
    )
    return _with_interval(key, found.share, "share", sentence, found.low, found.high, found.level)


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
        f"On the simulated firm letting go seems to gain {_money(promised, currency)} in the period that chose; "
        f"the next period says {_money(judged, currency)}{_ends(low, high, currency, level)}, "
        f"{'and' if inside else 'but'} the truth is {_money(true, currency)}, {'inside' if inside else 'outside'} "
        "the interval."
    )
    return _with_interval("simulated_gain", judged, currency, sentence, low, high, level)


def _with_interval(
    key: str, value: float, unit: str, sentence: str, low: float, high: float, level: float, label: str = ""
) -> Finding:
    """Finding with its interval where it has one."""
    value_: Any = None if np.isnan(value) else value
    if np.isnan(low) or np.isnan(high) or value_ is None:
        return Finding(key, value_, unit, sentence, label=label)
    return Finding(key, value_, unit, sentence, low, high, level, label)


def _unless(found: BreakEven) -> str:
    """Up to which loss of the best a gain is one."""
    if found.risk >= 1:
        return "even if all the best customers left in consequence"
    return f"as long as less than {percent(found.risk)} of the best customers' margin leaves in consequence"


def _customers(number: float) -> str:
    return "1 customer" if number == 1 else f"{count(number)} customers"


def _money(value: float, currency: str) -> str:
    """Amount, without cents from 1,000 on."""
    digits = 0 if abs(value) >= 1_000 else 2
    return money(round(value, digits) + 0.0, currency, digits)  # + 0.0 turns -0.00 into 0.00


def _ends(low: float, high: float, currency: str, level: float) -> str:
    """Interval of an amount in brackets."""
    return between(low, high, lambda amount: _money(amount, currency), level)


def _signed(value: float, currency: str) -> str:
    """Amount of a change with its sign."""
    return _money(abs(value), currency).replace(f"{currency} ", f"{currency} {'+' if value >= 0 else '-'}", 1)
