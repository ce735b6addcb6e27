"""Result tables: expected cells are worked out by hand from the rule that the docstring states."""

import datetime as dt
import html
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmlib import figures
from crmlib.errors import ParameterError
from crmlib.runner.tables import PublishedTables


def shown(frame, **options):
    """Head and rows as letters."""
    bundle = figures.table(frame, **options)._repr_mimebundle_()
    return [line.split(" | ") for line in bundle["text/plain"].splitlines()]


def published(frame, fewest=1, **options):
    """Page, and the rows of its file."""
    tables = PublishedTables(fewest)
    page = tables.html(figures.table(frame, **options)._repr_mimebundle_()["text/html"], 1)
    return page, tables.tables[0][1]


def test_an_estimate_and_its_ends_stand_under_one_head():
    frame = pd.DataFrame({"channel": ["a"], "retention_rate": [0.5], "low": [0.25], "high": [0.75], "orders": [3]})
    assert shown(frame) == [
        ["channel", "retention rate", "orders"],
        ["estimate", "low", "high"],
        ["a", "50.0 %", "25.0 %", "75.0 %", "3"],
    ]
    assert shown(frame, level=0.9)[0][1] == "retention rate (90 % interval)"
    assert published(frame)[1] == [
        ["channel", "retention rate estimate", "retention rate low", "retention rate high", "orders"],
        ["a", "0.500", "0.250", "0.750", "3"],
    ]


def test_named_ends_find_their_estimate_wherever_it_stands():
    frame = pd.DataFrame({"gap": [1.5], "customers": [2], "gap_low": [1.0], "gap_high": [2.0]})
    assert shown(frame)[0] == ["gap", "customers", "gap"]
    assert shown(frame)[2] == ["1.500", "2", "1.000", "2.000"]
    assert shown(pd.DataFrame({"name": ["a"], "low": [1.5], "high": [2.5]}))[0] == ["name", "low", "high"]


@pytest.mark.parametrize("estimate", [[1.5], [3], [0.25]])
def test_ends_that_nothing_allows_are_dashes_below_numbers(estimate):
    frame = pd.DataFrame({"share" if estimate == [0.25] else "gap": estimate, "low": [np.nan], "high": [np.nan]})
    assert shown(frame)[2][1:] == ["–", "–"]
    assert "gt_left" not in figures.table(frame)._repr_mimebundle_()["text/html"].partition("<table")[2]


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([1234.56, 7.0], ["1,235", "7"]),  # 4 digits of 1,234.56 are 1,235: no decimals for the column
        ([123.456, 7.0], ["123.5", "7.0"]),
        ([1.5, -0.25], ["1.500", "−0.250"]),
        ([0.05, 0.0123], ["0.0500", "0.0123"]),  # never more than four decimals ...
        ([0.00123, 0.0], ["0.00123", "0.00000"]),  # ... but for columns that would show nothing
        ([123456.7, 0.0123], ["123,457", "0.0123"]),  # differ more than 10,000-fold: each its own
        ([np.inf, 2.5, -np.inf], ["∞", "2.500", "−∞"]),
        ([1.0, np.nan], ["1", "–"]),  # counts that are floats because one is missing
        ([0, 12345], ["0", "12,345"]),
        ([True, False], ["yes", "no"]),
        (["a", None], ["a", "–"]),
        ([1.5, "not seen"], ["1.500", "not seen"]),
        (pd.to_datetime(["2024-02-29", None]), ["2024-02-29", "–"]),
        (
            [pd.Timestamp("2024-02-29"), pd.Timestamp("2024-02-29 07:15:16.641477")],
            ["2024-02-29", "2024-02-29 07:15:16"],
        ),
        ([dt.date(2024, 2, 29), dt.time(7, 15)], ["2024-02-29", "07:15:00"]),
    ],
)
def test_numbers_show_the_digits_that_their_column_deserves(values, cells):
    assert shown(pd.DataFrame({"worth": pd.Series(values)}))[1:] == [[cell] for cell in cells]


def test_shares_are_percentages_and_names_are_no_counts():
    frame = pd.DataFrame({"share": [0.123], "rate": [3.5], "customer_id": [12345], "year": [1997], "p_holm": [1e-9]})
    assert shown(frame) == [
        ["share", "rate", "customer id", "year", "p (Holm)"],
        ["12.3 %", "3.500", "12345", "1997", "< 0.001"],
    ]
    assert shown(pd.DataFrame({"p_value": [0.25, np.nan]}))[1:] == [["0.250"], ["–"]]
    assert shown(pd.DataFrame({"gap": [0.05], "gap_low": [-0.1], "gap_high": [0.2]}), percent=["gap"])[2] == [
        "5.00 %",
        "−10.00 %",
        "20.00 %",
    ]
    assert shown(frame[["share"]], digits=0)[1] == ["12 %"]
    assert shown(frame[["share"]], digits={"share": 2})[1] == ["12.30 %"]


def test_an_index_with_words_or_a_name_heads_the_rows():
    frame = pd.DataFrame(
        {"n": [1, 2, 3]}, index=pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)], names=["g", "h"])
    )
    assert shown(frame) == [["g", "h", "n"], ["x", "1", "1"], ["2", "2"], ["y", "1", "3"]]
    assert published(frame)[1] == [["g", "h", "n"], ["x", "1", "1"], ["x", "2", "2"], ["y", "1", "3"]]
    assert shown(frame["n"].reset_index(drop=True).iloc[1:]) == [["n"], ["2"], ["3"]]  # row numbers are no names
    assert shown(pl.DataFrame({"n": [7]})) == [["n"], ["7"]]


def test_a_missing_row_head_is_a_dash():
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index([np.nan, 3], name="joined"))
    assert shown(frame)[1:] == [["–", "1"], ["3", "2"]]


def test_two_levels_of_columns_are_words_of_one_head():
    frame = pd.DataFrame({"g": ["a", "a"], "n": [1.0, 2.5]}).groupby("g")[["n"]].agg(["mean", "max"])
    assert shown(frame) == [["g", "n mean", "n max"], ["a", "1.750", "2.500"]]


def test_a_long_table_says_how_long_it_is():
    rows = shown(pd.DataFrame({"n": range(1, 1235)}), most=2, note="Simulated.")
    assert rows[1:] == [["1"], ["2"], ["The first 2 of 1,234 rows."], ["Simulated."]]
    page, file = published(pd.DataFrame({"n": [1]}), title="one row a store", note="Simulated.")
    assert file == [["n"], ["1"]]
    assert "Simulated." in page
    assert "<caption>one row a store</caption>" in page


def test_an_empty_frame_is_an_empty_table():
    assert shown(pd.DataFrame({"a": [], "low": [], "high": []})) == [["a", "low", "high"]]
    assert shown(pd.DataFrame({"n": []}, index=pd.Index([], name="store"))) == [["store", "n"]]


@pytest.mark.parametrize(
    "options",
    [{"labels": {"b": "B"}}, {"percent": ["b"]}, {"digits": {"b": 1}}, {"most": 0}],
    ids=lambda o: next(iter(o)),
)
def test_what_the_table_cannot_do_is_refused(options):
    with pytest.raises(ParameterError, match=r"no column 'b'|show at least 1 row"):
        figures.table(pd.DataFrame({"a": [1]}), **options)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_words_from_the_data_stay_words(text):
    markup = figures.table(pd.DataFrame({text: [text]}), title=text, note=text)._repr_mimebundle_()["text/html"]
    cells = [html.unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", markup)]
    assert cells[1:] == [text, text]
    assert not re.search("<(?!/?(div|style|table|caption|thead|tbody|tfoot|tr|th|td|span)[ >])", markup)


def test_numbers_that_look_alike_make_one_table():
    """0.1 + 0.2 is 0.3 but for the last bit, in which machines differ; stored outputs are compared letter by letter."""
    one, other, third = (pd.DataFrame({"worth": [value]}) for value in (0.3, 0.1 + 0.2, 0.4))
    markup = [figures.table(frame)._repr_mimebundle_()["text/html"] for frame in (one, other, third)]
    assert markup[0] == markup[1]
    ids = [re.findall(r'id="(crm-[0-9a-f]{8})', page) for page in markup]
    assert ids[0] != ids[2]


def test_the_page_keeps_the_heads_and_drops_the_random_look():
    page, _ = published(pd.DataFrame({"share": [0.5], "low": [0.4], "high": [0.6]}))
    assert 'headers="t1-share t1-c0"' in page
    assert "<style" not in page
    assert "crm-" not in page


def test_small_groups_are_withheld_from_it():
    frame = pd.DataFrame({"g": ["a", "b", "c"], "customers": [3, 1250, 40], "share": [0.1, 0.2, 0.3]})
    page, file = published(frame, fewest=10)
    assert file[1:] == [["a", "withheld", "withheld"], ["b", "1250", "0.200"], ["c", "withheld", "withheld"]]
    assert "2 rows withheld" in page


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([2**53 + 1, 2**63 - 1], ["9,007,199,254,740,993", "9,223,372,036,854,775,807"]),
        ([1e-300, 1.5], ["1e-300", "1.500"]),
        ([1e300, 2e300], ["1e+300", "2e+300"]),
        ([-0.0, 2.0], ["0", "2"]),
        ([1 + 2j, 3], ["(1+2j)", "(3+0j)"]),
        ([Decimal("1.10"), Decimal("2.25")], ["1.100", "2.250"]),
        ([Decimal("1"), Decimal("-Infinity")], ["1", "−∞"]),
        ([dt.timedelta(1), "x"], ["1 days 00:00:00", "x"]),
        ([True, 2.5, "x", None], ["yes", "2.500", "x", "–"]),
        ([10**400, 1], [str(10**400), "1"]),
    ],
)
def test_every_kind_of_value_is_shown(values, shown):
    text = figures.table(pd.DataFrame({"v": values}))._repr_mimebundle_()["text/plain"]
    assert text.splitlines()[1:] == shown


def test_a_decimal_share_is_a_percentage():
    frame = pd.DataFrame({"share": [Decimal("0.1"), Decimal("0.5")]})
    assert figures.table(frame)._repr_mimebundle_()["text/plain"].splitlines()[1:] == ["10.0 %", "50.0 %"]


@pytest.mark.parametrize("wrong", [{"frame": {"a": [1]}}, {"frame": None}, {"digits": -1}, {"digits": True}])
def test_what_no_table_can_be_made_of_is_refused_in_words(wrong):
    with pytest.raises(ParameterError, match=r"no table|digits is"):
        figures.table(**{"frame": pd.DataFrame({"v": [1.5]}), **wrong})
