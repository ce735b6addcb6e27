"""What a fitted model of repeat purchases expects of new customers, and of those with a history."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import DataError, ParameterError
from crmlib.likelihood import LikelihoodResults, Rows, distinct_rows
from crmlib.models.histories import Histories, histories
from crmlib.options import number, several

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models.transactions import TransactionModel

Floats = NDArray[np.float64]


class PurchaseResults(LikelihoodResults):
    """Fitted model of repeat purchases: new customers, and what all predictions are made of."""

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
        times = self._times(time)
        new = self._histories(0, 0, 0, covariates)
        values = [float(self._expectation(new, self._further(at))(self.free)[0]) for at in times.ravel()]
        return np.array(values).reshape(times.shape) if times.ndim else values[0]

    def expected_purchases_interval(self, time: ArrayLike, *, level: float = 0.95, **covariates: Any) -> pd.DataFrame:
        """Delta-method interval of `expected_purchases`: time, expected, low, high."""
        times = np.atleast_1d(self._times(time))
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
        counts = several(count, "count")
        if not (np.all(np.isfinite(counts)) and np.all(counts >= 0) and np.all(counts == np.floor(counts))):
            raise ParameterError(f"count is {count!r}; give whole numbers of at least 0")
        new = self._histories(0, 0, 0, covariates)
        wanted = np.unique(np.concatenate([counts.ravel(), counts.ravel() - 1]).astype(int))
        above = {int(k): 1.0 if k < 0 else float(self._above(new, time, int(k))[0]) for k in wanted}
        values = np.array([above[int(k) - 1] - above[int(k)] for k in counts.ravel()])
        return values.reshape(counts.shape) if counts.ndim else float(values[0])

    # -- what predictions and lifetime value are made of ------------------------------------------

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
        covers = {kind: values for kind, values in (("rate", rate), ("dropout", dropout)) if values is not None}
        given = self._given(frequency, recency, age, **covers)
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
        at = self._time(time)
        return lambda posterior: self.model.expected_count(posterior, at)

    def future_discounted(self, rate: float, horizon: float) -> Callable[[tuple[Floats, ...]], Floats]:
        """Discounted purchases expected of active customers, as a function of their posterior parameters."""
        rate, horizon = number(rate, "rate"), number(horizon, "horizon")
        if not (np.isfinite(rate) and rate >= 0):
            raise ParameterError(f"the discount rate is {rate:g}; give a continuous rate of at least 0 a unit of time")
        if not horizon > 0:
            raise ParameterError(f"horizon is {horizon:g}; give a time above 0")
        if rate == 0 and np.isinf(horizon):
            raise ParameterError(
                "without discount and horizon the sum may be infinite; give a rate above 0 or a horizon"
            )
        return lambda posterior: self.model.discounted_count(posterior, float(rate), float(horizon))

    def _above(self, given: Histories, time: float, count: int) -> Floats:
        """Probability of each distinct history to be followed by more than `count` purchases."""
        at = self._time(time)
        return self._expectation(given, lambda posterior: self.model.count_exceeded(posterior, at, count))(self.free)

    def _given(self, *history: Any, **covariates: Any) -> Histories:
        return histories(*history, **covariates)

    def _times(self, time: ArrayLike) -> Floats:
        times = several(time, "time")
        if not (np.all(np.isfinite(times)) and np.all(times >= 0)):
            raise ParameterError(f"time is {time!r}; give finite times of at least 0, in the unit of the data")
        return times

    def _time(self, time: float) -> float:
        return float(self._times(number(time, "time")))
