"""What a source holds, at a glance: rows, customers, days and money of each table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmlib.data.tables import Tables
from crmlib.frames import to_pandas

if TYPE_CHECKING:
    import pandas as pd


def overview(tables: Tables) -> pd.DataFrame:
    """Size and span of each table.

    Returns
    -------
    pandas.DataFrame, one row a table, indexed by its name
        rows; customers (distinct customer_id that are known); first_day, last_day (text, of the table's first
        column whose name ends in `_at`); amount (sum). Missing where the table has no such column.
    """
    import pandas as pd

    return pd.DataFrame([_row(name, frame) for name, frame in tables.items()]).set_index("table").rename_axis(None)


def _row(name: str, native: Any) -> dict[str, object]:
    """One row of the overview, from one aggregate query."""
    frame = nw.from_native(native)
    columns = frame.collect_schema().names()
    instant = next((column for column in columns if column.endswith("_at")), None)
    wanted = [nw.len().alias("rows")]
    if "customer_id" in columns:
        person = nw.col("customer_id")
        unknown = person.is_null().any().cast(nw.Int64)  # one more distinct value, and nobody
        wanted.append((person.n_unique() - unknown).alias("customers"))
    if instant:
        wanted += [nw.col(instant).min().alias("first_day"), nw.col(instant).max().alias("last_day")]
    if "amount" in columns:
        wanted.append(nw.col("amount").sum().alias("amount"))
    found = to_pandas(frame.select(*wanted).to_native()).iloc[0].to_dict()
    days = {key: str(found[key])[:10] if instant else None for key in ("first_day", "last_day")}
    # one pandas row has one type, so that counts beside money come as floats
    people = int(found["customers"]) if "customers" in found else None
    return {"table": name, "rows": int(found["rows"]), "customers": people, **days, "amount": found.get("amount")}
