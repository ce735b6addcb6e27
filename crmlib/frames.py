"""Any frame in, the same kind out: column checks, calendar arithmetic, the door to pandas.

Frame functions take whatever `narwhals.stable.v2` reads (pandas, Polars eager or lazy, DuckDB
relations, Spark) and give the same kind back; lazy stays lazy. Small results leave through
`to_pandas`, the one door from a frame to arrays.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmlib.errors import DataError, MissingColumnsError, ParameterError

if TYPE_CHECKING:
    import pandas as pd

#: Calendar periods that cohort and panel functions accept, finest first.
PERIODS = ("day", "week", "month", "quarter", "year")

_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def wrap(frame: Any, columns: Sequence[str], *, table: str) -> nw.DataFrame[Any] | nw.LazyFrame[Any]:
    """Narwhals view of `frame` with only `columns`, or an error that names what is missing.

    Parameters
    ----------
    frame : any frame
    columns : sequence of str
        The columns that the caller reads; others are dropped, which on lazy engines means
        they are never scanned.
    table : str
        What the frame is meant to be, for the message.

    Raises
    ------
    MissingColumnsError
        A column is not there.
    DataError
        The object is no frame at all, or has two columns of one name.
    """
    try:
        view = nw.from_native(frame)
    except TypeError as error:
        kind = type(frame).__name__
        raise DataError(f"{table} must be a data frame (pandas, Polars, DuckDB or Spark), not {kind}") from error
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"{table} has two columns of one name; drop or rename one") from error
    present = view.collect_schema().names()
    missing = [name for name in columns if name not in present]
    if missing:
        raise MissingColumnsError(
            f"{table} lacks {', '.join(map(repr, missing))} (it has {', '.join(map(repr, present))}); "
            "rename or add the column, see data/README.md"
        )
    return view.select(*columns)


def day_number(instant: nw.Expr) -> nw.Expr:
    """Whole days since 1970-01-01 (Int64) of a date or datetime column, the same on every engine.

    From year y and ordinal day d of the proleptic Gregorian calendar:
    365 (y − 1970) + ⌊(y − 1969)/4⌋ − ⌊(y − 1901)/100⌋ + ⌊(y − 1601)/400⌋ + d − 1, for y ≥ 1601.
    Drop missing instants before: pandas' integers have no value for them.
    """
    year = instant.dt.year().cast(nw.Int64)
    leap_days = (year - 1969) // 4 - (year - 1901) // 100 + (year - 1601) // 400
    return (365 * (year - 1970) + leap_days + instant.dt.ordinal_day().cast(nw.Int64) - 1).cast(nw.Int64)


def period_number(instant: nw.Expr, period: str) -> nw.Expr:
    """Consecutive number (Int64) of the calendar period an instant falls in.

    Months count from year 0, weeks begin on Monday (1970-01-05 begins week 1), days from
    1970-01-01. Two instants are n periods apart when their numbers differ by n.

    Raises
    ------
    ParameterError
        `period` is not one of `PERIODS`.
    """
    year = instant.dt.year().cast(nw.Int64)
    month = instant.dt.month().cast(nw.Int64)
    if period == "day":
        return day_number(instant)
    if period == "week":
        return (day_number(instant) + 3) // 7
    if period == "month":
        return year * 12 + month - 1
    if period == "quarter":
        return year * 4 + (month - 1) // 3
    if period == "year":
        return year
    raise ParameterError(f"period {period!r} is unknown; use one of {', '.join(PERIODS)}")


def period_start(instant: nw.Expr, period: str) -> nw.Expr:
    """First instant (datetime, microseconds) of the calendar period an instant falls in.

    Weeks begin on Monday.

    Raises
    ------
    ParameterError
        `period` is not one of `PERIODS`.
    """
    day = instant.cast(nw.Datetime("us")).dt.truncate("1d")
    if period == "week":
        monday = day
        for weekday in range(2, 8):  # no engine-neutral truncation to weeks
            monday = nw.when(day.dt.weekday() == weekday).then(day.dt.offset_by(f"-{weekday - 1}d")).otherwise(monday)
        return monday
    units = {"day": "1d", "month": "1mo", "quarter": "1q", "year": "1y"}
    if period not in units:
        raise ParameterError(f"period {period!r} is unknown; use one of {', '.join(PERIODS)}")
    return day.dt.truncate(units[period])


def as_date(value: str | datetime.date | None, *, name: str) -> datetime.date | None:
    """Date of an ISO string, date or datetime; `None` for `None` and `""` (not set).

    Raises
    ------
    ParameterError
        The text is no date of the form YYYY-MM-DD.
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime.datetime) and value == value:  # pandas' NaT is a datetime, unequal to itself
        return value.date()
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    try:
        text: Any = value
        if not _ISO_DAY.fullmatch(text):  # fromisoformat also takes 19970630 and 1997-W26-1
            raise ValueError
        return datetime.date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} is {value!r}; give a date as YYYY-MM-DD") from error


def first_rows(frame: Any, *, by: Sequence[str], columns: Sequence[str] | None = None, rows: int = 5) -> pd.DataFrame:
    """First rows by a named sort, as a small pandas frame: the same rows on every engine.

    Parameters
    ----------
    frame : any frame
    by : sequence of str
        Columns to sort by; enough of them that no two of the rows shown tie.
    columns : sequence of str, optional
        Columns to show; default all.
    rows : int
    """
    shown = list(columns) if columns is not None else nw.from_native(frame).collect_schema().names()
    table = wrap(frame, [*shown, *(name for name in by if name not in shown)], table="the table")
    return to_pandas(table.sort(*by).head(rows).to_native(), sort_by=by)[shown]


def to_pandas(frame: Any, *, sort_by: Sequence[str] = ()) -> pd.DataFrame:
    """Collected pandas copy of any frame: the one door from a frame to arrays.

    Parameters
    ----------
    frame : any frame
        Small by now: a result of frame functions. Lazy frames are executed here.
    sort_by : sequence of str
        Columns that fix the row order, which lazy results do not carry.

    Returns
    -------
    pandas.DataFrame
        With a fresh index; dates and instants as datetime64[us].
    """
    view = nw.from_native(frame)
    if isinstance(view, nw.LazyFrame):
        view = view.collect("pyarrow")
    table = view.to_pandas()
    for name, kind in view.schema.items():
        if isinstance(kind, (nw.Date, nw.Datetime)):
            table[name] = table[name].astype("datetime64[us]")
    if sort_by:
        table = table.sort_values(list(sort_by), kind="stable")
    return table.reset_index(drop=True)
