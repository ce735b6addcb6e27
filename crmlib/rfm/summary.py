"""Orders -> one row a customer, and scores of it: frame functions, the same on every engine."""

from __future__ import annotations

import datetime
import functools
import math
import operator
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmlib.errors import DataError, ParameterError
from crmlib.frames import period_start, wrap
from crmlib.rfm.orders import BOUGHT, rows_until

if TYPE_CHECKING:
    import pandas as pd

#: Score, the column of `customer_summary` that it is made of, and whether more is better.
SCORES: Mapping[str, tuple[str, bool]] = {
    "recency_score": ("days_since_last_order", False),
    "frequency_score": ("order_days", True),
    "monetary_score": ("amount", True),
}


def customer_summary(orders: Any, *, as_of: str | datetime.date | None = None, window_days: int | None = None) -> Any:
    """Frame: when each customer ordered first and last, how often, and for how much.

    Parameters
    ----------
    orders : any frame
        customer_id; ordered_at (date or datetime without zone); amount (money; an order of 0 is an order, a
        negative amount is a return: its money counts, but it is no order and makes nobody active). Rows without
        customer or instant are left out, and returns before the day of a customer's first order.
    as_of : date or ISO string, optional
        Last day that counts, the day included; later rows are left out. Default: the last row's day.
    window_days : int, optional
        Look back only so many days, the day of `as_of` included, orders and returns alike. Default: as far as
        the data go.

    Returns
    -------
    frame of the same kind, one row a customer with an order
        customer_id, first_at, last_at (datetime, the days of the first and last order counted),
        days_since_last_order (Int64, 0 for an order on `as_of`; RFM's recency, not the time between
        first and last order), age_days (Int64, days since the first), orders (Int64, rows),
        order_days (Int64, days with an order), amount (Float64, sum to 6 decimals; a missing amount counts 0),
        mean_amount (Float64, amount / orders). Sorted by customer_id on eager frames.
        No orders, or none up to `as_of`: no rows.

    Raises
    ------
    MissingColumnsError, ParameterError

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame({"customer_id": [1, 1, 2], "amount": [5.0, 7.0, 4.0],
    ...     "ordered_at": pd.to_datetime(["2026-01-03", "2026-01-10", "2026-01-20"])})
    >>> customer_summary(orders, as_of="2026-01-31")[["days_since_last_order", "orders", "amount"]]
       days_since_last_order  orders  amount
    0                     21       2    12.0
    1                     11       1     4.0
    """
    if window_days is not None and not (isinstance(window_days, int) and window_days >= 1):
        raise ParameterError(f"window_days is {window_days!r}; give whole days, at least 1")
    day = nw.col("day")
    rows = rows_until(orders, as_of)
    last = rows.last
    kept = rows.table.filter(day > last - window_days) if window_days is not None else rows.table
    bought = (kept.filter(BOUGHT) if rows.returns else kept).with_columns(at=period_start(nw.col("ordered_at"), "day"))
    table = bought.group_by("customer_id").agg(
        first_at=nw.col("at").min(),
        last_at=nw.col("at").max(),
        first=day.min(),
        last=day.max(),
        orders=nw.len(),
        order_days=day.n_unique(),
        amount=nw.col("amount").sum(),
    )
    if rows.returns:
        table = table.drop("amount").join(_net(rows.table, kept), on="customer_id", how="left")
    table = table.with_columns(nw.col("amount").round(6)).select(  # or equal sums differ by the order of their parts
        "customer_id",
        "first_at",
        "last_at",
        (last - nw.col("last")).cast(nw.Int64).alias("days_since_last_order"),
        (last - nw.col("first")).cast(nw.Int64).alias("age_days"),
        nw.col("orders").cast(nw.Int64),
        nw.col("order_days").cast(nw.Int64),
        nw.col("amount"),
        (nw.col("amount") / nw.col("orders")).alias("mean_amount"),
    )
    return (table.sort("customer_id") if isinstance(table, nw.DataFrame) else table).to_native()


def _net(known: Any, kept: Any) -> Any:
    """Money of each customer with returns taken off, but those before the first order that is known."""
    first = known.filter(BOUGHT).group_by("customer_id").agg(begun=nw.col("day").min())
    rows = kept.join(first, on="customer_id", how="inner").filter(nw.col("day") >= nw.col("begun"))
    return rows.group_by("customer_id").agg(nw.col("amount").sum())


def rfm_scores(
    summary: Any, *, bins: int = 5, cuts: Mapping[str, Sequence[float]] | None = None, columns: Any = SCORES
) -> Any:
    r"""Frame: scores 1 (worst) to `bins` (best) of recency, frequency and monetary value.

    By quantile, a customer with b others worse and e equal (oneself included) among n has the mean rank
    b + (e + 1) / 2 and the score :math:`\lceil k (b + e / 2) / n \rceil` for k bins. **Equal values get
    equal scores**, at the price of unequal groups: where half of the customers ordered once, nobody can
    be told from them, and some scores stay empty. One customer, or all alike: the middle score.

    Parameters
    ----------
    summary : any frame
        As `customer_summary` gives it. A missing value has no score.
    bins : int
        Number of scores, 2 to 100.
    cuts : mapping of column to numbers that do not fall, optional
        Fixed cuts instead of quantiles, for scores that shall mean the same next month (`score_cuts` makes
        them of this month's): `{"order_days": [1, 2, 4, 9]}` scores up to 1, up to 2, up to 4, up to 9 and
        above 9. One cut fewer than `bins`. Columns that are not named are scored by quantile.
    columns : mapping, optional
        Score to (column, whether more is better): `SCORES`.

    Returns
    -------
    frame of the same kind
        The summary's rows with `recency_score` (fewer days score higher), `frequency_score` (days with
        an order) and `monetary_score` (amount), all Int64, and `rfm_score`, their sum.

    Raises
    ------
    MissingColumnsError, DataError, ParameterError

    Examples
    --------
    >>> import pandas as pd
    >>> summary = pd.DataFrame({"customer_id": [1, 2, 3, 4], "days_since_last_order": [3, 40, 40, 90],
    ...     "order_days": [9, 1, 1, 1], "amount": [50.0, 20.0, 10.0, 30.0]})
    >>> rfm_scores(summary, bins=4).iloc[:, -4:]
       recency_score  frequency_score  monetary_score  rfm_score
    0              4                4               4         12
    1              2                2               2          6
    2              2                2               1          5
    3              1                2               3          6
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or not 2 <= bins <= 100:
        raise ParameterError(f"bins is {bins!r}; give a whole number from 2 to 100")
    wrap(summary, ["customer_id", *(column for column, _ in columns.values())], table="the summary")
    table = nw.from_native(summary)
    for column, _ in columns.values():
        if table.collect_schema()[column] == nw.String:
            raise DataError(f"{column} is text, no number; convert it first")
    fixed = _checked_cuts(cuts or {}, bins, [column for column, _ in columns.values()])
    for score, (column, rising) in columns.items():
        if column in fixed:
            table = table.with_columns(_by_cuts(column, fixed[column], rising=rising).alias(score))
        else:
            table = _by_quantile(table, column, score, bins, rising=rising)
    table = table.with_columns(rfm_score=functools.reduce(operator.add, map(nw.col, columns)))
    return (table.sort("customer_id") if isinstance(table, nw.DataFrame) else table).to_native()


def score_cuts(scores: pd.DataFrame, *, bins: int = 5, columns: Any = SCORES) -> dict[str, list[float]]:
    """Array: the cuts that give these scores again, to score another day by the same yardstick.

    Parameters
    ----------
    scores : pandas.DataFrame
        As `rfm_scores` gives it.
    bins, columns
        As `rfm_scores` was given.

    Returns
    -------
    dict of column to cuts
        For the argument `cuts`; a score that nobody has makes two cuts equal, or one infinite.
    """
    cuts = {}
    for score, (column, rising) in columns.items():
        wanted = range(1, bins) if rising else range(bins, 1, -1)
        side = [scores[column][scores[score] <= k if rising else scores[score] >= k] for k in wanted]
        cuts[column] = [float(values.max()) if len(values) else -math.inf for values in side]
    return cuts


def _by_quantile(table: Any, column: str, score: str, bins: int, *, rising: bool) -> Any:
    """Joined by value, so that equal values cannot get unequal scores, and in whole numbers."""
    value = nw.col(column) if rising else -nw.col(column)
    there = table.select(nw.col(column), value=value).filter(~nw.col(column).is_null())
    sizes = there.group_by(column, "value").agg(equal=nw.len())
    ranked = sizes.with_columns(equal=nw.col("equal").cast(nw.Int64))
    ranked = ranked.with_columns(upto=nw.col("equal").cum_sum().over(order_by="value"), all=nw.col("equal").sum())
    twice = 2 * nw.col("upto") - nw.col("equal")  # twice the number below, and half of the equal ones twice
    ceiling = (bins * twice + 2 * nw.col("all") - 1) // (2 * nw.col("all"))
    return table.join(ranked.select(column, ceiling.cast(nw.Int64).alias(score)), on=column, how="left")


def _by_cuts(column: str, cuts: Sequence[float], *, rising: bool) -> nw.Expr:
    """One more for each cut passed; where less is better, one more for each cut not passed."""
    passed = [(nw.col(column) > cut if rising else nw.col(column) <= cut).cast(nw.Int64) for cut in cuts]
    return sum(passed, nw.lit(1)).cast(nw.Int64)


def _checked_cuts(cuts: Mapping[str, Any], bins: int, columns: Sequence[str]) -> Mapping[str, Sequence[float]]:
    if not isinstance(cuts, Mapping):
        raise ParameterError(f"cuts are {cuts!r}; give the numbers of each column by its name")
    for column, values in cuts.items():
        if column not in columns:
            raise ParameterError(f"cuts of {column!r}, which is not scored; name one of {', '.join(columns)}")
        try:
            rising = not isinstance(values, str) and all(low <= high for low, high in pairwise(map(float, values)))
        except (TypeError, ValueError) as error:
            raise ParameterError(f"cuts of {column!r} are {values!r}; give numbers that do not fall") from error
        if len(values) != bins - 1 or not rising:
            raise ParameterError(
                f"cuts of {column!r} are {list(values)}; {bins} scores take {bins - 1} numbers that do not fall"
            )
    return cuts
