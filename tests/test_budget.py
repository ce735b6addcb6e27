"""What the lesson on the budget says and asks: conclusions that follow their numbers, exercises by another route."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from crmlib import exercises
from crmlib.budget import conclusions
from crmlib.budget.payback import BEYOND, EARNS, FREE, LOSES, UNCLEAR, WITHIN
from crmlib.errors import DataError

TERMS = {"currency": "USD", "level": 0.95}


def plan(today, best, **gain):
    budget = pd.DataFrame({"channel": list("abc")[: len(today)], "today": np.array(today, float)})
    budget["best"] = np.array(best, float)
    budget["change"], budget["low"], budget["high"] = budget["best"] - budget["today"], 0.0, 500.0
    told = {"gain": 30.0, "low": 10.0, "high": 60.0, "today": sum(today), "unspent": 0.0} | gain
    return conclusions.split(budget, pd.Series(told), where="weeks", **TERMS)


@pytest.mark.parametrize(
    ("gain", "says"),
    [
        ({}, "to gain USD 30 of margin a week (95 % interval USD 10 to USD 60) over today's split."),
        (
            {"gain": -30, "low": -60, "high": -10, "unspent": 40.0},
            "leave the split of the weekly spend: the one that the curves prefer is expected to bring USD -30 of "
            "margin a week (95 % interval USD -60 to USD -10) more.",
        ),
        (
            {"gain": -5, "low": -60, "high": 50, "unspent": 40.0},
            "no better split of the weekly spend can be told: the one that the curves prefer, a from USD 100 to 250 "
            "and b from USD 300 to 150, is expected to bring USD -5 of margin a week (95 % interval USD -60 to USD 50) "
            "more than today's.",
        ),
        ({"unspent": 40.0}, "; USD 40 of the total should stay unspent."),
    ],
)
def test_the_split_says_what_it_gains(gain, says):
    finding = plan([100, 300], [250, 150], **gain)
    steps = "On weeks, move the weekly spend on a from USD 100 to 250 and b from USD 300 to 150, to gain"
    assert finding.sentence.startswith(steps) == (finding.low > 0)
    assert says in finding.sentence
    assert finding.low <= finding.value <= finding.high


def test_a_split_that_is_best_already_is_left():
    assert "leave the split of the weekly spend as it is." in plan([100, 300], [100.5, 299.5]).sentence


def table(*rows):
    return pd.DataFrame(rows, columns=["channel", "verdict", "days", "window", "cost"])


def test_payback_lists_who_does_who_does_not_and_who_cannot_be_told():
    rows = [
        ("a", WITHIN, 60, 90, 5.0),
        ("b", WITHIN, 30, 90, 5),
        ("c", BEYOND, np.inf, 90, 5),
        ("d", UNCLEAR, 60, 90, 5),
    ]
    told = conclusions.payback(table(*rows, ("e", FREE, 0, 90, 0)), where="X", by="by record")
    assert told.sentence == (
        "On X, by record, customers of 2 of 4 paid channels pay back within 60 days (a and b), those of c do not in "
        "the 90 days seen, and of d it cannot be told."
    )
    assert told.value == 2
    nobody = conclusions.payback(table(("c", BEYOND, np.inf, 0, 5.0)), where="X", by="by record")
    assert "customers of c do not pay back at all, for nobody is credited to them" in nobody.sentence
    with pytest.raises(DataError, match="no channel of X costs anything"):
        conclusions.payback(table(("e", FREE, 0, 90, 0)), where="X", by="by record")


def test_returns_name_the_least_and_the_lost_part():
    rows = pd.DataFrame(
        {
            "channel": ["a", "b", "c", "d"],
            "cost": [100.0, 300, 0, 50],
            "return": [1.0, -0.4, np.nan, np.nan],
            "low": [0.5, -0.6, np.nan, np.nan],
            "high": [1.5, -0.2, np.nan, np.nan],
            "verdict": [EARNS, LOSES, FREE, UNCLEAR],
        }
    )
    told = conclusions.returns(rows, where="X", by="by record", **TERMS)
    assert "1 of 3 paid channels earn their budget within the ages counted (1 has too few" in told.sentence
    assert (
        "b brings back least, USD 0.60 (95 % interval USD 0.40 to USD 0.80) for each one spent, of USD 300"
        in told.sentence
    )
    assert "; 67 % of the budget goes where it is lost." in told.sentence
    assert (told.value, told.low, told.high) == (0.6, 0.4, 0.8)
    none = conclusions.returns(rows[rows["verdict"] == FREE], where="X", by="by record", **TERMS)
    assert none.value is None


@pytest.mark.parametrize(
    ("distinct", "says"),
    [
        ([False, False, False], "the active share at age 2 cannot be told apart between channels"),
        ([True, True, False], "in the active share at age 2 a lies above and b lies below the others"),
        ([None, None, None], "too few customers to compare the active share at age 2"),
    ],
)
def test_channels_differ_only_where_they_are_told_apart(distinct, says):
    share = pd.DataFrame({"channel": list("abc"), "difference": [0.1, -0.1, 0.0]})
    share["p_holm"] = np.nan if distinct[0] is None else 0.5
    share["distinct"] = [bool(one) for one in distinct]
    same = share.assign(distinct=False, p_holm=1.0).set_index("channel")
    told = conclusions.alike(share, same, age=2, days=90, where="X")
    assert says in told.sentence
    assert told.sentence.endswith("and the margin in 90 days cannot be told apart between channels.")
    assert told.value == sum(bool(one) for one in distinct)


def test_the_record_against_the_truth():
    recorded = table(
        ("a", WITHIN, 30, 90, 60.0), ("b", BEYOND, np.inf, 90, 20), ("c", WITHIN, 30, 90, 20), ("d", FREE, 0, 90, 0)
    )
    real = table(
        ("a", BEYOND, np.inf, 90, 60.0), ("b", WITHIN, 30, 90, 20), ("c", WITHIN, 30, 90, 20), ("d", FREE, 0, 90, 0)
    )
    told = conclusions.against_truth(recorded, real, where="a firm", by="the record")
    assert told.value == 1
    assert told.sentence == (
        "On a firm the record and the truth agree on 1 of 3 paid channels; a, 60 % of the budget, seem to pay back "
        "and do not; b pay back and do not seem to."
    )


@pytest.mark.parametrize(("real", "place"), [(20, "inside"), (5, "below"), (90, "above")])
def test_the_real_gain_beside_the_expected(real, place):
    told = conclusions.real_gain(pd.Series({"gain": 30, "low": 10, "high": 60}), real, **TERMS)
    assert f"USD {real} a week, {place} the 95 % interval, USD 10 to USD 60, of the USD 30 expected" in told.sentence


@pytest.mark.parametrize(
    ("truth", "says"), [(50, "demand is taken for effect"), (80, "too little"), (70, "which the interval holds")]
)
def test_confounding_takes_its_words_from_the_interval(truth, says):
    told = conclusions.confounding(pd.Series({"customers": 70.0, "low": 65.0, "high": 75.0, "truth": truth}))
    assert says in told.sentence
    assert (told.value, told.low, told.high) == (70 - truth, 65 - truth, 75 - truth)


def test_exercises_by_hand():
    """40 customers of January 1 leave 6 and 2, 40 of February 1 leave 4: age 0 has 5, ages 1 to 5 have 2 in all."""
    people = pd.DataFrame({"customer_id": range(80), "channel": ["a", "b"] * 40})
    first = people["customer_id"] < 40
    people["acquired_at"] = np.where(first, pd.Timestamp("2026-01-01"), pd.Timestamp("2026-02-01"))
    orders = people.assign(ordered_at=people["acquired_at"], margin=np.where(first, 6.0, 4.0))
    second = orders[first].assign(margin=2.0, ordered_at=pd.Timestamp("2026-02-05"))
    orders, last = pd.concat([orders, second]), datetime.date(2026, 6, 30)
    # 35 days later is age 1; those of February brought nothing then, so its mean is 1, and the share 5 / 6
    assert exercises.check("16.1", 5 / 6, people, orders, 30, last).correct
    assert not exercises.check("16.1", 5 / 7, people, orders, 30, last).correct
    costs = pd.DataFrame({"channel": ["a", "b", "c"], "cost": [220.0, 200.0, 0.0]})
    # 420 for 80 customers is 5.25 each: not after age 0, after age 1
    assert exercises.check("16.2", 60.0, people, orders, costs, 30, last).correct
    assert exercises.check("16.2", 30.0, people, orders, costs.assign(cost=[200.0, 200, 0]), 30, last).correct
    recorded = pd.DataFrame({"channel": ["a", "b", "c"], "cost": [30.0, 10, 5], "days": [30, 30, np.inf]})
    real = pd.DataFrame({"channel": ["a", "b"], "cost": [30.0, 10], "days": [np.inf, 30]})
    assert exercises.check("16.3", 0.75, recorded, real).correct
