"""BG/BB: purchases at discrete opportunities."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import roots_jacobi

from crmlib import data
from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas
from crmlib.models import BetaGeoBetaBinomial

PARAMS = (1.2, 0.75, 0.66, 2.78)


@pytest.fixture(scope="module")
def donors(real_data):
    return to_pandas(data.load("donations")["purchase_history"])


@pytest.fixture(scope="module")
def fit(donors):
    return BetaGeoBetaBinomial(donors["frequency"], donors["recency"], donors["age"]).fit()


def at(params, rows=((0, 0, 6), (1, 2, 6), (3, 5, 6), (4, 6, 6), (0, 0, 6))):
    made = BetaGeoBetaBinomial(*np.array(rows).T)
    return made._results(made.free(params), np.eye(4) * 1e4)


@pytest.mark.data
def test_donors_are_the_published_ones(published, fit, donors):
    entry = published("bgbb_donations")
    values = entry["values"]
    for name, value in values["params"].items():
        assert fit.params[name] == pytest.approx(value, abs=entry["tolerance"])
    assert fit.llf == pytest.approx(values["llf"], abs=0.005)
    assert fit.nobs == len(donors)
    assert fit.conditional_expectation(5).sum() == pytest.approx(values["five_years"], abs=0.5)
    for count, number in values["frequency"].items():
        assert len(donors) * fit.purchase_probability(count, 6) == pytest.approx(number, abs=0.05)


def test_likelihood_is_the_sum_over_all_ways():
    """By force: active throughout or gone before any opportunity, averaged over p and θ by an exact rule."""
    alpha, beta, gamma, delta = PARAMS

    def average(function, a, b):
        nodes, weights = roots_jacobi(8, b - 1, a - 1)  # exact for polynomials up to degree 15
        return function((1 + nodes) / 2) @ weights / weights.sum()

    def chance(x, last, n):
        ways = [(lambda theta: (1 - theta) ** n, n)]
        ways += [(lambda theta, t=t: (1 - theta) ** t * theta, t) for t in range(last, n)]
        return sum(
            average(stay, gamma, delta) * average(lambda p, lived=lived: p**x * (1 - p) ** (lived - x), alpha, beta)
            for stay, lived in ways
        )

    rows = [(1, 2, 3), (2, 3, 3), (1, 1, 3)]
    fit = at(PARAMS, [*rows, (0, 0, 3), (1, 3, 3)])
    found = np.exp(fit.model.loglikeobs(PARAMS))[fit.model.histories.rows.place]
    np.testing.assert_allclose(found[:3], [chance(*row) for row in rows], rtol=1e-10)


def test_all_strings_of_purchases_have_probability_one():
    strings = [np.array(string) for string in itertools.product((0, 1), repeat=6)]
    rows = [(s.sum(), s.nonzero()[0].max(initial=-1) + 1, 6) for s in strings]
    fit = at(PARAMS, rows)
    assert np.exp(fit.model.loglikeobs(PARAMS)) @ fit.model.weights == pytest.approx(1, abs=1e-12)


def test_expectations_are_sums_of_probabilities():
    fit = at(PARAMS)
    chances = fit.purchase_probability(np.arange(9), 8)
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    assert chances @ np.arange(9) == pytest.approx(fit.expected_purchases(8), rel=1e-10)
    assert fit.purchase_probability(9, 8) == 0
    # for every history: E from the exceedance probabilities of the next three opportunities
    given = fit.model.histories
    model, theta = fit.model, dict(zip(fit.model.names, PARAMS, strict=True))
    alive = model.alive_probability(theta, given.x, given.recency, given.age)
    after = model.active_posterior(theta, given.x, given.age)
    by_force = alive * sum(model.count_exceeded(after, 3, k) for k in range(3))
    np.testing.assert_allclose(fit.conditional_expectation(3), by_force[given.rows.place], rtol=1e-10)


def test_expectation_passes_smoothly_through_gamma_equal_to_1():
    around = [at((1.2, 0.75, g, 2.78)).conditional_expectation(5, 2, 4, 6)[0] for g in (0.999, 1, 1.001)]
    assert around[1] == pytest.approx((around[0] + around[2]) / 2, rel=1e-6)


def test_discounted_transactions_are_the_discounted_sum():
    fit = at(PARAMS)
    steps = np.diff([fit.conditional_expectation(n, 3, 5, 6)[0] for n in range(400)])
    expected = (steps * 1.1 ** -np.arange(1, 400)).sum()
    assert fit.discounted_transactions(0.1, 3, 5, 6)[0] == pytest.approx(expected, rel=1e-7)
    row = fit.discounted_interval(0.1, 3, 5, 6).iloc[0]
    assert row["low"] < row["expected"] < row["high"]


def test_discounted_transactions_end_at_the_horizon():
    """Without discount they are the purchases expected; at gamma of nearly 0, who is active never leaves."""
    fit = at(PARAMS)
    assert fit.discounted_transactions(0, 3, 5, 6, horizon=7)[0] == pytest.approx(
        fit.conditional_expectation(7, 3, 5, 6)[0]
    )
    steps = np.diff([fit.conditional_expectation(n, 3, 5, 6)[0] for n in range(8)])
    found = fit.discounted_transactions(0.1, 3, 5, 6, horizon=7.9)[0]
    assert found == pytest.approx((steps * 1.1 ** -np.arange(1, 8)).sum(), rel=1e-9)
    faithful = at((1.2, 0.75, 1e-9, 2.78))
    # p of Beta(1.2 + 6, 0.75), at each of 10 opportunities
    assert faithful.discounted_transactions(0, 6, 6, 6, horizon=10)[0] == pytest.approx(10 * 7.2 / 7.95, rel=1e-6)


def test_drawn_discounted_purchases_have_the_moments_of_opportunities_met_one_by_one():
    rng, params, n = np.random.default_rng(5), (2.0, 3.0, 0.8, 4.0), 200_000
    after = tuple(np.array([value]) for value in params)
    made = BetaGeoBetaBinomial.drawn_discounted(after, n, 0.1, np.inf, rng)
    drawn = (made.number * made.worth + made.last)[0]
    p, theta = rng.beta(params[0], params[1], n), rng.beta(params[2], params[3], n)
    total, active = np.zeros(n), np.ones(n, dtype=bool)
    for j in range(1, 120):
        active &= rng.random(n) > theta
        total += active * (rng.random(n) < p) * 1.1**-j
    assert drawn.mean() == pytest.approx(total.mean(), abs=5 * total.std() * np.sqrt(2 / n))
    assert drawn.std() == pytest.approx(total.std(), rel=0.02)
    at = [0.5, 0.9, 0.975]  # of a distribution in lumps, which the approximation places a little differently
    np.testing.assert_allclose(np.quantile(drawn, at), np.quantile(total, at), rtol=0.05)
    expected = BetaGeoBetaBinomial.discounted_count(after, 0.1, np.inf)[0]
    assert drawn.mean() == pytest.approx(expected, abs=5 * total.std() / np.sqrt(n))
    few = BetaGeoBetaBinomial.drawn_discounted(after, n, 0.0, 2, rng)  # undiscounted: whole numbers up to 2
    assert set(np.unique(few.number * few.worth)) == {0.0, 1.0, 2.0}


def test_alive_for_sure_at_the_last_opportunity():
    fit = at(PARAMS)
    assert fit.probability_alive(3, 6, 6)[0] == pytest.approx(1)
    assert fit.probability_alive(3, 3, 6)[0] < fit.probability_alive(3, 5, 6)[0] < 1


def simulated(rng, n, params, opportunities=8):
    alpha, beta, gamma, delta = params
    p, theta = rng.beta(alpha, beta, n), rng.beta(gamma, delta, n)
    lived = rng.geometric(theta) - 1  # opportunities before leaving
    bought = (rng.random((n, opportunities)) < p[:, None]) & (np.arange(opportunities) < lived[:, None])
    last = np.where(bought.any(axis=1), opportunities - bought[:, ::-1].argmax(axis=1), 0)
    return bought.sum(axis=1), last, np.full(n, opportunities)


def test_simulated_truth_is_recovered_and_covered():
    rng, inside = np.random.default_rng(3), []
    fit = BetaGeoBetaBinomial(*simulated(rng, 20_000, PARAMS)).fit()
    assert (np.abs(fit.params.to_numpy() - PARAMS) < 4 * fit.bse.to_numpy()).all()
    for _ in range(60):
        ends = BetaGeoBetaBinomial(*simulated(rng, 3_000, PARAMS)).fit().conf_int(method="wald").to_numpy()
        inside.append((ends[:, 0] < PARAMS) & (ends[:, 1] > PARAMS))
    assert (np.mean(inside, axis=0) > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 60)).all()


@pytest.mark.data
def test_intervals_of_customers(fit):
    expectation, prediction = fit.expectation_interval(5, 4, 6, 6).iloc[0], fit.prediction_interval(5, 4, 6, 6).iloc[0]
    assert expectation["low"] < expectation["expected"] < expectation["high"] < expectation["low"] * 1.2
    assert (prediction["low"], prediction["high"]) == (0, 5)
    assert len(fit.prediction_interval(5)) == 11_104


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(3, 2, 6)] * 9, "frequency lies beyond recency"),
        ([(1, 1.5, 6)] * 9, "recency is not whole; it counts opportunities"),
        ([(1, 7, 6)] * 9, "recency lies beyond age"),
        ([(0, 0, 6)] * 9, "nobody bought at any opportunity"),
        ([(6, 6, 6)] * 9, "everybody bought at every opportunity"),
        ([(1, 2, 6)], "1 customers for 4 parameters"),
        ([(-1, 2, 6)] * 9, "frequency is negative for 9 of 9"),
    ],
)
def test_bad_histories_are_named(rows, words):
    with pytest.raises(DataError, match=words):
        BetaGeoBetaBinomial(*np.array(rows, dtype=float).T)


def test_wrong_questions_say_what_to_do():
    fit = at(PARAMS)
    with pytest.raises(ParameterError, match=r"opportunities is 1\.5; give a whole number"):
        fit.conditional_expectation(1.5)
    with pytest.raises(ParameterError, match="give a rate above 0 or a horizon"):
        fit.discounted_transactions(0)
    with pytest.raises(ParameterError, match=r"the discount rate is -0\.1"):
        fit.discounted_transactions(-0.1)
    with pytest.raises(DataError, match="1 rate covariates given, the model has 0"):
        fit.probability_alive(1, 2, 3, rate_covariates=[[1]])
    with pytest.raises(ParameterError, match="give all of frequency, recency and age"):
        fit.probability_alive(1, 2)
    assert fit.conditional_expectation(0, 1, 2, 3)[0] == 0
