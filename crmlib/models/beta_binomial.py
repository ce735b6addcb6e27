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

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level
from crmlib.likelihood import LikelihoodModel, LikelihoodResults
from crmlib.models.histories import Histories, histories
from crmlib.models.quadrature import beta_rule

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class BetaGeoBetaBinomial(LikelihoodModel):
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

    def __init__(
        self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, *, weights: ArrayLike | None = None
    ) -> None:
        self.histories = opportunity_histories(frequency, recency, age, weights=weights)
        self.weights = self.histories.rows.weights
        x, n = self.histories.x, self.histories.age
        if not self.weights @ x > 0:
            raise DataError("nobody bought at any opportunity, so nothing can be estimated; take more opportunities")
        if not self.weights @ (n - x) > 0:
            raise DataError("everybody bought at every opportunity, so nothing can be estimated; take shorter periods")
        if self.nobs <= len(self.names):
            raise DataError(f"{self.nobs:g} customers for {len(self.names)} parameters; a population needs far more")

    def _starts(self) -> Iterator[Sequence[float]]:
        x, last = self.histories.x, self.histories.recency
        share = float(np.clip((self.weights @ x) / max(float(self.weights @ last), 1.0), 0.05, 0.95))
        for size in (2.0, 0.5, 8.0):
            for leaving in ((0.5, 3.0), (1.0, 1.0), (0.2, 10.0)):
                yield [size * share, size * (1 - share), *leaving]

    def _terms(self, theta: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        given = self.histories
        alpha, beta, gamma, delta = (theta[name] for name in self.names)
        x, last, n = (values.astype(int) for values in (given.x, given.recency, given.age))
        j = np.arange(int(n.max()) + 2)
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

    def _results(self, free: Floats, information: Floats) -> BetaGeoBetaBinomialResults:
        return BetaGeoBetaBinomialResults(self, free, information)


class BetaGeoBetaBinomialResults(LikelihoodResults):
    """Fitted BG/BB model. Times count opportunities; without histories its functions speak of the customers fitted."""

    model: BetaGeoBetaBinomial

    def expected_purchases(self, opportunities: int) -> float:
        """Purchases expected of a new customer at so many opportunities."""
        new = opportunity_histories(0, 0, 0)
        return float(self._expectation(new, _whole(opportunities))(self.free)[0])

    def purchase_probability(self, count: ArrayLike, opportunities: int) -> Any:
        """Probability of a new customer to buy at exactly so many of the opportunities."""
        new = tuple(np.atleast_1d(part) for part in self.model.natural(self.free))
        above = np.array(
            [1.0, *(_exceeding(new, _whole(opportunities), k)[0] for k in range(_whole(opportunities) + 1))]
        )
        counts = np.asarray(count, dtype=int)
        if np.any(counts < 0):
            raise ParameterError(f"count is {count!r}; give whole numbers of at least 0")
        chances = np.append(above[:-1] - above[1:], 0.0)[np.minimum(counts, len(above) - 1)]
        return chances if counts.ndim else float(chances)

    def probability_alive(self, frequency: Any = None, recency: Any = None, age: Any = None) -> Floats:
        """Probability of each customer to have been active at the last opportunity."""
        given = self._histories(frequency, recency, age)
        return self._alive(given, self.free)[given.rows.place]

    def conditional_expectation(
        self, opportunities: int, frequency: Any = None, recency: Any = None, age: Any = None
    ) -> Floats:
        """Purchases expected of each customer at so many further opportunities."""
        given = self._histories(frequency, recency, age)
        return self._expectation(given, _whole(opportunities))(self.free)[given.rows.place]

    def expectation_interval(
        self, opportunities: int, frequency: Any = None, recency: Any = None, age: Any = None, *, level: float = 0.95
    ) -> pd.DataFrame:
        """How well the expectation is known (delta method): expected, low, high, one row a customer."""
        given = self._histories(frequency, recency, age)
        table = self.expectation_table(self._expectation(given, _whole(opportunities)), level)
        return table.iloc[given.rows.place].reset_index(drop=True)

    def prediction_interval(
        self, opportunities: int, frequency: Any = None, recency: Any = None, age: Any = None, *, level: float = 0.95
    ) -> pd.DataFrame:
        """How many purchases a customer may make (posterior predictive): expected, low, high, one row a customer."""
        import pandas as pd

        require_level(level)
        given, m, tail = self._histories(frequency, recency, age), _whole(opportunities), (1 - level) / 2
        alive, after = self._alive(given, self.free), _posterior(self.model.natural(self.free), given)
        above = np.array([alive * _exceeding(after, m, k) for k in range(m)]).reshape(m, -1)
        table = {"expected": self._expectation(given, m)(self.free)}
        table |= {"low": (above > 1 - tail).sum(axis=0), "high": (above > tail).sum(axis=0)}
        return pd.DataFrame(table).iloc[given.rows.place].reset_index(drop=True)

    def discounted_transactions(
        self, rate: float, frequency: Any = None, recency: Any = None, age: Any = None
    ) -> Floats:
        """Discounted expected residual transactions (DERT): rate is the discount between two opportunities, above 0."""
        given = self._histories(frequency, recency, age)
        return self._discounted(given, rate)(self.free)[given.rows.place]

    def discounted_interval(
        self, rate: float, frequency: Any = None, recency: Any = None, age: Any = None, *, level: float = 0.95
    ) -> pd.DataFrame:
        """Delta-method interval of `discounted_transactions`: expected, low, high."""
        given = self._histories(frequency, recency, age)
        table = self.expectation_table(self._discounted(given, rate), level)
        return table.iloc[given.rows.place].reset_index(drop=True)

    def _histories(self, frequency: Any, recency: Any, age: Any) -> Histories:
        if frequency is None and recency is None and age is None:
            return self.model.histories
        if frequency is None or recency is None or age is None:
            raise ParameterError("give all of frequency, recency and age, or none for the customers of the fit")
        return opportunity_histories(frequency, recency, age)

    def _alive(self, given: Histories, free: Floats) -> Floats:
        """Weight of having been active throughout, in the likelihood of each history."""
        from scipy.special import betaln

        alpha, beta, gamma, delta = self.model.natural(free)
        other = object.__new__(BetaGeoBetaBinomial)
        other.histories, other.weights = given, np.ones(len(given.x))
        x, n = given.x, given.age
        log = betaln(alpha + x, beta + n - x) - betaln(alpha, beta) + betaln(gamma, delta + n) - betaln(gamma, delta)
        return np.asarray(np.exp(log - other.evaluated(free)[0]))

    def _expectation(self, given: Histories, m: int) -> Callable[[Floats], Floats]:
        def value(free: Floats) -> Floats:
            a, b, c, d = _posterior(self.model.natural(free), given)
            stay = np.cumprod([(d + i) / (c + d + i) for i in range(m)], axis=0).sum(axis=0) if m else 0 * a
            return np.asarray(self._alive(given, free) * a / (a + b) * stay)

        return value

    def _discounted(self, given: Histories, rate: float) -> Callable[[Floats], Floats]:
        if not rate > 0:
            raise ParameterError(f"the discount rate is {rate}; give one above 0, between two opportunities")

        def value(free: Floats) -> Floats:
            a, b, c, d = _posterior(self.model.natural(free), given)
            leave, weights = beta_rule(c, d)
            total = ((1 - leave) / (rate + leave) * weights).sum(axis=-1)
            return np.asarray(self._alive(given, free) * a / (a + b) * total)

        return value


def opportunity_histories(
    frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, *, weights: Any = None
) -> Histories:
    """Array: checked and grouped histories in whole opportunities.

    Raises
    ------
    DataError
    """
    given = histories(frequency, recency, age, weights=weights)
    for name, values in (("recency", given.recency), ("age", given.age)):
        if np.any(values != np.floor(values)):
            raise DataError(f"{name} is not whole; it counts opportunities, such as years or campaigns")
    if np.any(given.x > given.recency):
        raise DataError("frequency lies beyond recency; one purchase at an opportunity counts at most")
    return given


def _posterior(params: Floats, given: Histories) -> tuple[Floats, ...]:
    """Parameters of those still active after n opportunities."""
    alpha, beta, gamma, delta = params
    x, n = given.x, given.age
    return alpha + x, beta + n - x, gamma + 0 * x, delta + n


def _exceeding(posterior: tuple[Floats, ...], m: int, count: int) -> Floats:
    """Probability of active customers to buy more than `count` times at m further opportunities."""
    from scipy.special import betaln
    from scipy.stats import betabinom

    a, b, c, d = posterior
    total = np.zeros(len(a))
    for lived in range(count + 1, m + 1):
        chance = np.exp(betaln(c + (lived < m), d + lived) - betaln(c, d))  # gone at the next, or still there
        total += chance * betabinom.sf(count, lived, a, b)
    return total


def _table(base: Any, j: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Logarithm of the rising factorial at 0, 1, 2, …, and its derivative by the base."""
    from crmlib.models.counts import Counts

    whole = Counts(j.astype(float))
    return whole.log_rising(base), whole.digamma_rise(base)


def _whole(opportunities: int) -> int:
    if opportunities != int(opportunities) or opportunities < 0:
        raise ParameterError(f"opportunities is {opportunities}; give a whole number of at least 0")
    return int(opportunities)
