"""What the lesson on lifetime value adds to the models: fits, ceilings, scenarios, truth, conclusions."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate

from crmlib import clv, data
from crmlib.clv import conclusions
from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas
from crmlib.rfm.history import purchase_history


@pytest.fixture(scope="module")
def history():
    """2,000 simulated customers."""
    tables = data.simulate(np.random.default_rng(5), customers=2_000, programme=False, tables=("customers", "orders"))
    return to_pandas(purchase_history(tables["orders"], as_of=tables.as_of))


@pytest.fixture(scope="module")
def models(history):
    return clv.customer_models(history, ["BG/NBD", "Pareto/NBD"])


# -- fits --------------------------------------------------------------------------------------


def test_models_leave_out_who_brought_in_nothing(history):
    free = history.copy()
    place = free.index[free["frequency"] > 0][:3]
    free.loc[place, "monetary_value"] = [0.0, -2.0, 0.0]
    fitted = clv.customer_models(free)
    assert fitted.left_out == 3
    assert len(fitted.history) == len(history) - 3
    assert not fitted.history["customer_id"].isin(free.loc[place, "customer_id"]).any()
    assert fitted.purchases["BG/NBD"].nobs == len(history) - 3
    assert fitted.spend.nobs == (fitted.history["frequency"] > 0).sum()


def test_models_keep_columns_and_do_not_depend_on_the_order_of_rows(history, models):
    shuffled = history.sample(frac=1, random_state=1).assign(region="north")
    again = clv.customer_models(shuffled)
    assert again.history["customer_id"].is_monotonic_increasing
    assert "region" in again.history
    np.testing.assert_allclose(again.purchases["BG/NBD"].params, models.purchases["BG/NBD"].params, rtol=1e-6)


def test_estimates_name_every_parameter(models):
    table = models.estimates(0.9)
    assert table["model"].tolist() == ["BG/NBD"] * 4 + ["Pareto/NBD"] * 4 + ["gamma-gamma"] * 3
    assert table["parameter"].tolist() == ["r", "alpha", "a", "b", "r", "alpha", "s", "beta", "p", "q", "gamma"]
    assert (table["low"] < table["estimate"]).all()
    assert (table["estimate"] < table["high"]).all()


def test_unknown_model_is_named(history):
    with pytest.raises(ParameterError, match="'BG' is unknown; use one of BG/NBD, MBG/NBD, Pareto/NBD"):
        clv.customer_models(history, ["BG"])


def test_customers_who_hardly_ever_leave_have_intervals_without_discount(models):
    """With a chance to leave near 0 some never do; by hand: Poisson orders of a gamma rate, worth 10 each."""
    fit = models.purchases["BG/NBD"].model
    fit = fit._results(fit.free([2.0, 4.0, 1e-4, 20.0]), np.eye(4) * 1e-12)
    one = pd.DataFrame({"frequency": [5] * 200, "recency": [9.9] * 200, "age": [10.0] * 200})
    terms = {"discount_rate": 0.0, "horizon": 8.0, "draws": 4_000}
    found = clv.base_value(fit, 10.0, one, **terms, rng=np.random.default_rng(1))
    # rate Gamma(2 + 5, 4 + 10): mean 0.5 a week; 8 weeks: mean 4, variance 4 + 64 * 7 / 196
    assert found["value"] == pytest.approx(200 * 40, rel=1e-3)
    assert found["process_error"] == pytest.approx(10 * np.sqrt(200 * (4 + 64 * 7 / 196)), rel=0.05)
    assert found["low"] < found["value"] < found["high"]


# -- what follows from value -------------------------------------------------------------------


def test_ceilings_by_hand():
    """Ten customers worth 1 to 10: the best 3 hold 27 of 55, 9 each; half of the leavers kept: 4.5."""
    table = clv.keeping_ceilings(pd.Series(range(1, 11)), best_share=0.25, saved_share=0.5)
    assert table["customers"].tolist() == [3, 7]
    assert table["value"].tolist() == [27, 28]
    assert table["share"].tolist() == pytest.approx([27 / 55, 28 / 55])
    assert table["ceiling"].tolist() == [4.5, 2.0]


def test_ceilings_always_have_two_groups():
    table = clv.keeping_ceilings(pd.Series([3.0, 1.0]), best_share=0.9, saved_share=1)
    assert table["customers"].tolist() == [1, 1]
    for nothing in ([5.0], [0.0, 0.0]):
        with pytest.raises(DataError, match="at least 2 customers with some value"):
            clv.keeping_ceilings(pd.Series(nothing), best_share=0.2, saved_share=0.1)


def test_order_values_by_hand():
    """Two with one order (10, 14), one with two (9), two with three or more (6, 8); who never came back is out."""
    history = pd.DataFrame({"frequency": [1, 1, 2, 3, 7, 0], "monetary_value": [10.0, 14, 9, 6, 8, np.nan]})
    table = clv.order_value_by_frequency(history, groups=3)
    assert table["group"].tolist() == ["1", "2", "3 or more"]
    assert table["customers"].tolist() == [2, 1, 2]
    assert table["order_value"].tolist() == [12, 9, 7]
    # sd of 10 and 14 is √8, its error over √2 is 2
    assert table["high"].iloc[0] == pytest.approx(12 + 1.959964 * 2)
    assert math.isnan(table["low"].iloc[1])
    with pytest.raises(DataError, match="no customer bought again"):
        clv.order_value_by_frequency(history[history["frequency"] == 0])


def test_scenarios_are_single_valuations(models):
    given = {"yearly_rates": [0.1, 0.2], "years": [2, np.inf], "margin_rate": 0.4}
    table = clv.value_scenarios(models.purchases, models.spend, models.history, **given)
    assert len(table) == 8
    row = table[(table["model"] == "Pareto/NBD") & (table["yearly_rate"] == 0.2) & (table["years"] == 2)].iloc[0]
    # two years of 365.25 days, log 1.2 of discount a year
    terms = {"discount_rate": math.log(1.2) * 7 / 365.25, "horizon": 730.5 / 7, "margin_rate": 0.4}
    fit = models.purchases["Pareto/NBD"]
    alone = clv.customer_lifetime_value(fit, models.spend, models.history, **terms, interval=None)["value"].sum()
    assert row["value"] == pytest.approx(alone, rel=1e-9)
    wide = table.pivot(index=["model", "yearly_rate"], columns="years", values="value")
    assert (wide[2] < wide[np.inf]).all()


# -- truth -------------------------------------------------------------------------------------


def person(**changes):
    given = {"purchase_rate": 0.2, "dropout_probability": 0.1, "dropout_days": 900.0, "observed_days": 300.0}
    given |= {"mean_spend": 25.0} | changes
    truth = SimpleNamespace(**{name: np.array([value]) for name, value in given.items()})
    truth.parameters = SimpleNamespace(programme=False)
    return truth


def test_true_value_is_the_integral():
    terms = {"discount_rate": 0.002, "horizon": 100.0, "margin_rate": 0.3}
    orders, _ = integrate.quad(lambda t: 0.2 * math.exp(-(0.2 * 0.1 + 0.002) * t), 0, 100)
    assert clv.true_value(person(), **terms)[0] == pytest.approx(0.3 * 25 * orders)
    assert clv.true_value(person(dropout_days=200.0), **terms)[0] == 0
    assert clv.true_value(person(), discount_rate=0.002)[0] == pytest.approx(25 * 0.2 / 0.022)
    never = person(dropout_probability=0.0)
    assert clv.true_value(never, discount_rate=0.0, horizon=10.0)[0] == pytest.approx(25 * 2)
    assert clv.true_value(person(purchase_rate=0.0), discount_rate=0.0, horizon=10.0)[0] == 0


def test_true_value_refuses_what_has_no_answer():
    with pytest.raises(ParameterError, match="without discount an end"):
        clv.true_value(person(), discount_rate=0.0)
    truth = person()
    truth.parameters.programme = True
    with pytest.raises(ParameterError, match="programme=False"):
        clv.true_value(truth, discount_rate=0.1)


# -- conclusions -------------------------------------------------------------------------------


def base(value=1_000.0, low=800.0, high=1_250.0):
    return pd.Series({"customers": 10.0, "value": value, "low": low, "high": high})


def test_answer_names_value_and_ceilings():
    groups = clv.keeping_ceilings(pd.Series([400.0, 200, *[50] * 8]), best_share=0.2, saved_share=0.1)
    finding = conclusions.answer(base(), groups, years=3, currency="EUR")
    assert finding.sentence == (
        "Over the next 3 years these 10 customers are still worth EUR 1,000 (95 % interval EUR 800 to EUR 1,250) of "
        "margin, EUR 100.00 each; for a measure that keeps 10 % of those who would leave now pay at most EUR 30.00 for "
        "each of the best 20 %, who hold 60.0 % of the value, and EUR 5.00 for each of the others."
    )
    without = conclusions.answer(base(low=np.nan, high=np.nan), groups, years=3, currency="EUR")
    assert without.low is None
    assert "interval" not in without.sentence


@pytest.mark.parametrize(
    ("actual", "words"),
    [(1_000.0, "inside the interval"), (2_000.0, "above the interval"), (500.0, "below the interval")],
)
def test_holdout_revenue_says_where_it_lies(actual, words):
    finding = conclusions.holdout_revenue(base(), actual, days=90, currency="EUR")
    assert words in finding.sentence
    assert (finding.value, finding.low, finding.high) == (1_000, 800, 1_250)


def test_truth_check_says_inside_or_outside():
    assert "lies inside" in conclusions.truth_check(base(), 900.0, currency="EUR").sentence
    assert "lies outside" in conclusions.truth_check(base(), 700.0, currency="EUR").sentence


@pytest.mark.parametrize(
    ("difference", "distinct", "words"),
    [
        (0.02, True, "2.0 points more than"),
        (-0.02, True, "2.0 points less than"),
        (0.02, False, "cannot be told apart"),
    ],
)
def test_ranking_has_its_direction_from_the_numbers(difference, distinct, words):
    rules = pd.DataFrame(
        {
            "rule": ["past spend", "expected value"],
            "captured": [0.5, 0.5 + difference],
            "low": [0.4, 0.4],
            "high": [0.6, 0.6],
            "difference": [0.0, difference],
            "distinct": [False, distinct],
        }
    )
    assert words in conclusions.ranking(rules, depth=0.2, days=90).sentence


@pytest.mark.parametrize(
    ("correlation", "gap", "words"),
    [
        (0.4, 9.0, "value frequent and rare buyers apart"),
        (0.1, 9.0, "not strictly"),
        (0.0, 0.0, "for all that can be told"),
    ],
)
def test_independence_weighs_size_and_evidence(correlation, gap, words):
    table = pd.DataFrame({"group": ["1", "6 or more"], "order_value": [30.0, 30 + gap], "low": [29.0, 29 + gap]})
    table["high"] = table["order_value"] + 1
    assert words in conclusions.independence(table, correlation, currency="EUR").sentence


def test_activity_tells_when_models_disagree():
    assert "disagree" in conclusions.activity({"BG/NBD": 0.8, "Pareto/NBD": 0.45}).sentence
    assert "the models agree" in conclusions.activity({"BG/NBD": 0.8, "Pareto/NBD": 0.75}).sentence
    assert conclusions.activity({"BG/NBD": 0.8}).sentence == "Still active are 80.0 % of customers by BG/NBD."


def test_range_names_what_moves_value_most():
    rows = [("A", 0.1, years, 100.0 * years) for years in (1, 5)] + [
        ("B", 0.1, years, 120.0 * years) for years in (1, 5)
    ]
    table = pd.DataFrame(rows, columns=["model", "yearly_rate", "years", "value"])
    finding = conclusions.range_of_choices(table, currency="EUR")
    assert finding.value == 6  # the whole range, 600 / 100; the horizon alone 500 / 100 and 600 / 120
    assert (
        "EUR 100 to EUR 600, 6.0 times as much; the horizon moves it most, by a factor of 5.0 "
        "(the model 1.2, the discount 1.0)" in finding.sentence
    )


@pytest.mark.parametrize(("inside", "words"), [(97, "at least as many"), (94.5, "about as many"), (80, "fewer")])
def test_customer_intervals_are_judged_by_their_level(inside, words):
    hits = pd.Series(np.arange(1000) < 10 * inside)
    assert words in conclusions.customer_intervals(hits, days=90, level=0.95).sentence


def test_health_counts_what_passes():
    card = pd.DataFrame({"check": ["one", "two"], "status": ["pass", "warn"]})
    assert conclusions.health(card).sentence == "1 of 2 checks of the fit pass; warned: two."
