r"""BG/BB: customers who buy or not at each of a number of opportunities, and leave for good at some.

At each opportunity an active customer buys with an own probability :math:`p \sim \text{Beta}(\alpha, \beta)`;
before each, the customer leaves with an own probability :math:`\theta \sim \text{Beta}(\gamma, \delta)`. After n
opportunities with x purchases, the last at :math:`t_x`,

.. math:: L = \frac{B(\alpha + x, \beta + n - x)}{B(\alpha, \beta)} \frac{B(\gamma, \delta + n)}{B(\gamma, \delta)}
          + \sum_{i=0}^{n - t_x - 1} \frac{B(\alpha + x, \beta + t_x - x + i)}{B(\alpha, \beta)}
            \frac{B(\gamma + 1, \delta + t_x + i)}{B(\gamma, \delta)}.

References
----------
Fader, P. S., Hardie, B. G. S., & Shang, J. (2010), Customer-base analysis in a discrete-time noncontractual
    setting, Marketing Science 29, 1086-1108.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import DataError, ParameterError
from crmlib.models.counts import Counts
from crmlib.models.histories import Histories, histories
from crmlib.models.predictions import TransactionResults
from crmlib.models.quadrature import beta_rule
from crmlib.models.transactions import Discounted, TransactionModel
from crmlib.options import several

Floats = NDArray[np.float64]

#: Opportunities at most: each is a term of the likelihood.
_MOST = 100_000


class BetaGeoBetaBinomial(TransactionModel):
    """BG/BB model of purchases at discrete opportunities, by maximum likelihood.

    Parameters
    ----------
    frequency : array-like of whole numbers, shape (n,)
        At how many opportunities each customer bought.
    recency : array-like of whole numbers, shape (n,)
        Number of the last opportunity at which they did; 0 if at none.
    age : array-like of whole numbers, shape (n,)
        How many opportunities they had.
    weights : array-like, shape (n,), optional
        How many customers each entry stands for.

    Raises
    ------
    DataError
        Impossible histories: also a frequency beyond recency. No purchase at all, or one at every
        opportunity of every customer.
    """

    names = ("alpha", "beta", "gamma", "delta")
    dropout_effects: ClassVar[Mapping[str, int]] = {}

    def __init__(
        self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, *, weights: ArrayLike | None = None
    ) -> None:
        self.rate_names = self.dropout_names = ()
        given = opportunity_histories(frequency, recency, age, weights=weights)
        self._take(given, given.rows.weights)
        x, n = self.histories.x, self.histories.age
        if not len(x):
            raise DataError("no customers are given; check what was filtered, and as_of")
        if not self.weights @ x > 0:
            raise DataError("nobody bought at any opportunity, so nothing can be estimated; take more opportunities")
        if not self.weights @ (n - x) > 0:
            raise DataError("everybody bought at every opportunity, so nothing can be estimated; take shorter periods")
        if self.nobs <= len(self.names):
            raise DataError(f"{self.nobs:g} customers for {len(self.names)} parameters; a population needs far more")

    def _part(self, customers: int) -> None:
        """Whole numbers leave few distinct histories, so that all are searched at once."""

    def _remedy(self) -> str:
        return "take more customers or more opportunities"

    def _starts(self) -> Iterator[Sequence[float]]:
        x, last = self.histories.x, self.histories.recency
        share = float(np.clip((self.weights @ x) / max(float(self.weights @ last), 1.0), 0.05, 0.95))
        for size in (2.0, 0.5, 8.0):
            for leaving in self._dropout_starts(0.0):
                yield [size * share, size * (1 - share), *leaving]

    def _dropout_starts(self, age: float) -> Sequence[Sequence[float]]:
        return [(0.5, 3.0), (1.0, 1.0), (0.2, 10.0)]

    def _terms(self, theta: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        return self._weighed(theta, self.histories)

    def _weighed(self, theta: Mapping[str, Any], given: Histories) -> tuple[Floats, dict[str, Any]]:
        """Log-likelihood of histories and its derivatives by the logarithm of each parameter."""
        alpha, beta, gamma, delta = (theta[name] for name in self.names)
        x, last, n = (values.astype(int) for values in (given.x, given.recency, given.age))
        j = np.arange(int(n.max(initial=0)) + 2)
        ways = {name: _table(theta[name], j) for name in self.names}
        both, stay = _table(alpha + beta, j), _table(gamma + delta, j)
        # each row's possibilities: active throughout (None), or gone at opportunity last + i + 1
        alive = ways["alpha"][0][x] + ways["beta"][0][n - x] - both[0][n] + ways["delta"][0][n] - stay[0][n]
        steps = np.arange(int((n - last).max(initial=0)))
        at = np.minimum(last[:, None] + steps, n[:, None])
        gone = ways["alpha"][0][x][:, None] + ways["beta"][0][at - x[:, None]] - both[0][at]
        gone += np.log(gamma) + ways["delta"][0][at] - stay[0][at + 1]
        gone = np.where(steps < (n - last)[:, None], gone, -np.inf)
        top = np.maximum(alive, gone.max(axis=1, initial=-np.inf))
        now, then = np.exp(alive - top), np.exp(gone - top[:, None])
        total = now + then.sum(axis=1)
        now, then = now / total, then / total[:, None]

        def mean(active: Floats, left: Floats) -> Floats:
            return now * active + (then * left).sum(axis=1)

        pulled = mean(both[1][n], both[1][at])
        held = mean(stay[1][n], stay[1][at + 1])
        slopes = {
            "alpha": alpha * (ways["alpha"][1][x] - pulled),
            "beta": beta * (mean(ways["beta"][1][n - x], ways["beta"][1][at - x[:, None]]) - pulled),
            "gamma": 1 - now - gamma * held,
            "delta": delta * (mean(ways["delta"][1][n], ways["delta"][1][at]) - held),
        }
        return top + np.log(total), slopes

    def alive_probability(self, theta: Mapping[str, Any], x: Floats, recency: Floats, age: Floats) -> Floats:
        """Probability to have been active at the last opportunity: that way's part of the likelihood."""
        from scipy.special import betaln

        alpha, beta, gamma, delta = (theta[name] for name in self.names)
        log = betaln(alpha + x, beta + age - x) - betaln(alpha, beta)
        log += betaln(gamma, delta + age) - betaln(gamma, delta)
        none = np.empty((len(x), 0))
        given = Histories(x, recency, age, none, none, self.histories.rows)
        return np.asarray(np.exp(log - self._weighed(theta, given)[0]))

    def active_posterior(self, theta: Mapping[str, Any], x: Floats, age: Floats) -> tuple[Floats, ...]:
        """Parameters of those still active after so many opportunities."""
        alpha, beta, gamma, delta = (theta[name] for name in self.names)
        return alpha + x, beta + age - x, gamma + 0 * x, delta + age

    @staticmethod
    def expected_count(posterior: tuple[Floats, ...], time: float) -> Floats:
        """Chance to buy, times the opportunities at which the customer is expected to be still active."""
        a, b, c, d = posterior
        stay = np.cumprod([(d + i) / (c + d + i) for i in range(int(time))], axis=0).sum(axis=0) if time else 0 * a
        return np.asarray(a / (a + b) * stay)

    @staticmethod
    def count_exceeded(posterior: tuple[Floats, ...], time: Any, count: int) -> Floats:
        """Probability of a beta-binomial number above `count`, over how many opportunities the customer stays."""
        from scipy.special import betaln
        from scipy.stats import betabinom

        a, b, c, d = posterior
        total, m = np.zeros(len(a)), int(time)
        for lived in range(count + 1, m + 1):
            chance = np.exp(betaln(c + (lived < m), d + lived) - betaln(c, d))  # gone at the next, or still there
            total += chance * betabinom.sf(count, lived, a, b)
        return total

    @staticmethod
    def discounted_count(posterior: tuple[Floats, ...], rate: float, horizon: float) -> Floats:
        r""":math:`E(p)\, E \sum_{j=1}^H \left(\frac{1 - \theta}{1 + d}\right)^j`; d is the discount between two."""
        a, b, c, d = posterior
        leave, weights = beta_rule(c, d)
        log = np.log1p(-np.minimum(leave, 1 - 1e-16)) - np.log1p(rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = np.expm1(np.floor(horizon) * log) if np.isfinite(horizon) else -1.0
            sums = np.where(log < 0, np.exp(log) * whole / np.expm1(log), horizon)
        return np.asarray(a / (a + b) * (sums * weights).sum(axis=-1))

    @staticmethod
    def drawn_discounted(
        posterior: tuple[Floats, ...], draws: int, rate: float, horizon: float, rng: np.random.Generator
    ) -> Discounted:
        """Opportunities still met, and purchases at them.

        A discounted binomial sum is drawn as one binomial number that is worth the same in the mean and, but for
        rounding, in variance.
        """
        a, b, c, d = (part[:, None] for part in posterior)
        size = (len(a), draws)
        theta = np.maximum(rng.beta(c, d, size), 1e-12)
        met = np.minimum(np.floor(rng.standard_exponential(size) / -np.log1p(-np.minimum(theta, 1 - 1e-16))), horizon)
        step = np.log1p(rate)
        if rate > 0:
            met = np.minimum(np.floor(met), np.ceil(60 / step))  # what comes later is discounted to nothing
        met = np.floor(np.minimum(met, 1e9))
        once, twice = (_geometric(power * step, met) for power in (1, 2))
        number = np.round(np.divide(once**2, twice, out=np.zeros(size), where=twice > 0)).astype(np.int64)
        worth = np.divide(once, number, out=np.zeros(size), where=number > 0)
        return Discounted(rng.binomial(number, rng.beta(a, b, size)).astype(float), worth, np.zeros(size))

    def _results(self, free: Floats, information: Floats) -> BetaGeoBetaBinomialResults:
        return BetaGeoBetaBinomialResults(self, free, information)


class BetaGeoBetaBinomialResults(TransactionResults):
    """Fitted BG/BB model: the functions of `TransactionResults`, with opportunities for times.

    `time`, `age` and `horizon` count opportunities; a rate of discount is the one between two of them, 0.1 for 10 %.
    A customer is active, in `probability_alive`, who was at the last opportunity.
    """

    model: BetaGeoBetaBinomial

    def _given(self, *history: Any, **covariates: Any) -> Histories:
        return opportunity_histories(*history, **covariates)

    def _times(self, time: ArrayLike) -> Floats:
        times = several(time, "opportunities")
        if not (np.all(np.isfinite(times)) and np.all(times >= 0) and np.all(times == np.floor(times))):
            raise ParameterError(f"opportunities is {time!r}; give a whole number of at least 0")
        return times


def opportunity_histories(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, **options: Any) -> Histories:
    """Array: checked and grouped histories in whole opportunities; options as `histories` takes them.

    Raises
    ------
    DataError
    """
    given = histories(frequency, recency, age, **options)
    for name, values in (("recency", given.recency), ("age", given.age)):
        if np.any(values != np.floor(values)):
            raise DataError(f"{name} is not whole; it counts opportunities, such as years or campaigns")
    if np.any(given.age > _MOST):
        raise DataError(f"age is up to {given.age.max():.3g} opportunities; count periods, up to {_MOST:,}")
    if np.any(given.x > given.recency):
        raise DataError("frequency lies beyond recency; one purchase at an opportunity counts at most")
    return given


def _geometric(step: float, number: Floats) -> Floats:
    r""":math:`\sum_{j=1}^n e^{-js}`."""
    return number if step == 0 else np.expm1(-step * number) / -np.expm1(step)


def _table(base: Any, j: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Logarithm of the rising factorial at 0, 1, 2, …, and its derivative by the base."""
    whole = Counts(j.astype(float))
    return whole.log_rising(base), whole.digamma_rise(base)
