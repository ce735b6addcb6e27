"""Time to an event that is observed: Kaplan and Meier's curve, of all and by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd


def survival_curve(
    durations: Any, observed: Any, *, entry: Any = None, weights: Any = None, level: float = 0.95
) -> pd.DataFrame:
    """Array: Kaplan-Meier estimate of the share without the event after each duration.

    Only for an event that is observed, such as the end of a contract or a second order, with those
    who have not had it censored at the end of the data; a customer's last order is no such event.

    Parameters
    ----------
    durations : array-like of float, shape (n,)
        Time to the event or to censoring, at least 0; the unit is the caller's.
    observed : array-like of bool, shape (n,)
        Whether the event was seen.
    entry : array-like of float, shape (n,), optional
        Time from which each was watched, at most its duration; nobody who had the event before then is in the
        data (left truncation). At risk at t is who entered before t. Where few are at risk early, one event
        can take the whole curve down: look at `at_risk`.
    weights : array-like of float, shape (n,), optional
        How many customers each entry stands for.
    level : float
        Pointwise level; the interval is Greenwood's on the log-minus-log scale.

    Returns
    -------
    pandas.DataFrame, one row a time with an event, ascending, after a first row at time 0
        time, at_risk, events, survival (0-1), low, high. With no event: the first row alone.
        The first row's at_risk are all who were watched at some time.

    Raises
    ------
    DataError
        Empty input, unequal lengths, or a duration that is missing or negative.

    Examples
    --------
    >>> survival_curve([1, 2, 2, 3], [True, True, False, False])[["time", "at_risk", "events", "survival"]]
       time  at_risk  events  survival
    0   0.0      4.0     0.0      1.00
    1   1.0      4.0     1.0      0.75
    2   2.0      3.0     1.0      0.50
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    time, status, entered = spells(durations, observed, entry)
    counts = np.ones(len(time)) if weights is None else np.asarray(weights, dtype=float)
    if len(counts) != len(time):
        raise DataError(f"weights have {len(counts)} entries, durations {len(time)}; give one a customer")
    if entry is not None:  # without time at risk nobody counts
        watched = time > entered
        time, status, entered, counts = time[watched], status[watched], entered[watched], counts[watched]
    start = pd.DataFrame(
        {"time": [0.0], "at_risk": counts.sum(), "events": 0.0, "survival": 1.0, "low": 1.0, "high": 1.0}
    )
    if not status.any():
        return start
    from statsmodels.duration.survfunc import SurvfuncRight

    fit = SurvfuncRight(time, status.astype(int), entry=None if entry is None else entered, freq_weights=counts)
    seen = fit.n_events > 0
    at_risk, events, survival = fit.n_risk[seen], fit.n_events[seen], fit.surv_prob[seen]
    low, high = _log_minus_log(survival, at_risk, events, norm.ppf(0.5 + level / 2))
    columns = {"time": fit.surv_times[seen], "at_risk": at_risk, "events": events, "survival": survival}
    rows = pd.DataFrame({**columns, "low": low, "high": high}).astype(float)
    return pd.concat([start, rows], ignore_index=True)


def spells(durations: Any, observed: Any, entry: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Array: time, event and start of watching of each customer, checked.

    Raises
    ------
    DataError
        Empty input, unequal lengths, a duration that is missing or negative, an event that is neither true
        nor false, or an entry after the duration.
    """
    time, flags = np.asarray(durations, dtype=float), np.asarray(observed)
    start = np.zeros(len(time)) if entry is None else np.asarray(entry, dtype=float)
    if not len(time) or not len(time) == len(flags) == len(start):
        raise DataError(
            f"durations, observed and entry need one length above 0, not {len(time)}, {len(flags)} and {len(start)}"
        )
    if not (np.isfinite(time) & (time >= 0)).all():
        raise DataError("durations must be finite and at least 0; a negative one has its event before its start")
    if flags.dtype != bool and not set(np.unique(flags.astype(str))) <= {"True", "False", "0", "1", "0.0", "1.0"}:
        raise DataError("observed must be true or false for every customer; fill or leave out the others")
    if not (np.isfinite(start) & (start >= 0) & (start <= time)).all():
        raise DataError("entry must lie between 0 and the duration; watching cannot begin after the end")
    return time, flags.astype(float) > 0, start


def _log_minus_log(
    survival: np.ndarray, at_risk: np.ndarray, events: np.ndarray, z: float
) -> tuple[np.ndarray, np.ndarray]:
    """Interval from Greenwood's variance of log S, Σ d / (n (n − d)), put on the scale of log(−log S).

    Not statsmodels' standard error: with frequency weights it counts their squares.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = z * np.sqrt(np.cumsum(events / (at_risk * (at_risk - events)))) / np.abs(np.log(survival))
        low, high = survival ** np.exp(spread), survival ** np.exp(-spread)
    ends = (survival <= 0) | (survival >= 1)  # the scale has no width there
    return np.where(ends, survival, low), np.where(ends, survival, high)


def curve_at(curve: pd.DataFrame, time: float) -> pd.Series:
    """Array: the row of a survival curve in force at a time: the last one at or before it."""
    if time < 0:
        raise ParameterError(f"time is {time}; give one at or after 0")
    return curve.iloc[int(np.searchsorted(curve["time"].to_numpy(), time, side="right")) - 1]


def survival_by_group(
    durations: Any, observed: Any, groups: Any, *, entry: Any = None, level: float = 0.95
) -> pd.DataFrame:
    """Array: a Kaplan-Meier curve for each group.

    Parameters
    ----------
    durations, observed, entry, level
        As `survival_curve` takes them.
    groups : array-like, shape (n,)
        Each customer's group; none may be missing. One group is allowed.

    Returns
    -------
    pandas.DataFrame, one row a group and time, groups in the order of their names
        group, then the columns of `survival_curve`, then followed: the longest duration in the group, beyond
        which nothing is known of it. A group nobody left has its first row alone.

    Raises
    ------
    DataError
        As `survival_curve`; a missing group.
    """
    import pandas as pd

    time, status, start = spells(durations, observed, entry)
    labels = labels_of(groups, len(time))
    parts = []
    for name in sorted(labels.unique(), key=str):
        inside = (labels == name).to_numpy()
        curve = survival_curve(
            time[inside], status[inside], entry=None if entry is None else start[inside], level=level
        )
        curve.insert(0, "group", name)
        parts.append(curve.assign(followed=time[inside].max()))
    return pd.concat(parts, ignore_index=True)


def groups_at(curves: pd.DataFrame, time: float) -> pd.DataFrame:
    """Array: share still there at one tenure, of the groups that were followed that long.

    Parameters
    ----------
    curves : pandas.DataFrame
        As `survival_by_group` gives them.
    time : float
        At least 0.

    Returns
    -------
    pandas.DataFrame, one row a group, who has lost most first
        group, then the row of its curve in force. A group of shorter follow-up is left out, for its last share
        is that of an earlier tenure, unless all have left before: then the share stays 0.

    Raises
    ------
    DataError
        No group was followed that long.
    """
    import pandas as pd

    rows = [curve_at(curve, time) for _, curve in curves.groupby("group", sort=False)]
    table = pd.DataFrame(rows).infer_objects()
    known = table[(table["followed"] >= time) | (table["survival"] <= 0)]
    if known.empty:
        raise DataError(f"nobody was followed for {time:g}; give a tenure up to {curves['followed'].max():g}")
    return known.sort_values("survival", kind="stable").reset_index(drop=True)


def labels_of(groups: Any, n: int) -> pd.Series:
    """Array: group of each of n customers; a missing one is refused."""
    import pandas as pd

    labels = pd.Series(np.asarray(groups, dtype=object))
    if len(labels) != n:
        raise DataError(f"groups have {len(labels)} entries, durations {n}; give one a customer")
    if labels.isna().any():
        raise DataError(
            f"{int(labels.isna().sum())} customers have no group; give them one of their own, or leave them out"
        )
    return labels
