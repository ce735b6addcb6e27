"""Order lines -> purchases of each brand by each customer: frame functions, and the matrix that models take."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmlib.columns import PURCHASE, order_rows
from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, day_number, to_pandas, wrap

if TYPE_CHECKING:
    import pandas as pd

#: Column that takes in all brands beyond the largest.
OTHER = "other brands"


def brand_purchases(
    order_lines: Any,
    products: Any,
    *,
    orders: Any,
    category: str,
    brand: str = "brand",
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
) -> Any:
    """Frame: how often each customer bought each brand of a category, and for how much.

    Parameters
    ----------
    order_lines, products : any frames of one kind
        order_id, product_id, amount (a negative one is a return: its money counts, but it is no purchase);
        product_id, category, and the brand's column. Lines of products without a brand are left out.
    orders : any frame of that kind
        order_id, customer_id, ordered_at.
    category : str
        The category as it stands in products.
    brand : str
        Column of products that names the brand, such as "brand" or "manufacturer_id".
    start, end : date or ISO string, optional
        First and last day that count.

    Returns
    -------
    frame of the same kind, one row a customer and brand bought
        customer_id, brand, purchases (Int64, orders with the brand, however many lines), amount (Float64,
        less what was returned). Who only returned the brand has no row. Sorted on eager frames.

    Raises
    ------
    MissingColumnsError, ParameterError
    """
    day = day_number(nw.col("ordered_at"))
    known = wrap(products, ("product_id", "category", brand), table="products")
    known = known.filter(nw.col("category") == category, ~nw.col(brand).is_null())
    known = known.select("product_id", brand=nw.col(brand))
    when = order_rows(orders, ("order_id", "customer_id", "ordered_at"))
    for name, given, sign in (("start", start, 1), ("end", end, -1)):
        limit = as_date(given, name=name)
        if limit is not None:
            number = (limit - datetime.date(1970, 1, 1)).days
            when = when.filter(day >= number if sign > 0 else day <= number)
    lines: Any = wrap(order_lines, ("order_id", "product_id", "amount"), table="order_lines")
    bought = lines.join(known, on="product_id", how="inner").join(when, on="order_id", how="inner")
    each = (
        bought.with_columns(bought=PURCHASE.cast(nw.Int64))
        .group_by("customer_id", "brand", "order_id")
        .agg(nw.col("bought").max(), amount=nw.col("amount").sum())
    )
    table = each.group_by("customer_id", "brand").agg(purchases=nw.col("bought").sum(), amount=nw.col("amount").sum())
    table = table.filter(nw.col("purchases") > 0)
    table = table.with_columns(nw.col("purchases").cast(nw.Int64), nw.col("amount").cast(nw.Float64))
    return (table.sort("customer_id", "brand") if isinstance(table, nw.DataFrame) else table).to_native()


def panel_purchases(choices: Any) -> Any:
    """Frame: how often each household of a scanner panel took each brand.

    Parameters
    ----------
    choices : any frame
        customer_id, brand: one row a purchase.

    Returns
    -------
    frame of the same kind, one row a household and brand taken
        customer_id, brand, purchases (Int64). Sorted on eager frames.
    """
    kept = wrap(choices, ("customer_id", "brand"), table="choices")
    kept = kept.filter(~nw.col("customer_id").is_null(), ~nw.col("brand").is_null())
    table = kept.group_by("customer_id", "brand").agg(purchases=nw.len())
    table = table.with_columns(nw.col("purchases").cast(nw.Int64))
    return (table.sort("customer_id", "brand") if isinstance(table, nw.DataFrame) else table).to_native()


def share_of_wallet(purchases: Any, *, brand: str) -> Any:
    """Frame: each customer's spend on a brand as a share of what they spend on the category.

    Parameters
    ----------
    purchases : any frame
        customer_id, brand, amount, as `brand_purchases` gives it: all brands that the customer buys, which takes a
        panel or a survey; a shop's own orders know only its own part.
    brand : str

    Returns
    -------
    frame of the same kind, one row a customer who bought the category
        customer_id, amount (of the brand, 0 for who bought only others), category_amount, share (0-1; missing where
        the category's amount is not above 0).
    """
    own = nw.when(nw.col("brand") == brand).then(nw.col("amount").cast(nw.Float64)).otherwise(0.0)
    table = wrap(purchases, ("customer_id", "brand", "amount"), table="purchases").with_columns(own=own)
    sums = table.group_by("customer_id").agg(amount=nw.col("own").sum(), category_amount=nw.col("amount").sum())
    whole = nw.when(nw.col("category_amount") > 0).then(nw.col("category_amount"))
    sums = sums.with_columns(share=nw.col("amount") / whole)
    return (sums.sort("customer_id") if isinstance(sums, nw.DataFrame) else sums).to_native()


def brand_matrix(
    purchases: Any, *, households: Any = None, largest: int = 8, brands: Sequence[Any] | None = None
) -> pd.DataFrame:
    """Array: purchases of each household (rows) of each brand (columns), the largest brands by name.

    Parameters
    ----------
    purchases : any frame
        customer_id, brand, purchases.
    households : any frame, optional
        customer_id of everybody who could have bought: those without a purchase get a row of zeros. Default: only
        buyers, and a model has to be told so.
    largest : int
        So many brands get a column of their own, by purchases; the rest share "other brands".
    brands : sequence, optional
        The brands that get one instead, in this order: those of an earlier period, to compare with it.

    Returns
    -------
    pandas.DataFrame
        Whole numbers; index customer_id, columns brands by purchases, "other brands" last.

    Raises
    ------
    DataError
        No purchases, or some that are missing or negative.
    ParameterError
    """
    import pandas as pd

    if largest < 1:
        raise ParameterError(f"largest is {largest}; give at least 1")
    kept = wrap(purchases, ("customer_id", "brand", "purchases"), table="purchases")
    table = to_pandas(kept.to_native())
    if table.empty:
        raise DataError("there are no purchases; check the category's name and the days")
    if not (table["purchases"] >= 0).all():
        raise DataError("purchases are missing or below 0; leave such rows out")
    size = table.groupby("brand")["purchases"].sum().sort_values(ascending=False, kind="stable")
    named = list(size.index[:largest]) if brands is None else [brand for brand in brands if brand != OTHER]
    table["brand"] = table["brand"].where(table["brand"].isin(named), OTHER)
    names = [*named, *([OTHER] if (table["brand"] == OTHER).any() else [])]
    matrix = table.pivot_table(index="customer_id", columns="brand", values="purchases", aggfunc="sum", fill_value=0)
    matrix = matrix.reindex(columns=names, fill_value=0).rename_axis(columns="brand")
    if households is not None:
        everybody = to_pandas(wrap(households, ("customer_id",), table="households").to_native())["customer_id"]
        matrix = matrix.reindex(pd.Index(everybody.unique(), name="customer_id"), fill_value=0)
    return matrix.sort_index().astype("int64")
