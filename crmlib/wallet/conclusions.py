"""What the wallet analysis found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, count, fitting, percent, verdict
from crmlib.wallet.purchases import OTHER

if TYPE_CHECKING:
    import pandas as pd


def loyalty_beyond_size(observed: pd.DataFrame, expected: pd.DataFrame, *, brand: str, level: float = 0.95) -> Finding:
    """A brand's share of category requirements against what its market share alone implies.

    Parameters
    ----------
    observed, expected : pandas.DataFrame
        `wallet.brand_measures`, and `DirichletMarket.brand_measures` of the market that
        `models.dirichlet_from_measures` makes of them: it keeps the brands'
        shares, where a fit by maximum likelihood may move them.
    brand : str
    level : float
        Of the observed measures' intervals.
    """
    row = observed[observed["brand"] == brand].iloc[0]
    norm = expected.loc[expected["brand"] == brand, "category_share"].item()
    value, low, high = (row[f"category_share{end}"] for end in ("", "_low", "_high"))
    ends = between(low, high, percent, level)
    sentence = f"Buyers of {brand} give it {percent(value)}{ends} of what they buy of the category"
    if np.isnan(low):
        sentence = f"{sentence}; too few buyers for an interval, a brand of its size should get {percent(norm)}."
        return Finding("share_of_category_requirements", value, "share", sentence)
    side = "as much as" if low <= norm <= high else "more than" if norm < low else "less than"
    sentence = f"{sentence}, {side} the {percent(norm)} that a brand of its size should get."
    return Finding("share_of_category_requirements", value, "share", sentence, low, high, level)


def answer(
    observed: pd.DataFrame, compared: pd.DataFrame, *, brand: str, category: str, level: float = 0.95
) -> Finding:
    """How much of the category a brand's buyers give it, and whether a brand of its size would get as much.

    Parameters
    ----------
    observed : pandas.DataFrame
        `wallet.brand_measures`.
    compared : pandas.DataFrame
        `wallet.against_size` of category_share.
    brand, category : str
    level : float
    """
    key, ours = "category_share_of_buyers", f"{category} purchases that buyers give to {brand}"
    label = fitting(f"Part of their {ours}", "Part of the category's purchases that buyers give us")
    row, size = (table[table["brand"] == brand].iloc[0] for table in (observed, compared))
    value, low, high = (float(row[f"category_share{end}"]) for end in ("", "_low", "_high"))
    ends = between(low, high, percent, level)
    sentence = f"Buyers of brand {brand} give it {percent(value)}{ends} of their {category} purchases"
    expected = f"a brand of its size would get {percent(size['expected'])}"
    if np.isnan(size["low"]):
        few = f"{sentence}; {expected}, but its buyers are too few."
        return Finding(key, value, "share", few, label=label)
    by_chance = f"{percent(size['low'])} to {percent(size['high'])} by chance"
    advice = {
        "as its size": "its loyalty is its size, so win buyers rather than loyalty",
        "more than its size": "it holds its buyers better than its size says, so find out what it does",
        "less than its size": "it holds its buyers worse than its size says, so find out why before winning more",
    }[size["verdict"]]
    sentence = f"{sentence}; {expected} ({by_chance}): {advice}."
    if np.isnan(low):
        return Finding(key, value, "share", sentence, label=label)
    return Finding(key, value, "share", sentence, low, high, level, label)


def jeopardy(observed: pd.DataFrame, compared: pd.DataFrame, *, source: str, key: str) -> Finding:
    """Whether small brands are bought less often too, and how many brands are as their size.

    Parameters
    ----------
    observed : pandas.DataFrame
        `wallet.brand_measures`; the brands that were put together are no brand and left out.
    compared : pandas.DataFrame
        `wallet.against_size` of purchases_per_buyer, of the same brands.
    source : str
    key : str
        Of the finding.
    """
    observed, compared = (table[table["brand"] != OTHER] for table in (observed, compared))
    order = observed.sort_values("penetration")
    small, large = order.iloc[0], order.iloc[-1]
    rank = float(order["penetration"].rank().corr(order["purchases_per_buyer"].rank())) if len(order) > 1 else 0.0
    side = "no clear order of buyers and purchases"
    if abs(rank) >= 0.5:
        side = f"the fewer buyers, the {'fewer' if rank > 0 else 'more'} purchases of each"
    as_size = int((compared["verdict"] == "as its size").sum())
    measured = f"rank correlation {rank:.2f}" if rank == rank else "all alike"
    told = f"{percent(small['penetration'])} of households, {small['purchases_per_buyer']:.2f} times each"
    more = f"{percent(large['penetration'])}, {large['purchases_per_buyer']:.2f} times"
    sentence = (
        f"At {source} the smallest brand, {small['brand']}, is bought by {told}, the largest, {large['brand']}, by "
        f"{more}: {side} ({measured} over {len(order)} brands); {as_size} of {len(compared)} are "
        "bought as often as their size implies."
    )
    label = f"Bought as often as their size says, of {len(compared)}"
    return Finding(key, as_size, "brands", sentence, label=fitting(f"{label} at {source}", label))


def departures(compared: pd.DataFrame, *, source: str, key: str, level: float = 0.95) -> Finding:
    """Which brands get more or less of their buyers' category than their size implies; `compared` of category_share."""
    sides = {side: compared.loc[compared["verdict"] == f"{side} than its size", "brand"] for side in ("more", "less")}
    told = "; ".join(f"{side}: {', '.join(map(str, names))}" for side, names in sides.items() if len(names))
    number = sum(map(len, sides.values()))
    sentence = (
        f"At {source} {number} of {len(compared)} brands get another share of their buyers' requirements than their "
        f"size implies{f' ({told})' if told else ''}, where {(1 - level) * len(compared):.1f} would by chance."
    )
    label = f"Loyalty not explained by size, of {len(compared)}"
    return Finding(key, number, "brands", sentence, label=fitting(f"{label} at {source}", label))


def repeat(table: pd.DataFrame, *, days: int, level: float = 0.95) -> Finding:
    """How the next period went against its prediction; `table` of `wallet.next_period`."""
    brands, row = table.iloc[:-1], table.iloc[-1]
    held = int(((brands["low"] <= brands["expected"]) & (brands["expected"] <= brands["high"])).sum())
    gap, low, high = (float(row[name] - row["expected"]) for name in ("repeat_share", "low", "high"))
    moved = verdict(
        low,
        high,
        above="more came back than in a market that stands still",
        below="fewer came back than in a market that stands still",
        same="this cannot be told apart from a market that stands still",
    )
    sentence = (
        f"Of the brands' buyers in {count(days)} days {percent(row['repeat_share'])}"
        f"{between(row['low'], row['high'], percent, level)} bought theirs again in the next, "
        f"{percent(row['expected'])} were predicted, {100 * gap:+.1f} points: {moved}; {held} of {len(brands)} brands' "
        "intervals hold their prediction."
    )
    label = f"Bought again in {count(days)} days, less what was predicted"
    return Finding("repeat_minus_predicted", gap, "share", sentence, low, high, level, label)


def truth(parameters: pd.DataFrame, compared: pd.DataFrame, *, planted: str) -> Finding:
    """Whether the simulated market's parameters were held, and its loyal brand found.

    Parameters
    ----------
    parameters : pandas.DataFrame
        parameter, low, high, truth.
    compared : pandas.DataFrame
        `wallet.against_size` of the market with the loyal brand.
    planted : str
        That brand.
    """
    held = int(((parameters["low"] <= parameters["truth"]) & (parameters["truth"] <= parameters["high"])).sum())
    verdicts = compared.set_index("brand")["verdict"]
    found = "is found" if verdicts[planted] == "more than its size" else "is not found"
    others = int((verdicts.drop(planted) != "as its size").sum())
    sentence = (
        f"In the simulated market {held} of {len(parameters)} intervals hold the true parameters; a brand made loyal "
        f"by hand {found}, and {others} of the {len(verdicts) - 1} others are called something else than their size."
    )
    return Finding("true_parameters_held", held, "parameters", sentence)
