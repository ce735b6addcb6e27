"""Money by cohort and age.

References
----------
Lin, D. Y., Feuer, E. J., Etzioni, R., & Wax, Y. (1997), Estimating medical costs from incomplete follow-up
    data, Biometrics 53, 419-434.
McCarthy, D. M., Fader, P. S., & Hardie, B. G. S. (2017), Valuing subscription-based businesses using publicly
    disclosed customer data, Journal of Marketing 81(1), 17-35.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level

if TYPE_CHECKING:
    import pandas as pd


def revenue_triangle(
    activity: pd.DataFrame, *, level: float = 0.95, replicates: int = 500, rng: np.random.Generator
) -> pd.DataFrame:
    """Array: revenue by cohort and age, per customer ever won and cumulative, with bootstrap intervals.

    Complete periods only; a cohort's customers who pay nothing at an age count with 0, returns with their minus.

    Parameters
    ----------
    activity : pandas.DataFrame
        As `customer_activity` gives it.
    level, replicates
        Of the percentile intervals over customers of the cohort.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a cohort and complete age from 0
        cohort, age, customers, amount, per_customer, low, high, cumulative (per customer, up to and with this
        age), cumulative_low, cumulative_high. No intervals for cohorts of fewer than 30 customers.

    Raises
    ------
    DataError
        No cohort has completed a period.
    """
    import pandas as pd
    from scipy import sparse

    require_level(level)
    whole = activity[activity["age"] < activity["complete_ages"]]
    if whole.empty:
        raise DataError("no cohort has completed its first period; take a shorter period or a later as_of")
    parts = []
    for cohort, group in whole.groupby("cohort", sort=True):
        ages = int(group["complete_ages"].iloc[0])
        codes, names = pd.factorize(group["customer_id"])
        n = len(names)
        revenue = sparse.csr_array((group["amount"].to_numpy(), (codes, group["age"].to_numpy())), shape=(n, ages))

        def curves(weights: np.ndarray, revenue: Any = revenue, n: int = n) -> np.ndarray:
            each = revenue.T @ weights / n
            return np.concatenate([each, np.cumsum(each, axis=0)])

        value = curves(np.ones((n, 1)))[:, 0]
        ends = np.full((2, 2 * ages), np.nan)
        if n >= FEWEST:
            ends = np.stack(bootstrap_interval(curves, n, level=level, replicates=replicates, rng=rng))
        table = {
            "cohort": cohort,
            "age": np.arange(ages),
            "customers": n,
            "amount": value[:ages] * n,
            "per_customer": value[:ages],
            "low": ends[0, :ages],
            "high": ends[1, :ages],
            "cumulative": value[ages:],
            "cumulative_low": ends[0, ages:],
            "cumulative_high": ends[1, ages:],
        }
        parts.append(pd.DataFrame(table))
    return pd.concat(parts, ignore_index=True)


def revenue_shares(triangle: pd.DataFrame, *, most: int = 12) -> pd.DataFrame:
    """Array: a cohort's revenue at each age as a share of that in its first period, ready for a heat map.

    Parameters
    ----------
    triangle : pandas.DataFrame
        As `revenue_triangle` gives it.
    most : int
        At most so many cohorts and ages: of more, every second, third… is shown, from the first on.

    Returns
    -------
    pandas.DataFrame
        Indexed by cohort (datetime), one column an age; missing where an age is not complete. Cohorts without
        revenue in their first period are left out.

    Raises
    ------
    DataError
        No cohort has revenue in its first period.
    """
    if most < 1:
        raise ParameterError(f"most is {most}; give at least 1")
    wide = triangle.pivot(index="cohort", columns="age", values="amount")
    wide = wide[wide[0] > 0]
    if wide.empty:
        raise DataError("no cohort has revenue in its first period, so there is no share of it; take a longer period")
    steps = [max(1, -(-size // most)) for size in wide.shape]
    return wide.div(wide[0], axis=0).iloc[:: steps[0], :: steps[1]]
