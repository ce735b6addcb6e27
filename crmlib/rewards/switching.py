r"""Lock-in and switching: why a customer buys the same brand again.

Whoever buys a brand again may do so because it is large, because it is theirs, or because the last
purchase pulls the next one after it. The three are told apart by two comparisons: with the share of the
brand, and with each customer's own purchases in random order. A customer with :math:`n` purchases, of which
:math:`n_b` are of brand b, makes on average :math:`n_b (n_b - 1) / n` of the :math:`n_b (n - 1) / n` steps that
leave b go back to it if order does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, to_pandas, wrap
from crmlib.intervals import FEWEST, bootstrap_interval, require_level

if TYPE_CHECKING:
    import datetime

    import pandas as pd


def brand_purchases(
    orders: Any,
    order_lines: Any,
    products: Any,
    *,
    category: str,
    brand: str = "brand",
    most: int = 5,
    as_of: str | datetime.date | None = None,
) -> pd.DataFrame:
    """Array: which brand each customer bought at each purchase of one category, in order.

    Parameters
    ----------
    orders, order_lines, products : any frames
        customer_id, order_id, ordered_at; order_id, product_id, amount (a line with a negative one is a return and no
        purchase); product_id, category and the column `brand`.
    category : str
        The category.
    brand : str
        Column of products that names the brand or its maker.
    most : int
        Brands that are named, the largest by purchases; the rest are "other".
    as_of : date or ISO string, optional
        Last day that counts; default all.

    Returns
    -------
    pandas.DataFrame, one row an order with the category, by customer and time
        customer_id, ordered_at, order_id, brand (text; the one with the largest amount in the order, at a tie the
        first by name).

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        Nothing of the category was sold.
    """
    import pandas as pd

    if isinstance(most, bool) or not hasattr(most, "__index__") or most < 1:
        raise ParameterError(f"most is {most!r}; give the number of brands to name, 1 or more")
    goods = to_pandas(wrap(products, ("product_id", "category", brand), table="products").to_native())
    goods = goods[goods["category"] == category].dropna(subset=[brand])
    lines = to_pandas(wrap(order_lines, ("order_id", "product_id", "amount"), table="order_lines").to_native())
    lines = lines[~(lines["amount"] < 0)].merge(
        goods.assign(brand=goods[brand].astype(str))[["product_id", "brand"]], on="product_id"
    )
    if lines.empty:
        raise DataError(f"nothing of category {category!r} was sold; name another category of products")
    sums = lines.groupby(["order_id", "brand"], as_index=False)["amount"].sum()
    sums = sums.assign(less=-sums["amount"]).sort_values(["order_id", "less", "brand"])
    main = sums.drop_duplicates("order_id")[["order_id", "brand"]]
    bought = to_pandas(wrap(orders, ("customer_id", "order_id", "ordered_at"), table="orders").to_native())
    last = as_date(as_of, name="as_of")
    if last is not None:
        bought = bought[bought["ordered_at"] < pd.Timestamp(last) + pd.Timedelta(days=1)]
    table = bought.merge(main, on="order_id").sort_values(["customer_id", "ordered_at", "order_id"], ignore_index=True)
    table["brand"] = table["brand"].where(table["brand"].isin(_by_size(table["brand"])[:most]), "other")
    return table[["customer_id", "ordered_at", "order_id", "brand"]]


def switching_matrix(purchases: Any) -> pd.DataFrame:
    """Array: of those who bought one brand, the share whose next purchase is each brand.

    Parameters
    ----------
    purchases : any frame
        customer_id, brand; one row a purchase, in order of time within each customer.

    Returns
    -------
    pandas.DataFrame, one row a brand, largest first ("other" last)
        index from; columns to, shares (0-1) that sum to 1; NaN for a brand after which nobody bought again.

    Raises
    ------
    MissingColumnsError
    DataError
        Nobody bought twice.
    """
    import pandas as pd

    table, names = _sequences(purchases)
    steps = pd.crosstab(table["brand"], table["next"]).reindex(index=names, columns=names, fill_value=0)
    return steps.div(steps.sum(axis=1).replace(0, np.nan), axis=0).rename_axis(index="from", columns="to")


def lock_in(purchases: Any, *, level: float = 0.95, replicates: int = 1_000, rng: np.random.Generator) -> pd.DataFrame:
    """Array: how much of repeat buying is the brand's size, the customers' habits, and the pull of the last purchase.

    Parameters
    ----------
    purchases : any frame
        As in `switching_matrix`.
    level, replicates, rng
        Percentile bootstrap over customers; none for brands with fewer than 30 customers who bought on.

    Returns
    -------
    pandas.DataFrame, one row a brand and one for "all brands"
        brand, customers (with a step from it), steps, share (of all steps that begin at it; for all brands the sum
        of squares, the repeat rate if everybody bought by size), shuffled (repeat rate if each customer's purchases
        came in random order), repeat (observed), switched (1 − repeat), pull (repeat − shuffled), low, high (of pull).
        A pull of 0 is what preferences that do not change would show.

    Raises
    ------
    MissingColumnsError
    DataError
        Nobody bought twice.
    """
    import pandas as pd

    require_level(level)
    table, names = _sequences(purchases)
    bought, left, kept = _steps(table, names)
    n = len(bought)
    total = bought.sum(axis=1, keepdims=True)
    habit_kept, habit_left = bought * (bought - 1) / total, bought * (total - 1) / total

    def rates(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sums = [weights.T @ each for each in (kept, left, habit_kept, habit_left)]
        sums = [np.column_stack([each, each.sum(axis=1)]) for each in sums]
        with np.errstate(invalid="ignore", divide="ignore"):  # a replicate without the brand
            return sums[0] / sums[1], sums[2] / sums[3]

    observed, shuffled = (each[0] for each in rates(np.ones((n, 1))))

    def pull(weights: np.ndarray) -> np.ndarray:
        own, habit = rates(weights)
        return (own - habit).T

    customers = np.append((left > 0).sum(axis=0), n)
    # A brand that nobody went on from has no rate in any replicate.
    seen = customers > 0
    low, high = np.full(len(seen), np.nan), np.full(len(seen), np.nan)
    low[seen], high[seen] = bootstrap_interval(
        lambda weights: pull(weights)[seen], n, level=level, replicates=replicates, rng=rng
    )
    few = customers < FEWEST
    share = left.sum(axis=0) / left.sum()
    return pd.DataFrame(
        {
            "brand": [*names, "all brands"],
            "customers": customers,
            "steps": np.append(left.sum(axis=0), left.sum()).astype(np.int64),
            "share": np.append(share, share @ share),
            "shuffled": shuffled,
            "repeat": observed,
            "switched": 1 - observed,
            "pull": observed - shuffled,
            "low": np.where(few, np.nan, low),
            "high": np.where(few, np.nan, high),
        }
    )


def _steps(table: pd.DataFrame, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Purchases of each brand, steps that begin at it, and those of them that stay: (customers, brands) each."""
    customer = table["customer_id"].astype("category").cat.codes.to_numpy()
    place = {name: number for number, name in enumerate(names)}
    brand = table["brand"].map(place).to_numpy()
    follows = table["next"].map(place).to_numpy(dtype=float, na_value=np.nan)
    shape = (int(customer.max()) + 1, len(names))
    bought, left, kept = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(bought, (customer, brand), 1)
    on = ~np.isnan(follows)
    np.add.at(left, (customer[on], brand[on]), 1)
    again = on & (follows == brand)
    np.add.at(kept, (customer[again], brand[again]), 1)
    return bought, left, kept


def _sequences(purchases: Any) -> tuple[pd.DataFrame, list[str]]:
    """Purchases of who bought at least twice, with the next brand (missing at the last), and the brands' names."""
    table = to_pandas(wrap(purchases, ("customer_id", "brand"), table="purchases").to_native())
    if table.isna().any(axis=None):
        raise DataError("a purchase has no customer or no brand; leave it out")
    group = table.groupby("customer_id")["brand"]
    table = table.assign(next=group.shift(-1))[group.transform("size") > 1]
    if table.empty:
        raise DataError("nobody bought twice, so nobody could switch; take a longer time or another category")
    return table, sorted(_by_size(table["brand"]), key=lambda name: name == "other")


def _by_size(brands: pd.Series) -> list[str]:
    """Names by the number of purchases, at a tie by name."""
    counts = brands.value_counts()
    return sorted(counts.index, key=lambda name: (-counts[name], name))
