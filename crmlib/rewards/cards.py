"""Reward cards: how far each member had come on a card, when, and for how long; and cards whose pressure is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date
from crmlib.rewards.tables import first_joinings, order_instants

if TYPE_CHECKING:
    import datetime

    import pandas as pd

_DAY = 86_400_000_000  # microseconds
_CODES = {"week": "W", "month": "M", "quarter": "Q"}
#: Share of the seasonal peak by calendar month, January first; as at the simulated firm.
_SEASON = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0.25, 0.75, 1.0])


def card_progress(
    orders: Any, memberships: Any, *, threshold: int, as_of: str | datetime.date, period: str = "month"
) -> pd.DataFrame:
    """Array: how long each member stood at each number of purchases on the card, period by period.

    Every order after joining is a purchase on the card; the one that fills it begins the next. Where orders
    hold no time of day each is taken to have been at noon, and a member to have joined at the end of the day,
    whose orders are then no purchases on the card.

    Parameters
    ----------
    orders : any frame
        customer_id, ordered_at [amount: a negative one is a return and no purchase]; rows without customer or instant
        are left out.
    memberships : any frame
        customer_id, joined_at; the first where a customer has several.
    threshold : int
        Purchases that fill a card, at least 2.
    as_of : date or ISO string
        Last day of the data.
    period : {"month", "week", "quarter"}
        Calendar periods at whose ends waits are cut.

    Returns
    -------
    pandas.DataFrame, one row a member, period, and number of purchases on the card at which they were seen in it
        customer_id, period (its first day), purchases (0 to threshold - 1), orders (that were made there), days
        (spent there), stretches (pieces of waits that these days are made of).

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        Nobody joined up to `as_of`.
    """
    import pandas as pd

    if isinstance(threshold, bool) or not hasattr(threshold, "__index__") or threshold < 2:
        raise ParameterError(f"threshold is {threshold!r}; give the purchases that fill a card, 2 or more")
    if period not in _CODES:
        raise ParameterError(f"period is {period!r}; use {', '.join(_CODES)}")
    last = as_date(as_of, name="as_of")
    if last is None:
        raise ParameterError("a card's progress needs as_of; give the last day of the data as YYYY-MM-DD")
    end = pd.Timestamp(last).as_unit("us") + pd.Timedelta(days=1)
    joins, bought = _since_joining(orders, memberships, end)
    if joins.empty:
        raise DataError(f"nobody joined up to {last}; there is no card to fill")
    edges = pd.period_range(joins["joined_at"].min(), end, freq=_CODES[period]).start_time.as_unit("us")
    cuts = pd.DataFrame({"ordered_at": edges.append(pd.DatetimeIndex([end])).unique(), "orders": 0})
    cuts = joins.merge(cuts[cuts["ordered_at"] <= end], how="cross")
    cuts = cuts[cuts["ordered_at"] > cuts["joined_at"]]
    table = pd.concat([bought.assign(orders=1), cuts])[["customer_id", "joined_at", "ordered_at", "orders"]]
    table = table.sort_values(["customer_id", "ordered_at", "orders"], kind="stable")
    group = table.groupby("customer_id")
    begin = group["ordered_at"].shift().fillna(table["joined_at"])
    table["days"] = (table["ordered_at"] - begin).dt.total_seconds() / 86_400
    table["purchases"] = (group["orders"].cumsum() - table["orders"]) % threshold
    table["period"] = edges[np.searchsorted(edges, begin, side="right") - 1]
    keys = ["customer_id", "period", "purchases"]
    return table.assign(stretches=1).groupby(keys, as_index=False)[["orders", "days", "stretches"]].sum()


def _since_joining(orders: Any, memberships: Any, end: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each member's first joining, and the orders after it; days without a time of day are set to noon."""
    import pandas as pd

    bought = order_instants(orders)
    joins = first_joinings(memberships, bought)
    joins = joins[joins["joined_at"] < end]
    bought = bought[bought["ordered_at"] < end].merge(joins, on="customer_id")
    bought = bought[bought["ordered_at"] > bought["joined_at"]]
    if not len(bought) or not (bought["ordered_at"] == bought["ordered_at"].dt.normalize()).all():
        return joins, bought
    whole = {name: table["joined_at"].dt.normalize() for name, table in (("joins", joins), ("bought", bought))}
    joins = joins.assign(joined_at=whole["joins"] + pd.Timedelta(days=1))
    bought = bought.assign(
        joined_at=whole["bought"] + pd.Timedelta(days=1), ordered_at=bought["ordered_at"] + pd.Timedelta(hours=12)
    )
    return joins[joins["joined_at"] < end], bought[bought["ordered_at"] > bought["joined_at"]]


def simulated_cards(
    rng: np.random.Generator,
    *,
    members: int = 2_000,
    threshold: int = 10,
    acceleration: float = 1.5,
    days: int = 365,
    monthly_rate: float = 1.5,
    shape: float = 1.0,
    seasonality: float = 0.0,
    fading: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Array: orders and memberships of a programme whose points pressure is known; simulated.

    Each member joins on 1 January 2025 and buys at an own rate, gamma distributed, times
    acceleration^(k / (threshold - 1)) with k purchases on the card, times season and fading.

    Parameters
    ----------
    rng : numpy.random.Generator
    members, threshold, days : int
    acceleration : float
        Factor from an empty card to one purchase short of the reward; 1 for none.
    monthly_rate, shape : float
        Mean purchases in 30 days on an empty card; shape of the gamma distribution.
    seasonality : float
        By how much December's rate exceeds the usual, as a share of it; three quarters of that in November, one in
        October. 0 for none.
    fading : float
        Share of a member's rate that is lost in 30 days, at least 0 and below 1.

    Returns
    -------
    (orders, memberships)
        customer_id, ordered_at; customer_id, joined_at.

    Raises
    ------
    ParameterError
    """
    import pandas as pd

    for name, value in {"acceleration": acceleration, "monthly_rate": monthly_rate, "shape": shape}.items():
        if not value > 0:
            raise ParameterError(f"{name} is {value}; give a number above 0")
    if not seasonality >= 0 or not 0 <= fading < 1:
        raise ParameterError(f"seasonality is {seasonality}, fading {fading}; give 0 or more, and 0 up to below 1")
    start = np.datetime64("2025-01-01", "us")
    month = (start + np.arange(days + 1) * np.timedelta64(1, "D")).astype("datetime64[M]").astype(int) % 12
    usual = (1 + seasonality * _SEASON[month]) * (1 - fading) ** (np.arange(days + 1) / 30)
    peak = usual.max()
    rate = rng.gamma(shape, monthly_rate / shape / 30, members)
    now, filled, active, rows = np.zeros(members), np.zeros(members, dtype=int), np.arange(members), []
    while len(active):
        haste = acceleration ** (filled[active] % threshold / (threshold - 1))
        now[active] += rng.exponential(1 / (rate[active] * haste * peak))
        active = active[now[active] < days]
        made = active
        if seasonality or fading:  # thinned from the peak
            made = active[rng.random(len(active)) * peak < usual[now[active].astype(int)]]
        filled[made] += 1
        rows.append(np.column_stack([made, now[made]]))
    bought = np.concatenate(rows)
    instants = start + (bought[:, 1] * _DAY).astype("timedelta64[us]")
    orders = pd.DataFrame({"customer_id": bought[:, 0].astype(np.int64), "ordered_at": instants})
    orders = orders.sort_values(["ordered_at", "customer_id"], ignore_index=True)
    return orders, pd.DataFrame({"customer_id": np.arange(members), "joined_at": start})
