"""Members against non-members made alike: weights, matches, and the bias that remains."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib import data, loyalty
from crmlib.errors import ConvergenceError, DataError, MissingColumnsError, ParameterError


def panel_of(joined, values, **columns):
    """Panel with the given outcomes, shape (customers, periods)."""
    values = np.asarray(values, dtype=float)
    count, periods = values.shape
    table = {
        "customer_id": np.repeat(np.arange(count), periods),
        "period": np.tile(np.arange(periods), count),
        "joined": np.repeat(np.asarray(joined, dtype=float), periods),
        "orders": values.ravel(),
    }
    return pd.DataFrame(table | {name: np.asarray(each, dtype=float).ravel() for name, each in columns.items()})


def selected_panel(seed=1, n=400, cohorts=(1,), periods=3, effect=1.0):
    """Poisson orders of gamma rates; who bought more before joins more readily, given what was bought at chance."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1, 1, n)
    values = rng.poisson(2 * rate[:, None], (n, periods)).astype(float)
    joins = rng.random(n) < 1 / (1 + np.exp(1 - 0.7 * rate))
    joined = np.where(joins, rng.choice(cohorts, n), np.nan)
    values += effect * (np.arange(periods) > joined[:, None])
    return panel_of(joined, values)


def by_method(table):
    return table.set_index("method")


def test_weighting_is_inverse_probability_weighting_for_the_treated():
    """One cohort: statsmodels' GMM estimate and its sandwich error, which divides by n and not n - 1."""
    import statsmodels.api as sm
    from statsmodels.treatment.treatment_effects import TreatmentEffect

    panel = selected_panel()
    wide = panel.pivot(index="customer_id", columns="period", values="orders")
    treated = panel.groupby("customer_id")["joined"].first().notna()
    design = sm.add_constant(np.arcsinh(wide[0].to_numpy()))
    odds = sm.Logit(treated.astype(float).to_numpy(), design).fit(disp=0)
    outcome = sm.OLS(wide[2].to_numpy(), design)
    expected = TreatmentEffect(outcome, treated.astype(int).to_numpy(), results_select=odds).ipw(effect_group=1)
    found = by_method(loyalty.adjusted_comparisons(panel, behaviour=("orders",))).loc["weighted"]
    assert found["effect"] == pytest.approx(np.ravel(expected.effect)[0], rel=1e-5)
    n = len(wide)
    assert found["standard_error"] == pytest.approx(expected.results_gmm.bse[0] * np.sqrt(n / (n - 1)), rel=1e-4)
    assert found["high"] - found["effect"] == pytest.approx(1.959964 * found["standard_error"], rel=1e-6)


def test_matching_by_hand():
    """Members with 1, 4, 0 orders, controls with 0, 0, 2, 5: 1 goes to 2 (log scale), 4 to 5, 0 to both zeros."""
    before, after = [1, 4, 0, 0, 0, 2, 5], [9, 8, 7, 1, 3, 4, 6]
    panel = panel_of([1, 1, 1, *[np.nan] * 4], np.column_stack([before, [0] * 7, after]))
    found = by_method(loyalty.adjusted_comparisons(panel, behaviour=("orders",), neighbours=1))
    # The line through the controls used, (0; 2), (log 2; 4), (log 5; 6), corrects for 1 being short of 2, 4 of 5.
    line = np.polyfit(np.arcsinh([0, 2, 5]), [2, 4, 6], 1)[0]
    short = np.arcsinh([1, 4]) - np.arcsinh([2, 5])
    assert found.loc["matched", "effect"] == pytest.approx(np.mean([9 - 4, 8 - 6, 7 - 2]) - line * short.sum() / 3)
    # each of the two zeros stands for half a member: weights 1/6, 1/6, 1/3, 1/3
    assert found.loc["matched", "controls"] == pytest.approx(1 / (2 / 36 + 2 / 9))


def test_the_error_of_matching_is_abadie_and_imbens():
    """Their estimator for the treated (2006, theorem 7), with loops; no two covariates are equal here."""
    rng = np.random.default_rng(5)
    n, treated, m = 60, 20, 3
    x, y = rng.gamma(2, 1, n), rng.normal(0, 1, n)
    joined = np.where(np.arange(n) < treated, 1, np.nan)
    found = loyalty.adjusted_comparisons(
        panel_of(joined, np.column_stack([x, x * 0, y])), behaviour=("orders",), neighbours=m
    )
    scale, controls = np.arcsinh(x), np.arange(treated, n)
    nearest = [controls[np.argsort(abs(scale[controls] - scale[i]))[:m]] for i in range(treated)]
    uses, gains = np.bincount(np.concatenate(nearest), minlength=n) / m, []
    line = np.polyfit(scale[controls], y[controls], 1, w=np.sqrt(uses[controls]))[0]  # bias correction of 2011
    for i in range(treated):
        near = nearest[i]
        gains.append(y[i] - y[near].mean() - line * (scale[i] - scale[near].mean()))
    variance = np.sum((gains - np.mean(gains)) ** 2)
    for c in controls:
        near = sorted(set(controls) - {c}, key=lambda other: abs(scale[other] - scale[c]))[:m]
        noise = m / (m + 1) * (y[c] - y[near].mean()) ** 2
        variance += noise * (uses[c] ** 2 - uses[c] / m)
    row = by_method(found).loc["matched"]
    assert row["effect"] == pytest.approx(np.mean(gains))
    assert row["standard_error"] == pytest.approx(np.sqrt(variance) / treated)


def test_several_cohorts_are_weighed_by_their_member_periods():
    """With covariates that say nothing (all equal) both methods are the naive difference."""
    rng = np.random.default_rng(2)
    joined = [1] * 4 + [2] * 3 + [np.nan] * 6
    panel = panel_of(joined, np.hstack([np.ones((13, 2)), rng.normal(5, 1, (13, 3))]))
    panel.loc[panel["period"] == 1, "orders"] = 1.0
    found = by_method(loyalty.adjusted_comparisons(panel, behaviour=("orders",)))
    naive = by_method(loyalty.programme_comparisons(panel)).loc["naive"]
    assert found.loc["weighted", "effect"] == pytest.approx(naive["effect"])
    assert found.loc["matched", "effect"] == pytest.approx(naive["effect"])
    ahead = loyalty.adjusted_comparisons(panel, behaviour=("orders",), horizon=1)
    nearest = loyalty.programme_comparisons(panel, horizon=1)
    assert by_method(ahead).loc["weighted", "effect"] == pytest.approx(by_method(nearest).loc["naive", "effect"])


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_row_order_changes_nothing_and_a_constant_moves_nothing(seed, random):
    panel = selected_panel(seed, n=60, cohorts=(1, 2), periods=5)
    order = list(range(len(panel)))
    random.shuffle(order)
    found = loyalty.adjusted_comparisons(panel, behaviour=("orders",))
    pd.testing.assert_frame_equal(loyalty.adjusted_comparisons(panel.iloc[order], behaviour=("orders",)), found)
    moved = panel.assign(moved=panel["orders"] + 7)
    shifted = loyalty.adjusted_comparisons(moved, outcome="moved", behaviour=("orders",))
    np.testing.assert_allclose(shifted[["effect", "standard_error"]], found[["effect", "standard_error"]], atol=1e-9)


def test_weighting_and_matching_balance_what_is_seen():
    panel = selected_panel(3, n=3_000)
    ids = np.arange(3_000)
    people = pd.DataFrame({"customer_id": ids[::-1], "town": np.where(ids[::-1] % 3, "a", "b"), "age": 30.0})
    table = loyalty.covariate_balance(panel, people, behaviour=("orders",)).set_index("covariate")
    assert table.index.tolist() == ["orders", "town: b", "age"]
    assert table.loc["orders", "unadjusted"] > 0.3
    assert (table[["weighted", "matched"]].abs() < 0.05).all(axis=None)
    assert (table.loc["age"] == 0).all()


def test_an_attribute_that_explains_joining_takes_the_bias_away():
    """Joining depends on a flag that is worth 3 orders a period: naive is off by it, both methods are not."""
    rng = np.random.default_rng(4)
    n = 4_000
    flag = rng.random(n) < 0.5
    joined = np.where(rng.random(n) < np.where(flag, 0.6, 0.2), 1, np.nan)
    values = (
        rng.normal(0, 1, (n, 3)) + [0, 0, 3] * flag[:, None] + np.where(np.isnan(joined), 0, 1)[:, None] * [0, 0, 1]
    )
    panel, people = panel_of(joined, values), pd.DataFrame({"customer_id": np.arange(n), "flag": flag})
    found = by_method(loyalty.adjusted_comparisons(panel, people, behaviour=("orders",)))
    assert by_method(loyalty.programme_comparisons(panel)).loc["naive", "low"] > 2
    for method in ("weighted", "matched"):
        assert abs(found.loc[method, "effect"] - 1) < 3 * found.loc[method, "standard_error"]


def test_intervals_cover_where_nobody_is_drawn_in_and_are_biased_where_heavy_buyers_are():
    """40 firms in which anybody joins: nominal 95 %, ± 3 standard errors; where heavy buyers join no interval holds."""
    options = {"customers": 10_000, "tables": loyalty.NEEDED}
    inside, errors = {"weighted": [], "matched": []}, []
    for seed in range(40):
        firm = data.simulate(np.random.default_rng(seed), self_selection=0.0, **options)
        real = loyalty.true_effect(firm)
        truth = np.average(real["effect"], weights=real["members"])
        found = by_method(loyalty.adjusted_comparisons(loyalty.programme_panel(firm)))
        for method, held in inside.items():
            held.append(found.loc[method, "low"] <= truth <= found.loc[method, "high"])
    for held in inside.values():
        assert abs(np.mean(held) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 40)
    for seed in range(5):
        firm = data.simulate(np.random.default_rng(seed), **options)
        real = loyalty.true_effect(firm)
        found = loyalty.adjusted_comparisons(loyalty.programme_panel(firm))
        errors.append(found["low"] - np.average(real["effect"], weights=real["members"]))
    assert (np.array(errors) > 0).all()


def test_everybody_joins_sooner_or_later_and_the_last_are_controls():
    panel = selected_panel(6, n=200, cohorts=(1, 2), periods=5)
    joined = panel["joined"].fillna(4.0)
    found = loyalty.adjusted_comparisons(panel.assign(joined=joined), behaviour=("orders",))
    same = panel[panel["period"] < 4].assign(joined=panel["joined"])
    pd.testing.assert_frame_equal(found, loyalty.adjusted_comparisons(same, behaviour=("orders",)))


@pytest.mark.parametrize(
    ("joined", "says"),
    [
        ([1, 1, 1, 1], "everybody joined in the same period"),
        ([np.nan] * 4, "nobody joined the programme"),
        ([0, 0, np.nan, np.nan], "no member can be compared"),
    ],
)
def test_panels_without_a_comparison_are_refused(joined, says):
    panel = panel_of(joined, np.ones((4, 3)))
    for function in (loyalty.adjusted_comparisons, loyalty.covariate_balance):
        with pytest.raises(DataError, match=says):
            function(panel, behaviour=("orders",))


def test_members_whom_nobody_resembles_are_refused():
    values = np.column_stack([[9, 9, 9, 0, 0, 0], [0] * 6, [1] * 6])
    with pytest.raises(ConvergenceError, match="do not overlap"):
        loyalty.adjusted_comparisons(panel_of([1, 1, 1, *[np.nan] * 3], values), behaviour=("orders",))


@pytest.mark.parametrize(
    ("people", "error", "says"),
    [
        ({"customer_id": [0], "x": [1.0]}, DataError, "lack 59 of the panel's customers"),
        ({"customer_id": [0, *range(60)], "x": range(61)}, DataError, "a customer twice"),
        ({"customer_id": range(60), "x": [None, *range(59)]}, DataError, "x is missing for 1 customers"),
        ({"customer_id": range(60), "x": pd.date_range("2026", periods=60)}, DataError, "x is a date"),
        ({"x": range(60)}, MissingColumnsError, "customer_id"),
    ],
)
def test_attributes_that_cannot_be_used_are_refused(people, error, says):
    with pytest.raises(error, match=says):
        loyalty.adjusted_comparisons(selected_panel(1, n=60), pd.DataFrame(people), behaviour=("orders",))


def test_bad_options_are_refused():
    panel = selected_panel(1, n=60)
    with pytest.raises(ParameterError, match="behaviour names no column"):
        loyalty.adjusted_comparisons(panel, behaviour=())
    with pytest.raises(ParameterError, match="neighbours is 0"):
        loyalty.adjusted_comparisons(panel, behaviour=("orders",), neighbours=0)
    with pytest.raises(MissingColumnsError, match="amount"):
        loyalty.adjusted_comparisons(panel)


def test_every_engine_gives_the_same_estimates(frame):
    panel = selected_panel(2, n=60)
    native = frame({name: panel[name].where(panel[name].notna(), None).tolist() for name in panel})
    found = loyalty.adjusted_comparisons(native, behaviour=("orders",))
    pd.testing.assert_frame_equal(found, loyalty.adjusted_comparisons(panel, behaviour=("orders",)))
