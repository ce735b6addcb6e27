"""What a newly won customer is worth after n periods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level

if TYPE_CHECKING:
    import pandas as pd


def customer_value(
    activity: pd.DataFrame,
    *,
    ages: int | None = None,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: what a newly won customer has brought in after n complete periods, with interval.

    The estimate adds up, age by age, the mean revenue of all customers whose period of that age is
    complete (a censored mean cost: Lin et al. 1997): every customer counts for as long as seen, and
    young cohorts do not pull the later ages down. It assumes that cohorts behave alike; compare them
    first. Intervals are percentiles of a bootstrap over customers.

    Parameters
    ----------
    activity : pandas.DataFrame
        As `customer_activity` gives it.
    ages : int, optional
        How many ages, from 0. Default: all that some cohort has completed.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row an age
        age (periods), customers (who had completed it), value (cumulative revenue a customer, the
        first order included), low, high (NaN once fewer than 30 customers had completed the age:
        a bootstrap of so few is too narrow).

    Raises
    ------
    DataError
        No customer has completed a single period.
    ParameterError
        More ages asked for than any cohort has completed; a level outside (0, 1).

    References
    ----------
    Lin, D. Y., Feuer, E. J., Etzioni, R., & Wax, Y. (1997), Estimating medical costs from incomplete
    follow-up data, Biometrics 53, 419-434.
    """
    import pandas as pd
    from scipy import sparse

    require_level(level)
    whole = activity[activity["age"] < activity["complete_ages"]]
    longest = int(activity["complete_ages"].max()) if len(activity) else 0
    if longest < 1:
        raise DataError("no customer's first period has ended yet; take a shorter period or a later as_of")
    if ages is not None and not 1 <= ages <= longest:
        raise ParameterError(f"ages is {ages}; between 1 and {longest} have been completed")
    horizon = ages or longest
    customer = pd.Categorical(whole["customer_id"])
    n = len(customer.categories)
    inside = (whole["age"] < horizon).to_numpy()
    cell = (customer.codes[inside], whole["age"].to_numpy()[inside])
    revenue = sparse.csr_array((whole["amount"].to_numpy()[inside], cell), shape=(n, horizon))
    followed = np.zeros(n, dtype=np.int64)
    followed[customer.codes] = whole["complete_ages"].to_numpy()
    at_risk = sparse.csr_array(followed[:, None] > np.arange(horizon), dtype=float)

    def curve(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):  # a replicate may miss the oldest cohort
            return np.cumsum((revenue.T @ weights) / (at_risk.T @ weights), axis=0)

    low, high = bootstrap_interval(curve, n, level=level, replicates=replicates, rng=rng)
    customers = at_risk.sum(axis=0).astype(np.int64)
    low[customers < FEWEST], high[customers < FEWEST] = np.nan, np.nan
    table = {"age": np.arange(horizon), "customers": customers, "value": curve(np.ones(n))}
    return pd.DataFrame({**table, "low": low, "high": high})
