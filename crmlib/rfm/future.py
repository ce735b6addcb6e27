"""Spend to expect of each customer, by the lifetime-value models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import number_table
from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class FutureSpend:
    """Fitted models of how many orders are to come and how large they are.

    Attributes
    ----------
    purchases : TransactionResults
        BG/NBD, time in the history's unit.
    spend : GammaGammaResults
    seen : array
        Repeat orders of each customer that entered the spend model; 0 where their mean was not above 0.
    mean_order : array
        Their mean value, 0 where there are none.
    """

    purchases: Any
    spend: Any
    seen: np.ndarray
    mean_order: np.ndarray

    def expected(self, time: float) -> np.ndarray:
        """Spend expected of each customer in a further time: orders expected times value expected of an order."""
        worth = self.spend.conditional_expectation(self.seen, self.mean_order)
        return np.asarray(self.purchases.conditional_expectation(time) * worth)

    @property
    def params(self) -> pd.Series:
        """Estimates of both models."""
        import pandas as pd

        return pd.concat([self.purchases.params, self.spend.params])


def future_spend(history: Any) -> FutureSpend:
    """Array: BG/NBD and gamma-gamma models of these customers' future.

    Parameters
    ----------
    history : any frame
        frequency, recency, age, monetary_value, as `purchase_history` gives them. Customers whose mean order is not
        above 0 (returns) count as buyers, but not in the spend model.

    Returns
    -------
    FutureSpend

    Raises
    ------
    DataError, ConvergenceError
        As the models raise them.
    """
    from crmlib.models import BetaGeoNBD, GammaGamma

    columns = ("frequency", "recency", "age", "monetary_value")
    history = number_table(history, columns, table="history")
    purchases = BetaGeoNBD(*(history[name] for name in columns[:3])).fit()
    known = (history["monetary_value"] > 0).to_numpy()
    seen = np.where(known, history["frequency"], 0)
    mean_order = np.where(known, history["monetary_value"], 0.0)
    spend = GammaGamma(seen[seen > 0], mean_order[seen > 0]).fit()
    return FutureSpend(purchases, spend, seen, mean_order)


def still_customer(
    orders: int, silence: ArrayLike, *, age: float, leaving: float, r: float = 0.243, alpha: float = 4.414
) -> np.ndarray:
    r"""Array: probability to be still a customer after a silence, by BG/NBD.

    :math:`\left[1 + \frac{a}{b + x - 1} \left(\frac{\alpha + T}{\alpha + t_x}\right)^{r + x}\right]^{-1}` with
    a + b = 3; r and alpha default to those of CDNOW in weeks.

    Parameters
    ----------
    orders : int
        Repeat orders x, at least 1.
    silence : array-like
        Time since the last one, up to the age.
    age : float
        Time T since the first.
    leaving : float
        Mean probability to leave after an order, between 0 and 1.

    References
    ----------
    Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005), "Counting your customers" the easy way, Marketing Science 24.
    """
    since = np.asarray(silence, dtype=float)
    if orders < 1 or not 0 < leaving < 1 or not np.all((since >= 0) & (since <= age)):
        raise ParameterError("give at least 1 order, leaving between 0 and 1, and a silence from 0 to the age")
    a, b = 3 * leaving, 3 * (1 - leaving)
    return np.asarray(1 / (1 + a / (b + orders - 1) * ((alpha + age) / (alpha + age - since)) ** (r + orders)))
