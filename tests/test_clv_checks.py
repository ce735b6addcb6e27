"""The health card: every check with data that pass it and with data that fail it; order values in a hold-out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import betaln

from crmlib import clv
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.models import (
    BetaDiscreteWeibull,
    BetaGeoBetaBinomial,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ShiftedBetaGeometric,
)

SURVIVORS = [1000, 869, 743, 653, 593, 551, 517, 491]  # Fader & Hardie (2007), High End


def firm(rng, n=4_000, seen=40.0, until=60.0):
    """Customers as BG/NBD and gamma-gamma say: histories to `seen`, and what they did then to `until`."""
    rate, p = rng.gamma(0.8, 1 / 5.0, n), rng.beta(0.8, 2.4, n)
    leaving, nu = rng.exponential(size=n) / (rate * p), rng.gamma(4.0, 1 / 15.0, n)
    rows = []
    for i in range(n):
        times = np.sort(rng.uniform(0, until, rng.poisson(rate[i] * (1 - p[i]) * until)))
        times = np.append(times[times < leaving[i]], [leaving[i]] if leaving[i] < until else [])
        values = rng.gamma(6.0, 1 / nu[i], len(times))
        past = times <= seen
        mean = values[past].mean() if past.any() else np.nan
        rows.append((past.sum(), times[past].max(initial=0), seen, mean, (~past).sum(), values[~past].sum()))
    names = ["frequency", "recency", "age", "monetary_value", "holdout_frequency", "holdout_amount"]
    return pd.DataFrame(rows, columns=names).assign(holdout_time=until - seen)


@pytest.fixture(scope="module")
def known():
    return firm(np.random.default_rng(21))


@pytest.fixture(scope="module")
def fits(known):
    again = known[known["frequency"] > 0]
    return (
        BetaGeoNBD(known["frequency"], known["recency"], known["age"]).fit(),
        GammaGamma(again["frequency"], again["monetary_value"]).fit(),
    )


def status(card, check):
    row = card.set_index("check").loc[check]
    assert bool(row["advice"]) == (row["status"] == "warn")
    assert row["detail"]
    return row["status"]


ALL = [
    "convergence",
    "repeat buyers",
    "number of purchases",
    "parameters at a boundary",
    "hold-out total",
    "hold-out against naive",
    "prediction intervals",
    "calibration by frequency",
    "calibration by recency",
    "convergence of the spend model",
    "spend parameters at a boundary",
    "spend independent of frequency",
    "mean spend by frequency",
    "buyers with order values",
    "mean spend exists",
    "order values of the hold-out",
    "prediction intervals of order values",
]


def test_customers_who_are_as_the_models_say_pass_every_check(known, fits):
    card = clv.health_card(fits[0], spend=fits[1], holdout=known)
    assert card["check"].tolist() == ALL
    assert {check: status(card, check) for check in ALL} == dict.fromkeys(ALL, "pass")


def test_a_spend_model_has_a_card_of_its_own(known, fits):
    assert clv.health_card(fits[1], holdout=known)["check"].tolist() == ALL[9:]
    assert clv.health_card(fits[1])["check"].tolist() == ALL[9:15]
    with pytest.raises(ParameterError, match="results is a spend model already"):
        clv.health_card(fits[1], spend=fits[1])


def test_a_search_that_has_not_ended_warns(fits):
    for fit, check in ((fits[0], "convergence"), (fits[1], "convergence of the spend model")):
        short = fit.model._results(fit.free + 0.3, fit.information)
        assert status(clv.health_card(short), check) == "warn"


def test_few_buyers_warn(known, fits):
    few = known.head(80)
    again = known[known["frequency"] > 0].head(60)
    fit = BetaGeoNBD(few["frequency"], few["recency"], few["age"]).fit()
    spend = GammaGamma(again["frequency"], again["monetary_value"]).fit()
    card = clv.health_card(fit, spend=spend)
    assert status(card, "repeat buyers") == status(card, "buyers with order values") == "warn"


def test_two_kinds_of_customers_warn_of_the_number_of_purchases():
    rng = np.random.default_rng(2)
    x = np.concatenate([np.zeros(400, dtype=int), rng.poisson(9, 400) + 1])
    fit = BetaGeoNBD(x, np.where(x > 0, rng.uniform(20, 40, 800), 0.0), np.full(800, 40.0)).fit()
    assert status(clv.health_card(fit), "number of purchases") == "warn"


def test_parameters_at_a_boundary_warn():
    rng = np.random.default_rng(8)
    x = rng.poisson(rng.gamma(2, 2, 400)) + 1
    nobody_left = ModifiedBetaGeoNBD(x, np.full(400, 30.0), np.full(400, 30.0)).fit()
    assert status(clv.health_card(nobody_left), "parameters at a boundary") == "warn"
    alike = GammaGamma(x, rng.gamma(6.0 * x) / (0.2 * x)).fit()  # all orders of all customers from one distribution
    assert status(clv.health_card(alike), "spend parameters at a boundary") == "warn"


def test_a_hold_out_that_went_otherwise_warns(known, fits):
    rng = np.random.default_rng(1)
    expected = fits[0].conditional_expectation(20.0)
    boom = known.assign(holdout_frequency=np.round(3 * expected + 1))
    card = clv.health_card(fits[0], holdout=boom)
    for check in ("hold-out total", "calibration by frequency", "calibration by recency"):
        assert status(card, check) == "warn"
    noise = known.assign(holdout_frequency=rng.poisson(expected.mean(), len(known)))
    assert status(clv.health_card(fits[0], holdout=noise), "hold-out against naive") == "warn"
    # one in eight buys far more often than anybody did
    bursts = np.where(np.arange(len(known)) % 8 == 0, 30, known["holdout_frequency"])
    card = clv.health_card(fits[0], holdout=known.assign(holdout_frequency=bursts))
    assert status(card, "prediction intervals") == "warn"
    with pytest.raises(DataError, match="no purchases were made in the hold-out"):
        clv.health_card(fits[0], holdout=known.assign(holdout_frequency=0))


def test_order_values_that_moved_or_scatter_warn(known, fits):
    card = clv.health_card(fits[1], holdout=known.assign(holdout_amount=1.6 * known["holdout_amount"]))
    assert status(card, "order values of the hold-out") == "warn"
    wild = known["holdout_amount"] * np.random.default_rng(4).lognormal(-0.72, 1.2, len(known))
    assert status(
        clv.health_card(fits[1], holdout=known.assign(holdout_amount=wild)), "prediction intervals of order values"
    ) == ("warn")


def test_spend_that_depends_on_frequency_warns(known):
    again = known[known["frequency"] > 0]
    x, z = again["frequency"], again["monetary_value"]
    dear = clv.health_card(GammaGamma(x, x * np.random.default_rng(1).lognormal(0, 0.1, len(again))).fit())
    assert status(dear, "spend independent of frequency") == status(dear, "mean spend by frequency") == "warn"
    # a fourth root of the number of orders: 19 % with each doubling, which scatter hides from the correlation
    mild = clv.health_card(GammaGamma(x, z * x**0.25).fit())
    assert status(mild, "spend independent of frequency") == "pass"
    assert status(mild, "mean spend by frequency") == "warn"


def test_a_tail_without_variance_warns():
    rng = np.random.default_rng(1)
    x = rng.integers(1, 8, 3_000)
    wild = GammaGamma(x, rng.gamma(6 * x) / rng.gamma(1.3, 1 / 15, len(x)) / x).fit()
    assert status(clv.health_card(wild), "mean spend exists") == "warn"


def test_the_slope_of_spend_by_hand():
    """z at x = 1: 8 and 12; at x = 2: 11 and 17. b = 4, mean 12; White's sum of squares (-.5 and .5 times the rests -2,
    2, -3, 3): 1 + 1 + 2.25 + 2.25 = 6.5, over Σ(x - mean)² = 1, times 4 / 2."""
    spend = GammaGamma([1, 1, 2, 2] * 1, [8.0, 12.0, 11.0, 17.0])
    slope = clv.spend_slope(spend._results(spend.free([6.0, 4.0, 15.0]), np.eye(3)))
    assert slope["change"] == pytest.approx(4 / 12)
    assert slope["high"] - slope["change"] == pytest.approx(1.959964 * np.sqrt(2 * 6.5) / 12)
    alike = GammaGamma([2, 2, 2, 2], [8.0, 12.0, 11.0, 17.0])
    assert clv.spend_slope(alike._results(alike.free([6.0, 4.0, 15.0]), np.eye(3))).isna().all()


def test_the_slope_says_nothing_at_its_level_when_there_is_nothing():
    """200 samples in which spend does not depend on frequency: the 95 % interval holds 0 in about 95 %."""
    rng, held = np.random.default_rng(6), 0
    for _ in range(200):
        x = rng.geometric(0.4, 500)
        model = GammaGamma(x, rng.gamma(6.25 * x) / rng.gamma(3.74, 1 / 15.44, 500) / x)
        slope = clv.spend_slope(model._results(model.free([6.25, 3.74, 15.44]), np.eye(3)))
        held += slope["low"] <= 0 <= slope["high"]
    assert held / 200 > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 200)


def test_order_values_of_a_hold_out_by_hand():
    """Two who had bought, one new; one who does not come back. Own past means 10, 20, and 16 for the new one:
    (10 * 1 + 20 * 3 ... ) / 4 = 17.5 is the mean of all orders."""
    spend = GammaGamma([1, 3, 2, 1], [10.0, 20.0, 16.0, 12.0])
    fit = spend._results(spend.free([6.0, 4.0, 15.0]), np.eye(3) * 1e4)
    holdout = pd.DataFrame(
        {
            "frequency": [1, 3, 0, 1],
            "monetary_value": [10.0, 20.0, np.nan, 12.0],
            "holdout_frequency": [2, 1, 1, 0],
            "holdout_amount": [30.0, 25.0, 9.0, 0.0],
        }
    )
    table = clv.spend_evaluation(fit, holdout).set_index("rule")
    every = (10 + 60 + 32 + 12) / 7
    assert table.loc["own past mean", "predicted"] == pytest.approx(10 + 20 + every)
    assert table.loc["mean of all", "predicted"] == pytest.approx(3 * every)
    # p (γ + x z) / (p x + q - 1): 6 * 25 / 9, 6 * 75 / 21, 6 * 15 / 3
    assert table.loc["model", "predicted"] == pytest.approx(150 / 9 + 450 / 21 + 30)
    assert table.loc["model", "actual"] == pytest.approx(15 + 25 + 9)
    with pytest.raises(DataError, match="nobody bought in the hold-out"):
        clv.spend_evaluation(fit, holdout.assign(holdout_frequency=0))
    with pytest.raises(MissingColumnsError, match="holdout lacks 'holdout_amount'"):
        clv.spend_evaluation(fit, holdout.drop(columns="holdout_amount"))


def test_spend_classes_hold_everybody_as_the_density_says(fits):
    """The expected share of a class by integrating the density of the mean (Fader & Hardie 2013, equation 1a)."""
    spend = fits[1]
    table = clv.spend_table(spend, groups=6)
    assert table["actual"].sum() == table["expected"].sum().round(6) == spend.nobs
    assert (np.abs(table["actual"] - table["expected"]) < 4.5 * np.sqrt(table["expected"])).all()
    p, q, gamma = spend.params

    def density(z, x):
        log = -betaln(p * x, q) + q * np.log(gamma) + (p * x - 1) * np.log(z) + p * x * np.log(x)
        return np.exp(log - (p * x + q) * np.log(gamma + x * z))

    x, weights = np.unique(spend.model.x, return_inverse=True)
    customers = np.bincount(weights, weights=spend.model.weights)
    low, high = table.loc[2, ["low", "high"]]
    share = [quad(density, low, high, args=(one,))[0] for one in x]
    assert table.loc[2, "expected"] == pytest.approx(customers @ share, rel=1e-8)


# -- opportunities and contracts -----------------------------------------------------------------


def donors(rng, n=3_000, seen=8, more=4):
    p, theta = rng.beta(1.2, 0.75, n), rng.beta(0.66, 2.78, n)
    bought = (rng.random((n, seen + more)) < p[:, None]) & (np.arange(seen + more) < rng.geometric(theta)[:, None] - 1)
    past = bought[:, :seen]
    last = np.where(past.any(axis=1), seen - past[:, ::-1].argmax(axis=1), 0)
    table = {"frequency": past.sum(axis=1), "recency": last, "age": seen, "holdout_time": more}
    return pd.DataFrame(table).assign(holdout_frequency=bought[:, seen:].sum(axis=1))


def test_bgbb_fits_have_a_card():
    known = donors(np.random.default_rng(3))
    fit = BetaGeoBetaBinomial(known["frequency"], known["recency"], known["age"]).fit()
    card = clv.health_card(fit, holdout=known)
    assert card["check"].tolist() == ALL[:9]
    assert (card["status"] == "pass").all()
    boom = known.assign(holdout_frequency=4)
    warned = clv.health_card(fit, holdout=boom).set_index("check")["status"] == "warn"
    assert warned[["hold-out total", "prediction intervals", "calibration by frequency"]].all()


CONTRACTS = [
    "convergence",
    "leavers and stayers",
    "number of renewals",
    "parameters at a boundary",
    "hold-out total",
    "hold-out against naive",
    "prediction intervals",
    "calibration by frequency",
]


@pytest.mark.parametrize("model", [ShiftedBetaGeometric, BetaDiscreteWeibull])
def test_contracts_that_are_as_the_model_says_pass(model):
    fit = model.from_survivors(SURVIVORS[:5]).fit()
    card = clv.health_card(fit, holdout=clv.cohort_holdout(SURVIVORS, fitted=4))
    assert card["check"].tolist() == CONTRACTS
    assert (card["status"] == "pass").all()


def test_contracts_that_are_not_warn():
    few = ShiftedBetaGeometric.from_survivors([50, 40, 34, 30]).fit()
    assert status(clv.health_card(few), "leavers and stayers") == "warn"
    # nobody leaves but at the third renewal
    leap = ShiftedBetaGeometric.from_survivors([1000, 990, 980, 500, 495, 490]).fit()
    assert status(clv.health_card(leap), "number of renewals") == "warn"
    # all leave with the same chance of a fifth: nothing to be gained over one rate
    flat = [100_000, 80_000, 64_000, 51_200, 40_960, 32_768]
    same = ShiftedBetaGeometric.from_survivors(flat[:4]).fit()
    card = clv.health_card(same, holdout=clv.cohort_holdout(flat, fitted=3))
    assert status(card, "parameters at a boundary") == status(card, "hold-out against naive") == "warn"
    # a competitor comes: nearly all leave at the next renewal, whom the model expects to stay
    fit = ShiftedBetaGeometric.from_survivors([1000, 980, 970, 965, 961]).fit()
    gone = clv.cohort_holdout([1000, 980, 970, 965, 961, 300, 290], fitted=4)
    card = clv.health_card(fit, holdout=gone)
    for check in ("hold-out total", "prediction intervals", "calibration by frequency"):
        assert status(card, check) == "warn"
    short = fit.model._results(fit.free + 0.5, fit.information)
    assert status(clv.health_card(short), "convergence") == "warn"
