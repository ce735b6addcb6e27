"""Lifetime value over recency and frequency: which pasts are worth the same future."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd


def iso_value(
    purchases: Any,
    spend: Any,
    *,
    age: float,
    frequency: ArrayLike,
    recency: ArrayLike,
    mean_value: float,
    discount_rate: float,
    margin_rate: float = 1.0,
) -> pd.DataFrame:
    r"""Array: lifetime value of customers by repeat purchases and time of the last, all else equal.

    :math:`\text{margin} \times E(M \mid x, \bar z) \times \text{DERT}(x, t_x, T)`: the expected value of an order,
    drawn towards the population's mean the more the fewer orders there are, times the discounted expected number
    of them. A line through equal values is an iso-value curve. For a given last purchase *more* purchases
    can mean *less*: who bought often and has been silent since has most likely left.

    Parameters
    ----------
    purchases, spend
        Fitted `models.BetaGeoNBD` or `models.ParetoNBD`, and `models.GammaGamma`.
    age : float
        Time since the first purchase of all customers shown, in the unit of the fit.
    frequency : array-like of whole numbers, shape (m,)
        Repeat purchases.
    recency : array-like, shape (k,)
        Time of the last purchase since the first (not since today), above 0 up to `age`.
    mean_value : float
        Mean value of an order that all customers shown have had.
    discount_rate : float
        Continuous, a unit of time: log(1 + yearly rate) / 52 in weeks.
    margin_rate : float
        Share of revenue, 0 to 1.

    Returns
    -------
    pandas.DataFrame
        Rows frequency, columns recency; money. Frequency 0 has its value at recency 0 alone; it is shown in all
        columns. NaN where a recency lies beyond the age.

    Raises
    ------
    ParameterError

    References
    ----------
    Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005), RFM and CLV: using iso-value curves for customer base
        analysis, Journal of Marketing Research 42, 415-430, figures 2, 3 and 8.
    """
    import pandas as pd

    x, t = numbers(frequency, "frequency"), numbers(recency, "recency")
    given = {"age": age, "mean_value": mean_value, "margin_rate": margin_rate}
    age, mean_value, margin_rate = (float(numbers(value, name)[0]) for name, value in given.items())
    if x.ndim != 1 or t.ndim != 1 or not (len(x) and len(t)):
        raise ParameterError("frequency and recency must be lists of numbers; give at least one of each")
    if not (0 < age < np.inf and 0 < mean_value < np.inf and np.all(t > 0) and 0 <= margin_rate <= 1):
        raise ParameterError("age, recency and mean_value must be above 0, margin_rate between 0 and 1")
    many, last = (grid.ravel() for grid in np.meshgrid(x, t, indexing="ij"))
    inside = last <= age
    value = np.full(len(many), np.nan)
    seen = np.where(many[inside] > 0, last[inside], 0.0)
    orders = purchases.discounted_transactions(discount_rate, many[inside], seen, np.full(len(seen), float(age)))
    value[inside] = (
        margin_rate * orders * spend.conditional_expectation(many[inside], np.full(len(seen), float(mean_value)))
    )
    index, columns = pd.Index(x, name="frequency"), pd.Index(t, name="recency")
    return pd.DataFrame(value.reshape(len(x), len(t)), index=index, columns=columns)
