"""What to do, in sentences whose direction comes from the numbers: levers, options, needs, rivals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, count, fitting, percent, ranged, verdict
from crmlib.profitability.conclusions.wording import amount_of, customers_of, ends_of
from crmlib.profitability.levers import Lever

if TYPE_CHECKING:
    import pandas as pd


def best_lever(levers: Sequence[Lever], *, days: int, currency: str) -> Finding:
    """Which measure would have brought most, how sure that is, and when it stops to pay.

    Parameters
    ----------
    levers : sequence of Lever
    days : int
        Length of the period that judges.
    currency : str
    """
    key = "best_lever_gain"
    found = max(levers, key=lambda one: one.gain)
    touched = [one for one in levers if one.customers]
    if not touched or not found.gain > 0:
        nothing = "None of the measures would have gained anything."
        said = nothing if touched else "No measure touches any customer."
        return Finding(key, 0.0, currency, said, label="Highest gain of a measure")
    sure = sum(one.low > 0 for one in touched)
    amount = f"{amount_of(found.gain, currency)}{ends_of(found.low, found.high, currency, found.level)}"
    assumed = "" if found.break_even != found.break_even else f", assumed that {percent(found.leaving)} of them leave"
    sentence = f"Of {count(len(touched))} measures \u201c{found.name}\u201d would have brought most: {amount} "
    sentence += f"in {count(days)} days from {customers_of(found.customers)}{assumed}"
    if found.break_even == found.break_even:
        ends = between(found.break_even_low, found.break_even_high, percent, found.level)
        limit = "even if all leave" if found.break_even >= 1 else f"until {percent(found.break_even)}{ends} leave"
        sentence += f"; it pays {limit}"
    best = f"{count(found.best_touched)} of the best customers" if found.best_touched else "none of the best"
    above = "interval of 1 measure lies" if sure == 1 else f"intervals of {count(sure)} measures lie"
    sentence += f", and touches {best}. The {above} above zero."
    label = fitting(f"Highest gain, by \u201c{found.name}\u201d", "Highest gain of a measure")
    return ranged(key, found.gain, currency, sentence, found.low, found.high, found.level, label)


def option(table: pd.DataFrame, *, periods: int, currency: str, level: float = 0.95) -> Finding:
    """What a customer of the lowest group may still bring.

    Parameters
    ----------
    table : pandas.DataFrame
        As `option_value` gives it.
    periods : int
        Periods ahead.
    currency : str
    level : float
        As it was made with.
    """
    key = "lowest_group_option"
    if not len(table):
        return Finding(key, None, currency, "There are no customers whose later contribution could be expected.")
    row = table.iloc[0]
    each = f"{amount_of(row['kept'], currency)}{ends_of(row['low'], row['high'], currency, level)}"
    gives, saves = "; letting them go gives that up", "; letting them go saves that"
    if np.isnan(row["low"]):
        side = gives if row["kept"] > 0 else saves
    else:
        same = ", which cannot be told apart from nothing"
        side = verdict(row["low"], row["high"], above=gives, below=saves, same=same)
    sentence = f"Over {count(periods)} more periods a customer of the lowest group is expected to bring {each}{side}"
    if row["option"] > row["kept"] + 1e-9:
        sentence += f". With the right to let go later it is {amount_of(row['option'], currency)}"
    label = f"A lowest-group customer over {count(periods)} more periods"
    return ranged(key, float(row["kept"]), currency, sentence + ".", row["low"], row["high"], level, label)


def needs(matrix: pd.DataFrame, *, lowest: str, highest: str, level: float = 0.95) -> Finding:
    """What two tiers stand out by most often, and whether their needs differ (chi-squared test of independence).

    Parameters
    ----------
    matrix : pandas.DataFrame
        As `value_needs_matrix` gives it.
    lowest, highest : str
        Names of two tiers.
    level : float
        One minus the level of the test.
    """
    from scipy.stats import chi2_contingency

    key = "lowest_tier_need_share"
    rows = [matrix[matrix["value"] == tier].nlargest(1, "share") for tier in (lowest, highest)]
    if any(row.empty for row in rows):
        return Finding(key, None, "share", "The customers are too few to compare what they need.")
    wants, shares = ([str(row["need"].iloc[0]) for row in rows], [float(row["share"].iloc[0]) for row in rows])
    both = matrix[matrix["value"].isin([lowest, highest])]
    counts = both.pivot_table(index="value", columns="need", values="customers", fill_value=0, aggfunc="sum")
    differ = counts.shape[1] > 1 and chi2_contingency(counts.to_numpy()).pvalue < 1 - level
    start = (
        "What they need differs with their value" if differ else "What they need cannot be told apart by their value"
    )
    told = [
        f"of the {tier} {percent(share)} stand out by \u201c{want}\u201d"
        for tier, share, want in zip((lowest, highest), shares, wants, strict=True)
    ]
    label = fitting(f"Main need of the {lowest}: {wants[0]}", "Main need of the lowest tier")
    return Finding(key, shares[0], "share", f"{start}: {', '.join(told)}.", label=label)


def shield(table: pd.DataFrame, *, share: float, currency: str) -> Finding:
    """At the simulated firm: what a rival costs whoever keeps only the best.

    Parameters
    ----------
    table : pandas.DataFrame
        As `poaching_simulation` gives it, of all and of fewer kept.
    share : float
        The share kept, one of the table's.
    currency : str
    """
    kept = table["kept_share"].to_numpy()
    places = (kept.argmax(), np.abs(kept - share).argmin(), table["profit"].to_numpy().argmax())
    every, few, best = (table.iloc[int(place)] for place in places)
    sentence = (
        f"On the simulated firm a rival takes {percent(every['best_lost'])} of the margin while all are kept, but "
        f"{percent(few['best_lost'])} when only the best {percent(few['kept_share'], 0)} are; profit is highest with "
        f"{percent(best['kept_share'], 0)} kept, {amount_of(best['profit'], currency)}."
    )
    if not few["best_lost"] > every["best_lost"]:
        sentence = "On the simulated firm a rival takes no more of the best when only they are kept."
    return Finding("simulated_best_lost", float(few["best_lost"]), "share", sentence)
