"""Path exploration: lengths, times to conversion, frequent paths."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from crmlib import attribution, data
from crmlib.errors import DataError, MissingColumnsError, ParameterError

# a > b wins 3 of 5 for 30, a > a > b 1 of 2 for 20, b loses 3, c is open, and one journey has no touch.
TOUCHES = {
    "journey_id": [1, 1, 2, 2, 2, 3, 4],
    "position": [1, 2, 1, 2, 3, 1, 1],
    "channel": ["a", "b", "a", "a", "b", "b", "c"],
}
OUTCOMES = {
    "journey_id": [1, 2, 3, 4, 5],
    "conversions": [3, 1, 0, 0, 1],
    "value": [30.0, 20.0, 0.0, 0.0, 9.0],
    "nulls": [2, 1, 3, 0, 0],
}


def wilson(won, made):
    """Ends of the 95 % interval, by its formula."""
    z = 1.959964
    middle, width = (
        (won + z * z / 2) / (made + z * z),
        z * np.sqrt(won * (made - won) / made + z * z / 4) / (made + z * z),
    )
    return middle - width, middle + width


def test_lengths_by_hand_on_every_engine(frame):
    table = attribution.path_lengths(frame(TOUCHES), frame(OUTCOMES))
    assert table["touches"].tolist() == [1, 2, 3]
    assert table["journeys"].tolist() == [3, 5, 2]
    assert table["conversions"].tolist() == [0, 3, 1]
    assert table["share"].tolist() == [0.3, 0.5, 0.2]
    assert table["rate"].tolist() == pytest.approx([0, 0.6, 0.5])
    assert table.loc[1, ["low", "high"]].tolist() == pytest.approx(wilson(3, 5), abs=1e-5)


def test_frequent_paths_by_hand_on_every_engine(frame):
    table = attribution.frequent_paths(frame(TOUCHES), frame(OUTCOMES))
    assert table["path"].tolist() == ["a > b", "b", "a > a > b"]
    assert table["journeys"].tolist() == [5, 3, 2]
    assert table["value"].tolist() == [30, 0, 20]
    assert table["rate"].tolist() == pytest.approx([0.6, 0, 0.5])
    short = attribution.frequent_paths(frame(TOUCHES), frame(OUTCOMES), collapse=True, most=1)
    assert short[["path", "journeys", "conversions", "value"]].to_numpy().tolist() == [["a > b", 7, 4, 50]]
    assert short["share"].item() == pytest.approx(0.7)
    with pytest.raises(ParameterError, match="most is 0"):
        attribution.frequent_paths(frame(TOUCHES), frame(OUTCOMES), most=0)


def test_ties_go_by_the_alphabet_and_nothing_gives_nothing():
    touches = pd.DataFrame({"journey_id": [1, 2], "position": [1, 1], "channel": ["z", "y"]})
    outcomes = pd.DataFrame({"journey_id": [1, 2], "conversions": [1, 0], "value": [1.0, 0], "nulls": [0, 1]})
    assert attribution.frequent_paths(touches, outcomes)["path"].tolist() == ["y", "z"]
    assert attribution.frequent_paths(touches.iloc[:0], outcomes).empty
    assert attribution.path_lengths(touches.iloc[:0], outcomes).empty


def test_times_to_conversion_by_hand_on_every_engine(frame):
    day = datetime.datetime(2026, 3, 1)
    touches = {
        "journey_id": [1, 1, 2, 3],
        "touched_at": [day + datetime.timedelta(days=days) for days in (4, 1, 0, 0)],
    }
    outcomes = {
        "journey_id": [1, 2, 3],
        "conversions": [1, 3, 0],
        "converted_at": [day + datetime.timedelta(days=4, hours=12), day + datetime.timedelta(days=1), None],
    }
    table = attribution.conversion_times(frame(touches), frame(outcomes))
    assert table["days"].tolist() == [1, 3.5]
    assert table["share"].tolist() == [0.75, 1]
    early = outcomes | {"converted_at": [day, day + datetime.timedelta(days=1), None]}
    with pytest.raises(DataError, match="1 journeys convert before"):
        attribution.conversion_times(frame(touches), frame(early))
    with pytest.raises(DataError, match="no journey has a conversion"):
        attribution.conversion_times(frame(touches), frame(outcomes | {"conversions": [0, 0, 0]}))
    with pytest.raises(MissingColumnsError, match="touched_at"):
        attribution.conversion_times(frame(TOUCHES), frame(outcomes))


def test_the_simulated_firms_journeys_last_at_most_28_days():
    firm = data.simulate(np.random.default_rng(1), customers=500, tables=("touches", "outcomes"))
    table = attribution.conversion_times(firm["touches"], firm["outcomes"])
    assert len(table) == 500
    assert table["days"].min() >= 0
    assert table["days"].max() <= 28
    lengths = attribution.path_lengths(firm["touches"], firm["outcomes"])
    assert lengths["journeys"].sum() == len(firm["outcomes"])
    assert (lengths["touches"] * lengths["journeys"]).sum() == len(firm["touches"])
