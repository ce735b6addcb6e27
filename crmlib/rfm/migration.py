"""Migration between segments: who was where on one day and on the next.

References
----------
Anderson, T. W., & Goodman, L. A. (1957), Statistical inference about Markov chains, Annals of
    Mathematical Statistics 28, 89-110: counts of a row behave like a multinomial sample.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, to_pandas
from crmlib.intervals import require_level
from crmlib.rfm.naming import segments
from crmlib.rfm.orders import day_index, net_amount, rows_until
from crmlib.rfm.summary import customer_summary, rfm_scores

if TYPE_CHECKING:
    import pandas as pd

#: Segment of those who have ordered before, but not in the window.
SILENT = "silent"


def segment_moves(
    orders: Any,
    dates: Sequence[str | datetime.date],
    *,
    cuts: Mapping[str, Sequence[float]],
    window_days: int | None = None,
    bins: int = 5,
    grid: Mapping[tuple[int, int], str] | None = None,
) -> pd.DataFrame:
    """Array: in which segment each customer was on each date and on the next, and the spend between.

    Parameters
    ----------
    orders : any frame
        As `customer_summary` takes it.
    dates : sequence of dates or ISO strings
        Two or more, increasing; best equally far apart.
    cuts : mapping
        Fixed cuts for all dates (`score_cuts`): with quantiles a segment would mean something else each time.
    window_days : int, optional
        Score only the orders of so many days before each date; who had none in them is "silent". Without a
        window the number of orders never falls, so a chain lets customers rise for ever.
    bins, grid
        As in `segments`.

    Returns
    -------
    pandas.DataFrame, one row a customer known on a date and pair of dates
        customer_id, date (datetime, the earlier one), before, after (segments or "silent"), amount (revenue after the
        earlier date up to the later, returns taken off).

    Raises
    ------
    ParameterError
        Fewer than two dates, or not increasing.
    DataError
        Nobody had ordered by any date but the last.
    """
    import pandas as pd

    days = [as_date(day, name="date") for day in dates]
    known = [day for day in days if day is not None]
    if len(known) < 2 or len(known) < len(days) or any(a >= b for a, b in pairwise(known)):
        raise ParameterError(f"dates are {[str(day) for day in days]}; give two or more, increasing")

    def standing(day: datetime.date) -> pd.DataFrame:
        known = to_pandas(customer_summary(orders, as_of=day), sort_by=["customer_id"])[["customer_id"]]
        scores = rfm_scores(customer_summary(orders, as_of=day, window_days=window_days), bins=bins, cuts=cuts)
        named = to_pandas(segments(scores, bins=bins, grid=grid))[["customer_id", "segment"]]
        return known.merge(named, on="customer_id", how="left").fillna({"segment": SILENT})

    parts = []
    earlier = standing(known[0])
    for day, following in pairwise(known):
        later = standing(following)
        spent = to_pandas(net_amount(rows_until(orders, following), after=day_index(day)).to_native())
        pair = earlier.rename(columns={"segment": "before"}).merge(later, on="customer_id", how="left")
        pair = pair.rename(columns={"segment": "after"}).merge(spent, on="customer_id", how="left")
        parts.append(pair.assign(date=pd.Timestamp(day), amount=pair["amount"].fillna(0.0)))
        earlier = later
    moves = pd.concat(parts, ignore_index=True)
    if moves.empty:
        raise DataError(f"nobody had ordered by {known[-2]}; take later dates, or hold out less time")
    return moves[["customer_id", "date", "before", "after", "amount"]]


def migration_matrix(moves: pd.DataFrame, *, states: Sequence[str] | None = None, level: float = 0.95) -> pd.DataFrame:
    """Array: how many of each segment are in each one at the next date.

    Parameters
    ----------
    moves : pandas.DataFrame
        As `segment_moves` gives them: before, after.
    states : sequence of str, optional
        Order of the segments; those that do not occur are left out. Default: alphabetical.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a pair of segments, zeros included
        before, after, customers (moves counted), share (of `before`, 0-1), low, high (Wilson, each cell on its own;
        several moves of a customer count as so many, which is right where the chain is); share and interval are NaN
        for a segment that nobody left or stayed in.

    Raises
    ------
    ParameterError
        `states` lacks a segment that occurs.
    """
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    require_level(level)
    names = states_of(moves, states)
    counts = pd.crosstab(moves["before"], moves["after"]).reindex(index=names, columns=names, fill_value=0)
    table = counts.reset_index(names="before").melt("before", var_name="after", value_name="customers")
    table = table.iloc[np.arange(len(table)).reshape(len(names), -1).T.ravel()].reset_index(drop=True)  # row by row
    table["customers"] = table["customers"].astype("int64")
    total = table.groupby("before")["customers"].transform("sum")
    some = (total > 0).to_numpy()
    table["share"] = table["customers"] / total.where(total > 0)
    low, high = np.full(len(table), np.nan), np.full(len(table), np.nan)
    seen = table.loc[some, "customers"].to_numpy(), total[some].to_numpy()
    low[some], high[some] = proportion_confint(*seen, alpha=1 - level, method="wilson")
    return table.assign(low=low, high=high)


def states_of(moves: pd.DataFrame, states: Sequence[str] | None) -> list[str]:
    """Segments that occur in moves, in a given order or by the alphabet.

    Raises
    ------
    ParameterError
        The order lacks one.
    """
    present = set(moves["before"].dropna().unique()) | set(moves["after"].dropna().unique())
    if states is None:
        return sorted(present)
    if lacking := sorted(present - set(states)):
        raise ParameterError(f"states lack {', '.join(lacking)}; name every segment that occurs")
    return [name for name in states if name in present]
