"""What a panel shows of each brand, with intervals over households."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import DataError
from crmlib.intervals import FEWEST, bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

#: What is measured of each brand.
MEASURES = (
    "market_share",
    "penetration",
    "purchases_per_buyer",
    "category_purchases_per_buyer",
    "category_share",
    "sole_share",
    "sole_purchases",
)


def brand_measures(
    matrix: pd.DataFrame, *, level: float = 0.95, replicates: int = 500, rng: np.random.Generator
) -> pd.DataFrame:
    """Array: size and loyalty of each brand, as `DirichletMarket.brand_measures` predicts them.

    Parameters
    ----------
    matrix : pandas.DataFrame
        Purchases by household and brand (`brand_matrix`); shares of households are of its rows.
    level, replicates, rng
        Of the bootstrap over households.

    Returns
    -------
    pandas.DataFrame, one row a brand
        brand, buyers, market_share (of purchases), penetration, purchases_per_buyer, category_purchases_per_buyer,
        category_share (share of category requirements: of all that its buyers buy), sole_share (of its buyers, who
        buy no other brand), sole_purchases (of each of these; NaN where there are none), and each with `_low` and
        `_high` (NaN with fewer than 30 buyers).

    Raises
    ------
    DataError
        No purchases.
    """
    import pandas as pd

    x = matrix.to_numpy(dtype=float)
    if not x.sum() > 0:
        raise DataError("there are no purchases; check the category's name and the days")
    k, buys = x.shape[1], x > 0
    measures = weighted_measures(x)
    value = measures(np.ones((len(x), 1)))[:, 0]
    none = np.isnan(value)  # purchases of loyal buyers where there are none

    def known(weights: np.ndarray) -> np.ndarray:
        return np.where(none[:, None], 0.0, measures(weights))

    low, high = bootstrap_interval(known, len(x), level=level, replicates=replicates, rng=rng)
    low[none], high[none] = np.nan, np.nan
    buyers = buys.sum(axis=0)
    table = pd.DataFrame({"brand": list(matrix.columns), "buyers": buyers.astype(int)})
    few = buyers < FEWEST
    for number, name in enumerate(MEASURES):
        own = slice(number * k, (number + 1) * k)
        table[name] = value[own]
        table[f"{name}_low"], table[f"{name}_high"] = np.where(few, np.nan, low[own]), np.where(few, np.nan, high[own])
    return table


def weighted_measures(x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Array: the `MEASURES` of purchases by household and brand as a function of the households' weights.

    It takes weights of shape (households, b) and gives the measures one below the other, each with a row a
    brand, shape (measures times brands, b).
    """
    total, k = x.sum(axis=1), x.shape[1]
    buys = (x > 0).astype(float)
    only = buys * (x == total[:, None])
    parts = np.concatenate([x, buys, buys * total[:, None], only, only * x], axis=1)

    def measures(weights: np.ndarray) -> np.ndarray:
        bought, buyers, category, sole, sole_bought = (parts.T @ weights).reshape(5, k, -1)
        with np.errstate(invalid="ignore", divide="ignore"):  # a brand or its loyal buyers may be missing
            values = (
                bought / bought.sum(axis=0),
                buyers / weights.sum(axis=0),
                bought / buyers,
                category / buyers,
                bought / category,
                sole / buyers,
                sole_bought / sole,
            )
        return np.concatenate(values)

    return measures


def double_jeopardy(measures: pd.DataFrame) -> pd.DataFrame:
    r"""Array: purchases per buyer that each brand's penetration implies, by the double jeopardy line.

    :math:`w (1 - b) = w_0` for all brands, the constant being their mean weighted by buyers: the fewer buy a
    brand, the less often do they buy it.

    Parameters
    ----------
    measures : pandas.DataFrame
        brand, penetration (0-1), purchases_per_buyer.

    Returns
    -------
    pandas.DataFrame
        brand, penetration, purchases_per_buyer, expected (w0 / (1 - b)), excess (purchases_per_buyer / expected
        - 1). NaN for a brand that everybody buys.

    References
    ----------
    Ehrenberg, Goodhardt & Barwise (1990), equation 1.
    """
    b, w = (measures[name].to_numpy(dtype=float) for name in ("penetration", "purchases_per_buyer"))
    if not len(b) or not (np.all(b > 0) and np.all(b <= 1) and np.all(w >= 1)):
        raise DataError("penetration must be above 0 and at most 1, purchases per buyer at least 1, for every brand")
    constant = np.average(w * (1 - b), weights=b)
    expected = np.where(b < 1, constant / np.where(b < 1, 1 - b, 1), np.nan)
    table = measures[["brand", "penetration", "purchases_per_buyer"]].reset_index(drop=True)
    return table.assign(expected=expected, excess=w / expected - 1)


def repeat_shares(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Array: of each brand's buyers in one period, the share that buys it again in the next.

    Parameters
    ----------
    first, second : pandas.DataFrame
        `brand_matrix` of two periods, best of equal length, the second with the first's `brands`; a household or
        brand that is missing from the second bought nothing in it.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a brand of the first period
        brand, buyers, again (of them), repeat_share, low, high (Wilson; NaN without buyers).
    """
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    from crmlib.intervals import require_level

    require_level(level)
    later = second.reindex(index=first.index, columns=first.columns, fill_value=0)
    buyers = (first > 0).sum().to_numpy()
    again = ((first > 0) & (later > 0)).sum().to_numpy()
    some = buyers > 0
    low, high = np.full(len(buyers), np.nan), np.full(len(buyers), np.nan)
    low[some], high[some] = proportion_confint(again[some], buyers[some], alpha=1 - level, method="wilson")
    share = np.where(some, again / np.where(some, buyers, 1), np.nan)
    table = {"brand": list(first.columns), "buyers": buyers, "again": again, "repeat_share": share}
    return pd.DataFrame({**table, "low": low, "high": high})
