"""Journeys as arrays: what every attribution rule reads, whatever engine held the tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Name under which touches without a channel are credited.
UNKNOWN = "(unknown)"


@dataclass(frozen=True, slots=True)
class Paths:
    """Journeys with at least one touch, one after the other.

    Attributes
    ----------
    channels : tuple of str
        Names, sorted; a code is an index into them.
    codes : array of int, one a touch
        Channels in the order of the journeys and, within one, of its touches.
    starts : array of int, one a journey and one more
        Journey i holds the touches `starts[i]` to `starts[i + 1] - 1`.
    conversions, nulls, value : arrays of float, one a journey
    age : array of float, one a touch, optional
        Days from the touch to the last one of its journey.
    customers : array of int, one a journey, optional
        Code of the customer.
    part : array of int, one a journey, optional
        Twice the fold in which a journey is held out, and one more if it converted; each row then ended
        in one way only.
    """

    channels: tuple[str, ...]
    codes: np.ndarray
    starts: np.ndarray
    conversions: np.ndarray
    nulls: np.ndarray
    value: np.ndarray
    age: np.ndarray | None = None
    customers: np.ndarray | None = None
    part: np.ndarray | None = None

    @property
    def lengths(self) -> np.ndarray:
        """Number of touches of each journey."""
        return np.diff(self.starts)

    @property
    def journeys(self) -> np.ndarray:
        """How often each journey was made: conversions + nulls."""
        return self.conversions + self.nulls

    def distinct(self) -> tuple[Paths, np.ndarray]:
        """Journeys with the same channels in the same order as one, and the new index of each old journey.

        A trie is walked position by position: journeys stand at the same node while their channels agree.
        Journeys of different parts stay apart.
        """
        node = np.zeros(len(self.lengths), dtype=np.int64) if self.part is None else self.part.astype(np.int64)
        nodes, size = int(node.max(initial=0)) + 1, len(self.channels)
        active = np.flatnonzero(self.lengths > 0)
        position = 0
        while len(active):
            step = node[active] * size + self.codes[self.starts[active] + position]
            found, inverse = np.unique(step, return_inverse=True)
            node[active] = nodes + inverse
            nodes += len(found)
            position += 1
            active = active[self.lengths[active] > position]
        _, first, group = np.unique(node, return_index=True, return_inverse=True)
        won, lost, value = (
            np.bincount(group, amount, len(first)).astype(float)
            for amount in (self.conversions, self.nulls, self.value)
        )
        kept = self.take(first)
        return Paths(kept.channels, kept.codes, kept.starts, won, lost, value, part=kept.part), group

    def take(self, rows: np.ndarray) -> Paths:
        """Only the journeys `rows`, in that order."""
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        touch = np.repeat(self.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return Paths(
            self.channels,
            self.codes[touch],
            starts,
            self.conversions[rows],
            self.nulls[rows],
            self.value[rows],
            None if self.age is None else self.age[touch],
            None if self.customers is None else self.customers[rows],
            None if self.part is None else self.part[rows],
        )
