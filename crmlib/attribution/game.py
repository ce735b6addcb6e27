"""Shapley values of channels: closed form for counts, subset transform or sampling for rates."""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.attribution.paths import Paths
from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

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


def ordered_shapley(touches: Any, outcomes: Any) -> pd.DataFrame:
    r"""Array: Shapley credit by count, split over the positions at which each channel stands.

    A conversion of a journey with the set T of distinct channels gives each of them :math:`1/|T|`; a
    channel's part is divided evenly over the positions that it holds in that journey. Summed over
    positions it is the credit of `shapley("count")`.

    Parameters
    ----------
    touches, outcomes
        As in `credits`.

    Returns
    -------
    pandas.DataFrame, one row a channel and position, sorted
        channel, position (from 1, in the journey as it is read: without touches recorded twice),
        conversions, value, share (0-1, of all conversions). Positions at which a channel never stood
        are left out.

    References
    ----------
    Zhao, K., Mahboobi, S. H., & Bagheri, S. R. (2018), Shapley value methods for attribution modeling
    in online advertising, arXiv:1804.05327, section on the ordered value (simplified).
    """
    import pandas as pd

    from crmlib.attribution.reading import read

    paths = read(touches, outcomes)
    journey = np.repeat(np.arange(len(paths.lengths)), paths.lengths)
    held, pair = np.unique(journey * max(len(paths.channels), 1) + paths.codes, return_inverse=True)
    distinct = np.bincount(held // max(len(paths.channels), 1), minlength=len(paths.lengths))
    part = 1 / (distinct[journey] * np.bincount(pair, minlength=len(held))[pair])
    position = np.arange(1, len(journey) + 1) - np.repeat(paths.starts[:-1], paths.lengths)
    table = pd.DataFrame({"channel": paths.codes, "position": position})
    table["conversions"], table["value"] = part * paths.conversions[journey], part * paths.value[journey]
    table = table.groupby(["channel", "position"], as_index=False)[["conversions", "value"]].sum()
    total = paths.conversions.sum()
    table["share"] = table["conversions"] / total if total else np.nan
    names = pd.array([paths.channels[code] for code in table["channel"]], dtype="str")
    return table.assign(channel=names)
