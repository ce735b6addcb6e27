"""What a panel of a given size would show if nothing but the brands' size mattered: NBD-Dirichlet, with chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas, wrap
from crmlib.intervals import require_level
from crmlib.wallet.measures import MEASURES, weighted_measures

if TYPE_CHECKING:
    import pandas as pd


class Market(Protocol):
    """What is used of `models.DirichletMarket`."""

    M: float
    K: float
    S: float
    shares: pd.Series

    def category_penetration(self, periods: float = 1.0) -> float:
        """Share of households that buy the category."""

    def brand_measures(self, periods: float = 1.0) -> pd.DataFrame:
        """What each brand should show."""


def simulated_purchases(
    market: Market, households: int, *, buyers_only: bool = False, rng: np.random.Generator
) -> pd.DataFrame:
    """Array: purchases of each household (rows) of each brand (columns) in a Dirichlet market; simulated.

    Parameters
    ----------
    market : models.DirichletMarket
        Its shares add up to 1.
    households : int
        Number of households, at least 1.
    buyers_only : bool
        Whether only households with a category purchase are drawn.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        As `brand_matrix` gives it.

    Raises
    ------
    ParameterError
    """
    import pandas as pd
    from scipy.stats import nbinom

    if households < 1 or not abs(market.shares.sum() - 1) < 1e-6:
        raise ParameterError(f"households is {households}, shares add up to {market.shares.sum():.3f}; give 1+ and 1")
    law = nbinom(market.K, market.K / (market.K + market.M))
    luck = rng.random(households)
    if buyers_only:  # the tail beyond 0, stable where hardly anybody buys
        numbers = np.arange(1, int(law.isf(1e-12 * law.sf(0))) + 1)
        chance = law.pmf(numbers) / law.sf(0)
        count = numbers[np.minimum(np.searchsorted(chance.cumsum(), luck), len(numbers) - 1)]
    else:
        count = law.ppf(luck).astype(np.int64)
    taste = rng.standard_gamma(market.S * market.shares.to_numpy(dtype=float), (households, len(market.shares)))
    taste = np.maximum(taste, 1e-300)
    bought = rng.multinomial(count, taste / taste.sum(axis=1, keepdims=True))
    return pd.DataFrame(bought, columns=pd.Index(market.shares.index, name="brand"))


def predicted_measures(
    market: Market,
    households: int,
    *,
    buyers_only: bool = False,
    level: float = 0.95,
    replicates: int = 200,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: what each brand should show, and between what a panel of so many households would show it by chance.

    Parameters
    ----------
    market : models.DirichletMarket
        Its shares add up to 1.
    households : int
        Households of the panel.
    buyers_only : bool
        Whether the panel holds only buyers of the category; then penetration is among them.
    level, replicates, rng
        Part of the simulated panels that lie between low and high; how many are simulated, at least 1.

    Returns
    -------
    pandas.DataFrame, one row a brand
        brand, and each of `MEASURES` with `_low` and `_high`: an interval of prediction, at the parameters given. NaN
        where the brand's buyers are missing from more than a twentieth of the panels.

    Raises
    ------
    ParameterError
    """
    import pandas as pd

    require_level(level)
    if replicates < 1:
        raise ParameterError(f"replicates is {replicates}; give at least 1, better 200")
    expected = market.brand_measures()
    if buyers_only:
        expected["penetration"] /= market.category_penetration()
    one, drawn = np.ones((households, 1)), []
    for _ in range(replicates):
        made = simulated_purchases(market, households, buyers_only=buyers_only, rng=rng)
        drawn.append(weighted_measures(made.to_numpy(dtype=float))(one))
    panels = np.concatenate(drawn, axis=1).reshape(len(MEASURES), len(expected), -1)
    missing = np.isnan(panels).mean(axis=2) > 0.05
    panels[missing] = 0.0
    ends = np.nanquantile(panels, [(1 - level) / 2, (1 + level) / 2], axis=2)
    ends[:, missing] = np.nan
    table = pd.DataFrame({"brand": expected["brand"]})
    for number, name in enumerate(MEASURES):
        table[name] = expected[name].to_numpy()
        table[f"{name}_low"], table[f"{name}_high"] = ends[:, number]
    return table


def against_size(observed: pd.DataFrame, predicted: pd.DataFrame, *, measure: str) -> pd.DataFrame:
    """Array: one measure of each brand beside what its size implies.

    Parameters
    ----------
    observed, predicted : pandas.DataFrame
        `brand_measures` and `predicted_measures` of the same brands.
    measure : str
        One of `MEASURES`.

    Returns
    -------
    pandas.DataFrame, one row a brand
        brand, observed, expected, low, high (prediction), verdict ("as its size", "more than its size", "less than its
        size", "too few buyers").

    Raises
    ------
    ParameterError, DataError
    """
    if measure not in MEASURES:
        raise ParameterError(f"measure is {measure!r}; use one of {', '.join(MEASURES)}")
    seen = to_pandas(wrap(observed, ("brand", measure), table="observed").to_native())
    ends = ["brand", measure, f"{measure}_low", f"{measure}_high"]
    made = to_pandas(wrap(predicted, ends, table="predicted").to_native())
    seen = seen[["brand", measure]].set_axis(["brand", "observed"], axis=1)
    made = made[ends].set_axis(["brand", "expected", "low", "high"], axis=1)
    both = seen.merge(made, on="brand", how="left")
    if both["expected"].isna().any():
        raise DataError("a brand has no prediction; give the same brands in both")
    side = np.where(both["observed"] > both["high"], "more than its size", "as its size")
    side = np.where(both["observed"] < both["low"], "less than its size", side)
    return both.assign(verdict=np.where(both["low"].isna(), "too few buyers", side))


def loyal_brand(purchases: pd.DataFrame, *, brand: str, share: float, rng: np.random.Generator) -> pd.DataFrame:
    """Array: the same panel in which part of a brand's buyers buy nothing else; simulated.

    Parameters
    ----------
    purchases : pandas.DataFrame
        As `simulated_purchases` gives it.
    brand : str
        One of its columns.
    share : float
        Part (0-1) of the brand's buyers whose category purchases all become its own.
    rng : numpy.random.Generator

    Raises
    ------
    ParameterError
    """
    if brand not in purchases.columns or not 0 <= share <= 1:
        raise ParameterError(f"brand is {brand!r}, share {share}; give one of {list(purchases.columns)} and 0 to 1")
    loyal = (purchases[brand] > 0) & (rng.random(len(purchases)) < share)
    made, total = purchases.copy(), purchases.sum(axis=1)
    made.loc[loyal] = 0
    made.loc[loyal, brand] = total[loyal]
    return made
