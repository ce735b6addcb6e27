"""Columns that are not what they are called."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from crmlib import clv, rfm
from crmlib.columns import number_table, numbers
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.models import BetaGeoNBD, GammaGamma

TABLE = pd.DataFrame({"customer_id": [1, 2], "frequency": [3, 0], "recency": [4.0, 0.0], "age": [9.0, 9.0]})


def test_numbers_of_any_kind():
    for values in (
        [1, 2.5],
        (1, 2.5),
        np.array([1, 2.5], dtype=object),
        [Decimal(1), Decimal("2.5")],
        pl.Series([1.0, 2.5]),
    ):
        np.testing.assert_array_equal(numbers(values, "x"), [1, 2.5])
    np.testing.assert_array_equal(numbers(pd.Series([1, None], dtype="Int64"), "x"), [1, np.nan])
    assert numbers(3, "x").shape == (1,)
    for wrong, kind in (
        (["a"], "list"),
        (pd.Series(["a"], dtype=object), "object"),
        (np.array([1j]), "complex128"),
        (np.array(["2026-01-01"], dtype="datetime64[D]"), r"datetime64\[D\]"),
    ):
        with pytest.raises(DataError, match=rf"x is not all numbers \({kind}\); pass counts"):
            numbers(wrong, "x")
    with pytest.raises(DataError, match="x is not given"):
        numbers(None, "x")


def test_tables_of_numbers_from_any_engine(frame):
    given = frame(TABLE.to_dict("list"))
    table = number_table(given, ("frequency", "age"), table="history", others=("customer_id",))
    assert table.sort_values("customer_id")["frequency"].tolist() == [3, 0]
    assert table.dtypes.astype(str)[["frequency", "age"]].tolist() == ["int64", "float64"]
    for other in (TABLE.astype(object), TABLE.convert_dtypes(), TABLE.astype({"frequency": bool})):
        assert number_table(other, ("frequency", "age"), table="history").dtypes.eq("float64").all()
    with pytest.raises(MissingColumnsError, match="history lacks 'money'"):
        number_table(given, ("money",), table="history")


ORDERS = {
    "customer_id": [1, 1, 2],
    "ordered_at": [datetime.datetime(2026, 1, d) for d in (1, 9, 5)],
    "amount": [1.0, 2, 3],
}


@pytest.mark.parametrize("call", [rfm.customer_summary, rfm.purchase_history, rfm.opportunity_history])
def test_orders_whose_columns_are_something_else_are_named(frame, call):
    with pytest.raises(DataError, match="ordered_at is text, no date or datetime; convert it first"):
        call(frame(ORDERS | {"ordered_at": ["2026-01-01"] * 3}))
    with pytest.raises(DataError, match="ordered_at is Int64, no date or datetime"):
        call(frame(ORDERS | {"ordered_at": [1, 2, 3]}))
    with pytest.raises(DataError, match="amount is text, no number"):
        call(frame(ORDERS | {"amount": ["a", "b", "c"]}))


@pytest.mark.parametrize("call", [rfm.customer_summary, rfm.purchase_history, rfm.opportunity_history])
def test_orders_of_pandas_objects(call):
    plain = call(pd.DataFrame(ORDERS))
    orders = pd.DataFrame(ORDERS)
    pd.testing.assert_frame_equal(call(orders.assign(amount=[Decimal(1), Decimal(2), Decimal(3)])), plain)
    pd.testing.assert_frame_equal(call(orders.set_index(np.zeros(3, dtype=int))), plain)
    with pytest.raises(DataError, match="ordered_at has a time zone"):
        call(orders.assign(ordered_at=orders["ordered_at"].dt.tz_localize("UTC")))
    with pytest.raises(DataError, match="ordered_at is a column of objects"):
        call(orders.astype({"ordered_at": object}))
    with pytest.raises(DataError, match="customer_id mixes kinds of values"):
        call(orders.assign(customer_id=[1, "a", 2.5]))
    with pytest.raises(DataError, match="orders has two columns of one name"):
        call(pd.concat([orders, orders[["amount"]]], axis=1))


@pytest.fixture(scope="module")
def fits():
    x = np.array([0, 1, 2, 0, 3, 1])
    purchases = BetaGeoNBD(x, [0, 5, 8, 0, 9, 2], [10.0] * 6)
    spend = GammaGamma([1, 3, 2, 1], [10.0, 20.0, 16.0, 12.0])
    return (
        purchases._results(purchases.free([0.5, 6.0, 0.9, 1.6]), np.eye(4)),
        spend._results(spend.free([6.0, 4.0, 15.0]), np.eye(3)),
    )


def test_histories_are_named_by_column(fits):
    def value(history):
        return clv.customer_lifetime_value(fits[0], 5, history, discount_rate=0.01, interval=None)

    with pytest.raises(DataError, match="history's recency is not all numbers"):
        value(TABLE.assign(recency=["a", "b"]))
    with pytest.raises(DataError, match="history has two columns of one name"):
        value(pd.concat([TABLE, TABLE[["age"]]], axis=1))
    with pytest.raises(DataError, match="history has 1 rows of customers it had before; give one row a customer"):
        value(TABLE.assign(customer_id=7))
    for other in (TABLE.astype(object), TABLE.convert_dtypes(), TABLE.set_index([[0, 0]])):
        np.testing.assert_array_equal(value(other)["value"], value(TABLE)["value"])
    with pytest.raises(DataError, match="history must be a data frame"):
        value(TABLE.to_dict("list"))


def test_hold_outs_are_named_by_column(fits):
    holdout = TABLE.assign(holdout_time=5.0, holdout_frequency=[1, 2], monetary_value=[4.0, np.nan], holdout_amount=9.0)
    clv.health_card(fits[0], spend=fits[1], holdout=holdout)
    for column, value, words in (
        ("holdout_frequency", 0.5, "must be whole and at least 0"),
        ("holdout_frequency", np.nan, "must be whole and at least 0"),
        ("holdout_frequency", "a", "holdout's holdout_frequency is not all numbers"),
        ("holdout_time", np.inf, "no length for some"),
        ("holdout_time", -1.0, "no length for some"),
        ("holdout_amount", np.inf, "holdout_amount is missing or infinite"),
        ("age", np.nan, "age is missing or infinite for 2 of 2"),
    ):
        with pytest.raises(DataError, match=words):
            clv.health_card(fits[0], spend=fits[1], holdout=holdout.assign(**{column: value}))


def test_scores_attributes_and_outcomes_that_are_none_of_it():
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match="amount is text, no number"):
        rfm.rfm_scores(
            pd.DataFrame({"customer_id": [1], "days_since_last_order": [1], "order_days": [1], "amount": "a"})
        )
    summary = pd.DataFrame({"customer_id": [1, 2], "days_since_last_order": 1, "order_days": [1, 2], "amount": 2.0})
    for cuts in ({"amount": ["a", 1, 2, 3]}, {"amount": None}, {"amount": "1234"}, [1]):
        with pytest.raises(ParameterError, match="cuts"):
            rfm.rfm_scores(summary, cuts=cuts)
    for question in (rfm.captured_share, rfm.gains_curve):
        with pytest.raises(DataError, match="score is not all numbers"):
            question(["a"], [1])
    with pytest.raises(DataError, match="the outcomes add up to nothing"):
        rfm.lift_table([1, 2], [0, 0], rng=rng)
    people, best = pd.DataFrame({"region": ["a", "b"] * 40}), np.arange(80) % 3 == 0
    for wrong, words in ((np.append(best[1:] * 1.0, np.nan), "true or false"), (best[1:], r"shape \(79,\) for 80")):
        with pytest.raises(DataError, match=words):
            rfm.look_alikes(people, wrong, attributes=["region"])
    for attributes in ("region", []):
        with pytest.raises(ParameterError, match="give a list of names"):
            rfm.held_out_probabilities(people, best, attributes=attributes, rng=rng)
    eager = rfm.look_alikes(pl.from_pandas(people), best, attributes=["region"])
    pd.testing.assert_series_equal(
        eager.coefficients, rfm.look_alikes(people, best, attributes=["region"]).coefficients
    )


def test_options_that_are_no_numbers_are_named(fits):
    purchases, spend = fits
    rng = np.random.default_rng(1)
    for wrong in ("a", None, [1, 2], np.datetime64("2026-01-01")):
        for question in (
            lambda wrong: purchases.discounted_transactions(wrong),
            lambda wrong: purchases.discounted_transactions(0.1, horizon=wrong),
            lambda wrong: purchases.expectation_interval(5, level=wrong),
            lambda wrong: spend.prediction_interval(2, 10.0, orders=wrong),
            lambda wrong: clv.continuous_rate(wrong),
            lambda wrong: clv.frequency_table(purchases, top=wrong),
            lambda wrong: clv.keeping_ceilings(pd.Series([1.0, 2]), best_share=wrong, saved_share=0.1),
            lambda wrong: clv.customer_lifetime_value(purchases, 5, TABLE, discount_rate=wrong, interval=None),
            lambda wrong: clv.customer_lifetime_value(purchases, 5, TABLE, discount_rate=0.1, draws=wrong, rng=rng),
        ):
            with pytest.raises(ParameterError, match="give one number"):
                question(wrong)
    for count in ("a", [1, "a"], np.inf):
        with pytest.raises(ParameterError, match="count is"):
            purchases.purchase_probability(count, 5)
    with pytest.raises(ParameterError, match="rng is 5; give a generator"):
        clv.customer_lifetime_value(purchases, 5, TABLE, discount_rate=0.1, rng=5)
    with pytest.raises(ParameterError, match="top is True; give a whole number"):
        clv.frequency_table(purchases, top=True)
    with pytest.raises(ParameterError, match="top is 1000000000000; give a whole number"):
        clv.frequency_table(purchases, top=10**12)
