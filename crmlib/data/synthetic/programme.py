r"""The loyalty programme: who may join, who does and when, and what it does to their orders.

It is open to account customers: those acquired before the panel starts who hold a contract through
the end of the data, and so do not leave before. Given that a BG/NBD customer does not leave, their
repeat orders are a Poisson process of the constant rate :math:`\mu = \lambda (1 - p)`. All of them
also order at a common seasonal rate :math:`s(t)`. So the expected untreated orders a day are
:math:`\mu_i + s(t)`: a customer's level plus a common path. Whoever joins because of their level,
and heavy buyers do, the trends are parallel, in orders a day. (Counts of calendar months are not:
a longer month adds more orders to the heavy buyer.)

Joining at :math:`j`, drawn with a hazard that grows as :math:`\mu^{\text{self_selection}}` and is
independent of the orders given :math:`\mu`, multiplies the own rate by the programme's effect,
:math:`1 + (e - 1)(1 + g)^{(t - j) / 30}` with t in days. Without parallel trends the later members'
own rate rises by half over the 180 days before they join, and stays there, for another reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crmlib.data.synthetic.parameters import DAY, MONTH_DAYS, Parameters, stream
from crmlib.data.synthetic.purchases import Orders, Population, filled

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ACCOUNT_RATE = 0.05  # orders in 30 days at which half of those who may hold an account do
_JOIN_RATE, _JOIN_HAZARD, _MOST_HAZARD = 0.3, 0.2, 1.0  # orders in 30 days with hazard .2 in 30 days, at most 1
_RISE, _RISE_DAYS = 0.5, 180.0
#: Share of the seasonal peak by calendar month, January first.
_SEASON = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0.25, 0.75, 1.0])


def account_share(daily_rate: Floats, acquired: NDArray[np.int64], known: Parameters) -> Floats:
    """Probability to hold an account of a customer who does not leave before the data end."""
    monthly = daily_rate * MONTH_DAYS
    return np.where(acquired < known.panel_start, monthly / (monthly + _ACCOUNT_RATE), 0.0)


def accounts(known: Parameters, entropy: tuple[int, ...], people: Population) -> tuple[Flags, Floats]:
    """Who holds an account, and days from acquisition to joining the programme, infinite if never."""
    rng = stream(entropy, "accounts")
    luck, wait = rng.random(known.customers), rng.standard_exponential(known.customers)
    holds = luck < account_share(people.daily_rate, people.acquired, known)
    holds &= people.dropout_days >= people.observed_days
    with np.errstate(divide="ignore", over="ignore"):  # a rate of 0 never joins, unless joining is at random
        level = np.float_power(people.daily_rate * MONTH_DAYS / _JOIN_RATE, known.self_selection)
        instant = known.launch + wait / np.minimum(_JOIN_HAZARD * level, _MOST_HAZARD) * MONTH_DAYS * DAY
    joins = holds & (instant < known.enrolment_end)
    days = np.full(known.customers, np.inf)
    # whole microseconds, as the memberships table has them
    days[joins] = (instant[joins].astype(np.int64) - people.acquired[joins]) / DAY
    return holds, days


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """What moves the orders of account customers beside their own rate; arrays of one value a customer.

    The methods integrate over (start, end], in days since acquisition, within the data.
    """

    known: Parameters
    acquired: NDArray[np.int64]
    daily_rate: Floats
    observed_days: Floats
    joined_days: Floats

    def effect_days(self, start: Floats, end: Floats) -> Floats:
        """Integral of the programme's factor less 1."""
        joined = np.minimum(self.joined_days, self.observed_days)  # who never joins does so at the end
        low = np.maximum(start, joined) - joined
        high = np.maximum(np.minimum(end, self.observed_days) - joined, low)
        change = self.known.programme_effect - 1
        growth = np.log1p(self.known.programme_growth) / MONTH_DAYS
        if growth == 0:
            return np.asarray(change * (high - low))
        return np.asarray(change * np.exp(growth * low) * np.expm1(growth * (high - low)) / growth)

    def rise_days(self, start: Floats, end: Floats) -> Floats:
        """Integral of the rise before joining that has another reason."""
        if self.known.parallel_trends:
            return np.zeros(np.broadcast_shapes(np.shape(start), np.shape(end), self.joined_days.shape))
        high = np.minimum(end, self.observed_days)
        return np.asarray(self._risen(high) - self._risen(np.minimum(start, high)))

    def _risen(self, at: Floats) -> Floats:
        along = np.maximum(at - (self.joined_days - _RISE_DAYS), 0.0)
        return _RISE * np.where(along < _RISE_DAYS, along**2 / (2 * _RISE_DAYS), along - _RISE_DAYS / 2)

    def season_orders(self, start: Floats, end: Floats) -> Floats:
        """Expected orders of the common season."""
        instants, total = season(self.known)
        low, high = (np.interp(self.acquired + at * DAY, instants, total) for at in (start, end))
        return high - low

    def programme_orders(self, start: Floats, end: Floats) -> Floats:
        """Expected orders that the programme causes."""
        risen = 1.0 if self.known.parallel_trends else 1 + _RISE
        return np.asarray(self.daily_rate * risen * self.effect_days(start, end))

    def orders(self, start: Floats, end: Floats) -> Floats:
        """Expected orders beside those of the own constant rate."""
        rise = self.daily_rate * self.rise_days(start, end)
        return rise + self.programme_orders(start, end) + self.season_orders(start, end)


def season(known: Parameters) -> tuple[NDArray[np.int64], Floats]:
    """Instants from the panel's start to the data's end, and the seasonal orders expected up to each."""
    starts = known.month_starts
    starts = starts[starts >= known.panel_start]
    month = starts.view("datetime64[us]").astype("datetime64[M]").astype(int) % 12
    instants = np.append(starts, known.end)
    # the last month may be cut by as_of; its rate is a day's rate like the others
    rate = known.seasonality * _SEASON[month] / MONTH_DAYS
    return instants, np.concatenate([[0.0], np.cumsum(rate * np.diff(instants) / DAY)])


def further_orders(
    known: Parameters, entropy: tuple[int, ...], people: Population, holds: Flags, joined_days: Floats
) -> tuple[Orders, Orders, Orders]:
    """Orders that season, rise and programme add to the customers' own, each from its own stream."""
    members = np.flatnonzero(np.isfinite(joined_days))
    rate, joined = people.daily_rate[members], joined_days[members]
    left = people.observed_days[members] - joined

    rng = stream(entropy, "season")
    instants, total = season(known)
    buyers = np.flatnonzero(holds)
    buyers = np.repeat(buyers, rng.poisson(total[-1], len(buyers)))
    when = np.interp(rng.random(len(buyers)) * total[-1], total, instants).astype(np.int64)
    when = np.minimum(when, known.end - 1)
    seasonal = filled(rng, known, people, buyers, when)

    rise, rng = 0.0 if known.parallel_trends else _RISE, stream(entropy, "rise")
    begin = np.maximum(joined - _RISE_DAYS, 0.0)
    who, days = _points(rng, rate * rise, begin, people.observed_days[members])
    kept = rng.random(len(who)) < (days - joined[who] + _RISE_DAYS) / _RISE_DAYS
    risen = _filled(rng, known, people, members[who[kept]], days[kept])

    rng = stream(entropy, "programme")
    change = max(known.programme_effect - 1, 0.0)
    most = change * np.maximum(1.0, (1 + known.programme_growth) ** (left / MONTH_DAYS))
    who, days = _points(rng, rate * (1 + rise) * most, joined, people.observed_days[members])
    if change:
        factor = change * (1 + known.programme_growth) ** ((days - joined[who]) / MONTH_DAYS)
        kept = rng.random(len(who)) * most[who] < factor
        who, days = who[kept], days[kept]
    return seasonal, risen, _filled(rng, known, people, members[who], days)


def lapsed(known: Parameters, entropy: tuple[int, ...], people: Population, made: Orders, joined_days: Floats) -> Flags:
    """Which orders a programme that harms, with an effect below 1, prevents."""
    if known.programme_effect >= 1:
        return np.zeros(len(made.customer), dtype=bool)
    since = (made.instant - people.acquired[made.customer]) / DAY - joined_days[made.customer]
    after = np.flatnonzero(since > 0)
    change = (1 - known.programme_effect) * (1 + known.programme_growth) ** (since[after] / MONTH_DAYS)
    prevented = np.zeros(len(made.customer), dtype=bool)
    prevented[after] = stream(entropy, "lapse").random(len(after)) < change
    return prevented


def _points(
    rng: np.random.Generator, daily_rate: Floats, begin: Floats, end: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Poisson points of constant rates between two days: each one's row and day."""
    who = np.repeat(np.arange(len(begin)), rng.poisson(daily_rate * (end - begin)))
    return who, begin[who] + rng.random(len(who)) * (end - begin)[who]


def _filled(
    rng: np.random.Generator, known: Parameters, people: Population, who: NDArray[np.int64], days: Floats
) -> Orders:
    return filled(rng, known, people, who, people.acquired[who] + (days * DAY).astype(np.int64))
