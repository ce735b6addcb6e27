"""Weeks of spend and customers, and whether they can tell anything: numbers, no gaps, channels that vary apart."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.budget.ages import UNKNOWN
from crmlib.errors import DataError
from crmlib.frames import as_date, day_number, to_pandas, wrap

if TYPE_CHECKING:
    import pandas as pd

#: Least part of the variance of a channel's spend that the other channels may leave to it.
_LEAST_ALONE = 0.01


def spend_weeks(spend: Any, customers: Any, *, as_of: datetime.date | str | None = None) -> pd.DataFrame:
    """Array: spend on each channel and customers won, week by week: what `response_curves` takes.

    Parameters
    ----------
    spend : any frame
        week (date or datetime, its first day), channel, spend (money). A week and channel without a row spent nothing;
        several rows are added up.
    customers : any frame
        acquired_at; who has none is left out.
    as_of : date or ISO string, optional
        Last day of both tables; weeks that end after it are left out. By default the last day of an acquisition.

    Returns
    -------
    pandas.DataFrame, one row a week from the first to the last one with spend
        week (date, its first day), one column a channel, sorted (money), customers (count).

    Raises
    ------
    DataError
        Weeks that do not begin whole weeks apart, spend or a channel that is missing, no customers, no whole week, a
        channel called "week" or "customers".
    MissingColumnsError
    """
    import pandas as pd

    begin, whole, paid = _paid(spend, customers, as_of)
    taken = sorted({"week", "customers"} & set(paid["channel"]))
    if taken:
        raise DataError(f"spend: a channel is called {taken[0]!r}, as a column of the weeks is; give it another name")
    table = paid.pivot_table(index="number", columns="channel", values="spend", aggfunc="sum", fill_value=0.0)
    table = table.reindex(range(whole), fill_value=0.0).rename_axis(columns=None).astype(float)
    won = _won(customers, ("acquired_at",))
    place = (won["day"].to_numpy() - begin) // 7
    inside = (place >= 0) & (place < whole)
    table["customers"] = np.bincount(place[inside], won["customers"].to_numpy()[inside], minlength=whole)
    first = pd.Timestamp(begin, unit="D")
    table.insert(0, "week", first + pd.to_timedelta(7 * np.arange(whole), unit="D"))
    return table.reset_index(drop=True)


def spend_costs(
    spend: Any, customers: Any, *, as_of: datetime.date | str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Array: what each channel cost in the whole weeks with spend, and the customers recorded for it in them.

    Parameters
    ----------
    spend, as_of
        As in `spend_weeks`.
    customers : any frame
        channel, acquired_at. A channel that is missing or blank is "(unknown)".

    Returns
    -------
    (costs, won)
        costs: channel, cost. won: channel, customers. What `payback_times` takes as costs and credited.

    Raises
    ------
    DataError, MissingColumnsError
        As in `spend_weeks`.
    """
    begin, whole, paid = _paid(spend, customers, as_of)
    paid = paid[paid["number"] < whole]
    costs = paid.groupby("channel", as_index=False)[["spend"]].sum().rename(columns={"spend": "cost"})
    won = _won(customers, ("acquired_at", "channel"))
    won = won[(won["day"] >= begin) & (won["day"] < begin + 7 * whole)]
    return costs, won.groupby("channel", as_index=False)[["customers"]].sum()


def _paid(spend: Any, customers: Any, as_of: datetime.date | str | None) -> tuple[int, int, pd.DataFrame]:
    """First day, number of whole weeks, and the spend with the number of its week."""
    view = wrap(spend, ("week", "channel", "spend"), table="spend")
    if not view.collect_schema()["spend"].is_numeric():
        raise DataError("spend: column spend holds no numbers; give money, 0 where nothing was spent")
    faulty = nw.any_horizontal(*(nw.col(name).is_null() for name in ("week", "channel", "spend")), ignore_nulls=False)
    if len(to_pandas(view.filter(faulty).to_native())):
        raise DataError("spend: a week, channel or amount is missing; fill it in, with 0 where nothing was spent")
    paid = to_pandas(view.with_columns(nw.col("channel").cast(nw.String), day=day_number(nw.col("week"))).to_native())
    won = _won(customers, ("acquired_at",))
    if paid.empty or won.empty:
        raise DataError("there is no spend, or no customer has an acquired_at; weeks need both")
    last = as_date(as_of, name="as_of")
    end = int(won["day"].max()) if last is None else (last - datetime.date(1970, 1, 1)).days
    begin = int(paid["day"].min())
    number = (paid["day"].to_numpy() - begin) / 7
    if (number % 1 != 0).any():
        raise DataError("spend: weeks do not begin whole weeks apart; give the first day of each, one weekday")
    whole = int(min(number.max() + 1, (end + 1 - begin) // 7))
    if whole < 1:
        raise DataError("spend: no week ends by the last day of the customers; give spend of the time they were won in")
    return begin, whole, paid.assign(number=number.astype(int))


def _won(customers: Any, columns: tuple[str, ...]) -> pd.DataFrame:
    """Customers by day of their acquisition, and by channel where that is among the columns."""
    view = wrap(customers, columns, table="customers").filter(~nw.col("acquired_at").is_null())
    keys, named = ["day"], {}
    if "channel" in columns:
        name = nw.col("channel").cast(nw.String)
        known = ~name.is_null() & (name.str.strip_chars() != "")
        keys, named = ["day", "channel"], {"channel": nw.when(known).then(name).otherwise(nw.lit(UNKNOWN))}
    days = view.with_columns(day=day_number(nw.col("acquired_at")), **named).group_by(*keys)
    return to_pandas(days.agg(nw.len().alias("customers")).to_native(), sort_by=keys)


def usable_weeks(
    weeks: pd.DataFrame, names: tuple[str, ...], outcome: str
) -> tuple[np.ndarray, tuple[str, ...], dict[str, float]]:
    """Spend of each channel that varies and, last, the outcome (weeks, channels + 1), once nothing is wrong with them.

    With the names of these channels, and the weekly spend of the others, which never varies.

    Raises
    ------
    DataError
        As `response_curves` says.
    """
    if not names:
        raise DataError("weeks: there is no channel; give one column of spend each")
    numbers = _numbers(weeks, [*names, outcome])
    for name, column in zip([*names, "the outcome"], numbers.T, strict=True):
        if not np.isfinite(column).all() or (column < 0).any():
            raise DataError(f"weeks: {name} has values that are missing, infinite or negative; correct them")
    if not len(numbers):
        raise DataError("there are no weeks; give each one row")
    if "week" in weeks.columns:
        _require_every_week(weeks["week"])
    steady = np.ptp(numbers, axis=0) <= 1e-9 * np.maximum(numbers.max(axis=0), 1e-300)
    steady[-1] = False  # the outcome stays
    kept = {name: float(numbers[0, place]) for place, name in enumerate(names) if steady[place]}
    varied = tuple(name for name in names if name not in kept)
    if not varied:
        raise DataError(f"spend on {' and '.join(names)} never varies, so nothing can be learnt of it; vary it by lot")
    least = 2 * (1 + 3 * len(varied))
    if len(numbers) < least:
        raise DataError(
            f"{len(numbers)} weeks are too few for {len(varied)} channels; give at least {least}, or add up channels"
        )
    numbers = numbers[:, ~steady]
    _require_apart(numbers[:, :-1], varied)
    return numbers, varied, kept


def _numbers(weeks: pd.DataFrame, names: list[str]) -> np.ndarray:
    for name in names:
        if getattr(weeks[name], "ndim", 1) != 1:
            raise DataError(f"weeks: column {name} stands twice; give each channel one")
        if getattr(weeks[name].dtype, "kind", "O") not in "iuf":
            raise DataError(f"weeks: column {name} holds no numbers; give money or counts, or leave it out")
    return np.asarray(weeks[names].to_numpy(dtype=float, na_value=np.nan))


def _require_apart(spend: np.ndarray, names: tuple[str, ...]) -> None:
    """Refuse channels whose spend the others' tells."""
    centred = (spend - spend.mean(axis=0)) / spend.std(axis=0)
    for number, name in enumerate(names):
        others = np.delete(centred, number, axis=1)
        rest = centred[:, number] - others @ np.linalg.lstsq(others, centred[:, number], rcond=None)[0]
        alone = float(np.mean(rest**2))  # 1 - R²
        if alone < _LEAST_ALONE:
            told = f"{100 * (1 - alone):.1f} %"
            raise DataError(
                f"spend on {name} follows that of the other channels to {told}; add up those that move alike"
            )


def _require_every_week(week: pd.Series) -> None:
    """Refuse weeks with a gap between them, twice or out of order."""
    import pandas as pd

    if getattr(week.dtype, "kind", "O") in "iuf":
        number = week.astype(float)
    else:
        try:
            number = (pd.to_datetime(week) - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=7)
        except (TypeError, ValueError) as error:
            raise DataError("weeks: column week holds neither numbers nor dates; give one of them") from error
    steps = np.diff(number.to_numpy(dtype=float))
    if not np.isfinite(steps).all() or (steps <= 0).any():
        raise DataError("weeks: a week has no number or date, stands twice or out of order; sort them by week")
    gap = int(np.argmax(np.abs(steps - 1)))
    if abs(steps[gap] - 1) > 1e-6:
        raise DataError(f"weeks: after {week.iloc[gap]} the next is {week.iloc[gap + 1]}; give each week one row")
