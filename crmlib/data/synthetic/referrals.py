r"""Customers who bring customers: who was referred by whom, and what being referred does to their orders.

Customer j refers as a branching process: at age s, in days, new customers at rate :math:`R_j g(s)`. The cycle time
g is gamma with shape 2; it is the wait for the invitation and the time to accept it, both gamma with one scale.
:math:`R_j = R\, o_j h_j (1 + \psi a_j)`: the reward on offer (:math:`o_j = 1`; held out by lot,
:math:`1 / \text{reward_effect}`), whether j recommends at all (:math:`h_j`, mean 1), and how heavy a buyer j is
(:math:`a_j`, the rank of the own purchase rate, from -1 to 1).

When customers are won is what it is without referrals: of the customers won at rate :math:`\Lambda`, the one won at
:math:`t_i` is j's with probability :math:`R_j g(t_i - t_j) c_{ij} / \Lambda`, which thins their Poisson process into
one of rate :math:`R_j g` for each j. The factor :math:`c_{ij} = 1 + \theta a_i a_j`, a Farlie-Gumbel-Morgenstern
copula, makes who is referred resemble who referred them, and leaves the number they bring as it is.

Being referred multiplies the rate of orders after which one stays by the lift, and the rate of leaving by the
stay. Both keep a BG/NBD customer one, with another rate and drop-out probability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crmlib.data.synthetic import exact
from crmlib.data.synthetic.parameters import DAY, Parameters, stream
from crmlib.data.synthetic.purchases import Orders, Population, filled, joined
from crmlib.data.synthetic.serving import expected_contribution, expected_gross_margin
from crmlib.data.synthetic.tables import Gappy
from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.data.synthetic.truth import Truth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Names of the two arms of the offer, in the column `referral_arm` of customers.
ARMS = ("held out", "offered")
_HELD_OUT = 0.25  # share of customers who are offered no reward
_RECOMMENDERS = 0.4  # share who recommend at all
_HEAVIER = 0.9  # ψ: by how much heavier buyers refer more
_SHAPE, _ACCEPTING = 2.0, 0.3  # of the cycle time, and its part from invitation to joining
_ACCEPTED = 0.25  # share of invitations that are accepted, sooner or later
_LOOKS = 16  # possible referrers that each customer's chance of being referred is the mean of
_NEAR = 1.0  # days around an instant in which a possible referrer is looked for


class Links(NamedTuple):
    """One value a customer: row of the referrer (-1: none), long-run number referred, whether a reward is offered."""

    referrer: Ints
    rate: Floats
    offered: NDArray[np.bool_]


def links(known: Parameters, entropy: tuple[int, ...], people: Population) -> Links:
    """Who was referred by whom; nobody without referrals."""
    number = known.customers
    if not known.reproduction:
        nobody = np.zeros(number)
        return Links(np.full(number, -1), nobody, nobody.astype(bool))
    rng = stream(entropy, "referrals")
    offered = rng.random(number) >= _HELD_OUT
    recommends = rng.random(number) < _RECOMMENDERS
    place = np.empty(number)
    place[np.argsort(people.purchase_rate / people.cohort_factor, kind="stable")] = np.arange(number)
    place = (2 * place + 1) / number - 1
    rate = known.reproduction * np.where(offered, 1.0, 1 / known.reward_effect)
    rate = rate * np.where(recommends, 1 / _RECOMMENDERS, 0.0) * (1 + _HEAVIER * place)
    referrer = _referrers(rng, known, people.acquired, rate, place)
    return Links(referrer, rate, offered)


def _referrers(rng: np.random.Generator, known: Parameters, acquired: Ints, rate: Floats, place: Floats) -> Ints:
    """Referrer of each customer: some looks at who was won a cycle time ago, one of them taken by weight.

    A customer is taken with probability 1/Λ for each unit of cycle time, so that the mean over looks of
    R_j c_ij is the chance to have been referred.
    """
    number, begin = len(acquired), int(known.month_starts[0])
    everyone = np.arange(number)
    day = DAY * number / (known.end - begin)  # customers won a day
    near = _NEAR * day
    # the place of an instant among the customers, on a grid as fine as they are: searching takes five times as long
    step = (known.end - begin) / number
    grid = np.searchsorted(acquired, begin + (np.arange(number) + 0.5) * step).astype(np.float32)
    own = ((acquired - begin) / step).astype(np.float32)
    heavy, steep = place.astype(np.float32), np.float32(known.likeness)
    brings = rate.astype(np.float32)
    chosen, total = np.full(number, -1), np.zeros(number, dtype=np.float32)
    for _ in range(_LOOKS):
        # gamma of shape 2: two waits, one after the other, in a quarter of the time that the generator's own takes
        first, second = (1 - rng.random(number, dtype=np.float32) for _ in range(2))
        back = -np.log(first * second) * np.float32(known.referral_days / _SHAPE * day)
        cell = own - back
        jitter = (2 * rng.random(number, dtype=np.float32) - 1) * np.float32(near)
        found = np.floor(grid[np.maximum(cell, 0).astype(np.int64)] + jitter + 0.5).astype(np.int64)
        possible = (cell >= 0) & (found >= 0) & (found < everyone)
        found[~possible] = 0
        weight = possible * brings[found] * (1 + steep * heavy * heavy[found])
        total += weight
        chosen = np.where(rng.random(number, dtype=np.float32) * total < weight, found, chosen)
    return np.where(rng.random(number) * _LOOKS < total, chosen, -1)


def influenced(known: Parameters, people: Population, referred: NDArray[np.bool_]) -> Population:
    """Return the population with the traits of who was referred changed by it."""
    if not referred.any():
        return people
    stay = people.purchase_rate * (1 - people.dropout_probability)
    leave = people.purchase_rate * people.dropout_probability
    lifted, leaving = known.referral_lift * stay, known.referral_stay * leave
    with np.errstate(divide="ignore", invalid="ignore"):  # a rate of 0 in floating point never leaves
        dropout = np.where(lifted + leaving > 0, leaving / (lifted + leaving), people.dropout_probability)
    return people._replace(
        purchase_rate=np.where(referred, lifted + leaving, people.purchase_rate),
        dropout_probability=np.where(referred, dropout, people.dropout_probability),
        dropout_days=np.where(referred, people.dropout_days / known.referral_stay, people.dropout_days),
    )


def changed_orders(
    known: Parameters,
    entropy: tuple[int, ...],
    plain: Population,
    people: Population,
    referred: NDArray[np.bool_],
    made: Orders,
) -> Orders:
    """Orders with those that being referred adds, and the last ones moved to when the customer now leaves.

    `made` are the orders of the plain population, whose last ones stand at its end (`purchases.orders`).
    """
    who = np.flatnonzero(referred)
    if not len(who):
        return made
    rng = stream(entropy, "referred_orders")
    observed, rate = people.observed_days[who], plain.daily_rate[who]
    before = np.minimum(plain.dropout_days[who], observed)
    after = np.minimum(people.dropout_days[who], observed)
    further = rng.poisson((known.referral_lift - 1) * rate * before)
    longer = rng.poisson(known.referral_lift * rate * (after - before))
    days = np.concatenate(
        [
            rng.random(further.sum()) * np.repeat(before, further),
            np.repeat(before, longer) + rng.random(longer.sum()) * np.repeat(after - before, longer),
        ]
    )
    buyer = np.concatenate([np.repeat(who, further), np.repeat(who, longer)])
    added = filled(rng, known, people, buyer, people.acquired[buyer] + (days * DAY).astype(np.int64))

    leavers = np.count_nonzero(plain.dropout_days < plain.observed_days)
    last = len(made.customer) - leavers + np.arange(leavers)
    last = last[referred[made.customer[last]]]
    leaver = made.customer[last]
    instant, kept = made.instant.copy(), np.ones(len(made.customer), dtype=bool)
    ends = people.dropout_days[leaver] < people.observed_days[leaver]
    kept[last[~ends]] = False
    instant[last[ends]] = people.acquired[leaver[ends]] + (people.dropout_days[leaver[ends]] * DAY).astype(np.int64)
    return joined([made._replace(instant=instant).rows(kept), added])


def invitations(known: Parameters, entropy: tuple[int, ...], people: Population, found: Links) -> dict[str, Any]:
    """Columns of the table `referrals`: the accepted invitations, and those that are not, or not yet."""
    rng = stream(entropy, "invitations")
    scale = known.referral_days / _SHAPE * DAY
    won = np.flatnonzero(found.referrer >= 0)
    by = found.referrer[won]
    cycle = people.acquired[won] - people.acquired[by]
    invited = people.acquired[by] + (cycle * rng.beta(_SHAPE - _ACCEPTING, _ACCEPTING, len(won))).astype(np.int64)

    sent = rng.poisson(found.rate / _ACCEPTED)
    sender = np.repeat(np.arange(known.customers), sent)
    when = people.acquired[sender] + (rng.gamma(_SHAPE - _ACCEPTING, scale, len(sender))).astype(np.int64)
    accepts = rng.random(len(sender)) < _ACCEPTED
    joins = when + rng.gamma(_ACCEPTING, scale, len(sender)).astype(np.int64)
    # who accepts and joins within the data is a customer already, linked above
    open_ = (when < known.end) & ~(accepts & (joins < known.end))

    instant = np.concatenate([invited, when[open_]])
    in_time = np.argsort(instant, kind="stable")
    customer = np.concatenate([won + 1, np.zeros(np.count_nonzero(open_), dtype=np.int64)])[in_time]
    joined_at = people.acquired[np.maximum(customer - 1, 0)].view("datetime64[us]").copy()
    joined_at[customer == 0] = np.datetime64("NaT")
    return {
        "referral_id": np.arange(1, len(instant) + 1),
        "referrer_id": np.concatenate([by, sender[open_]])[in_time] + 1,
        "invited_at": instant[in_time].view("datetime64[us]"),
        "customer_id": Gappy(customer, customer == 0),
        "joined_at": joined_at,
    }


def reproduction_number(truth: Truth, days: float = np.inf, offered: bool | None = None) -> float:
    """Customers that one drawn from the population refers within so many days of being won.

    Parameters
    ----------
    truth : Truth
    days : float
        Infinite for the long run.
    offered : bool, optional
        Of those who are offered a reward, or of those who are not; default of all.
    """
    from scipy.special import gammainc

    known = truth.parameters
    arms = {True: known.reproduction, False: known.reproduction / known.reward_effect}
    mixed = (1 - _HELD_OUT) * arms[True] + _HELD_OUT * arms[False]
    return (mixed if offered is None else arms[offered]) * float(gammainc(_SHAPE, days * _SHAPE / known.referral_days))


def referral_effect(truth: Truth, days: float, quiet_days: float = 90.0) -> pd.DataFrame:
    """What being referred changes in each customer's first days, expected given their traits.

    Parameters
    ----------
    truth : Truth
        Of a firm without a loyalty programme.
    days : float
        Days from acquisition on, the first order included.
    quiet_days : float
        A customer counts as active who orders in the last so many of them.

    Returns
    -------
    pandas.DataFrame, aligned with the rows of customers
        customer_id, referred, orders, gross_margin (amount less cost of goods), margin (less avoidable cost too),
        active, and each with `_without`: had the same person come without being referred.

    Raises
    ------
    ParameterError
        The firm has a programme: simulate it with `programme=False`; or quiet_days beyond days.
    """
    import pandas as pd

    known, referred = truth.parameters, truth.referrer >= 0
    if known.programme:
        raise ParameterError("what being referred changes has no closed form beside a programme; set programme=False")
    start, end = exact.interval(days - quiet_days, days)
    leave = truth.purchase_rate * truth.dropout_probability / 7
    stay = truth.purchase_rate / 7 - leave
    columns: dict[str, Any] = {"customer_id": truth.customer_id, "referred": referred}
    for suffix, lift, leaving in (("", 1.0, 1.0), ("_without", 1 / known.referral_lift, 1 / known.referral_stay)):
        away = leave * np.where(referred, leaving, 1.0)
        rate = stay * np.where(referred, lift, 1.0) + away
        orders = 1 + exact.orders_while_active(rate, away, np.zeros(1), end)
        served = expected_contribution(truth.mean_spend, truth.return_rate, truth.service_rate)
        columns[f"orders{suffix}"] = orders
        columns[f"gross_margin{suffix}"] = orders * expected_gross_margin(truth.mean_spend)
        columns[f"margin{suffix}"] = orders * served
        columns[f"active{suffix}"] = np.exp(-away * start) * -np.expm1(-rate * (end - start))
    return pd.DataFrame(columns)
