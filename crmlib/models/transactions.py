r"""What the models of repeat purchases share: they differ in how customers leave.

While active, a customer buys as a Poisson process at an own rate, gamma over customers. After a
history of x repeat purchases, the last at :math:`t_x`, seen until T, the customer is either still
active, with posterior parameters that depend on x and T alone, or gone. Every prediction is the
probability to be active times a prediction of a *fresh* customer with those parameters; a new
customer is the same with x = 0 and T = 0.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import DataError
from crmlib.likelihood import Effect, LikelihoodModel
from crmlib.models.counts import Counts
from crmlib.models.histories import Histories, covariate_names, histories

if TYPE_CHECKING:
    from crmlib.models.predictions import TransactionResults

Floats = NDArray[np.float64]


class Futures(NamedTuple):
    """What active customers may turn out to be.

    `rate`: of purchases until leaving; `leaving`: time until then; `last`: whether they leave with a purchase.
    """

    rate: Floats
    leaving: Floats
    last: bool


class Discounted(NamedTuple):
    """Discounted purchases that active customers may turn out to make.

    `number` of them, each worth `worth`, and one more worth `last`, 0 for none.
    """

    number: Floats
    worth: Floats
    last: Floats


class TransactionModel(LikelihoodModel):
    """Model of repeat purchases, by maximum likelihood.

    Parameters
    ----------
    frequency : array-like of whole numbers, shape (n,)
        Repeat purchases of each customer, 0 for those who bought once.
    recency : array-like, shape (n,)
        Time from the first to the last purchase; 0 where frequency is 0.
    age : array-like, shape (n,)
        Time from the first purchase to the end of observation, in the same unit, which fixes that of
        the parameters.
    weights : array-like, shape (n,), optional
        How many customers each entry stands for. Identical entries are grouped in any case.
    rate_covariates, dropout_covariates : frame or array, shape (n, covariates), optional
        What does not change over time and moves the purchase rate, or leaving. A positive coefficient
        means more purchases, or leaving sooner.

    Raises
    ------
    DataError
        Impossible histories, no repeat purchase at all, or fewer customers than parameters.
    """

    #: Parameters that dropout covariates act on, with their sign.
    dropout_effects: ClassVar[Mapping[str, int]]

    def __init__(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        age: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        rate_covariates: Any = None,
        dropout_covariates: Any = None,
    ) -> None:
        given = histories(frequency, recency, age, weights=weights, rate=rate_covariates, dropout=dropout_covariates)
        self.rate_names = covariate_names(rate_covariates, given.rate.shape[1])
        self.dropout_names = covariate_names(dropout_covariates, given.dropout.shape[1])
        self._take(given, given.rows.weights)
        if not len(self.weights):
            raise DataError("no customers are given; check what was filtered, and as_of")
        if not self.weights @ self.histories.x > 0:
            raise DataError("no customer bought again, so neither rate nor drop-out shows; take a longer period")
        if self.nobs <= len(self.param_names):
            raise DataError(
                f"{self.nobs:g} customers for {len(self.param_names)} parameters; a population needs far more of them"
            )

    def _take(self, given: Histories, weights: Floats) -> None:
        self.histories, self.weights = given, weights
        self.counts = Counts(given.x)
        self.effects = self.effects_of(given)

    def effects_of(self, given: Histories) -> tuple[Effect, ...]:
        """Covariates of histories, as effects on the parameters."""
        effects = []
        if given.rate.shape[1]:
            effects.append(Effect("alpha", -1, given.rate, self.rate_names))
        if given.dropout.shape[1]:
            for name, sign in self.dropout_effects.items():
                effects.append(Effect(name, sign, given.dropout, self.dropout_names))
        return tuple(effects)

    def _part(self, customers: int) -> Self | None:
        """Every k-th customer, in the order of the rows."""
        step = self.nobs / customers
        if step < 2:
            return None
        chosen = np.diff(np.floor(np.concatenate([[0.0], np.cumsum(self.weights)]) / step + 0.5))
        some = np.flatnonzero(chosen > 0)
        whole = self.histories
        x, recency, age = whole.x[some], whole.recency[some], whole.age[some]
        part = object.__new__(type(self))
        part.rate_names, part.dropout_names = self.rate_names, self.dropout_names
        part._take(Histories(x, recency, age, whole.rate[some], whole.dropout[some], whole.rows), chosen[some])
        return part if part.weights @ part.histories.x > 0 else None

    def _scale(self) -> tuple[float, float, float]:
        """Mean rate, dispersion r of the rates by moments, and mean age: where to begin."""
        x, age, w = self.histories.x, self.histories.age, self.weights
        rate = (w @ x) / (w @ age)
        excess = w @ ((x - rate * age) ** 2 - x)
        r = float(np.clip(rate**2 * (w @ age**2) / excess, 0.05, 20.0)) if excess > 0 else 5.0
        return float(rate), r, float(w @ age / w.sum())

    def _starts(self) -> Iterator[Sequence[float]]:
        rate, r, age = self._scale()
        for factor in (1.0, 3.0, 0.3):
            for leaving in self._dropout_starts(age):
                yield [r * factor, r * factor / rate / 1.5, *leaving]

    def _remedy(self) -> str:
        return "take more customers or a longer period, check the time unit, or fit without covariates"

    @abstractmethod
    def _dropout_starts(self, age: float) -> Sequence[Sequence[float]]:
        """Values of the two drop-out parameters to begin from."""

    @abstractmethod
    def alive_probability(self, theta: Mapping[str, Any], x: Floats, recency: Floats, age: Floats) -> Floats:
        """Probability to be still active at the end of each history."""

    @abstractmethod
    def active_posterior(self, theta: Mapping[str, Any], x: Floats, age: Floats) -> tuple[Floats, ...]:
        """Parameters of those still active after histories; each of the shape of x."""

    @staticmethod
    @abstractmethod
    def expected_count(posterior: tuple[Floats, ...], time: float) -> Floats:
        """Purchases expected of active customers in a further time."""

    @staticmethod
    @abstractmethod
    def count_exceeded(posterior: tuple[Floats, ...], time: Any, count: int) -> Floats:
        """Probability of active customers to buy more than `count` times in a further time."""

    @staticmethod
    @abstractmethod
    def discounted_count(posterior: tuple[Floats, ...], rate: float, horizon: float) -> Floats:
        """Purchases expected of active customers up to a horizon, each discounted continuously."""

    @classmethod
    def drawn_discounted(
        cls, posterior: tuple[Floats, ...], draws: int, rate: float, horizon: float, rng: np.random.Generator
    ) -> Discounted:
        """Random discounted purchases of active customers, arrays of shape (customers, draws).

        A Poisson number of discounted purchases is drawn as one Poisson number with the same mean m and variance v of
        the discounted sum: rate m² / v, each worth v / m.
        """
        future = cls.drawn_futures(posterior, draws, rng)
        end = np.minimum(future.leaving, horizon)
        if rate > 0:
            end = np.minimum(end, 60 / rate)  # what comes later is discounted to nothing
            faded = np.exp(-rate * end)
            mean = future.rate * -np.expm1(-rate * end) / rate
        else:
            faded, mean = np.ones_like(end), future.rate * end
        worth = (1 + faded) / 2
        number = rng.poisson(np.minimum(mean / worth, 1e15)).astype(float)
        leaves = (future.leaving <= horizon) & future.last & np.isfinite(future.leaving)
        faded = np.exp(-rate * np.where(leaves, future.leaving, 0.0))  # 0 times infinity is no number
        return Discounted(number, worth, np.where(leaves, faded, 0.0))

    @staticmethod
    def drawn_futures(posterior: tuple[Floats, ...], draws: int, rng: np.random.Generator) -> Futures:
        """Random futures of active customers, arrays of shape (customers, draws)."""
        raise NotImplementedError

    def _results(self, free: Floats, information: Floats) -> TransactionResults:
        from crmlib.models.predictions import TransactionResults

        return TransactionResults(self, free, information)
