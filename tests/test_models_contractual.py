"""Shifted-beta-geometric and beta-discrete-Weibull models of renewals."""

from __future__ import annotations

import numpy as np
import pytest

from crmlib.errors import DataError, ParameterError
from crmlib.models import BetaDiscreteWeibull, ShiftedBetaGeometric

BOTH = pytest.mark.parametrize("model", [ShiftedBetaGeometric, BetaDiscreteWeibull])


def at(params, model=ShiftedBetaGeometric):
    made = model.from_survivors([1000, 800, 700, 650, 620])
    return made._results(made.free(params), np.eye(len(params)) * 1e3)


@pytest.mark.parametrize("kind", ["high_end", "regular"])
def test_sbg_estimates_are_the_published_ones(published, kind):
    entry = published("contractual_survivors")
    values = entry["values"][kind]
    fit = ShiftedBetaGeometric.from_survivors(values["customers"]).fit()
    for name, value in values["params"].items():
        assert fit.params[name] == pytest.approx(value, abs=entry["tolerance"])
    assert fit.llf == pytest.approx(values["llf"], abs=0.0005)
    assert fit.survival(12) == pytest.approx(values["year_12"], abs=0.0005)


def test_residual_values_are_the_published_ones(published):
    values = published("contractual_residual_value")["values"]
    survivors = published("contractual_survivors")["values"]["regular"]["customers"][:5]
    fit = ShiftedBetaGeometric.from_survivors(survivors).fit()
    for name, value in values["params"].items():
        assert fit.params[name] == pytest.approx(value, abs=0.00005)
    for period, value in values["value"].items():
        assert 100 * fit.residual_lifetime(0.1, period - 1) == pytest.approx(value, abs=0.5)
    for period, value in values["lifetime"].items():
        assert at([0.668, 3.806]).residual_lifetime(0.1, period - 1) == pytest.approx(value, abs=0.0005)


def test_bdw_estimates_are_the_published_ones(published):
    entry = published("bdw_high_end")
    survivors = published("contractual_survivors")["values"]["high_end"]["customers"][:5]
    fit = BetaDiscreteWeibull.from_survivors(survivors).fit()
    for name, value in entry["values"].items():
        assert fit.params[name] == pytest.approx(value, abs=entry["tolerance"])


def test_retention_rises_with_tenure_by_the_closed_form():
    """Fader & Hardie (2007), equation 8: (β + t - 1) / (α + β + t - 1)."""
    t = np.arange(1, 9)
    np.testing.assert_allclose(at([0.668, 3.806]).retention_rate(t), (3.806 + t - 1) / (0.668 + 3.806 + t - 1))
    np.testing.assert_allclose(at([0.668, 3.806]).survival(t), np.cumprod((3.806 + t - 1) / (4.474 + t - 1)))


def test_bdw_with_c_of_1_is_sbg():
    t = np.arange(12)
    np.testing.assert_allclose(at([0.7, 1.2, 1.0], BetaDiscreteWeibull).survival(t), at([0.7, 1.2]).survival(t))


def test_residual_lifetime_is_the_discounted_sum_of_renewals():
    fit = at([0.7, 1.2, 0.8], BetaDiscreteWeibull)
    j = np.arange(3_000)
    expected = (fit.survival(3 + j) / fit.survival(2) / 1.1**j).sum()
    assert fit.residual_lifetime(0.1, 2) == pytest.approx(expected, rel=1e-9)
    assert fit.residual_lifetime(0.1, [2, 5]).shape == (2,)


def test_rows_and_survivors_are_the_same_data():
    one = ShiftedBetaGeometric.from_survivors([100, 70, 55, 50])
    rows = ShiftedBetaGeometric([1] * 30 + [2] * 15 + [3] * 5 + [3] * 50, [True] * 50 + [False] * 50)
    assert rows.loglike([0.7, 1.2]) == pytest.approx(one.loglike([0.7, 1.2]))


def test_cohorts_of_different_age_are_one_sample():
    """A customer who has not yet faced a renewal says nothing."""
    young = ShiftedBetaGeometric([1, 2, 2, 3, 0], [True, True, False, False, False])
    without = ShiftedBetaGeometric([1, 2, 2, 3], [True, True, False, False])
    assert young.loglike([0.7, 1.2]) == pytest.approx(without.loglike([0.7, 1.2]))


def simulated(rng, n, alpha, beta, c=1.0, horizon=9):
    theta = rng.beta(alpha, beta, n)
    left = np.ceil(np.power(np.log(rng.random(n)) / np.log1p(-theta), 1 / c))
    return np.minimum(left, horizon), left <= horizon


@pytest.mark.parametrize(
    ("model", "params"), [(ShiftedBetaGeometric, (0.7, 1.2)), (BetaDiscreteWeibull, (0.7, 2.0, 1.3))]
)
def test_simulated_truth_is_recovered_and_covered(model, params):
    rng, inside = np.random.default_rng(3), []
    fit = model(*simulated(rng, 50_000, *params)).fit()
    assert (np.abs(fit.params.to_numpy() - params) < 4 * fit.bse.to_numpy()).all()
    for _ in range(100):
        ends = model(*simulated(rng, 3_000, *params)).fit().conf_int(method="wald").to_numpy()
        inside.append((ends[:, 0] < params) & (ends[:, 1] > params))
    assert (np.mean(inside, axis=0) > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 100)).all()


def test_projection_holds_what_comes():
    """60 cohorts of 600 customers, five renewals seen: 95 % intervals of the survivors after ten."""
    rng, hits = np.random.default_rng(4), 0
    for _ in range(60):
        periods, left = simulated(rng, 600, 0.7, 1.2, horizon=10)
        seen = np.minimum(periods, 5), left & (periods <= 5)
        there = int((~seen[1]).sum())
        row = ShiftedBetaGeometric(*seen).fit().prediction_interval([10], there, since=5, draws=400, rng=rng).iloc[0]
        hits += row["low"] <= (~left).sum() <= row["high"]
    assert hits / 60 > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 60)


@BOTH
def test_survival_intervals_lie_in_0_and_1_and_start_at_since(model):
    fit = model.from_survivors([1000, 869, 743, 653, 593, 551, 517, 491]).fit()
    table = fit.survival_interval(np.arange(13))
    assert table.loc[0, ["survival", "low", "high"]].tolist() == [1, 1, 1]
    assert (table["low"] <= table["survival"]).all()
    assert (table["high"] <= 1).all()
    since = fit.survival_interval([7, 12], since=7)
    assert since["survival"].iloc[0] == 1
    assert since["survival"].iloc[1] == pytest.approx(fit.survival(12) / fit.survival(7))
    residual = fit.residual_lifetime_interval(0.1, [0, 3])
    assert ((residual["low"] < residual["expected"]) & (residual["expected"] < residual["high"])).all()


@BOTH
@pytest.mark.parametrize(
    ("survivors", "words"),
    [
        ([1000, 1000, 1000, 1000], "nobody left"),
        ([1000, 0], "nobody renewed even once"),
        ([1000, 800, 900], "do not rise"),
        ([1000], "at least two numbers"),
        ([1000, np.nan], "at least two numbers"),
    ],
)
def test_survivors_that_cannot_be_fitted(model, survivors, words):
    with pytest.raises(DataError, match=words):
        model.from_survivors(survivors)


def test_bad_input_is_named():
    with pytest.raises(DataError, match="periods must be whole"):
        ShiftedBetaGeometric([0, 2], [True, False])
    with pytest.raises(DataError, match="periods must be whole"):
        ShiftedBetaGeometric([1.5, 2], [True, False])
    with pytest.raises(DataError, match="true or false"):
        ShiftedBetaGeometric([1, 2], [2, 0])
    with pytest.raises(DataError, match="1 renewals for 2 parameters; take more periods"):
        ShiftedBetaGeometric.from_survivors([1000, 800])
    with pytest.raises(ParameterError, match="numbered from 1"):
        at([0.7, 1.2]).retention_rate(0)
    with pytest.raises(ParameterError, match="discount rate is 0"):
        at([0.7, 1.2]).residual_lifetime(0)
    with pytest.raises(ParameterError, match="give whole numbers of renewals, at least 5"):
        at([0.7, 1.2]).survival_interval([3], since=5)
