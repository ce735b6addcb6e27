"""What journeys look like, in sentences whose direction comes from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import DataError
from crmlib.findings import Finding, between, fitting, percent, verdict

if TYPE_CHECKING:
    import pandas as pd

_ONE_TOUCH = "Journeys of a single touch"


def frequent(paths: pd.DataFrame, *, where: str, level: float = 0.95) -> Finding:
    """The path most journeys go, and whether it converts more or less often than the others.

    Parameters
    ----------
    paths : pandas.DataFrame
        As `frequent_paths` gives them, through `rate_comparison`.
    """
    if paths.empty:
        raise DataError(f"{where} has no ended journey with a touch; give touches and outcomes")
    first = paths.iloc[0]
    sentence = (
        f"On {where} the most frequent path is {first['path']}, {percent(first['share'])} of journeys; "
        f"{percent(first['rate'])} of them convert, {_gap(first, level)}"
    )
    told = paths[paths["distinct"]].sort_values("difference", kind="stable")
    if len(told) > 1 or (len(told) and told.index[0] != paths.index[0]):
        best = told.iloc[-1]
        if best["difference"] > 0 and best["path"] != first["path"]:
            sentence += f"; of the {len(paths)} most frequent, {best['path']} converts best ({percent(best['rate'])})"
    label = fitting(f"Journeys whose path is {first['path']}", "Journeys along the most frequent path")
    return Finding("most_frequent_path_share", first["share"], "share", f"{sentence}.", label=label)


def lengths(table: pd.DataFrame, *, where: str, level: float = 0.95) -> Finding:
    """How many journeys have one touch only, and whether they convert otherwise than longer ones.

    Parameters
    ----------
    table : pandas.DataFrame
        As `path_lengths` gives it, through `rate_comparison`.
    """
    short = table[table["touches"] == 1]
    if short.empty:
        sentence = f"On {where} 0.0 % of journeys have a single touch."
        return Finding("one_touch_share", 0.0, "share", sentence, label=_ONE_TOUCH)
    row = short.iloc[0]
    sentence = (
        f"On {where} {percent(row['share'])} of journeys have a single touch; {percent(row['rate'])} of them convert, "
        f"{_gap(row, level)}"
    )
    return Finding("one_touch_share", row["share"], "share", f"{sentence}.", label=_ONE_TOUCH)


def times(quantiles: pd.DataFrame, *, where: str, level: float = 0.95) -> Finding:
    """Within how many days half of the conversions had come.

    Parameters
    ----------
    quantiles : pandas.DataFrame
        As `time_quantiles` gives them, with the shares 0.5 and 0.9.
    """
    half, most = (quantiles[np.isclose(quantiles["share"], share)].iloc[0] for share in (0.5, 0.9))
    ends = between(half["low"], half["high"], lambda days: f"{days:.1f}", level)
    sentence = (
        f"On {where} half of those who convert do so within {half['days']:.1f} days{ends} of their first touch, nine "
        f"in ten within {most['days']:.1f}"
    )
    known = half[["low", "high"]].notna().all()
    label = "First touch to conversion, median" + (", simulated" if "simulated" in where else "")
    rest = (half["low"], half["high"], level, label) if known else (None, None, None, label)
    return Finding("median_days_to_conversion", half["days"], "days", f"{sentence}.", *rest)


def mistaken_presence(presence: pd.DataFrame, *, where: str) -> Finding:
    """The channel whose journeys' conversion rate says most too much of what it does.

    Parameters
    ----------
    presence : pandas.DataFrame
        As `channel_presence` gives it, with `effect`: what the channel really adds to the rate of the journeys that
        hold it.
    """
    gap = presence["difference"].to_numpy(dtype=float) - presence["effect"].to_numpy(dtype=float)
    row = presence.iloc[int(gap.argmax())]
    best = presence.sort_values("effect", ascending=False, kind="stable").iloc[0]
    sentence = (
        f"On {where} journeys through {row['channel']} convert {_points(row['difference'])} than others, but without "
        f"it they would convert {_points(-row['effect'])} than they do; {best['channel']} adds most, "
        f"{100 * best['effect']:.1f} points"
    )
    label = fitting(f"Rate through {row['channel']} beyond what it does", "Rate through a channel beyond what it does")
    return Finding("points_too_many", float(gap.max()), "share", f"{sentence}.", label=label)


def collapsed(before: pd.DataFrame, after: pd.DataFrame, *, where: str) -> Finding:
    """What counting repeats as one step does to the most frequent path.

    Parameters
    ----------
    before, after : pandas.DataFrame
        As `frequent_paths` gives them, with repeats and without.
    """
    one, other = before.iloc[0], after.iloc[0]
    sentence = (
        f"On {where}, once immediate repeats count as one step, {percent(other['share'])} of journeys go "
        f"{other['path']}; with repeats the most frequent path, {one['path']}, had {percent(one['share'])}"
    )
    label = fitting(
        f"Journeys whose path is {other['path']}, repeats counted once", "Most frequent path, repeats counted once"
    )
    return Finding("collapsed_path_share", other["share"], "share", f"{sentence}.", label=label)


def _gap(row: pd.Series, level: float) -> str:
    """A group's rate against that of all other journeys, in half a sentence."""
    if row.isna()["others"]:
        return "and there are no others to compare"
    if row.isna()[["low", "high"]].any():
        return f"against {percent(row['others'])} of the others, which are too few to compare"
    sign = 1 if row["distinct"] else 0
    among = "" if row["low"] <= 0 <= row["high"] else ", with so many compared,"
    told = verdict(
        sign * row["low"],
        sign * row["high"],
        above=f"more than the {percent(row['others'])} of all others",
        below=f"less than the {percent(row['others'])} of all others",
        same=f"which{among} cannot be told apart from the {percent(row['others'])} of all others",
    )
    ends = f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f} points, {100 * level:g} % interval"
    return f"{told} ({ends})"


def _points(gap: float) -> str:
    return f"{abs(100 * gap):.1f} points {'more' if gap > 0 else 'less'} often"
