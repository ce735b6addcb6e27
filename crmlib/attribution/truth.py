"""Credit against the truth: what a channel really added, as a simulated firm knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.attribution.money import customers_lost, priced
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

#: How the truth is labelled beside the rules.
TRUTH = "the truth"


def true_acquisition_costs(
    increments: pd.DataFrame, *, journeys: int, worth: float, level: float = 0.95
) -> pd.DataFrame:
    """Array: cost per customer that a channel really adds, and whether it earns its budget.

    The number added is a count among so many journeys; its interval (Wilson) is for the number to be
    expected in a firm of that size, of which this one is a draw.

    Parameters
    ----------
    increments : pandas.DataFrame
        channel, cost, increment (customers that would not have come without it).
    journeys : int
        All journeys of the firm.
    worth : float
        What a newly won customer is worth, in the currency of the costs, above 0.
    level : float

    Returns
    -------
    pandas.DataFrame
        As `acquisition_costs`, with the customers really added.
    """
    from statsmodels.stats.proportion import proportion_confint

    require_level(level)
    count = increments["increment"].to_numpy(dtype=float)
    ends = proportion_confint(count, float(journeys), alpha=1 - level, method="wilson")
    low, high = (journeys * np.asarray(end) for end in ends)
    return priced(increments.assign(low=np.where(count > 0, low, 0.0), high=high), "increment", worth=worth)


def rule_bias(credits: pd.DataFrame, increments: pd.DataFrame) -> pd.DataFrame:
    """Array: credit minus truth by rule and channel, in customers and in shares.

    Credits sum to all conversions, increments need not: there is demand that no channel made, and
    channels need each other. Levels and shares are therefore both compared.

    Parameters
    ----------
    credits : pandas.DataFrame
        rule, channel, conversions, share, as `credits_by_rule` gives them.
    increments : pandas.DataFrame
        channel, increment.

    Returns
    -------
    pandas.DataFrame, one row a rule and channel
        rule, channel, credit, increment, bias (credit - increment, customers), share, true_share (of
        the sum of increments), share_bias.
    """
    added = increments.set_index("channel")["increment"].astype(float)
    table = credits[["rule", "channel"]].assign(credit=credits["conversions"])
    table["increment"] = credits["channel"].map(added).fillna(0.0)
    table["bias"] = table["credit"] - table["increment"]
    table["share"] = credits["share"]
    total = added.sum()
    table["true_share"] = table["increment"] / total if total else np.nan
    return table.assign(share_bias=table["share"] - table["true_share"])


def misplaced_budget(credits: pd.DataFrame, increments: pd.DataFrame, *, cut: float, worth: float) -> pd.DataFrame:
    """Array: rules ranked by the profit that is lost when the budget is cut as they say.

    Parameters
    ----------
    credits : pandas.DataFrame
        rule, channel, conversions, share.
    increments : pandas.DataFrame
        channel, cost, increment.
    cut : float
        Part of the budget to save, 0 to 1: channels go in the order of their cost per credited
        customer, the dearest first, as `customers_lost` says.
    worth : float
        What a newly won customer is worth.

    Returns
    -------
    pandas.DataFrame, one row a rule and one for the truth, the least loss first
        rule, misplaced_share (half the sum of |share - true share|, 0-1), customers_lost,
        lost_profit (worth of the customers lost beyond those of the cut by the truth).
    """
    import pandas as pd

    bias = rule_bias(credits, increments)
    named = {str(rule): _by_channel(rows, "credit") for rule, rows in bias.groupby("rule", sort=False)}
    added, costs = _by_channel(increments, "increment"), _by_channel(increments, "cost")
    lost = customers_lost({TRUTH: added, **named}, costs, added, cut=cut)
    misplaced = bias.assign(gap=bias["share_bias"].abs() / 2).groupby("rule")["gap"].sum()
    table = pd.DataFrame({"rule": list(lost), "customers_lost": list(lost.values())})
    table.insert(1, "misplaced_share", table["rule"].map(misplaced).fillna(0.0))
    table["lost_profit"] = worth * (table["customers_lost"] - lost[TRUTH])
    return table.sort_values("customers_lost", kind="stable", ignore_index=True)


def _by_channel(table: pd.DataFrame, column: str) -> dict[str, float]:
    return {str(name): float(x) for name, x in zip(table["channel"], table[column], strict=True)}
