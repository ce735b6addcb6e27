"""What recurring revenue did from one period to another: who left, bought less or more, came or came back.

Net revenue retention compares what the customers of a base period pay some periods later with what they
paid then; gross revenue retention counts no customer above their base. New customers are in neither, and
neither are those who come back after paying nothing in the base period: firms that publish these figures
define them by the customers of the earlier period and leave others out (so Confluent and GitLab in their
annual reports, Form 10-K, "dollar-based net retention rate").
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.cohorts.tables import orders_until
from crmlib.errors import DataError, ParameterError
from crmlib.frames import period_number
from crmlib.intervals import FEWEST, bootstrap_interval, require_level

if TYPE_CHECKING:
    import pandas as pd

#: What can happen to a customer's revenue between two periods, in the order of a bridge.
MOVES = ("lost", "contracted", "unchanged", "expanded", "reactivated", "new", "returned")


def revenue_changes(
    orders: Any, *, period: str = "month", lag: int = 12, as_of: str | datetime.date | None = None
) -> Any:
    """Frame: each customer's revenue in a base period and in the last complete one, `lag` periods later.

    Parameters
    ----------
    orders : any frame
        customer_id, ordered_at, amount (net revenue; negative for a return, which lowers the period's revenue).
        Rows without customer or instant are left out.
    period : {"day", "week", "month", "quarter", "year"}
    lag : int
        Periods between the two, at least 1. A year's distance (12 months) keeps the season the same.
    as_of : date or ISO string, optional
        Last day that counts; a period it cuts off is not the last complete one. Default: the last order's day.

    Returns
    -------
    frame of the same kind, one row a customer with revenue, or returns alone, in either period
        customer_id, start, end (Float64, revenue in the base and in the last complete period), move (text):
        with a positive start `lost` (end 0 or less), `contracted`, `unchanged`, `expanded`; without one, but a
        positive end, `new` (first order after the base period) or `reactivated` (an order before its end).
        `returned`: neither start nor end is positive, and one is negative. A start of 0 or less is no base.

    Raises
    ------
    MissingColumnsError
    ParameterError
        An unknown period, or a lag below 1.
    """
    if lag < 1:
        raise ParameterError(f"lag is {lag}; give at least 1 period")
    kept, horizon = orders_until(orders, period, as_of)
    number = nw.col("number")
    amount = nw.col("amount").cast(nw.Float64)
    base = horizon.ended - lag
    table = (
        kept.with_columns(number=period_number(nw.col("ordered_at"), period), amount=amount)
        .filter(number <= horizon.ended)
        .with_columns(
            start=nw.when(number == base).then(nw.col("amount")).otherwise(nw.lit(0.0)),
            end=nw.when(number == horizon.ended).then(nw.col("amount")).otherwise(nw.lit(0.0)),
            # a return alone makes nobody a customer
            bought=nw.when(nw.col("amount") >= 0).then(number).otherwise(nw.lit(horizon.ended + 1)),
        )
        .group_by("customer_id")
        .agg(start=nw.col("start").sum(), end=nw.col("end").sum(), first=nw.col("bought").min())
        # what is bought and returned at once is nothing, though sums of cents leave a crumb
        .with_columns(nw.col("start", "end").round(9))
        .filter((nw.col("start") != 0) | (nw.col("end") != 0))
    )
    start, end = nw.col("start"), nw.col("end")
    crumb = 1e-9 * start  # sums of cents differ in the last digit
    newcomer = nw.when(nw.col("first") > base).then(nw.lit("new")).otherwise(nw.lit("reactivated"))
    grown = nw.when(end > start + crumb).then(nw.lit("expanded")).otherwise(nw.lit("unchanged"))
    stayed = nw.when(end < start - crumb).then(nw.lit("contracted")).otherwise(grown)
    kept_base = nw.when(end <= 0).then(nw.lit("lost")).otherwise(stayed)
    won = nw.when(end > 0).then(newcomer).otherwise(nw.lit("returned"))
    moved = table.with_columns(move=nw.when(start > 0).then(kept_base).otherwise(won))
    shown = moved.select("customer_id", "start", "end", "move")
    return (shown.sort("customer_id") if isinstance(shown, nw.DataFrame) else shown).to_native()


def revenue_bridge(changes: pd.DataFrame) -> pd.DataFrame:
    """Array: from the base period's revenue to the last one's, move by move.

    Parameters
    ----------
    changes : pandas.DataFrame
        As `revenue_changes` gives it.

    Returns
    -------
    pandas.DataFrame, one row a move, zeros included
        move, customers, start, end, change (end minus start). The changes add up to the change of all revenue.
    """
    sums = changes.groupby("move").agg(customers=("start", "size"), start=("start", "sum"), end=("end", "sum"))
    table = sums.reindex(list(MOVES)).fillna(0.0).rename_axis("move").reset_index()
    table["customers"] = table["customers"].astype(int)
    return table.assign(change=table["end"] - table["start"])


def revenue_retention(
    changes: pd.DataFrame, *, level: float = 0.95, replicates: int = 1_000, rng: np.random.Generator
) -> pd.DataFrame:
    """Array: net and gross revenue retention and the share of customers kept, with intervals.

    Of the customers with a positive start s and the end e: net = sum of e / sum of s; gross = sum of min(s, e) /
    sum of s, never above net or 1; customers = share with a positive end. Returned goods lower e, also below 0.

    Parameters
    ----------
    changes : pandas.DataFrame
        As `revenue_changes` gives it.
    level, replicates
        Revenue: percentiles of a bootstrap over the base's customers; customers: Wilson.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, rows "net", "gross", "customers"
        measure, value, low, high, customers (in the base), base (their revenue). With fewer than 30 customers
        in the base, net and gross have no interval.

    Raises
    ------
    DataError
        Nobody had revenue in the base period.
    """
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    require_level(level)
    base = changes[changes["start"] > 0]
    n = len(base)
    if not n:
        raise DataError("nobody had revenue in the base period; take a smaller lag, a longer period or more data")
    start, end = base["start"].to_numpy(dtype=float), base["end"].to_numpy(dtype=float)
    ends = np.stack([end, np.minimum(start, end)])

    def rates(weights: np.ndarray) -> np.ndarray:
        return ends @ weights / (start @ weights)

    value, kept = rates(np.ones(n)), int((end > 0).sum())
    low, high = np.full(2, np.nan), np.full(2, np.nan)
    if n >= FEWEST:
        low, high = bootstrap_interval(rates, n, level=level, replicates=replicates, rng=rng)
    wilson = proportion_confint(kept, n, alpha=1 - level, method="wilson")
    table = {
        "measure": ["net", "gross", "customers"],
        "value": [*value, kept / n],
        "low": [*low, wilson[0]],
        "high": [*high, wilson[1]],
    }
    return pd.DataFrame(table).assign(customers=n, base=start.sum())
