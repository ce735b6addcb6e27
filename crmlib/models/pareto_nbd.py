r"""Pareto/NBD: customers buy at an own rate and leave at an own rate, at any time.

:math:`\lambda \sim \text{Gamma}(r, \text{rate } \alpha)`, time to leaving exponential with rate
:math:`\mu \sim \text{Gamma}(s, \text{rate } \beta)`, so that its population is Pareto (Lomax). The
likelihood adds up over when the customer may have left:

.. math:: L = \frac{\Gamma(r + x)\,\alpha^r \beta^s}{\Gamma(r)} \left[ (\alpha + T)^{-(r + x)} (\beta + T)^{-s}
          + s \int_{t_x}^T (\alpha + u)^{-(r + x)} (\beta + u)^{-(s + 1)} du \right].

The integral is taken by Gauss-Legendre on :math:`v = \log(\min(\alpha, \beta) + u)`, where both factors
are smooth, and cut where the integrand has fallen by :math:`e^{-40}`; derivatives are taken inside.

References
----------
Schmittlein, D. C., Morrison, D. G., & Colombo, R. (1987), Counting your customers: who are they and what
    will they do next?, Management Science 33, 1-24.
Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005), RFM and CLV: using iso-value curves for customer base
    analysis, Journal of Marketing Research 42, 415-430.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crmlib.models.quadrature import legendre
from crmlib.models.transactions import Futures, TransactionModel

Floats = NDArray[np.float64]

#: Rows at a time: the nodes of so many fit into a processor's cache.
_BLOCK = 4_096
#: Fall of the integrand's logarithm beyond which it is left out.
_FALL = 40.0


class ParetoNBD(TransactionModel):
    r"""Pareto/NBD model of repeat purchases; see `TransactionModel` for what it takes.

    Parameters r, alpha (time), s, beta (time). Covariates act as :math:`\alpha_i = \alpha e^{-\gamma_1' z_i}` and
    :math:`\beta_i = \beta e^{-\gamma_2' z_i}`: higher rates of buying and of leaving.
    """

    names = ("r", "alpha", "s", "beta")
    dropout_effects: ClassVar[Mapping[str, int]] = {"beta": -1}

    def _terms(self, theta: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        r, alpha, s, beta = (theta[name] for name in self.names)
        past = _past(theta, self.histories.x, self.histories.recency, self.histories.age)
        x = self.histories.x
        value = self.counts.log_rising(r) + r * np.log(alpha) + s * np.log(beta) + past.log_total
        slopes = {
            "r": r * (self.counts.digamma_rise(r) + np.log(alpha) - past.mean_log_alpha),
            "alpha": r - alpha * (r + x) * past.mean_inverse_alpha,
            "s": s * (np.log(beta) - past.mean_log_beta) + 1 - past.alive,
            "beta": s - beta * past.beta_slope,
        }
        return value, slopes

    def _dropout_starts(self, age: float) -> Sequence[Sequence[float]]:
        return [(0.6, age / 3), (0.2, age), (2.0, 2 * age)]

    def alive_probability(self, theta: Mapping[str, Any], x: Floats, recency: Floats, age: Floats) -> Floats:
        """Probability to be still active at the end of each history."""
        return _past(theta, x, recency, age).alive

    def active_posterior(self, theta: Mapping[str, Any], x: Floats, age: Floats) -> tuple[Floats, ...]:
        """Parameters of those still active after histories."""
        r, alpha, s, beta = (theta[name] for name in self.names)
        return tuple(np.broadcast_arrays(r + x, alpha + age, s + 0 * x, beta + age))

    @staticmethod
    def expected_count(posterior: tuple[Floats, ...], time: float) -> Floats:
        r""":math:`\frac{r \beta}{\alpha (s - 1)} [1 - (\beta / (\beta + t))^{s - 1}]`, finite at s = 1 too."""
        from scipy.special import exprel

        r, alpha, s, beta = posterior
        step = np.log1p(time / beta)
        return np.asarray(r * beta / alpha * step * exprel(-(s - 1) * step))

    @staticmethod
    def count_exceeded(posterior: tuple[Floats, ...], time: Any, count: int) -> Floats:
        """Probability of more than `count` Poisson points before leaving, over when that is."""
        from scipy.special import betainc

        r, alpha, s, beta = (np.asarray(part)[..., None] for part in posterior)
        time = np.broadcast_to(np.asarray(time, dtype=float), np.shape(posterior[0]))[..., None]
        nodes, weights = legendre(40)
        span = np.log1p(time / beta)
        u = beta * np.expm1(span * nodes)
        density = s * span * np.exp(-s * span * nodes) * weights
        left = (density * betainc(count + 1.0, r, u / (alpha + u))).sum(axis=-1)
        stayed = np.exp(-s * span) * betainc(count + 1.0, r, time / (alpha + time))
        return np.asarray(left + stayed[..., 0])

    @staticmethod
    def discounted_count(posterior: tuple[Floats, ...], rate: float, horizon: float) -> Floats:
        r""":math:`\frac{r}{\alpha} \int_0^H e^{-\delta t} (1 + t / \beta)^{-s} dt`, on :math:`\log(1 + t / \beta)`."""
        r, alpha, s, beta = (part[..., None] for part in posterior)
        nodes, weights = legendre(80)
        end = np.full(beta.shape, horizon)
        if rate > 0:
            end = np.minimum(end, _FALL / rate)
        span = np.log1p(end / beta)
        if np.isinf(span).any():  # without discount and horizon: finite for s above 1
            s_one = posterior[2] - 1
            return np.where(
                s_one > 0, posterior[0] * posterior[3] / posterior[1] / np.where(s_one > 0, s_one, 1), np.inf
            )
        y = span * nodes
        integrand = np.exp((1 - s) * y - rate * beta * np.expm1(y)) * span
        return np.asarray((r / alpha * beta)[..., 0] * (integrand @ weights))

    @staticmethod
    def drawn_futures(posterior: tuple[Floats, ...], draws: int, rng: np.random.Generator) -> Futures:
        """Leaving at an own exponential rate, without a purchase."""
        r, alpha, s, beta = (part[:, None] for part in posterior)
        own = rng.gamma(r, 1 / alpha, (len(r), draws))
        with np.errstate(divide="ignore", over="ignore"):
            leaving = rng.standard_exponential(own.shape) / rng.gamma(s, 1 / beta, own.shape)
        return Futures(own, leaving, False)


class _Past(NamedTuple):
    """Averages over when a customer may have left, or not; one value a row."""

    log_total: Floats
    alive: Floats
    mean_log_alpha: Floats
    mean_inverse_alpha: Floats
    mean_log_beta: Floats
    beta_slope: Floats


def _past(theta: Mapping[str, Any], x: Floats, recency: Floats, age: Floats) -> _Past:
    """Sums over the possible times of leaving, block by block."""
    parts = np.broadcast_arrays(theta["alpha"], theta["s"], theta["beta"], theta["r"] + x, recency, age)
    blocks = [
        _past_block(*(part[start : start + _BLOCK] for part in parts)) for start in range(0, max(len(x), 1), _BLOCK)
    ]
    return _Past(*(np.concatenate(columns) for columns in zip(*blocks, strict=True)))


def _past_block(alpha: Floats, s: Floats, beta: Floats, shape: Floats, recency: Floats, age: Floats) -> _Past:
    near = np.minimum(alpha, beta)
    cut = np.minimum(age, recency + (alpha + recency) * np.expm1(np.minimum(_FALL / shape, 700.0)))
    span = np.log1p((cut - recency) / (near + recency))
    nodes, weights = legendre(_node_count(span, (shape + s) * span))
    y = span[:, None] * nodes
    u = recency[:, None] + (near + recency)[:, None] * np.expm1(y)
    from_alpha, from_beta = alpha[:, None] + u, beta[:, None] + u
    log_alpha, log_beta = np.log(from_alpha), np.log(from_beta)
    alive = -shape * np.log(alpha + age) - s * np.log(beta + age)
    # du = (near + recency) e^y dy
    gone = -shape[:, None] * log_alpha - (s + 1)[:, None] * log_beta + y
    with np.errstate(divide="ignore"):
        gone += np.log(s * span * (near + recency))[:, None]
    top = np.maximum(alive, gone.max(axis=1))
    now = np.exp(alive - top)
    then = np.exp(gone - top[:, None]) * weights
    total = now + then.sum(axis=1)
    now, then = now / total, then / total[:, None]
    inverse_beta = then / from_beta
    return _Past(
        top + np.log(total),
        now,
        now * np.log(alpha + age) + np.einsum("ij,ij->i", then, log_alpha),
        now / (alpha + age) + (then / from_alpha).sum(axis=1),
        now * np.log(beta + age) + np.einsum("ij,ij->i", then, log_beta),
        now * s / (beta + age) + (s + 1) * inverse_beta.sum(axis=1),
    )


def _node_count(span: Floats, fall: Floats) -> int:
    """Nodes enough for an error near 1e-13: more for a long interval, or a steep fall along it."""
    need = 10 + 3 * span.max(initial=0.0) + 0.45 * np.minimum(fall, 2 * _FALL).max(initial=0.0)
    return int(4 * np.ceil(np.clip(need, 12, 64) / 4))
