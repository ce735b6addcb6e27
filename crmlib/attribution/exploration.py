"""What journeys look like: how long they are, how long they take, which paths are most frequent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.attribution.paths import Paths
from crmlib.attribution.reading import read
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd


def path_lengths(touches: Any, outcomes: Any, *, level: float = 0.95) -> pd.DataFrame:
    """Array: journeys by number of touches, and how many of them converted.

    Longer journeys are those that did not convert earlier, so a rate that falls with length does not
    say that touches drive people away, nor one that rises that they persuade.

    Parameters
    ----------
    touches, outcomes
        As in `credits`. Journeys without a touch, and open ones (neither conversion nor null), are left out.
    level : float
        Coverage of Wilson's interval of each rate.

    Returns
    -------
    pandas.DataFrame, one row a length that occurs, sorted
        touches (count), journeys, conversions, share (of all journeys, 0-1), rate (conversions per
        journey), low, high.

    References
    ----------
    Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference, JASA
    22, 209-212.
    """
    import pandas as pd

    paths = read(touches, outcomes)
    length = paths.lengths
    table = (
        pd.DataFrame({"touches": length, "journeys": paths.journeys, "conversions": paths.conversions})
        .groupby("touches", as_index=False)[["journeys", "conversions"]]
        .sum()
    )
    table = table[table["journeys"] > 0].reset_index(drop=True)
    table["share"] = table["journeys"] / table["journeys"].sum()
    return _with_rate(table, level)


def frequent_paths(
    touches: Any, outcomes: Any, *, most: int = 10, collapse: bool = False, level: float = 0.95
) -> pd.DataFrame:
    """Array: the paths that most journeys went, with their conversion rate.

    Parameters
    ----------
    touches, outcomes
        As in `credits`; open journeys are left out.
    most : int
        How many paths; ties go to the one that comes first in the alphabet.
    collapse : bool
        Whether immediate repeats of a channel count as one step.
    level : float
        Coverage of Wilson's interval of each rate.

    Returns
    -------
    pandas.DataFrame, one row a path, the most frequent first
        path (channels joined by " > "), journeys, conversions, value, share (of all journeys, 0-1), rate
        (conversions per journey), low, high.
    """
    import pandas as pd

    if isinstance(most, bool) or not isinstance(most, (int, np.integer)) or most < 1:
        raise ParameterError(f"most is {most!r}; give a whole number from 1 on")
    paths = read(touches, outcomes)
    grouped, _ = (_collapsed(paths) if collapse else paths).distinct()
    names = np.array(paths.channels, dtype=object)
    ends = zip(grouped.starts[:-1], grouped.starts[1:], strict=True)
    table = pd.DataFrame({"path": [" > ".join(names[grouped.codes[start:end]]) for start, end in ends]})
    table["journeys"], table["conversions"], table["value"] = grouped.journeys, grouped.conversions, grouped.value
    table = table[table["journeys"] > 0].astype({"path": "str"})
    table["share"] = table["journeys"] / table["journeys"].sum()
    table = table.sort_values(["journeys", "path"], ascending=[False, True], ignore_index=True).head(most)
    return _with_rate(table, level)


def conversion_times(touches: Any, outcomes: Any) -> pd.DataFrame:
    """Array: days from the first touch to the conversion, of journeys that converted.

    Conversions alone: it says how long those took who converted, not how long anybody will. Touches
    before the look-back of `journeys` are not seen, so no time exceeds it.

    Parameters
    ----------
    touches : any frame
        journey_id, touched_at.
    outcomes : any frame
        journey_id, conversions, converted_at.

    Returns
    -------
    pandas.DataFrame, one row a journey that converted, the quickest first
        days (float, from 0), conversions, share (of conversions that took at most so long, 0-1).

    Raises
    ------
    MissingColumnsError
        No touched_at or converted_at: the source does not know times.
    DataError
        A conversion before its journey's first touch, or no conversion with both times.
    """
    import narwhals.stable.v2 as nw

    from crmlib.frames import to_pandas, wrap

    seen: Any = wrap(touches, ("journey_id", "touched_at"), table="touches")
    ended: Any = wrap(outcomes, ("journey_id", "conversions", "converted_at"), table="outcomes")
    seen = seen.with_columns(nw.col("touched_at").cast(nw.Datetime("us")))
    first = seen.group_by("journey_id").agg(first=nw.col("touched_at").min())
    won = ended.filter(nw.col("conversions") > 0, ~nw.col("converted_at").is_null())
    won = won.with_columns(nw.col("converted_at").cast(nw.Datetime("us")))
    both = to_pandas(won.join(first, on="journey_id", how="inner").to_native(), sort_by=["journey_id"])
    both = both[both["first"].notna()]
    if both.empty:
        raise DataError(
            "no journey has a conversion and a touch whose times are known; give touched_at and converted_at"
        )
    days = (both["converted_at"] - both["first"]).dt.total_seconds() / 86_400
    if (days < 0).any():
        raise DataError(f"{int((days < 0).sum())} journeys convert before their first touch; correct the times")
    table = both.assign(days=days)[["days", "conversions"]].sort_values("days", kind="stable", ignore_index=True)
    return table.assign(share=table["conversions"].cumsum() / table["conversions"].sum())


def _collapsed(paths: Paths) -> Paths:
    """Journeys without immediate repeats of a channel."""
    new = np.ones(len(paths.codes), dtype=bool)
    new[1:] = paths.codes[1:] != paths.codes[:-1]
    new[paths.starts[:-1]] = True
    starts = np.concatenate([[0], np.cumsum(new)])[paths.starts]
    return Paths(paths.channels, paths.codes[new], starts, paths.conversions, paths.nulls, paths.value)


def _with_rate(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Conversions per journey with Wilson's interval."""
    from statsmodels.stats.proportion import proportion_confint

    require_level(level)
    won, made = table["conversions"].to_numpy(dtype=float), table["journeys"].to_numpy(dtype=float)
    low, high = proportion_confint(won, made, alpha=1 - level, method="wilson")
    return table.assign(rate=won / made, low=low, high=high)
