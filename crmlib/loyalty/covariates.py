"""What customers are compared by beside their purchases: attributes as columns of numbers."""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.errors import DataError
from crmlib.frames import to_pandas, wrap


def attribute_columns(attributes: Any, customers: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Attributes of these customers, text as a column for each category but the first, and their names.

    Parameters
    ----------
    attributes : any frame or None
        customer_id, and columns of numbers, flags or text. Other customers in it are left aside.
    customers : array, shape (n,)

    Returns
    -------
    (array of shape (n, columns), list of names)

    Raises
    ------
    MissingColumnsError
    DataError
        A customer without a row or with several, a missing value, a column that is neither number nor text.
    """
    import pandas as pd

    if attributes is None:
        return np.empty((len(customers), 0)), []
    columns = [name for name in nw.from_native(attributes).collect_schema().names() if name != "customer_id"]
    table = to_pandas(wrap(attributes, ("customer_id", *columns), table="attributes").to_native())
    table = table[table["customer_id"].isin(customers)]
    if table["customer_id"].duplicated().any():
        raise DataError("attributes hold a customer twice; give one row a customer")
    lost = len(customers) - len(table)
    if lost:
        raise DataError(f"attributes lack {lost} of the panel's customers; give one row for each")
    table = table.set_index("customer_id").loc[customers]
    made, names = [], []
    for name in columns:
        column = table[name]
        if column.isna().any():
            raise DataError(f"{name} is missing for {column.isna().sum()} customers; fill it, or leave the column out")
        if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            made.append(column.to_numpy(dtype=float))
            names.append(name)
        elif pd.api.types.is_datetime64_any_dtype(column):
            raise DataError(f"{name} is a date; give a number of days instead")
        else:
            for category in sorted(column.astype(str).unique())[1:]:
                made.append((column.astype(str) == category).to_numpy(dtype=float))
                names.append(f"{name}: {category}")
    return np.column_stack([np.empty((len(customers), 0)), *made]), names
