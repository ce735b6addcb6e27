"""Contracts: spells, survival by group, log-rank test, Cox regression, proportionality."""

from __future__ import annotations

import datetime
import math

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib import cohorts, data
from crmlib.cohorts.survival import spells
from crmlib.errors import ConvergenceError, DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas
from crmlib.models import ShiftedBetaGeometric

# Ann runs; Bob leaves on 1 July (182 days after 1 January 2024, a leap year); Cleo's start lies after the last
# day; Dan has no start; Eve leaves after the last day, so she runs.
DATED = {
    "customer_id": ["ann", "bob", "cleo", "dan", "eve"],
    "started_at": [
        datetime.date(2024, 1, 1),
        datetime.date(2024, 1, 1),
        datetime.date(2025, 1, 1),
        None,
        datetime.date(2024, 6, 1),
    ],
    "ended_at": [None, datetime.date(2024, 7, 1), None, None, datetime.date(2025, 3, 1)],
    "plan": ["x", "y", "x", "y", "x"],
}


# --- spells


def test_spells_from_dates_equal_the_days_counted_by_hand(frame):
    result = cohorts.contract_spells(frame(DATED), covariates=["plan"], as_of="2024-12-31")
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id"])
    assert table["customer_id"].tolist() == ["ann", "bob", "eve"]
    # 365 days to 31 December, 182 to 1 July, 213 from 1 June to 31 December
    np.testing.assert_allclose(table["tenure_months"] * 30.4375, [365, 182, 213])
    assert table["left"].tolist() == [False, True, False]
    assert table["plan"].tolist() == ["x", "y", "x"]


def test_spells_from_tenure_drop_what_is_missing(frame):
    columns = {"customer_id": [1, 2, 3], "tenure_months": [4.0, None, 0.0], "left": [True, False, False]}
    table = to_pandas(cohorts.contract_spells(frame(columns)), sort_by=["customer_id"])
    assert table.to_dict("list") == {"customer_id": [1, 3], "tenure_months": [4.0, 0.0], "left": [True, False]}


def test_words_are_no_flag(frame):
    rows = {"customer_id": [1, 2], "tenure_months": [1.0, 2.0], "left": ["Yes", "No"]}
    with pytest.raises(DataError, match="left holds text"):
        cohorts.contract_spells(frame(rows))


def test_spells_that_end_before_they_start_are_counted_and_refused(frame):
    columns = {"customer_id": [1, 2], "tenure_months": [-1, 3], "left": [True, True]}
    with pytest.raises(DataError, match="1 contracts end before they start"):
        cohorts.contract_spells(frame(columns))
    turned = DATED | {"started_at": DATED["ended_at"], "ended_at": DATED["started_at"]}
    with pytest.raises(DataError, match="2 contracts end"):  # Bob's and Eve's
        cohorts.contract_spells(frame(turned), as_of="2025-12-31")


def test_spells_need_a_last_day_and_their_columns(frame):
    with pytest.raises(ParameterError, match="need as_of"):
        cohorts.contract_spells(frame(DATED))
    with pytest.raises(MissingColumnsError, match="'left'"):
        cohorts.contract_spells(frame({"customer_id": [1], "tenure_months": [1]}))
    with pytest.raises(MissingColumnsError, match="'region'"):
        cohorts.contract_spells(frame(DATED), covariates=["region"], as_of="2024-12-31")


def test_no_contracts_give_no_spells(frame):
    columns = {"customer_id": [1], "tenure_months": [1.0], "left": [True]}
    empty = nw.from_native(frame(columns)).filter(nw.col("customer_id") > 1).to_native()
    assert to_pandas(cohorts.contract_spells(empty)).empty


# --- renewals


def test_renewals_are_terms_begun_by_who_left_and_completed_by_who_stays():
    # terms of 12: left after 0, 3, 12, 13 months -> at renewal 1, 1, 1, 2; there after 0, 11, 12, 30 -> 0, 0, 1, 2
    table = cohorts.renewals_made([0, 3, 12, 13, 0, 11, 12, 30], [True] * 4 + [False] * 4)
    assert table["periods"].tolist() == [1, 1, 1, 2, 0, 0, 1, 2]
    assert cohorts.renewals_made([0.3], [False], length=0.1)["periods"].tolist() == [3]
    for length in (0, -1, np.inf):
        with pytest.raises(ParameterError, match="length is"):
            cohorts.renewals_made([1], [True], length=length)


def test_the_simulated_plans_chances_are_recovered_from_spells():
    """The plan plus: alpha 1, beta 24, in a large firm; each within its 99.9 % interval."""
    firm = data.simulate_subscribers(np.random.default_rng(16), customers=60_000)
    own = firm["subscriptions"].query("contract == 'plus'")
    made = cohorts.renewals_made(own["tenure_months"], own["left"], length=1)
    fit = ShiftedBetaGeometric(made["periods"], made["left"]).fit()
    ends = fit.conf_int(0.999)
    assert ends.loc["alpha", "low"] < 1 < ends.loc["alpha", "high"]
    assert ends.loc["beta", "low"] < 24 < ends.loc["beta", "high"]


# --- survival by group, left truncation


def test_left_truncation_equals_the_hand_worked_risk_sets():
    """At risk at t: entered before t and not gone before it.

    ends (event) 2+, 3*, 5*, 5, 7*; entries 0, 1, 0, 4, 3.
    t = 3: entered before 3 and still there: the 2nd, 3rd (entry 0 and 1); the 5th enters at 3, not before. 1 of 2.
    t = 5: 3rd, 4th, 5th: 1 of 3. t = 7: the 5th alone: 1 of 1.
    """
    curve = cohorts.survival_curve([2, 3, 5, 5, 7], [False, True, True, False, True], entry=[0, 1, 0, 4, 3])
    assert curve["at_risk"].tolist()[1:] == [2, 3, 1]
    np.testing.assert_allclose(curve["survival"], [1, 1 / 2, 1 / 2 * 2 / 3, 0])


def test_entry_at_zero_changes_nothing_and_no_time_at_risk_counts_nobody():
    time, left = [1, 2, 2, 4], [True, False, True, False]
    pd.testing.assert_frame_equal(cohorts.survival_curve(time, left, entry=[0] * 4), cohorts.survival_curve(time, left))
    curve = cohorts.survival_curve([*time, 3], [*left, True], entry=[0, 0, 0, 0, 3])
    assert curve["at_risk"].iloc[0] == 4
    assert 3 not in curve["time"].tolist()


def test_groups_have_the_curves_of_their_own_customers():
    rng = np.random.default_rng(1)
    time, left, kind = rng.integers(0, 20, 300), rng.random(300) < 0.6, rng.choice(["b", "a", "c"], 300)
    left &= kind != "c"
    table = cohorts.survival_by_group(time, left, kind)
    assert table["group"].unique().tolist() == ["a", "b", "c"]
    assert (table["group"] == "c").sum() == 1  # nobody left: the first row alone
    for name in ("a", "b"):
        own = table[table["group"] == name].drop(columns=["group", "followed"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(own, cohorts.survival_curve(time[kind == name], left[kind == name]))


def test_a_group_says_nothing_beyond_its_follow_up():
    # a: 1 of 2 left at 2, followed to 4; b: nobody of 2 in 1 month; c: all left by 2, so nobody is there later
    time, left = [2, 4, 1, 1, 1, 2], [1, 0, 0, 0, 1, 1]
    curves = cohorts.survival_by_group(time, left, list("aabbcc"))
    assert cohorts.groups_at(curves, 1)[["group", "survival"]].to_numpy().tolist() == [["c", 0.5], ["a", 1], ["b", 1]]
    assert cohorts.groups_at(curves, 4)[["group", "survival"]].to_numpy().tolist() == [["c", 0.0], ["a", 0.5]]
    with pytest.raises(DataError, match="nobody was followed for 5; give a tenure up to 4"):
        cohorts.groups_at(curves[curves["group"] == "a"], 5)


def test_one_group_and_one_customer_have_a_curve():
    table = cohorts.survival_by_group([3.0], [True], ["all"])
    assert table["survival"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("time", "left", "entry", "said"),
    [
        ([], [], None, "one length above 0"),
        ([1], [True, False], None, "one length"),
        ([-1], [True], None, "at least 0"),
        ([math.nan], [True], None, "finite"),
        ([1], [None], None, "true or false"),
        ([1], [2], None, "true or false"),
        ([1], [True], [2], "entry must lie between"),
        ([1], [True], [-1], "entry must lie between"),
    ],
)
def test_impossible_spells_are_refused(time, left, entry, said):
    with pytest.raises(DataError, match=said):
        spells(time, left, entry)


def test_missing_groups_are_refused():
    with pytest.raises(DataError, match="1 customers have no group"):
        cohorts.survival_by_group([1, 2], [True, False], ["a", None])
    with pytest.raises(DataError, match="groups have 1 entries"):
        cohorts.survival_by_group([1, 2], [True, False], ["a"])


# --- log-rank


def test_log_rank_equals_the_sum_over_times_by_hand():
    """Mantel's statistic: (O - E)² / V, V the sum of hypergeometric variances, in plain loops."""
    rng = np.random.default_rng(2)
    time, left, kind = rng.integers(1, 12, 80), rng.random(80) < 0.7, rng.random(80) < 0.5
    observed = expected = variance = 0.0
    for t in np.unique(time[left]):
        risk, own = (time >= t).sum(), ((time >= t) & kind).sum()
        events = (left & (time == t)).sum()
        observed += (left & (time == t) & kind).sum()
        expected += events * own / risk
        if risk > 1:
            variance += events * own / risk * (1 - own / risk) * (risk - events) / (risk - 1)
    test = cohorts.log_rank(time, left, kind)
    assert test.statistic == pytest.approx((observed - expected) ** 2 / variance)
    assert test.df == 1
    row = test.groups[test.groups["group"].astype(bool)].iloc[0]
    assert (row["observed"], row["customers"]) == (observed, kind.sum())
    assert row["expected"] == pytest.approx(expected)
    assert test.groups["expected"].sum() == pytest.approx(left.sum())


def test_strata_keep_comparisons_within():
    """Two strata that each hold one group's customers at different speed: nothing is left to compare."""
    rng = np.random.default_rng(3)
    layer = np.repeat([0, 1], 300)
    time = rng.geometric(np.where(layer, 0.3, 0.05))
    kind = np.where(rng.random(600) < np.where(layer, 0.8, 0.2), "a", "b")
    left = np.ones(600, dtype=bool)
    assert cohorts.log_rank(time, left, kind).p_value < 1e-6
    assert cohorts.log_rank(time, left, kind, strata=layer).p_value > 0.01
    assert cohorts.log_rank(time, left, kind, strata=layer).groups["expected"].sum() == pytest.approx(600)


def test_log_rank_takes_left_truncation():
    time, left, kind = [2, 3, 5, 5, 7], [False, True, True, False, True], list("aabba")
    test = cohorts.log_rank(time, left, kind, entry=[0, 1, 0, 4, 3])
    # risk sets of the hand-worked curve: at 3 {2nd a, 3rd b}, at 5 {3rd b, 4th b, 5th a}, at 7 {5th a}
    assert test.groups.set_index("group")["expected"].to_dict() == pytest.approx(
        {"a": 1 / 2 + 1 / 3 + 1, "b": 1 / 2 + 2 / 3}
    )


def test_log_rank_holds_its_level():
    """Equal groups: p-values below 5 % in about 5 of 100 samples; four standard errors of 200 samples."""
    rng = np.random.default_rng(4)
    small = 0
    for _ in range(200):
        time, censored = rng.geometric(0.1, 120), rng.integers(1, 25, 120)
        kind = rng.integers(0, 3, 120)
        small += cohorts.log_rank(np.minimum(time, censored), time <= censored, kind).p_value < 0.05
    assert abs(small / 200 - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 200)


def test_who_leaves_on_the_first_day_is_expected_too():
    # at 0 there are 4 of 8 in a, 1 leaves; at 1 2 of 6, 2 leave, one of each; at 2 1 of 4, 1 of b; at 5 none of 1
    time, left = [0, 1, 2, 3, 0, 1, 2, 5], [1, 1, 1, 0, 0, 1, 0, 1]
    test = cohorts.log_rank(time, left, list("aabbabab"))
    expected = 1 * 4 / 8 + 2 * 2 / 6 + 1 * 1 / 4 + 1 * 0 / 1
    variance = 1 * 4 / 8 * 4 / 8 + 2 * 2 / 6 * 4 / 6 * 4 / 5 + 1 * 1 / 4 * 3 / 4
    np.testing.assert_allclose(test.groups["expected"], [expected, 5 - expected])
    assert test.statistic == pytest.approx((2 - expected) ** 2 / variance)


def test_a_group_gone_before_the_first_event_is_not_compared():
    test = cohorts.log_rank([1, 5, 6, 7, 8], [False, True, True, True, True], list("zabab"))
    without = cohorts.log_rank([5, 6, 7, 8], [True] * 4, list("abab"))
    assert (test.statistic, test.df) == (pytest.approx(without.statistic), 1)
    assert test.groups["group"].tolist() == ["a", "b", "z"]
    with pytest.raises(DataError, match="never at risk together"):
        cohorts.log_rank([1, 2, 5, 6], [True] * 4, list("aabb"), entry=[0, 0, 3, 3])


def test_nothing_to_compare_is_said():
    """One group, and covariates that all customers share, are left out of comparisons and named."""
    test = cohorts.log_rank([1, 2], [True, False], ["a", "a"])
    assert (test.df, test.groups["observed"].tolist()) == (0, [1])
    assert test.groups["expected"].tolist() == [1.0]  # half a chance for each of two at risk
    assert np.isnan([test.statistic, test.p_value]).all()
    say = cohorts.contract_conclusions
    assert say.groups_differ(test).sentence == "All are of one group, 'a', with none to compare it with."
    time, x = np.arange(1, 41) % 9 + 1.0, np.arange(40) % 2
    left, same = np.ones(40, dtype=bool), {"plan": ["a"] * 40, "charge": [3.0] * 40}
    beside = cohorts.cox_regression(time, left, pd.DataFrame(same | {"x": x}))
    pd.testing.assert_frame_equal(beside.ratios, cohorts.cox_regression(time, left, pd.DataFrame({"x": x})).ratios)
    assert beside.constant == ("plan", "charge")
    assert say.strongest_ratio(beside).sentence.endswith(
        "; plan and charge cannot be asked about, having one value only."
    )
    words = cohorts.cox_regression(time, left, pd.DataFrame({"monthly_charge": np.arange(40.0)}))
    assert "one more of monthly charge" in say.strongest_ratio(words).sentence
    nothing = cohorts.cox_regression(time, left, pd.DataFrame(same))
    assert nothing.ratios.empty
    assert (nothing.customers, nothing.events) == (40, 40)
    none = cohorts.ratios_by_tenure(time, left, pd.DataFrame(same), cuts=[3])
    assert none.empty
    told = [finding.sentence for finding in say.leaving(test, nothing, cohorts.proportionality(nothing))]
    assert told[1].startswith("What goes with leaving is not told; plan and charge cannot be asked")
    assert told[2] == "Without a term there is no hazard ratio to be constant."
    with pytest.raises(DataError, match="nobody left"):
        cohorts.log_rank([1, 2], [False, False], ["a", "b"])


# --- Cox regression


def efron(beta, time, left, x):
    """Efron's partial log-likelihood of one covariate, in plain loops."""
    total = 0.0
    for t in np.unique(time[left]):
        gone = left & (time == t)
        risk, tied = np.exp(beta * x[time >= t]).sum(), np.exp(beta * x[gone]).sum()
        d = gone.sum()
        total += beta * x[gone].sum() - sum(np.log(risk - i / d * tied) for i in range(d))
    return total


def test_cox_maximises_efrons_likelihood():
    from scipy.optimize import minimize_scalar

    rng = np.random.default_rng(5)
    x = rng.normal(size=120)
    time = np.ceil(rng.exponential(6 / np.exp(0.6 * x)))
    left = rng.random(120) < 0.7
    best = minimize_scalar(lambda b: -efron(b, time, left, x), bracket=(0, 1))
    fit = cohorts.cox_regression(time, left, pd.DataFrame({"x": x}))
    assert fit.ratios["coefficient"].item() == pytest.approx(best.x, abs=1e-5)
    assert fit.llf == pytest.approx(-best.fun)
    curvature = (efron(best.x + 1e-3, time, left, x) - 2 * -best.fun + efron(best.x - 1e-3, time, left, x)) / 1e-6
    assert fit.ratios["error"].item() == pytest.approx(1 / np.sqrt(-curvature), rel=1e-3)
    assert fit.ratios["hazard_ratio"].item() == pytest.approx(np.exp(best.x), abs=1e-4)


def test_known_ratios_are_found_and_the_interval_holds_its_level():
    """Exponential lifetimes with ratio 2, censored at 12: 95 % in 80 samples within four standard errors."""
    rng = np.random.default_rng(6)
    inside, middle = 0, []
    for _ in range(80):
        kind = rng.random(150) < 0.5
        time = rng.exponential(np.where(kind, 5.0, 10.0))
        row = cohorts.cox_regression(np.minimum(time, 12), time < 12, pd.DataFrame({"kind": kind})).ratios.iloc[0]
        inside += row["low"] <= 2 <= row["high"]
        middle.append(row["coefficient"])
    assert abs(inside / 80 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 80)
    assert np.mean(middle) == pytest.approx(np.log(2), abs=0.09)


def test_who_leaves_on_the_first_day_counts():
    """Only the order of the times matters, so all of them a month later change nothing."""
    rng = np.random.default_rng(4)
    kind, x = rng.choice(["a", "b"], 400), rng.normal(size=400)
    time = rng.geometric(np.where(kind == "a", 0.3, 0.15)) - 1.0
    left, table = rng.random(400) < 0.8, pd.DataFrame({"kind": kind, "x": x})
    assert (left & (time == 0)).sum() > 20
    first, later = (cohorts.cox_regression(time + shift, left, table) for shift in (0, 1))
    assert first.events == left.sum()
    pd.testing.assert_frame_equal(first.ratios, later.ratios)
    pd.testing.assert_frame_equal(cohorts.proportionality(first), cohorts.proportionality(later))
    parts = cohorts.ratios_by_tenure(time, left, table, cuts=[2.5])
    assert parts.drop_duplicates("from_time")["events"].sum() == left.sum()
    moved = cohorts.ratios_by_tenure(time + 1, left, table, cuts=[3.5])
    pd.testing.assert_frame_equal(parts.iloc[:, 2:], moved.iloc[:, 2:])


def test_left_truncation_takes_the_bias_out():
    """Only customers who are still there at a random look are in the data: without entry the ratio is off."""
    rng = np.random.default_rng(7)
    kind = rng.random(12_000) < 0.5
    time, look = rng.exponential(np.where(kind, 4.0, 12.0)), rng.uniform(0, 20, 12_000)
    seen = time > look
    observed = time <= look + 3  # followed for three more months
    end = np.minimum(time, look + 3)
    sample = pd.DataFrame({"kind": kind[seen]})
    right = cohorts.cox_regression(end[seen], observed[seen], sample, entry=look[seen]).ratios.iloc[0]
    wrong = cohorts.cox_regression(end[seen], observed[seen], sample).ratios.iloc[0]
    assert right["low"] < 3 < right["high"]
    assert not wrong["low"] < 3 < wrong["high"]


def test_text_is_set_against_the_most_frequent_value():
    rng = np.random.default_rng(8)
    table = pd.DataFrame({"plan": ["big"] * 60 + ["small"] * 30 + ["mid"] * 30, "age": rng.normal(size=120)})
    fit = cohorts.cox_regression(rng.integers(1, 20, 120), rng.random(120) < 0.8, table)
    assert fit.ratios["term"].tolist() == ["plan: mid (not big)", "plan: small (not big)", "age"]
    assert (fit.customers, fit.events) == (120, int(fit.spells[1].sum()))


def test_units_and_row_order_change_what_they_should():
    rng = np.random.default_rng(9)
    time, left, age = rng.integers(1, 20, 150), rng.random(150) < 0.6, rng.normal(40, 10, 150)
    fit = cohorts.cox_regression(time, left, pd.DataFrame({"age": age})).ratios
    tens = cohorts.cox_regression(time * 30, left, pd.DataFrame({"age": age / 10})).ratios
    assert tens["coefficient"].item() == pytest.approx(10 * fit["coefficient"].item(), rel=1e-5)
    order = rng.permutation(150)
    again = cohorts.cox_regression(time[order], left[order], pd.DataFrame({"age": age[order]})).ratios
    pd.testing.assert_frame_equal(again, fit, rtol=1e-6)


@pytest.mark.parametrize(
    ("covariates", "left", "said"),
    [
        ({"x": [np.nan] + [1.0] * 39}, None, "'x' lacks 1 values"),
        ({"x": range(40), "y": range(40)}, None, "determined by the others"),
        ({"x": range(39)}, None, "covariates have 39 rows"),
        ({"x": range(40)}, [True] * 4 + [False] * 36, "4 customers left, for 1 terms"),
        ({"x": [True] * 20 + [False] * 20}, [True] * 20 + [False] * 20, "on one side of 'x'"),
        ({"x": range(40)}, [False] * 40, "0 customers left"),
    ],
)
def test_what_cannot_be_fitted_is_said(covariates, left, said):
    rng = np.random.default_rng(10)
    with pytest.raises(DataError, match=said):
        cohorts.cox_regression(rng.integers(1, 20, 40), [True] * 40 if left is None else left, pd.DataFrame(covariates))


def test_no_covariates_are_a_parameter_to_mend():
    with pytest.raises(ParameterError, match="covariates names no column; give at least one"):
        cohorts.cox_regression(range(1, 41), [True] * 40, pd.DataFrame(index=range(40)))


def test_a_covariate_that_decides_who_leaves_does_not_converge():
    time = np.arange(1, 41)
    with pytest.raises(ConvergenceError, match=r"Cox regression"):
        cohorts.cox_regression(time, np.ones(40, dtype=bool), pd.DataFrame({"x": -time.astype(float)}))


# --- proportionality


def test_schoenfeld_residuals_equal_the_loops():
    from crmlib.cohorts.proportionality import _schoenfeld

    rng = np.random.default_rng(11)
    x = rng.normal(size=60)
    time, left, entry = rng.integers(3, 10, 60), rng.random(60) < 0.8, rng.integers(0, 3, 60)
    fit = cohorts.cox_regression(time, left, pd.DataFrame({"x": x}), entry=entry)
    b, expected = fit.ratios["coefficient"].item(), []
    for t in np.unique(time[left]):
        gone, risk = left & (time == t), (time >= t) & (entry < t)
        w, d = np.exp(b * x), gone.sum()
        means = []
        for i in range(d):
            weights = w * (risk - i / d * gone)
            means.append((weights * x).sum() / weights.sum())
        expected += [value - np.mean(means) for value in x[gone]]
    found = _schoenfeld(fit)[:, 0]
    np.testing.assert_allclose(np.sort(found), np.sort(expected))
    assert found.sum() == pytest.approx(0, abs=1e-4)  # the score is 0 at the maximum


def test_constant_ratios_pass_and_drifting_ones_are_found():
    """Ratio 3 throughout; then ratio 3 up to month 4 and 1/3 after it."""
    rng = np.random.default_rng(12)
    n = 1_500
    kind = rng.random(n) < 0.5
    constant = rng.exponential(np.where(kind, 4.0, 12.0))
    table = pd.DataFrame({"kind": kind})
    fine = cohorts.proportionality(cohorts.cox_regression(np.minimum(constant, 15), constant < 15, table))
    assert fine["p_value"].iloc[0] > 0.01
    early, late = rng.exponential(np.where(kind, 4.0, 12.0)), 4 + rng.exponential(np.where(kind, 12.0, 4.0))
    drifting = np.where(early < 4, early, late)
    check = cohorts.proportionality(cohorts.cox_regression(np.minimum(drifting, 15), drifting < 15, table))
    assert check["p_value"].iloc[0] < 1e-6
    assert check["correlation"].iloc[0] < 0
    assert check["term"].tolist() == ["kind", "all terms"]
    parts = cohorts.ratios_by_tenure(np.minimum(drifting, 15), drifting < 15, table, cuts=[4])
    for row, true in zip(parts.itertuples(), (3, 1 / 3), strict=True):
        assert row.low < true < row.high
    assert parts["events"].sum() == (drifting < 15).sum()


def test_the_test_of_proportionality_holds_its_level():
    rng = np.random.default_rng(13)
    small = 0
    for _ in range(80):
        x = rng.normal(size=100)
        time = rng.exponential(8 / np.exp(0.5 * x))
        fit = cohorts.cox_regression(np.minimum(time, 10), time < 10, pd.DataFrame({"x": x}))
        small += cohorts.proportionality(fit)["p_value"].iloc[0] < 0.05
    assert abs(small / 80 - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 80)


def test_events_at_one_time_cannot_drift():
    rng = np.random.default_rng(14)
    fit = cohorts.cox_regression(np.full(60, 3), rng.random(60) < 0.7, pd.DataFrame({"x": rng.normal(size=60)}))
    with pytest.raises(DataError, match="one time"):
        cohorts.proportionality(fit)


def test_a_silent_value_has_ratio_zero_and_does_not_move_the_others():
    """As its coefficient falls without end its customers leave every risk set: the same as without them."""
    rng = np.random.default_rng(15)
    plan = np.repeat(["a", "b", "silent"], 100)
    time, left = rng.integers(1, 20, 300), (rng.random(300) < 0.6) & (plan != "silent")
    parts = cohorts.ratios_by_tenure(time, left, pd.DataFrame({"plan": plan}), cuts=[10])
    quiet = parts[parts["term"] == "plan: silent (not a)"]
    assert quiet["hazard_ratio"].tolist() == [0.0, 0.0]
    assert quiet["low"].isna().all()
    some = plan != "silent"
    without = cohorts.ratios_by_tenure(time[some], left[some], pd.DataFrame({"plan": plan[some]}), cuts=[10])
    with_it = parts[parts["term"] == "plan: b (not a)"]
    np.testing.assert_allclose(with_it["hazard_ratio"], without["hazard_ratio"])


def test_a_stretch_without_enough_events_has_missing_ratios():
    time, left = np.arange(1, 61), np.arange(1, 61) < 30
    parts = cohorts.ratios_by_tenure(time, left, pd.DataFrame({"x": np.tile([0.0, 1.0, 3.0], 20)}), cuts=[40])
    assert parts["hazard_ratio"].notna().tolist() == [True, False]
    with pytest.raises(ParameterError, match="ascending"):
        cohorts.ratios_by_tenure(time, left, pd.DataFrame({"x": time}), cuts=[5, 5])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_events_expected_add_up_to_events_seen(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 60))
    time, kind = rng.integers(1, 9, n), rng.integers(0, 3, n)
    left = rng.random(n) < 0.6
    if left.any() and len(np.unique(kind)) > 1:
        entry = np.minimum(rng.integers(0, 4, n), time - 1)
        try:
            test = cohorts.log_rank(time, left, kind, entry=entry)
        except DataError:  # groups that never meet
            return
        assert test.groups["expected"].sum() == pytest.approx(left.sum())


# --- telco and the simulated firm


@pytest.mark.data
def test_telco_by_contract_in_plain_counting():
    table = to_pandas(data.load("telco", "duckdb")["subscriptions"])
    spell = to_pandas(cohorts.contract_spells(data.load("telco")["subscriptions"], covariates=["contract"]))
    curves = cohorts.survival_by_group(spell["tenure_months"], spell["left"], spell["contract"])
    for kind, own in table.groupby("contract"):
        still = 1.0
        for month in range(1, 25):
            at_risk = (own["tenure_months"] >= month).sum()
            still *= 1 - (own["left"] & (own["tenure_months"] == month)).sum() / at_risk
        curve = curves[curves["group"] == kind]
        assert cohorts.curve_at(curve, 24)["survival"] == pytest.approx(still)


def test_the_simulated_firm_is_recovered():
    """The plans' true survival lies in about 95 % of the intervals; a channel without effect is told from 1 in 5 %."""
    inside = total = told = 0
    for seed in range(24):
        firm = data.simulate_subscribers(np.random.default_rng(seed), customers=1_500)
        seen = firm["subscriptions"].merge(firm["customers"], on="customer_id")
        spell = seen["tenure_months"], seen["left"]
        for plan, curve in cohorts.survival_by_group(*spell, seen["contract"]).groupby("group"):
            row = cohorts.curve_at(curve, 12)
            inside += row["low"] <= firm.truth.survival(12, plan) <= row["high"]
            total += 1
        last = cohorts.cox_regression(*spell, seen[["contract", "channel"]]).ratios.iloc[-1]
        told += not last["low"] <= 1 <= last["high"]
    assert abs(inside / total - 0.95) < 4 * np.sqrt(0.95 * 0.05 / total)
    assert told <= 6  # of 24, of which 1.2 are expected: fewer than 1 in 5,000 times more than 6
