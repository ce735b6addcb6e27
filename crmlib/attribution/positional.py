"""What a rule is, and the rules that look at one journey at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from crmlib.attribution.paths import Paths
from crmlib.errors import ParameterError

#: Credits of shape (channels, b) from amounts of shape (journeys, b) and journey counts of shape
#: (journeys, b) or (journeys, 1): b columns are b data sets over the same paths, or conversions and value.
Allocation = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: Credit that rests on fewer conversions gets no interval, however many the channel touched: of so few the
#: bootstrap is too narrow.
FEWEST_EFFECTIVE = 10


@dataclass(frozen=True, slots=True)
class Rule:
    """What all rules have in common."""

    name: ClassVar[str] = ""
    #: Whether the credits depend on when touches happened, not on their order alone.
    uses_times: ClassVar[bool] = False
    #: Whether a journey more or less moves credits a little, and never flips a choice.
    smooth: ClassVar[bool] = True

    def __str__(self) -> str:
        return self.name.replace("_", " ")

    def allocation(self, paths: Paths, rng: np.random.Generator | None = None) -> Allocation:
        """How amounts over these paths become credits."""
        raise NotImplementedError

    def parts(self) -> int:
        """Into how many folds journeys are split before resampling, those that converted apart; 0: not at all."""
        return 0

    def sampled(self, paths: Paths) -> bool:
        """Whether the credits of these paths are sampled instead of exact."""
        return False

    def scarce(self, paths: Paths) -> np.ndarray:
        """Whether a channel's credit rests on too little for an interval, whatever number of conversions it touched."""
        return np.zeros(len(paths.channels), dtype=bool)


@dataclass(frozen=True, slots=True)
class PositionRule(Rule):
    """A rule that gives each touch a fixed part of its own journey, whatever other journeys did."""

    def weights(self, paths: Paths) -> np.ndarray:
        """Part of its journey for each touch; they sum to one in each journey."""
        raise NotImplementedError

    def allocation(self, paths: Paths, rng: np.random.Generator | None = None) -> Allocation:
        """The parts of every journey, summed by channel."""
        parts = self._parts(paths)
        return lambda amount, journeys: parts.T @ amount

    def scarce(self, paths: Paths) -> np.ndarray:
        """Channels whose credit rests on fewer than 10 conversions: many touched it, and few are credited to it."""
        return effective_number(self._parts(paths), paths.conversions) < FEWEST_EFFECTIVE

    def _parts(self, paths: Paths) -> Any:
        """Sparse matrix (journeys, channels) of what a channel gets of a journey."""
        from scipy import sparse

        shape = (len(paths.lengths), len(paths.channels))
        # Copies: summing duplicates works in place, on the paths' own arrays otherwise.
        return sparse.csr_array((self.weights(paths), paths.codes.copy(), paths.starts.copy()), shape=shape)


@dataclass(frozen=True, slots=True)
class FirstTouch(PositionRule):
    """All to the first touch."""

    name: ClassVar[str] = "first_touch"

    def weights(self, paths: Paths) -> np.ndarray:
        """One for the first touch."""
        return _all_to(paths.starts[:-1], paths)


@dataclass(frozen=True, slots=True)
class LastTouch(PositionRule):
    """All to the last touch."""

    name: ClassVar[str] = "last_touch"

    def weights(self, paths: Paths) -> np.ndarray:
        """One for the last touch."""
        return _all_to(paths.starts[1:] - 1, paths)


@dataclass(frozen=True, slots=True)
class LastNonDirect(PositionRule):
    """All to the last touch that is not direct; a journey of direct touches alone credits direct."""

    direct: str = "direct"
    name: ClassVar[str] = "last_non_direct"

    def weights(self, paths: Paths) -> np.ndarray:
        """One for the last touch of another channel, if there is one."""
        if not len(paths.codes):
            return np.empty(0)
        code = paths.channels.index(self.direct) if self.direct in paths.channels else -1
        place = np.where(paths.codes != code, np.arange(len(paths.codes)), -1)
        last = np.maximum.reduceat(place, paths.starts[:-1])
        return _all_to(np.where(last < 0, paths.starts[1:] - 1, last), paths)


@dataclass(frozen=True, slots=True)
class Linear(PositionRule):
    """The same to each touch."""

    name: ClassVar[str] = "linear"

    def weights(self, paths: Paths) -> np.ndarray:
        """One over the number of touches."""
        return np.repeat(1 / paths.lengths, paths.lengths)


@dataclass(frozen=True, slots=True)
class PositionBased(PositionRule):
    """Fixed parts to the first and the last touch, the rest evenly to those between."""

    first: float = 0.4
    last: float = 0.4
    name: ClassVar[str] = "position_based"

    def __post_init__(self) -> None:
        if not (0 <= self.first <= 1 and 0 <= self.last <= 1 and self.first + self.last <= 1):
            raise ParameterError(f"first {self.first} and last {self.last} must be shares that sum to at most 1")

    def weights(self, paths: Paths) -> np.ndarray:
        """The stated parts; one touch has all."""
        n = paths.lengths
        between = np.where(n > 2, (1 - self.first - self.last) / np.maximum(n - 2, 1), 0.0)
        parts = np.repeat(between, n)
        ends = self.first + self.last
        pair = self.first / ends if ends else 0.5
        parts[paths.starts[:-1]] = np.where(n > 2, self.first, pair)
        parts[paths.starts[1:] - 1] = np.where(n > 2, self.last, np.where(n == 2, 1 - pair, 1.0))
        return parts


@dataclass(frozen=True, slots=True)
class TimeDecay(PositionRule):
    """Half as much for a touch one half-life before the journey's last one."""

    half_life: float | None = None
    name: ClassVar[str] = "time_decay"
    uses_times: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.half_life is not None and not (np.isfinite(self.half_life) and self.half_life > 0):
            raise ParameterError(f"half_life is {self.half_life}; give days (or positions) above 0")

    def weights(self, paths: Paths) -> np.ndarray:
        """Powers of one half, scaled to one in each journey."""
        if paths.age is None:
            before = np.repeat(paths.starts[1:] - 1, paths.lengths) - np.arange(len(paths.codes))
            halvings = before / (self.half_life or 1.0)
        else:
            halvings = paths.age / (self.half_life or 7.0)
        raw = np.exp2(-halvings)
        totals = np.add.reduceat(raw, paths.starts[:-1]) if len(raw) else np.empty(0)
        return raw / np.repeat(totals, paths.lengths)

    def __str__(self) -> str:
        return "time decay" if self.half_life is None else f"time decay with half-life {self.half_life:g}"


def effective_number(parts: Any, conversions: np.ndarray) -> np.ndarray:
    r"""Number of conversions on which each channel's credit rests: :math:`(\sum w)^2 / \sum w^2` (Kish 1965).

    Parameters
    ----------
    parts : sparse matrix (journeys, channels)
    conversions : array (journeys,)
    """
    parts.sum_duplicates()
    total, squares = parts.T @ conversions, (parts * parts).T @ conversions
    return np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)


def scaled(effects: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """Effects of shape (channels, b), each column scaled to the sum of its amounts; zero where there are none."""
    sums, totals = effects.sum(axis=0), amount.sum(axis=0)
    return effects * np.divide(totals, sums, out=np.zeros_like(totals), where=(sums != 0) & (totals != 0))


def _all_to(touch: np.ndarray, paths: Paths) -> np.ndarray:
    parts = np.zeros(len(paths.codes))
    parts[touch] = 1.0
    return parts
