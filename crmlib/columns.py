"""Columns that hold what they should: numbers, money, instants, ids; said in one line where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray

from crmlib.errors import DataError
from crmlib.frames import to_pandas, wrap

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: What pandas calls columns of objects that are numbers all the same.
_NUMBERS = ("decimal", "integer", "floating", "mixed-integer-float", "boolean", "empty")


def numbers(values: Any, name: str) -> Floats:
    """Values of a column as floats, at least one-dimensional, missing ones as NaN; any array, list or series.

    Raises
    ------
    DataError
        What is no number: text, dates, spans of time, complex numbers, a whole table.
    """
    if values is None:
        raise DataError(f"{name} is not given; pass one number of each customer")
    try:
        given = np.asarray(values)
        if given.dtype.kind in "mMc":
            raise ValueError
        return np.atleast_1d(np.asarray(given if given.dtype.kind in "biuf" else values, dtype=float))
    except (TypeError, ValueError, KeyError) as error:
        kind = getattr(getattr(values, "dtype", None), "name", None) or type(values).__name__
        raise DataError(f"{name} is not all numbers ({kind}); pass counts and times as numbers in one unit") from error


def number_table(frame: Any, columns: Sequence[str], *, table: str, others: Sequence[str] = ()) -> pd.DataFrame:
    """Collected pandas copy of some columns, those that are to be numbers as NumPy's whole or floating ones.

    Parameters
    ----------
    frame : any frame
    columns : sequence of str
        Numbers. Missing ones become NaN.
    table : str
        What the frame is meant to be, for the message.
    others : sequence of str
        Columns that come along as they are.

    Raises
    ------
    MissingColumnsError, DataError
    """
    wanted = list(dict.fromkeys([*columns, *others]))
    found = to_pandas(wrap(frame, wanted, table=table).to_native())
    odd = [name for name in dict.fromkeys(columns) if getattr(found[name].dtype, "kind", "O") not in "iuf"]
    odd += [name for name in columns if not isinstance(found[name].dtype, np.dtype) and name not in odd]
    return found.assign(**{name: numbers(found[name], f"{table}'s {name}") for name in odd})


def column_names(frame: Any, *, table: str) -> list[str]:
    """Names of a frame's columns.

    Raises
    ------
    DataError
        It is no frame.
    """
    try:
        return list(nw.from_native(frame).collect_schema().names())
    except (TypeError, nw.exceptions.DuplicateError):
        wrap(frame, ("customer_id",), table=table)  # which says what is wrong
        raise


#: Whether a row of orders or of their lines is a purchase: one of 0 is, and one whose amount is missing. A negative
#: amount is a return: its money counts, but it is no purchase.
PURCHASE = ~(nw.col("amount").cast(nw.Float64) < 0).fill_null(False)


def order_rows(orders: Any, columns: Sequence[str] = ("customer_id", "ordered_at", "amount")) -> Any:
    """Narwhals view of orders with only some columns, of the rows whose customer and instant are known.

    Raises
    ------
    MissingColumnsError, DataError
        A column is missing, or cannot be what it is called: see `require_orders`.
    """
    view = wrap(orders, columns, table="orders")
    require_orders(view)
    return view.filter(~nw.col("customer_id").is_null(), ~nw.col("ordered_at").is_null())


def require_orders(view: Any) -> None:
    """Refuse orders whose columns cannot be what they are called; reads the schema, and objects of eager frames.

    Parameters
    ----------
    view : narwhals frame
        customer_id, ordered_at [amount].

    Raises
    ------
    DataError
    """
    schema = view.collect_schema()
    instant = schema["ordered_at"]
    zone = getattr(instant, "time_zone", None)
    if not isinstance(instant, (nw.Date, nw.Datetime)):
        raise DataError(
            f"ordered_at is {_kind(instant)}, no date or datetime; convert it first, as pandas.to_datetime does"
        )
    if zone:
        raise DataError(f"ordered_at has a time zone ({zone}); convert it to local time and drop the zone")
    if "amount" in schema and not (schema["amount"].is_numeric() or _inferred(view, "amount") in _NUMBERS):
        raise DataError(f"amount is {_kind(schema['amount'])}, no number; convert it first")
    if _inferred(view, "customer_id").startswith("mixed"):
        raise DataError("customer_id mixes kinds of values, such as text and numbers; make them one kind")


def require_unique(ids: Any, *, table: str) -> None:
    """Refuse a table in which a customer stands twice; missing ids may repeat.

    Raises
    ------
    DataError
    """
    known = ids[ids.notna()]
    if twice := int(known.duplicated().sum()):
        raise DataError(f"{table} has {twice:,} rows of customers it had before; give one row a customer")


def _inferred(view: Any, name: str) -> str:
    """What a pandas column of objects holds; empty for any other column."""
    if not isinstance(view, nw.DataFrame) or view.schema[name] != nw.Object:
        return ""
    import pandas as pd

    return str(pd.api.types.infer_dtype(view[name].to_numpy(), skipna=True))


def _kind(dtype: Any) -> str:
    return {nw.String: "text", nw.Object: "a column of objects"}.get(type(dtype), str(dtype))
