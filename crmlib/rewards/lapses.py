"""Lapses: since when a customer is silent for longer than they ever are, month by month.

Nobody tells a shop that they leave. A customer has *lapsed* when their silence has grown to a multiple of the mean
time between their own orders so far, so that a slow customer is not called lost for being slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date
from crmlib.intervals import require_level
from crmlib.rewards.tables import first_joinings, order_instants

if TYPE_CHECKING:
    import datetime

    import pandas as pd

#: Columns of `lapse_trials`.
TRIAL_COLUMNS = (
    *("customer_id", "month", "member", "days", "lapsed", "joins"),
    *("pace", "silence", "newest", "recent", "half_year", "past"),
)
_DAY = 86_400_000_000  # microseconds
_WINDOWS = {"newest": 30, "recent": 90, "half_year": 180}  # days


def lapse_trials(
    orders: Any, memberships: Any, *, as_of: str | datetime.date, multiple: float = 4.0, shortest: float = 30.0
) -> pd.DataFrame:
    """Array: for each month, who joined in the month before and who did not, and how long until they lapsed.

    Parameters
    ----------
    orders : any frame
        customer_id, ordered_at [amount: a negative one is a return and no order]; rows without customer or instant
        are left out.
    memberships : any frame
        customer_id, joined_at; the first where a customer has several.
    as_of : date or ISO string
        Last day of the data.
    multiple : float
        A silence of so many times the mean time between a customer's orders, up to the month's first day, is a lapse.
    shortest : float
        But no silence shorter than this (days).

    Returns
    -------
    pandas.DataFrame, one row a month and customer who has ordered three times or more before its first day, has not
    lapsed and was no member a month before
        customer_id, month (its first day), member (bool: joined in the month before), days (until lapse or end of the
        data), lapsed (bool), joins (days until a later joining; missing if never), pace (mean days between orders),
        silence (days since the last order, as a share of what would be a lapse), newest, recent and half_year (orders
        of the last 30, 90 and 180 days), past (all orders so far).

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        Nobody who ordered joined while the data run, or nobody who joined had ordered three times.
    """
    import pandas as pd

    code, day, joined, ids, end = _histories(orders, memberships, as_of, multiple, shortest)
    earliest = pd.Timestamp(0) + pd.Timedelta(days=int(joined.min()))
    last = pd.Timestamp(0) + pd.Timedelta(days=int(end) - 1)
    months = pd.date_range(earliest, last, freq="MS", unit="us")
    trials = [_trial(code, day, joined, (month - pd.Timestamp(0)).days, end, multiple, shortest) for month in months]
    found = [trial.assign(month=month) for trial, month in zip(trials, months, strict=True) if trial["member"].any()]
    if not found:
        raise DataError(
            "nobody had joined and ordered three times by the start of a month and gone on; take a longer time"
        )
    table = pd.concat(found, ignore_index=True)
    table["customer_id"] = ids[table["customer"]]
    return table[list(TRIAL_COLUMNS)]


def lapsed_to_date(
    orders: Any,
    memberships: Any,
    *,
    as_of: str | datetime.date,
    multiple: float = 4.0,
    shortest: float = 30.0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Array: share of members and of others who have lapsed by the data's last day: the usual, naive comparison.

    Members had to live to join, so their share is the lower even if the programme keeps nobody.

    Parameters
    ----------
    orders, memberships, as_of, multiple, shortest
        As in `lapse_trials`.
    level : float

    Returns
    -------
    pandas.DataFrame, three rows
        group ("members", "others", "difference": members - others), customers (who ordered three times or more),
        lapsed (of them), share, low, high (Wilson; of the difference Newcombe). NaN for an empty group.

    Raises
    ------
    MissingColumnsError, ParameterError, DataError
    """
    import pandas as pd
    from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

    require_level(level)
    code, day, joined, _, end = _histories(orders, memberships, as_of, multiple, shortest)
    past, latest, pace = _paces(code, day, end, len(joined))
    known = past >= 3
    lapsed = end - latest > np.maximum(multiple * pace, shortest)
    rows: list[tuple[str, float, float, float, float, float]] = []
    for group, inside in (("members", np.isfinite(joined)), ("others", ~np.isfinite(joined))):
        n, k = int((known & inside).sum()), int((known & inside & lapsed).sum())
        ends = proportion_confint(k, n, alpha=1 - level, method="wilson") if n else (np.nan, np.nan)
        rows.append((group, n, k, k / n if n else np.nan, *ends))
    (_, n1, k1, share1, *_), (_, n2, k2, share2, *_) = rows
    ends = (np.nan, np.nan)
    if n1 and n2:
        ends = confint_proportions_2indep(k1, n1, k2, n2, method="newcomb", compare="diff", alpha=1 - level)
    rows.append(("difference", n1 + n2, k1 + k2, share1 - share2, *ends))
    return pd.DataFrame(rows, columns=["group", "customers", "lapsed", "share", "low", "high"])


def _histories(
    orders: Any, memberships: Any, as_of: str | datetime.date, multiple: float, shortest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Customer and day (since 1970) of each order, sorted; joining day (inf if never) and id of each; end."""
    import pandas as pd

    if not multiple > 0 or not shortest > 0:
        raise ParameterError(f"multiple is {multiple}, shortest {shortest}; give numbers above 0, such as 4 and 30")
    last = as_date(as_of, name="as_of")
    if last is None:
        raise ParameterError("lapses need as_of; give the last day of the data as YYYY-MM-DD")
    end = float((np.datetime64(last, "D") + 1 - np.datetime64("1970-01-01", "D")).astype(int))
    bought = order_instants(orders)
    joins = first_joinings(memberships, bought)
    bought = bought.assign(day=_days(bought["ordered_at"]))
    bought = bought[bought["day"] < end].sort_values(["customer_id", "day"])
    first = joins.assign(day=_days(joins["joined_at"])).set_index("customer_id")["day"]
    code, ids = pd.factorize(bought["customer_id"])
    joined = first.reindex(ids).to_numpy(dtype=float)
    joined = np.where(joined < end, joined, np.inf)  # missing and later ones are no members
    if not np.isfinite(joined).any():
        raise DataError(f"nobody who ordered joined up to {last}; there is no membership to compare by")
    return code, bought["day"].to_numpy(), joined, np.asarray(ids), end


def _days(instants: pd.Series) -> np.ndarray:
    """Days since 1970, with parts of a day."""
    return instants.astype("int64").to_numpy() / _DAY


def _paces(code: np.ndarray, day: np.ndarray, start: float, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each customer before a day: number of orders, the last one's day, mean days between them."""
    past = np.bincount(code[day < start], minlength=n)
    edge = np.searchsorted(code, np.arange(n))
    latest = np.where(past > 0, day[np.minimum(edge + past - 1, len(day) - 1)], -np.inf)
    pace = np.where(past > 0, latest - day[edge], 0.0) / np.maximum(past - 1, 1)
    return past, latest, pace


def _trial(
    code: np.ndarray, day: np.ndarray, joined: np.ndarray, start: int, end: float, multiple: float, shortest: float
) -> pd.DataFrame:
    """One month's trial; orders by customer and day."""
    import pandas as pd

    n = len(joined)
    past, latest, pace = _paces(code, day, start, n)
    limit = np.maximum(multiple * pace, shortest)
    follows = np.append(day[1:], end)
    follows[np.append(code[1:] != code[:-1], True)] = end  # each one's last silence is seen up to the end
    silent = (follows > start) & (follows - day > limit[code])
    lapse = np.full(n, np.inf)
    np.minimum.at(lapse, code[silent], day[silent] + limit[code[silent]])
    before = (np.datetime64(start, "D").astype("datetime64[M]") - 1).astype("datetime64[D]").astype(int)
    member = joined < start
    table = pd.DataFrame(
        {
            "customer": np.arange(n),
            "member": member,
            "days": np.minimum(lapse, end) - start,
            "lapsed": lapse < end,
            "joins": np.where(member | np.isinf(joined), np.nan, joined - start),
            "pace": pace,
            "silence": (start - latest) / limit,
            **{name: _orders_within(code, day, start, span, n) for name, span in _WINDOWS.items()},
            "past": past,
        }
    )
    return table[(past >= 3) & (start - latest <= limit) & (joined >= before) & (table["days"].to_numpy() > 0)]


def _orders_within(code: np.ndarray, day: np.ndarray, start: float, span: float, n: int) -> np.ndarray:
    """Each customer's orders in the days before a day."""
    return np.bincount(code[(day < start) & (day >= start - span)], minlength=n)
