"""Customers as they stood one day, and what they brought in afterwards."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, to_pandas
from crmlib.intervals import FEWEST
from crmlib.rfm.naming import segments
from crmlib.rfm.orders import day_index, net_amount, rows_until
from crmlib.rfm.summary import customer_summary, rfm_scores

if TYPE_CHECKING:
    import pandas as pd


def scored_holdout(
    orders: Any, *, as_of: str | datetime.date, until: str | datetime.date, bins: int = 5
) -> pd.DataFrame:
    """Array: scores and segment of each customer known on a day, beside the revenue up to a later one.

    Parameters
    ----------
    orders : any frame
        As `customer_summary` takes it.
    as_of : date or ISO string
        Day of the scores; nothing after it enters them.
    until : date or ISO string
        Last day of the time held out.
    bins : int

    Returns
    -------
    pandas.DataFrame, one row a customer, sorted by customer_id
        The columns of `customer_summary`, `rfm_scores` and `segments`, and later_amount (revenue after `as_of` up to
        `until`, returns taken off; 0 without any).

    Raises
    ------
    ParameterError
        A day is not set, or `until` not after `as_of`.
    DataError
        Fewer than 30 customers had ordered by `as_of`.
    """
    first, last = (as_date(day, name=name) for day, name in ((as_of, "as_of"), (until, "until")))
    if first is None or last is None or last <= first:
        raise ParameterError(f"scores as of {as_of!s}, judged until {until!s}; give two days, the second later")
    scores = segments(rfm_scores(customer_summary(orders, as_of=first), bins=bins), bins=bins)
    table = to_pandas(scores, sort_by=["customer_id"])
    if len(table) < FEWEST:
        raise DataError(
            f"{len(table)} customer{'s' * (len(table) != 1)} had ordered by {first}; scores need at least {FEWEST}: "
            "hold out less time or take more data"
        )
    later = to_pandas(net_amount(rows_until(orders, last), after=day_index(first)).to_native())
    later = later.rename(columns={"amount": "later_amount"})
    return table.merge(later, on="customer_id", how="left", validate="1:1").fillna({"later_amount": 0.0})
