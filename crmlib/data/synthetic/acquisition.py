r"""How customers are won: prospects, the channels that they meet, and who converts.

A prospect :math:`i` has an intent :math:`x_i \sim N(0, 1)` before any contact. The channels stand in
three stages, early, middle and late. Channel :math:`c` reaches the prospect with probability
:math:`1 / (1 + e^{-(a_c + s_c x_i)})`, where :math:`x_i` is the intent at the stage's begin: a slope
:math:`s_c` above 0 means that it reaches those who would have bought anyway. Being reached adds
:math:`\gamma_c \ge 0` to the intent, and so to the chance to meet later channels. At the end those
convert whose intent plus noise, :math:`N(0, 1)`, is highest: as many as the firm has customers.

Without a channel the same prospects keep their intent, noise and uniform numbers, and the bar stays
where it was: the difference in conversions is the channel's increment. All effects are positive, so
that whoever converts without a channel converts with it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crmlib.data.synthetic.parameters import DAY, Parameters, stream
from crmlib.errors import ParameterError

_DAY_SECONDS = 86_400
# Seconds before the decision within which a stage's touches lie. Stages do not overlap, so that a
# touch comes after those that made it likelier.
_STAGES = ((8 * _DAY_SECONDS, 28 * _DAY_SECONDS), (2 * _DAY_SECONDS, 8 * _DAY_SECONDS), (0, 2 * _DAY_SECONDS))
_LAG_BITS, _CODE_BITS = 22, 4  # 28 days in seconds, ten channels


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to win customers: whom it reaches (`base`, `slope`), what it does (`effect`), its price.

    `cost` is the price of a touch, `repeats` the mean number of touches after the first, geometric.
    """

    name: str
    stage: int
    base: float
    slope: float
    effect: float
    cost: float
    repeats: float


#: In the order of their stages. The nine ways of acquiring customers, and those who come by themselves.
CHANNELS = (
    Channel("sponsorship", 0, -1.8, 0.2, 0.80, 0.40, 0.5),
    Channel("contextual advertising", 0, -1.6, 0.3, 0.35, 0.12, 0.6),
    Channel("online PR and social", 0, -1.5, 0.4, 0.45, 0.15, 0.4),
    Channel("viral", 0, -2.5, 0.5, 0.60, 0.03, 0.2),
    Channel("search engine optimisation", 1, -0.9, 0.8, 0.30, 0.10, 0.4),
    Channel("co-branding", 1, -2.2, 0.4, 0.40, 0.35, 0.2),
    Channel("opt-in e-mail", 1, -2.0, 0.9, 0.25, 0.05, 0.8),
    Channel("pay per click", 2, -2.0, 1.3, 0.06, 0.80, 0.3),
    Channel("affiliates", 2, -2.5, 1.3, 0.00, 0.60, 0.2),
    Channel("direct", 2, -2.2, 1.2, 0.00, 0.00, 0.3),
)
NAMES = tuple(channel.name for channel in CHANNELS)
_DIRECT = NAMES.index("direct")


@dataclass(frozen=True, eq=False)
class Prospects:
    """Everyone who came near the firm, in the order of their decisions."""

    decided: NDArray[np.int64]
    intent: NDArray[np.float32]
    noise: NDArray[np.float32]
    luck: NDArray[np.float32]  # channel × prospect
    customers: int

    @cached_property
    def everything_on(self) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Who is reached by which channel, and the score at the decision."""
        return self._reached(())

    @cached_property
    def converts(self) -> NDArray[np.bool_]:
        """Who converts with all channels on: exactly the number of customers."""
        _, score = self.everything_on
        chosen = np.zeros(len(score), dtype=bool)
        chosen[np.argpartition(score, -self.customers)[-self.customers :]] = True
        return chosen

    def without(self, off: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Who is reached by which channel, and who converts, with some channels switched off."""
        reached, score = self.everything_on
        if not off:
            return reached, self.converts
        bar = score[self.converts].min()
        reached, score = self._reached(off)
        return reached, self.converts & (score >= bar)

    def _reached(self, off: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        reached = np.zeros(self.luck.shape, dtype=bool)
        before = now = self.intent
        stage = 0
        for code, channel in enumerate(CHANNELS):
            if channel.stage > stage:
                stage, before = channel.stage, now
            if channel.name in off:
                continue
            reached[code] = self.luck[code] * (1 + np.exp(-(channel.base + channel.slope * before))) < 1
            if channel.effect:
                now = now + np.float32(channel.effect) * reached[code]
        reached[_DIRECT] |= ~reached.any(axis=0)  # whom nobody brought came by themselves
        return reached, now + self.noise


def prospects(known: Parameters, entropy: tuple[int, ...]) -> Prospects:
    """Everyone who came near the firm; `channels_off` does not change them."""
    rng = stream(entropy, "prospects")
    number = max(int(np.ceil(known.prospects_per_customer * known.customers)), known.customers)
    decided = rng.integers(known.month_starts[0], known.end, number)
    decided.sort()
    intent, noise = rng.standard_normal((2, number), dtype=np.float32)
    return Prospects(decided, intent, noise, rng.random((len(CHANNELS), number), dtype=np.float32), known.customers)


def check_channels(off: object) -> tuple[str, ...]:
    """Return the channels to switch off, each once, in the order of `CHANNELS`.

    Raises
    ------
    ParameterError
        An unknown channel, or direct.
    """
    names = (off,) if isinstance(off, str) else tuple(off)  # type: ignore[arg-type]
    paid = [name for name in NAMES if name != "direct"]
    for name in names:
        if name not in paid:
            reason = "cannot be switched off" if name == "direct" else "is unknown"
            raise ParameterError(f"channel {name!r} {reason}; give some of {', '.join(paid)}")
    return tuple(name for name in paid if name in names)


@dataclass(frozen=True, slots=True, eq=False)
class Touches:
    """All touches by journey and time: the prospect's place, channel code and seconds before the decision."""

    journey: NDArray[np.int64]
    code: NDArray[np.int64]
    lag: NDArray[np.int64]


def touches(
    known: Parameters,
    entropy: tuple[int, ...],
    people: Prospects,
    reached: NDArray[np.bool_],
    only: NDArray[np.bool_] | None = None,
) -> Touches:
    """Touches of the prospects; `reached` is who is left with some channels off, `only` whom to keep."""
    rng = stream(entropy, "touches")
    full, _ = people.everything_on
    keys = []
    for code, channel in enumerate(CHANNELS):
        # drawn for all whom the channel reaches when everything is on, then thinned: common random numbers
        who = np.flatnonzero(full[code])
        who = np.repeat(who, _touch_counts(rng, channel.repeats, len(who)))
        lag = rng.integers(*_STAGES[channel.stage], len(who), dtype=np.uint32).astype(np.int64)
        keep = reached[code][who] if only is None else reached[code][who] & only[who]
        keys.append(_packed(who[keep], lag[keep], code))
    alone = np.flatnonzero(reached[_DIRECT] & ~full[_DIRECT])  # whom only the absent channels had brought
    lag = rng.integers(*_STAGES[2], len(alone), dtype=np.uint32).astype(np.int64)
    keep = slice(None) if only is None else only[alone]
    keys.append(_packed(alone[keep], lag[keep], _DIRECT))
    key = np.concatenate(keys)
    key.sort()
    lag = (1 << _LAG_BITS) - 1 - (key >> _CODE_BITS & (1 << _LAG_BITS) - 1)
    return Touches(key >> _LAG_BITS + _CODE_BITS, key & (1 << _CODE_BITS) - 1, lag)


def _touch_counts(rng: np.random.Generator, repeats: float, number: int) -> NDArray[np.int64]:
    """Geometric from 1 with this mean number of repeats, by inversion."""
    luck = 1 - rng.random(number, dtype=np.float32)  # above 0
    return 1 + (np.log(luck) / np.float32(np.log(repeats / (1 + repeats)))).astype(np.int64)


def _packed(who: NDArray[np.int64], lag: NDArray[np.int64], code: int) -> NDArray[np.int64]:
    """Journey, time and channel in one number: sorting it is three times as fast as sorting by columns."""
    return (who << _LAG_BITS | (1 << _LAG_BITS) - 1 - lag) << _CODE_BITS | code


def last_touch(found: Touches, journeys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Channel code of the last touch of each journey, given its place among the prospects."""
    return found.code[np.searchsorted(found.journey, journeys, side="right") - 1]


def touched_at(found: Touches, people: Prospects) -> NDArray[np.int64]:
    """Instant of each touch."""
    return people.decided[found.journey] - found.lag * (DAY // _DAY_SECONDS)


def positions(found: Touches) -> NDArray[np.int64]:
    """Place of each touch in its journey, from 1."""
    number = np.bincount(found.journey)  # everyone up to the last has at least one
    return np.arange(1, len(found.journey) + 1) - np.repeat(np.cumsum(number) - number, number)
