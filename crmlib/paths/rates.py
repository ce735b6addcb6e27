"""Which journeys convert more often than all others, and how long those that convert take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas, wrap
from crmlib.intervals import FEWEST, holm, require_level

if TYPE_CHECKING:
    import pandas as pd

#: Channel of touches that name none.
UNKNOWN = "(unknown)"


def channel_presence(touches: Any, outcomes: Any, *, level: float = 0.95) -> pd.DataFrame:
    """Array: how often journeys that hold a channel convert, against those that do not.

    A journey through a channel that converts more often was not therefore helped by it: the channel may meet
    those who would have bought anyway.

    Parameters
    ----------
    touches : any frame
        journey_id, channel; one that is missing or blank is "(unknown)".
    outcomes : any frame
        journey_id, conversions, nulls. Journeys without a touch, and open ones (neither), are left out.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a channel, the most frequent first
        channel, journeys (that hold it), conversions, and the columns of `rate_comparison`.
    """
    name = nw.col("channel").cast(nw.String)
    known = ~name.is_null() & (name.str.strip_chars() != "")
    met: Any = wrap(touches, ("journey_id", "channel"), table="touches").select(
        "journey_id", nw.when(known).then(name).otherwise(nw.lit(UNKNOWN)).alias("channel")
    )
    ends: Any = wrap(outcomes, ("journey_id", "conversions", "nulls"), table="outcomes").select(
        "journey_id",
        conversions=nw.col("conversions").cast(nw.Float64),
        journeys=nw.col("conversions").cast(nw.Float64) + nw.col("nulls").cast(nw.Float64),
    )
    counts = (nw.col("journeys").sum(), nw.col("conversions").sum())
    pairs = met.unique().join(ends, on="journey_id", how="inner").group_by("channel").agg(*counts)
    whole = ends.join(met.select("journey_id").unique(), on="journey_id", how="semi").select(*counts)
    table = to_pandas(pairs.to_native())
    table = table[table["journeys"] > 0].sort_values(
        ["journeys", "channel"], ascending=[False, True], ignore_index=True
    )
    made, won = to_pandas(whole.to_native()).fillna(0.0)[["journeys", "conversions"]].to_numpy()[0]
    return rate_comparison(table, journeys=float(made), conversions=float(won), level=level)


def rate_comparison(table: pd.DataFrame, *, journeys: float, conversions: float, level: float = 0.95) -> pd.DataFrame:
    """Array: conversions per journey of each of several groups, against those of all other journeys.

    Parameters
    ----------
    table : pandas.DataFrame
        journeys, conversions: of groups that may overlap, such as lengths, paths or channels.
    journeys, conversions : float
        Of all journeys, the groups' own included.
    level : float
        Coverage of the intervals; 1 - level is the error rate of `distinct`.

    Returns
    -------
    pandas.DataFrame, the rows of the table with
        rate (conversions per journey), others (that of all other journeys), difference, low, high (Newcombe's interval
        of the difference), p_value (score test), p_holm (Holm, over the rows), distinct. Missing, and never
        distinct, with fewer than 30 journeys on either side.

    Raises
    ------
    DataError
        Counts that are missing, negative, or more than there are in all; more conversions than journeys.

    References
    ----------
    Newcombe, R. G. (1998), Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17, 873-890, method 10.
    """
    import pandas as pd
    from statsmodels.stats.proportion import confint_proportions_2indep
    from statsmodels.stats.proportion import test_proportions_2indep as score_test

    require_level(level)
    wrap(table, ("journeys", "conversions"), table="table")
    made, won = (table[name].to_numpy(dtype=float) for name in ("journeys", "conversions"))
    rest, rest_won = journeys - made, conversions - won
    parts = np.stack([made, won, made - won, rest, rest_won, rest - rest_won])
    if not (np.isfinite(parts).all() and (parts >= 0).all()):
        raise DataError(
            "groups have counts that are missing, negative or beyond the whole; give journeys and conversions"
        )
    rows = np.full((len(table), 3), np.nan)
    for row in np.flatnonzero((made >= FEWEST) & (rest >= FEWEST)):
        counts = (won[row], made[row], rest_won[row], rest[row])
        ends = confint_proportions_2indep(*counts, method="newcomb", compare="diff", alpha=1 - level)
        alike = conversions in (0, journeys)
        rows[row] = *ends, 1.0 if alike else score_test(*counts, method="score", compare="diff").pvalue
    found = table.drop(columns=["rate", "low", "high"], errors="ignore")
    own, others = (
        np.divide(x, n, out=np.full(len(n), np.nan), where=n > 0) for x, n in ((won, made), (rest_won, rest))
    )
    found = found.assign(rate=own, others=others, difference=own - others)
    found[["low", "high", "p_value"]] = rows
    known = ~np.isnan(rows[:, 2])
    adjusted = np.full(len(table), np.nan)
    adjusted[known] = holm(rows[known, 2])
    return found.assign(p_holm=adjusted, distinct=pd.Series(adjusted, index=table.index) < 1 - level)


def time_quantiles(
    times: pd.DataFrame, *, shares: tuple[float, ...] = (0.25, 0.5, 0.75, 0.9), level: float = 0.95
) -> pd.DataFrame:
    """Array: days within which given shares of the conversions had come, with intervals that assume no distribution.

    The interval's ends are order statistics: with n conversions, as many of them lie below the true quantile as a
    binomial of n and that share says.

    Parameters
    ----------
    times : pandas.DataFrame
        days, conversions (whole numbers), as `conversion_times` gives them.
    shares : tuple of float
        Each between 0 and 1.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a share
        share, days, low, high (missing where too few conversions bound it).

    Raises
    ------
    DataError
        No conversions, or counts that are no whole numbers.
    ParameterError

    References
    ----------
    Conover, W. J. (1999), Practical nonparametric statistics, 3rd ed., Wiley, section 3.2.
    """
    import pandas as pd
    from scipy.stats import binom

    require_level(level)
    if not shares or not all(0 < share < 1 for share in shares):
        raise ParameterError(f"shares are {shares}; give some between 0 and 1, such as 0.5")
    counts = times["conversions"].to_numpy(dtype=float)
    if not counts.sum() > 0 or (counts % 1 != 0).any() or (counts < 0).any():
        raise DataError("times: conversions are no whole numbers, or there are none; give the number of each row")
    days = np.repeat(times["days"].to_numpy(dtype=float), counts.astype(int))
    days.sort()
    size, rows = len(days), []
    for share in shares:
        # P(low-th smallest ≤ quantile < high-th smallest) is P(low ≤ Binomial(n, share) < high)
        low = int(binom.ppf((1 - level) / 2, size, share))
        high = int(binom.ppf((1 + level) / 2, size, share)) + 1
        ends = (days[low - 1] if low >= 1 else np.nan, days[high - 1] if high <= size else np.nan)
        rows.append((share, days[int(np.ceil(share * size)) - 1], *ends))
    return pd.DataFrame(rows, columns=["share", "days", "low", "high"])
