r"""Absorbing Markov chains of customer journeys, and what is lost when a channel is removed.

Let F be the matrix of flows: on its diagonal how often each state was visited, off it minus the
transitions counted from row to column, and let e be what ended in each state (conversions, or their
value). With :math:`Q = I - D^{-1} F`, D the visits, a journey that stands in a state is worth
:math:`h = (I - Q)^{-1} D^{-1} e = G e`, :math:`G = F^{-1}`. Journeys that start in the states and
follow the chain visit them D times again, so the whole is worth :math:`\sum e`. Without the states S
that hold a channel, block inversion leaves :math:`\sum e - 1' (G_{SS})^{-1} (G e)_S`: one inverse
gives the loss of every channel; at order 1 it is :math:`(G e)_j / G_{jj}`. Of many states no inverse is
formed: :math:`v Q^n`, v the journeys that begin in each state, is summed until less than :math:`10^{-16}`
of them are under way, the states of the removed channel left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crmlib.attribution.paths import Paths

#: Up to so many states the inverse is formed; beyond them journeys are followed step by step.
WALKED = 300
#: Where walks end too slowly to be followed: up to so many states the inverse, beyond them a sparse
#: factorisation for each channel.
DENSE = 3_000
#: Numbers in a block of matrices that are inverted together (about 160 MB).
_BLOCK = 20_000_000
_PART = 1 << 16
_STEPS = 1_000  # of walks that are followed
_SLOWER = 400  # about fifty steps, each eight times as slow as one of an inverse
_LEFT = 1e-16  # part of the journeys that may still be under way then: below the rounding of the sums


@dataclass(frozen=True, slots=True)
class Chain:
    """States and transitions of paths, without their weights.

    Attributes
    ----------
    states : list of tuple of int
        Channel codes of each state, the last touch last.
    source, target : arrays of int, one a transition
        States; a source of -1 is the start.
    steps : sparse matrix (journeys, transitions)
        How often each journey makes each transition.
    last : array of int, one a journey
        State in which it ends.
    channels : int
        Number of channels.
    """

    states: list[tuple[int, ...]]
    source: np.ndarray
    target: np.ndarray
    steps: Any
    last: np.ndarray
    channels: int

    @classmethod
    def of(cls, paths: Paths, order: int) -> Chain:
        """Chain of the given order through these paths."""
        from scipy import sparse

        order = min(order, int(paths.lengths.max(initial=1)))  # beyond it, states are whole histories anyway
        state, state_at = _histories(paths, order)
        step, step_at = _histories(paths, order + 1)
        first = np.zeros(len(paths.codes), dtype=bool)
        first[paths.starts[:-1]] = True
        steps = sparse.csr_array(
            (np.ones(len(step)), step.astype(np.int32), paths.starts), shape=(len(paths.lengths), len(step_at))
        )
        begins = np.maximum(
            paths.starts[np.searchsorted(paths.starts, state_at, side="right") - 1], state_at - order + 1
        )
        states = [tuple(paths.codes[a : b + 1].tolist()) for a, b in zip(begins, state_at, strict=True)]
        source = np.where(first[step_at], -1, state[step_at - 1]) if len(step_at) else step_at
        return cls(states, source, state[step_at], steps, state[paths.starts[1:] - 1], len(paths.channels))

    def flows(self, journeys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Transition counts (transitions, b) and visits (states, b) of weighted journeys."""
        counts = self.steps.T @ journeys
        return counts, sums(self.target, len(self.states)) @ counts

    def losses(self, amount: np.ndarray, journeys: np.ndarray) -> np.ndarray:
        """What is lost of each column's amount when each channel is removed.

        Parameters
        ----------
        amount : array (journeys, b)
            What each journey ended with, such as its conversions.
        journeys : array (journeys, b) or (journeys, 1)
            How often each was made.

        Returns
        -------
        array (channels, b)
        """
        counts, visits = self.flows(journeys)
        ended = sums(self.last, len(self.states)) @ amount
        size, inverse = len(self.states), len(self.states) ** 3
        # An inverse takes S³ steps; walks one for each channel, transition and step of theirs, slower ones.
        walked = _SLOWER * self.channels * (len(self.source) + 3 * size) < inverse
        if size > DENSE or (size > WALKED and walked):
            return self._walked_losses(counts, visits, ended)
        return self._block_losses(counts, visits, ended)

    def _walked_losses(self, counts: np.ndarray, visits: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Losses with journeys followed step by step until none is left, one column of weights after another."""
        from scipy import sparse

        size, inner, held = len(self.states), self.source >= 0, self.holding()
        source, target = self.source[inner], self.target[inner]
        lost = np.empty((self.channels, ended.shape[1]))
        for column in range(counts.shape[1]):
            mine = slice(None) if counts.shape[1] == 1 else slice(column, column + 1)
            here = np.where(visits[:, column] > 0, visits[:, column], 1.0)
            onward = sparse.csr_array((counts[inner, column] / here[source], (target, source)), (size, size))
            begun = np.bincount(self.target[~inner], counts[~inner, column], size)
            passed = _passed(onward, begun, held)
            if passed is None:
                own = counts[:, column : column + 1], visits[:, column : column + 1], ended[:, mine]
                lost[:, mine] = (self._sparse_losses if size > DENSE else self._block_losses)(*own)
            else:
                lost[:, mine] = ended[:, mine].sum(axis=0) - passed.T @ (ended[:, mine] / here[:, None])
        return np.maximum(lost, 0.0)

    def _block_losses(self, counts: np.ndarray, visits: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Losses by one inverse a column of weights, many columns at a time."""
        if counts.shape[1] == 1:
            return self._dense_losses(counts, visits, ended[None])[0]
        block = max(1, _BLOCK // max(len(self.states), 1) ** 2)
        parts = []
        for start in range(0, counts.shape[1], block):
            part = slice(start, start + block)
            parts.append(self._dense_losses(counts[:, part], visits[:, part], ended[:, part].T[:, :, None])[:, :, 0])
        return np.concatenate(parts).T

    def _dense_losses(self, counts: np.ndarray, visits: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Losses (b, channels, columns) of b weightings at once; `ended` is (b, states, columns)."""
        size = len(self.states)
        flow = np.zeros((counts.shape[1], size, size))
        inner = self.source >= 0
        flow[:, self.source[inner], self.target[inner]] = -counts[inner].T
        everywhere = np.arange(size)
        flow[:, everywhere, everywhere] += np.where(visits > 0, visits, 1.0).T  # a state nobody visits stands alone
        inverse = np.linalg.inv(flow)
        worth = inverse @ ended
        lost = np.zeros((len(flow), self.channels, ended.shape[2]))
        for channel, held in enumerate(self.holding()):
            if len(held) == 1:
                lost[:, channel] = worth[:, held[0]] / inverse[:, held[0], held[0]][:, None]
            elif len(held):
                block = inverse[:, held[:, None], held]
                lost[:, channel] = np.linalg.solve(block, worth[:, held]).sum(axis=1)
        return np.maximum(lost, 0.0)

    def _sparse_losses(self, counts: np.ndarray, visits: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """The same, solving the chain that is left of each channel's removal."""
        from scipy import sparse
        from scipy.sparse.linalg import splu

        size, inner = len(self.states), self.source >= 0
        lost = np.empty((self.channels, ended.shape[1]))
        columns = range(counts.shape[1])
        for column in columns:
            mine = slice(None) if len(columns) == 1 else slice(column, column + 1)
            rest = visits[:, column]
            flow = sparse.csc_array((-counts[inner, column], (self.source[inner], self.target[inner])), (size, size))
            flow = (flow + sparse.diags_array(np.where(rest > 0, rest, 1.0))).tocsc()
            starts = np.bincount(self.target[~inner], counts[~inner, column], size)
            for channel, held in enumerate(self.holding()):
                kept = np.setdiff1d(np.arange(size), held, assume_unique=True)
                worth = splu(flow[kept][:, kept]).solve(np.ascontiguousarray(ended[kept, mine]))
                lost[channel, mine] = ended[:, mine].sum(axis=0) - starts[kept] @ worth
        return np.maximum(lost, 0.0)

    def holding(self) -> list[np.ndarray]:
        """For each channel the states that hold it."""
        held: list[list[int]] = [[] for _ in range(self.channels)]
        for number, state in enumerate(self.states):
            for code in set(state):
                held[code].append(number)
        return [np.array(numbers, dtype=np.int64) for numbers in held]


def _passed(onward: Any, begun: np.ndarray, held: list[np.ndarray]) -> np.ndarray | None:
    """Visits (states, channels) of journeys that end where they come to a channel; None where they go on for long."""
    found = np.empty((len(begun), len(held)))
    block = max(1, _BLOCK // len(begun))
    for first in range(0, len(held), block):
        part = held[first : first + block]
        open_ = np.ones((len(begun), len(part)))
        for place, states in enumerate(part):
            open_[states, place] = 0.0
        now = begun[:, None] * open_
        total = now.copy()
        for _ in range(_STEPS):
            now = onward @ now
            now *= open_
            total += now
            if now.sum(axis=0).max() <= _LEFT * begun.sum():
                break
        else:
            return None
        found[:, first : first + block] = total
    return found


def _histories(paths: Paths, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Number of each touch's last up to `order` channels, and a touch at which each number stands."""
    size = len(paths.channels)
    number, at = _numbered(paths.codes, size)
    for _ in range(order - 1):
        space = (len(at) + 1) * size
        before: np.ndarray = np.empty(len(number), dtype=np.int32 if space < 2**31 else np.int64)
        np.add(number[:-1], 1, out=before[1:])
        before[paths.starts[:-1]] = 0  # no history
        before *= size
        before += paths.codes
        number, at = _numbered(before, space)
    return number, at


def _numbered(keys: np.ndarray, space: int) -> tuple[np.ndarray, np.ndarray]:
    """Consecutive numbers in the order of keys, all in range(space), and where each first or last stands."""
    if space > 8 * len(keys) + 1_000_000:
        _, at, number = np.unique(keys, return_index=True, return_inverse=True)
        return number, at
    place = np.full(space, -1, dtype=np.int64)
    few = np.arange(min(len(keys), _PART))
    for start in range(0, len(keys), _PART):  # piece by piece: new memory costs more than the work in it
        part = keys[start : start + _PART]
        place[part] = few[: len(part)] + start
    there = place >= 0
    return (np.cumsum(there, dtype=np.int32) - np.int32(1))[keys], place[there]


def sums(group: np.ndarray, groups: int) -> Any:
    """Sparse matrix that adds rows up by group."""
    from scipy import sparse

    return sparse.csr_array((np.ones(len(group)), (group, np.arange(len(group)))), shape=(groups, len(group)))
