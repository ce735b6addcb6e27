"""Lifetime value, its intervals, hold-out evaluation, tracking and the health card."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from crmlib import clv, data
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas
from crmlib.models import BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD, ParetoNBD
from crmlib.rfm.history import holdout_history

RATE = 0.0027


@pytest.fixture(scope="module")
def orders(real_data):
    return data.load("cdnow_sample")["orders"]


@pytest.fixture(scope="module")
def holdout(orders):
    return to_pandas(holdout_history(orders, as_of="1997-09-30"))


@pytest.fixture(scope="module")
def purchases(holdout):
    return BetaGeoNBD(holdout["frequency"], holdout["recency"], holdout["age"]).fit()


@pytest.fixture(scope="module")
def spend(holdout):
    again = holdout[holdout["frequency"] > 0]
    return GammaGamma(again["frequency"], again["monetary_value"]).fit()


# -- value -------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize("model", [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD])
def test_value_is_transactions_times_order_value_times_margin(holdout, spend, model):
    fit = model(holdout["frequency"], holdout["recency"], holdout["age"]).fit()
    table = clv.customer_lifetime_value(fit, spend, holdout, discount_rate=RATE, margin_rate=0.3, interval=None)
    assert table["customer_id"].tolist() == holdout["customer_id"].tolist()
    dert = fit.discounted_transactions(RATE, holdout["frequency"], holdout["recency"], holdout["age"])
    mean = spend.conditional_expectation(holdout["frequency"], holdout["monetary_value"])
    np.testing.assert_allclose(table["transactions"], dert, rtol=1e-10)
    np.testing.assert_allclose(table["order_value"], 0.3 * mean, rtol=1e-12)
    np.testing.assert_allclose(table["value"], 0.3 * mean * dert, rtol=1e-10)
    np.testing.assert_allclose(table["probability_alive"], fit.probability_alive(), rtol=1e-12)


@pytest.mark.data
def test_expectation_interval_adds_both_models_variances(holdout, purchases, spend):
    """On the log scale the variances of DERT and of the order value add."""
    few = holdout.head(50)
    table = clv.customer_lifetime_value(purchases, spend, few, discount_rate=RATE, interval="expectation")
    one = purchases.discounted_interval(RATE, few["frequency"], few["recency"], few["age"])
    other = spend.expectation_interval(few["frequency"], few["monetary_value"])
    step = np.hypot(np.log(one["high"] / one["expected"]), np.log(other["high"] / other["expected"]))
    np.testing.assert_allclose(np.log(table["high"] / table["value"]), step, rtol=1e-5)
    np.testing.assert_allclose(np.log(table["value"] / table["low"]), step, rtol=1e-5)


@pytest.mark.data
def test_blocks_change_nothing(holdout, purchases, spend, monkeypatch):
    def run(kind):
        options = {"discount_rate": RATE, "interval": kind, "rng": np.random.default_rng(1)}
        return clv.customer_lifetime_value(purchases, spend, holdout, **options)

    whole = {kind: run(kind) for kind in ("prediction", "expectation")}
    monkeypatch.setattr("crmlib.clv.valuation.BLOCK", 100)
    for kind, table in whole.items():
        pd.testing.assert_frame_equal(run(kind), table, rtol=1e-9)


def firm(rng, n, params=(0.8, 6.0, 0.8, 2.4), spend=(6.0, 4.0, 15.0), seen=40.0, until=200.0, rate=0.01):
    """Customers as BG/NBD and gamma-gamma say: histories to `seen`, discounted spend from then to `until`."""
    own, p = rng.gamma(params[0], 1 / params[1], n), rng.beta(params[2], params[3], n)
    leaving, nu = rng.exponential(size=n) / (own * p), rng.gamma(spend[1], 1 / spend[2], n)
    rows, later = [], []
    for i in range(n):
        end = min(leaving[i], until)
        times = np.sort(rng.uniform(0, end, rng.poisson(own[i] * (1 - p[i]) * end)))
        times = np.append(times, leaving[i]) if leaving[i] < until else times
        values = rng.gamma(spend[0], 1 / nu[i], len(times))
        past = times <= seen
        rows.append((past.sum(), times[past].max(initial=0), seen, values[past].mean() if past.any() else np.nan))
        later.append((values[~past] * np.exp(-rate * (times[~past] - seen))).sum())
    return pd.DataFrame(rows, columns=["frequency", "recency", "age", "monetary_value"]), np.array(later)


@pytest.fixture(scope="module")
def simulated():
    history, later = firm(np.random.default_rng(11), 6_000)
    again = history[history["frequency"] > 0]
    purchases = BetaGeoNBD(history["frequency"], history["recency"], history["age"]).fit()
    return history, later, purchases, GammaGamma(again["frequency"], again["monetary_value"]).fit()


OPTIONS = {"discount_rate": 0.01, "horizon": 160.0}


def test_prediction_intervals_hold_what_customers_bring_in(simulated):
    history, later, purchases, spend = simulated
    rng = np.random.default_rng(1)
    table = clv.customer_lifetime_value(purchases, spend, history, rng=rng, level=0.9, **OPTIONS)
    inside = (table["low"] <= later) & (later <= table["high"])
    # the lower end of most is 0, which holds more than its 5 %
    assert 0.9 - 0.02 < inside.mean() < 0.975
    assert (later > table["high"]).mean() == pytest.approx(0.05, abs=0.012)
    assert table["value"].mean() == pytest.approx(later.mean(), rel=0.15)
    assert not table.columns.isin(["customer_id"]).any()


def test_base_interval_holds_the_total_over_firms():
    """40 firms of 1,000 customers: the interval holds the realised total in about 95 %."""
    rng, hits = np.random.default_rng(12), 0
    for _ in range(40):
        history, later = firm(rng, 1_000)
        again = history[history["frequency"] > 0]
        purchases = BetaGeoNBD(history["frequency"], history["recency"], history["age"]).fit()
        spend = GammaGamma(again["frequency"], again["monetary_value"]).fit()
        total = clv.base_value(purchases, spend, history, rng=rng, draws=200, **OPTIONS)
        hits += total["low"] <= later.sum() <= total["high"]
    assert hits / 40 > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / 40)


def test_base_value_is_the_sum_and_its_parts(simulated):
    history, later, purchases, spend = simulated
    total = clv.base_value(purchases, spend, history, rng=np.random.default_rng(2), **OPTIONS)
    table = clv.customer_lifetime_value(purchases, spend, history, interval=None, **OPTIONS)
    assert total["value"] == pytest.approx(table["value"].sum())
    assert total["low"] < total["value"] < total["high"]
    assert total["process_error"] == pytest.approx(later.std() * np.sqrt(len(later)), rel=0.3)
    # parameter error by force: the total at parameters moved along each axis
    twice = clv.base_value(purchases, spend, pd.concat([history, history]), rng=np.random.default_rng(2), **OPTIONS)
    assert twice["parameter_error"] == pytest.approx(2 * total["parameter_error"], rel=1e-6)
    assert twice["process_error"] == pytest.approx(np.sqrt(2) * total["process_error"], rel=0.05)


def test_one_value_for_all_orders(simulated):
    history, _, purchases, _ = simulated
    table = clv.customer_lifetime_value(
        purchases,
        30.0,
        history.drop(columns="monetary_value"),
        margin_rate=0.5,
        rng=np.random.default_rng(3),
        **OPTIONS,
    )
    assert (table["order_value"] == 15).all()
    assert (table["low"] <= table["high"]).all()


def test_values_scale_with_money_and_do_not_with_the_unit_of_time(simulated):
    history, _, purchases, spend = simulated
    weeks = clv.customer_lifetime_value(purchases, spend, history, interval=None, **OPTIONS)
    days = history.assign(
        recency=7 * history["recency"], age=7 * history["age"], monetary_value=100 * history["monetary_value"]
    )
    again = days[days["frequency"] > 0]
    other = clv.customer_lifetime_value(
        BetaGeoNBD(days["frequency"], days["recency"], days["age"]).fit(),
        GammaGamma(again["frequency"], again["monetary_value"]).fit(),
        days,
        discount_rate=0.01 / 7,
        horizon=7 * 160.0,
        interval=None,
    )
    np.testing.assert_allclose(other["value"], 100 * weeks["value"], rtol=1e-4)


def test_covariates_are_read_by_name(simulated):
    history = simulated[0].assign(vip=np.arange(6_000) % 2)
    z = history[["vip"]]
    fit = BetaGeoNBD(history["frequency"], history["recency"], history["age"], rate_covariates=z).fit()
    table = clv.customer_lifetime_value(fit, 10.0, history, interval="expectation", **OPTIONS)
    expected = fit.discounted_transactions(
        0.01, history["frequency"], history["recency"], history["age"], horizon=160.0, rate_covariates=z
    )
    np.testing.assert_allclose(table["transactions"], expected, rtol=1e-10)
    with pytest.raises(MissingColumnsError, match="history lacks 'vip'"):
        clv.customer_lifetime_value(fit, 10.0, simulated[0], interval=None, **OPTIONS)


def test_any_frame_is_read(frame, simulated):
    history, _, purchases, spend = simulated
    few = history.head(20).astype({"frequency": "int64"})
    columns = {name: [None if v != v else v for v in few[name]] for name in few.columns}
    table = clv.customer_lifetime_value(purchases, spend, frame(columns), interval=None, **OPTIONS)
    expected = clv.customer_lifetime_value(purchases, spend, few, interval=None, **OPTIONS)
    np.testing.assert_allclose(np.sort(table["value"]), np.sort(expected["value"]), rtol=1e-9)


def test_yearly_rates_become_continuous_ones():
    assert np.exp(clv.continuous_rate(0.1, "day") * 365.25) == pytest.approx(1.1)
    assert clv.continuous_rate(0.15) == pytest.approx(0.0027, abs=0.00005)
    with pytest.raises(ParameterError, match="unit 'fortnight'"):
        clv.continuous_rate(0.1, "fortnight")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"margin_rate": 0.0}, "margin_rate is 0.0; give the share of revenue"),
        ({"margin_rate": 30}, "margin_rate is 30"),
        ({"level": 95}, "level is 95"),
        ({"interval": "wald"}, "interval is 'wald'"),
        ({"interval": "prediction"}, "give rng="),
        ({"discount_rate": -0.1}, "discount rate is -0.1"),
        ({"discount_rate": 0.0, "horizon": np.inf}, "give a rate above 0 or a horizon"),
        ({"horizon": 0}, "horizon is 0; give a time above 0"),
    ],
)
def test_wrong_options_say_what_to_do(simulated, options, words):
    history, _, purchases, spend = simulated
    with pytest.raises(ParameterError, match=words):
        clv.customer_lifetime_value(purchases, spend, history, **({"interval": None} | OPTIONS | options))


def test_bad_histories_are_named(simulated):
    history, _, purchases, spend = simulated

    def run(table, spend=spend):
        return clv.customer_lifetime_value(purchases, spend, table, interval=None, **OPTIONS)

    with pytest.raises(DataError, match="recency lies beyond age for 1 of 6,000"):
        run(history.assign(recency=history["recency"].where(history.index != 5, 50.0)))
    with pytest.raises(DataError, match="monetary_value is missing or not above 0"):
        run(history.assign(monetary_value=-1.0))
    with pytest.raises(DataError, match="history has no customers"):
        run(history.head(0))
    with pytest.raises(DataError, match="must be a data frame"):
        run([1, 2])
    with pytest.raises(MissingColumnsError, match="history lacks 'much'"):
        run(history, spend="much")
    with pytest.raises(ParameterError, match="spend is None; give a fitted GammaGamma, an order's value above 0"):
        run(history, spend=None)
    with pytest.raises(DataError, match="worth must be values of an order: finite and at least 0"):
        run(history.assign(worth=-1.0), spend="worth")


# -- hold-out, tracking, frequency ---------------------------------------------------------------


@pytest.mark.data
def test_holdout_is_the_published_one(published, purchases, holdout):
    table = clv.holdout_evaluation(purchases, holdout).set_index("rule")
    values, correlation = published("bgnbd_holdout")["values"], published("bgnbd_holdout_correlation")["values"]
    assert table.loc["model", "predicted"] == pytest.approx(values["predicted"], abs=0.5)
    assert table.loc["model", "actual"] == values["actual"]
    assert table.loc["own past rate", "predicted"] == pytest.approx(values["naive"], abs=0.5)
    assert table.loc["model", "correlation"] == pytest.approx(correlation["model"], abs=0.0005)
    assert table.loc["own past rate", "correlation"] == pytest.approx(correlation["naive"], abs=0.0005)
    assert (table["p_value"].iloc[1:] < 0.05).all()


@pytest.mark.data
def test_calibration_groups_hold_everybody(purchases, holdout):
    for by in ("frequency", "recency"):
        table = clv.holdout_calibration(purchases, holdout, by=by)
        assert table["customers"].sum() == len(holdout)
        assert table["customers"] @ table["actual"] == pytest.approx(holdout["holdout_frequency"].sum())
        assert table["customers"] @ table["expected"] == pytest.approx(purchases.conditional_expectation(39).sum())
    with pytest.raises(ParameterError, match="by is 'age'"):
        clv.holdout_calibration(purchases, holdout, by="age")


@pytest.mark.data
def test_frequencies_add_up(purchases, holdout):
    table = clv.frequency_table(purchases, top=7)
    counts = holdout["frequency"].clip(upper=7).value_counts().sort_index()
    assert table["actual"].tolist() == counts.tolist()
    assert table["expected"].sum() == pytest.approx(len(holdout))
    # by hand for one cell: the mean of P(X(T) = 0) over the customers' ages
    none = [purchases.purchase_probability(0, age) for age in holdout["age"].unique()]
    weights = holdout["age"].value_counts()[holdout["age"].unique()]
    assert table["expected"].iloc[0] == pytest.approx(weights.to_numpy() @ none)


def test_tracking_counts_by_hand(frame):
    """Ann on days 0, 3 and 10, twice on day 3; Bob on days 5 and 20: repeats on days 3, 10 and 20."""
    day = datetime.datetime(2026, 1, 1)
    offsets = [0, 3, 3, 10, 5, 20]
    columns = {
        "customer_id": ["a", "a", "a", "a", "b", "b"],
        "ordered_at": [day + datetime.timedelta(days=d, hours=d) for d in offsets],
    }
    orders = frame(columns)
    histories = ([0, 1, 2, 0, 3, 1], [0, 5, 8, 0, 9, 2], [10.0] * 6)
    made = BetaGeoNBD(*histories)
    fit = made._results(made.free([0.5, 6.0, 0.9, 1.6]), np.eye(4))
    table = clv.cumulative_purchases(fit, orders)
    assert table["actual"].tolist() == [1, 2, 3]  # weeks end on days 6, 13 and 20
    assert table["customers"].tolist() == [2, 2, 2]
    assert table["day"].tolist() == [pd.Timestamp(day) + pd.Timedelta(days=d) for d in (6, 13, 20)]
    expected = [fit.expected_purchases(d / 7) + fit.expected_purchases((d - 5) / 7) for d in (6, 13, 20)]
    np.testing.assert_allclose(table["expected"], expected)
    assert clv.cumulative_purchases(fit, orders, acquired_until="2026-01-02")["actual"].tolist() == [1, 2, 2]
    assert clv.cumulative_purchases(fit, orders, until="2026-01-14")["actual"].tolist() == [1, 2]
    # a return on another day, and one of somebody who never ordered, change nothing
    returned = {"customer_id": ["a", "c"], "ordered_at": [day + datetime.timedelta(days=d) for d in (12, 1)]}
    priced = {name: [*columns[name], *returned[name]] for name in columns}
    priced["amount"] = [5.0] * len(offsets) + [-5.0, -5.0]
    pd.testing.assert_frame_equal(clv.cumulative_purchases(fit, frame(priced)), table)
    with pytest.raises(DataError, match="no customer acquired"):
        clv.cumulative_purchases(fit, orders, acquired_until="2025-01-01")


# -- health card ---------------------------------------------------------------------------------


@pytest.mark.data
def test_cdnow_is_in_good_health_but_for_the_spread_of_spend(purchases, spend, holdout):
    """Orders of one customer vary more than p of the gamma-gamma model says: 86 % instead of 95 % inside."""
    card = clv.health_card(purchases, spend=spend, holdout=holdout).set_index("check")
    assert card.index[card["status"] == "warn"].tolist() == ["prediction intervals of order values"]
    assert card.index[card["advice"] != ""].tolist() == ["prediction intervals of order values"]
    assert card.loc["spend independent of frequency", "value"] == pytest.approx(0.1139, abs=0.0001)
    assert card.loc["repeat buyers", "value"] == 946
