"""Diminishing returns: curves, budget, and their truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from crmlib.attribution.response import ResponseCurves, best_budget, response_curves
from crmlib.data.synthetic.spend import weekly_spend
from crmlib.errors import DataError, ParameterError


@pytest.fixture(scope="module")
def fitted():
    table, truth = weekly_spend(np.random.default_rng(4), weeks=300)
    return response_curves(table, replicates=60, rng=np.random.default_rng(1)), table, truth


def brought(truth, spend):
    return truth.effect * (1 - np.exp(-spend / truth.scale))


def curves(effect, scale, today, ceiling):
    made = np.concatenate([[0.0], effect, scale, np.zeros(len(effect))])
    arrays = (np.array(given, dtype=float) for given in (effect, scale, np.zeros(len(effect))))
    return ResponseCurves(
        ("a", "b")[: len(effect)], 0.0, *arrays, np.stack([made] * 2), np.array(today), np.array(ceiling)
    )


def test_curves_find_what_made_the_weeks(fitted):
    """Customers between half and twice the usual spend, and the carry-over; the 99.9 % interval holds the truth."""
    found, table, truth = fitted
    told = found.table(level=0.999)
    exact = brought(truth, found.today) - brought(truth, 0.5 * found.today)
    near = found.customers(found.today) - found.customers(0.5 * found.today)
    np.testing.assert_allclose(near, exact, atol=8)
    assert (told["marginal_low"] <= truth.effect / truth.scale * np.exp(-found.today / truth.scale)).all()
    assert (told["marginal_high"] >= truth.effect / truth.scale * np.exp(-found.today / truth.scale)).all()
    np.testing.assert_allclose(found.carry, truth.carry, atol=0.2)
    np.testing.assert_allclose(found.today, table[list(truth.channels)].mean())


def test_noiseless_weeks_are_fitted_exactly():
    table, truth = weekly_spend(np.random.default_rng(2), noise=1e-6)
    found = response_curves(table, replicates=2, rng=np.random.default_rng(1))
    # the first weeks' spend before the data is taken at its mean, which is not quite what it was
    np.testing.assert_allclose(found.customers(found.today), brought(truth, found.today), rtol=0.05)


def test_the_budget_is_what_a_general_optimiser_finds():
    made = curves([100, 60], [1_000, 500], [900.0, 900.0], [3_000.0, 3_000.0])
    for total in (600.0, 1_800.0):
        budget, gain = best_budget(made, total=total, worth=40)
        route = minimize(
            lambda x: -40 * (100 * (1 - np.exp(-x[0] / 1000)) + 60 * (1 - np.exp(-x[1] / 500))),
            [total / 3, 2 * total / 3],
            options={"ftol": 1e-12},
            bounds=[(0, 3000)] * 2,
            constraints={"type": "eq", "fun": lambda x, total=total: x.sum() - total},
        )
        np.testing.assert_allclose(budget["best"], route.x, rtol=2e-3)
        assert budget["best"].sum() == pytest.approx(total)
        margin = 40 * (made.customers(np.array(route.x)) - made.customers(made.today)).sum() - (total - 1_800)
        assert gain["gain"] == pytest.approx(margin, rel=1e-3)
        assert gain["low"] == pytest.approx(gain["gain"])


def test_money_that_brings_less_than_itself_stays_unspent_and_ceilings_hold():
    """One channel: 2 · 100 / 100 e^(−x / 100) = 1 at x = 100 ln 2, whatever is allowed beyond."""
    free, _ = best_budget(curves([100], [100], [50.0], [500.0]), total=400, worth=2)
    assert free["best"].item() == pytest.approx(100 * np.log(2))
    bound, _ = best_budget(curves([100], [100], [50.0], [60.0]), total=400, worth=2)
    assert bound["best"].item() == 60
    assert bound["at_ceiling"].item()
    nothing, _ = best_budget(curves([1], [1_000], [50.0], [60.0]), total=400, worth=2)
    assert nothing["best"].item() == 0
    with pytest.raises(ParameterError, match="spend on a lies beyond the 60 a week"):
        curves([100], [100], [50.0], [60.0]).customers(np.array([61.0]))


def test_the_budgets_gain_is_real_in_the_firm_that_made_the_weeks(fitted):
    found, _, truth = fitted
    budget, gain = best_budget(found, total=found.today.sum(), worth=50)
    real = 50 * (brought(truth, budget["best"].to_numpy()) - brought(truth, found.today)).sum()
    real -= budget["best"].sum() - found.today.sum()
    assert real > 0
    assert gain["low"] <= gain["gain"] <= gain["high"]
    assert budget["best"].sum() <= found.today.sum() * (1 + 1e-9)


def test_spend_that_follows_demand_is_taken_for_its_effect():
    """What makes the label necessary: an upward bias in all channels together, many standard errors large."""
    gaps = []
    for confounded in (False, True):
        table, truth = weekly_spend(np.random.default_rng(9), weeks=300, confounded=confounded)
        found = response_curves(table, replicates=2, rng=np.random.default_rng(1))
        more, less = np.minimum(1.5 * found.today, found.ceiling), 0.5 * found.today
        told = (found.customers(more) - found.customers(less)).sum()
        gaps.append(told - (brought(truth, more) - brought(truth, less)).sum())
    assert abs(gaps[0]) < 8
    assert gaps[1] > 15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.assign(**{"pay per click": 5.0}), "pay per click never varies"),
        (lambda table: table.assign(customers=np.nan), "the outcome has values"),
        (lambda table: table.head(15), "15 weeks are too few for 3 channels; give at least 20"),
        (lambda table: table[["week", "customers"]], "there is no channel"),
        (lambda table: table.drop(columns="customers"), "customers is missing"),
    ],
)
def test_weeks_that_cannot_be_used_are_refused(change, message):
    table, _ = weekly_spend(np.random.default_rng(1))
    with pytest.raises(DataError, match=message):
        response_curves(change(table), rng=np.random.default_rng(1))


def test_bad_options_are_refused():
    made = curves([100], [100], [50.0], [60.0])
    for options, message in (({"total": -1, "worth": 2}, "total is -1"), ({"total": 1, "worth": 0}, "worth is 0")):
        with pytest.raises(ParameterError, match=message):
            best_budget(made, **options)
    with pytest.raises(ParameterError, match="weeks is 1"):
        weekly_spend(np.random.default_rng(1), weeks=1)
    with pytest.raises(ParameterError, match="noise is 0"):
        weekly_spend(np.random.default_rng(1), noise=0)
