"""Customers with a negative margin: how many, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import DataError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level
from crmlib.profitability.whale import paired


@dataclass(frozen=True, slots=True)
class Unprofitable:
    """Customers with a margin below zero, with intervals at `level`; that of the loss is NaN with fewer than 30.

    Attributes
    ----------
    customers, of : int
        How many there are, of how many.
    share, low, high : float
        The same as a share (0-1) with Wilson's interval.
    loss, loss_low, loss_high : float
        Sum of their margins, 0 or less, with the bootstrap interval over customers.
    level : float
    """

    customers: int
    of: int
    share: float
    low: float
    high: float
    loss: float
    loss_low: float
    loss_high: float
    level: float


def unprofitable(
    margin: ArrayLike, *, level: float = 0.95, replicates: int = 1_000, rng: np.random.Generator
) -> Unprofitable:
    """Array: share of customers with a margin below zero, and what they lose together, with intervals.

    A margin of exactly 0 is no loss.

    Parameters
    ----------
    margin : array-like, shape (n,)
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    Unprofitable

    Raises
    ------
    DataError
        No customers, or a margin is missing.
    """
    values, _ = paired(margin, None)
    n = len(values)
    if n == 0:
        raise DataError("there are no customers; take a longer period")
    below = values < 0
    share, low, high = wilson(int(below.sum()), n, level=level)
    losses = np.minimum(values, 0)
    ends = np.full(2, np.nan)
    if below.sum() >= FEWEST:
        drawn = bootstrap_interval(lambda w: losses[None, :] @ w, n, level=level, replicates=replicates, rng=rng)
        ends = np.array([end[0] for end in drawn])
    loss_low, loss_high = (float(end) for end in ends)
    return Unprofitable(int(below.sum()), n, share, low, high, float(losses.sum()), loss_low, loss_high, level)


def wilson(successes: int, of: int, *, level: float) -> tuple[float, float, float]:
    """Share with Wilson's interval; all NaN where there is nobody."""
    from statsmodels.stats.proportion import proportion_confint

    require_level(level)
    if of == 0:
        return np.nan, np.nan, np.nan
    low, high = proportion_confint(successes, of, alpha=1 - level, method="wilson")
    return successes / of, float(low), float(high)
