r"""Random futures: between what one customer's value may turn out to lie.

Given that a customer is active, the future depends on (frequency, age) alone, but for the scale of spend:
with :math:`\nu \sim \text{Gamma}(q + px, \text{rate } \gamma + xz)` the discounted spend is that rate times
something that (frequency, age) settle. So futures are drawn once for each distinct pair, not once a
customer; quantiles then take in the probability to be active exactly: of a customer who is active with
probability A the q-quantile is the :math:`(q - (1 - A)) / A`-quantile of the active, or 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from crmlib.clv.valuation import Valuation
from crmlib.options import whole

Floats = NDArray[np.float64]

#: Random numbers of a kind at a time: about 8 MB.
_AT_ONCE = 1_000_000


def discounted_spend(
    base: Valuation, alive: Floats, level: float, draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Array: quantiles (low, high) of each customer's discounted spend to come, the dead included."""
    draws = whole(draws, "draws", least=100)
    ends = [np.zeros(base.customers), np.zeros(base.customers)]
    scale = _scale(base)
    for rows, pair, futures in _drawn(base, draws, rng):
        ordered = np.sort(futures, axis=1)
        for end, probability in zip(ends, ((1 - level) / 2, (1 + level) / 2), strict=True):
            chance = alive[rows]
            with np.errstate(divide="ignore", invalid="ignore"):
                place = np.where(chance > 0, (probability - (1 - chance)) / chance, 0.0).clip(0)
            # smallest draw that at least this part of them do not exceed
            index = np.ceil(place * draws).astype(np.int64) - 1
            end[rows] = np.where(index >= 0, scale[rows] * ordered[pair, index.clip(0)], 0.0)
    return ends[0], ends[1]


def spend_moments(base: Valuation, alive: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Array: variance of each customer's discounted spend to come, the dead included."""
    variance = np.empty(base.customers)
    scale = _scale(base)
    for rows, pair, futures in _drawn(base, draws, rng):
        mean, square = futures.mean(axis=1)[pair], (futures**2).mean(axis=1)[pair]
        variance[rows] = scale[rows] ** 2 * (alive[rows] * square - (alive[rows] * mean) ** 2)
    return variance


def _drawn(
    base: Valuation, draws: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
    """Blocks of distinct pairs: the customers that have them, which pair each has, and (pairs, draws) futures."""
    posterior = base.posterior(base.purchases.free)
    shape = base.x[base.pairs.first]
    order = np.argsort(base.pairs.place, kind="stable")
    starts = np.searchsorted(base.pairs.place[order], np.arange(len(shape) + 1))
    size = max(1, _AT_ONCE // draws)
    for first in range(0, len(shape), size):
        last = min(first + size, len(shape))
        futures = _spend(base, tuple(part[first:last] for part in posterior), shape[first:last], draws, rng)
        rows = order[starts[first] : starts[last]]
        yield rows, base.pairs.place[rows] - first, futures


def _spend(base: Valuation, posterior: tuple[Floats, ...], x: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Discounted spend of active customers, over the rate of their spend."""
    made = base.purchases.model.drawn_discounted(posterior, draws, base.rate, base.horizon, rng)
    if not base.modelled:
        return made.worth * made.number + made.last
    p, q, _ = base.spend.params
    spent = made.worth * rng.standard_gamma(p * made.number) + made.last * rng.standard_gamma(p, made.number.shape)
    return np.asarray(spent / rng.standard_gamma((p * x + q)[:, None], made.number.shape))


def _scale(base: Valuation) -> Floats:
    """Rate of each customer's spend, times the margin."""
    if not base.modelled:
        return base.own_values(slice(None))
    gamma = base.spend.params["gamma"]
    return base.margin_rate * (gamma + base.x * base.z)
