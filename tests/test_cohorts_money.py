"""Revenue by cohort, revenue retention, the worth of a point of retention, winning against keeping."""

from __future__ import annotations

import datetime

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib import cohorts, data
from crmlib.cohorts.changes import MOVES
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas
from crmlib.models import BetaDiscreteWeibull, ShiftedBetaGeometric


def month(number, day=10):
    return datetime.datetime(2026, number, day)


# January against March (lag 2), one customer for each move:
#   ann  10 -> 12 expanded      bob 10 -> 4 contracted     cleo 10 -> 10 unchanged    dan 10 -> nothing: lost
#   eve  10 -> -3 (a return)    lost                        fay  bought in 2025, not in January, 7 in March: reactivated
#   gus  first in February, 8 in March: new                 hal  only a return in January, nothing in March: returned
#   ida  a return of 5 in January and 6 in March, first order in March: new
ROWS = [
    ("ann", month(1), 10.0),
    ("ann", month(3), 12.0),
    ("bob", month(1), 10.0),
    ("bob", month(2), 99.0),
    ("bob", month(3), 4.0),
    ("cleo", month(1), 10.0),
    ("cleo", month(3), 10.0),
    ("dan", month(1), 10.0),
    ("eve", month(1), 10.0),
    ("eve", month(3), -3.0),
    ("fay", datetime.datetime(2025, 12, 1), 5.0),
    ("fay", month(3), 7.0),
    ("gus", month(2), 1.0),
    ("gus", month(3), 8.0),
    ("hal", month(1), -2.0),
    ("ida", month(1), -5.0),
    ("ida", month(3), 6.0),
    ("jo", month(4), 50.0),
    (None, month(1), 1.0),
]
ORDERS = {name: [row[i] for row in ROWS] for i, name in enumerate(("customer_id", "ordered_at", "amount"))}


def changes_of(orders, **options):
    return to_pandas(cohorts.revenue_changes(orders, **options), sort_by=["customer_id"])


# --- changes, bridge, retention


def test_every_move_is_named_on_every_engine(frame):
    result = cohorts.revenue_changes(frame(ORDERS), lag=2, as_of="2026-03-31")
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id"])
    expected = {
        "ann": (10, 12, "expanded"),
        "bob": (10, 4, "contracted"),
        "cleo": (10, 10, "unchanged"),
        "dan": (10, 0, "lost"),
        "eve": (10, -3, "lost"),
        "fay": (0, 7, "reactivated"),
        "gus": (0, 8, "new"),
        "hal": (-2, 0, "returned"),
        "ida": (-5, 6, "new"),
    }
    rows = {row.customer_id: (row.start, row.end, row.move) for row in table.itertuples()}
    assert rows == expected


def test_an_open_month_is_not_the_last_one(frame):
    """On 10 April the last complete month is March, whatever April holds; on 30 April it is April."""
    open_month = changes_of(frame(ORDERS), lag=2, as_of="2026-04-10")
    pd.testing.assert_frame_equal(open_month, changes_of(frame(ORDERS), lag=2, as_of="2026-03-31"))
    april = changes_of(frame(ORDERS), lag=2, as_of="2026-04-30").set_index("customer_id")
    assert april.loc["jo", "move"] == "new"
    assert april.loc["bob"].tolist() == [99.0, 0.0, "lost"]


def test_the_bridge_adds_up_and_the_rates_follow_by_hand():
    changes = changes_of(pd.DataFrame(ORDERS), lag=2, as_of="2026-03-31")
    bridge = cohorts.revenue_bridge(changes)
    assert bridge["move"].tolist() == list(MOVES)
    assert bridge["customers"].tolist() == [2, 1, 1, 1, 1, 2, 1]
    # January: 5 of 10, and returns of 2 and 5: 43. March: 12 + 4 + 10 - 3 + 7 + 8 + 6 = 44
    assert bridge["change"].sum() == pytest.approx(44 - 43)
    rates = cohorts.revenue_retention(changes, rng=np.random.default_rng(1)).set_index("measure")
    # base 50; net (12 + 4 + 10 + 0 - 3) / 50; gross (10 + 4 + 10 + 0 - 3) / 50; kept 3 of 5
    assert rates["value"].to_dict() == pytest.approx({"net": 23 / 50, "gross": 21 / 50, "customers": 3 / 5})
    assert rates.loc[["net", "gross"], "low"].isna().all()  # 5 customers are too few
    assert 0 < rates.loc["customers", "low"] < 0.6 < rates.loc["customers", "high"] < 1
    assert rates["customers"].eq(5).all()


def test_cents_that_add_up_differently_are_no_change():
    orders = pd.DataFrame(
        {"customer_id": [1] * 4, "ordered_at": [month(1), month(1), month(1), month(2)], "amount": [0.1, 0.1, 0.1, 0.3]}
    )
    assert changes_of(orders, lag=1, as_of="2026-02-28")["move"].tolist() == ["unchanged"]


def test_bought_and_returned_at_once_is_nothing(frame):
    # 0.1 + 0.2 - 0.3 is 5.6e-17 in binary
    rows = {"customer_id": [1, 1, 1, 2], "ordered_at": [month(1)] * 4, "amount": [0.1, 0.2, -0.3, 5.0]}
    assert changes_of(frame(rows), lag=1, as_of="2026-02-28")["customer_id"].tolist() == [2]


def test_a_constant_base_keeps_everything():
    orders = pd.DataFrame(
        {"customer_id": [*range(40)] * 2, "ordered_at": [month(1)] * 40 + [month(2)] * 40, "amount": 3.0}
    )
    rates = cohorts.revenue_retention(changes_of(orders, lag=1, as_of="2026-02-28"), rng=np.random.default_rng(1))
    assert rates[["value", "high"]].to_numpy().tolist() == [[1.0, 1.0]] * 3
    assert rates["low"].tolist()[:2] == [1.0, 1.0]


def test_revenue_without_a_base_or_columns_is_said(frame):
    late = {"customer_id": [1], "ordered_at": [month(3)], "amount": [1.0]}
    with pytest.raises(DataError, match="nobody had revenue in the base period"):
        cohorts.revenue_retention(changes_of(frame(late), lag=2, as_of="2026-03-31"), rng=np.random.default_rng(1))
    with pytest.raises(MissingColumnsError, match="'amount'"):
        cohorts.revenue_changes(frame({"customer_id": [1], "ordered_at": [month(3)]}))
    with pytest.raises(ParameterError, match="lag is 0"):
        cohorts.revenue_changes(frame(late), lag=0)
    with pytest.raises(ParameterError, match="'fortnight' is unknown"):
        cohorts.revenue_changes(frame(late), period="fortnight")
    empty = nw.from_native(frame(late)).filter(nw.col("amount") > 5).to_native()
    assert changes_of(empty).empty


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_invariants_of_revenue_retention(seed):
    """Gross is at most net and at most 1, returns or not; a bridge adds up; another currency changes no rate."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 120))
    orders = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 25, n),
            "ordered_at": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 120, n), unit="D"),
            "amount": rng.integers(-15, 50, n).astype(float),
        }
    )
    changes = changes_of(orders, lag=2, as_of="2026-04-30")
    if (changes["start"] > 0).any():
        rates = cohorts.revenue_retention(changes, replicates=20, rng=np.random.default_rng(1))["value"]
        assert rates[1] <= min(rates[0], 1) + 1e-12
        bridge = cohorts.revenue_bridge(changes)
        by_month = orders.groupby(orders["ordered_at"].dt.month)["amount"].sum()
        assert bridge["end"].sum() == pytest.approx(by_month.get(4, 0.0))
        assert bridge["start"].sum() == pytest.approx(by_month.get(2, 0.0))
        shuffled = orders.assign(amount=orders["amount"] * 7).sample(frac=1, random_state=seed)
        again = cohorts.revenue_retention(
            changes_of(shuffled, lag=2, as_of="2026-04-30"), replicates=20, rng=np.random.default_rng(1)
        )
        np.testing.assert_allclose(again["value"], rates)


def test_intervals_of_revenue_retention_hold_the_simulated_truth():
    """90 % intervals over 100 firms, both rates, within four standard errors of 100 firms."""
    inside = np.zeros(2)
    for seed in range(100):
        firm = data.simulate_subscribers(np.random.default_rng(seed), customers=1_000, months=18)
        changes = cohorts.revenue_changes(firm["orders"], as_of=firm.as_of)
        rates = cohorts.revenue_retention(changes, level=0.9, replicates=300, rng=np.random.default_rng(seed))
        truth = firm.truth.revenue_retention(12)
        inside += [low <= true <= high for low, high, true in zip(rates["low"], rates["high"], truth, strict=False)]
    assert (abs(inside / 100 - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 100)).all()


# --- revenue triangle


def test_the_revenue_triangle_by_hand():
    """January: ann 10, 0, 12 and bob 10, 99, 4, of whom 2 were won: 10, 49.5, 8 each; cumulated 10, 59.5, 67.5."""
    orders = pd.DataFrame(ORDERS)
    some = orders[orders["customer_id"].isin(["ann", "bob"])]
    activity = cohorts.customer_activity(some, as_of="2026-04-02")  # April is open
    table = cohorts.revenue_triangle(activity, rng=np.random.default_rng(1))
    assert table["age"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(table["amount"], [20, 99, 16])
    np.testing.assert_allclose(table["per_customer"], [10, 49.5, 8])
    np.testing.assert_allclose(table["cumulative"], [10, 59.5, 67.5])
    assert table[["low", "cumulative_high"]].isna().all().all()  # two customers


def test_the_revenue_triangle_agrees_with_the_retention_triangle(frame):
    rng = np.random.default_rng(2)
    days = pd.Timestamp("2025-01-03") + pd.to_timedelta(rng.integers(0, 300, 900), unit="D")
    orders = {
        "customer_id": rng.integers(0, 150, 900),
        "ordered_at": list(days.to_pydatetime()),
        "amount": rng.normal(20, 15, 900),
    }
    activity = to_pandas(cohorts.customer_activity(frame(orders), as_of="2025-10-31"))
    money = cohorts.revenue_triangle(activity, replicates=50, rng=rng).set_index(["cohort", "age"])
    cells = to_pandas(cohorts.retention_triangle(frame(orders), as_of="2025-10-31")).query("complete")
    cells = cells.set_index(["cohort", "age"]).loc[money.index]
    np.testing.assert_allclose(money["amount"], cells["amount"], atol=1e-9)
    assert (money["customers"] == cells["customers"]).all()
    large = money["customers"] >= 30
    assert money.loc[large, "low"].notna().all()
    assert money.loc[~large, "low"].isna().all()
    between = money[large]
    assert (
        (between["cumulative_low"] <= between["cumulative"]) & (between["cumulative"] <= between["cumulative_high"])
    ).all()


def test_shares_of_revenue_are_thinned_and_skip_cohorts_without_money():
    table = pd.DataFrame(
        {
            "cohort": pd.to_datetime(["2026-01-01"] * 3 + ["2026-02-01"] * 2 + ["2026-03-01"]),
            "age": [0, 1, 2, 0, 1, 0],
            "amount": [10.0, 5.0, 2.0, 0.0, 3.0, 4.0],
        }
    )
    shares = cohorts.revenue_shares(table)
    assert shares.index.month.tolist() == [1, 3]
    np.testing.assert_allclose(shares.to_numpy(), [[1, 0.5, 0.2], [1, np.nan, np.nan]])
    assert cohorts.revenue_shares(table, most=2).columns.tolist() == [0, 2]
    with pytest.raises(ParameterError, match="most is 0"):
        cohorts.revenue_shares(table, most=0)
    with pytest.raises(DataError, match="no cohort has revenue in its first period"):
        cohorts.revenue_shares(table[table["cohort"] == "2026-02-01"])


def test_a_triangle_without_a_complete_period_is_refused():
    orders = pd.DataFrame({"customer_id": [1], "ordered_at": [month(3)], "amount": [1.0]})
    activity = cohorts.customer_activity(orders, as_of="2026-03-11")
    with pytest.raises(DataError, match="completed its first period"):
        cohorts.revenue_triangle(activity, rng=np.random.default_rng(1))


# --- worth of a point


def test_the_constant_rate_formula_is_its_series():
    # r = .8, d = .1: sum of .8^(j+1) / 1.1^j = .8 · 1.1 / .3 = 2.9333; at .81: .81 · 1.1 / .29 = 3.07241
    row = cohorts.constant_rate_worth(0.8, payment=100, discount_rate=0.1).iloc[0]
    assert row["value"] == pytest.approx(100 * sum(0.8 ** (j + 1) / 1.1**j for j in range(400)))
    assert row["value"] == pytest.approx(293.333, abs=1e-3)
    assert row["gain"] == pytest.approx(307.2414 - 293.3333, abs=1e-3)
    assert row["elasticity"] == pytest.approx(1.1 / 0.3)  # Gupta, Lehmann & Stuart's (1 + i) / (1 + i - r)
    ends = cohorts.constant_rate_worth([0.0, 1.0], discount_rate=0.25)
    assert ends["value"].tolist() == [0.0, 5.0]
    assert ends["gain"].iloc[1] == 0  # it cannot rise further


@pytest.fixture(scope="module")
def regular():
    return ShiftedBetaGeometric.from_survivors(cohorts.published_survivors("regular")[:5]).fit()


def test_the_value_is_the_published_residual_value(published, regular):
    printed = published("contractual_residual_value")["values"]["value"]  # 288, 394, 568 in periods 1, 2, 5
    worth = cohorts.retention_point_worth(regular, renewals=[0, 1, 4], payment=100, discount_rate=0.1)
    assert worth["value"].round().tolist() == list(printed.values())
    np.testing.assert_allclose(worth["value"], 100 * regular.residual_lifetime(0.1, [0, 1, 4]), rtol=1e-6)


def test_the_gain_is_an_average_over_customers(regular):
    """By drawing a million customers from the fitted beta distribution; four standard errors of the draw."""
    alpha, beta = regular.params
    own = np.random.default_rng(1).beta(alpha, beta + 4, 1_000_000)
    value = lambda leaving: (1 - leaving) * 1.1 / (leaving + 0.1)  # noqa: E731
    gains = value((own - 0.02).clip(0)) - value(own)
    row = cohorts.retention_point_worth(regular, renewals=4, discount_rate=0.1, points=0.02).iloc[0]
    assert row["gain"] == pytest.approx(gains.mean(), abs=4 * gains.std() / 1_000)
    raised = (value(1 - (1 - own) * (1 + 1e-6)).mean() / value(own).mean() - 1) / 1e-6
    assert row["elasticity"] == pytest.approx(raised, rel=0.01)


def test_the_break_even_spend_pays_itself_exactly(regular):
    """Of a million raised customers: discounted payments less spending before each renewal equal the value now."""
    alpha, beta = regular.params
    row = cohorts.retention_point_worth(regular, renewals=0, payment=100, discount_rate=0.1, points=0.01).iloc[0]
    leaving = (np.random.default_rng(2).beta(alpha, beta, 1_000_000) - 0.01).clip(0)
    stay, paid, spent = np.ones_like(leaving), 0.0, 0.0
    for renewal in range(200):
        spent += row["spend"] * stay.mean() / 1.1**renewal
        stay = stay * (1 - leaving)
        paid += 100 * stay.mean() / 1.1**renewal
    assert paid - spent == pytest.approx(row["value"], rel=0.005)


def test_alike_customers_are_worth_what_the_formula_says():
    """With one chance for all, the mixture is the constant rate."""
    model = ShiftedBetaGeometric.from_survivors([100, 80, 64, 51])
    results = model._results(model.free([2e5, 8e5]), np.eye(2))
    row = cohorts.retention_point_worth(results, discount_rate=0.1).iloc[0]
    assert row["gain"] == pytest.approx(row["flat_gain"], rel=0.01)
    assert row["elasticity"] == pytest.approx(row["flat_elasticity"], rel=0.01)


def test_differing_customers_are_worth_more_and_the_interval_holds(regular):
    """The formula is too low (Fader & Hardie 2010); 90 % intervals hold the truth over 60 simulated cohorts."""
    worth = cohorts.retention_point_worth(regular, renewals=range(5), discount_rate=0.1)
    assert (worth["gain"] > worth["flat_gain"]).all()
    assert (worth["elasticity"] > worth["flat_elasticity"]).all()
    rng, inside = np.random.default_rng(3), 0
    model = ShiftedBetaGeometric.from_survivors([1000, 800, 700, 650])
    true = cohorts.retention_point_worth(model._results(model.free([0.9, 3.0]), np.eye(2)), discount_rate=0.1)[
        "gain"
    ].item()
    for _ in range(60):
        made = rng.geometric(rng.beta(0.9, 3.0, 1_500).clip(1e-9)) - 1
        fit = ShiftedBetaGeometric.from_survivors([(made >= t).sum() for t in range(9)]).fit()
        row = cohorts.retention_point_worth(fit, discount_rate=0.1, level=0.9).iloc[0]
        inside += row["gain_low"] <= true <= row["gain_high"]
    assert abs(inside / 60 - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 60)


def test_money_scales_and_impossible_arguments_are_said(regular):
    one = cohorts.retention_point_worth(regular, discount_rate=0.1)
    ten = cohorts.retention_point_worth(regular, discount_rate=0.1, payment=10)
    np.testing.assert_allclose(ten[["value", "gain_high", "spend"]], 10 * one[["value", "gain_high", "spend"]])
    assert ten["elasticity"].item() == one["elasticity"].item()
    for options in (
        {"discount_rate": 0},
        {"discount_rate": 0.1, "payment": 0},
        {"discount_rate": 0.1, "points": 0},
        {"discount_rate": 0.1, "points": 1.1},
        {"discount_rate": 0.1, "renewals": -1},
        {"discount_rate": 0.1, "renewals": 0.5},
        {"discount_rate": 0.1, "level": 0},
    ):
        with pytest.raises(ParameterError):
            cohorts.retention_point_worth(regular, **options)
    bdw = BetaDiscreteWeibull.from_survivors(cohorts.published_survivors("regular")[:8]).fit()
    with pytest.raises(ParameterError, match="only a ShiftedBetaGeometric"):
        cohorts.retention_point_worth(bdw, discount_rate=0.1)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        cohorts.constant_rate_worth(1.2, discount_rate=0.1)


# --- winning and keeping

WINNING = cohorts.Effort(10_000, 800, 20.0, ceiling=0.3)
KEEPING = cohorts.Effort(5_000, 3_900, 25.0, ceiling=0.95, floor=0.4)
TERMS = {"margin": 180.0, "discount_rate": 0.12}


def test_responses_pass_through_floor_point_and_ceiling():
    assert cohorts.response(WINNING, [0.0, 20.0, 1e6]) == pytest.approx([0, 0.08, 0.3])
    assert cohorts.response(KEEPING, [0.0, 25.0, 1e6]) == pytest.approx([0.4, 0.78, 0.95])


def test_equity_is_blattberg_and_deightons_formula():
    # a m - A + a (m - R / r) r' / (1 - r') at A = 20, a = .08, R = 25, r = .78, r' = .78 / 1.12
    later = (180 - 25 / 0.78) * (0.78 / 1.12) / (1 - 0.78 / 1.12)
    found = cohorts.customer_equity(WINNING, KEEPING, acquisition=20.0, retention=25.0, **TERMS)
    assert found == pytest.approx(0.08 * 180 - 20 + 0.08 * later)


@pytest.mark.parametrize("keeping", [KEEPING, cohorts.Effort(5_000, 3_900, 25.0, 0.95)])
def test_the_best_plan_is_that_of_a_grid(keeping):
    plan = cohorts.spending_plan(WINNING, keeping, **TERMS, draws=200, rng=np.random.default_rng(1))
    value = plan.set_index("quantity")["value"]
    win, keep = np.linspace(0, 200, 2_001)[:, None], np.linspace(0, 150, 1_501)[None, :]
    equity = cohorts.customer_equity(WINNING, keeping, acquisition=win, retention=keep, **TERMS)
    i, j = np.unravel_index(equity.argmax(), equity.shape)
    assert value["equity_best"] == pytest.approx(equity.max(), rel=1e-4)
    assert value["acquisition_spend_best"] == pytest.approx(win[i, 0], abs=0.1)
    assert value["retention_spend_best"] == pytest.approx(keep[0, j], abs=0.1)


def test_the_marginal_rule_holds_at_the_best_plan():
    plan = cohorts.spending_plan(WINNING, KEEPING, **TERMS, draws=200, rng=np.random.default_rng(1))
    value = plan.set_index("quantity")["value"]
    best, small = value["acquisition_spend_best"], 1e-4
    more = (cohorts.response(WINNING, best + small) - cohorts.response(WINNING, best - small)) / (2 * small)
    assert more * value["customer_value_best"] == pytest.approx(1, abs=1e-4)
    slope = (cohorts.response(WINNING, 20 + small) - cohorts.response(WINNING, 20 - small)) / (2 * small)
    assert value["cost_of_next_win_now"] == pytest.approx(1 / slope)
    assert value["cost_of_next_win_now"] > value["cost_to_win_now"] == 250.0
    assert value["equity_best"] >= value["equity_now"]


def test_intervals_of_the_plan_hold_their_level():
    """Trials drawn from known rates: the best retention spending of those lies in 90 % intervals, 200 times."""
    rng, inside = np.random.default_rng(4), 0
    sure = cohorts.Effort(10**9, 78 * 10**7, 25.0, 0.95, 0.4)
    best = cohorts.spending_plan(WINNING, sure, **TERMS, draws=50, rng=rng).set_index("quantity")["value"]
    for _ in range(200):
        tried = cohorts.Effort(1_500, int(rng.binomial(1_500, 0.78)), 25.0, 0.95, 0.4)
        plan = cohorts.spending_plan(WINNING, tried, **TERMS, level=0.9, draws=400, rng=rng).set_index("quantity")
        row = plan.loc["retention_spend_best"]
        inside += row["low"] <= best["retention_spend_best"] <= row["high"]
    assert abs(inside / 200 - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 200)


def test_nothing_is_spent_where_the_first_unit_does_not_pay():
    hopeless = cohorts.Effort(100_000, 1, 50.0, ceiling=0.001)
    plan = cohorts.spending_plan(hopeless, KEEPING, **TERMS, draws=100, rng=np.random.default_rng(1))
    value = plan.set_index("quantity")["value"]
    assert (value["acquisition_spend_best"], value["equity_best"]) == (0, 0)
    assert value["equity_now"] < 0


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((10, 0, 1.0, 0.5), DataError, "0 of 10 were reached"),
        ((10, 11, 1.0, 0.5), DataError, "11 of 10"),
        ((10, 5, 0.0, 0.9), ParameterError, "spend is 0"),
        ((10, 5, np.inf, 0.9), ParameterError, "spend is inf"),
        ((10, 5, 1.0, 0.5), ParameterError, "ceiling is 0.5; give a share above the 0.5 observed"),
        ((10, 5, 1.0, 1.1), ParameterError, "ceiling is 1.1"),
        ((10, 5, 1.0, 0.9, 0.5), ParameterError, "floor is 0.5"),
        ((10, 5, 1.0, 0.9, -0.1), ParameterError, "floor is -0.1"),
        ((10, 10, 1.0, 1.0), ParameterError, "ceiling is 1.0; give a share above the 1 observed"),
    ],
)
def test_impossible_efforts_are_refused(arguments, error, said):
    with pytest.raises(error, match=said):
        cohorts.Effort(*arguments)


def test_impossible_terms_of_a_plan_are_refused():
    rng = np.random.default_rng(1)
    for terms in ({"margin": 0, "discount_rate": 0.1}, {"margin": 1, "discount_rate": 0}):
        with pytest.raises(ParameterError):
            cohorts.spending_plan(WINNING, KEEPING, **terms, rng=rng)
    with pytest.raises(ParameterError, match="level"):
        cohorts.spending_plan(WINNING, KEEPING, **TERMS, level=2, rng=rng)


# --- conclusions


def test_sentences_on_money_follow_the_numbers(regular):
    say = cohorts.contract_conclusions
    plan = cohorts.spending_plan(WINNING, KEEPING, **TERMS, draws=500, rng=np.random.default_rng(1))
    best = plan.set_index("quantity").loc["retention_spend_best", "value"]
    for present, told in ((0.5 * best, "more should go"), (2 * best, "less should go"), (best, "cannot be told from")):
        assert told in say.keeping_or_winning(plan, present=present, currency="EUR").sentence
    assert "pays, as one is worth EUR" in say.keeping_or_winning(plan, present=1.0, currency="EUR").sentence
    dear = cohorts.Effort(10_000, 800, 200.0, ceiling=0.3)
    dear_plan = cohorts.spending_plan(dear, KEEPING, **TERMS, draws=500, rng=np.random.default_rng(1))
    # intervals of cost and worth overlap here, and yet the difference can be told from 0
    rows = dear_plan.set_index("quantity")
    rows.loc["equity_now", ["low", "high"]] = [0.1, 9.0]
    assert " pays, as" in say.keeping_or_winning(rows.reset_index(), present=1.0, currency="EUR").sentence
    assert "does not pay" in say.keeping_or_winning(dear_plan, present=1.0, currency="EUR").sentence
    worth = cohorts.retention_point_worth(regular, discount_rate=0.1)
    assert "One point of retention is worth 3.4 times what" in say.heterogeneous_worth(worth, points=0.01).sentence
    loyal = ShiftedBetaGeometric.from_survivors(cohorts.published_survivors("high_end")[:8]).fit()
    told = say.heterogeneous_worth(cohorts.retention_point_worth(loyal, discount_rate=0.1, points=0.2), points=0.2)
    assert "0.5 times what the formula with one constant rate says, as many chances are too close" in told.sentence
    assert "2 points of retention" in say.heterogeneous_worth(worth, points=0.02).sentence
    changes = pd.DataFrame({"start": [1.0] * 40, "end": [0.5] * 40})
    retention = cohorts.revenue_retention(changes, rng=np.random.default_rng(1))
    kept = say.revenue_kept(retention, source="invoices (simulated)", lag=1, period="year")
    assert kept.sentence.startswith("At invoices (simulated) customers of 1 year before bring 50.0 %")
    assert kept.label == "Net revenue retention over 1 year, simulated"
    few = say.revenue_kept(
        cohorts.revenue_retention(changes.head(3), rng=np.random.default_rng(1)), source="a", lag=12, period="month"
    )
    assert few.low is None
    truth = cohorts.revenue_retention(changes, rng=np.random.default_rng(1))
    assert "both lie within" in say.truth_found(truth, (0.5, 0.5)).sentence
    assert "neither is found" in say.truth_found(truth, (0.9, 0.8)).sentence


def test_the_answer_names_the_groups_or_everybody(regular):
    worth = cohorts.retention_point_worth(regular, payment=100, discount_rate=0.1)
    options = {"months": 2, "points": 0.01, "payment": 100.0, "currency": "EUR"}
    curves = cohorts.survival_by_group([1, 2, 3, 4] * 10, [True, False] * 20, ["a", "b"] * 20)
    test = cohorts.log_rank([1, 2, 3, 4] * 10, [True, False] * 20, ["a", "b"] * 20)
    told = cohorts.contract_conclusions.answer(curves, test, worth, **options).sentence
    assert told.startswith("By month 2 'a' has lost most, 50.0 %")
    assert "EUR 18.69 (95 % interval EUR 16.75 to EUR 20.87) a customer" in told
    same = [1, 2, 3, 4] * 10, [True, False] * 20, ["a"] * 20 + ["b"] * 20
    told = cohorts.contract_conclusions.answer(
        cohorts.survival_by_group(*same), cohorts.log_rank(*same), worth, **options
    ).sentence
    assert "'a' has lost 25.0 % and 'b' 25.0 %, which cannot be told apart" in told
    short = [1, 2, 3, 4] * 10 + [1] * 20, [True, False] * 20 + [False] * 20, ["a", "b"] * 20 + ["c"] * 20
    curves, test = cohorts.survival_by_group(*short), cohorts.log_rank(*short)
    told = cohorts.contract_conclusions.answer(curves, test, worth, **options).sentence
    assert "and 'b' least, 0.0 % (1 group not followed so long); in" in told
    told = cohorts.contract_conclusions.answer(curves, test, worth, **options | {"months": 4}).sentence
    assert "By month 4 'a' has lost most, 100.0 %" in told
    told = cohorts.contract_conclusions.answer(curves, test, worth, **options | {"months": 0}).sentence
    assert "By month 0 every group has lost 0.0 %" in told
    alone = cohorts.survival_by_group([1, 2, 3], [True, False, True], ["all"] * 3)
    assert "of all customers have left" in cohorts.contract_conclusions.answer(alone, None, worth, **options).sentence
