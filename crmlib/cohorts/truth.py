"""The same shares where the truth is known: a simulated firm's population."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_PERIODS = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}


def true_active_share(
    triangle: pd.DataFrame, customers: pd.DataFrame, truth: Any, *, period: str = "month"
) -> pd.DataFrame:
    """Array: the triangle's complete cells from age 1 on, beside the probability that they estimate.

    It is the probability of the population the customers were drawn from, not of these very customers:
    that is what an interval for a share speaks of. Each acquisition is taken at the middle of its day.

    Parameters
    ----------
    triangle : pandas.DataFrame
        Of the simulated firm, as `retention_triangle` gives it.
    customers : pandas.DataFrame
        acquired_at (datetime64), one row a customer in the order of `truth`.
    truth : object
        With `population_active_probability(start_days, end_days, cohort_factor=)`, the probability of an
        order between two times since acquisition, and `cohort_factor`, one value a customer.
    period : str
        The triangle's period.

    Returns
    -------
    pandas.DataFrame
        The cells' rows with `true_share` (0-1): the mean over the cohort's days of acquisition.
    """
    import pandas as pd

    code, half, day = _PERIODS[period], pd.Timedelta(hours=12), pd.Timedelta(days=1)
    arrived = pd.DataFrame({"day": customers["acquired_at"].dt.normalize(), "factor": truth.cohort_factor})
    days = arrived.groupby("day").agg(customers=("factor", "size"), factor=("factor", "mean")).reset_index()
    own = days["day"].dt.to_period(code)
    cells = triangle[triangle["complete"] & (triangle["age"] >= 1)].reset_index(drop=True)
    shares = np.empty(len(cells))
    for cohort, group in cells.groupby(cells["cohort"].dt.to_period(code)):
        joined = days[own == cohort]
        calendar = pd.PeriodIndex([cohort + age for age in group["age"]])
        ends = [calendar.start_time, (calendar + 1).start_time]
        since = [(end.to_numpy()[:, None] - (joined["day"] + half).to_numpy()) / day.to_numpy() for end in ends]
        probability = truth.population_active_probability(*since, cohort_factor=joined["factor"].to_numpy())
        shares[group.index] = np.average(probability, axis=1, weights=joined["customers"])
    return cells.assign(true_share=shares)
