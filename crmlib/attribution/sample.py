"""How sure credits are: a bootstrap over customers or journeys, and comparisons from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crmlib.attribution.estimates import shares
from crmlib.attribution.game import membership
from crmlib.attribution.positional import Allocation, Rule
from crmlib.attribution.reading import read
from crmlib.attribution.rules import rule_of
from crmlib.attribution.units import Units, draw, leave_outs, units
from crmlib.errors import ParameterError
from crmlib.intervals import FEWEST, accelerations, corrected_interval, require_level

if TYPE_CHECKING:
    import pandas as pd

#: Numbers in a block of replicates (about 160 MB).
_BLOCK = 20_000_000
#: Groups that are left out, one at a time, to see how skewed the credits are.
_GROUPS = 200


@dataclass(frozen=True, slots=True)
class CreditSample:
    """Credits by one rule with their bootstrap replicates.

    Attributes
    ----------
    rule : Rule
    measure : {"conversions", "value"}
        What is credited.
    channels : tuple of str
    credit, share : arrays (channels,)
        Estimates from the data.
    credits, shares : arrays (channels, replicates)
        The same in each replicate; the columns are paired, so differences between channels can be read off.
    converting : array (channels,)
        Conversions of journeys that touched the channel.
    scarce : array of bool (channels,)
        Whether the rule rests the channel's credit on too little for another reason.
    credit_acceleration, share_acceleration : arrays (channels,)
        What corrects the intervals for skewness.
    """

    rule: Rule
    measure: str
    channels: tuple[str, ...]
    credit: np.ndarray
    share: np.ndarray
    credits: np.ndarray
    shares: np.ndarray
    converting: np.ndarray
    scarce: np.ndarray
    credit_acceleration: np.ndarray
    share_acceleration: np.ndarray

    @property
    def too_few(self) -> np.ndarray:
        """Whether a channel has fewer than 30 converting journeys, or its rule has too few that matter to it."""
        return (self.converting < FEWEST) | self.scarce

    @property
    def ranks(self) -> np.ndarray:
        """Rank of each channel in each replicate (channels, replicates), 1 for the most; ties share the better."""
        return _ranks(self.credits)

    def intervals(self, *, level: float = 0.95) -> pd.DataFrame:
        """The table of `credit_intervals`."""
        import pandas as pd

        require_level(level)
        table: dict[str, Any] = {"channel": list(self.channels), "credit": self.credit}
        table["low"], table["high"] = self._ends(self.credit, self.credits, self.credit_acceleration, level)
        table["share"] = self.share
        table["share_low"], table["share_high"] = self._ends(self.share, self.shares, self.share_acceleration, level)
        table["rank"] = _ranks(self.credit[:, None])[:, 0]
        ends = np.quantile(self.ranks, [(1 - level) / 2, (1 + level) / 2], axis=1, method="inverted_cdf")
        table["rank_low"], table["rank_high"] = np.where(self.too_few, np.nan, ends)
        table |= {"converting": self.converting, "too_few": self.too_few}
        return pd.DataFrame(table).astype({"channel": "str"})

    def _ends(
        self, estimate: np.ndarray, draws: np.ndarray, acceleration: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Interval of each channel; missing for those with too few converting journeys."""
        known = np.where(self.too_few, np.nan, estimate)
        return corrected_interval(known, draws, acceleration, level=level)


def credit_sample(
    touches: Any,
    outcomes: Any,
    *,
    rule: str | Rule | Callable[..., Rule] = "markov",
    measure: Literal["conversions", "value"] = "conversions",
    replicates: int = 1_000,
    rng: np.random.Generator,
    **options: Any,
) -> CreditSample:
    """Array: credits with replicates, to be read as intervals, ranks and paired differences.

    Customers are drawn with replacement where outcomes name them all (`customer_id`); else journeys,
    which for counts is one multinomial draw over all paths, converted or not, of as many journeys as
    there were. Rows of aggregated paths are never drawn: a row of 500 journeys is 500, not one.

    Parameters
    ----------
    touches, outcomes, rule, **options
        As in `credits`.
    measure : {"conversions", "value"}
        What is credited. The value of each journey must be known: rows of counts will not do.
    replicates : int
        Number of bootstrap samples, at least 2.
    rng : numpy.random.Generator

    Returns
    -------
    CreditSample

    Raises
    ------
    DataError
        Counts that are no whole numbers; `value` of rows that hold several journeys; no journeys.
    ParameterError
    """
    chosen = rule_of(rule, **options)
    if measure not in ("conversions", "value"):
        raise ParameterError(f"measure is {measure!r}; use 'conversions' or 'value'")
    if replicates < 2:
        raise ParameterError(f"replicates is {replicates}; give at least 2, better 1,000")
    paths = read(touches, outcomes, times=chosen.uses_times, customers=True)
    resampled = units(paths, chosen, measure, rng)
    allocate = chosen.allocation(resampled.paths, rng)
    amount, journeys = (resampled.amount @ resampled.counts)[:, None], (resampled.journeys @ resampled.counts)[:, None]
    credit = allocate(amount, journeys)
    size = max(1, _BLOCK // max(len(resampled.counts), len(amount)))
    sizes = [min(size, replicates - start) for start in range(0, replicates, size)]
    credits, parts = _allocated(resampled, allocate, (draw(resampled.counts, number, rng) for number in sizes))
    # Where a group less can flip a choice, as of an order, its jackknife says nothing about skewness.
    smooth = leave_outs(resampled.counts, _GROUPS, size, rng) if chosen.smooth else [resampled.counts[:, None]]
    without = _allocated(resampled, allocate, smooth)
    return CreditSample(
        chosen,
        measure,
        paths.channels,
        credit[:, 0],
        shares(credit, amount)[:, 0],
        credits,
        parts,
        membership(paths).T @ paths.conversions,  # of the data, not of the replicates
        chosen.scarce(paths),
        *(accelerations(found) for found in without),
    )


def credit_intervals(
    touches: Any,
    outcomes: Any,
    *,
    rule: str | Rule | Callable[..., Rule] = "markov",
    measure: Literal["conversions", "value"] = "conversions",
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
    **options: Any,
) -> pd.DataFrame:
    """Array: credits with an interval for each credit, share and rank.

    The interval is for the credit that this rule, at its stated order, would give had all journeys of
    the population been seen: never for the channel's causal effect. It is the bias-corrected and
    accelerated (BCa) interval of the bootstrap that `credit_sample` describes; the number of
    conversions varies between replicates. The acceleration comes from a jackknife of 200 groups of
    journeys or customers; it is 0 for `selected_markov`, whose order a group less may flip, and whose intervals
    hold less often than their level says, as all do after a choice: fix the order beforehand. Ranks have
    percentile intervals.

    Parameters
    ----------
    touches, outcomes, rule, measure, replicates, rng, **options
        As in `credit_sample`.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    pandas.DataFrame, one row a channel, sorted by it
        channel, credit (conversions, or value), low, high, share (0-1), share_low, share_high, rank
        (1 has most), rank_low, rank_high, converting (conversions of journeys that touched it),
        too_few (no interval, the ends are missing: below 30 of them, or fewer than 10 behind the credit:
        conversions that a rule gives it at all, by Kish's effective number; by Shapley's rate those of
        journeys that it has alone).

    References
    ----------
    Efron, B. (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1-26.
    Efron, B. (1987), Better bootstrap confidence intervals, JASA 82, 171-185.
    """
    require_level(level)
    sample = credit_sample(touches, outcomes, rule=rule, measure=measure, replicates=replicates, rng=rng, **options)
    return sample.intervals(level=level)


def _allocated(resampled: Units, allocate: Allocation, weights: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Credits and shares (channels, columns) of blocks of weightings (units, columns)."""
    credits, parts = [], []
    for drawn in weights:
        found, made = resampled.amount @ drawn, resampled.journeys @ drawn
        credits.append(allocate(found, made))
        parts.append(shares(credits[-1], found))
    return np.concatenate(credits, axis=1), np.concatenate(parts, axis=1)


def _ranks(credit: np.ndarray) -> np.ndarray:
    """Rank of each channel in each column, 1 for the most; ties share the better rank."""
    order = np.argsort(-credit, axis=0, kind="stable")
    inline = np.take_along_axis(credit, order, axis=0)
    place = np.arange(1.0, len(credit) + 1)[:, None] * np.ones(credit.shape[1])
    place[1:][inline[1:] == inline[:-1]] = 0.0
    ranks = np.empty(credit.shape)
    np.put_along_axis(ranks, order, np.maximum.accumulate(place, axis=0), axis=0)
    return ranks
