r"""Diminishing returns: what more or less spend on a channel would bring, and the budget that follows.

In week t channel c brings :math:`\beta_c (1 - e^{-A_{ct} / \kappa_c})` customers, its spend carried over by
:math:`A_{ct} = (1 - \theta_c) x_{ct} + \theta_c A_{c,t-1}`. The parameters are fitted by nonlinear least
squares. Spend was not set by lot: where it follows demand, the curve takes demand for effect. These
curves are therefore *confounded* estimates, to be checked by a hold-out before money moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from crmlib.budget.adstock import carried, expected, fitted_parameters, parts, starts
from crmlib.budget.weeks import usable_weeks
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ResponseCurves:
    """Fitted curves with bootstrap replicates.

    Attributes
    ----------
    channels : tuple of str
        Those whose spending varied.
    base : float
        Customers of a week without any spend on these channels.
    effect, scale, carry : arrays (channels,)
        Most customers a week; spend at which 63 % of them come; part of the spend that works a week later.
    draws : array (replicates, 1 + 3 channels)
        base, effects, scales and carries in each replicate.
    today : array (channels,)
        Mean weekly spend.
    ceiling : array (channels,)
        Largest weekly spend that was seen, carried over: beyond it nothing is known.
    kept : dict of str to float
        Weekly spend of the channels whose spending never varied, so that they have no curve: what they bring is part
        of the base.
    """

    channels: tuple[str, ...]
    base: float
    effect: np.ndarray
    scale: np.ndarray
    carry: np.ndarray
    draws: np.ndarray
    today: np.ndarray
    ceiling: np.ndarray
    kept: dict[str, float] = field(default_factory=dict)

    def customers(self, spend: np.ndarray) -> np.ndarray:
        """Customers a week that steady weekly spends (…, channels) bring, by channel, without the base.

        Raises
        ------
        ParameterError
            Spend beyond what was seen.
        """
        self._require_seen(spend)
        return self.effect * -np.expm1(-np.asarray(spend) / self.scale)

    def path(self, channel: str, *, points: int = 60, level: float = 0.95) -> pd.DataFrame:
        """One channel's curve from no spend to the most that was seen: spend, customers (a week), low, high."""
        import pandas as pd

        require_level(level)
        if channel not in self.channels:
            raise ParameterError(f"channel {channel!r} has no curve; give one of {', '.join(self.channels)}")
        place = self.channels.index(channel)
        spend = np.linspace(0, self.ceiling[place], points)
        effect, scale = (drawn[:, place, None] for drawn in self.drawn)
        low, high = np.quantile(effect * -np.expm1(-spend / scale), [(1 - level) / 2, (1 + level) / 2], axis=0)
        customers = self.effect[place] * -np.expm1(-spend / self.scale[place])
        return pd.DataFrame({"spend": spend, "customers": customers, "low": low, "high": high})

    def change(self, before: np.ndarray, after: np.ndarray, *, level: float = 0.95) -> pd.Series:
        """Customers a week that other steady weekly spends (channels,) bring more: customers, low, high.

        Raises
        ------
        ParameterError
            Spend beyond what was seen.
        """
        import pandas as pd

        require_level(level)
        told = float((self.customers(after) - self.customers(before)).sum())
        effect, scale = self.drawn
        drawn = (effect * (np.exp(-np.asarray(before) / scale) - np.exp(-np.asarray(after) / scale))).sum(axis=1)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
        return pd.Series({"customers": told, "low": low, "high": high})

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
        effect, scale = self.drawn
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

    @property
    def drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """Effects and scales in each replicate: arrays (replicates, channels)."""
        _, effect, scale, _ = parts(self.draws, len(self.channels))
        return effect, scale

    def _require_seen(self, spend: np.ndarray) -> None:
        beyond = (np.asarray(spend) > self.ceiling * (1 + 1e-9)).reshape(-1, len(self.channels)).any(axis=0)
        if beyond.any():
            name = self.channels[int(np.argmax(beyond))]
            most = self.ceiling[int(np.argmax(beyond))]
            raise ParameterError(f"spend on {name} lies beyond the {most:,.0f} a week that was seen; stay within it")


def response_curves(
    weeks: pd.DataFrame,
    *,
    outcome: str = "customers",
    robust: bool = False,
    replicates: int = 200,
    rng: np.random.Generator,
) -> ResponseCurves:
    """Array: adstock and saturation of each channel's weekly spend, by nonlinear least squares.

    Replicates add resampled residuals, in blocks of neighbouring weeks and widened by what the fit took of their
    spread, to the fitted values and fit anew; they cover chance, not the confounding that spend by judgement brings.

    Parameters
    ----------
    weeks : pandas.DataFrame
        One row a week, in their order and without a gap, for spend is carried over: the outcome, and one column a
        channel with its spend, 0 in weeks without. A column `week`, of numbers or dates, says whether that is so.
        A channel whose spend never varies gets no curve and stands in `kept`.
    outcome : str
        Column of what was won in each week.
    robust : bool
        Whether weeks far off the curve count by their distance, not its square (Huber's idea in a smooth form): for
        outcomes with slips of the pen or one-off events.
    replicates : int
        At least 2.
    rng : numpy.random.Generator

    Returns
    -------
    ResponseCurves

    Raises
    ------
    DataError
        Values that are no numbers, missing, infinite or negative; weeks that are missing, doubled or out of order;
        spend that never varies on any channel, or that the other channels' spend tells to 99 %; fewer weeks than
        twice the parameters.
    ParameterError

    References
    ----------
    Broadbent, S. (1979), One way TV advertisements work, Journal of the Market Research Society 21, 139-166.
    Jin, Y., Wang, Y., Sun, Y., Chan, D., & Koehler, J. (2017), Bayesian methods for media mix modeling with
    carryover and shape effects, Google Inc. Künsch, H. R. (1989), The jackknife and the bootstrap for general
    stationary observations, Annals of Statistics 17, 1217-1241. Kendall, M. G. (1954), Note on bias in the estimation
    of autocorrelation, Biometrika 41, 403-404.
    """
    if outcome not in weeks.columns:
        raise DataError(f"weeks: column {outcome} is missing; name the outcome")
    if isinstance(replicates, bool) or not isinstance(replicates, (int, np.integer)) or replicates < 2:
        raise ParameterError(f"replicates is {replicates!r}; give at least 2, better 200")
    names = tuple(str(name) for name in weeks.columns if name not in (outcome, "week"))
    numbers, names, kept = usable_weeks(weeks, names, outcome)
    spend, won = numbers[:, :-1], numbers[:, -1]
    params = min((fitted_parameters(spend, won, start) for start in starts(spend, won)), key=lambda found: found[1])[0]
    # 1.4826 times the median of absolute deviations is a normal standard deviation, 1.345 of them Huber's bend
    bend = 1.345 * 1.4826 * float(np.median(np.abs(won - expected(params, spend)))) if robust else None
    params = fitted_parameters(spend, won, params, bend)[0] if robust else params
    fitted = expected(params, spend)
    residuals = won - fitted
    residuals = (residuals - residuals.mean()) * lost_spread(residuals, len(params))
    draws = np.stack(
        [fitted_parameters(spend, fitted + _blocks(residuals, rng), params, bend)[0] for _ in range(replicates)]
    )
    base, effect, scale, carry = parts(params, len(names))
    ceiling = carried(spend, carry).max(axis=0)
    return ResponseCurves(names, float(base), effect, scale, carry, draws, spend.mean(axis=0), ceiling, kept)


def lost_spread(residuals: np.ndarray, parameters: int) -> float:
    """Array: factor that gives residuals the spread back that fitting took: of neighbouring weeks alike it takes more.

    n weeks whose errors have a correlation r with the week before tell of a mean what n (1 - r) / (1 + r) independent
    ones do. Kendall's (1954) bias of r, (1 + 4 r) / n, is put back.
    """
    size, left = len(residuals), residuals - residuals.mean()
    square = float(left @ left)
    alike = float(left[1:] @ left[:-1]) / square if square else 0.0
    alike = min(max(alike + (1 + 4 * alike) / size, 0.0), 1.0) if alike > 0 else 0.0
    worth = max(size * (1 - alike) / (1 + alike), 2.0 * parameters)
    return float(np.sqrt(worth / (worth - parameters)))


def _blocks(residuals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Residuals in the order of blocks drawn with replacement, wrapping round at the end.

    Blocks grow with the cube root of the weeks (Künsch 1989), to 8 of 156.
    """
    size = len(residuals)
    length = max(4, round(1.5 * size ** (1 / 3)))
    first = rng.integers(size, size=-(-size // length))
    return residuals[(first[:, None] + np.arange(length)).ravel()[:size] % size]
