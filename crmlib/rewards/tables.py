"""Orders and memberships as every estimate here reads them: checked, without missing ones, one joining a customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmlib.columns import PURCHASE, order_rows
from crmlib.errors import DataError
from crmlib.frames import to_pandas, wrap

if TYPE_CHECKING:
    import pandas as pd


def order_instants(orders: Any) -> pd.DataFrame:
    """Array: customer_id and ordered_at (to the microsecond) of orders that have both; returns are none.

    Where there is a column amount, rows with a negative one are returns and left out.

    Raises
    ------
    MissingColumnsError
    DataError
        An instant that is text or has a time zone.
    """
    columns = ("customer_id", "ordered_at")
    if "amount" in nw.from_native(orders).collect_schema().names():
        kept = order_rows(orders, (*columns, "amount")).filter(PURCHASE).select(*columns)
    else:
        kept = order_rows(orders, columns)
    return to_pandas(kept.to_native()).astype({"ordered_at": "datetime64[us]"})


def first_joinings(memberships: Any, orders: pd.DataFrame) -> pd.DataFrame:
    """Array: customer_id and joined_at of each member's first joining, by time.

    Parameters
    ----------
    memberships : any frame
        customer_id, joined_at; rows without either are left out.
    orders : pandas.DataFrame
        As `order_instants` gives them: their ids must be of the same kind.

    Raises
    ------
    MissingColumnsError
    DataError
        An instant that is text or has a time zone, or ids of another kind than those of the orders.
    """
    view = wrap(memberships, ("customer_id", "joined_at"), table="memberships")
    kind = view.collect_schema()["joined_at"]
    if not isinstance(kind, (nw.Date, nw.Datetime)) or getattr(kind, "time_zone", None):
        raise DataError(f"joined_at is {kind}; give dates or datetimes in local time, without a time zone")
    joins = to_pandas(view.to_native()).dropna().astype({"joined_at": "datetime64[us]"})
    numeric = [each["customer_id"].dtype.kind in "biuf" for each in (orders, joins)]
    if len(orders) and len(joins) and numeric[0] != numeric[1]:
        kinds = " and ".join(str(each["customer_id"].dtype) for each in (orders, joins))
        raise DataError(f"customer_id is {kinds} in orders and memberships; make them one kind")
    return joins.sort_values("joined_at", kind="stable").drop_duplicates("customer_id")
