r"""Who the customers are and when they order: a BG/NBD population.

A customer arrives with a first order. While active, they order again at rate :math:`\lambda` a
week; after each repeat order they leave for good with probability :math:`p`. Over customers
:math:`\lambda \sim \text{Gamma}(r, \text{rate } \alpha)` and :math:`p \sim \text{Beta}(a, b)`,
independent (Fader, Hardie & Lee 2005, Marketing Science 24:2, section 3). Order values are gamma
with shape :math:`p_z` around a mean that differs by customer: rate :math:`\nu \sim
\text{Gamma}(q_z, \text{rate } \gamma_z)` (Fader & Hardie 2013, the gamma-gamma model).

Repeat orders form a Poisson process that each point ends with probability p. By thinning, the
order that ends it comes after an Exponential(:math:`\lambda p`) time D, and those before it are a
Poisson process of rate :math:`\lambda (1 - p)` on (0, D), independent of D: no loop is needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crmlib.data.synthetic.parameters import DAY, Parameters, stream
from crmlib.data.synthetic.serving import Baskets, baskets, serving_traits

Floats = NDArray[np.float64]


class Population(NamedTuple):
    """One value a customer, in the order of acquisition; `Truth` says what each is."""

    acquired: NDArray[np.int64]
    cohort_factor: Floats
    purchase_rate: Floats
    dropout_probability: Floats
    dropout_days: Floats
    observed_days: Floats
    mean_spend: Floats
    return_rate: Floats
    service_rate: Floats

    @property
    def daily_rate(self) -> Floats:
        """Orders a day after which the customer stays: all orders of one who does not leave."""
        return self.purchase_rate * (1 - self.dropout_probability) / 7


class Orders(NamedTuple):
    """Orders in the order of their making: the customer's place, the instant, and what they hold."""

    customer: NDArray[np.int64]
    instant: NDArray[np.int64]
    basket: Baskets

    def rows(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Orders:
        """Some of the orders."""
        return Orders(self.customer[chosen], self.instant[chosen], self.basket.rows(chosen))


def population(
    known: Parameters, entropy: tuple[int, ...], acquired: NDArray[np.int64], intent: NDArray[np.float32]
) -> Population:
    """Customers with the traits of a BG/NBD population; those of higher intent may order more often."""
    rng, number = stream(entropy, "traits"), known.customers
    place = (np.searchsorted(known.month_starts, acquired, side="right") - 1) / max(known.months - 1, 1)
    factor = known.trend**place / min(1.0, known.trend)
    rate = rng.gamma(known.r, 1 / known.alpha, number)
    if known.intent_value:
        rate = rate * np.exp(known.intent_value * intent.astype(float))
    dropout = rng.beta(known.a, known.b, number)
    with np.errstate(divide="ignore", over="ignore"):  # a rate of 0 in floating point never leaves
        dropout_weeks = rng.standard_exponential(number) / (rate * dropout)
        mean_spend = known.spend_shape / rng.gamma(known.spend_q, 1 / known.spend_gamma, number)
    return Population(
        acquired,
        factor,
        rate * factor,
        dropout / factor,
        7 * dropout_weeks,
        (known.end - acquired) / DAY,
        mean_spend,
        *serving_traits(stream(entropy, "serving_traits"), number),
    )


def orders(known: Parameters, entropy: tuple[int, ...], people: Population) -> Orders:
    """All orders that the population makes by itself; the first ones come first, one a customer."""
    rng = stream(entropy, "orders")
    exposed = np.minimum(people.dropout_days, people.observed_days)
    repeats = rng.poisson(people.daily_rate * exposed)
    last = np.flatnonzero(people.dropout_days < people.observed_days)
    everyone = np.arange(known.customers)
    who = np.concatenate([everyone, np.repeat(everyone, repeats), last])
    days = rng.random(repeats.sum()) * np.repeat(exposed, repeats)
    since = np.concatenate([np.zeros(known.customers), days, people.dropout_days[last]])
    instants = people.acquired[who] + (since * DAY).astype(np.int64)
    return filled(stream(entropy, "baskets"), known, people, who, instants)


def filled(
    rng: np.random.Generator,
    known: Parameters,
    people: Population,
    who: NDArray[np.int64],
    instants: NDArray[np.int64],
) -> Orders:
    """Orders of these customers at these instants with what they hold."""
    traits = (people.mean_spend[who], people.return_rate[who], people.service_rate[who])
    return Orders(who, instants, baskets(rng, known.spend_shape, *traits))


def joined(parts: list[Orders]) -> Orders:
    """Return the orders of several parts, one part after another."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(part.basket for part in parts), strict=True)
    return Orders(
        np.concatenate([part.customer for part in parts]),
        np.concatenate([part.instant for part in parts]),
        Baskets._make(np.concatenate(column) for column in columns),
    )
