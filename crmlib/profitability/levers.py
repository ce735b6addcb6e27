"""What else than letting customers go: price, minimum order, cheaper channel, each with its break-even."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level
from crmlib.profitability.margin import require_margins

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Lever:
    """What a measure would have brought in the period after its customers were chosen.

    Attributes
    ----------
    name : str
    customers : int
        Customers touched.
    gain, low, high : float
        Change of profit at the assumed share of leavers, with the bootstrap interval over customers, NaN with
        fewer than 30 touched.
    break_even, break_even_low, break_even_high : float
        Share of the touched (0-1, weighted by margin) that may leave before the lever loses; 0 where it gains
        nothing even if all stay, 1 where it gains even if all leave. NaN for letting go, which has no leavers but
        those it wants, and where nobody is touched.
    best_touched, best_gain : int, float
        How many of the best customers are touched, and their part of the gain at the assumed share of leavers.
    best_at_risk : float
        Share of the best customers' margin (0-1) that may leave in consequence before the gain is undone, as in
        `poaching_break_even`; NaN where nobody is touched.
    added, brought : float
        What the measure adds if all stay, and what the touched bring without it: the gain at 0 and minus that at 1.
    leaving, level : float
        The assumed share of leavers, and the level of the intervals.
    """

    name: str
    customers: int
    gain: float
    low: float
    high: float
    break_even: float
    break_even_low: float
    break_even_high: float
    best_touched: int
    best_gain: float
    best_at_risk: float
    added: float
    brought: float
    leaving: float
    level: float

    def gain_at(self, leaving: ArrayLike) -> np.ndarray:
        """Gain at other shares of leavers, an array of their shape; of letting go at any, that of all."""
        gone = np.asarray(leaving, dtype=float)
        if self.leaving == 1 and np.isnan(self.break_even):
            gone = np.ones_like(gone)
        return (1 - gone) * self.added - gone * self.brought


def lever(
    name: str,
    margin: ArrayLike,
    change: ArrayLike | None,
    *,
    touched: ArrayLike,
    best: ArrayLike,
    leaving: float = 0.0,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> Lever:
    r"""Array: what a measure brings in the period after, and how many of the touched may leave for it.

    With contribution :math:`f_i` of the judging period, the change :math:`\Delta_i` of whoever stays, the
    touched T and the share x of them (by margin) that leaves,

    .. math:: G(x) = (1 - x) \sum_T \Delta_i - x \sum_T f_i, \qquad
        x^* = \sum_T \Delta_i \Big/ \sum_T (f_i + \Delta_i),

    the break-even sales loss of pricing. Where the touched bring a loss even so, all may leave: x* is 1, and
    letting them go is the better lever. Without a change the measure is letting go: G is minus their contribution.

    Parameters
    ----------
    name : str
    margin : array-like, shape (n,)
        Contribution of the period that judges.
    change : array-like, shape (n,), or None
        What it adds for a customer who stays; None for letting go.
    touched, best : array-like of bool, shape (n,)
        Chosen on the period before.
    leaving : float
        Assumed share (0-1) of the touched that leaves.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    Lever
        Nobody touched, or nobody there: a gain of 0 without interval, break-evens NaN.

    Raises
    ------
    DataError, ParameterError

    References
    ----------
    Nagle, T. T., & Müller, G. (2018), The strategy and tactics of pricing, 6th ed., chapter on financial analysis.

    Examples
    --------
    A price rise of 5 % at a margin of 40 %: 5 / 45 of the customers may leave.

    >>> everybody = [True]
    >>> found = lever("price", [40], [5], touched=everybody, best=everybody, rng=np.random.default_rng(1))
    >>> round(found.gain, 2), round(found.break_even, 4)
    (5.0, 0.1111)
    """
    require_level(level)
    if not 0 <= leaving <= 1:
        raise ParameterError(f"a share of {leaving} leaves; give 0 to 1")
    values, who, top = numbers(margin, "margin"), np.asarray(touched, bool), np.asarray(best, bool)
    added = np.zeros(values.shape) if change is None else numbers(change, "change")
    if values.ndim != 1 or not values.shape == who.shape == top.shape == added.shape:
        raise DataError("margin, change, touched and best must be columns of one length")
    require_margins(values)
    require_margins(added)
    gone = 1.0 if change is None else leaving
    sums = np.stack([np.where(who, added, 0.0), np.where(who, values, 0.0), np.where(top, values, 0.0)])

    def statistics(weights: np.ndarray) -> np.ndarray:
        adds, brings, stake = sums @ weights
        gain = (1 - gone) * adds - gone * brings
        return np.stack([gain, _share(adds, brings + adds), _share(gain, stake)])

    gain, even, risk = statistics(np.ones((len(values), 1)))[:, 0]
    ends = np.full((2, 3), np.nan)
    if who.sum() >= FEWEST:
        ends = np.stack(bootstrap_interval(statistics, len(values), level=level, replicates=replicates, rng=rng))
    if change is None or not who.any():
        even, ends[:, 1] = np.nan, np.nan
    return Lever(
        name=name,
        customers=int(who.sum()),
        gain=float(gain) + 0.0,
        low=float(ends[0, 0]),
        high=float(ends[1, 0]),
        break_even=float(even),
        break_even_low=float(ends[0, 1]),
        break_even_high=float(ends[1, 1]),
        best_touched=int((who & top).sum()),
        best_gain=float(((1 - gone) * added - gone * values)[who & top].sum()) + 0.0,
        best_at_risk=float(risk) if who.any() else np.nan,
        added=float(sums[0].sum()),
        brought=float(sums[1].sum()),
        leaving=gone,
        level=level,
    )


def decision_table(levers: Sequence[Lever]) -> pd.DataFrame:
    """Array: the levers side by side, in the order given.

    Returns
    -------
    pandas.DataFrame, one row a lever
        Indexed by lever: customers, gain, low, high (money), break_even, break_even_low, break_even_high (share of the
        touched that may leave), best_touched (customers), best_gain (their part of the gain, money), best_at_risk
        (share of the best customers' margin that may leave in consequence).
    """
    import pandas as pd

    names = ["customers", "gain", "low", "high", "break_even", "break_even_low", "break_even_high"]
    names += ["best_touched", "best_gain", "best_at_risk"]
    rows = [[getattr(one, name) for name in names] for one in levers]
    return pd.DataFrame(rows, columns=names, index=pd.Index([one.name for one in levers], name="lever"))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part / whole within 0-1: nothing to gain 0, nothing at stake 1."""
    ratio = np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 1.0)
    return np.where(part > 0, np.clip(ratio, 0, 1), 0.0)
