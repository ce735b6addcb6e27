r"""BG/NBD: customers buy at an own rate and leave, after a purchase, with an own probability.

:math:`\lambda \sim \text{Gamma}(r, \text{rate } \alpha)` over customers, :math:`p \sim
\text{Beta}(a, b)`. The likelihood of x repeat purchases in (0, T], the last at :math:`t_x`, is

.. math:: L = \frac{\Gamma(r + x)\,\alpha^r}{\Gamma(r)} \left[ \frac{B(a, b + x)}{B(a, b)} (\alpha + T)^{-(r + x)}
          + \delta_{x > 0} \frac{B(a + 1, b + x - 1)}{B(a, b)} (\alpha + t_x)^{-(r + x)} \right].

Predictions are expectations over p of closed forms in :math:`\lambda`, taken by quadrature: nothing
is singular at a = 1, where the published formulas divide by zero.

References
----------
Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005), "Counting your customers" the easy way: an alternative
    to the Pareto/NBD model, Marketing Science 24, 275-284.
Fader, P. S., & Hardie, B. G. S. (2007), Incorporating time-invariant covariates into the Pareto/NBD and
    BG/NBD models, note.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from crmlib.models.counts import Counts
from crmlib.models.quadrature import beta_rule, gamma_nodes, unit_nodes
from crmlib.models.transactions import Futures, TransactionModel

Floats = NDArray[np.float64]

#: Rows of a product rule at a time: about 40 MB.
_BLOCK = 2_000
#: Rows whose product stays in a processor's own memory.
_NEAR = 32


class BetaGeoNBD(TransactionModel):
    r"""BG/NBD model of repeat purchases; see `TransactionModel` for what it takes.

    Parameters r, alpha (time), a, b. Covariates act as :math:`\alpha_i = \alpha e^{-\gamma_1' z_i}`,
    :math:`a_i = a e^{\gamma_2' z_i}`, :math:`b_i = b e^{\gamma_3' z_i}`: a higher rate, and more leaving with
    larger :math:`\gamma_2 - \gamma_3`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> rate, age = rng.gamma(0.8, 0.2, 500), np.full(500, 40.0)
    >>> gone = np.minimum(rng.exponential(1 / (rate * rng.beta(1, 3, 500))), age)
    >>> x = rng.poisson(rate * gone)
    >>> recency = np.where(x > 0, gone * rng.beta(np.maximum(x, 1), 1), 0)
    >>> BetaGeoNBD(x, recency, age).fit().params.index.tolist()
    ['r', 'alpha', 'a', 'b']
    """

    names = ("r", "alpha", "a", "b")
    dropout_effects: ClassVar[Mapping[str, int]] = {"a": 1, "b": 1}
    #: Chances to leave beyond those after repeat purchases: 1 where the first purchase counts too.
    first_chance: ClassVar[int] = 0

    def _take(self, *given: Any) -> None:
        super()._take(*given)
        self.chances = Counts(self.histories.x + self.first_chance)

    def _terms(self, theta: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        r, alpha, a, b = (theta[name] for name in self.names)
        x, n = self.histories.x, self.chances.values
        end, last = alpha + self.histories.age, alpha + self.histories.recency
        log_end, log_last = np.log(end), np.log(last)
        chance, log_chance = _gone(_log_odds_gone(a, b, n, r + x, log_end - log_last))
        value = self.counts.log_rising(r) + r * (np.log(alpha) - log_end) - x * log_end
        value += self.chances.log_rising(b) - self.chances.log_rising(a + b) + log_chance
        rise = self.chances.digamma_rise(a + b)
        with np.errstate(divide="ignore", invalid="ignore"):
            toss = np.where(n > 0, chance / (b + n - 1), 0.0)
        slopes = {
            "r": r * (self.counts.digamma_rise(r) + np.log(alpha) - log_end + chance * (log_end - log_last)),
            "alpha": r - alpha * (r + x) * ((1 - chance) / end + chance / last),
            "a": chance - a * rise,
            "b": b * (self.chances.digamma_rise(b) - rise - toss),
        }
        return value, slopes

    def _dropout_starts(self, age: float) -> Sequence[Sequence[float]]:
        return [(0.8, 2.5), (0.3, 3.0), (3.0, 10.0)]

    def alive_probability(self, theta: Mapping[str, Any], x: Floats, recency: Floats, age: Floats) -> Floats:
        """Probability to be still active at the end of each history."""
        r, alpha, a, b = (theta[name] for name in self.names)
        step = np.log(alpha + age) - np.log(alpha + recency)
        return np.exp(-_gone(_log_odds_gone(a, b, x + self.first_chance, r + x, step))[1])

    def active_posterior(self, theta: Mapping[str, Any], x: Floats, age: Floats) -> tuple[Floats, ...]:
        """Parameters of those still active after histories."""
        r, alpha, a, b = (theta[name] for name in self.names)
        after = (r + x, alpha + age, a + 0 * x, b + x + self.first_chance)
        return tuple(np.broadcast_arrays(*after))

    @staticmethod
    def expected_count(posterior: tuple[Floats, ...], time: float) -> Floats:
        r""":math:`E_p\left[\left(1 - (1 + p\,t/\alpha)^{-r}\right) / p\right]`; the rate was integrated out."""
        from scipy.special import exprel

        r, alpha = (part[..., None] for part in posterior[:2])
        p, weights = beta_rule(*posterior[2:])
        z = p * time / alpha
        step = np.log1p(z)
        ratio = np.where(z > 1e-300, step / np.where(z > 1e-300, z, 1.0), 1.0)
        return np.asarray((r * ratio * exprel(-r * step) * weights).sum(axis=-1) * time / posterior[1])

    @staticmethod
    def count_exceeded(posterior: tuple[Floats, ...], time: Any, count: int) -> Floats:
        r""":math:`P(N > k)\,E(1 - p)^k`: enough Poisson points, and no leaving at the first k of them."""
        from scipy.special import betainc, betaln

        r, alpha, a, b = posterior
        return np.asarray(betainc(count + 1.0, r, time / (alpha + time)) * np.exp(betaln(a, b + count) - betaln(a, b)))

    @staticmethod
    def discounted_count(posterior: tuple[Floats, ...], rate: float, horizon: float) -> Floats:
        r""":math:`E\left[\lambda \int_0^H e^{-(\delta + \lambda p) t} dt\right]` over both distributions."""
        r, alpha, a, b = posterior
        over_rate = unit_nodes()[2]
        value = np.empty(r.shape)
        for start in range(0, len(r), _BLOCK):
            rows = slice(start, start + _BLOCK)
            own = gamma_nodes(r[rows]) / alpha[rows, None]
            p, over_p = beta_rule(a[rows], b[rows])
            for first in range(0, len(own), _NEAR):
                part = slice(first, first + _NEAR)
                total = rate + own[part, :, None] * p[part, None, :]
                until = _discounted_time(total, horizon) @ over_p[part, :, None]
                value[start + first : start + first + len(total)] = (own[part] * until[..., 0]) @ over_rate
        return value

    @staticmethod
    def drawn_futures(posterior: tuple[Floats, ...], draws: int, rng: np.random.Generator) -> Futures:
        r"""Purchases to stay after come at rate :math:`\lambda (1 - p)`, the last at :math:`\lambda p`."""
        r, alpha, a, b = (part[:, None] for part in posterior)
        own = rng.gamma(r, 1 / alpha, (len(r), draws))
        p = rng.beta(a, b, own.shape)
        with np.errstate(divide="ignore", over="ignore"):
            return Futures(own * (1 - p), rng.standard_exponential(own.shape) / (own * p), True)


def _discounted_time(rate: Floats, horizon: float) -> Floats:
    r""":math:`\int_0^H e^{-\rho t} dt`, H itself at a rate of zero."""
    with np.errstate(divide="ignore"):
        if np.isinf(horizon):
            return 1 / rate
    rate = np.maximum(rate, np.finfo(float).tiny)
    return np.asarray(np.expm1(-horizon * rate) / -rate)


def _gone(odds: Floats) -> tuple[Floats, Floats]:
    """Probability, and log(1 + odds), of log odds; several times faster than `logaddexp`."""
    least = np.exp(-np.abs(odds))
    return np.where(odds > 0, 1.0, least) / (1 + least), np.maximum(odds, 0.0) + np.log1p(least)


def _log_odds_gone(a: Any, b: Any, chances: Floats, shape: Any, step: Floats) -> Floats:
    """Log odds of having left with the last purchase against still being active; -inf without a chance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.log(a) - np.log(np.where(chances > 0, b + chances - 1, 1.0)) + shape * step
    return np.where(chances > 0, odds, -np.inf)
