"""Payback and return by acquisition channel: hand calculations, edge cases, coverage."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from crmlib import attribution, budget, data
from crmlib.budget.payback import BEYOND, EARNS, FREE, LOSES, UNCLEAR, WITHIN
from crmlib.errors import DataError, MissingColumnsError, ParameterError

BEGIN = datetime.datetime(2026, 1, 1)
SURE = 10_000_000  # so many customers that a Poisson count of them hardly varies


def values(crowds, *, as_of="2026-03-31", seed=1, period_days=30, **options):
    """Customers won on January 1; `crowds` gives each channel's number and margins of ages 0, 1, 2."""
    people, orders, first = [], [], 0
    for channel, (number, margins) in crowds.items():
        ids = np.arange(first, first + number)
        first += number
        people.append(pd.DataFrame({"customer_id": ids, "channel": channel, "acquired_at": BEGIN}))
        for age, margin in enumerate(margins):
            at = BEGIN + datetime.timedelta(days=30 * age)
            orders.append(pd.DataFrame({"customer_id": ids, "ordered_at": at, "margin": margin}))
    options = {"replicates": 200, "rng": np.random.default_rng(seed)} | options
    return budget.channel_values(pd.concat(people), pd.concat(orders), as_of=as_of, period_days=period_days, **options)


def table(**columns):
    return pd.DataFrame({"channel": list("abcdef")[: len(next(iter(columns.values())))]} | columns)


def times(found, costs, credited=None, **options):
    credited = table(customers=[SURE] * len(costs)) if credited is None else credited
    return budget.payback_times(found, costs, credited=credited, rng=np.random.default_rng(1), **options).set_index(
        "channel"
    )


def returns(found, costs, credited=None, **options):
    credited = table(customers=[SURE] * len(costs)) if credited is None else credited
    made = budget.channel_returns(found, costs, credited=credited, rng=np.random.default_rng(1), **options)
    return made.set_index("channel")


def test_customers_won_before_the_first_day_are_not_paid_for():
    """40 customers won on January 1 and 60 in the year before: a cost of 80 is 2 for each of 40, and not 0.80."""
    people = pd.DataFrame({"customer_id": range(100), "channel": "a", "acquired_at": BEGIN})
    people.loc[40:, "acquired_at"] -= datetime.timedelta(days=200)
    orders = pd.DataFrame({"customer_id": range(40), "ordered_at": BEGIN, "margin": 5.0})
    last = BEGIN + datetime.timedelta(days=29)
    found = budget.channel_values(people, orders, as_of=last.date(), replicates=50, rng=np.random.default_rng(1))
    assert (found.customers.item(), found.won.item()) == (100, 40)
    for made in (budget.payback_times, budget.channel_returns):
        row = made(found, table(cost=[80.0]), rng=np.random.default_rng(1)).iloc[0]
        assert (row["customers"], row["cost_per_customer"]) == (40, 2)


def test_payback_by_hand():
    """5, then 2, then 1 add up to 5, 7, 8: a cost of 4 is back after age 0, of 6.5 after age 1, of 9 not at all."""
    found = values(dict.fromkeys("abcd", (40, [5.0, 2, 1])))
    made = times(found, table(cost=np.array([4, 6.5, 9, 0]) * SURE))
    assert made["days"].to_dict() == {"a": 30, "b": 60, "c": np.inf, "d": 0}
    assert made["low"].to_dict() == made["high"].to_dict() == made["days"].to_dict()
    assert made["within"].to_dict() == {"a": 1, "b": 1, "c": 0, "d": 1}
    assert made["verdict"].to_dict() == {"a": WITHIN, "b": WITHIN, "c": BEYOND, "d": FREE}
    assert set(made["window"]) == {90}
    assert made.loc["b", "cost_per_customer"] == pytest.approx(6.5)
    # the second margin is worth 2 · 1.5^(-45 / 365) = 1.902 and the first 5 · 1.5^(-15 / 365) = 4.917, in all 6.82
    late = times(found, table(cost=np.array([6.8, 6.85]) * SURE), discount_rate=0.5)
    assert late.loc[["a", "b"], "days"].tolist() == [60, 90]


def test_the_first_time_counts_though_returns_undo_it():
    """5, then -3, then 4 add up to 5, 2, 6: a cost of 4 is first back after age 0."""
    made = times(values({"a": (40, [5.0, -3, 4])}), table(cost=[4.0 * SURE]))
    assert made["days"].tolist() == [30]


def test_chance_in_what_a_customer_brings_is_in_the_interval():
    """Half bring 10, half nothing: the mean of 100 is 5 ± 0.5, so a cost of 5 is back in half of the samples."""
    rng = np.random.default_rng(1)
    people = pd.DataFrame({"customer_id": np.arange(100), "channel": "a", "acquired_at": BEGIN})
    orders = people[["customer_id"]].assign(ordered_at=BEGIN, margin=np.where(np.arange(100) < 50, 10.0, 0.0))
    found = budget.channel_values(people, orders, as_of="2026-03-31", replicates=2_000, rng=rng)
    made = times(found, table(cost=[5.0 * SURE]))
    assert made["days"].tolist() == [30]
    assert made[["low", "high"]].to_numpy().tolist() == [[30, np.inf]]
    assert made["verdict"].tolist() == [UNCLEAR]
    assert made["within"].item() == pytest.approx(0.5, abs=0.1)


def test_chance_in_how_many_were_won_is_in_the_interval():
    """100 customers at a cost of 700 leave 8 each: net 100, whose error is 8 · √100 = 80."""
    made = returns(values({"a": (40, [5.0, 2, 1])}, replicates=4_000), table(cost=[700.0]), table(customers=[100]))
    assert made["net_value"].item() == pytest.approx(100)
    assert made[["net_low", "net_high"]].to_numpy()[0] == pytest.approx([100 - 1.96 * 80, 100 + 1.96 * 80], abs=15)
    assert made["return"].item() == pytest.approx(1 / 7)
    assert made["high"].item() == pytest.approx(made["net_high"].item() / 700)
    assert made["verdict"].tolist() == [UNCLEAR]


def test_returns_by_hand():
    found = values(dict.fromkeys("abcd", (40, [5.0, 2, 1])))
    made = returns(found, table(cost=np.array([4, 16, 0, 8]) * SURE))
    assert made["margin"].tolist() == [8] * 4
    assert made["return"].drop("c").to_dict() == pytest.approx({"a": 1, "b": -0.5, "d": 0})
    assert np.isnan(made.loc["c", "return"])
    assert made["net_value"].to_dict() == pytest.approx({"a": 4 * SURE, "b": -8 * SURE, "c": 8 * SURE, "d": 0})
    assert made["verdict"].to_dict() == {"a": EARNS, "b": LOSES, "c": FREE, "d": UNCLEAR}
    assert made.index.tolist() == ["c", "a", "d", "b"]
    assert returns(found, table(cost=[4.0 * SURE]), ages=1)["margin"].dropna().tolist() == [5] * 4
    discounted = 5 * 1.1 ** (-15 / 365) + 2 * 1.1 ** (-45 / 365) + 1.1 ** (-75 / 365)
    assert returns(found, table(cost=[4.0]), discount_rate=0.1)["margin"].to_numpy() == pytest.approx(discounted)


def test_customers_of_the_table_are_counted_where_nobody_is_credited():
    found = values({"a": (40, [5.0]), "b": (60, [5.0])}, as_of="2026-01-30")
    made = budget.payback_times(found, table(cost=[200.0, 600.0]), rng=np.random.default_rng(1))
    assert made["customers"].tolist() == [40, 60]
    assert made["cost_per_customer"].tolist() == [5, 10]
    assert made["days"].tolist() == [30, np.inf]


def test_a_rule_credits_the_customers():
    """Two journeys of each path: last touch gives all 120 customers to b, first touch all to a."""
    journeys = np.repeat(np.arange(120), 2)
    touches = pd.DataFrame({"journey_id": journeys, "position": [1, 2] * 120, "channel": ["a", "b"] * 120})
    outcomes = pd.DataFrame({"journey_id": np.arange(120), "conversions": 1, "nulls": 0, "value": 1.0})
    found, costs = values({"a": (40, [5.0]), "b": (40, [5.0])}, as_of="2026-01-30"), table(cost=[360.0, 360.0])
    for rule, won in (("last_touch", "b"), ("first_touch", "a")):
        sample = attribution.credit_sample(touches, outcomes, rule=rule, rng=np.random.default_rng(1))
        made = returns(found, costs, sample)
        other = "a" if won == "b" else "b"
        assert made.loc[won, ["customers", "cost_per_customer", "return"]].tolist() == pytest.approx([120, 3, 2 / 3])
        assert made.loc[other, ["net_value", "return", "cost_per_customer"]].tolist() == [-360, -1, np.inf]
        paid = times(found, costs, sample)
        assert paid["verdict"].to_dict() == {won: WITHIN, other: BEYOND}
    worth = attribution.credit_sample(touches, outcomes, rule="linear", measure="value", rng=np.random.default_rng(1))
    with pytest.raises(ParameterError, match="credits value"):
        returns(found, costs, worth)


def test_channels_without_customers_cost_or_enough_of_them():
    """a: customers, no cost. b: cost, nobody. c: 20 customers. d: cost and credit, but nobody was seen."""
    found = values({"a": (40, [5.0]), "c": (20, [5.0])}, as_of="2026-01-30")
    costs = pd.DataFrame({"channel": list("bcd"), "cost": [50.0, 10, 10]})
    credited = pd.DataFrame({"channel": list("acd"), "customers": [40, 20, 7]})
    paid, made = times(found, costs, credited), returns(found, costs, credited)
    assert paid["verdict"].to_dict() == {"a": FREE, "b": BEYOND, "c": UNCLEAR, "d": UNCLEAR}
    assert paid.loc["b", "cost_per_customer"] == np.inf
    assert paid.loc["b", ["days", "low", "high", "within"]].tolist() == [np.inf, np.inf, np.inf, 0]
    assert paid.loc[["c", "d"], ["days", "low", "high"]].isna().all(axis=None)
    assert made["verdict"].to_dict() == {"a": FREE, "b": UNCLEAR, "c": UNCLEAR, "d": UNCLEAR}
    assert made.loc["b", ["net_value", "return"]].tolist() == [-50, -1]
    assert made.loc[["c", "d"], "net_value"].isna().all()


def test_negative_margins_never_pay_back():
    found = values({"a": (40, [-1.0, -1, -1])})
    assert times(found, table(cost=[1.0 * SURE]))["verdict"].tolist() == [BEYOND]
    assert returns(found, table(cost=[1.0 * SURE]))["return"].tolist() == pytest.approx([-4], rel=1e-2)


@pytest.mark.parametrize(
    ("costs", "credited", "options", "error", "message"),
    [
        (table(cost=[-1.0]), None, {}, DataError, "costs: cost is missing, negative"),
        (table(cost=[np.nan]), None, {}, DataError, "costs: cost is missing"),
        (table(price=[1.0]), None, {}, MissingColumnsError, "costs lacks 'cost'"),
        (pd.DataFrame({"channel": ["a", "a"], "cost": [1.0, 2]}), None, {}, DataError, "'a' stands twice"),
        (table(cost=[1.0]), table(customers=[-3]), {}, DataError, "credited: customers is missing"),
        (table(cost=[1.0]), None, {"level": 95}, ParameterError, "level is 95"),
        (table(cost=[1.0]), None, {"discount_rate": np.nan}, ParameterError, "discount_rate is nan"),
    ],
)
def test_what_cannot_be_is_refused(costs, credited, options, error, message):
    found = values({"a": (40, [5.0])})
    for made in (times, returns):
        with pytest.raises(error, match=message):
            made(found, costs, credited, **options)


def test_ages_beyond_the_window_are_refused_or_missing():
    found = values({"a": (40, [5.0, 2, 1])})
    with pytest.raises(ParameterError, match="ages is 4; give 1 to 3"):
        returns(found, table(cost=[1.0]), ages=4)
    with pytest.raises(ParameterError, match="ages is 0"):
        returns(values({"a": (4, [5.0])}), table(cost=[1.0]))


def test_the_truth_pays_other_channels_back_than_last_touch():
    """On the simulated firm: sponsorship adds customers, who pay it back; pay per click mostly collects credit."""
    names = ("customers", "orders", "touches", "costs")
    firm = data.simulate(np.random.default_rng(3), customers=10_000, tables=names)
    added, rng = firm.truth.added_customers(), np.random.default_rng(1)
    counts = added.groupby("channel", as_index=False).size().rename(columns={"size": "customers"})
    whole = firm.truth.channel_increments()[["channel", "increment"]].query("increment > 0")
    assert dict(zip(counts["channel"], counts["customers"], strict=True)) == dict(whole.itertuples(index=False))
    orders = budget.order_margins(firm["orders"], firm["costs"])
    costs = attribution.channel_costs(firm["touches"])
    people = added.merge(firm["customers"][["customer_id", "acquired_at"]])
    options = {"replicates": 100, "rng": rng}
    real = times(budget.channel_values(people, orders, **options), costs, counts)
    assert real.loc["sponsorship", "verdict"] == WITHIN
    assert real.loc["pay per click", "verdict"] == BEYOND
    assert real.loc["affiliates", "verdict"] == BEYOND
    naive = budget.payback_times(budget.channel_values(firm["customers"], orders, **options), costs, rng=rng)
    assert naive.set_index("channel").loc["pay per click", "days"] == 30
    assert naive.set_index("channel").loc["sponsorship", "days"] > 30


def test_intervals_cover_in_simulated_firms():
    """150 firms of 300 customers: margins 5 and, for two fifths, 10 more later, so 9 each; cost 7.5, so back at age 1.

    Margins are exponential. Coverage of 95 % intervals within three standard errors, 5 points; payback by whole ages is
    covered more often.
    """
    inside = np.zeros(3)
    for seed in range(150):
        rng = np.random.default_rng(seed)
        number = rng.poisson(300)
        people = pd.DataFrame({"customer_id": np.arange(number), "channel": "a", "acquired_at": BEGIN})
        first = people[["customer_id"]].assign(ordered_at=BEGIN, margin=rng.exponential(5, number))
        later = people[["customer_id"]].assign(ordered_at=BEGIN + datetime.timedelta(days=30))
        later["margin"] = rng.exponential(10, number)
        orders = pd.concat([first, later[rng.random(number) < 0.4]])
        found = budget.channel_values(people, orders, as_of="2026-03-01", replicates=200, rng=rng)
        total = found.margins().iloc[-1]
        net = budget.channel_returns(found, table(cost=[2_250.0]), rng=rng).iloc[0]
        paid = budget.payback_times(found, table(cost=[2_250.0]), rng=rng).iloc[0]
        inside += (
            total["total_low"] <= 9 <= total["total_high"],
            net["net_low"] <= 300 * 9 - 2_250 <= net["net_high"],
            paid["low"] <= 60 <= paid["high"],
        )
    assert (inside[:2] / 150 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 150)).all()
    assert (inside[:2] < 150).all()
    assert inside[2] / 150 >= 0.95
