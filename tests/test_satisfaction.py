"""Grades from very satisfied to very disappointed, and who comes back."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib import satisfaction
from crmlib.errors import ConvergenceError, DataError, MissingColumnsError, ParameterError


def answers_of(counts, back):
    """Answers with so many customers a grade, of whom so many returned."""
    rows = [(grade, place < kept) for grade, (n, kept) in enumerate(zip(counts, back, strict=True), 1)
            for place in range(n)]  # fmt: skip
    return pd.DataFrame(rows, columns=["grade", "returned"])


@pytest.fixture(scope="module")
def survey():
    made = satisfaction.simulated_survey(np.random.default_rng(1), customers=8_000)
    return made, satisfaction.answered_cases(made.cases, made.orders, as_of=made.as_of)


# -- answers -----------------------------------------------------------------------------------


def test_answers_by_hand_on_every_engine(frame):
    """Counted from the day of resolving, first graded case of a customer, followed for all ten days."""
    day = [datetime.datetime(2026, 1, number) for number in range(1, 32)]
    cases = frame(
        {
            "case_id": [1, 2, 3, 4, 5],
            "customer_id": [7, 7, 8, 9, 10],
            "opened_at": [day[0], day[5], day[1], day[2], day[24]],
            "resolved_at": [day[1], day[6], None, day[3], day[25]],
            "satisfaction": [4, 1, 2, None, 5],
        }
    )
    orders = frame({"customer_id": [7, 8, 9], "ordered_at": [day[11], day[12], day[4]]})
    found = satisfaction.answered_cases(cases, orders, days=10, as_of="2026-01-31")
    # 7: resolved on the 2nd, ordered on the 12th, the last instant that counts; 8: the 13th is 11 days after the 2nd;
    # 9 did not answer; 10 was followed for five days only.
    assert found["case_id"].tolist() == [1, 3]
    assert found["grade"].tolist() == [4, 2]
    assert found["returned"].tolist() == [True, False]
    assert found["hours"].iloc[0] == 24
    assert found["hours"].isna().tolist() == [False, True]
    with pytest.raises(DataError, match="followed for 40 days"):
        satisfaction.answered_cases(cases, orders, days=40, as_of="2026-01-31")


def test_a_case_without_channel_stays_under_a_name_of_its_own():
    day = pd.to_datetime(["2026-01-01", "2026-01-02"])
    cases = pd.DataFrame({"case_id": [1, 2], "customer_id": [1, 2], "opened_at": day, "satisfaction": [4, 5]})
    found = satisfaction.answered_cases(cases.assign(channel=[None, "mail"]), cases.assign(ordered_at=day),
                                        days=10, as_of="2026-02-01")  # fmt: skip
    assert found["channel"].tolist() == ["not known", "mail"]


def test_cases_that_cannot_be_used_are_refused(survey):
    made, _ = survey
    with pytest.raises(MissingColumnsError, match="satisfaction"):
        satisfaction.answered_cases(made.cases.drop(columns="satisfaction"), made.orders)
    with pytest.raises(DataError, match="grades are not 1 to 5"):
        satisfaction.answered_cases(made.cases.assign(satisfaction=10), made.orders)
    with pytest.raises(ParameterError, match="days is 0"):
        satisfaction.answered_cases(made.cases, made.orders, days=0)
    with pytest.raises(DataError, match="no graded case"):
        satisfaction.answered_cases(made.cases, made.orders.head(0))
    with pytest.raises(ParameterError, match="answering above 0"):
        satisfaction.simulated_survey(np.random.default_rng(1), answering=0)


# -- grades ------------------------------------------------------------------------------------


def test_grade_table_by_hand():
    """Shares and returns; Wilson for 40 of 100 is .3094 to .4980 (Newcombe 1998, by formula)."""
    table = satisfaction.grade_table(answers_of([0, 10, 50, 40, 100], [0, 0, 10, 12, 40]))
    assert table["share"].tolist() == [0, 0.05, 0.25, 0.2, 0.5]
    assert np.isnan(table["returned"][0])
    assert table["returned"].tolist()[1:] == [0, 0.2, 0.3, 0.4]
    z, n, p = 1.959964, 100, 0.4
    middle, half = p + z * z / 2 / n, z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    assert table.loc[4, ["returned_low", "returned_high"]].tolist() == pytest.approx([low, high], rel=1e-6)
    assert np.isnan(table["step_low"][2])  # ten customers below
    below = table.loc[3]
    # Newcombe's method 10 from the two Wilson intervals
    expected = 0.1 - np.sqrt((0.4 - low) ** 2 + (below["returned_high"] - 0.3) ** 2)
    assert table.loc[4, "step_low"] == pytest.approx(expected, rel=1e-6)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=60), st.randoms(use_true_random=False)
)
def test_grade_table_invariants(rows, random):
    table = pd.DataFrame(rows, columns=["grade", "returned"])
    found = satisfaction.grade_table(table)
    assert found["share"].sum() == pytest.approx(1)
    assert (found["customers"] * found["returned"].fillna(0)).sum() == pytest.approx(table["returned"].sum())
    assert ((found["low"] <= found["share"] + 1e-12) & (found["share"] <= found["high"] + 1e-12)).all()
    random.shuffle(rows)
    pd.testing.assert_frame_equal(satisfaction.grade_table(pd.DataFrame(rows, columns=["grade", "returned"])), found)


def test_the_intervals_hold_the_simulated_mapping():
    """20 surveys of five grades: nominal 95 %, ± 3 standard errors of a share of 100."""
    held = []
    for seed in range(20):
        made = satisfaction.simulated_survey(np.random.default_rng(seed), customers=3_000)
        found = satisfaction.grade_table(satisfaction.answered_cases(made.cases, made.orders, as_of=made.as_of))
        held += [
            low <= rate <= high
            for low, rate, high in zip(
                found["returned_low"], satisfaction.RETURN_RATES, found["returned_high"], strict=True
            )
        ]
    assert abs(np.mean(held) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 100)


def test_equal_steps_fit_where_they_are_equal_and_not_where_they_are_not(survey):
    """Log odds of return that rise evenly; the simulated mapping's do not."""
    import statsmodels.api as sm
    from scipy.stats import chi2

    rng = np.random.default_rng(2)
    grade = rng.integers(1, 6, 5_000)
    even = pd.DataFrame({"grade": grade, "returned": rng.random(5_000) < 1 / (1 + np.exp(2 - 0.5 * grade))})
    assert satisfaction.score_line(even)["p_value"].iloc[0] > 0.05
    _, bent = survey
    found = satisfaction.score_line(bent)
    # by another route: two logits of single answers
    y = bent["returned"].astype(float).to_numpy()
    line = sm.Logit(y, sm.add_constant(bent["grade"].to_numpy(dtype=float))).fit(disp=0)
    free = sm.Logit(y, pd.get_dummies(bent["grade"]).to_numpy(dtype=float)).fit(disp=0)
    assert found["p_value"].iloc[0] == pytest.approx(chi2.sf(2 * (free.llf - line.llf), 3), rel=1e-4)
    assert "does not fit who returns (p < 0.001)" in satisfaction.conclusions.equal_steps(found).sentence
    assert found["p_value"].iloc[0] < 0.001
    assert found["line"].to_numpy() == pytest.approx(
        [line.predict([[1.0, each]])[0] for each in range(1, 6)], rel=1e-5
    )  # fmt: skip


def test_groups_with_the_higher_mean_may_return_less(survey):
    _, found = survey
    table = satisfaction.group_table(found, "channel").set_index("group")
    by_phone = found[found["channel"] == "phone"]
    assert table.loc["phone", "mean_grade"] == pytest.approx(by_phone["grade"].mean())
    assert table.loc["phone", "very_satisfied"] == pytest.approx((by_phone["grade"] == 5).mean())
    assert table.loc["e-mail", "very_satisfied"] > table.loc["phone", "very_satisfied"]
    assert table.loc["e-mail", "mean_grade"] < table.loc["phone", "mean_grade"]


@pytest.mark.parametrize(
    ("table", "error", "says"),
    [
        (pd.DataFrame({"grade": [], "returned": []}), DataError, "there are no answers"),
        (pd.DataFrame({"grade": [6], "returned": [True]}), DataError, "1 grades are not 1 to 5"),
        (pd.DataFrame({"grade": [5.0, None], "returned": [True, True]}), DataError, "grade is missing"),
        (pd.DataFrame({"grade": [5]}), MissingColumnsError, "returned"),
    ],
)
def test_answers_that_cannot_be_graded_are_refused(table, error, says):
    for function in (satisfaction.grade_table, satisfaction.score_line):
        with pytest.raises(error, match=says):
            function(table)


def test_a_line_needs_two_grades_and_both_outcomes():
    for table in (answers_of([0, 0, 0, 0, 9], [0, 0, 0, 0, 4]), answers_of([4, 0, 0, 0, 9], [0] * 5)):
        with pytest.raises(DataError, match="a line needs two grades"):
            satisfaction.score_line(table)
    assert satisfaction.score_line(answers_of([9, 0, 0, 0, 9], [2, 0, 0, 0, 4]))["p_value"].isna().all()
    parted = satisfaction.score_line(answers_of([9, 0, 9, 0, 9], [0, 0, 0, 0, 9]))
    assert parted["line"].to_numpy() == pytest.approx([0, 0, 1], abs=1e-3)


# -- ordered model -----------------------------------------------------------------------------


def test_the_ordered_model_recovers_what_generated_the_grades():
    """Latent −.03 an hour and +.7 by phone, logistic: 20 surveys, coverage within three errors."""
    held, cuts = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hours, phone = rng.exponential(24, 1_500), rng.random(1_500) < 0.5
        latent = -0.03 * hours + 0.7 * phone + rng.logistic(size=1_500)
        table = pd.DataFrame(
            {
                "grade": 1 + np.searchsorted([-2, -1, 0, 1.5], latent),
                "hours": hours,
                "channel": np.where(phone, "phone", "e-mail"),
            }
        )
        found = satisfaction.ordered_fit(table, ["hours", "channel"])
        for (_, row), truth in zip(found.odds.iterrows(), (-0.03, 0.7), strict=True):
            held.append(row["low"] <= np.exp(truth) <= row["high"])
        cuts.append(found.cuts)
        # the model's shares, averaged over the answers, are near those seen
        if seed == 0:
            mean = np.mean([found.shares(hours=h, channel=c) for h, c in zip(hours, table["channel"], strict=True)], 0)
            seen = table["grade"].value_counts(normalize=True).sort_index()
            assert mean == pytest.approx(seen.to_numpy(), abs=0.01)
            assert found.odds["driver"].tolist() == ["hours", "channel: phone"]
    assert abs(np.mean(held) - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 40)
    assert np.mean(cuts, axis=0) == pytest.approx([-2, -1, 0, 1.5], abs=0.06)


def test_two_grades_make_it_a_logit():
    """statsmodels' binary logit gives the same odds ratio and interval."""
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    x = rng.normal(size=400)
    table = pd.DataFrame({"grade": np.where(rng.random(400) < 1 / (1 + np.exp(-x)), 5, 2), "x": x})
    found = satisfaction.ordered_fit(table, ["x"])
    expected = sm.Logit((table["grade"] == 5).astype(float), sm.add_constant(x)).fit(disp=0)
    assert np.log(found.odds["odds_ratio"][0]) == pytest.approx(expected.params.iloc[1], rel=1e-4)
    assert np.log(found.odds["low"][0]) == pytest.approx(expected.conf_int().iloc[1, 0], rel=1e-3)
    assert found.grades.tolist() == [2, 5]


def test_odds_differ_by_cut_where_a_driver_spreads_the_grades(survey):
    _, found = survey
    table = satisfaction.odds_by_cut(found, ["hours", "channel"])
    phone = table[table["driver"] == "channel: phone"].set_index("above")
    assert phone.loc[1, "low"] > 1  # by phone fewer are very disappointed
    assert phone.loc[4, "high"] < 1  # and fewer are very satisfied
    hours = table[table["driver"] == "hours"]
    assert hours["odds_ratio"].max() - hours["odds_ratio"].min() < 0.01  # nearly the same at every cut


def test_models_without_an_answer_are_refused(survey):
    _, found = survey
    with pytest.raises(ParameterError, match="drivers names no column"):
        satisfaction.ordered_fit(found, [])
    with pytest.raises(ParameterError, match="drivers names no column"):
        satisfaction.ordered_fit(found, "hours")
    with pytest.raises(DataError, match="the same in all answers"):
        satisfaction.ordered_fit(found.assign(hours=1.0), ["hours"])
    with pytest.raises(DataError, match="all answers have the same grade"):
        satisfaction.ordered_fit(found[found["grade"] == 5], ["hours"])
    with pytest.raises(DataError, match="hours is missing"):
        satisfaction.ordered_fit(found.assign(hours=np.nan), ["hours"])
    with pytest.raises(DataError, match="no cut has 30 answers"):
        satisfaction.odds_by_cut(found.head(20), ["hours"])
    with pytest.raises(ParameterError, match="give a value for each of channel, hours"):
        satisfaction.ordered_fit(found, ["hours", "channel"]).shares(hours=3)
    apart = pd.DataFrame({"grade": [1] * 40 + [5] * 40, "x": [0.0] * 40 + [1.0] * 40})
    with pytest.raises(ConvergenceError):
        satisfaction.odds_by_cut(apart, ["x"])


def two_channels_and_a_few_faxes(faxes):
    """Answers by mail and phone, and so many by fax, all very satisfied."""
    rng = np.random.default_rng(8)
    table = pd.DataFrame({"grade": rng.integers(1, 6, 600), "channel": ["mail: home", "phone"] * 300})
    lone = pd.DataFrame({"grade": [5] * faxes, "channel": ["fax"] * faxes})
    hours = rng.exponential(20, 600 + faxes)
    return pd.concat([table, lone], ignore_index=True).assign(hours=hours)


@pytest.mark.parametrize(("faxes", "reason"), [(4, "fewer than 30 answers"), (40, "all have one grade")])
def test_categories_without_finite_odds_are_missing_and_move_nothing(faxes, reason):
    """The maximum with them lies at infinity; its limit for the others is the fit without their answers."""
    table = two_channels_and_a_few_faxes(faxes)
    without = table[table["channel"] != "fax"]
    for fitted in (satisfaction.odds_by_cut, lambda *given: satisfaction.ordered_fit(*given).odds):
        found = fitted(table, ["hours", "channel"])
        fax = found[found["driver"] == "channel: fax"]
        assert fax[["odds_ratio", "low", "high", "p_value"]].isna().all(axis=None)
        assert set(fax["reason"]) == {reason}
        others = found[found["driver"] != "channel: fax"].reset_index(drop=True)
        pd.testing.assert_frame_equal(others, fitted(without, ["hours", "channel"]))
        assert others["high"].max() < 100
    ordered = satisfaction.ordered_fit(table, ["hours", "channel"])
    assert ordered.reference == {"channel": "mail: home"}
    slope = np.log(ordered.odds.set_index("driver").loc["channel: phone", "odds_ratio"])
    best = [ordered.shares(hours=3, channel=name)[-1] for name in ("mail: home", "phone")]
    assert np.diff(np.log(best) - np.log1p(-np.array(best))) == pytest.approx(slope)
    with pytest.raises(ParameterError, match="channel: fax is not in the model"):
        ordered.shares(hours=3, channel="fax")


def test_a_driver_of_small_categories_only_leaves_the_others():
    table = two_channels_and_a_few_faxes(0)
    many = table.assign(channel=[f"branch {place % 200}" for place in range(600)])  # three answers each
    for fitted in (satisfaction.odds_by_cut, lambda *given: satisfaction.ordered_fit(*given).odds):
        found, alone = fitted(many, ["hours", "channel"]), fitted(many, ["hours"])
        hours = found[found["driver"] == "hours"].reset_index(drop=True)
        pd.testing.assert_frame_equal(hours, alone)
        note = satisfaction.conclusions.without_ratio(found)
        assert note == " No finite ratio: channel (no category has 30 answers of several grades)."
    assert satisfaction.ordered_fit(many, ["hours", "channel"]).reference == {}


def test_a_cut_that_a_category_never_crosses_has_no_ratio():
    table = two_channels_and_a_few_faxes(0)
    table["grade"] = table["grade"].mask(table["channel"] == "phone", table["grade"].clip(3, 4))
    found = satisfaction.odds_by_cut(table, ["hours", "channel"])
    phone = found[found["driver"] == "channel: phone"].set_index("above")
    assert phone["odds_ratio"].notna().tolist() == [False, False, True, False]  # by phone 3 or 4 alone are given
    assert phone.loc[1, "reason"] == "all of phone lie on one side of the cut"
    assert found.loc[found["driver"] == "hours", "odds_ratio"].notna().all()
    with pytest.raises(DataError, match="no channel has 30 answers"):
        satisfaction.ordered_fit(table.head(40), ["channel"])


def test_the_cuts_of_the_largest_channel_with_a_ratio():
    table = two_channels_and_a_few_faxes(4)
    cuts = satisfaction.odds_by_cut(table, ["hours", "channel"])
    shown = satisfaction.cuts_of_largest(cuts, table, "channel", otherwise="hours")
    assert set(shown["driver"]) == {"channel: phone"}
    note = satisfaction.conclusions.without_ratio(cuts)
    assert note == " No finite ratio: channel: fax (fewer than 30 answers)."
    one = table[table["channel"] == "phone"]
    cuts = satisfaction.odds_by_cut(one, ["hours", "channel"])
    assert set(satisfaction.cuts_of_largest(cuts, one, "channel", otherwise="hours")["driver"]) == {"hours"}
    assert satisfaction.conclusions.without_ratio(cuts) == ""


# -- truth and conclusions ---------------------------------------------------------------------


def test_loud_extremes_bend_the_shares_and_not_the_return():
    table = satisfaction.response_sweep(customers=20_000, loudness=(1.0, 4.0), seed=3)
    quiet, loud = table.iloc[0], table.iloc[1]
    assert quiet["low"] <= quiet["true_share"] <= quiet["high"]
    assert loud["low"] > loud["true_share"]
    assert abs(loud["top_return"] - loud["true_return"]) < 0.03


def test_groups_of_a_handful_are_not_the_farthest_apart():
    table = two_channels_and_a_few_faxes(4).assign(returned=True)
    finding = satisfaction.conclusions.groups(satisfaction.group_table(table, "channel"))
    assert "fax" not in finding.sentence
    alone = satisfaction.group_table(table[table["channel"] != "phone"], "channel")
    assert satisfaction.conclusions.groups(alone).value is None


@pytest.mark.parametrize(
    ("back", "words"),
    [((10, 60), "work for the top grade"), ((60, 10), "do not pay for it"), ((40, 42), "cannot be told apart")],
)
def test_the_answer_takes_its_direction_from_the_numbers(back, words):
    table = satisfaction.grade_table(answers_of([0, 0, 0, 100, 100], [0, 0, 0, *back]))
    finding = satisfaction.conclusions.answer(table, days=90, source="here")
    assert words in finding.sentence
    assert finding.value == pytest.approx((back[1] - back[0]) / 100)


def test_findings_say_what_cannot_be_said():
    few = satisfaction.grade_table(answers_of([40, 0, 0, 3, 3], [9, 0, 0, 1, 2]))
    assert satisfaction.conclusions.answer(few, days=90, source="here").value is None
    line = satisfaction.score_line(answers_of([9, 0, 0, 0, 9], [2, 0, 0, 0, 4]))
    assert satisfaction.conclusions.equal_steps(line).value is None
    one = satisfaction.group_table(answers_of([0, 0, 0, 0, 40], [0, 0, 0, 0, 9]).assign(channel="phone"), "channel")
    assert satisfaction.conclusions.groups(one).value is None
    even = satisfaction.score_line(answers_of([50] * 5, [5, 10, 15, 20, 25]))
    assert "cannot be told apart from who returns" in satisfaction.conclusions.equal_steps(even).sentence


def test_a_day_after_the_simulated_survey_is_refused():
    survey = satisfaction.simulated_survey(np.random.default_rng(1), customers=100)
    assert survey.last_day("") == survey.last_day(None) == survey.as_of
    assert survey.last_day("2025-05-01") == datetime.date(2025, 5, 1)
    with pytest.raises(ParameterError, match=f"as_of 2030-01-01 is after the last day .*, {survey.as_of}; take"):
        survey.last_day("2030-01-01")
