"""How sure credits are: a bootstrap over customers or journeys, and comparisons from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crmlib.attribution.estimates import shares
from crmlib.attribution.game import membership
from crmlib.attribution.positional import Rule
from crmlib.attribution.reading import read
from crmlib.attribution.rules import rule_of
from crmlib.attribution.units import draw, units
from crmlib.errors import ParameterError
from crmlib.intervals import FEWEST, require_level

if TYPE_CHECKING:
    import pandas as pd

#: Numbers in a block of replicates (about 160 MB).
_BLOCK = 20_000_000


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
    """

    rule: Rule
    measure: str
    channels: tuple[str, ...]
    credit: np.ndarray
    share: np.ndarray
    credits: np.ndarray
    shares: np.ndarray
    converting: np.ndarray

    @property
    def too_few(self) -> np.ndarray:
        """Whether a channel has fewer than 30 converting journeys."""
        return self.converting < FEWEST

    def intervals(self, *, level: float = 0.95) -> pd.DataFrame:
        """The table of `credit_intervals`."""
        import pandas as pd

        require_level(level)
        ranks = _ranks(self.credits)
        table: dict[str, Any] = {"channel": list(self.channels), "credit": self.credit}
        table["low"], table["high"] = self._ends(self.credits, level)
        table["share"] = self.share
        table["share_low"], table["share_high"] = self._ends(self.shares, level)
        table["rank"] = _ranks(self.credit[:, None])[:, 0]
        table["rank_low"], table["rank_high"] = self._ends(ranks, level)
        table |= {"converting": self.converting, "too_few": self.too_few}
        return pd.DataFrame(table).astype({"channel": "str"})

    def _ends(self, draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Percentile interval of each channel; missing for those with too few converting journeys."""
        ends = np.full((2, len(draws)), np.nan)
        usable = ~self.too_few & np.isfinite(draws).any(axis=1)
        if usable.any():
            kept = np.where(np.isfinite(draws[usable]), draws[usable], np.nan)
            ends[:, usable] = np.nanquantile(kept, [(1 - level) / 2, (1 + level) / 2], axis=1)
        low, high = ends
        return low, high


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
    drawn_credits, drawn_shares = [], []
    size = max(1, min(replicates, _BLOCK // max(len(resampled.counts), len(amount))))
    for start in range(0, replicates, size):
        drawn = draw(resampled.counts, min(size, replicates - start), rng)
        found, made = resampled.amount @ drawn, resampled.journeys @ drawn
        drawn_credits.append(allocate(found, made))
        drawn_shares.append(shares(drawn_credits[-1], found))
    converting = membership(paths).T @ paths.conversions  # of the data, not of the replicates
    return CreditSample(
        chosen,
        measure,
        paths.channels,
        credit[:, 0],
        shares(credit, amount)[:, 0],
        np.concatenate(drawn_credits, axis=1),
        np.concatenate(drawn_shares, axis=1),
        converting,
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
    the population been seen: never for the channel's causal effect. It is the percentile interval of
    the bootstrap that `credit_sample` describes; the number of conversions varies between replicates.

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
        too_few (below 30 of them: no interval, the ends are missing).

    References
    ----------
    Efron, B. (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7, 1-26.
    """
    require_level(level)
    sample = credit_sample(touches, outcomes, rule=rule, measure=measure, replicates=replicates, rng=rng, **options)
    return sample.intervals(level=level)


def paired_comparison(
    names: tuple[str, ...] | list[str],
    estimate: np.ndarray,
    draws: np.ndarray,
    *,
    baseline: str,
    level: float = 0.95,
) -> pd.DataFrame:
    """Array: each of several estimates against one of them, from paired bootstrap replicates.

    The interval is the percentile interval of the difference. Whether it is distinct from zero is
    decided by the difference over its bootstrap standard error, as a normal deviate, with Holm's
    correction over all comparisons: a thousand replicates cannot count out the small p-values that
    many comparisons need.

    Parameters
    ----------
    names : sequence of str
    estimate : array (n,)
    draws : array (n, replicates)
        Replicates of the estimates, the same resample in each column.
    baseline : str
        The name to compare with.
    level : float
        Coverage of the intervals; 1 - level is the error rate of `distinct`.

    Returns
    -------
    pandas.DataFrame, one row a name but the baseline
        name, baseline, difference (minus the baseline's), low, high, p_value, p_holm, distinct. Missing
        and never distinct where a replicate is not finite.

    References
    ----------
    Holm, S. (1979), A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6, 65-70.
    """
    import pandas as pd
    from scipy.stats import norm
    from statsmodels.stats.multitest import multipletests

    require_level(level)
    if baseline not in names:
        raise ParameterError(f"baseline {baseline!r} is none of {', '.join(names)}")
    own = list(names).index(baseline)
    others = [number for number in range(len(names)) if number != own]
    gaps = draws[others] - draws[own]
    usable = np.isfinite(gaps).all(axis=1) & np.isfinite(np.asarray(estimate)[others])
    table = pd.DataFrame({"name": [names[number] for number in others], "baseline": baseline})
    table["difference"] = np.asarray(estimate, float)[others] - estimate[own]
    ends = np.full((2, len(others)), np.nan)
    ends[:, usable] = np.quantile(gaps[usable], [(1 - level) / 2, (1 + level) / 2], axis=1)
    table["low"], table["high"] = ends
    error = np.full(len(others), np.nan)
    error[usable] = gaps[usable].std(axis=1, ddof=1)
    deviate = np.abs(table["difference"].to_numpy()) / np.where(error > 0, error, np.nan)
    p = np.where(np.isfinite(deviate), 2 * norm.sf(deviate), np.where(error == 0, table["difference"] == 0, np.nan))
    table["p_value"], table["p_holm"] = p, np.nan
    if usable.any():
        table.loc[usable, "p_holm"] = multipletests(p[usable], method="holm")[1]
    return table.assign(distinct=table["p_holm"] < 1 - level)


def _ranks(credit: np.ndarray) -> np.ndarray:
    """Rank of each channel in each column, 1 for the most; ties share the better rank."""
    return 1.0 + (credit[None, :, :] > credit[:, None, :]).sum(axis=1)
