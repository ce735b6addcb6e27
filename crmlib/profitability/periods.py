"""Select on one period, judge on the next: how much of a bad margin was bad luck."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import as_date, to_pandas, wrap
from crmlib.intervals import FEWEST, bootstrap_interval
from crmlib.profitability.drivers import Day
from crmlib.profitability.losses import wilson
from crmlib.profitability.margin import require_margins
from crmlib.profitability.migration import quantile_groups, require_pairs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Persistence:
    """What became of the customers with a margin below zero, with intervals at `level`.

    Attributes
    ----------
    customers, seen, again : int
        How many were negative in the first period; of them, seen in the second; of those, negative again.
    share, low, high : float
        again / seen (0-1) with Wilson's interval; NaN where nobody was seen.
    others_share : float
        The same share among those who were not negative, for comparison; NaN where none of them was seen.
    before, after : float
        Joint margin of the customers seen, first and second period.
    after_low, after_high : float
        Bootstrap interval of `after` over customers; NaN where fewer than 30 were seen.
    level : float
    """

    customers: int
    seen: int
    again: int
    share: float
    low: float
    high: float
    others_share: float
    before: float
    after: float
    after_low: float
    after_high: float
    level: float


def judging_day(orders: Any, *, as_of: Day = None, chosen: Day = None) -> datetime.date:
    """Frame: first day of the second period: the one chosen, else the first of the month nearest the middle.

    Parameters
    ----------
    orders : any frame
        ordered_at. One aggregate query is run.
    as_of : date or ISO string, optional
        Last day that counts. Default: the last order's.
    chosen : date or ISO string, optional

    Returns
    -------
    datetime.date
        The middle day itself where that first of a month lies outside the data.

    Raises
    ------
    DataError
        Orders on fewer than two days.
    ParameterError
        The day chosen leaves a period without days.
    """
    table = wrap(orders, ("ordered_at",), table="orders").select(
        first=nw.col("ordered_at").min(), last=nw.col("ordered_at").max()
    )
    row = to_pandas(table.to_native()).iloc[0]
    if row.isna().any():
        raise DataError("there are no orders; two periods need at least two days")
    first, last = row["first"].date(), as_date(as_of, name="as_of") or row["last"].date()
    if first >= last:
        raise DataError(f"the orders up to {last} begin on {first}; two periods need at least two days")
    day = as_date(chosen, name="judge_from")
    if day is not None:
        if not first < day <= last:
            raise ParameterError(f"the second period begins on {day}; give a day after {first} and up to {last}")
        return day
    middle = first + (last - first + datetime.timedelta(days=1)) / 2
    following = (middle.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
    nearest = min((middle.replace(day=1), following), key=lambda month: abs(month - middle))
    return nearest if first < nearest <= last else middle


def paired_margins(before: pd.DataFrame, after: pd.DataFrame, *, column: str = "contribution") -> pd.DataFrame:
    """Array: each customer of the first period with the margin of the second.

    Customers who come first in the second period are left out: nobody could have selected them.

    Parameters
    ----------
    before, after : pandas.DataFrame
        Margins of two periods, as `customer_margin` gives them.
    column : str
        The margin that counts.

    Returns
    -------
    pandas.DataFrame, one row a customer of the first period
        customer_id, before, after (0 where there is no row), seen (bool: with an order in the second period, or
        with a row where the frames have no column `orders`).

    Raises
    ------
    MissingColumnsError
    DataError
        A customer twice in a period, or a missing margin.
    """
    for name, table in (("before", before), ("after", after)):
        lacking = [wanted for wanted in ("customer_id", column) if wanted not in table.columns]
        if lacking:
            raise MissingColumnsError(
                f"{name} lacks {', '.join(map(repr, lacking))}; give what customer_margin returns"
            )
        if table["customer_id"].duplicated().any():
            raise DataError(f"{name} holds a customer twice; give one row a customer")
        require_margins(table[column])
    first, second = (table[["customer_id", column]] for table in (before, after))
    pairs = first.merge(second, on="customer_id", how="left", suffixes=("_before", "_after"))
    pairs.columns = ["customer_id", "before", "after"]
    came = after[after["orders"] > 0] if "orders" in after.columns else after
    # As objects: text is looked up value by value in pandas 3.1, which takes four times as long.
    seen = pairs["customer_id"].astype(object).isin(came["customer_id"].astype(object))
    return pairs.assign(after=pairs["after"].fillna(0.0), seen=seen)


def loss_persistence(
    pairs: pd.DataFrame, *, level: float = 0.95, replicates: int = 1_000, rng: np.random.Generator
) -> Persistence:
    """Array: of those who lost money in one period and came again, how many lose money again.

    A margin is a persistent part and chance. Whoever is selected for a low one has, on average, had
    bad luck, and moves back towards the mean in the next period without anything being done (Galton's
    regression). What a selection is worth is therefore judged on the next period.

    Parameters
    ----------
    pairs : pandas.DataFrame
        As `paired_margins` gives them.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    Persistence
    """
    pairs = require_pairs(pairs)
    negative, seen = pairs["before"] < 0, pairs["seen"]
    chosen = pairs[negative & seen]
    again = int((chosen["after"] < 0).sum())
    share, low, high = wilson(again, len(chosen), level=level)
    others = pairs[~negative & seen]
    others_share = float((others["after"] < 0).mean()) if len(others) else np.nan
    ends = _sum_interval(chosen["after"].to_numpy(), level=level, replicates=replicates, rng=rng)
    sums = (float(chosen["before"].sum()), float(chosen["after"].sum()))
    return Persistence(int(negative.sum()), len(chosen), again, share, low, high, others_share, *sums, *ends, level)


def regression_to_mean(
    pairs: pd.DataFrame,
    *,
    groups: int = 10,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: mean margin of both periods by group of the first, the lowest group first.

    Parameters
    ----------
    pairs : pandas.DataFrame
        As `paired_margins` gives them; customers not seen again count with 0.
    groups : int
        Number of groups of equal size, at least 2. Equal margins share a group.
    level, replicates
        Level of the intervals of `after`; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a group that has customers
        group (1 = lowest), customers, seen_share, before, after (means, money a customer), low, high (of `after`; NaN
        in a group of fewer than 30).
    """
    pairs = require_pairs(pairs)
    group = quantile_groups(pairs["before"], groups)
    table = (
        pairs.assign(group=group)
        .groupby("group")
        .agg(
            customers=("before", "size"),
            seen_share=("seen", "mean"),
            before=("before", "mean"),
            after=("after", "mean"),
        )
    )
    ends = np.full((len(table), 2), np.nan)
    for row, number in enumerate(table.index):
        values = pairs.loc[group == number, "after"].to_numpy()
        ends[row] = _sum_interval(values, level=level, replicates=replicates, rng=rng)
    means = ends / table["customers"].to_numpy()[:, None]
    return table.assign(low=means[:, 0], high=means[:, 1]).reset_index()


def _sum_interval(
    values: np.ndarray, *, level: float, replicates: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Bootstrap interval of a sum over customers; NaN for fewer than 30."""
    if len(values) < FEWEST:
        return np.nan, np.nan
    low, high = bootstrap_interval(
        lambda w: values[None, :] @ w, len(values), level=level, replicates=replicates, rng=rng
    )
    return float(low[0]), float(high[0])
