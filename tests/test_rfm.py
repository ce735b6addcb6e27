"""Summaries, scores, segments, migration, selection, iso-value, look-alikes."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib import data, models, rfm
from crmlib.errors import ConvergenceError, DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas

# A hand-worked shop, as of 28 February 2026 (31 + 28 days into the year):
#   ann   3 January twice (5 + 7)                              last 56 days ago, 2 orders on 1 day, 12
#   bob   20 January (a free order), 5 February (a return of 2)   last 39 days ago, 1 order, -2
#   cleo  31 January (a return of 3), 1 and 10 February (missing, 6)
#         the return is of an order before the data            last 18 days ago, 2 orders on 2 days, 6
#   evan  15 January (a return of 9): returns alone make no customer
#   dora  1 March: not yet a customer
HAND = {
    "customer_id": ["ann", "ann", "bob", "bob", "cleo", "cleo", "cleo", "evan", "dora"],
    "ordered_at": [
        datetime.datetime(2026, 1, 3, 23, 59),
        datetime.datetime(2026, 1, 3, 9),
        datetime.datetime(2026, 1, 20),
        datetime.datetime(2026, 2, 5),
        datetime.datetime(2026, 1, 31),
        datetime.datetime(2026, 2, 1),
        datetime.datetime(2026, 2, 10, 12),
        datetime.datetime(2026, 1, 15),
        datetime.datetime(2026, 3, 1),
    ],
    "amount": [5.0, 7.0, 0.0, -2.0, -3.0, None, 6.0, -9.0, 9.0],
}


def summary_of(orders, **options):
    return to_pandas(rfm.customer_summary(orders, **options), sort_by=["customer_id"])


def test_summary_equals_the_hand_worked_table_on_every_engine(frame):
    result = rfm.customer_summary(frame(HAND), as_of="2026-02-28")
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id"])
    assert table["customer_id"].tolist() == ["ann", "bob", "cleo"]
    numbers = ["days_since_last_order", "age_days", "orders", "order_days", "amount", "mean_amount"]
    assert table[numbers].to_numpy().tolist() == [[56, 56, 2, 1, 12, 6], [39, 39, 1, 1, -2, -2], [18, 27, 2, 2, 6, 3]]
    assert table["last_at"].dt.strftime("%m-%d").tolist() == ["01-03", "01-20", "02-10"]
    assert table["first_at"].dt.strftime("%m-%d").tolist() == ["01-03", "01-20", "02-01"]


def test_as_of_defaults_to_the_last_order_and_the_window_looks_back(frame):
    assert summary_of(frame(HAND))["days_since_last_order"].tolist() == [57, 40, 19, 0]
    window = summary_of(frame(HAND), as_of="2026-02-28", window_days=28)  # 1 to 28 February
    assert window["customer_id"].tolist() == ["cleo"]
    assert summary_of(frame(HAND), as_of="2026-02-28", window_days=27)["orders"].tolist() == [1]


def test_returns_take_money_off_wherever_they_fall_after_the_first_order(frame):
    """Ann: 10 on day 1, -4 on day 1, -3 on day 5, 8 on day 9, -1 on day 9; a window from day 5 on has -3 + 8 - 1."""
    days, amounts = [1, 1, 5, 9, 9], [10.0, -4.0, -3.0, 8.0, -1.0]
    orders = frame(
        {
            "customer_id": ["ann"] * 5,
            "ordered_at": [datetime.datetime(2026, 1, day) for day in days],
            "amount": amounts,
        }
    )
    numbers = ["days_since_last_order", "orders", "order_days", "amount"]
    assert summary_of(orders)[numbers].to_numpy().tolist() == [[0, 2, 2, 10]]
    assert summary_of(orders, window_days=5)[numbers].to_numpy().tolist() == [[0, 1, 1, 4]]
    assert summary_of(orders, as_of="2026-01-05")[numbers].to_numpy().tolist() == [[4, 1, 1, 3]]
    assert summary_of(orders, as_of="2026-01-05", window_days=1).empty  # a return makes nobody active


def test_revenue_held_out_and_between_dates_is_net_of_returns():
    """30 customers buy 10 on 1 January; one of them returns 4 in February, one buys 5 and returns 6 of it all."""
    first = [(i, "2026-01-01", 10.0) for i in range(30)]
    later = [(0, "2026-02-01", -4.0), (1, "2026-02-02", 5.0), (1, "2026-02-03", -6.0)]
    orders = pd.DataFrame([*first, *later], columns=["customer_id", "ordered_at", "amount"])
    orders["ordered_at"] = pd.to_datetime(orders["ordered_at"])
    held = rfm.scored_holdout(orders, as_of="2026-01-31", until="2026-02-28", bins=2)
    assert held["later_amount"].tolist() == [-4.0, -1.0] + 28 * [0.0]
    cuts = {"days_since_last_order": [10.0], "order_days": [1.0]}
    moves = rfm.segment_moves(orders, ["2026-01-31", "2026-02-28"], cuts=cuts, window_days=28, bins=2)
    assert moves["amount"].tolist() == [-4.0, -1.0] + 28 * [0.0]
    assert moves["after"].eq(rfm.SILENT).tolist() == [True, False] + 28 * [True]


def test_summary_of_nothing_is_empty(frame):
    assert summary_of(frame(HAND), as_of="2025-12-31").empty


def test_summary_says_what_is_wrong(frame):
    with pytest.raises(MissingColumnsError, match="orders lacks 'amount'"):
        rfm.customer_summary(frame({"customer_id": [1], "ordered_at": [datetime.date(2026, 1, 1)]}))
    with pytest.raises(ParameterError, match="window_days is 0"):
        rfm.customer_summary(frame(HAND), window_days=0)


# -- scores ------------------------------------------------------------------------------------


def people(**columns):
    base = {"customer_id": range(len(next(iter(columns.values()))))}
    rest = {"days_since_last_order": 1, "order_days": 1, "amount": 1.0}
    return pd.DataFrame(base | columns).assign(**{name: v for name, v in rest.items() if name not in columns})


def test_scores_of_distinct_values_are_equal_groups():
    table = rfm.rfm_scores(people(amount=np.arange(10.0), days_since_last_order=np.arange(10)), bins=5)
    assert table["monetary_score"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert table["recency_score"].tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]  # fewer days are better


def test_equal_values_get_equal_scores_by_their_mean_rank(frame):
    # 6 of 10 ordered once: ranks 1-6, mean 3.5, ceil(5 (3.5 - 0.5) / 10) = 2; then ranks 7, 8, 9.5 twice
    table = people(order_days=[1] * 6 + [2, 3, 9, 9])
    result = rfm.rfm_scores(frame(table.to_dict("list")), bins=5)
    assert frame.same_kind(result)
    assert to_pandas(result, sort_by=["customer_id"])["frequency_score"].tolist() == [2] * 6 + [4, 4, 5, 5]


def test_all_alike_and_one_customer_take_the_middle_score():
    assert rfm.rfm_scores(people(amount=[3.0] * 7))["rfm_score"].tolist() == [9] * 7
    assert rfm.rfm_scores(people(amount=[3.0]))["rfm_score"].tolist() == [9]
    assert rfm.rfm_scores(people(amount=[3.0]), bins=2)["rfm_score"].tolist() == [3]


def test_fixed_cuts_score_by_value_not_by_rank(frame):
    table = people(order_days=[1, 2, 3, 10], days_since_last_order=[0, 30, 31, 400])
    cuts = {"order_days": [1, 3], "days_since_last_order": [30, 90]}
    scored = to_pandas(rfm.rfm_scores(frame(table.to_dict("list")), bins=3, cuts=cuts), sort_by=["customer_id"])
    assert scored["frequency_score"].tolist() == [1, 2, 2, 3]
    assert scored["recency_score"].tolist() == [3, 3, 2, 1]


def test_a_missing_value_has_no_score():
    table = people(amount=[1.0, np.nan, 3.0])
    scored = rfm.rfm_scores(table, bins=2)
    assert scored["monetary_score"].isna().tolist() == [False, True, False]
    assert np.isnan(scored["rfm_score"][1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bins": 1}, "from 2 to 100"),
        ({"bins": True}, "from 2 to 100"),
        ({"bins": 3, "cuts": {"order_days": [1]}}, "3 scores take 2 numbers"),
        ({"bins": 3, "cuts": {"order_days": [4, 1]}}, "do not fall"),
        ({"cuts": {"orders": [1, 2, 3, 4]}}, "'orders', which is not scored"),
    ],
)
def test_impossible_scores_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        rfm.rfm_scores(people(amount=[1.0, 2.0]), **options)


VALUES = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(2, 6), st.randoms(use_true_random=False))
def test_score_invariants(values, bins, random):
    table = people(amount=np.array(values, float), days_since_last_order=np.array(values))
    scored = rfm.rfm_scores(table, bins=bins)
    score = scored["monetary_score"]
    assert score.between(1, bins).all()
    assert scored.groupby("amount")["monetary_score"].nunique().max() == 1  # equal values, equal scores
    assert scored.sort_values("amount")["monetary_score"].is_monotonic_increasing
    assert (scored["recency_score"] - (bins + 1 - score)).abs().max() <= 1  # the mirror image, but for the ceiling
    order = list(range(len(table)))
    random.shuffle(order)
    pd.testing.assert_frame_equal(rfm.rfm_scores(table.iloc[order], bins=bins).reset_index(drop=True), scored)
    again = rfm.rfm_scores(table, bins=bins, cuts=rfm.score_cuts(scored, bins=bins))
    pd.testing.assert_frame_equal(again, scored)  # its cuts give the same scores again


# -- segments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", range(2, 11))
def test_every_cell_has_a_name_and_better_is_no_worse(bins):
    grid = rfm.segment_grid(bins)
    assert grid.shape == (bins, bins)
    assert set(grid.to_numpy().ravel()) <= set(rfm.SEGMENTS)
    if bins >= 3:
        assert grid.loc[bins, bins] == "champions"
    assert grid.loc[1, 1] == "hibernating"
    assert set(rfm.segment_grid(5).to_numpy().ravel()) == set(rfm.SEGMENTS)


def test_segments_look_the_names_up(frame):
    pairs = [(r, f) for r in range(1, 6) for f in range(1, 6)]
    table = {"recency_score": [r for r, _ in pairs], "frequency_score": [f for _, f in pairs]}
    result = rfm.segments(frame(table))
    assert frame.same_kind(result)
    named = to_pandas(result, sort_by=["recency_score", "frequency_score"])["segment"]
    assert named.tolist() == rfm.segment_grid(5).to_numpy().ravel().tolist()


def test_own_names_must_cover_every_cell():
    scores = pd.DataFrame({"recency_score": [1, 2], "frequency_score": [2, 1]})
    grid = {(1, 1): "a", (1, 2): "b", (2, 1): "c", (2, 2): "d"}
    assert rfm.segments(scores, bins=2, grid=grid)["segment"].tolist() == ["b", "c"]
    with pytest.raises(ParameterError, match=r"names 3 of 4 cells, not \(2, 2\)"):
        rfm.segments(scores, bins=2, grid=grid | {(2, 2): ""})


# -- migration ---------------------------------------------------------------------------------


def test_chain_values_are_the_published_ones(published):
    entry = published("markov_customer_value")
    values = entry["values"]
    p = np.zeros((5, 5))
    p[:4, 0] = values["purchase_probability"]
    for state in range(4):
        p[state, state + 1] = 1 - p[state, 0]
    p[4, 4] = 1
    finite = rfm.chain_value(p, values["rewards"], discount=values["discount"], periods=5)
    np.testing.assert_allclose(finite[:4], values["four_periods"], atol=entry["tolerance"])
    endless = rfm.chain_value(p, values["rewards"], discount=values["discount"])
    np.testing.assert_allclose(endless[:4], values["for_ever"], atol=entry["tolerance"])


def test_chain_value_adds_up_period_by_period():
    rng = np.random.default_rng(1)
    p, r = rng.dirichlet(np.ones(4), 4), rng.normal(size=4)
    by_hand, at = np.zeros(4), np.eye(4)
    for period in range(7):
        by_hand += at @ r / 1.1**period
        at = at @ p
    np.testing.assert_allclose(rfm.chain_value(p, r, discount=0.1, periods=7), by_hand)
    np.testing.assert_allclose(rfm.chain_value(p, r, discount=0.1), rfm.chain_value(p, r, discount=0.1, periods=500))


@pytest.mark.parametrize(
    ("p", "r", "options", "message"),
    [
        ([[1.0]], [1.0], {"discount": 0.0}, "infinite"),
        ([[1.0]], [1.0], {"discount": -0.1}, "at least 0"),
        ([[0.5, 0.6], [0, 1]], [1, 1], {"discount": 0.1}, "add up to at most 1"),
        ([[0.5, 0.5]], [1], {"discount": 0.1}, "shape"),
        ([[0.5]], [1], {"discount": 0.1, "periods": 0}, "periods is 0"),
    ],
)
def test_impossible_chains_are_refused(p, r, options, message):
    with pytest.raises(ParameterError, match=message):
        rfm.chain_value(p, r, **options)


# Two customers over three dates: eva orders 1 January (10) and 15 February (20); fay 1 January (5) only.
TWO = pd.DataFrame(
    {
        "customer_id": ["eva", "eva", "fay"],
        "ordered_at": pd.to_datetime(["2026-01-01", "2026-02-15", "2026-01-01"]),
        "amount": [10.0, 20.0, 5.0],
    }
)
CUTS = {"days_since_last_order": [31], "order_days": [1], "amount": [100.0]}


def test_moves_follow_each_customer_from_date_to_date():
    """By hand, 2 scores: on 31 January both came 30 days ago, once; on 28 February eva 13 days ago, twice."""
    grid = {(1, 1): "gone once", (1, 2): "gone often", (2, 1): "here once", (2, 2): "here often"}
    moves = rfm.segment_moves(TWO, ["2026-01-31", "2026-02-28", "2026-03-31"], cuts=CUTS, bins=2, grid=grid)
    rows = moves[["customer_id", "before", "after", "amount"]].to_numpy().tolist()
    assert rows == [
        ["eva", "here once", "here often", 20.0],
        ["fay", "here once", "gone once", 0.0],
        ["eva", "here often", "gone often", 0.0],
        ["fay", "gone once", "gone once", 0.0],
    ]
    short = rfm.segment_moves(TWO, ["2026-01-31", "2026-02-28"], cuts=CUTS, bins=2, grid=grid, window_days=31)
    assert short["after"].tolist() == ["here once", rfm.SILENT]  # within 31 days eva ordered once, fay not


def test_moves_need_increasing_dates_and_customers():
    with pytest.raises(ParameterError, match="two or more, increasing"):
        rfm.segment_moves(TWO, ["2026-02-28", "2026-01-31"], cuts=CUTS, bins=2)
    with pytest.raises(DataError, match="nobody had ordered"):
        rfm.segment_moves(TWO, ["2025-01-31", "2025-02-28"], cuts=CUTS, bins=2)


def some_moves():
    """60 customers: of 40 in a 30 stay; of 20 in b 5 rise. 10 a move from a, 1 from b."""
    before = ["a"] * 40 + ["b"] * 20
    after = ["a"] * 30 + ["b"] * 10 + ["a"] * 5 + ["b"] * 15
    amount = [10.0] * 40 + [1.0] * 20
    table = pd.DataFrame({"customer_id": range(60), "before": before, "after": after, "amount": amount})
    return table.assign(date=pd.Timestamp("2026-01-31"))


def test_migration_matrix_has_wilson_intervals():
    from statsmodels.stats.proportion import proportion_confint

    table = rfm.migration_matrix(some_moves(), states=["b", "a"])
    assert table[["before", "after", "customers"]].to_numpy().tolist() == [
        ["b", "b", 15],
        ["b", "a", 5],
        ["a", "b", 10],
        ["a", "a", 30],
    ]
    assert table["share"].tolist() == [0.75, 0.25, 0.25, 0.75]
    assert (table["low"][0], table["high"][0]) == pytest.approx(proportion_confint(15, 20, method="wilson"))
    with pytest.raises(ParameterError, match="states lack b"):
        rfm.migration_matrix(some_moves(), states=["a"])


def test_segment_value_solves_the_chain_of_the_counts():
    """By hand: V_a = 10 + (.75 V_a + .25 V_b)/1.25, V_b = 1 + (.25 V_a + .75 V_b)/1.25: V_a = 35, V_b = 20."""
    table = rfm.segment_value(some_moves(), discount=0.25, rng=np.random.default_rng(1), replicates=200)
    assert table["next_amount"].tolist() == [10, 1]
    np.testing.assert_allclose(table["value"], [35, 20])
    assert table["low"][0] < 35 < table["high"][0]
    assert np.isnan(table["low"][1])  # 20 customers get no interval


def test_a_segment_without_return_is_refused():
    moves = some_moves()
    moves.loc[0, "after"] = "c"
    with pytest.raises(DataError, match="come to c, but none was followed"):
        rfm.segment_value(moves, discount=0.1, rng=np.random.default_rng(1))


def test_forecast_is_the_matrix_applied():
    start = pd.Series({"a": 100, "b": 20})
    told = rfm.expected_standing(some_moves(), start, periods=2, states=["a", "b"])
    assert told[["amount", "a", "b"]].to_numpy().tolist() == [[1020.0, 80.0, 40.0], [840.0, 70.0, 50.0]]


def test_chain_is_right_where_customers_are_a_chain():
    """Simulated on a true chain: the 90 % interval of each segment's worth holds it in about 90 % of samples."""
    p, r, held = np.array([[0.7, 0.3], [0.1, 0.9]]), np.array([20.0, 2.0]), []
    truth = rfm.chain_value(p, r, discount=0.1, periods=8)
    rng = np.random.default_rng(3)
    for _ in range(60):
        before = rng.integers(2, size=400)
        after = (rng.random(400) > p[before, 0]).astype(int)
        moves = pd.DataFrame({"customer_id": np.arange(400), "before": before, "after": after})
        moves = moves.assign(amount=rng.exponential(r[before])).replace({"before": {0: "a", 1: "b"}})
        moves["after"] = np.where(after == 0, "a", "b")
        table = rfm.segment_value(moves, discount=0.1, periods=8, level=0.9, replicates=200, rng=rng)
        held += list((table["low"] <= truth) & (truth <= table["high"]))
    assert abs(np.mean(held) - 0.9) <= 4 * np.sqrt(0.09 / 120)


# -- selection ---------------------------------------------------------------------------------


def test_captured_share_by_hand():
    assert rfm.captured_share([5, 4, 3, 2, 1], [10, 0, 5, 5, 0], depth=0.4) == 0.5
    assert rfm.captured_share([5, 4, 3, 2, 1], [10, 0, 5, 5, 0], depth=0.6) == 0.75
    assert rfm.captured_share([5, 4, 3, 2, 1], [10, 0, 5, 5, 0], depth=0.1) == 0.25  # half of the first
    # two tie for the last place: each counts half
    assert rfm.captured_share([3, 2, 2, 1], [4, 6, 0, 0], depth=0.5) == 0.7


def test_a_score_that_says_nothing_captures_its_depth():
    y = np.random.default_rng(1).exponential(size=50)
    for depth in (0.1, 0.37, 0.9):
        assert rfm.captured_share(np.zeros(50), y, depth=depth) == pytest.approx(depth)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=12), st.floats(0.05, 0.95))
def test_captured_share_is_the_mean_over_all_orders_of_ties(rows, depth):
    """Independent route: give each customer of a tied group the group's mean outcome, then cut anywhere."""
    score, y = np.array(rows, dtype=float).T
    if y.sum() == 0:
        return
    table = pd.DataFrame({"score": score, "y": y})
    table["y"] = table.groupby("score")["y"].transform("mean")
    ordered = np.concatenate([[0], table.sort_values("score", ascending=False)["y"].cumsum()])
    expected = np.interp(depth * len(y), np.arange(len(y) + 1), ordered) / y.sum()
    assert rfm.captured_share(score, y, depth=depth) == pytest.approx(expected)


def test_rules_are_compared_in_pairs():
    rng = np.random.default_rng(2)
    rate = rng.gamma(0.5, 2, 3_000)
    later = rng.poisson(rate)
    rules = {"noise": rng.random(3_000), "more noise": rng.random(3_000), "past": rng.poisson(rate)}
    table = rfm.rule_comparison(rules, later, rng=rng, replicates=400).set_index("rule")
    assert table.loc["past", "distinct"]
    assert not table.loc["more noise", "distinct"]
    assert table.loc["past", "difference_low"] > 0
    assert table.loc["noise", ["difference", "p_holm"]].tolist() == [0, 1]
    same = rfm.rule_comparison({"one": rules["past"], "twice": 2 * rules["past"]}, later, rng=rng, replicates=100)
    assert same["difference"].tolist() == [0, 0]
    assert not same["distinct"].any()


def test_resamples_grow_with_the_level_so_that_rules_can_be_told_apart():
    """5 comparisons at 0.999: p of 2/(B + 1) times 5 has to reach 0.001, so B = 9,999; with 500 it is 0.02 at least."""
    rng = np.random.default_rng(2)
    rate = rng.gamma(0.5, 2, 400)
    rules = {f"noise {i}": rng.random(400) for i in range(5)} | {"past": rate}
    table = rfm.rule_comparison(rules, rng.poisson(5 * rate), level=0.999, rng=rng).set_index("rule")
    assert table["distinct"].tolist() == [False] * 5 + [True]


def test_interval_of_a_captured_share_covers():
    """Outcomes independent of a coarse score: what it captures of the population is its depth."""
    rng = np.random.default_rng(4)
    held = []
    for _ in range(100):
        rules = {"score": rng.integers(5, size=300)}
        row = rfm.rule_comparison(rules, rng.exponential(size=300), level=0.9, replicates=150, rng=rng).iloc[0]
        held.append(row["low"] <= 0.2 <= row["high"])
    assert abs(np.mean(held) - 0.9) <= 4 * np.sqrt(0.09 / 100)


def test_lift_and_gains_agree_with_group_means():
    score = np.repeat([4, 3, 2, 1], 50)
    later = np.repeat([8.0, 4.0, 2.0, 2.0], 50)
    rng = np.random.default_rng(1)
    table = rfm.lift_table(score, later, groups=4, rng=rng, replicates=50)
    assert table[["group", "customers", "mean", "lift"]].to_numpy().tolist() == [
        [1, 50, 8, 2],
        [2, 50, 4, 1],
        [3, 50, 2, 0.5],
        [4, 50, 2, 0.5],
    ]
    gains = rfm.gains_curve(score, later)
    assert gains.to_numpy().tolist() == [[0, 0], [0.25, 0.5], [0.5, 0.75], [0.75, 0.875], [1, 1]]


def test_impossible_selections_are_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(ParameterError, match="depth is 1"):
        rfm.captured_share([1, 2], [1, 2], depth=1)
    with pytest.raises(DataError, match="finite"):
        rfm.captured_share([1, np.nan], [1, 2])
    with pytest.raises(DataError, match="one of each"):
        rfm.captured_share([1, 2, 3], [1, 2])
    with pytest.raises(DataError, match="add up to nothing"):
        rfm.rule_comparison({"a": [1, 2]}, [0, 0], rng=rng)
    assert np.isnan(rfm.captured_share([1, 2], [0, 0]))


def test_holdout_splits_at_the_day_and_refuses_too_few():
    orders = pd.DataFrame(
        {
            "customer_id": [*range(40), 0, 0, 99],
            "ordered_at": pd.to_datetime(["2026-01-10"] * 40 + ["2026-02-01", "2026-03-01", "2026-02-05"]),
            "amount": [1.0] * 40 + [5.0, 7.0, 9.0],
        }
    )
    table = rfm.scored_holdout(orders, as_of="2026-01-31", until="2026-02-28")
    assert len(table) == 40  # customer 99 came later, the order of 1 March is beyond
    assert table["later_amount"].tolist() == [5.0] + [0.0] * 39
    with pytest.raises(DataError, match="1 customer had ordered by"):
        rfm.scored_holdout(orders.tail(1), as_of="2026-02-06", until="2026-02-28")
    with pytest.raises(ParameterError, match="the second later"):
        rfm.scored_holdout(orders, as_of="2026-02-28", until="2026-01-31")


# -- models ------------------------------------------------------------------------------------


@pytest.mark.data
def test_iso_values_are_the_papers_paradox():
    """Fader, Hardie & Lee (2005, JMR): for old recency more purchases mean less; at the newest, more."""
    history = rfm.purchase_history(data.load("cdnow_sample")["orders"])
    purchases = models.ParetoNBD(history["frequency"], history["recency"], history["age"]).fit()
    buyers = history[history["monetary_value"] > 0]
    spend = models.GammaGamma(buyers["frequency"], buyers["monetary_value"]).fit()
    options = {"age": 77.86, "mean_value": 35.0, "discount_rate": 0.0027}
    grid = rfm.iso_value(purchases, spend, frequency=[0, 1, 4, 7, 14], recency=[10, 35, 77, 90], **options)
    assert grid[10][1] > grid[10][7] > grid[10][14]
    assert grid[77].is_monotonic_increasing
    assert grid[10][0] == grid[77][0]
    assert grid[90].isna().all()
    # their section 4: DERT 1.864 for (7, 35) and 2.199 for (1, 30), here times the shrunken mean
    dert = purchases.discounted_transactions(0.0027, [7], [35.0], [77.86])
    own = spend.conditional_expectation([7], [35.0])
    assert grid[35][7] == pytest.approx((dert * own).item())
    assert dert.item() == pytest.approx(1.864, abs=0.02)
    with pytest.raises(ParameterError, match="above 0"):
        rfm.iso_value(purchases, spend, frequency=[1], recency=[0], **options)


def test_future_spend_is_orders_times_value():
    rng = np.random.default_rng(5)
    n, age = 800, np.full(800, 60.0)
    rate = rng.gamma(0.8, 0.2, n)
    gone = np.minimum(rng.exponential(1 / (rate * rng.beta(1, 3, n))), age)
    x = rng.poisson(rate * gone)
    recency = np.where(x > 0, gone * rng.beta(np.maximum(x, 1), 1), 0)
    worth = np.where(x > 0, rng.gamma(5, 8, n), np.nan)
    worth[np.flatnonzero(x)[0]] = -3.0  # a returner still counts as a buyer
    history = pd.DataFrame({"frequency": x, "recency": recency, "age": age, "monetary_value": worth})
    model = rfm.future_spend(history)
    orders = model.purchases.conditional_expectation(26)
    first = np.flatnonzero(x)[0]
    assert model.expected(26)[first] == pytest.approx(orders[first] * model.spend.population_mean())
    assert model.params.index.tolist() == ["r", "alpha", "a", "b", "p", "q", "gamma"]


def test_still_customer_is_the_published_probability():
    """Fader, Hardie & Lee (2005): x = 2, t_x = 30.43, T = 38.86; a + b = 3 is near CDNOW's .793 + 2.426."""
    by_hand = 1 / (1 + 0.75 / (2.25 + 2 - 1) * ((4.414 + 38.86) / (4.414 + 30.43)) ** 2.243)
    found = rfm.still_customer(2, 38.86 - 30.43, age=38.86, leaving=0.25)
    assert found == pytest.approx(by_hand)
    assert found == pytest.approx(0.7266, abs=0.01)
    with pytest.raises(ParameterError, match="at least 1 order"):
        rfm.still_customer(0, 1, age=5, leaving=0.2)


def test_true_future_spend_is_what_the_simulated_customers_do_on_average():
    """Played on from each customer's own rate and state: the mean agrees within 4 standard errors."""
    options = {"customers": 6_000, "programme": False, "tables": ("customers", "orders")}
    firm = data.simulate(np.random.default_rng(8), as_of="2025-06-30", months=12, **options)
    expected = rfm.true_future_spend(firm.truth, days=184)
    np.testing.assert_allclose(expected, rfm.true_future_spend(firm.truth, days=92, periods=2))
    assert rfm.true_future_spend(firm.truth, days=92, periods=2, discount=0.5).sum() < expected.sum()
    # orders after which one stays, at rate λ (1 - p) until the leaving one, at rate λ p
    rng, truth = np.random.default_rng(9), firm.truth
    rate, leave = truth.purchase_rate / 7, truth.dropout_probability
    active = truth.dropout_days > truth.observed_days
    until = rng.exponential(1 / (rate * leave))
    played = active * (rng.poisson(rate * (1 - leave) * np.minimum(until, 184)) + (until < 184))
    gap = played * truth.mean_spend - expected
    assert abs(gap.mean()) <= 4 * gap.std() / np.sqrt(len(gap))
    assert expected[~active].sum() == 0
    with pytest.raises(ParameterError, match="loyalty programme"):
        rfm.true_future_spend(data.simulate(np.random.default_rng(1), customers=50).truth, days=10)


# -- look-alikes -------------------------------------------------------------------------------


def households(n=3_000, seed=6):
    """Odds of being among the best: 0.1, times 4 with a garden, times 0.5 in the north."""
    rng = np.random.default_rng(seed)
    garden, north = rng.random(n) < 0.4, rng.random(n) < 0.5
    odds = 0.1 * np.where(garden, 4, 1) * np.where(north, 0.5, 1)
    best = rng.random(n) < odds / (1 + odds)
    place = np.where(north, "north", "south").astype(object)
    place[:20] = None
    return pd.DataFrame(
        {"garden": np.where(garden, "yes", "no"), "place": place, "noise": rng.choice(list("xyz"), n)}
    ), best


def test_best_customers_keep_ties_together():
    assert rfm.best_customers([5, 4, 3, 2, 1], 0.4).tolist() == [True, True, False, False, False]
    assert rfm.best_customers([5, 4, 4, 2, 1], 0.4).tolist() == [True, False, False, False, False]
    assert rfm.best_customers([4, 4, 4, 2], 0.25).tolist() == [True, True, True, False]
    with pytest.raises(ParameterError, match="share is 0"):
        rfm.best_customers([1, 2], 0)
    with pytest.raises(DataError, match="missing"):
        rfm.best_customers([1, np.nan], 0.5)


def test_look_alikes_recover_the_odds():
    people, best = households(40_000)
    found = rfm.look_alikes(people, best, attributes=["garden", "place", "noise"])
    table = found.odds_ratios(0.999).set_index(["attribute", "level"])
    assert table.loc[("garden", "yes"), "low"] < 4 < table.loc[("garden", "yes"), "high"]
    ratio = 0.5 if ("place", "north") in table.index else 2.0
    row = table.loc[("place", "north" if ratio == 0.5 else "south")]
    assert row["low"] < ratio < row["high"]
    assert "other" not in table.loc["place"].index  # 20 not stated are too few for a level, and too few for "other"
    prospects = pd.DataFrame({"garden": ["yes", "no"], "place": ["south", "unheard of"], "noise": ["x", "x"]})
    high, low = found.probabilities(prospects)
    assert high == pytest.approx(0.4 / 1.4, abs=0.03)
    assert low < high


def test_logistic_coefficients_agree_with_the_two_by_two_table():
    """With one yes/no attribute the odds ratio is ad / bc of the table, its error sqrt(1/a + 1/b + 1/c + 1/d)."""
    people, best = households()
    table = rfm.look_alikes(people, best, attributes=["garden"]).odds_ratios()
    cells = pd.crosstab(people["garden"], best).to_numpy().astype(float)  # no, yes by other, best
    ratio = cells[1, 1] * cells[0, 0] / (cells[1, 0] * cells[0, 1])
    assert table["odds_ratio"].item() == pytest.approx(ratio, rel=1e-5)
    assert np.log(table["high"] / ratio).item() == pytest.approx(1.959964 * np.sqrt((1 / cells).sum()), rel=1e-4)


def test_held_out_scores_know_nothing_where_there_is_nothing():
    people, best = households()
    rng = np.random.default_rng(1)
    score = rfm.held_out_probabilities(people, best, attributes=["garden", "place"], rng=rng)
    area, low, _ = rfm.ranking_quality(score, best, rng=rng, replicates=200)
    assert low > 0.55
    # by its definition: over all pairs of one of the best and another
    pairs = np.subtract.outer(score[best], score[~best])
    assert area == pytest.approx((pairs > 0).mean() + 0.5 * (pairs == 0).mean())
    noise = rfm.held_out_probabilities(people, best, attributes=["noise"], rng=rng)
    _, low, high = rfm.ranking_quality(noise, best, level=0.999, rng=rng, replicates=400)
    assert low < 0.5 < high


def test_impossible_look_alikes_are_refused():
    people, best = households(400)
    rng = np.random.default_rng(1)
    with pytest.raises(MissingColumnsError, match="'income'"):
        rfm.look_alikes(people, best, attributes=["income"])
    with pytest.raises(DataError, match="both kinds"):
        rfm.look_alikes(people, np.zeros(400, bool), attributes=["garden"])
    with pytest.raises(DataError, match="no attribute has two levels"):
        rfm.look_alikes(people.assign(alike="same"), best, attributes=["alike"])
    copy = people.assign(second=people["garden"])
    with pytest.raises(ConvergenceError, match="fewer attributes"):
        rfm.look_alikes(copy, best, attributes=["garden", "second"])
    with pytest.raises(ParameterError, match="folds is 1"):
        rfm.held_out_probabilities(people, best, attributes=["garden"], folds=1, rng=rng)
    fitted = rfm.look_alikes(people, best, attributes=["garden"])
    with pytest.raises(MissingColumnsError, match="prospects lack 'garden'"):
        fitted.probabilities(people[["place"]])


# -- conclusions -------------------------------------------------------------------------------


def test_the_ceiling_states_its_share_of_the_possible_gain():
    finding = rfm.conclusions.ceiling({"the truth": 0.8, "RFM score": 0.65}, rule="RFM score", depth=0.2, days=180)
    assert finding.value == pytest.approx(0.75)  # (65 − 20) / (80 − 20)
    assert "reaches 75.0 % of the possible gain over drawing by lot" in finding.sentence


def compared(difference, distinct):
    ends = {"difference_low": [0, difference - 0.02], "difference_high": [0, difference + 0.02]}
    first = {"rule": ["past spend", "RFM score"], "captured": [0.6, 0.6 + difference], "low": [0.55] * 2}
    return pd.DataFrame(
        {**first, "high": [0.8] * 2, "difference": [0, difference], **ends, "distinct": [False, distinct]}
    )


@pytest.mark.parametrize(
    ("difference", "distinct", "wording"),
    [
        (0.1, True, "10.0 points more than selecting by past spend alone (60.0 %): select by the RFM score."),
        (-0.04, True, "4.0 points less than selecting by past spend alone (60.0 %): keep to past spend."),
        (0.01, False, "cannot be told apart from selecting by past spend alone (60.0 %): the simpler rule will do."),
    ],
)
def test_the_answer_takes_its_direction_from_the_numbers(difference, distinct, wording):
    finding = rfm.conclusions.answer(compared(difference, distinct), rule="RFM score", depth=0.2, days=180)
    assert finding.sentence.endswith(wording)


def test_chain_error_and_more_means_less_say_both_directions():
    told = rfm.ChainForecast(pd.DataFrame(), 90.0, 100.0)
    assert "10.0 % less than the USD 100" in rfm.conclusions.chain_error(told, days=180, currency="USD").sentence
    told = rfm.ChainForecast(pd.DataFrame(), 90.0, 0.0)
    assert rfm.conclusions.chain_error(told, days=180, currency="USD").value is None
    grid = pd.DataFrame({10.0: [1.0, 5.0, 2.0], 20.0: [1.0, 2.0, 3.0]}, index=[1.0, 2.0, 3.0])
    words = {"unit": "week", "currency": "EUR"}
    falls = rfm.conclusions.more_means_less(grid, recency=10.0, **words)
    assert (falls.value, "worth most, EUR 5.00 each, those with 3 EUR 2.00: the more" in falls.sentence) == (2.0, True)
    assert "worth more throughout" in rfm.conclusions.more_means_less(grid, recency=20.0, **words).sentence
