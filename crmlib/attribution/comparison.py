"""Whether estimates can be told apart: paired differences of one bootstrap, and a ranking in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import ParameterError
from crmlib.intervals import holm, require_level

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.attribution.sample import CreditSample


#: How the first word of a standing joins its subject.
_JOINED = {"ahead": " is ", "cannot": " ", "too": ": "}


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
    p = np.where(usable, _two_sided(table["difference"].to_numpy(), np.where(usable, error, 0.0)), np.nan)
    table["p_value"], table["p_holm"] = p, np.nan
    if usable.any():
        table.loc[usable, "p_holm"] = holm(p[usable])
    return table.assign(distinct=table["p_holm"] < 1 - level)


def ranking(sample: CreditSample, *, level: float = 0.95) -> pd.DataFrame:
    """Array: channels in the order of their credit, how firm each place is, and whether neighbours differ.

    Each channel is compared with the next one below it by their paired difference; Holm's correction
    runs over all these comparisons. Channels with too few converting journeys are never told apart.

    Parameters
    ----------
    sample : CreditSample
        As `credit_sample` gives it.
    level : float
        1 - level is the error rate of all comparisons together.

    Returns
    -------
    pandas.DataFrame, one row a channel, the most credit first, ties by name
        rank, channel, share, rank_low, rank_high, place_kept (part of the replicates in which it takes
        the same place, 0-1), next (the channel below it, empty for the last), difference (of shares, in
        points of 0-1), p_holm, distinct, standing ("ahead of" the next, or "cannot be told apart from"
        it; empty for the last), sentence (the same with its subject).
    """
    import pandas as pd

    table = sample.intervals(level=level)
    table["place_kept"] = (sample.ranks == table["rank"].to_numpy()[:, None]).mean(axis=1)
    table = table.sort_values(["rank", "channel"], kind="stable")
    order = table.index.to_numpy()
    few = table["too_few"].to_numpy()
    gaps = np.diff(-sample.shares[order], axis=0)
    table["difference"] = np.append(-np.diff(table["share"]), np.nan)[: len(table)]
    error = np.append(gaps.std(axis=1, ddof=1) if len(gaps) else [], np.nan)[: len(table)]
    table["next"] = [*table["channel"].iloc[1:], ""][: len(table)]
    usable = np.append(~few[:-1] & ~few[1:], False)[: len(table)] & np.isfinite(error)
    p = np.full(len(table), np.nan)
    p[usable] = holm(_two_sided(table["difference"].to_numpy()[usable], error[usable]))
    table = table.assign(p_holm=p, distinct=p < 1 - level)
    table["standing"] = [_told(*row) for row in zip(table["next"], table["distinct"], p, strict=True)]
    table["sentence"] = [
        f"{channel}{_JOINED[told.split()[0]]}{told}." if told else ""
        for channel, told in zip(table["channel"], table["standing"], strict=True)
    ]
    columns = ["rank", "channel", "share", "rank_low", "rank_high", "place_kept", "next", "difference", "p_holm"]
    found = table[[*columns, "distinct", "standing", "sentence"]].reset_index(drop=True)
    return found.astype({"rank": "int64"}) if len(found) else pd.DataFrame(found)


def _two_sided(difference: np.ndarray, error: np.ndarray) -> np.ndarray:
    """P-values of differences over their standard errors, as normal deviates."""
    from scipy.stats import norm

    deviate = np.divide(np.abs(difference), error, out=np.full(len(error), np.nan), where=error > 0)
    return np.where(error > 0, 2 * norm.sf(deviate), np.where(difference == 0, 1.0, 0.0))


def _told(below: str, distinct: bool, p: float) -> str:
    if not below:
        return ""
    if np.isnan(p):
        return f"too few conversions to compare with {below}"
    return f"ahead of {below}" if distinct else f"cannot be told apart from {below}"
