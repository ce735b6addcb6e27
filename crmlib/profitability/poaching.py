"""What letting customers go gains in the next period, and how many of the best it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level
from crmlib.profitability.margin import require_margins
from crmlib.profitability.whale import whale_band, whale_curve

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class BreakEven:
    """How large a loss of best customers undoes what letting others go brings.

    Attributes
    ----------
    fired, best : int
        Customers let go; customers whom rivals would want.
    gain, gain_low, gain_high : float
        Minus the joint margin of those let go: what their leaving brings (negative: it costs).
    at_stake, at_stake_low, at_stake_high : float
        Joint margin of the best.
    risk, risk_low, risk_high : float
        gain / at_stake, cut to 0-1: the additional share of the best (weighted by margin) that may leave before
        letting the others go is a mistake. 0 where the gain is not above 0: then it is one at any risk. 1 where
        the best are worth less than the gain, or nobody is best. NaN where nobody is let go.
    level : float
        Level of the intervals, bootstrap over all customers; those of the gain are NaN with fewer than 30 let go,
        those of the margin at stake with fewer than 30 best, those of the risk with fewer of either.
    """

    fired: int
    best: int
    gain: float
    gain_low: float
    gain_high: float
    at_stake: float
    at_stake_low: float
    at_stake_high: float
    risk: float
    risk_low: float
    risk_high: float
    level: float


def gain_curve(
    pairs: pd.DataFrame,
    *,
    shares: ArrayLike | None = None,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: what letting the worst of the first period go gains, as promised and as judged, by share let go.

    Parameters
    ----------
    pairs : pandas.DataFrame
        As `paired_margins` gives them.
    shares : array-like, optional
        Shares of customers let go (0-1), the worst first. Default: 0, 0.01, …, 0.5.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a share
        customer_share (0-1), promised (minus the margin of the first period), gain (minus that of the second), low,
        high (bootstrap interval of `gain`, pointwise; NaN with fewer than 30 customers).
    """
    at = np.linspace(0, 0.5, 51) if shares is None else np.asarray(shares, dtype=float)
    first, second = (-pairs[name].to_numpy(dtype=float) for name in ("before", "after"))
    judged = whale_band(second, rank_by=first, shares=at, level=level, replicates=replicates, rng=rng)
    curve = whale_curve(first)
    promised = np.interp(at, curve["customer_share"], curve["profit"])
    judged = judged.rename(columns={"profit": "gain"})
    judged.insert(1, "promised", promised)
    return judged


def best_customers(values: ArrayLike, share: float) -> np.ndarray:
    """Array: mask of the ⌈share · n⌉ highest values; at a tie the earlier rows.

    Raises
    ------
    ParameterError
        A share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ParameterError(f"the share of best customers is {share}; give more than 0 and at most 1")
    by = numbers(values, "margin")
    chosen = np.zeros(len(by), dtype=bool)
    chosen[np.argsort(-by, kind="stable")[: int(np.ceil(share * len(by) - 1e-9))]] = True
    return chosen


def poaching_break_even(
    margin: ArrayLike,
    *,
    fired: ArrayLike,
    best: ArrayLike,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> BreakEven:
    """Array: how many of the best may be lost before letting the unprofitable go is a mistake.

    A rival who cannot tell a firm's good customers from its bad ones is held back by the bad ones. When only
    good ones are left, each is worth wooing (Subramanian, Raju & Zhang 2014). Letting go is a mistake when

        additional share of the best lost  >  −Σ margin of those let go / Σ margin of the best.

    The sums are over the period in which the margins are judged, not the one in which customers are chosen.

    Parameters
    ----------
    margin : array-like, shape (n,)
        Contribution of the period that judges.
    fired, best : array-like of bool, shape (n,)
        Chosen beforehand; nobody can be both.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    BreakEven

    Raises
    ------
    DataError
        Somebody is let go and one of the best, or lengths differ.

    References
    ----------
    Subramanian, U., Raju, J. S., & Zhang, Z. J. (2014), The strategic value of high-cost customers, Management
        Science 60(2), 494-507.
    """
    values = numbers(margin, "margin")
    gone, top = np.asarray(fired, dtype=bool), np.asarray(best, dtype=bool)
    if not values.shape == gone.shape == top.shape or values.ndim != 1:
        raise DataError("margin, fired and best must be columns of one length")
    require_margins(values)
    if (gone & top).any():
        raise DataError(f"{int((gone & top).sum())} customers are let go and among the best; take fewer best")
    sums = np.stack([np.where(gone, -values, 0.0), np.where(top, values, 0.0)])
    any_fired = bool(gone.any())

    def statistics(weights: np.ndarray) -> np.ndarray:
        gain, stake = sums @ weights
        return np.stack([gain, stake, _break_even(gain, stake)])

    require_level(level)
    gain, stake, risk = statistics(np.ones((len(values), 1)))[:, 0]
    low = high = np.full(3, np.nan)
    enough = gone.sum() >= FEWEST, top.sum() >= FEWEST
    if any(enough):
        low, high = bootstrap_interval(statistics, len(values), level=level, replicates=replicates, rng=rng)
        low, high = (np.where([*enough, all(enough)], end, np.nan) for end in (low, high))
    risk = risk if any_fired else np.nan
    return BreakEven(
        fired=int(gone.sum()),
        best=int(top.sum()),
        gain=float(gain),
        gain_low=float(low[0]),
        gain_high=float(high[0]),
        at_stake=float(stake),
        at_stake_low=float(low[1]),
        at_stake_high=float(high[1]),
        risk=float(risk),
        risk_low=float(low[2]),
        risk_high=float(high[2]),
        level=level,
    )


def _break_even(gain: np.ndarray, stake: np.ndarray) -> np.ndarray:
    """Gain / stake within 0-1: nothing to gain 0, less at stake than gained 1."""
    safe = np.where(stake > 0, stake, 1.0)
    ratio = np.where(stake > 0, gain / safe, 1.0)
    return np.where(gain > 0, np.clip(ratio, 0, 1), 0.0)
