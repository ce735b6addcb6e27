"""The same shares where the truth is known: a simulated firm's customers with their own rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_OFFSETS = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}


def true_active_share(
    triangle: pd.DataFrame, customers: pd.DataFrame, truth: Any, *, period: str = "month"
) -> pd.DataFrame:
    """Array: the triangle's complete cells from age 1 on, beside the share to be expected of their customers.

    Parameters
    ----------
    triangle : pandas.DataFrame
        Of the simulated firm, as `retention_triangle` gives it.
    customers : pandas.DataFrame
        acquired_at (datetime64), one row a customer in the order of `truth`.
    truth : object
        With `active_probability(start_days, end_days)`: each customer's probability of an order
        between two times since acquisition.
    period : str
        The triangle's period.

    Returns
    -------
    pandas.DataFrame
        The cells' rows with `true_share` (0-1): the mean over the cohort's customers.
    """
    import pandas as pd

    acquired = customers["acquired_at"].reset_index(drop=True)
    own = acquired.dt.to_period(_OFFSETS[period])
    cells = triangle[triangle["complete"] & (triangle["age"] >= 1)].reset_index(drop=True)
    day = pd.Timedelta(days=1)
    shares = np.empty(len(cells))
    for calendar, group in cells.groupby(cells["cohort"].dt.to_period(_OFFSETS[period]) + cells["age"]):
        start, end = calendar.start_time, (calendar + 1).start_time
        since = [((instant - acquired) / day).clip(lower=0) for instant in (start, end)]  # 0: not yet a customer
        probability = np.asarray(truth.active_probability(*since))
        by_cohort = pd.Series(probability).groupby(own).mean()
        shares[group.index] = by_cohort.reindex(group["cohort"].dt.to_period(_OFFSETS[period])).to_numpy()
    return cells.assign(true_share=shares)
