"""Path exploration: rates against all other journeys, times with intervals, conclusions, exercises."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crmlib import data, exercises, paths
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.paths import conclusions

# a > b wins 60 of 100, a > a > b 10 of 50, b 5 of 150, and c is still open.
TOUCHES = {
    "journey_id": [1, 1, 2, 2, 2, 3, 4],
    "position": [1, 2, 1, 2, 3, 1, 1],
    "channel": ["a", "b", "a", "a", "b", "b", "c"],
}
OUTCOMES = {
    "journey_id": [1, 2, 3, 4],
    "conversions": [60, 10, 5, 0],
    "value": [0.0, 0.0, 0.0, 0.0],
    "nulls": [40, 40, 145, 0],
}


def newcombe(x, n, y, m, z=1.959964):
    """Method 10: Wilson's ends of both shares, differences of them in squares."""

    def wilson(won, made):
        middle, width = won + z * z / 2, z * np.sqrt(won * (made - won) / made + z * z / 4)
        return (middle - width) / (made + z * z), (middle + width) / (made + z * z)

    (l1, u1), (l2, u2), p, q = wilson(x, n), wilson(y, m), x / n, y / m
    return p - q - np.hypot(p - l1, u2 - q), p - q + np.hypot(u1 - p, q - l2)


def test_channels_by_hand_on_every_engine(frame):
    """Journeys with a: 70 of 150 convert, without: 5 of 150. All have b, so there are no others; c has none ended."""
    found = paths.channel_presence(frame(TOUCHES), frame(OUTCOMES)).set_index("channel")
    assert found.index.tolist() == ["b", "a"]
    assert found["journeys"].tolist() == [300, 150]
    assert found["rate"].tolist() == pytest.approx([0.25, 70 / 150])
    assert found.loc["a", "others"] == pytest.approx(5 / 150)
    assert found.loc["a", ["low", "high"]].tolist() == pytest.approx(newcombe(70, 150, 5, 150), abs=1e-5)
    # score test with the pooled share 75 / 300, and the factor 300 / 299 of the variance
    deviate = (65 / 150) / np.sqrt(0.25 * 0.75 * (2 / 150) * 300 / 299)
    assert found.loc["a", "p_value"] == pytest.approx(2 * stats.norm.sf(deviate))
    assert found.loc["a", "p_holm"] == found.loc["a", "p_value"]  # the only comparison that can be made
    assert found.loc["b", ["others", "low", "high", "p_holm"]].isna().all()
    assert found["distinct"].tolist() == [False, True]


def test_groups_are_compared_with_all_others():
    groups = pd.DataFrame({"journeys": [100.0, 50, 29], "conversions": [60.0, 10, 3], "low": 9, "kept": list("xyz")})
    found = paths.rate_comparison(groups, journeys=300, conversions=75)
    assert found["kept"].tolist() == list("xyz")
    assert found["others"].tolist() == pytest.approx([15 / 200, 65 / 250, 72 / 271])
    assert found.loc[0, ["low", "high"]].tolist() == pytest.approx(newcombe(60, 100, 15, 200), abs=1e-5)
    assert found.loc[2, ["low", "p_value", "p_holm"]].isna().all()
    p = found["p_value"]
    assert found["p_holm"].tolist()[:2] == pytest.approx([2 * p[0], max(2 * p[0], p[1])])
    nobody = paths.rate_comparison(groups.assign(conversions=0.0), journeys=300, conversions=0)
    assert nobody["p_value"].tolist()[:2] == [1, 1]
    assert paths.rate_comparison(groups.iloc[:0], journeys=300, conversions=75).empty


@pytest.mark.parametrize(("journeys", "conversions"), [(90, 75), (300, 50), (300, 301)])
def test_counts_beyond_the_whole_are_refused(journeys, conversions):
    groups = pd.DataFrame({"journeys": [100.0], "conversions": [60.0]})
    with pytest.raises(DataError, match="beyond the whole"):
        paths.rate_comparison(groups, journeys=journeys, conversions=conversions)
    with pytest.raises(DataError, match="beyond the whole"):
        paths.rate_comparison(groups.assign(conversions=np.nan), journeys=300, conversions=75)
    with pytest.raises(MissingColumnsError, match="conversions"):
        paths.rate_comparison(groups[["journeys"]], journeys=300, conversions=75)


def test_quantiles_are_bounded_by_order_statistics():
    """Of 100 times 1 to 100 the 40th and the 61st bound the median: 95 % of a binomial(100, ½) is 40 to 60."""
    times = pd.DataFrame({"days": np.arange(1.0, 101), "conversions": 1})
    table = paths.time_quantiles(times, shares=(0.5,))
    assert table["days"].item() == 50
    low, high = table[["low", "high"]].to_numpy()[0]
    inside = stats.binom.cdf(high - 1, 100, 0.5) - stats.binom.cdf(low - 1, 100, 0.5)
    assert (low, high) == (40, 61)
    assert 0.95 <= inside < 0.97
    twice = paths.time_quantiles(pd.DataFrame({"days": [2.0, 1], "conversions": [1, 3]}), shares=(0.5, 0.9))
    assert twice["days"].tolist() == [1, 2]
    assert twice["high"].isna().all()  # four times bound neither from above


def test_quantiles_cover_in_simulated_samples():
    """Exponential times, median ln 2, 400 samples of 60: at least 95 % less three standard errors."""
    rng, inside = np.random.default_rng(3), 0
    for _ in range(400):
        times = pd.DataFrame({"days": rng.exponential(size=60), "conversions": 1})
        row = paths.time_quantiles(times, shares=(0.5,)).iloc[0]
        inside += row["low"] <= np.log(2) <= row["high"]
    assert inside / 400 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)


@pytest.mark.parametrize(
    ("counts", "shares", "error", "message"),
    [
        ([0, 0], (0.5,), DataError, "no whole numbers, or there are none"),
        ([1.5, 1], (0.5,), DataError, "no whole numbers"),
        ([1, 1], (0.5, 1.0), ParameterError, "shares are"),
        ([1, 1], (), ParameterError, "shares are"),
    ],
)
def test_times_that_tell_nothing_are_refused(counts, shares, error, message):
    times = pd.DataFrame({"days": [1.0, 2.0], "conversions": counts})
    with pytest.raises(error, match=message):
        paths.time_quantiles(times, shares=shares)


# -- conclusions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"low": 0.01, "high": 0.05, "distinct": True}, "more than the 10.0 % of all others (+1.0 to +5.0 points"),
        ({"low": -0.05, "high": -0.01, "distinct": True}, "less than the 10.0 % of all others"),
        ({"low": -0.01, "high": 0.01, "distinct": False}, "which cannot be told apart from the 10.0 %"),
        ({"low": 0.01, "high": 0.05, "distinct": False}, "which, with so many compared, cannot be told apart from"),
        ({"low": np.nan, "high": np.nan, "distinct": False}, "which are too few to compare"),
        ({"others": np.nan, "low": np.nan, "high": np.nan, "distinct": False}, "and there are no others to compare"),
    ],
)
def test_a_path_differs_only_where_it_is_told_apart(row, says):
    path = {"path": "a > b", "touches": 1, "share": 0.2, "rate": 0.13, "others": 0.1, "difference": 0.03}
    told = conclusions.frequent(pd.DataFrame([path | row]), where="X")
    assert told.sentence.startswith("On X the most frequent path is a > b, 20.0 % of journeys; 13.0 % of them convert,")
    assert says in told.sentence
    assert says in conclusions.lengths(pd.DataFrame([path | row]), where="X").sentence


def test_the_best_of_the_frequent_paths_is_named_where_it_is_told_apart():
    rows = pd.DataFrame({"path": ["a", "b"], "share": [0.5, 0.3], "rate": [0.1, 0.3], "others": [0.3, 0.1]})
    rows = rows.assign(difference=[-0.2, 0.2], low=[-0.3, 0.1], high=[-0.1, 0.3], distinct=True)
    assert "of the 2 most frequent, b converts best (30.0 %)" in conclusions.frequent(rows, where="X").sentence
    assert "converts best" not in conclusions.frequent(rows.assign(distinct=[True, False]), where="X").sentence
    with pytest.raises(DataError, match="no ended journey"):
        conclusions.frequent(rows.iloc[:0], where="X")
    assert conclusions.lengths(rows.assign(touches=2), where="X").value == 0


def test_times_presence_and_repeats_in_words():
    quantiles = pd.DataFrame({"share": [0.5, 0.9], "days": [3.0, 9], "low": [2.0, 8], "high": [4.0, np.nan]})
    told = conclusions.times(quantiles, where="X")
    assert told.sentence == (
        "On X half of those who convert do so within 3.0 days (95 % interval 2.0 to 4.0) of their first touch, nine in "
        "ten within 9.0."
    )
    assert (told.value, told.low, told.high) == (3, 2, 4)
    presence = pd.DataFrame({"channel": ["a", "b"], "difference": [0.3, 0.2], "effect": [0.0, 0.15]})
    assert conclusions.mistaken_presence(presence, where="X").sentence == (
        "On X journeys through a convert 30.0 points more often than others, but without it they would convert "
        "0.0 points less often than they do; b adds most, 15.0 points."
    )
    before, after = (pd.DataFrame({"path": [name], "share": [share]}) for name, share in (("a > a", 0.2), ("a", 0.4)))
    assert "40.0 % of journeys go a; with repeats the most frequent path, a > a, had 20.0 %" in (
        conclusions.collapsed(before, after, where="X").sentence
    )


def test_presence_exceeds_the_effect_of_closers_in_the_simulated_firm():
    firm = data.simulate(np.random.default_rng(3), customers=4_000, tables=("touches", "outcomes"))
    found = paths.channel_presence(firm["touches"], firm["outcomes"]).set_index("channel")
    added = firm.truth.channel_increments().set_index("channel")["increment"]
    effect = added / found["journeys"]
    assert (found.loc[["affiliates", "pay per click"], "low"] > 10 * effect[["affiliates", "pay per click"]]).all()
    assert 0 < effect["sponsorship"] < found.loc["sponsorship", "high"]


def test_exercises_by_hand():
    """150 of 300 journeys have both channels. Left touches: 200 + 150 + 150, repeats: 50. Best rate: a's 7 of 15."""
    touches, outcomes = pd.DataFrame(TOUCHES), pd.DataFrame(OUTCOMES)
    assert exercises.check("21.1", 0.5, touches, outcomes).correct
    assert exercises.check("21.2", 0.1, touches, outcomes).correct
    assert exercises.check("21.3", 300 * 70 / 150 - 75, touches, outcomes).correct
    assert not exercises.check("21.1", 0.4, touches, outcomes).correct
