"""Hold-outs: from prospects one by one, from whole regions, and beside the rules."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import t as student

from crmlib import attribution, data
from crmlib.errors import DataError, MissingColumnsError, ParameterError

REGIONS = {
    "region": list("abcdef"),
    "held_out": [False, False, False, True, True, True],
    "conversions": [30, 45, 60, 20, 30, 25],
    "journeys": [100, 100, 100, 100, 100, 100],
}


@pytest.fixture(scope="module")
def firm():
    return data.simulate(np.random.default_rng(4), customers=2_000, tables=("touches", "outcomes"))


def test_equal_regions_by_hand(frame):
    """Rates .30 .45 .60 against .20 .30 .25: difference .2; variances .0225 and .0025 over 3; Welch's t.

    se = √(.025 / 3) = .09129; df = .025² / (.0225² / 2 + .0025² / 2) = 2.439 (Satterthwaite's)."""
    effect = attribution.regional_holdout_effect(frame(REGIONS))
    assert effect["increment"] == pytest.approx(0.2 * 600)
    error, df = math.sqrt(0.025 / 3), 0.025**2 / (0.0225**2 / 2 + 0.0025**2 / 2)
    # Bell and McCaffrey's df take the regions' variances as equal: 4, not 2.4
    assert effect["df"] == pytest.approx(4)
    assert df == pytest.approx(2.439, abs=1e-3)
    reach = student.ppf(0.975, 4) * error
    assert effect[["low", "high"]].tolist() == pytest.approx([600 * (0.2 - reach), 600 * (0.2 + reach)])
    assert effect["p_value"] == pytest.approx(2 * student.sf(0.2 / error, 4))
    assert effect["detectable"] == pytest.approx(600 * error * (student.ppf(0.975, 4) + student.ppf(0.8, 4)))
    assert effect[["regions_with", "regions_without"]].tolist() == [3, 3]


def test_weighted_regions_have_the_robust_variance_of_statsmodels():
    """HC2 of a regression of rates on the arm, weighted by prospects."""
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"region": [f"r{number}" for number in range(14)], "held_out": np.arange(14) % 3 == 0})
    table["journeys"] = rng.integers(50, 900, 14)
    table["conversions"] = rng.binomial(table["journeys"], 0.2)
    table["rate"] = table["conversions"] / table["journeys"]
    table["given"] = (~table["held_out"]).astype(float)
    fit = smf.wls("rate ~ given", table, weights=table["journeys"]).fit(cov_type="HC2")
    effect = attribution.regional_holdout_effect(table, journeys=1)
    assert effect["increment"] == pytest.approx(fit.params["given"])
    reach = (effect["high"] - effect["low"]) / 2 / student.ppf(0.975, effect["df"])
    assert reach == pytest.approx(fit.bse["given"])
    assert effect["df"] < 12  # fewer than regions less two: they differ in size


def test_the_lot_alone_by_counting():
    """Three of six regions: 20 lots. The difference .2 is reached by abc, and by bce (.45 .60 .30 less .30 .20 .25)."""
    effect = attribution.regional_holdout_effect(pd.DataFrame(REGIONS), method="lot", level=0.9)
    assert effect["p_value"] == pytest.approx(2 * 2 / 20)
    rates = np.array(REGIONS["conversions"]) / 100
    given = ~np.array(REGIONS["held_out"])

    def p_values(effect):
        left = rates - effect * given
        lots = [np.isin(np.arange(6), chosen) for chosen in itertools.combinations(range(6), 3)]
        gaps = np.array([left[lot].mean() - left[~lot].mean() for lot in lots])
        seen = left[given].mean() - left[~given].mean()
        return (gaps >= seen - 1e-12).mean(), (gaps <= seen + 1e-12).mean()

    for end in (effect["low"] / 600, effect["high"] / 600):
        inside, outside = ((end + sign * 1e-6) for sign in (1, -1))
        if end > 0.2:
            inside, outside = outside, inside
        assert min(p_values(inside)) > 0.05
        assert min(p_values(outside)) <= 0.05
    none = attribution.regional_holdout_effect(pd.DataFrame(REGIONS), method="lot", level=0.95)
    assert np.isinf(none[["low", "high"]].astype(float)).all()


def test_rows_of_prospects_and_of_regions_agree(frame):
    prospects = {
        "region": [name for name, n in zip(REGIONS["region"], REGIONS["journeys"], strict=True) for _ in range(n)],
        "held_out": [int(out) for out in REGIONS["held_out"] for _ in range(100)],
        "conversions": [int(i < won) for won in REGIONS["conversions"] for i in range(100)],
    }
    single, whole = (attribution.regional_holdout_effect(frame(table)) for table in (prospects, REGIONS))
    pd.testing.assert_series_equal(single, whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"held_out": [False] * 6}, "all regions are on one side"),
        ({"region": list("aacdea")}, "region 'a' is not on one side only"),
        ({"held_out": [True, False, False, False, False, False]}, "t needs two regions on either side"),
        ({"conversions": [1, 2, 3, 4, 5, None]}, "is missing in 1 places"),
        ({"journeys": [0, 1, 1, 1, 1, 1]}, "journeys must be above 0"),
    ],
)
def test_experiments_that_cannot_be_read_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        attribution.regional_holdout_effect(pd.DataFrame(REGIONS | change))


def test_what_is_missing_or_unknown_is_said():
    with pytest.raises(MissingColumnsError, match="prospects lacks 'region'"):
        attribution.regional_holdout_effect(pd.DataFrame({"held_out": [1], "conversions": [0]}))
    with pytest.raises(ParameterError, match="method is 'z'"):
        attribution.regional_holdout_effect(pd.DataFrame(REGIONS), method="z")
    many = pd.DataFrame({"region": np.arange(40), "held_out": np.arange(40) < 20, "conversions": 1, "journeys": 5})
    with pytest.raises(ParameterError, match="give rng to draw 20,000"):
        attribution.regional_holdout_effect(many, method="lot")
    alike = attribution.regional_holdout_effect(many)
    assert (alike["increment"], alike["p_value"]) == (0, 1)


def test_one_region_held_out_has_an_interval_by_lot_alone():
    """Of 40 lots of one region the most extreme is the one drawn: its effect is found at 95 %, no fewer lots could."""
    conversions = np.r_[20, np.random.default_rng(3).integers(45, 56, 39)]
    table = pd.DataFrame(
        {"region": range(40), "held_out": np.arange(40) == 0, "conversions": conversions, "journeys": 100}
    )
    effect = attribution.regional_holdout_effect(table, method="lot")
    assert 0 < effect["low"] < effect["increment"] < effect["high"] < np.inf
    assert effect["p_value"] == pytest.approx(2 / 40)


def test_the_firm_gives_its_experiment_from_a_stream_of_its_own(firm):
    before = firm.truth.channel_increments()
    table = firm.truth.channel_holdout("sponsorship", share=0.25)
    assert table["held_out"].sum() == 2_000
    pd.testing.assert_frame_equal(table, firm.truth.channel_holdout("sponsorship", share=0.25))
    pd.testing.assert_frame_equal(before, firm.truth.channel_increments())
    # those reached convert as in the outcomes, those held out as in the firm without the channel
    without = data.simulate(
        np.random.default_rng(4), customers=2_000, tables=("outcomes",), channels_off=["sponsorship"]
    )
    for part, held in ((firm, False), (without, True)):
        ends = part["outcomes"].set_index("journey_id")["conversions"]
        mine = table[table["held_out"] == held]
        assert mine["conversions"].tolist() == ends.loc[mine["journey_id"]].tolist()
    regions = firm.truth.channel_holdout("sponsorship", regions=20)
    sides = regions.groupby("region")["held_out"].agg(["mean", "size"])
    assert sides["mean"].isin([0, 1]).all()
    assert sides["mean"].sum() == 10
    assert len(sides) == 20
    rates = regions[~regions["held_out"]].groupby("region")["conversions"].mean()
    assert rates.std() > 2 * math.sqrt(0.25 * 0.75 / 400)  # regions differ by more than chance
    for options in ({"channel": "direct"}, {"share": 1}, {"regions": 1}, {"regions": 2.5}, {"channel": "radio"}):
        with pytest.raises(ParameterError, match=r"cannot be held out|share is 1|regions is"):
            firm.truth.channel_holdout(**{"channel": "viral"} | options)


@pytest.mark.parametrize("method", ["t", "lot"])
def test_regional_holdouts_cover_the_truth_where_prospects_taken_one_by_one_do_not(firm, method):
    """150 lots: the interval by regions holds the increment in about 95 %, the naive one in far fewer."""
    increments = firm.truth.channel_increments().set_index("channel")["increment"]
    rng, held, naive = np.random.default_rng(9), [], []
    for _ in range(150):
        table = firm.truth.channel_holdout("sponsorship", regions=16, rng=rng)
        effect = attribution.regional_holdout_effect(table, method=method, rng=rng)
        held.append(effect["low"] <= increments["sponsorship"] <= effect["high"])
        sides = [table.loc[table["held_out"] == side, "conversions"] for side in (False, True)]
        single = attribution.holdout_effect(*sides, journeys=len(table))
        naive.append(single["low"] <= increments["sponsorship"] <= single["high"])
    assert np.mean(held) == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 150))
    assert np.mean(naive) < 0.85


def test_a_test_finds_what_it_calls_detectable_in_80_percent_of_draws():
    """1,000 against 1,000 prospects of rates around 20 %."""
    rng = np.random.default_rng(3)
    made = [pd.Series(np.repeat([1, 0], [won, 1_000 - won])) for won in (200, 200)]
    gap = attribution.holdout_effect(*made, journeys=1)["detectable"]
    assert gap == pytest.approx((1.959964 + 0.841621) * math.sqrt(0.2 * 0.8 * 2 / 1_000))
    found = 0
    for won, lost in zip(rng.binomial(1_000, 0.2 + gap / 2, 400), rng.binomial(1_000, 0.2 - gap / 2, 400), strict=True):
        pair = (pd.Series(np.repeat([1, 0], [n, 1_000 - n])) for n in (won, lost))
        found += attribution.holdout_effect(*pair, journeys=1)["p_value"] < 0.05
    assert found / 400 == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / 400))


def test_rules_are_reconciled_with_experiments():
    credits = pd.DataFrame(
        {
            "rule": ["last touch", "linear", "linear"],
            "channel": ["clicks", "clicks", "radio"],
            "conversions": [100, 30, 5],
        }
    )
    effects = {"people": pd.Series({"increment": 20.0, "low": 5.0, "high": 35.0})}
    table = attribution.reconciliation(credits, effects, channel="clicks", truth=3)
    assert table["source"].tolist() == ["last touch", "linear", "people", "the truth"]
    assert table["customers"].tolist() == [100, 30, 20, 3]
    assert table["by people"].tolist() == ["too many", "agrees", "", "too few"]
    assert table["low"].isna().tolist() == [True, True, False, True]
    with pytest.raises(ParameterError, match="channel 'tv'"):
        attribution.reconciliation(credits, effects, channel="tv")
