"""What the wallet analysis found, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.findings import Finding, between, percent

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
