"""Exercises: each kind of mistake is named, and the answer never given away."""

import datetime
import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmlib import exercises
from crmlib.errors import ParameterError
from crmlib.exercises import checking, compare

TABLE = pd.DataFrame({"cohort": ["a", "b", "c"], "customers": [3, 2, 1], "share": [0.5, 0.25, 0.125]})


@pytest.fixture(autouse=True)
def _own_register(monkeypatch):
    monkeypatch.setattr(checking, "_REGISTERED", {})


# -- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "unit", "says"),
    [
        (None, "share", "there is no answer so far"),
        (..., "share", "there is no answer so far"),
        ("0.14746", "share", "should be one number (share), not text"),
        ([0.14746, 0.2], "share", "should be one number (share), not a list"),
        ({"a": 1}, "", "should be one number, not a dict"),
        (True, "share", "not a bool"),
        (0.1j, "", "not a complex"),
        (np.array([1.0, 2.0]), "", "not a ndarray"),
        (TABLE, "", "not a DataFrame"),
        (compare, "", "not a function"),
        (math.nan, "share", "not a finite number"),
        (-math.inf, "share", "not a finite number"),
        (14.746, "share", "that is a percentage"),
        (14.746, "USD", "a hundred times too much"),
        (0.0014746, "share", "a hundredth"),
        (-0.14746, "share", "the sign is not"),
        (-0.3, "USD", "the sign is wrong, and the size too"),
        (0.85254, "share", "the share of the others"),
        (1.2, "share", "lies between 0 and 1"),
        (-0.2, "share", "lies between 0 and 1"),
        (3.0, "USD", "an order of magnitude too large"),
        (0.001, "share", "an order of magnitude too small"),
        (0, "share", "an order of magnitude too small"),
        (0.2, "share", "too high."),
        (0.1, "share", "too low."),
    ],
)
def test_the_kind_of_mistake(answer, unit, says):
    result = compare(answer, 0.14746, unit=unit)
    assert not result.correct
    assert says in result.message
    assert repr(result).startswith("Not yet: ")
    assert "14746" not in repr(result)


@pytest.mark.parametrize(
    "answer", [0.14746, 0.1475, 0.1468, np.float32(0.1475), np.array([0.1475]), pd.Series([0.1475])]
)
def test_a_correct_number(answer):
    assert compare(answer, 0.14746, unit="share").correct
    assert repr(compare(answer, 0.14746)).startswith("Correct: ")


@pytest.mark.parametrize("truth", [7846, np.int64(7846), 7846.0])
def test_counts_can_be_asked_exactly(truth):
    assert compare(7846, truth, tolerance=0).correct
    assert compare(np.int32(7846), truth, tolerance=0).correct
    assert compare(7847, truth, tolerance=0).message == "too high."


def test_a_truth_of_zero():
    assert compare(0, 0).correct
    assert compare(0.001, 0).correct
    assert compare(1, 0).message == "too high."
    assert compare(-1, 0).message == "too low."


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_no_number_raises_and_only_near_ones_pass(answer, truth):
    result = compare(answer, truth, tolerance=0.01)
    if abs(answer - truth) > 0.011 * max(abs(truth), 1):
        assert not result.correct
    if answer == truth:
        assert result.correct
    assert "\n" not in repr(result)


# -- other kinds ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "truth", "correct", "says"),
    [
        (True, True, True, ""),
        (np.True_, True, True, ""),
        (1, True, False, "should be True or False, not a int"),
        (False, True, False, "that is not it"),
        (" 1997-01 ", "1997-01", True, ""),
        ("Week", "week", True, ""),
        ("month", "week", False, "that is not it"),
        (3, "week", False, "should be text in quotes, not a int"),
        (datetime.date(1997, 1, 2), datetime.date(1997, 1, 2), True, ""),
        (pd.Timestamp("1997-01-02"), datetime.date(1997, 1, 2), True, ""),
        (datetime.date(1997, 1, 3), pd.Timestamp("1997-01-02"), False, "that is not it"),
        ("1997-01-02", datetime.date(1997, 1, 2), False, "should be a date, not text"),
        ([1, 2, 3], [1, 2, 3], True, ""),
        (np.array([1.0, 2.0]), (1, 2), True, ""),
        (pd.Series([1, 2]), [1, 2], True, ""),
        ([1, 2], [1, 2, 3], False, "the answer has 2 values"),
        ([1, 200, 3], [1, 2, 3], False, "value 2: that is a hundred times too much"),
        (3, [1, 2], False, "should be a list of values, not a int"),
        ("ab", [1, 2], False, "should be a list of values, not text"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True, ""),
        (pd.Series({"b": 2, "a": 1}), {"a": 1, "b": 2}, True, ""),
        ({"a": 1}, {"a": 1, "b": 2}, False, "the answer lacks b"),
        ({"a": 1, "b": 3}, {"a": 1, "b": 2}, False, "b: too high."),
        ([1, 2], {"a": 1, "b": 2}, False, "should name its values (a dictionary), not be a list"),
    ],
)
def test_kinds(answer, truth, correct, says):
    result = compare(answer, truth)
    assert result.correct is correct
    assert says in result.message


# -- tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (0.5, "should be a table, not a float"),
        (TABLE["share"], "should be a table, not a Series"),
        (TABLE.drop(columns=["share"]), "lacks the column share."),
        (TABLE.drop(columns=["share", "cohort"]), "lacks the column cohort and share."),
        (TABLE.set_index("cohort"), "lacks the column cohort (it is the index; use reset_index)"),
        (TABLE.head(2), "2 rows, fewer than asked"),
        (pd.concat([TABLE, TABLE]), "6 rows, more than asked"),
        (TABLE.iloc[:0], "0 rows, fewer"),
        (TABLE.assign(share=[0.5, 0.25, 0.9]), "values in column share differ"),
        (TABLE.assign(share=["x", "y", "z"]), "values in column share differ"),
        (TABLE.assign(share=[0.5, 0.25, None]), "values in column share differ"),
        (TABLE.assign(cohort=["a", "b", "d"]), "values in column cohort differ"),
        (TABLE.assign(cohort=["a", 3, None]), "values in column cohort differ"),
        (TABLE.assign(cohort=[{}, {}, {}]), "values that have no order"),
    ],
)
def test_the_fault_of_a_table(answer, says):
    result = compare(answer, TABLE)
    assert not result.correct
    assert says in result.message
    assert "0.125" not in repr(result)


def test_a_correct_table_in_any_order_with_more_columns(frame):
    shuffled = frame(
        {"more": [1, 2, 3], "share": [0.125, 0.5, 0.2501], "customers": [1, 3, 2], "cohort": ["c", "a", "b"]}
    )
    assert compare(shuffled, TABLE).correct


def test_order_counts_when_it_is_asked():
    rising, falling = ("customers",), ("-customers",)
    assert compare(TABLE, TABLE, sorted_by=falling).correct
    assert "not sorted as asked, by customers" in compare(TABLE, TABLE, sorted_by=rising).message
    assert compare(pl.from_pandas(TABLE).sort("customers"), TABLE, sorted_by=rising).correct


def test_missing_values_match_missing_values():
    holed = TABLE.assign(share=[0.5, None, 0.125])
    assert compare(holed, holed).correct
    assert not compare(TABLE, holed).correct


# -- registered exercises ---------------------------------------------------------------------


def test_a_registered_exercise_computes_its_answer_from_the_tables():
    @exercises.exercise("90.1", question="How many rows?", unit="orders", tolerance=0, praise="three it is.")
    def rows(orders, *, factor=1):
        return len(orders) * factor

    assert repr(exercises.check("90.1", 3, TABLE)) == "Correct: three it is."
    assert repr(exercises.check("90.1", 6, TABLE, factor=2)) == "Correct: three it is."
    assert repr(exercises.check("90.1", 2, TABLE)) == "Not yet: too low."
    assert rows(TABLE) == 3


def test_nothing_is_computed_before_there_is_an_answer():
    @exercises.exercise("90.1", question="?")
    def fails():
        raise AssertionError

    assert "no answer so far" in repr(exercises.check("90.1", None))
    assert "no answer so far" in repr(exercises.check("90.1", ...))


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ParameterError, match=r"there is no exercise '90\.9'"):
        exercises.check("90.9", 3)


def test_a_key_is_given_once():
    @exercises.exercise("90.1", question="?")
    def one():
        return 1

    with pytest.raises(ParameterError, match=r"'90\.1' is registered already"):

        @exercises.exercise("90.1", question="?")
        def other():
            return 2


def test_a_result_is_one_short_line():
    class Name(str):
        pass

    result = compare({}, {Name("x\ny" * 300): 1})
    assert "\n" not in repr(result)
    assert len(repr(result)) <= 240


def test_a_number_beyond_all_floats_is_an_answer_too():
    assert "not a finite number" in repr(exercises.compare(10**400, 3))
