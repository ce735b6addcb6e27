"""BG/NBD, modified BG/NBD, Pareto/NBD: published numbers, independent routes, simulated truth, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import integrate, stats
from scipy.special import betaln, gammaln, hyp2f1

from crmlib import data
from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.frames import to_pandas
from crmlib.models import BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD
from crmlib.rfm.history import holdout_history, purchase_history

MODELS = (BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD)
every = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def sample(real_data):
    """Exact 39-week histories of the CDNOW sample with their hold-out."""
    return to_pandas(holdout_history(data.load("cdnow_sample")["orders"], as_of="1997-09-30"))


@pytest.fixture(scope="module")
def rounded(real_data):
    return to_pandas(data.load("cdnow_sample")["purchase_history"])


@pytest.fixture(scope="module")
def fits(sample):
    return {model: model(sample["frequency"], sample["recency"], sample["age"]).fit() for model in MODELS}


def at(model, params):
    """Results at given parameters, whatever the data."""
    made = model([0, 1, 2, 3, 1, 0, 5], [0, 5, 8, 9, 2, 0, 10], [10.0] * 7)
    return made._results(made.free(params), np.eye(len(params)) * 1e4)


# -- published numbers -------------------------------------------------------------------------


@pytest.mark.data
def test_bgnbd_estimates_are_the_published_ones(published, fits):
    entry = published("bgnbd_cdnow_sample")
    for name, value in entry["values"].items():
        assert fits[BetaGeoNBD].params[name] == pytest.approx(value, abs=entry["tolerance"])
    assert fits[BetaGeoNBD].llf == pytest.approx(published("bgnbd_cdnow_sample_fit")["values"]["llf"], abs=0.005)


@pytest.mark.data
def test_bgnbd_new_customers_are_the_published_ones(published, fits):
    entry, fit = published("bgnbd_new_customer"), fits[BetaGeoNBD]
    for time, value in entry["values"]["expected"].items():
        assert fit.expected_purchases(time) == pytest.approx(value, abs=entry["tolerance"])
    assert fit.purchase_probability(0, 39) == pytest.approx(entry["values"]["none_in_39"], abs=5e-6)
    # seven digits are printed
    rounded = at(BetaGeoNBD, [0.243, 4.414, 0.793, 2.426]).purchase_probability(0, 39)
    assert rounded == pytest.approx(entry["values"]["none_in_39_rounded"], abs=5e-8)


@pytest.mark.data
def test_bgnbd_customer_and_holdout_are_the_published_ones(published, fits, sample):
    fit, entry = fits[BetaGeoNBD], published("bgnbd_customer")
    x = (2, 30.43, 38.86)
    assert fit.conditional_expectation(39, *x)[0] == pytest.approx(entry["values"]["expected"], abs=entry["tolerance"])
    assert fit.probability_alive(*x)[0] == pytest.approx(entry["values"]["alive"], abs=0.00005)
    # the text beside it: the expectation is known to about .09, the customer may make 0 to 5 purchases
    interval = fit.expectation_interval(39, *x).iloc[0]
    assert (interval["high"] - interval["low"]) / 2 == pytest.approx(0.09, abs=0.005)
    assert fit.prediction_interval(39, *x)[["low", "high"]].iloc[0].tolist() == [0, 5]
    values = published("bgnbd_holdout")["values"]
    assert fit.conditional_expectation(39).sum() == pytest.approx(values["predicted"], abs=0.5)
    assert sample["holdout_frequency"].sum() == values["actual"]


@pytest.mark.data
def test_mbgnbd_estimates_are_the_published_ones(published, rounded):
    entry = published("mbgnbd_cdnow_sample")
    fit = ModifiedBetaGeoNBD(rounded["frequency"], rounded["recency"], rounded["age"]).fit()
    for name, value in entry["values"].items():
        assert fit.params[name] == pytest.approx(value, abs=entry["tolerance"])
    assert fit.llf == pytest.approx(published("mbgnbd_cdnow_sample_fit")["values"]["llf"], abs=0.005)


@pytest.mark.data
def test_pareto_nbd_estimates_are_the_published_ones(published, fits, rounded):
    values, fit = published("pareto_nbd_cdnow_sample")["values"], fits[ParetoNBD]
    for name in ("r", "alpha", "s", "beta"):
        assert fit.params[name] == pytest.approx(values["params"][name], abs=values["params_tolerance"][name])
        error = values["standard_errors"][name]
        assert fit.bse[name] == pytest.approx(error, abs=values["standard_errors_tolerance"][name])
    assert fit.llf == pytest.approx(values["llf_exact_days"], abs=0.005)
    other = ParetoNBD(rounded["frequency"], rounded["recency"], rounded["age"]).fit()
    assert other.llf == pytest.approx(values["llf_rounded_table"], abs=0.005)


@pytest.mark.data
def test_pareto_nbd_customers_are_the_published_ones(published, fits):
    values, fit = published("pareto_nbd_customers")["values"], fits[ParetoNBD]
    assert fit.conditional_expectation(52, 26, 30.86, 31)[0] == pytest.approx(values["heavy"], abs=0.005)
    assert fit.conditional_expectation(39, 2, 30.43, 38.86)[0] == pytest.approx(values["light"], abs=0.00005)
    assert fit.probability_alive(2, 30.43, 38.86)[0] == pytest.approx(values["light_alive"], abs=0.00005)


@pytest.mark.data
def test_pareto_nbd_of_all_weeks_and_its_dert_are_the_published_ones(published):
    values = published("pareto_nbd_78_weeks")["values"]
    history = to_pandas(purchase_history(data.load("cdnow_sample")["orders"], as_of="1998-06-30"))
    fit = ParetoNBD(history["frequency"], history["recency"], history["age"]).fit()
    for name, value in values["params"].items():
        assert fit.params[name] == pytest.approx(value, abs=values["params_tolerance"][name])
    assert fit.llf == pytest.approx(values["llf"], abs=0.005)
    found = fit.discounted_transactions(0.0027, [7, 1], [35, 30], [77.86, 77.86])
    np.testing.assert_allclose(found, values["discounted"], atol=0.0005)


# -- independent routes ------------------------------------------------------------------------


def bgnbd_closed_form(r, alpha, a, b, x, last, age, t):
    """Fader, Hardie & Lee (2005), equation 10, by the hypergeometric function; a is not 1."""
    ratio = ((alpha + age) / (alpha + age + t)) ** (r + x)
    series = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + age + t))
    top = (a + b + x - 1) / (a - 1) * (1 - ratio * series)
    gone = a / (b + x - 1) * ((alpha + age) / (alpha + last)) ** (r + x) if x > 0 else 0.0
    return top / (1 + gone)


@pytest.mark.parametrize("params", [(0.243, 4.414, 0.793, 2.426), (1.5, 10.0, 2.3, 7.0), (0.05, 0.5, 0.1, 0.4)])
@pytest.mark.parametrize("history", [(0, 0, 30), (2, 30.4, 38.9), (12, 20.0, 60.0)])
def test_bgnbd_conditional_expectation_is_the_published_formula(params, history):
    fit = at(BetaGeoNBD, params)
    expected = bgnbd_closed_form(*params, *history, 39.0)
    assert fit.conditional_expectation(39, *history)[0] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("model", [BetaGeoNBD, ModifiedBetaGeoNBD])
def test_expectations_pass_smoothly_through_a_equal_to_1(model):
    around = [at(model, [0.5, 6.0, a, 1.6]).conditional_expectation(39, 2, 30, 38)[0] for a in (0.9999, 1, 1.0001)]
    assert around[1] == pytest.approx((around[0] + around[2]) / 2, rel=1e-7)


def test_pareto_expectations_pass_smoothly_through_s_equal_to_1():
    around = [at(ParetoNBD, [0.5, 6.0, s, 9.0]).conditional_expectation(39, 2, 30, 38)[0] for s in (0.9999, 1, 1.0001)]
    assert around[1] == pytest.approx((around[0] + around[2]) / 2, rel=1e-7)
    # by hand: r β / α log(1 + t / β) for a new customer
    assert at(ParetoNBD, [0.5, 6.0, 1.0, 9.0]).expected_purchases(39) == pytest.approx(0.5 * 9 / 6 * np.log1p(39 / 9))


@pytest.mark.parametrize("params", [(0.553, 10.58, 0.606, 11.67), (2.0, 5.0, 3.0, 50.0), (0.1, 80.0, 0.2, 0.5)])
def test_pareto_likelihood_is_the_closed_form(params):
    """Fader & Hardie's note: Gaussian hypergeometric functions, either way round of α and β."""
    r, alpha, s, beta = params
    rows = np.array([[0, 0, 39], [2, 30.43, 38.86], [7, 1.0, 38.86], [26, 30.86, 31.0], [60, 5.0, 30.0]])
    x, last, age = rows.T

    def part(t):
        if alpha >= beta:
            near = hyp2f1(r + s + x, s + 1, r + s + x + 1, (alpha - beta) / (alpha + t))
            return near / (alpha + t) ** (r + s + x)
        near = hyp2f1(r + s + x, r + x, r + s + x + 1, (beta - alpha) / (beta + t))
        return near / (beta + t) ** (r + s + x)

    inside = 1 / ((alpha + age) ** (r + x) * (beta + age) ** s) + s / (r + s + x) * (part(last) - part(age))
    expected = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + np.log(inside)
    made = ParetoNBD(x, last, age)
    np.testing.assert_allclose(made.loglikeobs(params)[made.histories.rows.place], expected, rtol=1e-9)


def test_mbg_is_bg_after_one_more_chance_to_leave():
    """A new MBG customer stays with b / (a + b), and is then a BG customer with b + 1."""
    r, alpha, a, b = 0.5, 6.0, 0.9, 1.6
    new = at(BetaGeoNBD, [r, alpha, a, b + 1]).expected_purchases([5.0, 50.0])
    np.testing.assert_allclose(
        at(ModifiedBetaGeoNBD, [r, alpha, a, b]).expected_purchases([5.0, 50.0]), b / (a + b) * new
    )


@every
def test_probabilities_of_counts_sum_to_the_expectation(model):
    fit = at(model, [0.5, 6.0, 0.9, 1.6])
    chances = fit.purchase_probability(np.arange(400), 30.0)
    assert chances.sum() == pytest.approx(1, abs=1e-9)
    assert (chances >= -1e-12).all()
    assert chances @ np.arange(400) == pytest.approx(fit.expected_purchases(30.0), rel=1e-6)


def test_bgnbd_count_probabilities_are_the_published_formula():
    """Fader, Hardie & Lee (2005), equation 8."""
    r, alpha, a, b, t = 0.243, 4.414, 0.793, 2.426, 39.0
    p, q = alpha / (alpha + t), t / (alpha + t)
    for x in (1, 2, 7):
        stay = np.exp(betaln(a, b + x) - betaln(a, b) + gammaln(r + x) - gammaln(r) - gammaln(x + 1)) * p**r * q**x
        below = sum(np.exp(gammaln(r + j) - gammaln(r) - gammaln(j + 1)) * q**j for j in range(x))
        left = np.exp(betaln(a + 1, b + x - 1) - betaln(a, b)) * (1 - p**r * below)
        fit = at(BetaGeoNBD, [r, alpha, a, b])
        assert fit.purchase_probability(x, t) == pytest.approx(stay + left, rel=1e-9)


@every
def test_discounted_transactions_are_the_integral_of_the_purchase_rate(model):
    """∫ e^(-δt) dE(t), by parts: e^(-δH) E(H) + δ ∫ e^(-δt) E(t) dt."""
    fit, history, rate, horizon = at(model, [0.5, 6.0, 0.9, 1.6]), (3, 20.0, 30.0), 0.01, 200.0
    inner, _ = integrate.quad(lambda t: np.exp(-rate * t) * fit.conditional_expectation(t, *history)[0], 0, horizon)
    expected = np.exp(-rate * horizon) * fit.conditional_expectation(horizon, *history)[0] + rate * inner
    found = fit.discounted_transactions(rate, *history, horizon=horizon)[0]
    assert found == pytest.approx(expected, rel=1e-6)
    without = fit.discounted_transactions(0, *history, horizon=horizon)[0]
    assert without == pytest.approx(fit.conditional_expectation(horizon, *history)[0], rel=1e-6)
    forever = fit.discounted_transactions(rate, *history)[0]
    assert found < forever < without / np.exp(-rate * horizon) * 1.5
    assert forever == pytest.approx(fit.discounted_transactions(rate, *history, horizon=5_000)[0], rel=1e-6)


def test_pareto_dert_is_the_published_formula():
    """Fader, Hardie & Lee (2005, JMR), equation 2, with the confluent hypergeometric function of the second kind."""
    from scipy.special import hyperu

    r, alpha, s, beta, rate = 0.563, 12.559, 0.408, 10.515, 0.0027
    x, last, age = 7, 35.0, 77.86
    fit = at(ParetoNBD, [r, alpha, s, beta])
    value = np.exp(fit.model.__class__([x] * 6, [last] * 6, [age] * 6).loglikeobs([r, alpha, s, beta])[0])
    top = alpha**r * beta**s * rate ** (s - 1) * np.exp(gammaln(r + x + 1) - gammaln(r))
    expected = top * hyperu(s, s, rate * (beta + age)) / ((alpha + age) ** (r + x + 1) * value)
    assert fit.discounted_transactions(rate, x, last, age)[0] == pytest.approx(expected, rel=1e-6)


@every
def test_futures_of_active_customers_agree_with_random_ones(model):
    """A customer is drawn as the model says; expectation and quantiles of the next purchases follow."""
    fit, rng, n = at(model, [1.2, 6.0, 0.9, 3.0]), np.random.default_rng(4), 200_000
    posterior = tuple(np.array([value]) for value in (3.2, 40.0, 0.9, 5.0))
    future = model.drawn_futures(posterior, n, rng)
    end = np.minimum(future.leaving, 30.0)
    counts = rng.poisson(future.rate * end) + (future.leaving <= 30.0) * future.last
    mean = fit.model.expected_count(posterior, 30.0)[0]
    assert counts.mean() == pytest.approx(mean, abs=4 * counts.std() / np.sqrt(n))
    for k in (0, 1, 3):
        chance = fit.model.count_exceeded(posterior, 30.0, k)[0]
        assert (counts > k).mean() == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / n))


# -- units, truth, coverage --------------------------------------------------------------------


def population(rng, n, model, params, *, days=True):
    """Histories of customers who behave as the model says, seen for 30 to 50 weeks."""
    r, alpha, third, fourth = params
    rate, age = rng.gamma(r, 1 / alpha, n), rng.integers(210, 350, n) / 7
    with np.errstate(divide="ignore", over="ignore"):
        if model is ParetoNBD:
            leaving, last, kept = rng.exponential(size=n) / rng.gamma(third, 1 / fourth, n), False, rate
        else:
            p = rng.beta(third, fourth, n)
            leaving, last, kept = rng.exponential(size=n) / (rate * p), True, rate * (1 - p)
            if model is ModifiedBetaGeoNBD:
                leaving = np.where(rng.random(n) < p, 0.0, leaving)
    end = np.minimum(leaving, age)
    made = rng.poisson(kept * end)
    stop = last & (leaving < age) & (leaving > 0)
    x = made + stop
    latest = end * rng.beta(np.maximum(made, 1), 1)
    return x, np.where(stop, leaving, np.where(made > 0, latest, 0.0)), age


TRUTH = {
    BetaGeoNBD: (0.6, 6.0, 0.8, 2.4),
    ModifiedBetaGeoNBD: (0.6, 6.0, 0.8, 2.4),
    ParetoNBD: (0.6, 10.0, 0.7, 12.0),
}


@every
def test_days_move_parameters_and_likelihood_as_theory_says(model):
    """Days for weeks: α, and β of the Pareto/NBD, times 7; timing log-likelihood less Σx log 7."""
    x, recency, age = population(np.random.default_rng(2), 3_000, model, TRUTH[model])
    weeks, days = model(x, recency, age).fit(), model(x, 7 * recency, 7 * age).fit()
    factor = np.array([1, 7, 1, 7] if model is ParetoNBD else [1, 7, 1, 1])
    np.testing.assert_allclose(days.params, factor * weeks.params, rtol=1e-5)
    np.testing.assert_allclose(days.bse, factor * weeks.bse, rtol=1e-4)
    assert days.llf == pytest.approx(weeks.llf - x.sum() * np.log(7), rel=1e-10)
    np.testing.assert_allclose(
        days.conditional_expectation(70, 2, 70, 210), weeks.conditional_expectation(10, 2, 10, 30)
    )


@every
def test_simulated_truth_is_recovered(model):
    """40,000 customers, so the search goes by a sample: each parameter within 4 standard errors."""
    fit = model(*population(np.random.default_rng(3), 40_000, model, TRUTH[model])).fit()
    z = (fit.params.to_numpy() - TRUTH[model]) / fit.bse.to_numpy()
    assert (np.abs(z) < 4).all()
    assert fit.model.totals(fit.free)[1] == pytest.approx(0, abs=1e-2)


@every
def test_a_sample_first_ends_at_the_same_maximum(model, monkeypatch):
    given = population(np.random.default_rng(5), 30_000, model, TRUTH[model])
    quick = model(*given).fit()
    monkeypatch.setattr(model, "_part", lambda self, customers: None)
    np.testing.assert_allclose(quick.params, model(*given).fit().params, rtol=1e-6)


@every
def test_intervals_cover_the_simulated_truth(model):
    """60 samples of 1,500 customers; nominal 95 %, here ± 3.5 standard errors of the count."""
    rng, inside = np.random.default_rng(6), []
    for _ in range(60):
        fit = model(*population(rng, 1_500, model, TRUTH[model])).fit()
        ends = fit.conf_int(method="wald")
        inside.append((ends["low"].to_numpy() < TRUTH[model]) & (ends["high"].to_numpy() > TRUTH[model]))
    assert (np.mean(inside, axis=0) > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 60)).all()


def test_prediction_intervals_cover_what_customers_do():
    """Histories to week 30, counts of the next 20 weeks: at least 95 %, and by whole numbers seldom more than 99.5."""
    rng, n = np.random.default_rng(7), 20_000
    rate, p = rng.gamma(0.8, 1 / 6, n), rng.beta(0.8, 2.4, n)
    leaving = rng.exponential(size=n) / (rate * p)
    times = [
        np.sort(rng.uniform(0, min(e, 50.0), rng.poisson(k * min(e, 50.0))))
        for k, e in zip(rate * (1 - p), leaving, strict=True)
    ]
    times = [np.append(t, e) if e < 50 else t for t, e in zip(times, leaving, strict=True)]
    x = np.array([(t <= 30).sum() for t in times])
    recency = np.array([t[t <= 30].max(initial=0.0) for t in times])
    fit = BetaGeoNBD(x, recency, np.full(n, 30.0)).fit()
    ends = fit.prediction_interval(20)
    later = np.array([(t > 30).sum() for t in times])
    inside = ((ends["low"] <= later) & (later <= ends["high"])).mean()
    assert 0.95 - 4 * np.sqrt(0.05 * 0.95 / n) < inside < 0.995


@pytest.mark.parametrize("model", [BetaGeoNBD, ParetoNBD])
def test_covariates_are_recovered(model):
    """Rate e^0.5 higher in one group; leaving e^0.6 sooner (Pareto), a e^0.6 and b e^-0.4 (BG)."""
    rng, n = np.random.default_rng(8), 12_000
    z = rng.integers(0, 2, n)
    r, alpha, third, fourth = TRUTH[model]
    rows = np.empty((n, 3))
    for group in (0, 1):
        moved = (r, alpha * np.exp(-0.5 * group), third, fourth * np.exp(-0.6 * group))
        if model is BetaGeoNBD:
            moved = (r, alpha * np.exp(-0.5 * group), third * np.exp(0.6 * group), fourth * np.exp(-0.4 * group))
        rows[z == group] = np.column_stack(population(rng, int((z == group).sum()), model, moved))
    group = pd.DataFrame({"vip": z})
    fit = model(*rows.T, rate_covariates=group, dropout_covariates=group).fit()
    truth = (
        {"alpha:vip": 0.5, "beta:vip": 0.6} if model is ParetoNBD else {"alpha:vip": 0.5, "a:vip": 0.6, "b:vip": -0.4}
    )
    assert list(fit.params.index[4:]) == list(truth)
    for name, value in truth.items():
        assert abs(fit.params[name] - value) < 4 * fit.bse[name]
    one = pd.DataFrame({"vip": [1]})
    vip = fit.conditional_expectation(10, 2, 20, 30, rate_covariates=one, dropout_covariates=one)[0]
    # the same as a model of that group's own parameters
    params = fit.params.to_numpy()
    own = [params[0], params[1] * np.exp(-params[4]), params[2], params[3] * np.exp(-params[5])]
    if model is BetaGeoNBD:
        own[2:] = [params[2] * np.exp(params[5]), params[3] * np.exp(params[6])]
    assert vip == pytest.approx(at(model, own).conditional_expectation(10, 2, 20, 30)[0], rel=1e-9)
    with pytest.raises(DataError, match="0 rate covariates given, the model has 1"):
        fit.conditional_expectation(10, 2, 20, 30)


@every
def test_predictions_at_the_extremes_are_finite_and_sensible(model, fits_small):
    fit = fits_small[model]
    rows = np.array([[0, 0, 0], [0, 0, 1e4], [1, 40, 40], [10_000, 100, 100], [10_000, 1, 1000], [1, 1e-6, 1e-6]]).T
    alive = fit.probability_alive(*rows)
    assert ((alive >= 0) & (alive <= 1)).all()
    for values in (fit.conditional_expectation(10, *rows), fit.discounted_transactions(0.002, *rows)):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    ends = fit.prediction_interval(10, *rows)
    assert (ends["low"] <= ends["high"]).all()
    assert ends["high"].iloc[3] > 500
    assert fit.conditional_expectation(0, 2, 10, 20)[0] == 0


@pytest.fixture(scope="module")
def fits_small():
    return {model: model(*population(np.random.default_rng(1), 2_000, model, TRUTH[model])).fit() for model in MODELS}


@every
def test_expectation_intervals_follow_from_the_covariance(model, fits_small):
    """The delta method by hand: numerical slopes, log scale."""
    fit, x = fits_small[model], (2, 10.0, 30.0)
    free = fit.free
    slope = np.empty(4)
    for k in range(4):
        moved = [fit.model.natural(free + d * (np.arange(4) == k)) for d in (1e-5, -1e-5)]
        up, down = (np.log(at(model, p).conditional_expectation(8, *x)[0]) for p in moved)
        slope[k] = (up - down) / 2e-5
    step = stats.norm.ppf(0.95) * np.sqrt(slope @ fit.free_cov @ slope)
    row = fit.expectation_interval(8, *x, level=0.9).iloc[0]
    assert row["low"] == pytest.approx(row["expected"] * np.exp(-step), rel=1e-5)
    assert row["high"] == pytest.approx(row["expected"] * np.exp(step), rel=1e-5)
    new = fit.expected_purchases_interval([5, 10])
    assert (new["low"] < new["expected"]).all()
    assert new["expected"].iloc[1] == pytest.approx(fit.expected_purchases(10))


# -- bad input ---------------------------------------------------------------------------------

GOOD = ([0, 1, 2, 0, 3, 1], [0, 5, 8, 0, 9, 2], [10, 10, 10, 10, 10, 10])


@every
@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (1, -1, "recency is negative for 1 of 6 customers"),
        (1, np.nan, "recency is missing or infinite for 1 of 6 customers"),
        (1, 11, "recency lies beyond age for 1 of 6 customers; leave out purchases after as_of"),
        (1, 0, "recency is 0 with repeat purchases for 1 of 6 customers; merge the orders of a day"),
        (0, 1.5, "frequency is not whole for 1 of 6 customers; it counts repeat purchases"),
        (0, -1, "frequency is negative for 1 of 6"),
        (0, 0, "recency is above 0 without a repeat purchase for 1 of 6"),
        (2, np.inf, "age is missing or infinite for 1 of 6"),
        (2, np.nan, "age is missing or infinite for 1 of 6"),
    ],
)
def test_impossible_histories_are_counted_and_named(model, column, value, words):
    rows = [list(map(float, values)) for values in GOOD]
    rows[column][1] = value
    with pytest.raises(DataError, match=words):
        model(*rows)


@every
def test_too_little_to_estimate_from(model):
    with pytest.raises(DataError, match="no customer bought again"):
        model([0] * 50, [0] * 50, [10] * 50)
    with pytest.raises(DataError, match="1 customers for 4 parameters"):
        model([3], [5], [10])
    with pytest.raises(DataError, match="no customers are given"):
        model([], [], [])
    with pytest.raises(DataError, match="lengths differ: frequency \\(2,\\)"):
        model([0, 1], [0, 1, 2], [5, 5, 5])


@every
def test_what_is_no_number_is_named(model):
    x, last, age = (pd.Series(values, dtype=float) for values in GOOD)
    with pytest.raises(DataError, match="frequency is not all numbers"):
        model(["a"] * len(x), last, age)
    with pytest.raises(DataError, match=r"recency is not all numbers \(datetime64"):
        model(x, pd.to_datetime(["2026-01-01"] * len(x)), age)
    with pytest.raises(DataError, match=r"age is not all numbers \(timedelta64"):
        model(x, last, pd.to_timedelta(age, unit="D"))
    with pytest.raises(DataError, match=r"age is not all numbers \(complex128"):
        model(x, last, age.to_numpy() * 1j)
    with pytest.raises(DataError, match="weights is not all numbers"):
        model(x, last, age, weights=["a"] * len(x))
    with pytest.raises(DataError, match="frequency is not given"):
        model(None, last, age)
    with pytest.raises(DataError, match="frequency, recency and age must be one-dimensional"):
        model(x.to_frame(), last.to_frame(), age.to_frame())
    with pytest.raises(DataError, match="frequency is missing or infinite for 1 of 6"):
        model(x.astype("Int64").where(x.index != 2), last, age)


@every
def test_any_column_of_numbers_will_do_whatever_its_kind_and_index(model):
    """Objects, nullable and Polars columns, and a shuffled index, say the same as arrays: by position."""
    x, last, age = (np.array(values, dtype=float) for values in GOOD)
    plain = model(x, last, age).histories
    forms = [
        lambda values: pd.Series(values, index=[7, 7, 3, 2, 1, 0]),
        lambda values: values.astype(object),
        lambda values: pd.Series(values).astype("Float64"),
        pl.Series,
        list,
    ]
    for form in forms:
        other = model(*(form(values) for values in (x, last, age))).histories
        for name in ("x", "recency", "age"):
            np.testing.assert_array_equal(getattr(other, name), getattr(plain, name))


@every
def test_a_fit_without_leaving_ends_or_says_why(model):
    """Customers who all bought on their last day: nobody has left as far as can be seen."""
    rng = np.random.default_rng(9)
    x = rng.poisson(rng.gamma(2, 2, 400)) + 1
    try:
        fit = model(x, np.full(400, 30.0), np.full(400, 30.0)).fit()
    except ConvergenceError as error:
        assert "did not converge" in str(error)  # noqa: PT017
    else:
        assert fit.boundary
        assert fit.probability_alive(3, 30, 30)[0] > 0.9


@every
def test_wrong_questions_say_what_to_do(model, fits_small):
    fit = fits_small[model]
    with pytest.raises(ParameterError, match="time is -1"):
        fit.conditional_expectation(-1, 1, 2, 3)
    with pytest.raises(ParameterError, match="give all of frequency, recency and age, or none"):
        fit.conditional_expectation(1, 2)
    with pytest.raises(ParameterError, match="may be infinite; give a rate above 0 or a horizon"):
        fit.discounted_transactions(0)
    with pytest.raises(ParameterError, match="give whole numbers"):
        fit.purchase_probability(-1, 10)
    with pytest.raises(ParameterError, match="covariates: give rate_covariates"):
        fit.probability_alive(1, 2, 3, z_covariates=[1])
