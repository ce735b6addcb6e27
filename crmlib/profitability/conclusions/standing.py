"""What was found on the customers as they stand: who costs more than they bring, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, count, percent, ranged
from crmlib.profitability.conclusions.wording import amount_of, ends_of

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.profitability.losses import Unprofitable
    from crmlib.profitability.migration import Rise
    from crmlib.profitability.whale import WhalePeak


def unprofitable(found: Unprofitable, *, currency: str) -> Finding:
    """Share of customers below zero, and what they lose together."""
    share = percent(found.share) + between(found.low, found.high, percent, found.level)
    sentence = (
        f"Over the whole time {count(found.customers)} of {count(found.of)} customers, {share}, "
        "cost more than they brought in"
    )
    loss = amount_of(-found.loss, currency) + ends_of(-found.loss_high, -found.loss_low, currency, found.level)
    sentence += f"; together they lost {loss}." if found.customers else "."
    key, label = "unprofitable_share", "Customers who cost more than they bring"
    return ranged(key, found.share, "share", sentence, found.low, found.high, found.level, label)


def whale(peak: WhalePeak, *, total: float, currency: str) -> Finding:
    """Where the whale curve is highest."""
    top = f"the best {percent(peak.customer_share)} of customers earn {amount_of(peak.profit, currency)}"
    if not total > 0:
        return Finding(
            "whale_peak", None, "share", f"Customers as a whole lose money ({amount_of(total, currency)}): {top}."
        )
    lost = peak.profit - total
    sentence = f"The whale curve peaks at {percent(peak.profit_share)} of the total contribution: {top}, "
    sentence += (
        f"the rest take {amount_of(lost, currency)} of it away." if lost > 0 else "and nobody takes any of it away."
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


def potential(found: Rise, *, lowest: str, highest: str, currency: str) -> Finding:
    """How many of the lowest became high-value, and what the lowest as a whole brought."""
    key = "risen_share"
    if not found.customers:
        return Finding(key, None, "share", "No customers are in the lowest group.")
    share = percent(found.share, 1) + between(found.low, found.high, percent, found.level)
    others = "" if np.isnan(found.others_share) else f"against {percent(found.others_share)} of the others; "
    sentence = (
        f"Of the {lowest} of customers {share} were among the {highest} a period later, {others}these "
        f"{count(found.risen)} brought {amount_of(found.margin, currency)}, the whole group "
        f"{amount_of(found.group_margin, currency)}."
    )
    return ranged(key, found.share, "share", sentence, found.low, found.high, found.level)
