"""Projections out of sample, and the ruse of heterogeneity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crmlib import cohorts
from crmlib.errors import DataError, ParameterError
from crmlib.models import ShiftedBetaGeometric


def projected(customers, **options):
    return cohorts.retention_projections(customers, **{"draws": 400, "rng": np.random.default_rng(1)} | options)


# --- projections


def test_published_survivors_begin_with_the_published_eight(published):
    """And end with the year-12 shares that the literature prints: 39.4 and 17.3 %."""
    for kind, last in (("high_end", 394), ("regular", 173)):
        survivors = cohorts.published_survivors(kind)
        assert survivors[:8] == published("contractual_survivors")["values"][kind]["customers"]
        assert (len(survivors), survivors[-1]) == (13, last)
    with pytest.raises(ParameterError, match="'gold' is unknown; use one of high_end, regular"):
        cohorts.published_survivors("gold")


@pytest.mark.parametrize("kind", ["high_end", "regular"])
def test_models_hold_and_curves_fail_out_of_sample(kind):
    errors = cohorts.projection_errors(projected(cohorts.published_survivors(kind), calibration=7)).set_index("method")
    assert errors.loc[["sBG", "BdW"], "error_unseen"].max() < 0.015
    assert errors.loc[["flat rate", "quadratic", "linear", "exponential"], "error_unseen"].min() > 0.05
    assert errors.loc["quadratic", "error_seen"] < 0.05  # it fits what it saw
    assert errors.loc[["sBG", "BdW"], "inside"].min() == 1
    assert errors.loc["flat rate", "inside"] == 0
    assert errors.loc["quadratic", "impossible"]
    assert not errors.loc[["sBG", "BdW", "flat rate", "exponential"], "impossible"].any()


def test_curves_equal_a_polynomial_fit_by_another_route():
    survivors = cohorts.published_survivors("regular")
    table = projected(survivors, calibration=7)
    share, t = np.array(survivors[:8]) / 1000, np.arange(8)
    for name, degree in (("linear", 1), ("quadratic", 2)):
        expected = np.polynomial.Polynomial.fit(t, share, degree)(np.arange(13))
        np.testing.assert_allclose(table.loc[table["method"] == name, "survival"], expected, atol=1e-12)
    logs = np.polynomial.Polynomial.fit(t, np.log(share), 1)(np.arange(13))
    np.testing.assert_allclose(table.loc[table["method"] == "exponential", "survival"], np.exp(logs))


def test_the_flat_rate_is_renewals_made_over_renewals_due():
    # 100, 80, 60: made 80 + 60 = 140 of due 100 + 80 = 180, rate 7/9; then 60 · 7/9, 60 · (7/9)²
    table = projected([100, 80, 60, 50, 45], calibration=2, methods=["flat rate"])
    np.testing.assert_allclose(table["survival"], [1, 0.8, 0.6, 0.6 * 7 / 9, 0.6 * (7 / 9) ** 2])
    assert table["seen"].tolist() == [True, True, True, False, False]
    np.testing.assert_allclose(table["actual"], [1, 0.8, 0.6, 0.5, 0.45])
    assert table["low"].isna().tolist() == [True, True, True, False, False]


def test_models_start_from_who_is_there():
    survivors = cohorts.published_survivors("high_end")
    table = projected(survivors, calibration=7, methods=["sBG"], horizon=15)
    fit = ShiftedBetaGeometric.from_survivors(survivors[:8]).fit()
    np.testing.assert_allclose(table["survival"].iloc[:8], fit.survival(range(8)))
    ahead = np.arange(8, 16)
    np.testing.assert_allclose(table["survival"].iloc[8:], 0.491 * fit.survival(ahead) / fit.survival(7))
    assert table["actual"].isna().sum() == 3  # years 13 to 15
    assert ((table["low"] <= table["survival"]) & (table["survival"] <= table["high"])).iloc[8:].all()


def test_the_sbg_interval_holds_its_level():
    """Cohorts whose chances follow a beta distribution: year 10 within 90 % intervals from 5 renewals."""
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(120):
        made = rng.geometric(rng.beta(0.9, 3.0, 1_000).clip(1e-9)) - 1
        survivors = [(made >= t).sum() for t in range(11)]
        row = projected(survivors, calibration=5, methods=["sBG"], level=0.9, rng=rng).iloc[-1]
        inside += row["low"] <= row["actual"] <= row["high"]
    assert abs(inside / 120 - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 120)


def test_two_renewals_leave_the_parabola_without_an_error():
    """Three points, three coefficients: no residual to judge by; BdW's three parameters do not fit either."""
    table = projected([100, 80, 70, 65], calibration=2)
    assert "BdW" not in set(table["method"])
    parabola = table[table["method"] == "quadratic"]
    assert parabola["low"].isna().all()
    np.testing.assert_allclose(parabola["survival"].iloc[:3], [1, 0.8, 0.7])


@pytest.mark.parametrize(
    ("customers", "options", "error", "said"),
    [
        ([100, 80, 90, 70], {"calibration": 2}, DataError, "do not rise"),
        ([100, 80], {"calibration": 2}, DataError, "at least three"),
        ([0, 0, 0], {"calibration": 2}, DataError, "begin above 0"),
        ([100, -1, -2], {"calibration": 2}, DataError, "do not rise"),
        ([100, np.nan, 3], {"calibration": 2}, DataError, "do not rise"),
        ([100, 100, 100, 90], {"calibration": 2}, DataError, "nobody left, or all did"),
        ([100, 10, 0, 0], {"calibration": 2}, DataError, "nobody left, or all did"),
        ([100, 80, 70], {"calibration": 3}, ParameterError, "the data allow 2 to 2"),
        ([100, 80, 70], {"calibration": 1}, ParameterError, "calibration is 1"),
        ([100, 80, 70], {"calibration": 2, "horizon": 2}, ParameterError, "horizon is 2"),
        ([100, 80, 70], {"calibration": 2, "methods": ["cubic"]}, ParameterError, r"methods \['cubic'\] are unknown"),
        ([100, 80, 70], {"calibration": 2, "level": 1}, ParameterError, "level is 1"),
    ],
)
def test_what_cannot_be_projected_is_said(customers, options, error, said):
    with pytest.raises(error, match=said):
        projected(customers, **options)


def test_without_a_later_renewal_nothing_is_judged():
    table = projected([100, 80, 70], calibration=2, methods=["sBG"])
    assert table["renewals"].tolist() == [0, 1, 2, 3]
    with pytest.raises(DataError, match="nothing can be judged"):
        cohorts.projection_errors(table)


# --- heterogeneity


def test_the_aggregate_rises_as_the_beta_distribution_says():
    """r_t = (beta + t - 1) / (alpha + beta + t - 1), four standard errors each."""
    contracts = cohorts.simulated_contracts(np.random.default_rng(4), customers=50_000, alpha=0.7, beta=1.2)
    rates = cohorts.retention_by_renewal(contracts["renewals"], contracts["leaving_probability"], last=8)
    expected = (1.2 + np.arange(8)) / (1.9 + np.arange(8))
    error = np.sqrt(expected * (1 - expected) / rates["due"])
    assert (abs(rates["retention_rate"] - expected) < 4 * error).all()
    assert (abs(rates["own_rate"] - expected) < 4 * error).all()
    assert (rates["first_rate"] == rates["first_rate"].iloc[0]).all()
    assert (np.diff(rates["own_rate"]) > 0).all()


def test_like_with_like_hardly_moves():
    contracts = cohorts.simulated_contracts(np.random.default_rng(5), customers=40_000, alpha=2, beta=4)
    known = contracts["renewals"], contracts["leaving_probability"]
    whole, kinds = cohorts.retention_by_renewal(*known, last=5), cohorts.retention_by_kind(*known, kinds=20, last=5)
    rise = whole["own_rate"].iloc[-1] - whole["own_rate"].iloc[0]
    within = kinds.groupby("kind")["own_rate"].agg(lambda rate: rate.iloc[-1] - rate.iloc[0])
    assert rise > 0.1
    assert within.loc[1:18].max() < 0.02  # all but the quickest leavers
    assert kinds[kinds["renewal"] == 1]["due"].sum() == 40_000


def test_counts_of_a_hand_worked_cohort():
    # own chances .5, .5, 0: renewals 0, 2, 3. Due 3, 2, 2, 1; renewed 2, 2, 1, 0
    table = cohorts.retention_by_renewal([0, 2, 3], [0.5, 0.5, 0.0], last=9)
    assert table["due"].tolist() == [3, 2, 2, 1]
    assert table["renewed"].tolist() == [2, 2, 1, 0]
    np.testing.assert_allclose(table["own_rate"], [2 / 3, 0.75, 0.75, 1.0])
    np.testing.assert_allclose(table["first_rate"], 2 / 3)


def test_customers_who_are_alike_show_no_rise():
    contracts = cohorts.simulated_contracts(np.random.default_rng(6), customers=20_000, alpha=3e6, beta=7e6)
    table = cohorts.retention_by_renewal(contracts["renewals"], contracts["leaving_probability"], last=4)
    np.testing.assert_allclose(table["own_rate"], 0.7, atol=1e-3)
    finding, wide = (cohorts.contract_conclusions.ruse(table, level=level) for level in (0.95, 0.999))
    assert "moves by" in finding.sentence
    assert wide.level == 0.999
    assert (wide.high - wide.low) / (finding.high - finding.low) == pytest.approx(3.2905 / 1.95996, rel=1e-3)


def test_impossible_simulations_are_refused():
    rng = np.random.default_rng(7)
    for options in ({"customers": 0}, {"alpha": 0}, {"beta": -1}, {"alpha": np.inf}):
        with pytest.raises(ParameterError, match="give at least 1"):
            cohorts.simulated_contracts(rng, **options)
    for made, own in (([], []), ([1], [0.1, 0.2]), ([-1], [0.1]), ([1], [1.2])):
        with pytest.raises(DataError):
            cohorts.retention_by_renewal(made, own)
    with pytest.raises(ParameterError, match="last is 0"):
        cohorts.retention_by_renewal([1], [0.1], last=0)
    with pytest.raises(ParameterError, match="kinds is 3"):
        cohorts.retention_by_kind([1, 2], [0.1, 0.2], kinds=3)


# --- conclusions


def test_the_projection_is_told_with_its_failures():
    errors = cohorts.projection_errors(projected(cohorts.published_survivors("regular"), calibration=7))
    sentence = cohorts.contract_conclusions.projection(errors, calibration=7).sentence
    assert sentence.startswith("From 7 renewals of the published cohort, sBG misses the later share by 0.1 points")
    assert sentence.endswith("linear and quadratic give shares that cannot be.")
    with pytest.raises(DataError, match="two methods"):
        cohorts.contract_conclusions.projection(errors.head(1), calibration=7)
    one = errors[errors["method"] != "linear"]
    assert "quadratic gives shares" in cohorts.contract_conclusions.projection(one, calibration=7).sentence


def test_sentences_on_leaving_follow_the_numbers():
    say = cohorts.contract_conclusions
    rng = np.random.default_rng(8)
    kind, noise = np.repeat(["a", "b"], 200), rng.normal(size=400)
    time = rng.geometric(np.where(kind == "a", 0.05, 0.3))
    left = np.ones(400, dtype=bool)
    apart = say.groups_differ(cohorts.log_rank(time, left, kind))
    assert "curves differ (log-rank test, p < 0.001): with 'b' 200 left" in apart.sentence
    tiny = say.groups_differ(cohorts.log_rank([1, 9, 9, 9, 9, 9, 9], [True] + [False] * 6, list("abbbbbb")))
    assert "with 'a' 1 left where 0.1 would be" in tiny.sentence  # 1 of 7 at risk
    assert tiny.sentence.endswith("; fewer than 5 are expected of 2 of the groups, so p is rough.")
    alike = say.groups_differ(cohorts.log_rank(time, left, np.tile(["a", "b"], 200)))
    assert "cannot be told apart" in alike.sentence
    strong = cohorts.cox_regression(time, left, pd.DataFrame({"kind": kind, "noise": noise}))
    assert "All else equal, kind: b (not a) goes with" in say.strongest_ratio(strong).sentence
    number = cohorts.cox_regression(time, left, pd.DataFrame({"size": time + 20 * np.abs(noise)}))
    assert "one more of size" in say.strongest_ratio(number).sentence
    weak = cohorts.cox_regression(rng.permutation(time), left, pd.DataFrame({"noise": noise}))
    told = say.strongest_ratio(weak).sentence
    assert ("No hazard ratio" in told) == (weak.ratios["p_value"].min() >= 0.05)
    checked = cohorts.proportionality(strong)
    finding = say.ratios_constant(checked)
    assert finding.value is bool(checked["p_value"].iloc[-1] >= 0.05)
