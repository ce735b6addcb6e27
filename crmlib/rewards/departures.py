"""A simulated programme whose effect on leaving is known: members' orders with it, and as they would be without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import datetime

    import pandas as pd

_DAY = 86_400_000_000  # microseconds
_LAUNCH, _RECENT = 180, 90  # days from the start to the programme; days that count as a recent past


@dataclass(frozen=True, eq=False)
class Departures:
    """Customers who leave unseen, and a programme that some of them joined; simulated.

    Attributes
    ----------
    orders, memberships : pandas.DataFrame
        customer_id, ordered_at; customer_id, joined_at.
    unchanged : pandas.DataFrame
        The orders of the same customers, by the same chance, had the programme not changed when they leave.
    as_of : datetime.date
        Last day of the data.
    """

    orders: pd.DataFrame
    memberships: pd.DataFrame
    unchanged: pd.DataFrame
    as_of: datetime.date


def simulated_departures(
    rng: np.random.Generator,
    *,
    customers: int = 5_000,
    effect: float = 0.6,
    selection: float = 1.0,
    hidden: float = 0.0,
    days: int = 900,
    monthly_rate: float = 2.0,
    monthly_leaving: float = 0.06,
) -> Departures:
    """Array: orders and memberships of a programme whose effect on leaving is known; simulated.

    Customers are won evenly over the first 540 days, buy at own rates (gamma, shape 2) and leave with own hazards
    (gamma, shape 2, divided by the square root of their relative rate: heavy buyers stay longer). Half a year in, a
    programme starts. Who orders joins with a probability of 0.4 % times (1 + orders of the last 90 days)^selection
    times (mean hazard / own hazard)^hidden, at most a half. From then on the hazard is multiplied by `effect`.

    Parameters
    ----------
    rng : numpy.random.Generator
    customers, days : int
        Number of customers, at least 1; days of data, more than 180.
    effect : float
        Factor of a member's hazard of leaving, above 0; 1 for a programme that keeps nobody.
    selection : float
        Power of the recent orders, which anybody can see, in the chance to join.
    hidden : float
        Power of the own hazard of leaving, which nobody can see, in the chance to join: above 0 those join who would
        have stayed anyway.
    monthly_rate, monthly_leaving : float
        Mean orders, and mean hazard of leaving, in 30 days.

    Returns
    -------
    Departures

    Raises
    ------
    ParameterError
    """
    import datetime

    import pandas as pd

    asked = {"customers": customers, "effect": effect, "monthly_rate": monthly_rate, "monthly_leaving": monthly_leaving}
    for name, value in asked.items():
        if not value > 0:
            raise ParameterError(f"{name} is {value}; give a number above 0")
    if days <= _LAUNCH:
        raise ParameterError(f"days is {days}; give more than {_LAUNCH}, when the programme starts")
    start = rng.uniform(0, min(540, days), customers)
    relative = rng.gamma(2, 0.5, customers)
    hazard = rng.gamma(2, 0.5, customers) / np.sqrt(relative) * monthly_leaving / 30
    span = rng.standard_exponential(customers) / hazard  # until leaving, without a programme
    number = rng.poisson(relative * monthly_rate / 30 * (days - start))
    who = np.concatenate([np.arange(customers), np.repeat(np.arange(customers), number)])
    luck = rng.random(len(who))
    when = start[who] + np.append(np.zeros(customers), rng.random(number.sum())) * (days - start[who])
    order = np.lexsort((when, who))
    who, when = who[order], when[order]
    leaves = start + span
    recent = np.arange(len(who)) - np.searchsorted(who * 2.0 * days + when, who * 2.0 * days + when - _RECENT)
    recent = np.minimum(recent, np.arange(len(who)) - np.searchsorted(who, who))
    with np.errstate(over="ignore"):
        chance = 0.004 * (1.0 + recent) ** selection * (monthly_leaving / 30 / hazard[who]) ** hidden
    joins = (luck < np.minimum(chance, 0.5)) & (when >= _LAUNCH) & (when <= leaves[who])
    joined = np.full(customers, np.inf)
    np.minimum.at(joined, who[joins], when[joins])
    member = np.isfinite(joined)
    kept = leaves.copy()
    kept[member] = joined[member] + (leaves[member] - joined[member]) / effect
    origin = np.datetime64("2023-01-01", "us")

    def instants(at: np.ndarray) -> np.ndarray:
        return origin + (at * _DAY).astype("timedelta64[us]")

    def orders(until: np.ndarray) -> pd.DataFrame:
        seen = when <= until[who]
        return pd.DataFrame({"customer_id": who[seen], "ordered_at": instants(when[seen])})

    joins_at = pd.DataFrame({"customer_id": np.flatnonzero(member), "joined_at": instants(joined[member])})
    as_of = datetime.date(2023, 1, 1) + datetime.timedelta(days=days - 1)
    return Departures(orders(kept), joins_at, orders(leaves), as_of)
