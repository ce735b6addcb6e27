"""The NBD: likelihood, estimates, and the concentration that it implies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.stats import gamma, nbinom

from crmlib import data
from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.frames import to_pandas
from crmlib.models import NBD, gamma_top_share, nbd_top_share

COUNTS, WEIGHTS = [0, 1, 2, 3, 7, 20], [500, 120, 60, 20, 9, 2]


def test_loglike_is_the_mixture_of_poisson_by_gamma():
    """The definition, integrated numerically over the rate."""
    from scipy.stats import poisson

    model = NBD([0, 3, 9], [1.0, 2.0, 0.5])
    expected = sum(
        np.log(integrate.quad(lambda rate: poisson.pmf(x, rate * t) * gamma.pdf(rate, 0.8, scale=1 / 0.6), 0, 80)[0])  # noqa: B023
        for x, t in [(0, 1.0), (3, 2.0), (9, 0.5)]
    )
    assert model.loglike(0.8, 0.6) == pytest.approx(expected, rel=1e-7)


@given(st.floats(0.01, 50), st.floats(0.01, 50))
def test_score_is_the_gradient(r, alpha):
    model = NBD(COUNTS, np.linspace(0.5, 3, 6), weights=WEIGHTS)
    step = 1e-6
    by_r = (model.loglike(r * (1 + step), alpha) - model.loglike(r * (1 - step), alpha)) / (2 * r * step)
    by_alpha = (model.loglike(r, alpha * (1 + step)) - model.loglike(r, alpha * (1 - step))) / (2 * alpha * step)
    np.testing.assert_allclose(model.score(r, alpha), [by_r, by_alpha], rtol=1e-4, atol=1e-2)


def test_likelihood_is_finite_at_the_extremes():
    model = NBD([0, 10_000], [1e-6, 1e6])
    for r, alpha in [(1e-8, 1e-8), (1e8, 1e8), (1e-8, 1e8), (1.0, 1e-8)]:
        assert np.isfinite(model.loglike(r, alpha))
        assert np.isfinite(model.score(r, alpha)).all()


def test_estimates_equal_statsmodels_negative_binomial():
    """Its mean is exp(b) and its dispersion 1/r; alpha is r over the mean. Errors by its own Hessian."""
    from statsmodels.discrete.discrete_model import NegativeBinomial

    each = np.repeat(COUNTS, WEIGHTS)
    other = NegativeBinomial(each, np.ones(len(each))).fit(disp=0, maxiter=500)
    constant, dispersion = other.params
    found = NBD(each).fit()
    assert found.r == pytest.approx(1 / dispersion, rel=1e-4)
    assert found.alpha == pytest.approx(1 / dispersion / np.exp(constant), rel=1e-4)
    assert found.llf == pytest.approx(other.llf, rel=1e-9)
    assert found.bse["r"] == pytest.approx(other.bse[1] / dispersion**2, rel=1e-3)


def test_identical_rows_are_grouped_and_weights_count():
    each, grouped = NBD(np.repeat(COUNTS, WEIGHTS)), NBD(COUNTS, weights=WEIGHTS)
    assert len(each.counts) == len(COUNTS)
    pd.testing.assert_series_equal(each.fit().params, grouped.fit().params)
    assert grouped.fit().nobs == sum(WEIGHTS)


def test_the_unit_of_time_moves_alpha_alone():
    weeks, days = (NBD(COUNTS, unit * np.array([26.0, 30, 39, 20, 26, 39]), weights=WEIGHTS).fit() for unit in (1, 7))
    assert days.r == pytest.approx(weeks.r, rel=1e-5)
    assert days.alpha == pytest.approx(7 * weeks.alpha, rel=1e-5)
    assert days.llf == pytest.approx(weeks.llf, rel=1e-9)


def test_intervals_cover_the_simulated_truth():
    """300 samples of 800 customers; nominal 95 %, here ± 3 standard errors."""
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(300):
        table = NBD(rng.poisson(rng.gamma(0.5, 1 / 0.2, 800) * 1.5), 1.5).fit().summary()
        inside.append((table["low"] < [0.5, 0.2]) & (table["high"] > [0.5, 0.2]))
    assert (np.abs(np.mean(inside, axis=0) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 300)).all()


@pytest.mark.data
def test_cdnow_sample_has_the_published_estimates(published):
    """Repeat days up to 39 weeks after 1 January 1997, each customer at risk since the first order."""
    entry = published("nbd_cdnow_sample")
    orders = to_pandas(data.load("cdnow_sample")["orders"])
    end = pd.Timestamp("1997-09-30")
    days = orders.loc[orders["ordered_at"] <= end, ["customer_id", "ordered_at"]].drop_duplicates()
    history = days.groupby("customer_id")["ordered_at"].agg(["size", "min"])
    found = NBD(history["size"] - 1, (end - history["min"]).dt.days / 7).fit()
    assert found.nobs == 2_357
    for name, value in entry["values"].items():
        assert found.params[name] == pytest.approx(value, abs=entry["tolerance"])


@settings(deadline=None)
@given(st.floats(0.05, 20), st.floats(0.05, 20), st.floats(0.02, 0.98))
def test_top_share_is_the_sum_over_the_heaviest_counts(r, alpha, p):
    """By force: fill up p from the largest count downwards, the last one in part."""
    x = np.arange(int(nbinom.isf(1e-13, r, alpha / (alpha + 1))) + 50)[::-1]
    chance = nbinom.pmf(x, r, alpha / (alpha + 1))
    taken = np.clip(p - (np.cumsum(chance) - chance), 0, chance)
    assert nbd_top_share(r, alpha, 1.0, p) == pytest.approx(float(taken @ x) * alpha / r, abs=1e-8)


@settings(deadline=None)
@given(st.floats(0.1, 20), st.floats(0.05, 0.95))
def test_long_run_share_is_the_gamma_integral_and_the_limit_of_long_windows(r, p):
    cut = gamma.isf(p, r)
    by_integral = integrate.quad(lambda rate: rate * gamma.pdf(rate, r), cut, np.inf)[0] / r
    assert gamma_top_share(r, p) == pytest.approx(by_integral, abs=1e-6)
    assert nbd_top_share(r, 1.0, 1e7, p) == pytest.approx(float(gamma_top_share(r, p)), abs=1e-4)


def test_shorter_windows_look_more_concentrated():
    shares = nbd_top_share(0.4, 12, np.array([1, 4, 13, 26, 52, 520]))
    assert (np.diff(shares) <= 0).all()
    assert shares[-1] > gamma_top_share(0.4)


def test_conditional_expectation_is_the_posterior_mean():
    """Bayes by sums: given x in the first window, the mean of the second is Σ y P(x, y) / P(x)."""
    found = NBD(COUNTS, weights=WEIGHTS).fit()
    rates = gamma.ppf((np.arange(200_000) + 0.5) / 200_000, found.r, scale=1 / found.alpha)
    weight = np.exp(-rates) * rates**3
    expected = 2 * (weight @ rates) / weight.sum()
    assert found.conditional_expected([3], 1.0, 2.0)[0] == pytest.approx(expected, rel=1e-3)
    assert found.expected(2.0) == pytest.approx(2 * np.average(COUNTS, weights=WEIGHTS), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (([],), DataError, r"counts have shape \(0,\)"),
        ((["a"],), DataError, "counts is not all numbers"),
        (([1, 2], "a"), DataError, "exposure is not all numbers"),
        (([0, 0],), DataError, "no customer bought"),
        (([1.5, 2],), DataError, "whole numbers"),
        (([-1, 2],), DataError, "whole numbers"),
        (([np.nan, 2],), DataError, "whole numbers"),
        (([[1, 2]],), DataError, r"counts have shape \(1, 2\)"),
        (([1, 2], [0, 1]), DataError, "exposure must be finite and above 0"),
        (([1, 2], [1, 2, 3]), DataError, "differ in length"),
        (([2],), ConvergenceError, "no more than by chance"),
        (([1, 2, 1, 2],), ConvergenceError, "take a longer window"),
    ],
)
def test_what_cannot_be_fitted_is_refused(arguments, error, says):
    with pytest.raises(error, match=says):
        NBD(*arguments).fit()


def test_bad_options_are_refused():
    with pytest.raises(DataError, match="weights must be finite"):
        NBD([1, 2], weights=[1, -1])
    with pytest.raises(ParameterError, match="p is 0"):
        nbd_top_share(1, 1, 1, 0)
    with pytest.raises(ParameterError, match="alpha is 0"):
        nbd_top_share(1, 0)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        NBD(COUNTS, weights=WEIGHTS).fit().conf_int(level=2)
