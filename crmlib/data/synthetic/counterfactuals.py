"""The firm against itself with one thing switched off, on the same random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.data.synthetic.acquisition import CHANNELS, prospects, touches
from crmlib.data.synthetic.parameters import DAY, MONTH_DAYS
from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.data.synthetic.truth import Truth

_PERIODS = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}


def channel_increments(truth: Truth) -> pd.DataFrame:
    """What each channel adds, with all others as they are.

    The conversion step is run again for the same prospects without the channel: conversions with
    everything on less conversions without it. An early channel's increment includes what it brings
    by way of later ones. Increments need not sum to the conversions: most prospects who convert would
    do so without any one channel, and some need two.

    Parameters
    ----------
    truth : Truth

    Returns
    -------
    pandas.DataFrame
        One row a channel that is on, by increment: channel, touches, cost, conversions,
        conversions_without, increment, incremental_value (first orders of the customers it adds),
        incremental_revenue (all their orders), cost_saved (marketing cost that falls away without it, that
        of later channels included), cost_per_incremental_customer = cost / increment (missing where the
        increment is 0). Direct is what happens without the firm's doing: increment 0.
    """
    import pandas as pd

    known = truth.parameters
    people = prospects(known, truth.entropy)
    reached, converts = people.without(known.channels_off)
    row = np.cumsum(converts) - 1
    made = np.bincount(touches(known, truth.entropy, people, reached).code, minlength=len(CHANNELS))
    prices = np.array([channel.cost for channel in CHANNELS])
    rows = []
    for code, channel in enumerate(CHANNELS):
        if channel.name in known.channels_off:
            continue
        less, kept = made, converts
        if channel.name != "direct":
            left, kept = people.without((*known.channels_off, channel.name))
            less = np.bincount(touches(known, truth.entropy, people, left).code, minlength=len(CHANNELS))
        lost = row[converts & ~kept]
        cost, increment = made[code] * channel.cost, len(lost)
        rows.append(
            {
                "channel": channel.name,
                "touches": made[code],
                "cost": cost,
                "conversions": converts.sum(),
                "conversions_without": kept.sum(),
                "increment": increment,
                "incremental_value": truth.first_value[lost].sum(),
                "incremental_revenue": truth.revenue[lost].sum(),
                "cost_saved": (made - less) @ prices,
                "cost_per_incremental_customer": cost / increment if increment else np.nan,
            }
        )
    return pd.DataFrame(rows).sort_values("increment", ascending=False, kind="stable", ignore_index=True)


def added_customers(truth: Truth) -> pd.DataFrame:
    """Who would not have come without a channel, with all others as they are.

    Parameters
    ----------
    truth : Truth

    Returns
    -------
    pandas.DataFrame
        channel, customer_id: one row a channel that adds somebody and customer whom it adds, as many as the
        `increment` of `channel_increments`. One whom it took two channels to win stands under both.
    """
    import pandas as pd

    known = truth.parameters
    people = prospects(known, truth.entropy)
    _, converts = people.without(known.channels_off)
    row = np.cumsum(converts) - 1
    parts = []
    for channel in CHANNELS:
        if channel.name == "direct" or channel.name in known.channels_off:
            continue
        _, kept = people.without((*known.channels_off, channel.name))
        lost = truth.customer_id[row[converts & ~kept]]
        parts.append(pd.DataFrame({"channel": channel.name, "customer_id": lost}))
    empty = pd.DataFrame({"channel": [], "customer_id": np.array([], dtype=np.int64)})
    return pd.concat([part for part in parts if len(part)] or [empty], ignore_index=True).astype({"channel": "str"})


def programme_effect(
    truth: Truth,
    period: str = "month",
    horizon: int | None = None,
    *,
    per_days: float | None = MONTH_DAYS,
    by_cohort: bool = False,
) -> pd.DataFrame:
    """Programme's effect on its members by periods since they joined.

    Parameters
    ----------
    truth : Truth
    period : {"day", "week", "month", "quarter", "year"}
        Calendar periods; weeks begin on Monday.
    horizon : int, optional
        Last event time; by default as far as the data go.
    per_days : float, optional
        Effects are per member and this many days, so that months of any length compare; `None`
        for per member and period.
    by_cohort : bool
        One row a joining period and event time, instead of their mean by members.

    Returns
    -------
    pandas.DataFrame
        Complete periods only: cohort (Period; with `by_cohort`), event_time (1 for the period after
        the joining one, which is left out), members, orders and spend (expected of these members, given
        their rates), orders_rerun and spend_rerun (this firm less its re-run without the programme).

    Raises
    ------
    ParameterError
        Unknown period, horizon below 1, per_days not positive.
    """
    if period not in _PERIODS:
        raise ParameterError(f"period is {period!r}; give one of {', '.join(_PERIODS)}")
    if horizon is not None and (isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)) or horizon < 1):
        raise ParameterError(f"horizon is {horizon!r}; give a whole number of 1 or more")
    if per_days is not None and not 0 < per_days < np.inf:
        raise ParameterError(f"per_days is {per_days!r}; give a positive number of days")
    cells = _cells(truth, _PERIODS[period], per_days)
    cells = cells[cells["event_time"] <= (horizon or len(cells))]
    keys = ["cohort", "event_time"] if by_cohort else ["event_time"]
    found = cells.drop(columns=[] if by_cohort else "cohort").groupby(keys, as_index=False).sum()
    measures = ["orders", "spend", "orders_rerun", "spend_rerun"]
    found[measures] = found[measures].div(found["members"], axis=0)
    return found


def _cells(truth: Truth, offset: str, per_days: float | None) -> pd.DataFrame:
    """Sums over the members of each joining period and event time."""
    import pandas as pd

    members = np.flatnonzero(np.isfinite(truth.joined_days))
    acquired = truth.acquired_at.astype(np.int64)
    cohort = pd.PeriodIndex(truth.joined_at[members], freq=offset)
    last = pd.Period(truth.parameters.as_of, freq=offset)
    if last.end_time.date() > truth.parameters.as_of:
        last -= 1
    rank = pd.Series(np.arange(len(members)), index=members)
    caused = pd.DataFrame(
        {
            "member": rank.reindex(truth.caused_by_customer).to_numpy(),
            "period": pd.PeriodIndex(truth.caused_at, freq=offset),
            "orders_rerun": truth.caused_orders,
            "spend_rerun": truth.caused_orders * truth.caused_spend,
        }
    )
    caused["cohort"] = cohort[caused["member"].to_numpy(dtype=int)]
    again = caused.groupby(["cohort", "period"])[["orders_rerun", "spend_rerun"]].sum()
    rerun = dict(zip(again.index, again.to_numpy(), strict=True))
    rows = []
    for own in cohort.unique().sort_values():
        mine = members[cohort == own]
        influence, spend = truth.influence(mine), truth.mean_spend[mine]
        for time, now in enumerate(pd.period_range(own + 1, last, freq=offset), 1):
            begin, end = now.start_time.to_datetime64(), (now + 1).start_time.to_datetime64()
            days = ((edge.astype("datetime64[us]").astype(np.int64) - acquired[mine]) / DAY for edge in (begin, end))
            orders = influence.programme_orders(*days)
            run = rerun.get((own, now), (0.0, 0.0))
            scale = per_days / ((end - begin) / np.timedelta64(1, "D")) if per_days else 1.0
            sums = np.array([orders.sum(), orders @ spend, *run]) * scale
            rows.append((own, time, len(mine), *sums))
    kinds = {"cohort": f"period[{offset}]", "event_time": "int64", "members": "int64"}
    kinds |= dict.fromkeys(("orders", "spend", "orders_rerun", "spend_rerun"), "float64")
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)  # stated for an empty table
