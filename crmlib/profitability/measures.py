"""The usual levers, pulled on one period's customers and judged on the next."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ParameterError
from crmlib.findings import percent
from crmlib.frames import as_date, to_pandas
from crmlib.profitability.changes import (
    SMALL_ORDERS,
    avoidable_rate,
    channel_change,
    minimum_order_change,
    next_period,
    price_change,
    small_orders,
)
from crmlib.profitability.drivers import Day
from crmlib.profitability.levers import Lever, lever
from crmlib.profitability.poaching import best_customers

if TYPE_CHECKING:
    import pandas as pd


def lever_comparison(
    tables: Mapping[str, Any],
    costs: Any,
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    since: Day,
    as_of: Day = None,
    price_rise: float = 0.05,
    minimum_order: float = 0.2,
    channel_saving: float = 0.5,
    leaving: float = 0.1,
    best_share: float = 0.1,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> tuple[Lever, ...]:
    """Array: letting go, price, minimum order and a cheaper channel, on the same customers and days.

    Letting go, a higher price and the channel touch those who lost money in the first period; a price for all and the
    minimum order are rules for everybody, so they touch the best too.

    Parameters
    ----------
    tables : mapping of str to any frame
        As `customer_margin` took them: the orders are read for the small ones.
    costs : any frame or sequence of Activity
        The activities: an order less saves the avoidable rate of those whose driver is `orders`.
    before, after : pandas.DataFrame
        Margins of the two periods, as `customer_margin` gives them.
    since, as_of : date or ISO string
        First and last day of the second period.
    price_rise : float
        A share, such as 0.05.
    minimum_order : float
        As a multiple (above 0) of the first period's mean order. Where that is not above 0 nobody is touched.
    channel_saving : float
        Share (0-1) of avoidable cost that the channel saves.
    leaving : float
        Assumed share (0-1) of the touched that leaves.
    best_share : float
        The best customers, a share of all, those let go excepted.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    tuple of Lever
        In this order: let go, price for the losing, price for all, minimum order, cheaper channel.

    Raises
    ------
    ParameterError, DataError, MissingColumnsError
    """
    if not (np.isfinite(minimum_order) and minimum_order > 0):
        raise ParameterError(f"minimum_order is {minimum_order}; give a multiple of the mean order, above 0")
    contribution = before["contribution"].to_numpy(dtype=float)
    losing = contribution < 0
    later = next_period(before, after)
    small, saved = _minimum(tables, costs, before, minimum_order, since, as_of)
    chosen = {
        "let them go": (None, losing),
        f"price up {percent(price_rise)}, those who lost": (price_change(later, price_rise), losing),
        f"price up {percent(price_rise)}, all": (price_change(later, price_rise), np.ones_like(losing)),
        "minimum order, all": (saved, small),
        "cheaper channel, those who lost": (channel_change(later, channel_saving), losing),
    }
    best = best_customers(contribution, best_share) & ~losing
    judged = later["contribution"].to_numpy(dtype=float)
    options: dict[str, Any] = {"best": best, "leaving": leaving, "level": level, "replicates": replicates, "rng": rng}
    return tuple(lever(name, judged, change, touched=who, **options) for name, (change, who) in chosen.items())


def _minimum(
    tables: Mapping[str, Any], costs: Any, before: pd.DataFrame, multiple: float, since: Day, as_of: Day
) -> tuple[np.ndarray, np.ndarray]:
    """Who had small orders in the first period, and what each saves in the second."""
    orders = float(before["orders"].sum())
    minimum = multiple * float(before["revenue"].sum()) / orders if orders > 0 else 0.0
    start = as_date(since, name="since")
    if not minimum > 0 or start is None:
        return np.zeros(len(before), dtype=bool), np.zeros(len(before))
    spans: tuple[dict[str, Day], ...] = (
        {"as_of": start - datetime.timedelta(days=1)},
        {"since": start, "as_of": as_of},
    )
    first, second = (next_period(before, to_pandas(small_orders(tables, minimum=minimum, **span))) for span in spans)
    saved = minimum_order_change(second, minimum=minimum, cost_per_order=avoidable_rate(costs, "orders"))
    return (first[SMALL_ORDERS] > 0).to_numpy(), saved
