r"""A data-driven rule: the chance to convert at each touch, modelled by discrete-time survival analysis.

Each touch of a journey is a period: the person converts after it or does not. The chance
:math:`h_{it}` that journey i ends in a conversion at touch t is

.. math:: \text{logit}\, h_{it} = \alpha_{c(i,t)} + \sum_{j} \beta_j x_{ijt} + \gamma \log t,

with c(i, t) the channel of the touch and :math:`x_{ijt}` whether channel j had touched the person
earlier. By the score equations :math:`\sum h_{it}` over the touches of channel j is the number of
conversions right after it, which is last-touch credit; what channel j's touches add to later chances,
:math:`\sum_{c(i,t) \ne j} h_{it} - h_{it}|_{x_j = 0}`, comes on top, and may be negative.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crmlib.attribution.chain import sums
from crmlib.attribution.logistic import fitted
from crmlib.attribution.paths import Paths
from crmlib.attribution.positional import Allocation, Linear, Rule, scaled
from crmlib.attribution.reading import read
from crmlib.errors import DataError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

#: So many channels, the most frequent, have coefficients of their own; the others share theirs.
MOST = 40
OTHERS = "(others)"
_LAST_POSITION = 65_535
_EXACT = 8  # positions beyond it count as the power of two below them, so that alike periods meet
_BLOCK = 4_000_000  # numbers in an array of cells and replicates
_SEPARATED = 10.0  # log odds beyond which the estimate runs away to infinity


@dataclass(frozen=True, slots=True)
class PersonPeriod(Rule):
    """What a discrete-time model of the chance to convert loses without a channel, scaled."""

    name: ClassVar[str] = "person_period"

    def parts(self) -> int:
        """One: no folds, but those who converted apart from those who did not."""
        return 1

    def allocation(self, paths: Paths, rng: np.random.Generator | None = None) -> Allocation:
        """Losses of the model, fitted to every weighting."""
        periods = Periods(paths)
        made = paths.journeys
        rate = np.divide(paths.conversions, made, out=np.zeros_like(made), where=made > 0)[:, None]
        spread = Linear().allocation(paths)
        known: list[np.ndarray] = []  # the estimate, from which the replicates start: few of their steps are left

        def credits(amount: np.ndarray, journeys: np.ndarray) -> np.ndarray:
            losses = np.zeros((periods.groups, amount.shape[1]))
            block = journeys.shape[1] if journeys.shape[1] == 1 else max(1, _BLOCK // max(len(periods.current), 1))
            for first in range(0, journeys.shape[1], block):
                mine = slice(None) if journeys.shape[1] == 1 else slice(first, first + block)
                weights = journeys[:, first : first + block]
                start = known[0] if known else None
                losses[:, mine], fit = periods.losses(amount[:, mine], rate * weights, weights, start)
                if not known and fit is not None:
                    known.append(fit)
            return scaled(periods.divided(losses, spread(amount, journeys)), amount)

        return credits

    def __str__(self) -> str:
        return "person-period model"


class Periods:
    """Touches as periods, alike ones counted together: channel, earlier channels, position."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        frequency = np.bincount(paths.codes, minlength=len(paths.channels))
        kept = np.argsort(-frequency, kind="stable")[:MOST]
        self.kept = np.sort(kept)
        self.groups = len(self.kept) + (len(paths.channels) > MOST)
        self.group = np.full(len(paths.channels), len(self.kept), dtype=np.int64)
        self.group[self.kept] = np.arange(len(self.kept))
        current = self.group[paths.codes]
        position = np.arange(1, len(paths.codes) + 1) - np.repeat(paths.starts[:-1], paths.lengths)
        place = np.minimum(np.where(position <= _EXACT, position, 1 << np.log2(position).astype(int)), _LAST_POSITION)
        key = (_earlier(current, paths) << 22) | (current << 16) | place
        cells, self.cell = np.unique(key, return_inverse=True)
        self.current = (cells >> 16) & 63
        self.earlier = ((cells >> 22)[:, None] >> np.arange(self.groups) & 1).astype(bool)
        self.position = cells & _LAST_POSITION

    @cached_property
    def design(self) -> np.ndarray:
        """Channel of the touch, earlier channels, logarithm of the position."""
        now = self.current[:, None] == np.arange(self.groups)
        return np.hstack([now, self.earlier, np.log(self.position)[:, None]]).astype(float)

    @cached_property
    def at(self) -> Any:
        """Sparse matrix (cells, journeys): how often a journey has such a period."""
        from scipy import sparse

        journey = np.repeat(np.arange(len(self.paths.lengths)), self.paths.lengths)
        shape = (len(self.current), len(self.paths.lengths))
        return sparse.csr_array((np.ones(len(journey)), (self.cell, journey)), shape=shape)

    @cached_property
    def at_last(self) -> Any:
        """Sparse matrix (cells, journeys) of each journey's last period."""
        return sums(self.cell[self.paths.starts[1:] - 1], len(self.current))

    def fit(self, won: np.ndarray, journeys: np.ndarray) -> tuple[Any, np.ndarray]:
        """Fitted binomial model with its standard errors, and which cells it used."""
        import statsmodels.api as sm
        from statsmodels.tools.sm_exceptions import PerfectSeparationWarning, SingularMatrixWarning

        trials, converted = self.at @ journeys, self.at_last @ won
        used = trials > 0
        endog = np.stack([converted, trials - converted], axis=1)[used]
        model = sm.GLM(endog, self.design[used], family=sm.families.Binomial())
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            warnings.simplefilter("ignore", PerfectSeparationWarning)  # the chance of 0 or 1 is the estimate then
            warnings.simplefilter("ignore", SingularMatrixWarning)  # the least-norm solution shares evenly
            return model.fit(maxiter=100), used

    def losses(
        self, amount: np.ndarray, won: np.ndarray, journeys: np.ndarray, start: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """What is lost of each column's amount (groups, b) without each group, and the first column's coefficients.

        `won` and `journeys` are (journeys, b), or (journeys, 1) for several amounts of the same weighting.
        """
        from scipy.special import expit

        if not won.sum():
            return np.zeros((self.groups, amount.shape[1])), None
        trials, converted = self.at @ journeys, self.at_last @ won
        fit = fitted(self.design, trials, converted, start)
        logit = self.design @ fit
        chance = expit(logit)
        ended, totals = self.at_last @ amount, won.sum(axis=0)
        mean = np.divide(amount.sum(axis=0), totals, out=np.zeros(amount.shape[1]), where=totals > 0)
        worth = np.divide(ended, converted, out=np.repeat(mean[None], len(ended), axis=0), where=converted > 0)
        direct = sums(self.current, self.groups) @ (trials * chance * worth)
        lost = direct.copy()
        for group in range(self.groups):
            later = self.earlier[:, group] & (self.current != group)
            fall = chance[later] - expit(logit[later] - fit[self.groups + group])
            lost[group] += (trials[later] * fall * worth[later]).sum(axis=0)
        lost = np.maximum(lost, 0.0)
        return np.where(lost.sum(axis=0) > 0, lost, direct), fit[:, 0]

    def divided(self, losses: np.ndarray, linear: np.ndarray) -> np.ndarray:
        """Losses of groups (groups, b) as those of channels; the others' by their linear credit."""
        found = losses[np.minimum(self.group, self.groups - 1)]
        rare = np.flatnonzero(self.group == len(self.kept))
        if len(rare):
            total = linear[rare].sum(axis=0)
            part = np.divide(linear[rare], total, out=np.zeros_like(linear[rare]), where=total > 0)
            found[rare] *= part
        return found


def touch_effects(touches: Any, outcomes: Any, *, level: float = 0.95) -> pd.DataFrame:
    r"""Array: the coefficients of the person-period model, as odds with Wald intervals.

    A binomial model with logit link of the chance to convert right after a touch, given its channel,
    which channels had touched the person earlier in the journey, and the logarithm of its position
    (beyond 8 the power of two below it). It describes who converts; people whom a channel seeks out
    because they are about to buy make it look effective. Journeys are taken as independent.

    Parameters
    ----------
    touches, outcomes
        As in `credits`.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a channel, sorted ("(others)" last: all beyond the 40 most frequent)
        channel, odds (of converting after a first touch by it), odds_low, odds_high, earlier_odds_ratio (by
        how much an earlier touch by it multiplies later odds), ratio_low, ratio_high. Missing where no
        estimate exists: nobody converts after its touches, or these journeys cannot tell it from another.

    Raises
    ------
    DataError
        No conversion or no null: there is nothing to tell apart.

    References
    ----------
    Allison, P. D. (1982), Discrete-time methods for the analysis of event histories, Sociological
    Methodology 13, 61-98. Zhang, Y., Wei, Y., & Ren, J. (2014), Multi-touch attribution in online
    advertising with survival theory, IEEE ICDM, 687-696.
    """
    import pandas as pd

    require_level(level)
    paths = read(touches, outcomes)
    if not (paths.conversions.sum() and paths.nulls.sum()):
        raise DataError("the model needs journeys that converted and journeys that did not; give both")
    periods = Periods(paths)
    result, used = periods.fit(paths.conversions, paths.journeys)
    ends = np.asarray(result.conf_int(1 - level))
    sure = (np.abs(result.params) < _SEPARATED) & (np.abs(ends) < 2 * _SEPARATED).all(axis=1)
    sure &= _identified(periods.design[used])
    values = np.exp(np.where(sure[:, None], np.column_stack([result.params, ends]), np.nan))
    names = [
        *(paths.channels[code] for code in periods.kept),
        *([OTHERS] if periods.groups > len(periods.kept) else []),
    ]
    now, before = values[: periods.groups], values[periods.groups : 2 * periods.groups]
    columns = ["odds", "odds_low", "odds_high", "earlier_odds_ratio", "ratio_low", "ratio_high"]
    table = pd.DataFrame(np.hstack([now, before]), columns=columns).assign(channel=names).astype({"channel": "str"})
    return table[["channel", *columns]]


def _earlier(group: np.ndarray, paths: Paths) -> np.ndarray:
    """For each touch the set of groups that touched the journey before, as bits."""
    seen = np.zeros(len(paths.lengths), dtype=np.int64)
    found = np.empty(len(group), dtype=np.int64)
    active, position = np.flatnonzero(paths.lengths > 0), 0
    while len(active):
        touch = paths.starts[active] + position
        found[touch] = seen[active]
        seen[active] |= 1 << group[touch]
        position += 1
        active = active[paths.lengths[active] > position]
    return found


def _identified(design: np.ndarray) -> np.ndarray:
    """Which coefficients these rows determine: those that no direction without effect moves."""
    _, singular, right = np.linalg.svd(design.T @ design)
    free = right[singular <= singular[0] * 1e-10]
    return (np.abs(free) < 1e-6).all(axis=0)
