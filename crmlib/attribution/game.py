"""Shapley values of channels: closed form for counts, subset transform or sampling for rates."""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np

from crmlib.attribution.paths import Paths
from crmlib.errors import ParameterError

#: Up to so many channels the rate game is solved over all their subsets.
EXACT_UP_TO = 15


def membership(paths: Paths) -> Any:
    """Sparse matrix (journeys, channels): 1 where the journey holds the channel."""
    from scipy import sparse

    shape = (len(paths.lengths), len(paths.channels))
    # Copies: summing duplicates works in place, on the paths' own arrays otherwise.
    held = sparse.csr_array((np.ones(len(paths.codes)), paths.codes.copy(), paths.starts.copy()), shape=shape)
    held.sum_duplicates()
    held.data[:] = 1.0
    return held


def count_weights(paths: Paths) -> Any:
    r"""Sparse matrix (journeys, channels): :math:`1/|T|` for each channel of the journey's set T.

    With :math:`v(S) = \sum_{T \subseteq S} R(T)` the game is a sum of unanimity games, each of which
    divides R(T) equally among T.
    """
    held = membership(paths)
    held.data /= np.repeat(np.diff(held.indptr), np.diff(held.indptr))
    return held


def rate_allocation(
    paths: Paths, permutations: int, rng: np.random.Generator | None
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Unscaled Shapley values of the rate game, as a function of amounts and journeys.

    Raises
    ------
    ParameterError
        More than 15 channels and no `rng` to sample orders with.
    """
    if len(paths.channels) <= EXACT_UP_TO:
        return _exact(paths)
    if rng is None:
        raise ParameterError(
            f"worth 'rate' is exact up to {EXACT_UP_TO} channels and sampled above: for {len(paths.channels)} give rng"
        )
    orders = sampled_orders(len(paths.channels), permutations, rng)
    return lambda amount, journeys: sampled_contributions(paths, orders, amount, journeys).mean(axis=0)


def _exact(paths: Paths) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    from scipy import sparse

    size = len(paths.channels)
    mask = (membership(paths) @ (1 << np.arange(size))).astype(np.int64)
    collect = sparse.csr_array((np.ones(len(mask)), (mask, np.arange(len(mask)))), shape=(1 << size, len(mask)))
    members = np.array([subset.bit_count() for subset in range(1 << size)])

    def values(amount: np.ndarray, journeys: np.ndarray) -> np.ndarray:
        won, all_ = _within(collect @ amount, size), _within(collect @ journeys, size)
        worth = np.divide(won, all_, out=np.zeros(np.broadcast_shapes(won.shape, all_.shape)), where=all_ > 0)
        credit = np.empty((size, worth.shape[1]))
        for channel in range(size):
            pairs = worth.reshape(1 << (size - 1 - channel), 2, 1 << channel, -1)
            others = members.reshape(1 << (size - 1 - channel), 2, 1 << channel)[:, 0]
            # |S|! (n - |S| - 1)! / n!
            weight = np.array([1 / (size * comb(size - 1, s)) for s in range(size)])[others]
            credit[channel] = np.einsum("ij,ijb->b", weight, pairs[:, 1] - pairs[:, 0])
        return credit

    return values


def _within(sums: np.ndarray, size: int) -> np.ndarray:
    """For each subset the sum over its own subsets (zeta transform), in place."""
    for channel in range(size):
        pairs = sums.reshape(1 << (size - 1 - channel), 2, 1 << channel, -1)
        pairs[:, 1] += pairs[:, 0]
    return sums


def sampled_orders(size: int, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Ranks of shape (pairs, 2, size): random orders, each with its reverse, which lowers the variance."""
    ranks = np.argsort(rng.random(((permutations + 1) // 2, size)), axis=1)
    return np.stack([ranks, size - 1 - ranks], axis=1)


def sampled_contributions(paths: Paths, orders: np.ndarray, amount: np.ndarray, journeys: np.ndarray) -> np.ndarray:
    """Contributions of shape (pairs, channels, b), each the mean of an order and its reverse.

    As channels enter one by one, a journey is within the set once the last of its channels has
    entered: one pass over the journeys gives the worth after every entry.
    """
    from scipy import sparse

    held = membership(paths)
    size, columns = held.shape[1], amount.shape[1]
    found = np.zeros((len(orders), size, columns))
    for pair, both in enumerate(orders):
        for ranks in both:
            complete = np.maximum.reduceat(ranks[held.indices], held.indptr[:-1])
            at = sparse.csr_array((np.ones(len(complete)), (complete, np.arange(len(complete)))), (size, len(complete)))
            won, all_ = np.cumsum(at @ amount, axis=0), np.cumsum(at @ journeys, axis=0)
            worth = np.divide(won, all_, out=np.zeros((size, columns)), where=all_ > 0)
            found[pair] += np.diff(worth, axis=0, prepend=0.0)[ranks] / 2
    return found
