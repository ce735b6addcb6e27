"""Later activity and margin by acquisition channel: hand calculations, censoring, comparisons, coverage."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from crmlib import budget
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas


def day(text):
    return datetime.datetime.fromisoformat(f"2026-{text}" if len(text) == 5 else text)


# Orders span day 0 (January 1) to day 89 (March 31); an age has 30 days.
# 1: won on day 0, ages 0-2 seen. 2: day 30, ages 0 and 1. 3: day 45, age 0. 4: day 73, none.
# 5: nobody knows when. 6: 15 days before the first order, so age 0 is not seen, ages 1 and 2 are.
CUSTOMERS = {
    "customer_id": [1, 2, 3, 4, 5, 6],
    "channel": ["a", "a", "b", None, "b", "b"],
    "acquired_at": [day(t) if t else None for t in ("01-01", "01-31", "02-15", "03-15", None, "2025-12-17")],
}
# Age 0 of a: 10, and 6 + 1; age 1: 4 (February 10, 40 days later), and 2 (59 days after January 31); age 2 a return
# of 3. Age 0 of b: 5; its 7 come 33 days later, at an age that does not end before April. Age 1: 9; the 8 of
# January 5 are of an age that began before the orders do. Nobody counts the orders of 5 and 7, or the undated one.
ORDERS = {
    "customer_id": [1, 1, 1, 2, 2, 2, 3, 3, 6, 6, 5, 7, 1, None],
    "ordered_at": [
        *(day(t) for t in ("01-01", "02-10", "03-05", "01-31", "02-05", "03-31", "02-15", "03-20", "01-05", "01-20")),
        *(day("01-02"), day("01-02"), None, day("01-03")),
    ],
    "amount": [20.0, 8, -5, 12, 2, 4, 10, 14, 16, 18, 200, 200, 50, 50],
    "margin": [10.0, 4, -3, 6, 1, 2, 5, 7, 8, 9, 100, 100, 25, 25],
}


def values(customers=None, orders=None, seed=1, **options):
    people, bought = (pd.DataFrame(t) if isinstance(t, dict) else t for t in (customers, orders))
    options = {"replicates": 200} | options
    return budget.channel_values(people, bought, rng=np.random.default_rng(seed), **options)


def compared(found, **options):
    return budget.margin_comparison(found, rng=np.random.default_rng(1), **({"draws": 400} | options))


def crowd(channel, margins, number=40, first=0):
    """Customers won on January 1 who all leave these margins at ages 0, 1, … (None: no order)."""
    people = pd.DataFrame({"customer_id": np.arange(first, first + number), "channel": channel})
    people["acquired_at"] = day("01-01")
    rows = [
        pd.DataFrame({"customer_id": people["customer_id"], "margin": float(left)}).assign(
            ordered_at=day("01-01") + datetime.timedelta(days=30 * age)
        )
        for age, left in enumerate(margins)
        if left is not None
    ]
    return people, pd.concat(rows) if rows else pd.DataFrame(columns=["customer_id", "margin", "ordered_at"])


def joined(*crowds):
    return (pd.concat([crowd[part] for crowd in crowds], ignore_index=True) for part in (0, 1))


def test_ages_by_hand_on_every_engine(frame):
    found = budget.channel_values(frame(CUSTOMERS), frame(ORDERS), replicates=2, rng=np.random.default_rng(1))
    assert found.channels == ("(unknown)", "a", "b")
    assert found.customers.tolist() == [1, 2, 2]
    assert found.undated == 1
    assert found.seen.tolist() == [[0, 0, 0], [2, 2, 1], [1, 1, 1]]
    assert found.active.tolist() == [[0, 0, 0], [2, 2, 0], [1, 1, 0]]
    np.testing.assert_allclose(found.margin[1:], [[8.5, 3, -3], [5, 9, 0]])
    assert np.isnan(found.margin[0]).all()
    np.testing.assert_allclose(found.totals(1), [8.5, 11.5, 8.5])
    assert found.window.tolist() == [0, 0, 0]
    assert found.horizon == 0
    assert found.margins().empty
    table = found.retention()
    assert table["active_share"].tolist() == [1, 1, 0, 1, 1, 0]
    assert table[["low", "high"]].isna().all(axis=None)


def test_margins_of_orders_by_hand_on_every_engine(frame):
    """10 - 4 - 1 - 2 · 0.5 = 4, and -3 - 0 - 1 - 0 = -4; the rent is no order's doing; or 30 % of the amount."""
    orders = frame({"customer_id": [1, 1], "ordered_at": [day("01-01")] * 2, "amount": [10.0, -3], "cost": [4.0, 0],
                    "lines": [2, 0]})  # fmt: skip
    costs = frame(
        {
            "driver": ["orders", "lines", "lines", "months"],
            "rate": [1.0, 0.3, 0.2, 9.0],
            "behaviour": ["avoidable"] * 3 + ["allocated"],
        }
    )

    def margin(found):
        assert frame.same_kind(found)
        return sorted(to_pandas(found)["margin"])

    assert margin(budget.order_margins(orders, costs)) == pytest.approx([-4, 4])
    assert margin(budget.order_margins(orders)) == pytest.approx([-3, 6])
    assert margin(budget.order_margins(orders, margin_rate=0.3)) == pytest.approx([-0.9, 3])


def test_margins_that_cannot_be_are_refused():
    orders = pd.DataFrame({"customer_id": [1], "ordered_at": [day("01-01")], "amount": [1.0], "cost": [0.5]})
    costs = pd.DataFrame({"driver": ["calls"], "rate": [1.0]})
    with pytest.raises(MissingColumnsError, match="calls"):
        budget.order_margins(orders, costs)
    with pytest.raises(MissingColumnsError, match="cost"):
        budget.order_margins(orders[["customer_id", "ordered_at", "amount"]])
    with pytest.raises(ParameterError, match="margin_rate is 30"):
        budget.order_margins(orders, margin_rate=30)
    with pytest.raises(ParameterError, match="not both"):
        budget.order_margins(orders, costs, margin_rate=0.3)
    with pytest.raises(ParameterError, match="a rate is missing or negative"):
        budget.order_margins(orders, costs.assign(rate=-1.0))


def test_a_window_ends_where_fewer_than_thirty_completed_an_age():
    """40 customers won on January 1 and 20 more on March 1, to March 31: ages 0, 1, 2 of 60, 40 and 40."""
    people, orders = joined(crowd("a", [5, None, 1]), crowd("a", [2], 20, first=100))
    late = people["customer_id"] >= 100
    people.loc[late, "acquired_at"] = day("03-01")
    orders.loc[orders["customer_id"] >= 100, "ordered_at"] = day("03-01")
    found = values(people, orders, as_of="2026-03-31")
    assert found.seen.tolist() == [[60, 40, 40]]
    assert found.window.tolist() == [3]
    table = found.margins()
    np.testing.assert_allclose(table["margin"], [(40 * 5 + 20 * 2) / 60, 0, 1])
    np.testing.assert_allclose(table["total"], [4, 4, 5])
    assert ((table["total_low"] <= table["total"]) & (table["total"] <= table["total_high"])).all()
    # half a year's thirtieth part into each age: 1.1 to the power of minus 15, 45 and 75 days
    expected = np.cumsum([4 * 1.1 ** (-15 / 365), 0, 1.1 ** (-75 / 365)])
    np.testing.assert_allclose(found.margins(discount_rate=0.1)["total"], expected)
    assert values(people[late], orders).window.tolist() == [0]


def test_the_bootstrap_has_the_spread_of_the_mean():
    """Normal margins at one age: the interval is the mean ± 1.96 s / √n, and so within 5 % of that length."""
    rng = np.random.default_rng(3)
    people, orders = crowd("a", [1], 2_000)
    orders["margin"] = rng.normal(10, 4, len(orders))
    found = values(people, orders, replicates=2_000, as_of="2026-01-30").margins()
    half = 1.96 * orders["margin"].std() / np.sqrt(2_000)
    assert (found["high"] - found["low"]).item() / 2 == pytest.approx(half, rel=0.05)
    assert found["total"].item() == pytest.approx(orders["margin"].mean())


def test_shares_are_compared_by_newcombes_interval_and_holm():
    """12 of 40 against 30 of 100 others are alike; 30 of 50 against 12 of 90 others are not."""
    crowds = []
    for number, (name, size, active) in enumerate((("a", 40, 12), ("b", 50, 30), ("c", 50, 0))):
        people, orders = crowd(name, [1, 1], size, first=100 * number)
        crowds.append((people, orders[(orders["ordered_at"] == day("01-01")) | (orders["customer_id"] % 100 < active)]))
    table = budget.retention_comparison(values(*joined(*crowds), as_of="2026-03-01"), age=1).set_index("channel")
    assert table["active_share"].tolist() == [0.3, 0.6, 0]
    assert table["others"].tolist() == pytest.approx([0.3, 12 / 90, 42 / 90])
    assert table["distinct"].tolist() == [False, True, True]
    assert table.loc["a", "p_value"] == pytest.approx(1)
    # Newcombe's tenth method: Wilson's ends of each share, differences of them in squares
    (l1, u1), (l2, u2) = wilson(30, 50), wilson(12, 90)
    gap = 0.6 - 12 / 90
    low = gap - np.sqrt((0.6 - l1) ** 2 + (u2 - 12 / 90) ** 2)
    high = gap + np.sqrt((u1 - 0.6) ** 2 + (12 / 90 - l2) ** 2)
    assert table.loc["b", ["low", "high"]].tolist() == pytest.approx([low, high], abs=1e-5)
    # score test: pooled share 42 / 140, with Miettinen and Nurminen's factor 140 / 139 of the variance
    deviate = gap / np.sqrt(0.3 * 0.7 * (1 / 50 + 1 / 90) * 140 / 139)
    assert table.loc["b", "p_value"] == pytest.approx(2 * stats.norm.sf(deviate))
    # c is as far from its others as b, so Holm's factor, 3 for the least of three, holds for both
    assert table["p_holm"].tolist() == pytest.approx([1, *(3 * table.loc["b", "p_value"],) * 2])


def wilson(won, made, z=1.959964):
    middle, width = won + z * z / 2, z * np.sqrt(won * (made - won) / made + z * z / 4)
    return (middle - width) / (made + z * z), (middle + width) / (made + z * z)


def test_intervals_of_a_skewed_mean_reach_as_far_as_hall_or_the_t_of_draws():
    """Of 40 customers one brings 45, the others 5: a mean of 6, and differences d = 39 and 39 times -1.

    Σd² = 1521 + 39 = 1560 and Σd³ = 59319 - 39 = 59280, so b = 59280 / 1560^1.5 = 0.96210, the standard error is
    √1560 / 40 = 0.98742. For 97 % z = 2.17009, g⁻¹(z) = 3 / b (∛(1 + b (z - b / 6)) - 1) = 1.34556 and g⁻¹(-z) =
    -6.47010. Draws with k of the 45 have a mean of 5 + k and t = (k - 1) / (40 √(k/40 (1 - k/40) / 39)), 0 at k = 1 and
    1.5613 at k = 4, none at k = 0. Of the others k is 4 or more in 2.8 %, 5 or more in 0.6 %, so that the upper 1.5 %
    begin at 1.5613. The ends are 6 - 0.98742 · 1.5613 = 4.458, where Hall's would be 4.671, and, as no t lies below 0,
    6 + 0.98742 · 6.47010 = 12.389. (The standard error is that of 20,000 replicates, known to 1 %.)
    """
    people, orders = crowd("a", [5])
    orders["margin"] = [45.0] + [5.0] * 39
    found = values(people, orders, replicates=20_000, as_of="2026-01-30").margins(level=0.97)
    assert found["margin"].item() == 6
    for low, high in (("low", "high"), ("total_low", "total_high")):
        assert found[[low, high]].iloc[0].tolist() == pytest.approx([4.458, 12.389], abs=0.15)


def test_a_small_channel_is_given_the_tail_that_only_all_customers_show():
    """40 customers bring 4 or 6 each; of 960 others one in 40 brings 80, whom such a sample misses in 36 %.

    Its own skewness is 0, so that Hall's interval would be 5 ± z · 1 / √40 = 5 ± 0.31. Drawn from all customers, t of a
    sample without the 80 is far below 0, and the upper end reaches further; the lower one does not.
    """
    few, of_few = crowd("few", [1])
    of_few["margin"] = np.tile([4.0, 6.0], 20)
    many, of_many = crowd("many", [1], 960, first=40)
    of_many["margin"] = np.where(np.arange(960) % 40, np.tile([4.0, 6.0], 480), 80.0)
    table = values(*joined((few, of_few), (many, of_many)), replicates=2_000, as_of="2026-01-30").margins()
    low, high = table.set_index("channel").loc["few", ["total_low", "total_high"]]
    assert low == pytest.approx(4.69, abs=0.05)
    assert high > 5 + 3 * 0.31


def test_few_skewed_customers_are_covered_better_than_by_percentiles():
    """Lognormal margins (σ = 1.4) of 100 customers in each of 200 channels; the mean is e^(σ²/2)."""
    rng, mean = np.random.default_rng(7), np.exp(1.4**2 / 2)
    people, orders = crowd("a", [1], 20_000)
    people["channel"] = [f"{number // 100:03d}" for number in range(20_000)]
    orders["margin"] = rng.lognormal(0, 1.4, 20_000)
    found = values(people, orders, replicates=400, as_of="2026-01-30")
    table = found.margins()
    low, high = np.quantile(found.sums[:, :, 0] / found.counts[:, :, 0], [0.025, 0.975], axis=1)
    percentiles = ((low <= mean) & (mean <= high)).sum()
    assert percentiles < 180
    assert ((table["total_low"] <= mean) & (mean <= table["total_high"])).sum() >= percentiles + 8


def test_margins_are_compared_with_those_of_all_others():
    rng = np.random.default_rng(5)
    crowds = [crowd(name, [1], 200, first=1_000 * number) for number, name in enumerate("abc")]
    for (_, orders), mean in zip(crowds, (5, 5, 7), strict=True):
        orders["margin"] = rng.normal(mean, 2, 200)
    table = compared(values(*joined(*crowds), as_of="2026-01-30"), ages=1).set_index("channel")
    a, b, c = (orders["margin"].to_numpy() for _, orders in crowds)
    assert table.loc["c", "difference"] == pytest.approx(c.mean() - np.concatenate([a, b]).mean())
    welch = stats.ttest_ind(c, np.concatenate([a, b]), equal_var=False).confidence_interval()
    assert table.loc["c", ["low", "high"]].tolist() == pytest.approx([welch.low, welch.high], abs=0.1)
    assert table["distinct"].tolist() == [True, True, True]
    few = compared(values(*joined(crowds[0], crowd("d", [9], 20, first=9_000)), as_of="2026-01-30"))
    assert few[["difference", "p_holm"]].isna().all(axis=None)
    assert not few["distinct"].any()


def test_alike_channels_are_seldom_told_apart():
    """100 firms of four channels whose customers are alike: Holm keeps false alarms near 5 %."""
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        people, orders = crowd("a", [1], 400)
        people["channel"] = rng.choice(list("abcd"), 400)
        orders["margin"] = rng.gamma(1.0, 5.0, 400)
        found = values(people, orders, as_of="2026-01-30", replicates=100, seed=seed)
        alarms += compared(found)["distinct"].any()
    assert alarms <= 12  # P(more than 12 | 5 %) is below 0.001


def test_chance_of_a_difference_by_all_deals():
    """One of 60 customers brings 40 and has a channel with 29 others; of all deals, half bring that one there.

    The difference is the same in size in every deal, its sign apart, so that the share of as large ones is 1.
    """
    people, orders = crowd("a", [1], 60)
    people["channel"] = ["a"] * 30 + ["b"] * 30
    orders["margin"] = [40.0] + [0.0] * 59
    table = compared(values(people, orders, as_of="2026-01-30"))
    assert table["difference"].tolist() == pytest.approx([40 / 30, -40 / 30])
    assert table["p_value"].tolist() == [1, 1]
    for draws in (99, 200.5):
        with pytest.raises(ParameterError, match=f"draws is {draws}; give at least 100"):
            compared(values(people, orders, as_of="2026-01-30"), draws=draws)


def test_skewed_margins_of_alike_channels_are_seldom_told_apart():
    """Lognormal margins (σ = 2) of 400, 60 and 40 customers, of whom samples mostly miss those who bring most."""
    alarms = 0
    for seed in range(60):
        people, orders = crowd("a", [1], 500)
        people["channel"] = ["a"] * 400 + ["b"] * 60 + ["c"] * 40
        orders["margin"] = np.random.default_rng(seed).lognormal(0, 2, 500)
        alarms += compared(values(people, orders, replicates=50, as_of="2026-01-30"))["distinct"].any()
    assert alarms <= 8  # P(more than 8 of 60 | 5 %) is below 0.005


def test_one_customer_many_or_none():
    people, orders = crowd("a", [5], 1)
    one = values(people, orders, as_of="2026-01-30")
    assert one.retention()["active_share"].tolist() == [1]
    assert one.horizon == 0
    silent, _ = crowd("a", [])
    none = values(silent, orders.iloc[:0], since="2026-01-01", as_of="2026-03-01")
    assert none.margin.tolist() == [[0, 0]]
    assert none.margins()["total_high"].tolist() == [0, 0]
    assert budget.retention_comparison(none, age=1)["p_value"].isna().all()
    with pytest.raises(DataError, match="there are no orders"):
        values(silent, orders.iloc[:0])
    with pytest.raises(DataError, match="no customer has an acquired_at"):
        values(silent.assign(acquired_at=pd.NaT), orders)


def test_a_customer_of_several_channels_counts_in_each_but_cannot_be_compared():
    people, orders = crowd("a", [5])
    both = pd.concat([people, people.assign(channel="b")])
    found = values(both, orders, as_of="2026-01-30")
    assert found.shared
    assert found.margin.tolist() == [[5], [5]]
    for compare in (
        lambda: budget.retention_comparison(found, age=0),
        lambda: compared(found),
    ):
        with pytest.raises(DataError, match="several channels"):
            compare()
    with pytest.raises(DataError, match="40 rows repeat"):
        values(pd.concat([people, people]), orders)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"orders": lambda t: t.assign(margin=np.nan)}, DataError, "missing or infinite in 80 rows"),
        ({"orders": lambda t: t.drop(columns="margin")}, MissingColumnsError, "margin"),
        ({"customers": lambda t: t.drop(columns="acquired_at")}, MissingColumnsError, "acquired_at"),
        ({"customers": lambda t: t.assign(acquired_at=day("01-02"))}, DataError, "40 orders stand before"),
        ({"period_days": 0}, ParameterError, "period_days is 0"),
        ({"replicates": 1}, ParameterError, "replicates is 1"),
        ({"since": "2026-04-01", "as_of": "2026-03-01"}, ParameterError, "since lies 31 days after as_of"),
        ({"as_of": "March"}, ParameterError, "as_of is 'March'"),
    ],
)
def test_what_cannot_be_is_refused(change, error, message):
    people, orders = crowd("a", [5, 1])
    if "orders" in change:
        orders = change.pop("orders")(orders)
    if "customers" in change:
        people = change.pop("customers")(people)
    with pytest.raises(error, match=message):
        values(people, orders, **change)


def test_options_of_comparisons_are_checked():
    found = values(*crowd("a", [5, 1]), as_of="2026-03-01")
    with pytest.raises(ParameterError, match="age 2 was not seen; the last one that anybody completed is 1"):
        budget.retention_comparison(found, age=2)
    with pytest.raises(DataError, match="no age was completed"):
        compared(values(*crowd("a", [5]), as_of="2026-01-10"))
    with pytest.raises(DataError, match="no age was completed"):
        compared(values(*crowd("a", [5], 20), as_of="2026-03-01"))
    with pytest.raises(ParameterError, match="discount_rate is -1"):
        found.margins(discount_rate=-1)
    with pytest.raises(ParameterError, match="level is 95"):
        found.retention(level=95)


def test_neither_late_nor_early_customers_bend_the_margin():
    """Half a year of steady winning, first orders long before the data: the mean per age is that of who was seen.

    Everyone leaves 6 at age 0 and 1 at each later age; a margin per customer over all days would mix the ages.
    """
    days = np.arange(-60, 120)
    people = pd.DataFrame({"customer_id": np.arange(len(days)), "channel": "a"})
    people["acquired_at"] = day("01-01") + pd.to_timedelta(days, unit="D")
    orders = people.merge(pd.DataFrame({"age": range(6), "margin": [6.0, 1, 1, 1, 1, 1]}), how="cross")
    orders["ordered_at"] = orders["acquired_at"] + pd.to_timedelta(30 * orders["age"], unit="D")
    inside = orders["ordered_at"].between(day("01-01"), day("04-30"))
    found = values(people, orders[inside], as_of="2026-04-30")
    window = found.window.item()
    assert window >= 4
    np.testing.assert_allclose(found.margin[0, :window], [6, *[1] * (window - 1)])


def test_customers_of_any_channel_together():
    """30 who leave 5 and 1, 10 who leave 9 and nothing: (150 + 90) / 40 = 6, then 30 / 40."""
    people, orders = joined(crowd("a", [5, 1], 30), crowd("b", [9], 10, first=100))
    found = values(people, orders, as_of="2026-03-01")
    assert found.overall(1)["margin"] == pytest.approx(6)
    assert found.overall(2)["margin"] == pytest.approx(6.75)
    assert found.overall(2, discount_rate=0.1)["margin"] == pytest.approx(
        6 * 1.1 ** (-15 / 365) + 0.75 * 1.1 ** (-45 / 365)
    )
    assert found.overall(2)["low"] <= 6.75 <= found.overall(2)["high"]
    with pytest.raises(ParameterError, match="ages is 3; give 1 to 2"):
        found.overall(3)
    with pytest.raises(DataError, match="count twice"):
        values(pd.concat([people, people.assign(channel="c")]), orders).overall(1)
