"""Maximum likelihood: grouped rows, scores, intervals, and what is said when there is no maximum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.likelihood import LikelihoodModel, distinct_rows
from crmlib.models import (
    BetaDiscreteWeibull,
    BetaGeoBetaBinomial,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    ShiftedBetaGeometric,
)

# With the extremes: nothing since the first purchase, the last on the last day, seen for no time, 10,000 purchases.
HISTORIES = np.array(
    [
        *([0, 0, 0], [0, 0, 39], [1, 39, 39], [2, 30.43, 38.86], [7, 29.4, 38.9], [26, 30.86, 31], [1, 0.14, 38.9]),
        *([10_000, 120, 120], [10_000, 12, 900], [3, 1e-3, 5e3], [1, 1e-6, 1e-6]),
    ]
)
OPPORTUNITIES = np.array(
    [[0, 0, 6], [1, 1, 6], [1, 6, 6], [3, 5, 6], [6, 6, 6], [0, 0, 0], [2, 3, 40], [200, 300, 500]]
)
Z = np.linspace(-1, 1, len(HISTORIES))

MODELS = {
    "BetaGeoNBD": (BetaGeoNBD(*HISTORIES.T), (0.243, 4.414, 0.793, 2.426)),
    "ModifiedBetaGeoNBD": (ModifiedBetaGeoNBD(*HISTORIES.T), (0.525, 6.18, 0.89, 1.61)),
    "ParetoNBD": (ParetoNBD(*HISTORIES.T), (0.553, 10.58, 0.606, 11.67)),
    "ParetoNBD, small beta": (ParetoNBD(*HISTORIES.T), (0.3, 40.0, 3.0, 0.01)),
    "BetaGeoNBD, covariates": (
        BetaGeoNBD(*HISTORIES.T, rate_covariates=np.column_stack([Z, Z**2]), dropout_covariates=Z),
        (0.243, 4.414, 0.793, 2.426, 0.3, -0.2, 0.4, -0.1),
    ),
    "ParetoNBD, covariates": (
        ParetoNBD(*HISTORIES.T, rate_covariates=Z, dropout_covariates=Z),
        (0.553, 10.58, 0.606, 11.67, 0.3, -0.4),
    ),
    "BetaGeoBetaBinomial": (BetaGeoBetaBinomial(*OPPORTUNITIES.T), (1.2, 0.75, 0.66, 2.78)),
    "GammaGamma": (
        GammaGamma([1, 2, 7, 10_000, 1], [22.35, 1e-3, 5e6, 40.0, 3.0]),
        (6.25, 3.74, 15.44),
    ),
    "ShiftedBetaGeometric": (ShiftedBetaGeometric.from_survivors([1000, 869, 743, 653]), (0.67, 3.8)),
    "BetaDiscreteWeibull": (BetaDiscreteWeibull.from_survivors([1000, 869, 743, 653]), (0.26, 1.72, 1.58)),
}


@pytest.fixture(params=MODELS, ids=list(MODELS))
def model(request):
    return MODELS[request.param]


def test_score_equals_the_numerical_gradient_row_by_row(model):
    """On the free scale, relative to the largest derivative of the row."""
    fitted, params = model
    free = fitted.free(params)
    _, slopes = fitted.evaluated(free)
    step = 1e-3
    for k in range(len(free)):
        near, far = (fitted.evaluated(free + d * step * (np.arange(len(free)) == k))[0] for d in (1, 2))
        back, behind = (fitted.evaluated(free - d * step * (np.arange(len(free)) == k))[0] for d in (1, 2))
        by_hand = (8 * (near - back) - (far - behind)) / (12 * step)  # of fourth order
        scale = np.maximum(np.abs(slopes).max(axis=0), 1.0)
        np.testing.assert_allclose(slopes[k] / scale, by_hand / scale, atol=2e-8)


def test_totals_are_the_weighted_rows(model):
    fitted, params = model
    np.testing.assert_allclose(fitted.loglike(params), fitted.weights @ fitted.loglikeobs(params), rtol=1e-12)
    np.testing.assert_allclose(fitted.score(params), fitted.weights @ fitted.score_obs(params), rtol=1e-10)
    value, score = fitted.totals(fitted.free(params))
    assert value == pytest.approx(fitted.loglike(params), rel=1e-12)
    natural = approx_fprime(np.array(params), fitted.loglike, 1e-7 * np.abs(params))
    np.testing.assert_allclose(fitted.score(params), natural, rtol=2e-3, atol=1e-3 * np.abs(natural).max())
    np.testing.assert_allclose(score / fitted._steps(fitted.free(params)), fitted.score(params), rtol=1e-9, atol=1e-9)


def test_likelihood_is_finite_at_the_extremes(model):
    fitted, params = model
    assert np.isfinite(fitted.loglikeobs(params)).all()
    assert np.isfinite(fitted.score_obs(params)).all()


def test_very_many_opportunities_and_renewals():
    """10,000 of one, a million of the other; of sBG the chance to leave at t is α / (α + β + t - 1) times S(t - 1)."""
    donors = BetaGeoBetaBinomial([10_000, 4_000, 0, 1, 0], [10_000, 9_000, 0, 1, 0], [10_000, 10_000, 10_000, 1, 1])
    params = 1.2, 0.75, 0.66, 2.78
    assert np.isfinite(donors.loglikeobs(params)).all()
    assert np.isfinite(donors.score_obs(params)).all()
    t = np.array([999.0, 1_001, 10_000, 1_000_000])
    alpha, beta = 0.67, 3.8
    for model, params in ((ShiftedBetaGeometric, (alpha, beta)), (BetaDiscreteWeibull, (alpha, beta, 1.0))):
        gone, there = model([*t, 2], [True] * 4 + [False]), model([*t, 2], [False] * 4 + [True])
        ratio = (gone.loglikeobs(params) - there.loglikeobs(params))[1:]  # rows are sorted: the one of 2 comes first
        # P(leave at t) / S(t) = α / (α + β + t - 1) / (1 - α / (α + β + t - 1))
        np.testing.assert_allclose(ratio, np.log(alpha / (beta + t - 1)), rtol=1e-7)
        score = gone.score_obs(params)[1:]
        step = 1e-3
        for k in range(len(params)):
            ends = [gone.loglikeobs(np.array(params) + sign * step * (np.arange(len(params)) == k)) for sign in (1, -1)]
            np.testing.assert_allclose(score[:, k], (ends[0] - ends[1])[1:] / (2 * step), rtol=1e-3, atol=2e-3)


# -- rows --------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=40))
def test_distinct_rows_add_weights_up(rows):
    x, y, w = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = distinct_rows(x, y, weights=w)
    expected: dict[tuple[float, float], float] = {}
    for a, b, weight in zip(x, y, w, strict=True):
        expected[a, b] = expected.get((a, b), 0) + weight
    assert dict(zip(zip(*found.columns, strict=True), found.weights, strict=True)) == expected
    np.testing.assert_array_equal(found.columns[0][found.place], x)
    np.testing.assert_array_equal(np.column_stack([x, y])[found.first], np.column_stack(found.columns))


def test_codes_of_many_columns_do_not_overflow():
    rng = np.random.default_rng(1)
    columns = [rng.permutation(20_000).astype(float) for _ in range(6)]
    assert len(distinct_rows(*columns).weights) == 20_000


def test_bad_weights_are_refused():
    with pytest.raises(DataError, match="one weight a row"):
        distinct_rows([1, 2], weights=[1])
    with pytest.raises(DataError, match="finite and at least 0"):
        BetaGeoNBD([0, 1], [0, 1], [2, 2], weights=[1, -1])


def test_weights_stand_for_repeated_customers():
    many = BetaGeoNBD(*np.repeat(SMALL, 40, axis=0).T).fit()
    few = BetaGeoNBD(*SMALL.T, weights=np.full(len(SMALL), 40)).fit()
    np.testing.assert_allclose(many.params, few.params, rtol=1e-6)
    np.testing.assert_allclose(many.bse, few.bse, rtol=1e-4)
    assert few.nobs == 40 * len(SMALL)


SMALL = np.array([[0, 0, 30], [0, 0, 35], [0, 0, 39], [1, 4, 39], [1, 30, 35], [2, 10, 30], [5, 33, 35], [9, 20, 39]])


# -- a model of one parameter, whose answers are known ------------------------------------------


class Exponential(LikelihoodModel):
    """Waiting times with a rate: log L = n log rate - rate Σ t, maximum n / Σ t, information n in its logarithm."""

    names = ("rate",)

    def __init__(self, times, scale=1.0):
        self.times, self.weights, self.scale = np.asarray(times, dtype=float), np.ones(len(times)), scale

    def _terms(self, theta):
        return np.log(theta["rate"]) - theta["rate"] * self.times, {"rate": 1 - theta["rate"] * self.times}

    def _starts(self):
        yield [self.scale]


@pytest.mark.parametrize("start", [1e-4, 1.0, 300.0])
def test_known_maximum_errors_and_intervals(start):
    fit = Exponential([1.0, 2.0, 5.0], start).fit()
    assert fit.params["rate"] == pytest.approx(3 / 8, rel=1e-8)
    assert fit.bse["rate"] == pytest.approx(3 / 8 / np.sqrt(3), rel=1e-5)
    assert fit.cov.loc["rate", "rate"] == pytest.approx(fit.bse["rate"] ** 2)
    wald = fit.conf_int(0.9).loc["rate"]
    assert wald["low"] == pytest.approx(3 / 8 * np.exp(-1.6448536 / np.sqrt(3)), rel=1e-5)
    assert fit.llf == pytest.approx(3 * np.log(3 / 8) - 3)
    assert (fit.aic, fit.bic) == (pytest.approx(2 - 2 * fit.llf), pytest.approx(np.log(3) - 2 * fit.llf))


def test_profile_ends_lose_what_the_test_allows():
    from scipy.stats import chi2

    model = Exponential([1.0, 2.0, 5.0])
    fit = model.fit()
    for end in fit.conf_int(0.95, method="profile").loc["rate"]:
        assert 2 * (fit.llf - model.loglike([end])) == pytest.approx(chi2.ppf(0.95, 1), abs=1e-3)


def test_no_maximum_says_what_to_try():
    class Rising(Exponential):
        def _terms(self, theta):
            rate = theta["rate"]
            return rate * self.times, {"rate": rate * self.times}

    with pytest.raises(ConvergenceError, match="Rising fit did not converge; take more customers"):
        Rising([1.0, 2.0]).fit()


def test_a_parameter_that_runs_away_is_named_and_bounded_by_its_profile():
    """Renewal at a constant rate of .8: sBG with α, β → ∞ at α / (α + β) = .2; only lower ends are known."""
    survivors = np.round(100_000 * 0.8 ** np.arange(6))
    fit = ShiftedBetaGeometric.from_survivors(survivors).fit()
    assert set(fit.boundary) == {"alpha", "beta"}
    assert fit.bse.isna().all()
    interval = fit.conf_int()
    assert np.isinf(interval["high"]).all()
    assert (interval["low"] > 10).all()
    assert "alpha, beta" in fit.summary().as_text()
    np.testing.assert_allclose(fit.survival([1, 5]), [0.8, 0.8**5], rtol=1e-3)
    table = fit.survival_interval([1, 5])  # what all of the flat direction agrees on stays known
    assert ((table["high"] - table["low"]) < 0.01).all()


def test_summary_reads_like_statsmodels():
    text = BetaGeoNBD(*SMALL.T, weights=np.full(len(SMALL), 40), rate_covariates=np.arange(8) % 2).fit().summary()
    for part in ("BetaGeoNBD Results", "Log-Likelihood:", "coef", "std err", "P>|z|", "alpha:z1", "[0.025", "0.975]"):
        assert part in text.as_text()
    assert "<table" in text.as_html()


def test_wrong_parameters_and_methods_are_named():
    model, _ = MODELS["BetaGeoNBD"]
    with pytest.raises(ParameterError, match="3 parameters given; give r, alpha, a, b"):
        model.loglike([1, 2, 3])
    with pytest.raises(ParameterError, match="above 0"):
        model.loglike([1, 2, 3, -1])
    with pytest.raises(ParameterError, match="use auto, wald or profile"):
        Exponential([1.0, 2.0]).fit().conf_int(method="exact")
    with pytest.raises(ParameterError, match="level is 95"):
        Exponential([1.0, 2.0]).fit().conf_int(95)
