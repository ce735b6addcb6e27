"""Gamma-gamma model of spend."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from crmlib import data
from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas
from crmlib.models import GammaGamma
from crmlib.rfm.history import purchase_history

PARAMS = (6.25, 3.74, 15.44)


def at(params):
    made = GammaGamma([1, 2, 3, 5, 1], [10.0, 20.0, 35.0, 8.0, 22.0])
    return made._results(made.free(params), np.eye(3) * 1e4)


@pytest.mark.data
def test_estimates_and_expected_means_are_the_published_ones(published):
    entry = published("gamma_gamma_cdnow_sample")
    values = entry["values"]
    history = to_pandas(purchase_history(data.load("cdnow_sample")["orders"], as_of="1997-09-30"))
    again = history[history["frequency"] > 0]
    fit = GammaGamma(again["frequency"], again["monetary_value"]).fit()
    assert fit.nobs == values["customers"]
    for name, value in values["params"].items():
        assert fit.params[name] == pytest.approx(value, abs=entry["tolerance"])
    assert fit.llf == pytest.approx(values["llf"], abs=0.005)
    correlation = np.corrcoef(again["frequency"], again["monetary_value"])[0, 1]
    assert correlation == pytest.approx(values["correlation"], abs=0.00005)
    found = fit.conditional_expectation(history["frequency"], history["monetary_value"])[:10]
    np.testing.assert_allclose(found, values["first_ten"], atol=entry["tolerance"])


@pytest.mark.parametrize(("x", "z"), [(1, 22.35), (4, 3.0)])
def test_density_is_the_mixture(x, z):
    """The mean of x gamma values is Gamma(p x, rate ν x); ν is integrated out numerically."""
    p, q, gamma = PARAMS

    def given(nu):
        return stats.gamma.pdf(z, p * x, scale=1 / (nu * x)) * stats.gamma.pdf(nu, q, scale=1 / gamma)

    expected, _ = integrate.quad(given, 0, 20, points=[0.1, 0.5, 2], epsabs=1e-13)
    model = GammaGamma([x, x, x, x], [z, z, z, z + 1])
    assert np.exp(model.loglikeobs(PARAMS))[0] == pytest.approx(expected, rel=1e-7)


def test_expected_mean_is_the_weighted_mean_of_own_and_population():
    p, q, gamma = PARAMS
    fit = at(PARAMS)
    population = p * gamma / (q - 1)
    assert fit.population_mean() == pytest.approx(population)
    weight = (q - 1) / (p * 3 + q - 1)
    assert fit.conditional_expectation(3, 50.0)[0] == pytest.approx(weight * population + (1 - weight) * 50)
    assert fit.conditional_expectation(0, np.nan)[0] == pytest.approx(population)


def test_prediction_interval_is_the_posterior_predictive():
    """By random numbers: ν of the posterior, then the mean of two orders."""
    p, q, gamma = PARAMS
    rng, n = np.random.default_rng(1), 400_000
    nu = rng.gamma(p * 3 + q, 1 / (gamma + 3 * 50.0), n)
    drawn = rng.gamma(p * 2, 1 / nu) / 2
    row = at(PARAMS).prediction_interval(3, 50.0, orders=2, level=0.9).iloc[0]
    np.testing.assert_allclose([row["low"], row["high"]], np.quantile(drawn, [0.05, 0.95]), rtol=0.01)
    assert row["expected"] == pytest.approx(drawn.mean(), rel=0.01)


def simulated(rng, n, params=PARAMS):
    p, q, gamma = params
    x = rng.geometric(0.4, n)
    return x, rng.gamma(p * x, 1 / rng.gamma(q, 1 / gamma, n)) / x


def test_simulated_truth_is_recovered_and_covered():
    rng, inside = np.random.default_rng(2), []
    fit = GammaGamma(*simulated(rng, 30_000)).fit()
    assert (np.abs(fit.params.to_numpy() - PARAMS) < 4 * fit.bse.to_numpy()).all()
    for _ in range(60):
        ends = GammaGamma(*simulated(rng, 1_000)).fit().conf_int(method="wald").to_numpy()
        inside.append((ends[:, 0] < PARAMS) & (ends[:, 1] > PARAMS))
    assert (np.mean(inside, axis=0) > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 60)).all()


def test_cents_move_gamma_alone():
    x, z = simulated(np.random.default_rng(4), 3_000)
    whole, cents = GammaGamma(x, z).fit(), GammaGamma(x, 100 * z).fit()
    np.testing.assert_allclose(cents.params, whole.params * [1, 1, 100], rtol=1e-5)
    assert cents.llf == pytest.approx(whole.llf - len(x) * np.log(100), rel=1e-10)


def test_interval_of_the_expectation_narrows_with_data():
    few, many = (GammaGamma(*simulated(np.random.default_rng(5), n)).fit() for n in (500, 20_000))
    widths = [
        np.log(fit.expectation_interval(2, 40.0).iloc[0]["high"] / fit.conditional_expectation(2, 40.0)[0])
        for fit in (few, many)
    ]
    assert widths[0] > 4 * widths[1]


@pytest.mark.parametrize(
    ("x", "z", "words"),
    [
        ([1, 2, 1, 3], [5.0, 0.0, 3.0, 4.0], "monetary_value is missing or not above 0 for 1 customers with orders"),
        ([1, 2, 1, 3], [5.0, -2.0, 3.0, 4.0], "not above 0 for 1 customers"),
        ([1, 2, 1, 3], [5.0, np.nan, 3.0, 4.0], "missing or not above 0 for 1 customers"),
        ([0, 2, 1, 3], [5.0, 2.0, 3.0, 4.0], "1 customers have no repeat order, so no spend; keep those with"),
        ([1.5, 2, 1, 3], [5.0, 2.0, 3.0, 4.0], "frequency must be whole numbers"),
        ([1, 2, 1, 3], [5.0, 5.0, 5.0, 5.0], "all customers spend the same"),
        ([1], [5.0], "1 customers for 3 parameters"),
        ([1, 2], [5.0, 3.0, 2.0], "differ in length"),
    ],
)
def test_bad_input_is_named(x, z, words):
    with pytest.raises(DataError, match=words):
        GammaGamma(x, z)


def test_infinite_means_are_refused():
    with pytest.raises(DataError, match=r"q is 0\.8: mean spend is infinite unless q is above 1"):
        at((6.25, 0.8, 15.0)).conditional_expectation(0, 0)
    assert np.isinf(at((6.25, 0.8, 15.0)).population_mean())
    assert np.isfinite(at((6.25, 0.8, 15.0)).conditional_expectation(1, 10.0)[0])
    with pytest.raises(ParameterError, match="orders is 0"):
        at(PARAMS).prediction_interval(1, 10.0, orders=0)
