r"""What an experiment says about a channel: held out at random from prospects, or from whole regions.

People of one region share what the weather, the press and the competitor do there, and a channel is held
out from all of them or none: the regions are the sample, not the people. The effect is the difference of
the two groups' conversion rates, their regions weighted by prospects; its variance is HC2's, which with
one weight a region is cluster-robust CR2, and its t distribution has Bell and McCaffrey's degrees of
freedom. The lot itself needs no such model: under an effect of :math:`\tau` on every rate, the difference
under each other lot that might have been drawn follows from the data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.attribution.lots import lot_interval
from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas, wrap
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

#: Power at which the smallest increment that a test finds is stated.
POWER = 0.8


def holdout_effect(
    with_channel: pd.Series, without_channel: pd.Series, *, journeys: int, level: float = 0.95
) -> pd.Series:
    """Array: customers that a channel adds, from an experiment in which it was held out at random.

    Parameters
    ----------
    with_channel, without_channel : pandas.Series
        Whether each prospect converted (0 or 1), in the group that the channel may reach and in the one
        for which it was switched off; who is in which was drawn by lot, one by one.
    journeys : int
        Number of prospects to project to.
    level : float

    Returns
    -------
    pandas.Series
        rate_with, rate_without, increment (difference times journeys), low, high (Newcombe's interval),
        p_value (score test of no difference), detectable (the increment that a test of this size at
        this level finds in 80 % of draws).

    Raises
    ------
    DataError
        An empty group.

    References
    ----------
    Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, 873-890, method 10.
    """
    import pandas as pd
    from scipy.special import ndtri
    from statsmodels.stats.proportion import confint_proportions_2indep
    from statsmodels.stats.proportion import test_proportions_2indep as score_test

    require_level(level)
    won, lost = float(with_channel.sum()), float(without_channel.sum())
    n, m = len(with_channel), len(without_channel)
    if not n or not m:
        raise DataError("one of the two groups is empty; hold out between none and all of the prospects")
    low, high = confint_proportions_2indep(won, n, lost, m, method="newcomb", compare="diff", alpha=1 - level)
    alike = won + lost in (0, n + m)
    p = 1.0 if alike else float(score_test(won, n, lost, m, method="score", compare="diff").pvalue)
    rate = (won + lost) / (n + m)
    error = math.sqrt(rate * (1 - rate) * (1 / n + 1 / m))
    found = {"rate_with": won / n, "rate_without": lost / m, "increment": journeys * (won / n - lost / m)}
    found |= {"low": journeys * low, "high": journeys * high, "p_value": p}
    return pd.Series(found | {"detectable": journeys * error * (ndtri((1 + level) / 2) + ndtri(POWER))})


def regional_holdout_effect(
    prospects: Any,
    *,
    level: float = 0.95,
    method: Literal["t", "lot"] = "t",
    journeys: int | None = None,
    rng: np.random.Generator | None = None,
) -> pd.Series:
    """Array: customers that a channel adds, from an experiment in which whole regions were held out.

    Decided here: a region counts by its prospects. Two regions a group are the fewest for `t`; of so few the
    interval is wide, as it should be. By `lot` the interval holds the effects that the lots which might
    have been drawn do not reject, one and the same in every region; with fewer than 2 / (1 - level) possible
    lots none can be rejected, and the interval is unbounded.

    Parameters
    ----------
    prospects : any frame
        region, held_out (bool, or 0 and 1), conversions [journeys: how many prospects the row stands for,
        default 1]; a row a prospect, or a row a region.
    level : float
    method : {"t", "lot"}
        Interval and p-value by the t distribution with few clusters, or by randomisation inference.
    journeys : int, optional
        Number of prospects to project to; default: all of the experiment.
    rng : numpy.random.Generator, optional
        By `lot` with more than 20,000 possible lots, draws as many of them.

    Returns
    -------
    pandas.Series
        rate_with, rate_without, increment, low, high, p_value, detectable (found in 80 % of draws, by t),
        regions_with, regions_without, df (degrees of freedom of t).

    Raises
    ------
    MissingColumnsError
    DataError
        A region on both sides, one side without or (by t) with fewer than two regions, missing values.
    ParameterError

    References
    ----------
    Bell, R. M., & McCaffrey, D. F. (2002), Bias reduction in standard errors for linear regression with
    multi-stage samples, Survey Methodology 28, 169-181. Rosenbaum, P. R. (2002), Observational Studies,
    2nd ed., section 2.6 (intervals by inverting randomisation tests).
    """
    import pandas as pd
    from scipy.stats import t

    require_level(level)
    if method not in ("t", "lot"):
        raise ParameterError(f"method is {method!r}; use 't' or 'lot'")
    table = _regions(prospects)
    out, size = table["held_out"].to_numpy(), table["journeys"].to_numpy(float)
    rate = table["conversions"].to_numpy(float) / size
    number = float(size.sum()) if journeys is None else float(journeys)
    sides = [(rate[side], size[side] / size[side].sum()) for side in (~out, out)]
    means = [float(weight @ value) for value, weight in sides]
    gap = means[0] - means[1]
    few = min(out.sum(), (~out).sum()) < 2
    if few and method == "t":
        raise DataError("t needs two regions on either side; hold out more, or use method='lot'")
    error, df = (np.nan, np.nan) if few else _spread(sides)
    reach = t.ppf((1 + level) / 2, df) * error
    low, high = gap - reach, gap + reach
    p = float(2 * t.sf(abs(gap) / error, df)) if error > 0 else float(gap == 0)
    if method == "lot":
        low, high, p = lot_interval(rate, size, ~out, level=level, rng=rng)
    found = {"rate_with": means[0], "rate_without": means[1], "increment": number * gap}
    found |= {"low": number * low, "high": number * high, "p_value": p}
    found |= {"detectable": number * error * (t.ppf((1 + level) / 2, df) + t.ppf(POWER, df))}
    return pd.Series(found | {"regions_with": (~out).sum(), "regions_without": out.sum(), "df": df})


def reconciliation(
    credits: pd.DataFrame, effects: Mapping[str, pd.Series], *, channel: str, truth: float | None = None
) -> pd.DataFrame:
    """Array: one channel's customers by every rule, beside what experiments found.

    Parameters
    ----------
    credits : pandas.DataFrame
        rule, channel, conversions, as `credits_by_rule` gives them.
    effects : mapping of label to pandas.Series
        Experiments on this channel: increment, low, high.
    channel : str
    truth : float, optional
        The increment, where it is known.

    Returns
    -------
    pandas.DataFrame, one row a rule, in their order, then one an experiment, then the truth
        source, customers, low, high (missing for rules and truth) and, for each experiment, a column
        "by " and its label: "too many", "agrees" or "too few" customers, by its interval (empty for
        experiments).

    Raises
    ------
    ParameterError
        No experiment, or a channel without credit in the table.
    """
    import pandas as pd

    rows = credits[credits["channel"] == channel]
    if rows.empty or not effects:
        raise ParameterError(f"give one experiment or more, and credits of the channel {channel!r}")
    known = {"source": list(rows["rule"]), "customers": list(rows["conversions"])}
    table = pd.DataFrame(known | {"low": np.nan, "high": np.nan})
    found = [
        {"source": label, "customers": one["increment"], "low": one["low"], "high": one["high"]}
        for label, one in effects.items()
    ]
    if truth is not None:
        found.append({"source": "the truth", "customers": float(truth), "low": np.nan, "high": np.nan})
    table = pd.concat([table, pd.DataFrame(found).astype({"customers": float})], ignore_index=True)
    for label, one in effects.items():
        above, below = table["customers"] > one["high"], table["customers"] < one["low"]
        told = np.select([above, below], ["too many", "too few"], "agrees")
        table[f"by {label}"] = np.where(table["source"].isin(list(effects)), "", told)
    return table


def _regions(prospects: Any) -> pd.DataFrame:
    """One row a region: held_out, journeys, conversions."""
    columns = ("region", "held_out", "conversions")
    wrap(prospects, columns, table="prospects")
    counted = "journeys" in nw.from_native(prospects).collect_schema().names()
    known = wrap(prospects, (*columns, "journeys") if counted else columns, table="prospects")
    out, won = nw.col("held_out").cast(nw.Float64), nw.col("conversions").cast(nw.Float64)
    made = nw.col("journeys").cast(nw.Float64) if counted else nw.lit(1.0)
    gaps = out.is_null() | won.is_null() | made.is_null()
    part = known.select(
        nw.col("region").cast(nw.String), most=out, least=out, conversions=won, journeys=made, gaps=gaps
    )
    part = part.with_columns(nw.col("gaps").cast(nw.Int64))
    least, most = nw.col("least").min(), nw.col("most").max()
    sums = part.group_by("region").agg(least, most, nw.col("conversions", "journeys", "gaps").sum())
    table = to_pandas(sums.to_native(), sort_by=["region"])
    missing = int(table["region"].isna().sum() + table["gaps"].sum())
    if missing:
        raise DataError(f"prospects: region, held_out or a count is missing in {missing} places; fill them")
    both = table[(table["least"] != table["most"]) | ~table["most"].isin([0, 1])]
    if len(both):
        raise DataError(f"region {both['region'].iloc[0]!r} is not on one side only; held_out is the same in all of it")
    if not 0 < table["most"].sum() < len(table):
        raise DataError("all regions are on one side; hold out between none and all of them")
    if not (table["journeys"] > 0).all() or (table["conversions"] < 0).any():
        raise DataError("journeys must be above 0 and conversions not below 0 in every region")
    return table.assign(held_out=table["most"] == 1)


def _spread(sides: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Standard error of the difference of two weighted means, and its degrees of freedom."""
    variance = trace = squares = 0.0
    for value, weight in sides:
        rest = np.eye(len(value)) - weight  # residuals: row i is value i less the mean
        scale = weight**2 / (1 - weight)
        form = rest.T @ (scale[:, None] * rest)
        variance += value @ form @ value
        trace, squares = trace + np.trace(form), squares + (form**2).sum()
    return math.sqrt(max(variance, 0.0)), trace**2 / squares
