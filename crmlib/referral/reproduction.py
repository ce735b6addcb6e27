r"""How many customers a customer brings: the reproduction number, from customers who are still young.

With :math:`N_i(s)` the customers whom i has brought by age s, the reproduction number within
:math:`\tau` days is :math:`R(\tau) = E\,N_i(\tau)`. Customers won last month have not had their time, so that all
referred over all customers is too low. At each age s only those count who have been followed as long,
:math:`Y(s)` of them (Nelson 1988; Lawless & Nadeau 1995):

.. math:: \hat R(\tau) = \sum_{s \le \tau} \frac{dN(s)}{Y(s)}, \qquad
          \hat\sigma^2 = \sum_i \Big( \sum_{s \le \min(\tau, F_i)} \frac{dN_i(s) - dN(s)/Y(s)}{Y(s)} \Big)^2,

with :math:`F_i` the days that i has been followed. The variance takes customers, not referrals, as what was
sampled: a customer's referrals may come in bursts. Intervals are on the log scale.

References
----------
Nelson, W. (1988), Graphical analysis of system repair data, Journal of Quality Technology 20, 24-35.
Lawless, J. F., & Nadeau, C. (1995), Some simple robust methods for the analysis of recurrent events, Technometrics
    37, 158-168.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import ParameterError
from crmlib.intervals import require_level
from crmlib.referral.base import ReferralBase, require_days

if TYPE_CHECKING:
    import pandas as pd

_EVENTS = {"brought": ("links", "cycle_days"), "invited": ("invitations", "age_days")}


@dataclass(frozen=True, eq=False)
class Counts:
    """What a group of customers did by age, up to a number of days.

    Attributes
    ----------
    followed : int array, one a customer
        Days followed, cut at the window.
    customer, age : int arrays, one an event
        Place of the customer in the group; age in days.
    """

    followed: np.ndarray
    customer: np.ndarray
    age: np.ndarray
    days: int

    @classmethod
    def of(cls, base: ReferralBase, days: int, mask: np.ndarray, event: str = "brought") -> Counts:
        """Count the events of the customers in the mask within the window."""
        if event not in _EVENTS:
            raise ParameterError(f"event is {event!r}; give {' or '.join(_EVENTS)}")
        table, column = _EVENTS[event]
        events = getattr(base, table)
        customer, age = (events[name].to_numpy(dtype=np.int64) for name in ("referrer", column))
        kept = mask[customer] & (age <= days)
        place = np.cumsum(mask) - 1
        return cls(np.minimum(base.followed[mask], days), place[customer[kept]], age[kept], days)

    @property
    def at_risk(self) -> np.ndarray:
        """Customers followed to each age, 0 to days."""
        return np.cumsum(np.bincount(self.followed, minlength=self.days + 1)[::-1])[::-1]

    @property
    def steps(self) -> np.ndarray:
        """Increments of the mean number by age, 0 to days; 0 where nobody is followed."""
        return np.bincount(self.age, minlength=self.days + 1) / np.maximum(self.at_risk, 1)

    def influence(self, weights: np.ndarray | None = None) -> np.ndarray:
        """What each customer adds to the error of the sum of weighted steps; weights by age, default 1."""
        weights = np.ones(self.days + 1) if weights is None else weights
        scaled = weights / np.maximum(self.at_risk, 1)
        own = np.bincount(self.customer, scaled[self.age], len(self.followed))
        return np.asarray(own - np.cumsum(scaled * self.steps)[self.followed])

    def estimate(self, weights: np.ndarray | None = None) -> tuple[float, float]:
        """Return the sum of weighted steps, and its standard error."""
        steps = self.steps if weights is None else self.steps * weights
        return float(steps.sum()), float(np.sqrt(np.sum(self.influence(weights) ** 2)))


def reproduction_number(
    base: ReferralBase, *, days: int, by: str | None = None, event: str = "brought", level: float = 0.95
) -> pd.DataFrame:
    r"""Array: customers that a customer brings within so many days of becoming one, with interval.

    Estimand: :math:`R(\tau)`, the expected number by the end of `days` days after the own acquisition's, of customers
    like these; days are the calendar's, so that who was won at noon has had half a day more. What comes later is not
    in it, so choose a window beyond which few refer. Assumes that when a customer was won says nothing about how
    they refer, given their group: where later cohorts refer differently, compare them by cohort. In 1,000 simulated
    firms of about 3,000 customers (`make bench`) the 95 % interval held R in 96.4 % (of arms of a quarter and three
    quarters of them in 95.4 % and 96.0 %; Monte Carlo error 0.6 points).

    Parameters
    ----------
    base : ReferralBase
    days : int
        Window since the customer's own acquisition, in days of the calendar: 0 is the acquisition's, and the last one
        counts to its end.
    by : str, optional
        Column of the customers: cohort, referred, or one of those carried along.
    event : {"brought", "invited"}
        What is counted: customers brought, or invitations sent.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a group
        group, customers, complete (followed for the whole window), events (within it), crude (all events over all
        customers: too low while customers are young), complete_mean (of the complete only), reproduction,
        standard_error, low, high. Without an event the estimate is 0 and the interval that of a Poisson count
        among the complete, from 0. NaN where nobody of the group is complete.

    Raises
    ------
    MissingColumnsError, ParameterError
    """
    import pandas as pd

    require_level(level)
    days = require_days(base, days)
    rows = []
    for name, mask in base.groups(by):
        counts = Counts.of(base, days, mask, event)
        complete = counts.followed >= days
        own = np.bincount(counts.customer, minlength=len(counts.followed))
        row = {"group": name, "customers": len(own), "complete": int(complete.sum()), "events": int(own.sum())}
        value, error = counts.estimate() if complete.any() else (np.nan, np.nan)
        row |= {"crude": own.mean(), "complete_mean": own[complete].mean() if complete.any() else np.nan}
        low, high = log_interval(value, error, level, exposed=row["complete"])
        rows.append(row | {"reproduction": value, "standard_error": error, "low": low, "high": high})
    return pd.DataFrame(rows)


def reproduction_curve(
    base: ReferralBase, *, days: int, points: int = 60, where: np.ndarray | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Array: customers brought by age, with pointwise intervals: `reproduction_number` for growing windows.

    Parameters
    ----------
    base, days, level
        As in `reproduction_number`.
    points : int
        About how many ages, evenly from 0 to days.
    where : bool array, optional
        Which customers; default all.

    Returns
    -------
    pandas.DataFrame, one row an age
        age (days), at_risk (customers followed as long), reproduction, standard_error, low, high.
    """
    import pandas as pd

    require_level(level)
    days = require_days(base, days)
    mask = np.ones(len(base.customers), dtype=bool) if where is None else where
    whole = Counts.of(base, days, mask)
    rows = []
    for age in np.unique(np.linspace(0, days, points + 1).round().astype(int)):
        value, error = whole.estimate((np.arange(days + 1) <= age).astype(float))
        low, high = log_interval(value, error, level, exposed=int(whole.at_risk[age]))
        row = {"age": age, "at_risk": whole.at_risk[age], "reproduction": value, "standard_error": error}
        rows.append(row | {"low": low, "high": high})
    return pd.DataFrame(rows)


def log_interval(value: float, error: float, level: float, *, exposed: int) -> tuple[float, float]:
    """Interval of a mean count on the log scale; of a Poisson count from 0 where there is no event."""
    from scipy.stats import norm

    if not np.isfinite(value):
        return np.nan, np.nan
    if value == 0:
        return 0.0, -np.log((1 - level) / 2) / exposed if exposed else np.nan
    reach = norm.ppf(0.5 + level / 2) * error / value
    return float(value * np.exp(-reach)), float(value * np.exp(reach))
