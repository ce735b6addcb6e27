"""Frame functions on every engine. Expected calendar values come from Python's own `datetime`."""

import datetime
from datetime import date

import narwhals.stable.v2 as nw
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmlib import frames
from crmlib.errors import DataError, MissingColumnsError, ParameterError

EPOCH = date(1970, 1, 1).toordinal()
# Around the epoch, leap days, centuries that are leap years (2000) and are not (1900, 2100), year ends.
DAYS = [
    date(1601, 1, 1),
    date(1899, 12, 31),
    date(1900, 2, 28),
    date(1900, 3, 1),
    date(1968, 12, 31),
    date(1969, 12, 28),
    date(1969, 12, 29),
    date(1969, 12, 31),
    date(1970, 1, 1),
    date(1970, 1, 4),
    date(1970, 1, 5),
    date(1997, 1, 1),
    date(2000, 2, 29),
    date(2000, 12, 31),
    date(2024, 2, 29),
    date(2024, 12, 30),
    date(2100, 2, 28),
    date(2100, 3, 1),
]


def instants(days):
    """Late in each day: the time of day must not move it."""
    return [datetime.datetime.combine(day, datetime.time(23, 59, 59)) for day in days]


def computed(native, expression) -> list:
    """Values of an expression over the column `at`, in the order of `id`, wherever it runs."""
    table = nw.from_native(native).select("id", value=expression(nw.col("at"))).to_native()
    return frames.to_pandas(table, sort_by=["id"])["value"].tolist()


def number(day: date, period: str) -> int:
    """Period number by Python's calendar."""
    days = day.toordinal() - EPOCH
    return {
        "day": days,
        # 1970-01-05 was a Monday and begins week 1.
        "week": (day.toordinal() - date(1970, 1, 5).toordinal()) // 7 + 1,
        "month": day.year * 12 + day.month - 1,
        "quarter": day.year * 4 + (day.month - 1) // 3,
        "year": day.year,
    }[period]


def start(day: date, period: str) -> date:
    """First day of the period by Python's calendar."""
    return {
        "day": day,
        "week": day - datetime.timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "quarter": day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1),
        "year": day.replace(month=1, day=1),
    }[period]


@pytest.mark.parametrize("values", [DAYS, instants(DAYS)], ids=["dates", "instants"])
def test_day_numbers_are_pythons(frame, values):
    native = frame({"id": range(len(DAYS)), "at": values})
    assert computed(native, frames.day_number) == [day.toordinal() - EPOCH for day in DAYS]


@pytest.mark.parametrize("period", frames.PERIODS)
def test_period_numbers_are_pythons(frame, period):
    native = frame({"id": range(len(DAYS)), "at": instants(DAYS)})
    assert computed(native, lambda at: frames.period_number(at, period)) == [number(day, period) for day in DAYS]


@pytest.mark.parametrize("period", frames.PERIODS)
@pytest.mark.parametrize("values", [DAYS, instants(DAYS)], ids=["dates", "instants"])
def test_period_starts_are_pythons(frame, period, values):
    native = frame({"id": range(len(DAYS)), "at": values})
    starts = computed(native, lambda at: frames.period_start(at, period))
    assert [value.to_pydatetime() for value in starts] == [
        datetime.datetime.combine(start(day, period), datetime.time()) for day in DAYS
    ]


@given(st.lists(st.dates(date(1601, 1, 1), date(2999, 12, 31)), min_size=1, max_size=20))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_day_has_its_number(days):
    native = pd.DataFrame({"id": range(len(days)), "at": pd.Series(instants(days)).astype("datetime64[us]")})
    assert computed(native, frames.day_number) == [day.toordinal() - EPOCH for day in days]
    assert computed(native, lambda at: frames.period_number(at, "week")) == [number(day, "week") for day in days]


def test_instants_that_are_left_once_missing_ones_are_dropped(frame):
    native = frame({"id": [0, 1], "at": [datetime.datetime(1997, 1, 1), None]})
    present = nw.from_native(native).filter(~nw.col("at").is_null()).to_native()
    assert computed(present, frames.day_number) == [9862]  # 27 years of 365 days and 7 leap days after 1970-01-01


@pytest.mark.parametrize("function", [frames.period_number, frames.period_start])
@pytest.mark.parametrize("period", ["fortnight", "", "Month", None])
def test_an_unknown_period_is_refused(function, period):
    with pytest.raises(ParameterError, match="use one of day, week, month, quarter, year"):
        function(nw.col("at"), period)


def test_wrap_keeps_the_columns_asked_for_and_the_kind(frame):
    native = frame({"a": [1, 2], "b": [3, 4], "c": [5, 6]})
    view = frames.wrap(native, ["c", "a"], table="orders")
    assert view.collect_schema().names() == ["c", "a"]
    assert frame.same_kind(view.to_native())


def test_wrap_names_what_is_missing_and_what_is_there(frame):
    with pytest.raises(MissingColumnsError) as raised:
        frames.wrap(frame({"a": [1], "b": [2]}), ["a", "c", "d"], table="orders")
    assert str(raised.value).startswith("orders lacks 'c', 'd' (it has 'a', 'b'); ")
    assert isinstance(raised.value, DataError)


@pytest.mark.parametrize("thing", [None, 3, "orders", [1, 2], {"a": [1]}, pd.Series([1])])
def test_wrap_refuses_what_is_no_frame(thing):
    with pytest.raises(DataError, match="orders must be a data frame") as raised:
        frames.wrap(thing, ["a"], table="orders")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("1997-06-30", date(1997, 6, 30)),
        (date(1997, 6, 30), date(1997, 6, 30)),
        (datetime.datetime(1997, 6, 30, 23, 59), date(1997, 6, 30)),
        (pd.Timestamp("1997-06-30 12:00"), date(1997, 6, 30)),
    ],
)
def test_as_date(value, expected):
    assert frames.as_date(value, name="as_of") == expected
    assert type(frames.as_date(value, name="as_of")) in (date, type(None))


@pytest.mark.parametrize(
    "value",
    [
        "30.6.1997",
        "1997-02-30",
        "1997-6-30",
        "19970630",
        "1997-W26-1",
        "1997-06-30T00:00",
        "today",
        19970630,
        1.5,
        pd.NaT,
    ],
)
def test_as_date_refuses_other_forms(value):
    with pytest.raises(ParameterError, match=r"as_of is .*; give a date as YYYY-MM-DD"):
        frames.as_date(value, name="as_of")


def test_to_pandas_sorts_and_collects(frame):
    native = frame({"id": [2, 1, 3], "day": [date(2024, 1, 2), date(2024, 1, 1), None], "x": [1.5, None, 2.5]})
    table = frames.to_pandas(native, sort_by=["id"])
    assert table["id"].tolist() == [1, 2, 3]
    assert table.index.tolist() == [0, 1, 2]
    assert str(table["day"].dtype) == "datetime64[us]"
    assert table["day"].iloc[0] == pd.Timestamp("2024-01-01")
    assert pd.isna(table["day"].iloc[2])
    assert pd.isna(table["x"].iloc[0])


def test_to_pandas_of_an_empty_frame(frame):
    native = frame({"id": [1], "day": [date(2024, 1, 2)]})
    empty = nw.from_native(native).filter(nw.col("id") > 1).to_native()
    table = frames.to_pandas(empty, sort_by=["id"])
    assert table.shape == (0, 2)
    assert str(table["day"].dtype) == "datetime64[us]"


def test_to_pandas_copies():
    original = pd.DataFrame({"id": [2, 1]})
    table = frames.to_pandas(original)
    table.loc[0, "id"] = 9
    assert original["id"].tolist() == [2, 1]


def test_first_rows_are_the_same_on_every_engine(frame):
    native = frame({"id": [3, 1, 2], "x": [30, 10, 20], "y": [1, 2, 3]})
    table = frames.first_rows(native, by=["id"], columns=["id", "x"], rows=2)
    assert table.to_dict("list") == {"id": [1, 2], "x": [10, 20]}


def test_first_rows_sort_by_a_column_that_is_not_shown(frame):
    native = frame({"id": [3, 1, 2], "x": [30, 10, 20]})
    assert frames.first_rows(native, by=["id"], columns=["x"], rows=2).to_dict("list") == {"x": [10, 20]}


def test_first_rows_name_a_missing_column(frame):
    with pytest.raises(MissingColumnsError, match="lacks 'z'"):
        frames.first_rows(frame({"id": [1]}), by=["id"], columns=["z"])
    with pytest.raises(MissingColumnsError, match="lacks 'z'"):
        frames.first_rows(frame({"id": [1]}), by=["z"])
