"""What a programme pays back: the return on its rewards, points pressure, lock-in and switching."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmlib import data, loyalty
from crmlib.errors import ConvergenceError, DataError, MissingColumnsError, ParameterError

# -- return ------------------------------------------------------------------------------------


def small_panel():
    """Two members join in period 1, two customers never; sales by hand."""
    amounts = [[10, 0, 30, 30], [20, 0, 20, 40], [10, 0, 10, 10], [20, 0, 30, 20]]
    return pd.DataFrame(
        {
            "customer_id": np.repeat([1, 2, 3, 4], 4),
            "period": np.tile(range(4), 4),
            "joined": np.repeat([1.0, 1.0, np.nan, np.nan], 4),
            "amount": np.ravel(amounts).astype(float),
        }
    )


def memberships(costs=(4.0, 8.0)):
    return pd.DataFrame(
        {"customer_id": [1, 2], "joined_at": pd.to_datetime(["2026-01-01"] * 2), "reward_cost": list(costs)}
    )


def test_the_return_by_hand():
    """Members 15 → 30, others 15 → 17.5: 12.5 caused, 5 at a margin of .4. Rewards 4 and 8 in 60 days: 3 in 30."""
    options = {"as_of": "2026-03-01", "margin_rate": 0.4}
    found = loyalty.programme_return(small_panel(), memberships(), **options).set_index("quantity")
    assert found["value"].to_dict() == pytest.approx(
        {"caused_sales": 12.5, "caused_margin": 5.0, "reward_cost": 3.0, "net": 2.0, "return": 2 / 3}
    )
    # Members' costs 2 and 4 have the variance 2; the mean of two has the error 1.
    assert found.loc["reward_cost", "standard_error"] == pytest.approx(1)
    # Net of members: .4 × (20, 10) − (2, 4) = (6, 0), others' .4 × (0, 5) = (0, 2): variances 18/2 and 2/2.
    assert found.loc["net", "standard_error"] == pytest.approx(np.sqrt(9 + 1))
    # (net − 2/3 cost) / 3 of members: (6 − 4/3, 0 − 8/3) / 3, variance (22/3)²/2 / 9 / 2; others' 2 / 2 / 9.
    assert found.loc["return", "standard_error"] == pytest.approx(np.sqrt(((22 / 3) ** 2 / 4 + 1) / 9))


def test_rewards_that_cost_nothing_have_no_return():
    found = loyalty.programme_return(small_panel(), memberships((0, 0)), as_of="2026-03-01", margin_rate=0.4)
    assert found.set_index("quantity").loc["net", "value"] == pytest.approx(5)
    assert found.iloc[-1, 1:].isna().all()


def test_impossible_returns_are_refused():
    options = {"as_of": "2026-03-01", "margin_rate": 0.4}
    with pytest.raises(DataError, match="1 members of the panel have no reward_cost"):
        loyalty.programme_return(small_panel(), memberships().head(1), **options)
    with pytest.raises(DataError, match="a customer twice"):
        loyalty.programme_return(small_panel(), pd.concat([memberships()] * 2), **options)
    with pytest.raises(MissingColumnsError, match="reward_cost"):
        loyalty.programme_return(small_panel(), memberships().drop(columns="reward_cost"), **options)
    with pytest.raises(ParameterError, match="margin_rate is 30"):
        loyalty.programme_return(small_panel(), memberships(), as_of="2026-03-01", margin_rate=30)
    with pytest.raises(ParameterError, match="needs as_of"):
        loyalty.programme_return(small_panel(), memberships(), as_of="", margin_rate=0.4)
    everybody = small_panel()[lambda table: table["customer_id"] < 3]
    with pytest.raises(DataError, match="everybody joined in the same period"):
        loyalty.programme_return(everybody, memberships(), **options)


def test_intervals_of_the_return_cover():
    """30 firms: truth from the re-run without the programme at the members' own cost; nominal 95 %, ± 3 errors."""
    inside = []
    for seed in range(30):
        firm = data.simulate(np.random.default_rng(seed), customers=10_000, tables=loyalty.NEEDED)
        real = loyalty.true_effect(firm, outcome="amount")
        panel = loyalty.programme_panel(firm)
        found = loyalty.programme_return(panel, firm["memberships"], as_of=firm.as_of, margin_rate=0.3)
        found = found.set_index("quantity")
        margin = 0.3 * np.average(real["effect"], weights=real["members"])
        truth = margin / found.loc["reward_cost", "value"] - 1
        inside.append(found.loc["return", "low"] <= truth <= found.loc["return", "high"])
    assert abs(np.mean(inside) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 30)


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (1.0, 0.2, "the programme earns its rewards back at the shop"),
        (-0.8, 0.2, "the programme does not earn its rewards back"),
        (0.1, 0.2, "cannot be told"),
    ],
)
def test_the_return_takes_its_words_from_the_interval(value, error, words):
    names = ["caused_sales", "caused_margin", "reward_cost", "net", "return"]
    paid = pd.DataFrame({"quantity": names, "value": [10, 3, 2, 1, value]})
    paid = paid.assign(low=paid["value"] - 2 * error, high=paid["value"] + 2 * error)
    told = {"currency": "USD", "margin_rate": 0.3, "firm": "the shop"}
    finding = loyalty.conclusions.returns(paid, **told)
    assert words in finding.sentence
    assert "rewards of USD 2.00" in finding.sentence
    assert finding.value == value
    paid.iloc[-1, 1:] = np.nan
    assert "Rewards cost nothing" in loyalty.conclusions.returns(paid, **told).sentence
    assert "is not known" in loyalty.conclusions.returns(None, **told).sentence


def test_a_source_without_reward_cost_has_no_return():
    firm = data.simulate(np.random.default_rng(1), customers=10_000, tables=loyalty.NEEDED)
    panel = loyalty.programme_panel(firm)
    found = loyalty.source_return(firm, panel, margin_rate=0.3)
    same = loyalty.programme_return(panel, firm["memberships"], as_of=firm.as_of, margin_rate=0.3)
    pd.testing.assert_frame_equal(found, same)
    bare = dataclasses.replace(firm, frames={"memberships": firm["memberships"].drop(columns="reward_cost")})
    assert loyalty.source_return(bare, panel, margin_rate=0.3) is None


# -- points pressure ---------------------------------------------------------------------------


def test_progress_by_hand_on_every_engine(frame):
    """Joins on the 1st; buys on the 3rd, 4th, 8th, and never again to the end of the 10th; cards of two."""
    days = [pd.Timestamp(f"2026-01-{day:02}").to_pydatetime() for day in (1, 3, 4, 8, 12)]
    orders = frame({"customer_id": [7] * 5, "ordered_at": days})  # that of the 1st is no purchase of a member
    joins = frame({"customer_id": [7, 8], "joined_at": [days[0], days[4]]})
    found = loyalty.card_progress(orders, joins, threshold=2, as_of="2026-01-10")
    # With none on the card: 2 days to the 3rd, 4 to the 8th. With one: 1 day to the 4th, 3 to the end.
    assert found.to_dict("list") == {
        "customer_id": [7, 7],
        "purchases": [0, 1],
        "orders": [2, 1],
        "days": [6.0, 4.0],
    }


def test_all_days_and_orders_of_members_are_on_a_card():
    orders, joins = loyalty.simulated_cards(np.random.default_rng(1), members=50)
    found = loyalty.card_progress(orders, joins, threshold=7, as_of="2025-12-31")
    assert found["orders"].sum() == len(orders)
    assert found["days"].sum() == pytest.approx(50 * 365)


@pytest.mark.parametrize("acceleration", [1.0, 1.5])
def test_pressure_is_recovered_where_the_pooled_rate_misleads(acceleration):
    """25 programmes of 500 members: coverage within three errors; pooled, heavy buyers make it look like more."""
    inside, pooled = [], []
    for seed in range(25):
        orders, joins = loyalty.simulated_cards(np.random.default_rng(seed), members=500, acceleration=acceleration)
        progress = loyalty.card_progress(orders, joins, threshold=10, as_of="2025-12-31")
        found = loyalty.points_pressure(progress)
        inside.append(found.acceleration["low"] <= acceleration <= found.acceleration["high"])
        pooled.append(found.by_purchases["pooled"].iloc[-1])
    assert abs(np.mean(inside) - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 25)
    assert np.mean(pooled) > 1.7 * acceleration


def test_with_equal_exposure_the_factor_is_the_ratio_of_the_pooled_rates():
    """Nobody lingers: then the likelihood splits, and its factor is the ratio of the sums, whatever the gamma is."""
    rng = np.random.default_rng(3)
    members, days = 4_000, np.array([20.0, 10.0])
    orders = rng.poisson(rng.gamma(1, 1, members)[:, None] * days * [0.1, 0.2])
    table = pd.DataFrame(
        {
            "customer_id": np.repeat(np.arange(members), 2),
            "purchases": np.tile([0, 1], members),
            "orders": orders.ravel(),
            "days": np.tile(days, members),
        }
    )
    found = loyalty.points_pressure(table).by_purchases
    ones, twos = orders.sum(axis=0) / days
    assert found["factor"].iloc[1] == pytest.approx(twos / ones, rel=1e-4)
    assert found["pooled"].iloc[1] == pytest.approx(twos / ones)
    # The log ratio of two counts of the same members: Poisson given the members' totals.
    error = np.log(found["high"].iloc[1] / found["factor"].iloc[1]) / 1.96
    assert error == pytest.approx(np.sqrt((1 / orders.sum(axis=0)).sum()), rel=0.05)


def test_members_who_are_all_alike_are_said_to_be():
    table = pd.DataFrame({"customer_id": [1, 1, 2, 2], "purchases": [0, 1] * 2, "orders": [1] * 4, "days": [5.0] * 4})
    with pytest.raises(ConvergenceError, match="differ no more than by chance"):
        loyalty.points_pressure(table)


def test_impossible_cards_are_refused():
    orders, joins = loyalty.simulated_cards(np.random.default_rng(1), members=5, monthly_rate=0.2)
    for threshold in (1, 2.5, True):
        with pytest.raises(ParameterError, match="threshold is"):
            loyalty.card_progress(orders, joins, threshold=threshold, as_of="2025-12-31")
    with pytest.raises(ParameterError, match="needs as_of"):
        loyalty.card_progress(orders, joins, threshold=3, as_of="")
    with pytest.raises(DataError, match="nobody joined up to 2024-12-31"):
        loyalty.card_progress(orders, joins, threshold=3, as_of="2024-12-31")
    with pytest.raises(DataError, match="so pressure cannot be estimated"):
        loyalty.points_pressure(loyalty.card_progress(orders, joins, threshold=50, as_of="2025-12-31"))
    with pytest.raises(ParameterError, match="acceleration is 0"):
        loyalty.simulated_cards(np.random.default_rng(1), acceleration=0)


# -- switching ---------------------------------------------------------------------------------


def purchases(*sequences):
    """One customer a word, one purchase a letter."""
    return pd.DataFrame([(who, brand) for who, word in enumerate(sequences) for brand in word]).set_axis(
        ["customer_id", "brand"], axis=1
    )


def test_switching_by_hand():
    """aab and bba: from a go a, b; from b go b, a. A lone purchase is no step."""
    table = loyalty.switching_matrix(purchases("aab", "bba", "a"))
    assert table.loc["a"].to_dict() == {"a": 0.5, "b": 0.5}
    assert table.loc["b"].to_dict() == {"a": 0.5, "b": 0.5}
    assert (table.sum(axis=1) == 1).all()


def test_a_brand_that_nobody_went_on_from_has_no_shares():
    table = loyalty.switching_matrix(purchases("aab"))
    assert table.loc["b"].isna().all()
    found = loyalty.lock_in(purchases("aab"), rng=np.random.default_rng(1), replicates=20).set_index("brand")
    assert np.isnan(found.loc["b", "repeat"])
    assert found["low"].isna().all()  # fewer than 30 customers


@given(st.lists(st.text("abc", min_size=2, max_size=5), min_size=1, max_size=3))
def test_the_shuffled_repeat_rate_is_that_of_all_orders_of_purchases(words):
    """Every permutation of every customer, counted out."""
    kept = left = 0.0
    for word in words:
        orders = list(itertools.permutations(word))
        kept += sum(a == b for order in orders for a, b in itertools.pairwise(order)) / len(orders)
        left += len(word) - 1
    found = loyalty.lock_in(purchases(*words), rng=np.random.default_rng(1), replicates=2).iloc[-1]
    assert found["shuffled"] == pytest.approx(kept / left)
    observed = sum(a == b for word in words for a, b in itertools.pairwise(word))
    assert found["repeat"] == pytest.approx(observed / left)
    assert found["switched"] == pytest.approx(1 - observed / left)


@pytest.mark.parametrize("pull", [0.0, 0.3])
def test_the_pull_of_the_last_purchase_is_told_from_habit(pull):
    """Customers with own tastes; with a chance of `pull` they take the last brand again. Without, it holds 0."""
    rng = np.random.default_rng(6)
    rows = []
    for customer in range(800):
        taste = rng.dirichlet([0.4, 0.4, 0.4])
        last = rng.choice(3, p=taste)
        for _ in range(12):
            rows.append((customer, "xyz"[last]))
            last = last if rng.random() < pull else rng.choice(3, p=taste)
    table = pd.DataFrame(rows, columns=["customer_id", "brand"])
    found = loyalty.lock_in(table, rng=rng, replicates=200).set_index("brand").loc["all brands"]
    assert found["shuffled"] > found["share"] + 0.1  # tastes differ
    assert (found["low"] <= 0 <= found["high"]) == (pull == 0)


def test_purchases_take_the_largest_brand_of_an_order(frame):
    day = pd.Timestamp("2026-01-01").to_pydatetime()
    orders = frame({"customer_id": [1, 1, 2], "order_id": [11, 12, 13], "ordered_at": [day] * 3})
    lines = frame({"order_id": [11, 11, 12, 12, 13], "product_id": [1, 2, 2, 3, 4], "amount": [1.0, 2, 1, 1, 9]})
    products = frame({"product_id": [1, 2, 3, 4], "category": ["tea"] * 3 + ["ink"], "brand": ["a", "b", "c", "d"]})
    found = loyalty.brand_purchases(orders, lines, products, category="tea", most=2)
    assert found["brand"].tolist() == ["b", "b"]  # 2 against 1; at the tie of b and c the first by name
    alone = loyalty.brand_purchases(orders, lines, products, category="ink")
    assert alone["brand"].tolist() == ["d"]
    with pytest.raises(DataError, match="nothing of category 'gum' was sold"):
        loyalty.brand_purchases(orders, lines, products, category="gum")


def test_small_brands_are_other():
    table = pd.DataFrame({"customer_id": [1] * 6, "brand": ["other", "other", "other", "a", "b", "a"]})
    assert loyalty.switching_matrix(table).index.tolist() == ["a", "b", "other"]
    with pytest.raises(DataError, match="nobody bought twice"):
        loyalty.switching_matrix(purchases("a", "b"))
    with pytest.raises(DataError, match="no customer or no brand"):
        loyalty.lock_in(pd.DataFrame({"customer_id": [1, 1], "brand": ["a", None]}), rng=np.random.default_rng(1))
