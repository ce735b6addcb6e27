"""What a fitted model of repeat purchases says about customers, old and new."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level
from crmlib.likelihood import LikelihoodResults, Rows, distinct_rows
from crmlib.models.histories import Histories, histories

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models.transactions import TransactionModel

Floats = NDArray[np.float64]


class TransactionResults(LikelihoodResults):
    """Fitted model of repeat purchases.

    Every function of customers takes frequency, recency, age (and covariates, where the model has them) as
    the model does, and without them speaks of the customers it was fitted to, one value each.
    Times are in the unit of the data; rates of discount are continuous, a unit of time.
    """

    model: TransactionModel

    def expected_purchases(self, time: ArrayLike, **covariates: Any) -> Any:
        """Repeat purchases expected of a new customer in (0, time].

        Parameters
        ----------
        time : float or array
        rate_covariates, dropout_covariates : array of one row, optional
            Of a model with covariates.

        Returns
        -------
        float, or array of the shape of time
        """
        times = _times(time)
        new = self._histories(0, 0, 0, covariates)
        values = [float(self._expectation(new, self._further(at))(self.free)[0]) for at in times.ravel()]
        return np.array(values).reshape(times.shape) if times.ndim else values[0]

    def expected_purchases_interval(self, time: ArrayLike, *, level: float = 0.95, **covariates: Any) -> pd.DataFrame:
        """Delta-method interval of `expected_purchases`: time, expected, low, high."""
        times = np.atleast_1d(_times(time))
        new = self._histories(0, 0, 0, covariates)

        def value(free: Floats) -> Floats:
            return np.array([self._expectation(new, self._further(at))(free)[0] for at in times])

        table = self.expectation_table(value, level)
        table.insert(0, "time", times)
        return table

    def purchase_probability(self, count: ArrayLike, time: float, **covariates: Any) -> Any:
        """Probability of a new customer to make exactly so many repeat purchases in (0, time].

        Parameters
        ----------
        count : int or array of ints, at least 0
        time : float

        Returns
        -------
        float, or array of the shape of count
        """
        counts = np.asarray(count)
        if not (np.all(counts >= 0) and np.all(counts == np.floor(counts))):
            raise ParameterError(f"count is {count!r}; give whole numbers of at least 0")
        new = self._histories(0, 0, 0, covariates)
        wanted = np.unique(np.concatenate([counts.ravel(), counts.ravel() - 1]).astype(int))
        above = {int(k): 1.0 if k < 0 else float(self._above(new, time, int(k))[0]) for k in wanted}
        values = np.array([above[int(k) - 1] - above[int(k)] for k in counts.ravel()])
        return values.reshape(counts.shape) if counts.ndim else float(values[0])

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
        low, high = self._quantiles(given, _time(time), level)
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

    # -- shared by the above and by lifetime value ------------------------------------------------

    def _histories(self, frequency: Any, recency: Any, age: Any, covariates: dict[str, Any]) -> Histories:
        if unknown := set(covariates) - {"rate_covariates", "dropout_covariates"}:
            raise ParameterError(f"{', '.join(sorted(unknown))}: give rate_covariates and dropout_covariates only")
        model = self.model
        if frequency is None and recency is None and age is None:
            if covariates:
                raise ParameterError("covariates without histories; give frequency, recency and age too")
            return model.histories
        if frequency is None or recency is None or age is None:
            raise ParameterError("give all of frequency, recency and age, or none for the customers of the fit")
        rate, dropout = covariates.get("rate_covariates"), covariates.get("dropout_covariates")
        given = histories(frequency, recency, age, rate=rate, dropout=dropout)
        kinds = ("rate", model.rate_names, given.rate), ("dropout", model.dropout_names, given.dropout)
        for kind, names, values in kinds:
            if values.shape[1] != len(names):
                raise DataError(
                    f"{values.shape[1]} {kind} covariates given, the model has {len(names)}; pass {kind}_covariates "
                    "with the columns it was fitted to"
                )
        return given

    def _alive(self, given: Histories, free: Floats) -> Floats:
        theta = self.model.theta(free, self.model.effects_of(given))
        return self.model.alive_probability(theta, given.x, given.recency, given.age)

    def _active(self, given: Histories) -> tuple[Rows, Callable[[Floats], tuple[Floats, ...]]]:
        """Distinct (frequency, age), on which alone the posterior of the active depends, and that posterior."""
        pairs = distinct_rows(given.x, given.age, *given.rate.T, *given.dropout.T)
        effects = self.model.effects_of(given)

        def posterior(free: Floats) -> tuple[Floats, ...]:
            theta = self.model.theta(free, effects)
            own = {name: value[pairs.first] if np.ndim(value) else value for name, value in theta.items()}
            return self.model.active_posterior(own, pairs.columns[0], pairs.columns[1])

        return pairs, posterior

    def _expectation(
        self, given: Histories, future: Callable[[tuple[Floats, ...]], Floats]
    ) -> Callable[[Floats], Floats]:
        """Expectation of each distinct history as a function of the free-scale parameters."""
        pairs, posterior = self._active(given)
        return lambda free: self._alive(given, free) * future(posterior(free))[pairs.place]

    def _further(self, time: float) -> Callable[[tuple[Floats, ...]], Floats]:
        at = _time(time)
        return lambda posterior: self.model.expected_count(posterior, at)

    def future_discounted(self, rate: float, horizon: float) -> Callable[[tuple[Floats, ...]], Floats]:
        """Discounted purchases expected of active customers, as a function of their posterior parameters."""
        if not (np.isfinite(rate) and rate >= 0):
            raise ParameterError(f"the discount rate is {rate}; give a continuous rate of at least 0 a unit of time")
        if not horizon > 0:
            raise ParameterError(f"horizon is {horizon}; give a time above 0")
        if rate == 0 and np.isinf(horizon):
            raise ParameterError(
                "without discount and horizon the sum may be infinite; give a rate above 0 or a horizon"
            )
        return lambda posterior: self.model.discounted_count(posterior, float(rate), float(horizon))

    def _above(self, given: Histories, time: float, count: int) -> Floats:
        """Probability of each distinct history to be followed by more than `count` purchases."""
        at = _time(time)
        return self._expectation(given, lambda posterior: self.model.count_exceeded(posterior, at, count))(self.free)

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


def _times(time: ArrayLike) -> Floats:
    times = np.asarray(time, dtype=float)
    if not (np.all(np.isfinite(times)) and np.all(times >= 0)):
        raise ParameterError(f"time is {time!r}; give finite times of at least 0, in the unit of the data")
    return times


def _time(time: float) -> float:
    return float(_times(time))
