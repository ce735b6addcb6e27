"""Does the spend model foresee what orders were worth? Hold-out, and whether spend depends on frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmlib.clv.holdout import compared
from crmlib.columns import number_table
from crmlib.errors import DataError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import GammaGammaResults

Floats = NDArray[np.float64]

_COLUMNS = ("frequency", "monetary_value", "holdout_frequency", "holdout_amount")


def spend_evaluation(spend: GammaGammaResults, holdout: Any, *, level: float = 0.95) -> pd.DataFrame:
    """Array: mean order value expected and seen in a hold-out, the model beside naive rules.

    Of customers who bought in it. The rules: each customer's own past mean (the mean of all where there is none), and
    the mean of all past repeat orders.

    Parameters
    ----------
    spend : GammaGammaResults
        Fitted to these customers' histories.
    holdout : frame
        As `rfm.holdout_history` gives it: frequency, monetary_value, holdout_frequency, holdout_amount.
    level : float
        Of the interval of the difference in error, and of the prediction intervals counted.

    Returns
    -------
    pandas.DataFrame, one row a rule, the model first
        As `holdout_evaluation`, predicted and actual being sums over customers of mean order values; customers (who
        bought); and inside (part of them whose mean lies in the model's prediction interval, 0-1; NaN for the rules).

    Raises
    ------
    DataError
        Nobody bought in the hold-out, or nobody before.
    """
    require_level(level)
    table = number_table(holdout, _COLUMNS, table="holdout")
    made = table["holdout_frequency"]
    if not (np.isfinite(made).all() and (made >= 0).all() and (made % 1 == 0).all()):
        raise DataError("the hold-out's numbers of purchases must be whole and at least 0; count days, not money")
    table = table[table["holdout_frequency"] > 0]
    known = (table["frequency"] > 0) & (table["monetary_value"] > 0)
    if not len(table) or not known.any():
        raise DataError("nobody bought in the hold-out and before, so no order value can be judged; take a longer one")
    x, z = table["frequency"].where(known, 0).to_numpy(float), table["monetary_value"].where(known, 0.0).to_numpy(float)
    orders = table["holdout_frequency"].to_numpy(int)
    seen = table["holdout_amount"].to_numpy(float) / orders
    if not np.isfinite(seen).all():
        raise DataError("holdout_amount is missing or infinite for customers who bought; repair or drop them")
    model = spend.model
    every = float((model.weights * model.x) @ model.z / (model.weights @ model.x))
    rules = {
        "model": spend.conditional_expectation(x, z),
        "own past mean": np.where(x > 0, z, every),
        "mean of all": np.full(len(z), every),
    }
    result = compared(rules, seen, level)
    inside = np.empty(len(z), dtype=bool)
    for number in np.unique(orders):
        rows = orders == number
        ends = spend.prediction_interval(x[rows], z[rows], orders=int(number), level=level)
        inside[rows] = (ends["low"] <= seen[rows]) & (seen[rows] <= ends["high"])
    return result.assign(customers=len(z), inside=[inside.mean(), np.nan, np.nan])


def spend_slope(spend: GammaGammaResults, *, level: float = 0.95) -> pd.Series:
    r"""Array: by how much mean order value differs with each doubling of the number of orders.

    Least squares of :math:`z = a + b \log_2 x` over the customers of the fit, as the gamma-gamma model takes
    E(z | x) as the same for all x; the interval is from White's (1980) standard error, because the variance of z
    falls with x.

    Parameters
    ----------
    spend : GammaGammaResults
    level : float

    Returns
    -------
    pandas.Series
        change (b over the mean of z, so .1 for 10 % more), low, high, p_value; NaN where all have as many orders.

    References
    ----------
    White, H. (1980), A heteroskedasticity-consistent covariance matrix estimator and a direct test for
        heteroskedasticity, Econometrica 48, 817-838.
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    w, x, z = spend.model.weights, np.log2(spend.model.x), spend.model.z
    n = w.sum()
    away, mean = x - w @ x / n, float(w @ z / n)
    spread = float(w @ away**2)
    if not spread > 0:
        return pd.Series({"change": np.nan, "low": np.nan, "high": np.nan, "p_value": np.nan})
    slope = float(w @ (away * z)) / spread
    rest = z - mean - slope * away
    error = float(np.sqrt(n / (n - 2) * (w @ (away * rest) ** 2)) / spread)
    step = norm.ppf(0.5 + level / 2) * error
    p = float(2 * norm.sf(abs(slope) / error)) if error > 0 else np.nan
    ends = {"change": slope, "low": slope - step, "high": slope + step}
    return pd.Series({name: value / mean for name, value in ends.items()} | {"p_value": p})
