"""Value, tracking and hold-outs of contracts and of purchases at opportunities."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from crmlib import clv
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.models import BetaDiscreteWeibull, BetaGeoBetaBinomial, GammaGamma, ShiftedBetaGeometric

SURVIVORS = [1000, 869, 743, 653, 593, 551, 517, 491]  # Fader & Hardie (2007), High End
BOTH = pytest.mark.parametrize("model", [ShiftedBetaGeometric, BetaDiscreteWeibull])


def at(params, model=ShiftedBetaGeometric):
    made = model.from_survivors([1000, 800, 700, 650, 620])
    return made._results(made.free(params), np.eye(len(params)) * 1e3)


def renewing(params, n, made, rng):
    """Further renewals of n customers who have made some, by the model's own story: a chance to leave of each."""
    alpha, beta, c = (*params, 1.0)[:3]
    theta = rng.beta(alpha, beta + made**c, n)  # of who is still there after as many renewals
    lived = np.zeros(n)
    there = np.ones(n, dtype=bool)
    for t in range(made + 1, made + 600):
        # leaving at t: 1 - (1 - θ)^(t^c - (t - 1)^c)
        there &= rng.random(n) < (1 - theta) ** (t**c - (t - 1) ** c)
        lived += there
    return lived


# -- value of contracts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "params"), [(ShiftedBetaGeometric, (0.668, 3.806)), (BetaDiscreteWeibull, (0.7, 2.0, 1.3))]
)
def test_value_of_a_contract_is_that_of_customers_who_live_it(model, params):
    """200,000 customers with a chance to leave of their own, renewal by renewal; the next payment undiscounted."""
    n, rng = 200_000, np.random.default_rng(1)
    lived = renewing(params, n, 2, rng)
    worth = np.concatenate([[0.0], np.cumsum(1.1 ** -np.arange(600.0))])[lived.astype(int)]
    fit = at(params, model)
    row = clv.customer_lifetime_value(
        fit, 50.0, pd.DataFrame({"renewals": [2]}), discount_rate=0.1, margin_rate=0.4, level=0.8
    ).iloc[0]
    assert row["order_value"] == pytest.approx(20)
    assert row["value"] == pytest.approx(20 * worth.mean(), abs=4.5 * 20 * worth.std() / np.sqrt(n))
    assert [row["low"], row["high"]] == pytest.approx(20 * np.quantile(worth, [0.1, 0.9]), rel=0.02)
    base = clv.base_value(fit, 50.0, pd.DataFrame({"renewals": [2] * 100}), discount_rate=0.1, margin_rate=0.4)
    assert base["value"] == pytest.approx(100 * row["value"])
    assert base["process_error"] == pytest.approx(10 * 20 * worth.std(), rel=0.02)


def test_values_of_contracts_are_the_published_ones(published):
    """100 a year, 10 %: Regular after 1, 2 and 5 renewals (Fader & Hardie 2010)."""
    values = published("contractual_residual_value")["values"]["value"]
    survivors = published("contractual_survivors")["values"]["regular"]["customers"][:5]
    fit = ShiftedBetaGeometric.from_survivors(survivors).fit()
    history = pd.DataFrame({"customer_id": list("abc"), "renewals": [period - 1 for period in values]})
    table = clv.customer_lifetime_value(fit, 100, history, discount_rate=0.1, interval="expectation")
    assert table["customer_id"].tolist() == ["a", "b", "c"]
    assert table["value"].tolist() == pytest.approx(list(values.values()), abs=0.5)
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()


@BOTH
def test_expectation_intervals_of_contracts_are_the_lifetimes(model):
    fit = model.from_survivors(SURVIVORS).fit()
    history = pd.DataFrame({"renewals": [3, 0, 3], "fee": [10.0, 20.0, 0.0]})
    table = clv.customer_lifetime_value(fit, "fee", history, discount_rate=0.1, interval="expectation")
    ends = fit.residual_lifetime_interval(0.1, [3, 0, 3])
    fee = history["fee"].to_numpy()
    for name in ("low", "high"):
        np.testing.assert_allclose(table[name], fee * ends[name])
    np.testing.assert_allclose(table["value"], fee * ends["expected"])


def test_a_horizon_without_discount_counts_renewals():
    fit = at((0.668, 3.806))
    history = pd.DataFrame({"renewals": [0, 4]})
    table = clv.customer_lifetime_value(fit, 1, history, discount_rate=0, horizon=3)
    # by hand from S(t) = B(α, β + t) / B(α, β): products of (β + t - 1) / (α + β + t - 1)
    rate = (3.806 + np.arange(8)) / (0.668 + 3.806 + np.arange(8))
    np.testing.assert_allclose(table["value"], [np.cumprod(rate[k : k + 3]).sum() for k in (0, 4)])
    np.testing.assert_allclose(fit.expected_renewals(3, [0, 4]), table["value"])
    assert fit.expected_renewals(3) == pytest.approx(table["value"][0])
    assert clv.customer_lifetime_value(fit, 1, history, discount_rate=0, horizon=3.9)["value"].equals(table["value"])


def test_base_intervals_of_contracts_hold_what_comes():
    """60 cohorts of 500 customers, five renewals seen, valued to the tenth: the interval holds the realised value."""
    rng, hits = np.random.default_rng(12), 0
    for _ in range(60):
        theta = rng.beta(0.7, 1.2, 500)
        left = rng.geometric(theta)
        seen = ShiftedBetaGeometric(np.minimum(left, 5), left <= 5).fit()
        later = np.minimum(left[left > 5] - 6, 5)  # further renewals made up to the tenth
        history = pd.DataFrame({"renewals": np.full(len(later), 5)})
        total = clv.base_value(seen, 1, history, discount_rate=0.05, horizon=5)
        realised = np.concatenate([[0.0], np.cumsum(1.05 ** -np.arange(5.0))])[later].sum()
        hits += total["low"] <= realised <= total["high"]
    assert hits / 60 > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 60)


@BOTH
def test_prediction_intervals_of_renewals_are_exact(model):
    params = (0.7, 1.2) if model is ShiftedBetaGeometric else (0.7, 1.2, 0.9)
    fit = at(params, model)
    made = renewing(params, 100_000, 1, np.random.default_rng(5)).clip(max=6)
    row = fit.renewal_interval(6, 1, level=0.6).iloc[0]
    assert [row["low"], row["high"]] == np.quantile(made, [0.2, 0.8], method="inverted_cdf").tolist()
    assert row["expected"] == pytest.approx(made.mean(), abs=0.03)
    ends = model.from_survivors(SURVIVORS).fit().expected_renewals_interval(4, [0, 7])
    assert ((ends["low"] < ends["expected"]) & (ends["expected"] < ends["high"]) & (ends["high"] < 4)).all()


def test_wrong_questions_of_contracts_say_what_to_do():
    fit, one = at((0.7, 1.2)), pd.DataFrame({"renewals": [1]})

    def value(spend=10.0, history=one, **options):
        return clv.customer_lifetime_value(fit, spend, history, **({"discount_rate": 0.1} | options))

    with pytest.raises(MissingColumnsError, match="history lacks 'renewals'"):
        value(history=pd.DataFrame({"frequency": [1]}))
    with pytest.raises(MissingColumnsError, match="history lacks 'fee'"):
        value("fee")
    with pytest.raises(DataError, match="renewals must be whole numbers of at least 0"):
        value(history=pd.DataFrame({"renewals": [1, 0.5]}))
    with pytest.raises(DataError, match="fee must be payments of a period"):
        value("fee", one.assign(fee=-1))
    with pytest.raises(DataError, match="there is nothing to value"):
        value(history=one.head(0))
    for wrong in (0, None, GammaGamma):
        with pytest.raises(ParameterError, match="of a contract give the payment of a period"):
            value(wrong)
    with pytest.raises(ParameterError, match="discount rate is 0; give one above 0, between two renewals, or 0 and"):
        value(discount_rate=0)
    with pytest.raises(ParameterError, match="horizon is 0"):
        value(horizon=0)
    with pytest.raises(ParameterError, match="margin_rate is 2"):
        value(margin_rate=2)
    with pytest.raises(ParameterError, match=r"periods is 1\.5"):
        fit.expected_renewals(1.5)
    for question in (clv.frequency_table, lambda fit: clv.cumulative_purchases(fit, one)):
        with pytest.raises(ParameterError, match="use renewal_table"):
            question(fit)


# -- hold-out and tracking of contracts ------------------------------------------------------------


def test_a_cohort_held_out_by_hand():
    """Four of ten are lost before the cut; of the six, two are lost at the next renewal, one at the one after."""
    table = clv.cohort_holdout([10, 8, 6, 4, 3], fitted=2)
    assert table.to_numpy().tolist() == [[2, 2, 0, 2], [2, 2, 1, 1], [2, 2, 2, 3]]
    fit = ShiftedBetaGeometric.from_survivors([10, 8, 6]).fit()
    rules = clv.holdout_evaluation(fit, table).set_index("rule")
    assert rules["actual"].eq(1 + 6).all()
    assert rules.loc["nobody leaves", "predicted"] == 12
    rate = (8 + 6) / (10 + 8)  # renewals made over renewals faced
    assert rules.loc["one renewal rate for all", "predicted"] == pytest.approx(6 * (rate + rate**2))
    assert rules.loc["model", "predicted"] == pytest.approx(6 * (fit.survival(3) + fit.survival(4)) / fit.survival(2))
    for wrong, words in (([10, 11], "do not rise"), ([10, 8.5], "whole numbers")):
        with pytest.raises(DataError, match=words):
            clv.cohort_holdout(wrong, fitted=0)
    with pytest.raises(ParameterError, match="fitted is 4; give a number of renewals with some after it, up to 3"):
        clv.cohort_holdout([10, 8, 6, 4, 3], fitted=4)


def test_hold_outs_of_contracts_that_cannot_be():
    fit = at((0.7, 1.2))
    whole = clv.cohort_holdout([10, 8, 6, 4, 3], fitted=2)
    with pytest.raises(DataError, match="holdout_renewals lie beyond holdout_periods"):
        clv.holdout_evaluation(fit, whole.assign(holdout_renewals=3))
    with pytest.raises(DataError, match="must be whole and at least 0"):
        clv.holdout_evaluation(fit, whole.assign(holdout_renewals=-1))
    with pytest.raises(DataError, match="no length"):
        clv.holdout_evaluation(fit, whole.assign(holdout_periods=0, holdout_renewals=0))
    with pytest.raises(ParameterError, match="contracts have no recency"):
        clv.holdout_calibration(fit, whole, by="recency")
    with pytest.raises(MissingColumnsError, match="holdout lacks 'holdout_periods'"):
        clv.holdout_evaluation(fit, whole.drop(columns="holdout_periods"))


def test_renewals_of_cohorts_of_different_age_by_hand():
    """Ten customers: two left at the first, one at the second renewal; three have made one, four two renewals.

    Ten faced the first (two left), five the second (one left): survival .8, then .8 * .8.
    """
    fit = ShiftedBetaGeometric([1, 2, 1, 2], [True, True, False, False], weights=[2, 1, 3, 4]).fit()
    table = clv.renewal_table(fit)
    assert table["renewal"].tolist() == [1, 2]
    assert table["at_risk"].tolist() == [10, 5]
    assert table["left"].tolist() == [2, 1]
    np.testing.assert_allclose(table["survival"], [0.8, 0.64])
    np.testing.assert_allclose(table["expected"], fit.survival([1, 2]))
    np.testing.assert_allclose(table["expected_left"], [10 * (1 - fit.survival(1)), 5 * (1 - fit.retention_rate(2))])
    assert ((table["low"] < table["expected"]) & (table["expected"] < table["high"])).all()


def test_renewals_are_tracked_beyond_the_fit():
    fit = ShiftedBetaGeometric.from_survivors(SURVIVORS[:5]).fit()
    table = clv.renewal_table(fit, seen=ShiftedBetaGeometric.from_survivors(SURVIVORS))
    np.testing.assert_allclose(table["survival"], np.array(SURVIVORS[1:]) / 1000)
    np.testing.assert_allclose(table["expected"], fit.survival(np.arange(1, 8)))
    assert table["at_risk"].tolist() == SURVIVORS[:-1]


def test_calibration_of_contracts_is_by_renewals_made():
    one, two = (clv.cohort_holdout([100, 80, 60, 50, 45, 42], fitted=fitted) for fitted in (2, 3))
    table = clv.holdout_calibration(at((0.7, 1.2)), pd.concat([one, two]))
    assert table["group"].tolist() == ["2", "3"]
    assert table["customers"].tolist() == [60, 50]
    np.testing.assert_allclose(table["actual"], [(50 + 45 + 42) / 60, (45 + 42) / 50])


# -- opportunities ---------------------------------------------------------------------------------


def opportunities(params=(1.2, 0.75, 0.66, 2.78)):
    made = BetaGeoBetaBinomial([0, 1, 3, 4, 2], [0, 2, 5, 6, 5], [6] * 5)
    return made._results(made.free(params), np.eye(4) * 1e4)


def donating(params, x, last, n, further, draws, rng):
    """Undiscounted and discounted purchases of donors with one history, by drawing those who happen to have it."""
    p, theta = rng.beta(params[0], params[1], draws), rng.beta(params[2], params[3], draws)
    lived = rng.geometric(theta) - 1
    bought = (rng.random((draws, n + further)) < p[:, None]) & (np.arange(n + further) < lived[:, None])
    past = bought[:, :n]
    latest = np.where(past.any(axis=1), n - past[:, ::-1].argmax(axis=1), 0)
    same = (past.sum(axis=1) == x) & (latest == last)
    return bought[same, n:]


def test_value_at_opportunities_is_that_of_customers_with_the_same_past():
    """A million customers; those with x = 3, last at 5 of 6: value over 8 opportunities, 10 % between two."""
    params, rng = (1.2, 0.75, 0.66, 2.78), np.random.default_rng(9)
    later = donating(params, 3, 5, 6, 8, 1_000_000, rng)
    worth = later @ (1.1 ** -np.arange(1.0, 9.0))
    history = pd.DataFrame({"frequency": [3], "recency": [5], "age": [6]})
    options = {"discount_rate": 0.1, "horizon": 8, "rng": rng, "draws": 40_000, "level": 0.9}
    row = clv.customer_lifetime_value(opportunities(params), 2.0, history, **options).iloc[0]
    assert row["value"] == pytest.approx(2 * worth.mean(), abs=4.5 * 2 * worth.std() / np.sqrt(len(worth)))
    # quantiles lie between values in lumps: of an opportunity's worth
    assert [row["low"], row["high"]] == pytest.approx(2 * np.quantile(worth, [0.05, 0.95]), abs=0.6)
    base = clv.base_value(opportunities(params), 2.0, pd.concat([history] * 50), **options)
    assert base["process_error"] == pytest.approx(np.sqrt(50) * 2 * worth.std(), rel=0.03)


def test_opportunities_take_a_spend_model_or_a_column_too():
    history = pd.DataFrame({"frequency": [3, 0], "recency": [5, 0], "age": [6, 6], "monetary_value": [12.0, np.nan]})
    spend = GammaGamma([1, 3, 2, 1], [10.0, 20.0, 16.0, 12.0])
    spend = spend._results(spend.free([6.25, 3.74, 15.44]), np.eye(3) * 1e4)
    fit = opportunities()
    table = clv.customer_lifetime_value(fit, spend, history, discount_rate=0.1, interval="expectation")
    dert = fit.discounted_transactions(0.1, history["frequency"], history["recency"], history["age"])
    np.testing.assert_allclose(table["value"], dert * spend.conditional_expectation([3, 0], [12.0, 0.0]))
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
    own = clv.customer_lifetime_value(
        fit, "order", history.assign(order=[5.0, 7.0]), discount_rate=0.1, rng=np.random.default_rng(1)
    )
    np.testing.assert_allclose(own["value"], dert * [5, 7])
    assert (own["high"] >= own["low"]).all()


def test_choices_are_discounted_between_opportunities_and_renewals():
    """Yearly opportunities and renewals at 21 % a year, three years."""
    history = pd.DataFrame({"frequency": [3], "recency": [5], "age": [6], "renewals": [2]})
    fits = {"BG/BB": opportunities(), "sBG": at((0.7, 1.2))}
    choices = {"yearly_rates": [0.21], "years": [3.0]}
    values = clv.value_scenarios(fits, 2.0, history, **choices, unit="year").set_index("model")["value"]
    assert values["BG/BB"] == pytest.approx(2 * fits["BG/BB"].discounted_transactions(0.21, 3, 5, 6, horizon=3)[0])
    assert values["sBG"] == pytest.approx(2 * fits["sBG"].residual_lifetime(0.21, 2, horizon=3))
    months = clv.value_scenarios({"sBG": fits["sBG"]}, 2.0, history, **choices, unit="month")["value"][0]
    # twelve renewals a year: the yearly factor 1.21 is spread over them
    assert months == pytest.approx(2 * fits["sBG"].residual_lifetime(1.21 ** (1 / 12) - 1, 2, horizon=36))


def test_models_are_fitted_to_opportunities_by_name():
    rng = np.random.default_rng(2)
    p, theta = rng.beta(1.2, 0.75, 400), rng.beta(0.66, 2.78, 400)
    bought = (rng.random((400, 8)) < p[:, None]) & (np.arange(8) < rng.geometric(theta)[:, None] - 1)
    last = np.where(bought.any(axis=1), 8 - bought[:, ::-1].argmax(axis=1), 0)
    x = bought.sum(axis=1)
    value = np.where(x > 0, rng.gamma(6.0 * np.maximum(x, 1)) / rng.gamma(4, 1 / 15, 400) / np.maximum(x, 1), np.nan)
    history = pd.DataFrame({"frequency": x, "recency": last, "age": 8, "monetary_value": value})
    fitted = clv.customer_models(history, ["BG/BB"])
    direct = BetaGeoBetaBinomial(x, last, np.full(400, 8)).fit()
    np.testing.assert_allclose(fitted.purchases["BG/BB"].params, direct.params, rtol=1e-6)
    assert fitted.estimates()["parameter"].tolist() == ["alpha", "beta", "gamma", "delta", "p", "q", "gamma"]


def test_tracking_at_opportunities_by_hand(frame):
    """Ann in January, February (twice) and May, with a return in April; Bob in February and April; Cleo in June."""
    months = [("a", 1, 5), ("a", 2, 5), ("a", 2, 5), ("a", 5, 5), ("a", 4, -5), ("b", 2, 5), ("b", 4, 5), ("c", 6, 5)]
    orders = frame(
        {
            "customer_id": [who for who, *_ in months],
            "ordered_at": [datetime.datetime(2026, month, 7 + i) for i, (_, month, _) in enumerate(months)],
            "amount": [float(amount) for *_, amount in months],
        }
    )
    fit = opportunities()
    table = clv.cumulative_purchases(fit, orders, period="month", until="2026-06-15")
    assert table["day"].dt.strftime("%m-%d").tolist() == ["02-28", "03-31", "04-30", "05-31"]
    assert table["customers"].tolist() == [2, 2, 2, 2]
    assert table["actual"].tolist() == [1, 1, 2, 3]
    expected = [fit.expected_purchases(n) + fit.expected_purchases(n - 1) for n in (1, 2, 3, 4)]
    np.testing.assert_allclose(table["expected"], expected)
    quarters = clv.cumulative_purchases(fit, orders, period="quarter", until="2026-06-30")
    assert quarters["day"].dt.strftime("%m-%d").tolist() == ["06-30"]
    assert quarters["actual"].tolist() == [2]
    with pytest.raises(ParameterError, match="a BG/BB fit needs that of its opportunities"):
        clv.cumulative_purchases(fit, orders)
    with pytest.raises(ParameterError, match="period 'moon' is unknown"):
        clv.cumulative_purchases(fit, orders, period="moon")
