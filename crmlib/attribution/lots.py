"""Randomisation inference: what the lots that might have been drawn say of the one that was."""

from __future__ import annotations

import itertools
import math

import numpy as np

from crmlib.errors import ParameterError

#: Lots that are tried at most; where there are fewer, all of them.
_LOTS = 20_000


def lot_interval(
    rate: np.ndarray, size: np.ndarray, given: np.ndarray, *, level: float, rng: np.random.Generator | None
) -> tuple[float, float, float]:
    """Array: interval and p-value of the difference between two groups of regions, from the lot alone.

    Parameters
    ----------
    rate, size : arrays (regions,)
        Conversion rate and number of prospects.
    given : array of bool (regions,)
        Where the channel was on.

    Returns
    -------
    (low, high, p_value)
        Effects on every rate that more than 1 - level of the lots are as far from; unbounded where the
        lots are too few to reject any.
    """
    lots = _lots(given, rng)

    def gap(value: np.ndarray) -> np.ndarray:
        inside = lots @ (size * value) / (lots @ size)
        return np.asarray(inside - (~lots) @ (size * value) / ((~lots) @ size))

    # Less τ where the channel was on, the difference under a lot is gap(rate) - τ gap(given); it lies at or
    # beyond the observed one, 1 in `given`, for τ from the crossing on.
    other = ~(lots == given).all(axis=1)
    crossing = np.full(len(lots), -np.inf)
    observed = float(rate[given] @ size[given] / size[given].sum() - rate[~given] @ size[~given] / size[~given].sum())
    crossing[other] = (observed - gap(rate)[other]) / (1 - gap(given.astype(float))[other])
    p = 2 * min((gap(rate) >= observed - 1e-12).mean(), (gap(rate) <= observed + 1e-12).mean())
    tail = math.floor((1 - level) / 2 * len(lots) + 1e-9)
    if tail < 1:
        return -math.inf, math.inf, min(float(p), 1.0)
    ordered = np.sort(crossing[other])
    return float(ordered[tail - 1]), float(ordered[len(ordered) - tail]), min(float(p), 1.0)


def _lots(given: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """Boolean matrix (lots, regions) of who might have been given the channel, as many regions as were."""
    size, on = len(given), int(given.sum())
    if math.comb(size, on) <= _LOTS:
        lots = np.zeros((math.comb(size, on), size), dtype=bool)
        for row, chosen in enumerate(itertools.combinations(range(size), on)):
            lots[row, list(chosen)] = True
        return lots
    if rng is None:
        raise ParameterError(f"{math.comb(size, on):.2g} lots are possible: give rng to draw {_LOTS:,} of them")
    order = np.argsort(rng.random((_LOTS - 1, size)), axis=1)
    return np.concatenate([given[None], given[order]])
