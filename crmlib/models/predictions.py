"""What a fitted model of repeat purchases says about customers, old and new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmlib.intervals import require_level
from crmlib.models.expectations import PurchaseResults
from crmlib.models.histories import Histories

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class TransactionResults(PurchaseResults):
    """Fitted model of repeat purchases.

    Every function of customers takes frequency, recency, age (and covariates, where the model has them) as
    the model does, and without them speaks of the customers it was fitted to, one value each.
    Times are in the unit of the data; rates of discount are continuous, a unit of time.
    """

    def probability_alive(
        self, frequency: Any = None, recency: Any = None, age: Any = None, **covariates: Any
    ) -> Floats:
        """Probability of each customer to be still active at the end of the history."""
        given = self._histories(frequency, recency, age, covariates)
        return self._alive(given, self.free)[given.rows.place]

    def conditional_expectation(
        self, time: float, frequency: Any = None, recency: Any = None, age: Any = None, **covariates: Any
    ) -> Floats:
        """Purchases expected of each customer in a further time, given the history."""
        given = self._histories(frequency, recency, age, covariates)
        return self._expectation(given, self._further(time))(self.free)[given.rows.place]

    def expectation_interval(
        self,
        time: float,
        frequency: Any = None,
        recency: Any = None,
        age: Any = None,
        *,
        level: float = 0.95,
        **covariates: Any,
    ) -> pd.DataFrame:
        """How well the *expectation* is known: delta-method interval on the log scale.

        It narrows with more customers to fit and says nothing on how much one customer varies: see
        `prediction_interval`.

        Returns
        -------
        pandas.DataFrame, one row a customer
            expected, low, high (purchases in a further time).
        """
        given = self._histories(frequency, recency, age, covariates)
        table = self.expectation_table(self._expectation(given, self._further(time)), level)
        return table.iloc[given.rows.place].reset_index(drop=True)

    def prediction_interval(
        self,
        time: float,
        frequency: Any = None,
        recency: Any = None,
        age: Any = None,
        *,
        level: float = 0.95,
        **covariates: Any,
    ) -> pd.DataFrame:
        """How many purchases a customer may make: quantiles of the posterior predictive distribution.

        Exact at the estimated parameters, whose own error is small beside a customer's chance. With few
        whole numbers it holds at least the level, often more.

        Returns
        -------
        pandas.DataFrame, one row a customer
            expected (float), low, high (whole numbers of purchases in a further time).
        """
        import pandas as pd

        require_level(level)
        given = self._histories(frequency, recency, age, covariates)
        low, high = self._quantiles(given, self._time(time), level)
        expected = self._expectation(given, self._further(time))(self.free)
        table = pd.DataFrame({"expected": expected, "low": low, "high": high})
        return table.iloc[given.rows.place].reset_index(drop=True)

    def discounted_transactions(
        self,
        rate: float,
        frequency: Any = None,
        recency: Any = None,
        age: Any = None,
        *,
        horizon: float = np.inf,
        **covariates: Any,
    ) -> Floats:
        """Discounted expected residual transactions of each customer (DERT).

        Parameters
        ----------
        rate : float
            Continuous discount a unit of time: a yearly rate d is log(1 + d) / 52 a week (a year of 52).
        horizon : float
            How far to look; for ever by default, which needs a rate above 0.

        Returns
        -------
        float array, one value a customer
        """
        given = self._histories(frequency, recency, age, covariates)
        return self._expectation(given, self.future_discounted(rate, horizon))(self.free)[given.rows.place]

    def discounted_interval(
        self,
        rate: float,
        frequency: Any = None,
        recency: Any = None,
        age: Any = None,
        *,
        horizon: float = np.inf,
        level: float = 0.95,
        **covariates: Any,
    ) -> pd.DataFrame:
        """Delta-method interval of `discounted_transactions`: expected, low, high."""
        given = self._histories(frequency, recency, age, covariates)
        table = self.expectation_table(self._expectation(given, self.future_discounted(rate, horizon)), level)
        return table.iloc[given.rows.place].reset_index(drop=True)

    def _quantiles(self, given: Histories, time: float, level: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Smallest counts that are exceeded with at most the upper, and the lower, tail probability."""
        tail = (1 - level) / 2
        alive = self._alive(given, self.free)
        pairs, posterior = self._active(given)
        after = posterior(self.free)
        low, high = (np.zeros(len(alive), dtype=np.int64) for _ in range(2))
        pair, row, count = np.arange(len(pairs.weights)), np.arange(len(alive)), 0
        beyond = np.zeros(len(pairs.weights))
        while len(row):  # customers leave the loop as soon as their upper end is found
            beyond[pair] = self.model.count_exceeded(tuple(part[pair] for part in after), time, count)
            chance = alive[row] * beyond[pairs.place[row]]
            low[row] += chance > 1 - tail
            row = row[chance > tail]
            high[row] += 1
            pair = pair[beyond[pair] > tail]
            count += 1
        return low, high
