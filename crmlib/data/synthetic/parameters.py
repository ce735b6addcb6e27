"""What a firm is simulated with: its parameters, its calendar, its random streams."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crmlib.errors import ParameterError

#: Microseconds of a day: instants are whole microseconds since 1970.
DAY = 86_400_000_000
#: Days of the month in which rates and effects are told, so that months of any length compare.
MONTH_DAYS = 30.0
TABLES = ("customers", "orders", "touches", "outcomes", "memberships", "costs")
#: The table that a firm has besides where customers refer others.
REFERRALS = "referrals"
#: What is of no account in a firm without referrals.
REFERRING = ("reproduction", "referral_days", "referral_lift", "referral_stay", "likeness", "reward_effect")
# A stream of its own for each part: switching one part off leaves the draws of the others unchanged.
# New streams go last, for the place in this list is the stream's key.
_STREAMS = (
    *("prospects", "touches", "traits", "serving_traits", "regions", "orders", "baskets"),
    *("accounts", "season", "rise", "programme", "lapse"),
    *("referrals", "referred_orders", "invitations"),
    "holdouts",
)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the firm was simulated with, as `simulate` describes it. Purchase rates are per week."""

    customers: int
    months: int
    as_of: datetime.date
    r: float
    alpha: float
    a: float
    b: float
    spend_shape: float
    spend_q: float
    spend_gamma: float
    trend: float
    prospects_per_customer: float
    channels_off: tuple[str, ...]
    programme: bool
    programme_effect: float
    programme_growth: float
    self_selection: float
    parallel_trends: bool
    seasonality: float
    intent_value: float
    reproduction: float
    referral_days: float
    referral_lift: float
    referral_stay: float
    likeness: float
    reward_effect: float
    currency: str

    @property
    def month_starts(self) -> NDArray[np.int64]:
        """First instants of the calendar months."""
        number = (self.as_of.year - 1970) * 12 + self.as_of.month - self.months
        months = np.arange(number, number + self.months)
        return months.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)

    @property
    def end(self) -> int:
        """Instant at which the last day ends."""
        return int(np.datetime64(self.as_of, "us").astype(np.int64)) + DAY

    @property
    def panel_start(self) -> int:
        """From when the programme's panel is observed: accounts are older."""
        return int(self.month_starts[self.months // 3])

    @property
    def launch(self) -> int:
        """Instant from which customers could join the programme."""
        return int(self.month_starts[self.months // 2])

    @property
    def enrolment_end(self) -> int:
        """Instant until which they could."""
        return int(self.month_starts[5 * self.months // 6])

    @property
    def plain(self) -> bool:
        """Whether nothing moves purchases but the BG/NBD population itself."""
        moved = self.programme_effect != 1 or self.seasonality > 0 or not self.parallel_trends
        referred = self.reproduction > 0 and (self.referral_lift != 1 or self.referral_stay != 1)
        return not ((self.programme and moved) or referred)


def stream(entropy: tuple[int, ...], part: str) -> np.random.Generator:
    """Random numbers of one part of the firm, the same whatever the other parts draw."""
    seed = np.random.SeedSequence(entropy, spawn_key=(_STREAMS.index(part),))
    return np.random.Generator(np.random.SFC64(seed))


def check(known: Parameters) -> None:
    """Refuse parameters out of their range.

    Raises
    ------
    ParameterError
        Names the parameter, its value and the range.
    """
    for name in ("customers", "months"):
        value = getattr(known, name)
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ParameterError(f"{name} is {value!r}; give a whole number of 1 or more")
    if known.months > 1200:
        raise ParameterError(f"months is {known.months}; give 1200 or fewer")
    for name in ("r", "alpha", "a", "b", "spend_shape", "spend_q", "spend_gamma", "trend", "programme_effect"):
        _number(name, getattr(known, name), above=1 if name == "spend_q" else 0)
    _number("prospects_per_customer", known.prospects_per_customer, low=1, high=1000)
    _number("programme_growth", known.programme_growth, above=-1, high=1)
    _number("self_selection", known.self_selection, low=0, high=5)
    _number("seasonality", known.seasonality, low=0, high=1000)
    _number("intent_value", known.intent_value, low=0, high=2)
    _check_referrals(known)
    for name in ("programme", "parallel_trends"):
        if not isinstance(getattr(known, name), (bool, np.bool_)):
            raise ParameterError(f"{name} is {getattr(known, name)!r}; give True or False")
    _check_growth(known)


def _number(name: str, value: object, *, above: float = -np.inf, low: float = -np.inf, high: float = np.inf) -> None:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.bool_))
    if not (number and max(above, low) <= value <= high and above < value < np.inf):  # type: ignore[operator]
        least = f"above {above:g}" if above > -np.inf else f"of {low:g} or more"
        most = f" and at most {high:g}" if high < np.inf else ""
        raise ParameterError(f"{name} is {value!r}; give a finite number {least}{most}")


def _check_referrals(known: Parameters) -> None:
    _number("reproduction", known.reproduction, low=0, high=0.8)
    _number("referral_days", known.referral_days, low=1, high=3650)
    _number("referral_lift", known.referral_lift, low=1, high=10)
    _number("referral_stay", known.referral_stay, low=0.01, high=1)
    _number("likeness", known.likeness, low=0, high=1)
    _number("reward_effect", known.reward_effect, low=1, high=10)
    if known.reproduction and known.channels_off:
        raise ParameterError("whom a channel's customers would have referred is not modelled; leave channels_off empty")


def _check_growth(known: Parameters) -> None:
    """Keep the programme's factor between 0 and 1,000 to the last month."""
    change = abs(known.programme_effect - 1)
    most = change * max(1.0, 1 + known.programme_growth) ** (known.months * 31 / MONTH_DAYS)
    if known.programme_effect < 1 and known.programme_growth > 0:
        raise ParameterError(
            f"programme_growth is {known.programme_growth!r}; give 0 or less where programme_effect is below 1"
        )
    if most > 1000:
        raise ParameterError(
            f"programme_effect {known.programme_effect!r} with programme_growth {known.programme_growth!r} passes "
            f"1000 within {known.months} months; give less growth"
        )
