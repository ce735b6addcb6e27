"""Diminishing returns: curves, budget, and their truth."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from crmlib.budget.adstock import expected, slopes
from crmlib.budget.allocation import best_budget
from crmlib.budget.conclusions import split
from crmlib.budget.response import ResponseCurves, lost_spread, response_curves
from crmlib.budget.weeks import spend_costs, spend_weeks
from crmlib.data.synthetic.spend import weekly_spend
from crmlib.errors import DataError, MissingColumnsError, ParameterError


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
        (lambda table: table.assign(**dict.fromkeys(table.columns[1:4], 5.0)), "spend on .* never varies"),
        (lambda table: table.assign(customers=np.nan), "the outcome has values"),
        (lambda table: table.head(15), "15 weeks are too few for 3 channels; give at least 20"),
        (lambda table: table[["week", "customers"]], "there is no channel"),
        (lambda table: table.drop(columns="customers"), "customers is missing"),
        (lambda table: table.head(0), "there are no weeks"),
        (lambda table: table.assign(sponsorship=-table["sponsorship"]), "sponsorship has values"),
        (lambda table: table.assign(sponsorship=np.inf), "sponsorship has values"),
        (lambda table: table.assign(region="north"), "column region holds no numbers"),
        (lambda table: table.assign(again=2 * table["sponsorship"]), "follows that of the other channels to 100.0 %"),
        (lambda table: table.assign(total=table.iloc[:, 1:4].sum(axis=1)), "add up those that move alike"),
        (lambda table: table.drop(index=[40, 41]), "after 40 the next is 43; give each week one row"),
        (lambda table: table.sample(frac=1, random_state=1), "stands twice or out of order"),
        (lambda table: table.assign(week=1), "stands twice or out of order"),
        (lambda table: table.assign(week="first"), "neither numbers nor dates"),
        (lambda table: pd.concat([table, table[["sponsorship"]]], axis=1), "sponsorship stands twice"),
    ],
)
def test_weeks_that_cannot_be_used_are_refused(change, message):
    table, _ = weekly_spend(np.random.default_rng(1))
    with pytest.raises(DataError, match=message):
        response_curves(change(table), rng=np.random.default_rng(1))


@pytest.mark.parametrize("amount", [70.0, 0.0])
def test_a_channel_whose_spend_never_varies_has_no_curve_and_is_kept_at_it(amount):
    """Its effect lies in the base: all else is as in the weeks without it, and so is the budget of the others."""
    table, _ = weekly_spend(np.random.default_rng(1), weeks=60)
    without = response_curves(table, replicates=3, rng=np.random.default_rng(1))
    table.insert(1, "tv", amount)
    found = response_curves(table, replicates=3, rng=np.random.default_rng(1))
    assert found.kept == {"tv": amount}
    assert found.channels == without.channels
    np.testing.assert_array_equal(found.draws, without.draws)
    budget, gain = best_budget(found, total=found.today.sum(), worth=50)
    same, gained = best_budget(without, total=without.today.sum(), worth=50)
    pd.testing.assert_frame_equal(budget.iloc[:-1], same)
    assert gain.to_dict() == gained.to_dict()
    assert budget.iloc[-1][["channel", "today", "best", "change"]].tolist() == ["tv", amount, amount, 0]
    assert budget.iloc[-1][["low", "high"]].isna().all()
    told = split(budget, gain, currency="USD", where="these weeks").sentence
    assert f"the spending on tv never varied, so its effect cannot be seen: leave tv at USD {amount:.0f}" in told
    assert "never varied" not in split(same, gained, currency="USD", where="these weeks").sentence


def test_dates_of_weeks_are_read_and_a_lost_week_is_seen():
    table, _ = weekly_spend(np.random.default_rng(1), weeks=60)
    for weeks in (pd.date_range("2025-01-06", periods=60, freq="7D"), pd.Series(range(7, 67)).astype(float)):
        dated = table.assign(week=weeks)
        again = response_curves(dated, replicates=2, rng=np.random.default_rng(1))
        assert (again.effect == response_curves(table, replicates=2, rng=np.random.default_rng(1)).effect).all()
        with pytest.raises(DataError, match="give each week one row"):
            response_curves(dated.drop(index=30), rng=np.random.default_rng(1))


def test_the_spread_that_a_fit_takes_grows_with_persistence():
    """100 weeks of 1, 1, -1, -1, …: 50 products of neighbours are 1 and 49 are -1, so r = .01.

    With Kendall's (1 + 4 · .01) / 100 that is .0204, and the weeks are worth 100 · .9796 / 1.0204 = 96.0016 independent
    ones: with 10 parameters √(96.0016 / 86.0016) = 1.05654. Weeks that alternate are worth themselves, √(100 / 90);
    a first half of 1 and a second of -1 (r = .97 and more) no less than twice the parameters, √2.
    """
    assert lost_spread(np.tile([1.0, 1.0, -1.0, -1.0], 25), 10) == pytest.approx(1.05654, abs=1e-5)
    assert lost_spread(np.tile([1.0, -1.0], 50), 10) == pytest.approx(np.sqrt(100 / 90))
    assert lost_spread(np.repeat([1.0, -1.0], 50), 10) == pytest.approx(np.sqrt(2))
    assert lost_spread(np.zeros(100), 10) == pytest.approx(np.sqrt(100 / 90))


def test_derivatives_are_those_of_small_steps():
    table, truth = weekly_spend(np.random.default_rng(1), weeks=50)
    spend = table[list(truth.channels)].to_numpy()
    params = np.concatenate([[truth.base], truth.effect, truth.scale, truth.carry])
    steps = np.diag(1e-5 * params + 1e-6)
    around = [(expected(params + step, spend) - expected(params - step, spend)) / (2 * step.max()) for step in steps]
    np.testing.assert_allclose(slopes(params, spend), np.transpose(around), rtol=1e-4, atol=1e-6)


def test_one_channel_and_weeks_without_spend():
    """A campaign that runs every other month alone: the curve is found, and nothing is spent where it ends."""
    rng = np.random.default_rng(2)
    spend = np.where(np.arange(120) // 4 % 2, rng.uniform(50, 400, 120), 0.0)
    table = pd.DataFrame({"tv": spend, "customers": 20 + 80 * (1 - np.exp(-spend / 100)) + rng.normal(0, 2, 120)})
    found = response_curves(table, replicates=50, rng=rng)
    assert found.base == pytest.approx(20, abs=2)
    assert found.customers(np.array([200.0])).item() == pytest.approx(80 * (1 - np.exp(-2)), abs=4)
    budget, gain = best_budget(found, total=150, worth=2)
    # the next unit brings itself at 100 ln(2 · 80 / 100) = 47
    assert budget["best"].item() == pytest.approx(100 * np.log(1.6), abs=15)
    assert gain["unspent"] == pytest.approx(150 - budget["best"].item())


def test_a_total_beyond_all_that_was_seen_is_left_unspent():
    made = curves([1_000, 800], [1_000, 500], [900.0, 900.0], [2_000.0, 1_500.0])
    budget, gain = best_budget(made, total=50_000, worth=1_000)
    assert budget["best"].tolist() == [2_000, 1_500]
    assert budget["at_ceiling"].all()
    assert gain["unspent"] == 46_500
    nothing, none = best_budget(made, total=0, worth=1_000)
    assert nothing["best"].tolist() == [0, 0]
    assert none["gain"] < 0


def test_weeks_far_off_bend_the_robust_curve_less():
    """Three weeks of 150 whose customers were counted five times."""
    table, truth = weekly_spend(np.random.default_rng(5), weeks=150)
    wrong = table.assign(customers=table["customers"] * np.where(np.arange(150) % 50 == 20, 5, 1))
    today = table[list(truth.channels)].mean().to_numpy()
    exact = brought(truth, 1.4 * today) - brought(truth, 0.6 * today)
    gaps = []
    for robust in (False, True):
        found = response_curves(wrong, robust=robust, replicates=2, rng=np.random.default_rng(1))
        told = found.customers(1.4 * today) - found.customers(0.6 * today)
        gaps.append(np.abs(told - exact).max())
    assert gaps[1] < 6
    assert gaps[0] > 2 * gaps[1]


def test_bad_options_are_refused():
    made = curves([100], [100], [50.0], [60.0])
    for options, message in (({"total": -1, "worth": 2}, "total is -1"), ({"total": 1, "worth": 0}, "worth is 0")):
        with pytest.raises(ParameterError, match=message):
            best_budget(made, **options)
    with pytest.raises(ParameterError, match="weeks is 1"):
        weekly_spend(np.random.default_rng(1), weeks=1)
    with pytest.raises(ParameterError, match="noise is 0"):
        weekly_spend(np.random.default_rng(1), noise=0)


def test_weeks_of_spend_and_customers_by_hand_on_every_engine(frame):
    """Weeks of January 5, 12 and 19; the fourth, of the 26th, ends after the last day, January 30.

    Customers: two in the first week (its Sunday is the 11th), none in the second, one in the third, one before all.
    """
    monday = [datetime.datetime(2026, 1, day) for day in (5, 5, 19, 19, 26)]
    spend = {"week": monday, "channel": ["tv", "radio", "tv", "tv", "tv"], "spend": [10.0, 3, 4, 1, 9]}
    days = [datetime.datetime(2026, 1, day, 23, 59) for day in (1, 5, 11, 20, 30)]
    found = spend_weeks(frame(spend), frame({"acquired_at": [*days, None]}))
    assert found.columns.tolist() == ["week", "radio", "tv", "customers"]
    assert found["week"].dt.day.tolist() == [5, 12, 19]
    assert found["tv"].tolist() == [10, 0, 5]
    assert found["radio"].tolist() == [3, 0, 0]
    assert found["customers"].tolist() == [2, 0, 1]
    customers = frame({"acquired_at": days})
    assert len(spend_weeks(frame(spend), customers, as_of="2026-02-01")) == 4
    with pytest.raises(DataError, match="no week ends by the last day"):
        spend_weeks(frame(spend), customers, as_of="2026-01-08")
    with pytest.raises(DataError, match="whole weeks apart"):
        spend_weeks(frame(spend | {"week": [*monday[:4], datetime.datetime(2026, 1, 27)]}), customers)
    with pytest.raises(DataError, match="a week, channel or amount is missing"):
        spend_weeks(frame(spend | {"spend": [None, 1.0, 1, 1, 1]}), customers)
    with pytest.raises(DataError, match="column spend holds no numbers; give money"):
        spend_costs(frame(spend | {"spend": ["1", "2", "x", "1", "1"]}), customers)
    with pytest.raises(DataError, match="a channel is called 'customers', as a column of the weeks is"):
        spend_weeks(frame(spend | {"channel": ["customers"] * 5}), customers)
    with pytest.raises(DataError, match="weeks need both"):
        spend_weeks(frame(spend), frame({"acquired_at": pd.Series([None], dtype="datetime64[us]")}))
    with pytest.raises(MissingColumnsError, match="spend"):
        spend_weeks(frame({"week": monday, "channel": spend["channel"]}), customers)


def test_costs_of_whole_weeks_and_the_customers_won_in_them_on_every_engine(frame):
    """Two weeks from January 5; the second ends on the 18th. Won before and after: out; by nobody known: unknown."""
    monday = [datetime.datetime(2026, 1, day) for day in (5, 12, 12, 19)]
    spend = {"week": monday, "channel": ["tv", "tv", "radio", "tv"], "spend": [10.0, 3, 4, 99]}
    days = [datetime.datetime(2026, 1, day) for day in (4, 5, 18, 18, 19)]
    won = {"acquired_at": days, "channel": ["tv", "tv", "tv", " ", "tv"]}
    costs, customers = spend_costs(frame(spend), frame(won), as_of="2026-01-20")
    assert costs.set_index("channel")["cost"].to_dict() == {"tv": 13, "radio": 4}
    assert customers.set_index("channel")["customers"].to_dict() == {"tv": 2, "(unknown)": 1}


def test_paths_and_changes_are_those_of_the_curve():
    """100 (1 - e^(-50 / 100)) = 39.35 at 50, and 100 (e^-0.2 - e^-0.5) = 21.22 more than at 20."""
    made = curves([100, 60], [100, 500], [50.0, 50.0], [60.0, 90.0])
    path = made.path("a", points=7)
    assert path["spend"].tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert path.loc[5, ["customers", "low", "high"]].tolist() == pytest.approx([39.347] * 3, abs=1e-3)
    change = made.change(np.array([20.0, 10]), np.array([50.0, 10]))
    assert change.tolist() == pytest.approx([21.220] * 3, abs=1e-3)
    with pytest.raises(ParameterError, match="channel 'c' has no curve"):
        made.path("c")
    with pytest.raises(ParameterError, match="beyond the 60 a week"):
        made.change(made.today, np.array([61.0, 10]))


def test_prices_are_in_proportion():
    one, truth = weekly_spend(np.random.default_rng(1), weeks=30)
    dear, same = weekly_spend(np.random.default_rng(1), weeks=30, price=3)
    np.testing.assert_allclose(dear.iloc[:, 1:4], 3 * one.iloc[:, 1:4])
    np.testing.assert_allclose(dear["customers"], one["customers"])
    np.testing.assert_allclose([same.scale, same.usual], [3 * truth.scale, 3 * truth.usual])
    with pytest.raises(ParameterError, match="price is 0"):
        weekly_spend(np.random.default_rng(1), price=0)
