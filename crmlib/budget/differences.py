"""Whether a channel's customers differ later from those of all other channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.budget.resampling import ratio
from crmlib.budget.values import ChannelValues
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, holm, require_level

if TYPE_CHECKING:
    import pandas as pd


def retention_comparison(values: ChannelValues, *, age: int, level: float = 0.95) -> pd.DataFrame:
    """Array: each channel's active share at one age against that of the customers of all other channels.

    Parameters
    ----------
    values : ChannelValues
    age : int
        Periods since the acquisition.
    level : float
        Coverage of Newcombe's interval of each difference; 1 - level is the error rate of `distinct`.

    Returns
    -------
    pandas.DataFrame, one row a channel
        channel, customers, active_share, others (their active share), difference, low, high, p_value (score test),
        p_holm (Holm, over the channels), distinct. Missing, and never distinct, below 30 customers on either side.

    References
    ----------
    Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17, 873-890, method 10.
    """
    import pandas as pd
    from statsmodels.stats.proportion import confint_proportions_2indep
    from statsmodels.stats.proportion import test_proportions_2indep as score_test

    require_level(level)
    _require_age(values, age)
    made, won = values.seen[:, age], values.active[:, age]
    rows = []
    for n, x, m, y in zip(made, won, made.sum() - made, won.sum() - won, strict=True):
        row = {"customers": n, "active_share": x / n if n else np.nan, "others": y / m if m else np.nan}
        if min(n, m) >= FEWEST:
            low, high = confint_proportions_2indep(x, n, y, m, method="newcomb", compare="diff", alpha=1 - level)
            alike = x + y in (0, n + m)
            p = 1.0 if alike else float(score_test(x, n, y, m, method="score", compare="diff").pvalue)
            row |= {"low": low, "high": high, "p_value": p}
        rows.append(row)
    columns = ["customers", "active_share", "others", "low", "high", "p_value"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "channel", pd.Series(values.channels, dtype="str"))
    table.insert(4, "difference", table["active_share"] - table["others"])
    return _judged(table, level)


def margin_comparison(
    values: ChannelValues, *, ages: int | None = None, level: float = 0.95, draws: int = 2_000, rng: np.random.Generator
) -> pd.DataFrame:
    """Array: each channel's margin of a customer up to one age against that of all other channels' customers.

    The interval is the bootstrap's, the channel's own margin corrected for skewness. Whether it is distinct a
    permutation test says, customers being dealt out to the channels by lot, with Holm's correction over the channels:
    in samples that miss the few who bring much, mean and standard error are too low together, and a ratio of the two
    would call one channel or another distinct far too often. With more than draws / 20 channels none can be.

    Parameters
    ----------
    values : ChannelValues
    ages : int, optional
        Ages to add up, from 0 on; by default the `horizon`.
    level : float
    draws : int
        Permutations, at least 100.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a channel
        channel, customers, margin (of one, to the end of the last of these ages), others, difference, low, high,
        p_value, p_holm, distinct. Missing, and never distinct, where the ages lie beyond a channel's window.
    """
    import pandas as pd

    require_level(level)
    if isinstance(draws, bool) or not isinstance(draws, (int, np.integer)) or draws < 100:
        raise ParameterError(f"draws is {draws!r}; give at least 100, better 2,000")
    size = values.horizon if ages is None else ages
    _require_age(values, size - 1)
    rows, chance = [], _chances(values, size, draws, rng)
    total, seen = values.sums.sum(axis=0), values.counts.sum(axis=0)
    margins = np.where(values.seen > 0, values.margin, 0.0) * values.seen
    for place, window in enumerate(values.window):
        rest = values.seen.sum(axis=0) - values.seen[place]
        row = {"customers": values.customers[place]}
        if window >= size and (rest[:size] >= FEWEST).all():
            others = (margins.sum(axis=0) - margins[place])[:size] / rest[:size]
            row |= {"margin": values.totals(place)[size - 1], "others": others.sum()}
            drawn = ratio((total - values.sums[place])[:, :size], (seen - values.counts[place])[:, :size]).sum(axis=1)
            gap = values.draws(place)[:, size - 1] - drawn
            row["low"], row["high"] = np.quantile(gap, [(1 - level) / 2, (1 + level) / 2])
            row["p_value"] = chance[place]
        rows.append(row)
    table = pd.DataFrame(rows, columns=["customers", "margin", "others", "low", "high", "p_value"])
    table.insert(0, "channel", pd.Series(values.channels, dtype="str"))
    table.insert(4, "difference", table["margin"] - table["others"])
    return _judged(table, level)


def _chances(values: ChannelValues, size: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Share of the deals of customers to channels by lot that set a channel as far apart, for each channel.

    Each customer's influence on the mean of all, summed over a channel, stands for the channel's difference.
    """
    seen = values.ages.seen[:, :size]
    number = np.maximum(seen.sum(axis=0), 1)
    mean = values.ages.margin[:, :size].sum(axis=0) / number
    influence = np.where(seen, (values.ages.margin[:, :size] - mean) / number, 0.0).sum(axis=1)
    first = np.concatenate([[0], np.cumsum(values.customers)[:-1]])
    own = np.abs(np.add.reduceat(influence[np.argsort(values.ages.code, kind="stable")], first))
    least, further = own - 1e-9 * np.abs(influence).sum(), np.ones(len(own))
    for _ in range(draws):
        further += np.abs(np.add.reduceat(rng.permutation(influence), first)) >= least
    return np.asarray(further / (draws + 1))


def _judged(table: pd.DataFrame, level: float) -> pd.DataFrame:
    known = table["p_value"].notna().to_numpy()
    table["p_holm"] = np.nan
    table.loc[known, "p_holm"] = holm(table.loc[known, "p_value"])
    return table.assign(distinct=table["p_holm"] < 1 - level)


def _require_age(values: ChannelValues, age: int) -> None:
    if values.shared:
        raise DataError("customers stand under several channels, which cannot be compared; give each customer one")
    most = values.seen.shape[1] - 1
    if most < 0 or (not values.horizon and age < 0):
        raise DataError(
            "no age was completed by 30 customers of a channel; give more customers, or a shorter period_days"
        )
    if isinstance(age, bool) or not isinstance(age, (int, np.integer)) or not 0 <= age <= most:
        raise ParameterError(f"age {age!r} was not seen; the last one that anybody completed is {most}")
