r"""The weekly budget that earns most by fitted response curves, and what it gains over today's.

Curves are concave, so money goes where the next unit brings most until all channels bring the same. A budget that is
chosen because its curves promise most is chosen partly for their errors: its promised gain is too high on average.
With :math:`g(x; \vartheta)` the gain of budget x if the curves were :math:`\vartheta`, and :math:`x(\vartheta)` the
budget chosen by them, what the promise :math:`g(x(\hat\vartheta); \hat\vartheta)` has too much is unknown, but in
replicate b it is :math:`g(x(\vartheta_b); \vartheta_b) - g(x(\vartheta_b); \hat\vartheta)`: its mean is taken off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.budget.response import ResponseCurves
from crmlib.errors import ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd


def best_budget(
    curves: ResponseCurves, *, total: float, worth: float, level: float = 0.95
) -> tuple[pd.DataFrame, pd.Series]:
    r"""Array: the weekly budget that maximises margin within a total, and its gain over today's split.

    Margin is `worth` times the customers less the spend, in a steady state. No channel gets more than was seen of
    it, so that a total beyond all that was seen is not spent; nor is money that would bring less than itself.
    The interval reaches as far as the wider of two: this budget's gain over the replicates' curves; and the promise
    less what each replicate's own choice promises too much. It covers chance, not the confounding.

    Parameters
    ----------
    curves : ResponseCurves
        Channels that it has no curve of, because their spending never varied, are kept at their spend.
    total : float
        Most to spend in a week on the channels with a curve, 0 or more.
    worth : float
        Margin of a customer, above 0.
    level : float

    Returns
    -------
    (budget, gain)
        budget: pandas.DataFrame, one row a channel: channel, today (mean weekly spend), best, change, low, high (of
        the best spend, chosen anew in each replicate; missing for channels kept at their spend, which come last),
        ceiling, at_ceiling. gain: pandas.Series: gain (margin a week over today's, to be expected), low, high, promised
        (what the curves say, choice not accounted for), spend, today, unspent (of the total): of channels with a curve.

    Raises
    ------
    ParameterError

    References
    ----------
    Smith, J. E., & Winkler, R. L. (2006), The optimizer's curse: skepticism and postdecision surprise in decision
    analysis, Management Science 52, 311-322.
    """
    import pandas as pd

    require_level(level)
    if not (np.isfinite(total) and total >= 0):
        raise ParameterError(f"total is {total!r}; give money of 0 or more")
    if not (np.isfinite(worth) and worth > 0):
        raise ParameterError(f"worth is {worth!r}; give what a customer is worth, above 0")
    ends = [(1 - level) / 2, (1 + level) / 2]
    today = np.minimum(curves.today, curves.ceiling)
    effect, scale = curves.drawn
    best = _split(worth * curves.effect, curves.scale, curves.ceiling, total)
    drawn = np.stack([_split(worth * a, b, curves.ceiling, total) for a, b in zip(effect, scale, strict=True)])

    def gain(spend: np.ndarray, effect: np.ndarray, scale: np.ndarray) -> np.ndarray:
        more = (effect * (np.exp(-today / scale) - np.exp(-spend / scale))).sum(axis=-1)
        return np.asarray(worth * more - (spend.sum(axis=-1) - today.sum()))

    promised = float(gain(best, curves.effect, curves.scale))
    surplus = gain(drawn, effect, scale) - gain(drawn, curves.effect, curves.scale)
    expected = promised - surplus.mean()
    alone, less = np.quantile(gain(best[None], effect, scale), ends), promised - np.quantile(surplus, ends[::-1])
    low, high = min(alone[0], less[0], expected), max(alone[1], less[1], expected)
    budget = pd.DataFrame({"channel": list(curves.channels), "today": today, "best": best, "change": best - today})
    budget["low"], budget["high"] = np.quantile(drawn, ends, axis=0)
    budget["ceiling"], budget["at_ceiling"] = curves.ceiling, best >= curves.ceiling * (1 - 1e-9)
    if curves.kept:
        kept = pd.DataFrame({"channel": list(curves.kept), "today": list(curves.kept.values())})
        kept = kept.assign(best=kept["today"], change=0.0, low=np.nan, high=np.nan)
        budget = pd.concat([budget, kept.assign(ceiling=kept["today"], at_ceiling=False)], ignore_index=True)
    told = {"gain": expected, "low": low, "high": high, "promised": promised}
    spent = best.sum()
    return budget, pd.Series(told | {"spend": spent, "today": today.sum(), "unspent": max(total - spent, 0.0)})


def _split(value: np.ndarray, scale: np.ndarray, ceiling: np.ndarray, total: float) -> np.ndarray:
    """Spend at which the next unit brings the same everywhere, at least itself, within ceilings and total."""

    def at(price: float) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.clip(scale * np.log(value / (scale * price)), 0.0, ceiling)

    low, high = 1.0, max(1.0, float((value / scale).max()))
    if at(low).sum() <= total:
        return at(low)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle).sum() > total else (low, middle)
    return at(high)
