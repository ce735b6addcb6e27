"""Poaching simulated: a rival who cannot tell customers apart, and a firm that keeps only its best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level
from crmlib.profitability.margin import require_margins

if TYPE_CHECKING:
    import pandas as pd


def poaching_simulation(
    margin: ArrayLike,
    *,
    rank_by: ArrayLike,
    poached: ArrayLike,
    wooed: float,
    kept: ArrayLike | None = None,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    r"""Array: profit when only the best are kept and a rival woos who is left, by the share kept.

    A rival can approach so many customers, a share w of all the firm's n, and draws them blindly from those whom
    the firm keeps: K of them, so that each is approached with probability :math:`\min(1, w n / K)`. An approach
    wins customer i over with probability :math:`p_i`, and the firm then loses :math:`f_i`. The low-value customers
    dilute the rival's effort; without them it falls on the best (the shield of Subramanian, Raju & Zhang 2014).

    Parameters
    ----------
    margin : array-like, shape (n,)
        Contribution of the period that judges, f.
    rank_by : array-like, shape (n,)
        Who is kept: the highest, by the period before; at a tie the earlier rows.
    poached : array-like, shape (n,), or float
        Probability (0-1) that an approach wins the customer over within the period.
    wooed : float
        Customers approached, a share (0-1) of all.
    kept : array-like, optional
        Shares of customers kept (above 0, at most 1). Default: 1, 0.9, …, 0.1.
    level, replicates
        Level of the range of outcomes (who is approached and won is chance); number of simulated periods.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a share kept
        kept_share, customers, approached (probability of each), without (contribution if nobody is poached), lost (its
        expected loss), profit (expected: without − lost), low, high (range of simulated profits; NaN with nobody
        there), best_lost (share of the kept customers' positive margin that is lost, NaN where there is none).

    Raises
    ------
    DataError, ParameterError

    References
    ----------
    Subramanian, U., Raju, J. S., & Zhang, Z. J. (2014), The strategic value of high-cost customers, Management Science
        60(2), 494-507.
    """
    import pandas as pd

    require_level(level)
    values, by = numbers(margin, "margin"), numbers(rank_by, "rank_by")
    if values.ndim != 1 or values.shape != by.shape:
        raise DataError(f"margin and rank_by must be columns of one length, not {values.shape} and {by.shape}")
    require_margins(values)
    require_margins(by)
    chance = np.broadcast_to(np.asarray(poached, dtype=float), values.shape)
    shares = np.linspace(1, 0.1, 10) if kept is None else np.asarray(kept, dtype=float)
    for name, given in (("poached", chance), ("wooed", np.asarray(wooed)), ("kept", shares)):
        if not ((given >= 0) & (given <= 1)).all():
            raise ParameterError(f"{name} holds values outside 0 to 1; give probabilities and shares")
    if not (shares > 0).all() or replicates < 1:
        raise ParameterError("kept holds 0 or replicates is below 1; keep a share above 0, and simulate once or more")
    n, order = len(values), np.argsort(-by, kind="stable")
    rows = []
    for share in shares:
        stay = order[: int(np.ceil(share * n - 1e-9))]
        approached = min(1.0, wooed * n / len(stay)) if n else np.nan
        leaves = approached * chance[stay]
        mine = values[stay]
        lost, whole = float(leaves @ mine), float(mine.sum())
        low, high = _range(mine, leaves, level, replicates, rng) if n else (np.nan, np.nan)
        worth = np.maximum(mine, 0)
        best_lost = float(leaves @ worth) / worth.sum() if worth.sum() > 0 else np.nan
        rows.append((share, len(stay), approached, whole, lost, whole - lost, low, high, best_lost))
    names = ["kept_share", "customers", "approached", "without", "lost", "profit", "low", "high", "best_lost"]
    return pd.DataFrame(rows, columns=names)


def _range(
    margin: np.ndarray, leaves: np.ndarray, level: float, replicates: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Range of the profits of so many simulated periods."""
    profits = [float(margin @ (rng.random(len(margin)) >= leaves)) for _ in range(replicates)]
    low, high = np.quantile(profits, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
