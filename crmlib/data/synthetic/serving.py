"""What an order holds and what serving it costs: activity-based costing with known rates.

Customers differ for good in how often they send lines back and call for service. Those two, small
orders and little spend make some of them a loss. A return costs its handling; the goods are
exchanged, so that revenue stays. Order by order the counts are noise around the customer's own
rates: who made a loss in one period makes a smaller one in the next, on average.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class Activity(NamedTuple):
    """What is done for customers, what it is counted by, the cost of one, and whether it can be avoided."""

    activity: str
    driver: str
    rate: float
    behaviour: str


#: Avoidable cost goes when the customer goes, allocated cost stays with the firm.
ACTIVITIES = (
    Activity("order handling", "orders", 1.50, "avoidable"),
    Activity("picking", "lines", 0.30, "avoidable"),
    Activity("delivery", "deliveries", 3.00, "avoidable"),
    Activity("returns handling", "returns", 4.00, "avoidable"),
    Activity("customer service", "service_calls", 5.00, "avoidable"),
    Activity("account administration", "months", 0.15, "allocated"),
    Activity("premises and systems", "amount", 0.06, "allocated"),
)
RATES = {activity.driver: activity.rate for activity in ACTIVITIES}

_COST_SHARE, _COST_SPREAD = 0.55, 0.10  # of the list price; uniform, ± the spread
_DISCOUNTS = ((0.10, 0.20), (0.20, 0.10))  # share of the list price, share of the orders
_LINE_VALUE = 20.0  # currency units a further line
_MOST_LINES = 1000.0  # keeps amounts of any currency countable
_SPLIT = 0.08  # chance of a further line to need a delivery of its own
_RETURNS = (0.5, 4.5)  # beta over customers: mean .1 of the lines
_CALLS = (0.5, 0.6)  # gamma over customers, shape and scale: mean .3 an order


class Baskets(NamedTuple):
    """One value an order."""

    amount: Floats
    cost: Floats
    discount: Floats
    lines: Counts
    deliveries: Counts
    returns: Counts
    service_calls: Counts

    def rows(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Baskets:
        """Some of the orders."""
        return Baskets._make(values[chosen] for values in self)


def serving_traits(rng: np.random.Generator, customers: int) -> tuple[Floats, Floats]:
    """Each customer's share of lines sent back, and service calls an order."""
    return rng.beta(*_RETURNS, customers), rng.gamma(*_CALLS, customers)


def baskets(
    rng: np.random.Generator, shape: float, mean_spend: Floats, return_rate: Floats, service_rate: Floats
) -> Baskets:
    """What orders of customers with these traits hold; arrays of one value an order."""
    number = len(mean_spend)
    amount = np.round(rng.standard_gamma(shape, number) * (mean_spend / shape), 2)
    edges, shares = np.cumsum([chance for _, chance in _DISCOUNTS]), [share for share, _ in _DISCOUNTS]
    off = np.array([*shares, 0.0])[np.searchsorted(edges, rng.random(number), side="right")]
    full = amount / (1 - off)
    spread = rng.uniform(1 - _COST_SPREAD, 1 + _COST_SPREAD, number)
    further = rng.poisson(np.minimum(amount / _LINE_VALUE, _MOST_LINES))
    return Baskets(
        amount,
        cost=np.round(full * (_COST_SHARE * spread), 2),
        discount=np.round(full - amount, 2),
        lines=1 + further,
        deliveries=1 + rng.binomial(further, _SPLIT),
        returns=rng.binomial(1 + further, return_rate),
        service_calls=rng.poisson(service_rate),
    )


def expected_contribution(mean_spend: Floats, return_rate: Floats, service_rate: Floats) -> Floats:
    """Expected amount less cost of goods and avoidable cost, of an order of each customer."""
    further = np.minimum(mean_spend / _LINE_VALUE, _MOST_LINES)
    served = RATES["orders"] + RATES["lines"] * (1 + further) + RATES["deliveries"] * (1 + _SPLIT * further)
    served = served + RATES["returns"] * return_rate * (1 + further) + RATES["service_calls"] * service_rate
    return np.asarray(expected_gross_margin(mean_spend) - served)


def expected_gross_margin(mean_spend: Floats) -> Floats:
    """Expected amount less cost of goods, of an order of each customer."""
    plain = 1 - sum(chance for _, chance in _DISCOUNTS)
    full = mean_spend * (plain + sum(chance / (1 - share) for share, chance in _DISCOUNTS))
    return np.asarray(mean_spend - _COST_SHARE * full)
