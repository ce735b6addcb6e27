r"""Diminishing returns: what more or less spend on a channel would bring, and the budget that follows.

In week t channel c brings :math:`\beta_c (1 - e^{-A_{ct} / \kappa_c})` customers, its spend carried over by
:math:`A_{ct} = (1 - \theta_c) x_{ct} + \theta_c A_{c,t-1}`. The parameters are fitted by nonlinear least
squares. Spend was not set by lot: where it follows demand, the curve takes demand for effect. These
curves are therefore *confounded* estimates, to be checked by a hold-out before money moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

_MOST_CARRY = 0.9
#: Scales that are tried, as multiples of the largest weekly spend; a curve beyond them is a straight line.
_SCALES = (0.05, 5.0)


@dataclass(frozen=True, slots=True)
class ResponseCurves:
    """Fitted curves with bootstrap replicates.

    Attributes
    ----------
    channels : tuple of str
    base : float
        Customers of a week without any spend.
    effect, scale, carry : arrays (channels,)
        Most customers a week; spend at which 63 % of them come; part of the spend that works a week later.
    draws : array (replicates, 1 + 3 channels)
        base, effects, scales and carries in each replicate.
    today : array (channels,)
        Mean weekly spend.
    ceiling : array (channels,)
        Largest weekly spend that was seen, carried over: beyond it nothing is known.
    """

    channels: tuple[str, ...]
    base: float
    effect: np.ndarray
    scale: np.ndarray
    carry: np.ndarray
    draws: np.ndarray
    today: np.ndarray
    ceiling: np.ndarray

    def customers(self, spend: np.ndarray) -> np.ndarray:
        """Customers a week that steady weekly spends (…, channels) bring, by channel, without the base.

        Raises
        ------
        ParameterError
            Spend beyond what was seen.
        """
        self._require_seen(spend)
        return self.effect * -np.expm1(-np.asarray(spend) / self.scale)

    def table(self, *, level: float = 0.95) -> pd.DataFrame:
        """Customers a week at today's spend, and what the next unit of money brings, with intervals.

        Returns
        -------
        pandas.DataFrame, one row a channel
            channel, spend (mean a week), customers, low, high (of a week, at that spend), marginal
            (customers for one more unit of money), marginal_low, marginal_high, carry, ceiling.
        """
        import pandas as pd

        require_level(level)
        _, effect, scale, _ = _parts(self.draws, len(self.channels))
        ends = [(1 - level) / 2, (1 + level) / 2]
        brought = np.quantile(effect * -np.expm1(-self.today / scale), ends, axis=0)
        more = np.quantile(effect / scale * np.exp(-self.today / scale), ends, axis=0)
        return pd.DataFrame(
            {
                "channel": list(self.channels),
                "spend": self.today,
                "customers": self.customers(self.today),
                "low": brought[0],
                "high": brought[1],
                "marginal": self.effect / self.scale * np.exp(-self.today / self.scale),
                "marginal_low": more[0],
                "marginal_high": more[1],
                "carry": self.carry,
                "ceiling": self.ceiling,
            }
        )

    def _require_seen(self, spend: np.ndarray) -> None:
        beyond = (np.asarray(spend) > self.ceiling * (1 + 1e-9)).reshape(-1, len(self.channels)).any(axis=0)
        if beyond.any():
            name = self.channels[int(np.argmax(beyond))]
            most = self.ceiling[int(np.argmax(beyond))]
            raise ParameterError(f"spend on {name} lies beyond the {most:,.0f} a week that was seen; stay within it")


def response_curves(
    weeks: pd.DataFrame, *, outcome: str = "customers", replicates: int = 200, rng: np.random.Generator
) -> ResponseCurves:
    """Array: adstock and saturation of each channel's weekly spend, by nonlinear least squares.

    Replicates add resampled residuals, in blocks of four weeks, to the fitted values and fit anew; they
    cover chance, not the confounding that spend by judgement brings.

    Parameters
    ----------
    weeks : pandas.DataFrame
        One row a week, in their order: the outcome, and one column a channel with its spend. A column
        `week` is left aside.
    outcome : str
        Column of what was won in each week.
    replicates : int
        At least 2.
    rng : numpy.random.Generator

    Returns
    -------
    ResponseCurves

    Raises
    ------
    DataError
        Values that are missing, infinite or negative; spend that never varies; fewer weeks than twice
        the parameters.
    ParameterError

    References
    ----------
    Broadbent, S. (1979), One way TV advertisements work, Journal of the Market Research Society 21, 139-166.
    Jin, Y., Wang, Y., Sun, Y., Chan, D., & Koehler, J. (2017), Bayesian methods for media mix modeling with
    carryover and shape effects, Google Inc. Künsch, H. R. (1989), The jackknife and the bootstrap for general
    stationary observations, Annals of Statistics 17, 1217-1241.
    """
    if outcome not in weeks.columns:
        raise DataError(f"weeks: column {outcome} is missing; name the outcome")
    if replicates < 2:
        raise ParameterError(f"replicates is {replicates}; give at least 2, better 200")
    names = tuple(str(name) for name in weeks.columns if name not in (outcome, "week"))
    spend, won = weeks[list(names)].to_numpy(dtype=float), weeks[outcome].to_numpy(dtype=float)
    _require_usable(spend, won, names)
    params = min((_fit(spend, won, start) for start in _starts(spend, won)), key=lambda found: found[1])[0]
    fitted = _expected(params, spend)
    residuals = won - fitted
    residuals = (residuals - residuals.mean()) * np.sqrt(len(won) / (len(won) - len(params)))
    draws = np.stack([_fit(spend, fitted + _blocks(residuals, rng), params)[0] for _ in range(replicates)])
    base, effect, scale, carry = _parts(params, len(names))
    ceiling = _carried(spend, carry).max(axis=0)
    return ResponseCurves(names, float(base), effect, scale, carry, draws, spend.mean(axis=0), ceiling)


def best_budget(curves: ResponseCurves, *, total: float, worth: float, level: float = 0.95) -> tuple[Any, Any]:
    r"""Array: the weekly budget that maximises margin within a total, and its gain over today's split.

    Margin is `worth` times the customers less the spend, in a steady state. Curves are concave, so spend goes
    where the next unit of money brings most until all channels bring the same, no channel gets more
    than was seen of it, and money that would bring less than itself stays unspent. The interval is that of
    this budget's gain over the replicates' curves: chance alone, and none of the confounding.

    Parameters
    ----------
    curves : ResponseCurves
    total : float
        Most to spend in a week, 0 or more.
    worth : float
        Margin of a customer, above 0.
    level : float

    Returns
    -------
    (budget, gain)
        budget: pandas.DataFrame, one row a channel: channel, today (mean weekly spend), best, change, ceiling,
        at_ceiling. gain: pandas.Series: gain (margin a week over today's), low, high, spend, today.
    """
    import pandas as pd

    require_level(level)
    if not (np.isfinite(total) and total >= 0):
        raise ParameterError(f"total is {total!r}; give money of 0 or more")
    if not (np.isfinite(worth) and worth > 0):
        raise ParameterError(f"worth is {worth!r}; give what a customer is worth, above 0")
    best = _split(worth * curves.effect, curves.scale, curves.ceiling, total)
    today = np.minimum(curves.today, curves.ceiling)
    spent = best.sum() - today.sum()
    _, effect, scale, _ = _parts(curves.draws, len(curves.channels))
    more = (effect * (np.exp(-today / scale) - np.exp(-best / scale))).sum(axis=1)
    low, high = np.quantile(worth * more - spent, [(1 - level) / 2, (1 + level) / 2])
    gain = worth * (curves.customers(best) - curves.customers(today)).sum() - spent
    budget = pd.DataFrame({"channel": list(curves.channels), "today": today, "best": best, "change": best - today})
    budget["ceiling"], budget["at_ceiling"] = curves.ceiling, best >= curves.ceiling * (1 - 1e-9)
    ends = {"gain": gain, "low": low, "high": high, "spend": best.sum(), "today": today.sum()}
    return budget, pd.Series(ends)


def _split(value: np.ndarray, scale: np.ndarray, ceiling: np.ndarray, total: float) -> np.ndarray:
    """Spend at which the next unit brings the same everywhere, at least itself, within ceilings and total."""

    def at(price: float) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.clip(scale * np.log(value / (scale * price)), 0.0, ceiling)

    low, high = 1.0, max(1.0, float((value / scale).max()))
    if at(low).sum() <= total:
        return at(low)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle).sum() > total else (low, middle)
    return at(high)


def _fit(spend: np.ndarray, won: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Parameters within their bounds, and half the sum of squares."""
    from scipy.optimize import least_squares

    size = spend.shape[1]
    largest = spend.max(axis=0)
    low = np.concatenate([[0], np.zeros(size), _SCALES[0] * largest, np.zeros(size)])
    high = np.concatenate([[np.inf], np.full(size, np.inf), _SCALES[1] * largest, np.full(size, _MOST_CARRY)])
    inside = np.clip(start, low + 1e-9, np.where(np.isfinite(high), high * (1 - 1e-9), high))
    found = least_squares(
        lambda params: _expected(params, spend) - won, inside, bounds=(low, high), x_scale=np.maximum(inside, 1e-2)
    )
    return found.x, float(found.cost)


def _starts(spend: np.ndarray, won: np.ndarray) -> list[np.ndarray]:
    """Where the search begins: little or much carry-over, early or late saturation."""
    size, mean = spend.shape[1], spend.mean(axis=0)
    return [
        np.concatenate([[won.mean() / 2], np.full(size, won.mean() / size), factor * mean, np.full(size, carry)])
        for factor in (0.5, 2.0)
        for carry in (0.1, 0.5)
    ]


def _expected(params: np.ndarray, spend: np.ndarray) -> np.ndarray:
    base, effect, scale, carry = _parts(params, spend.shape[1])
    return base + (effect * -np.expm1(-_carried(spend, carry) / scale)).sum(axis=1)


def _carried(spend: np.ndarray, carry: np.ndarray) -> np.ndarray:
    """Adstock (weeks, channels); before the first week spend is taken to have been at its mean."""
    from scipy.signal import lfilter

    columns = [
        lfilter([1 - part], [1, -part], column, zi=[part * column.mean()])[0]
        for column, part in zip(spend.T, carry, strict=True)
    ]
    return np.stack(columns, axis=1)


def _parts(params: np.ndarray, size: int) -> tuple[Any, ...]:
    """Base, effects, scales, carries."""
    return params[..., 0], *(params[..., 1 + k * size : 1 + (k + 1) * size] for k in range(3))


def _blocks(residuals: np.ndarray, rng: np.random.Generator, length: int = 4) -> np.ndarray:
    """Residuals in the order of blocks drawn with replacement, wrapping round at the end."""
    size = len(residuals)
    first = rng.integers(size, size=-(-size // length))
    return residuals[(first[:, None] + np.arange(length)).ravel()[:size] % size]


def _require_usable(spend: np.ndarray, won: np.ndarray, names: tuple[str, ...]) -> None:
    if not names:
        raise DataError("weeks: there is no channel; give one column of spend each")
    for name, column in [*zip(names, spend.T, strict=True), ("the outcome", won)]:
        if not np.isfinite(column).all() or (column < 0).any():
            raise DataError(f"weeks: {name} has values that are missing, infinite or negative; correct them")
    least = 2 * (1 + 3 * len(names))
    if len(won) < least:
        raise DataError(f"{len(won)} weeks are too few for {len(names)} channels; give at least {least}")
    for name, column in zip(names, spend.T, strict=True):
        if np.ptp(column) <= 1e-9 * max(column.max(), 1e-300):
            raise DataError(f"spend on {name} never varies, so nothing can be learnt of it; leave it out")
