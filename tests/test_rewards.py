"""Rewards: points pressure without the season, a card's return, lock-in and switching, members' defection."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmlib import data, rewards
from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.rewards.defection import FollowUp
from crmlib.rewards.joining import Joining

# -- points pressure ---------------------------------------------------------------------------


def test_progress_by_hand_on_every_engine(frame):
    """Joins on the 1st; buys on the 3rd, 4th, 8th, and never again to the end of the 10th; cards of two."""
    days = [pd.Timestamp(f"2026-01-{day:02} 06:00").to_pydatetime() for day in (1, 3, 4, 8, 12)]
    orders = frame({"customer_id": [7] * 5, "ordered_at": days})  # that of the 1st is no purchase of a member
    joins = frame({"customer_id": [7, 8], "joined_at": [days[0], days[4]]})
    found = rewards.card_progress(orders, joins, threshold=2, as_of="2026-01-10")
    # With none on the card: 2 days to the 3rd, 4 to the 8th. With one: 1 day to the 4th, 2.75 to the end.
    assert found.assign(period=found["period"].astype(str)).to_dict("list") == {
        "customer_id": [7, 7],
        "period": ["2026-01-01"] * 2,
        "purchases": [0, 1],
        "orders": [2, 1],
        "days": [6.0, 3.75],
        "stretches": [2, 2],
    }


def test_a_return_is_no_purchase_on_the_card_and_no_sign_of_life(frame):
    """As by hand above with an order of 0, one without an amount, and a return on the 5th between them."""
    days = [pd.Timestamp(f"2026-01-{day:02} 06:00").to_pydatetime() for day in (1, 3, 4, 5, 8)]
    orders = {"customer_id": [7] * 5, "ordered_at": days, "amount": [5.0, 0.0, None, -5.0, 5.0]}
    joins = frame({"customer_id": [7], "joined_at": [days[0]]})
    found = rewards.card_progress(frame(orders), joins, threshold=2, as_of="2026-01-10")
    assert found[["orders", "days"]].to_numpy().tolist() == [[2, 6], [1, 3.75]]
    # Four orders by 10 February; had the return been one they would be five. Silent for 34 days, above 30: lapsed.
    lapsed = rewards.lapsed_to_date(frame(orders), joins, as_of="2026-02-10").set_index("group")
    assert lapsed.loc["members", ["customers", "lapsed"]].tolist() == [1, 1]
    orders["ordered_at"] = [*days[:3], pd.Timestamp("2026-02-08").to_pydatetime(), days[4]]
    lapsed = rewards.lapsed_to_date(frame(orders), joins, as_of="2026-02-10").set_index("group")
    assert lapsed.loc["members", ["customers", "lapsed"]].tolist() == [1, 1]


def test_waits_are_cut_where_months_end():
    """Joins on 20 January, buys on 10 February and 1 March, cards of five; the data end with 2 March."""
    orders = pd.DataFrame({"customer_id": 1, "ordered_at": pd.to_datetime(["2026-02-10 12:00", "2026-03-01 12:00"])})
    joins = pd.DataFrame({"customer_id": [1], "joined_at": pd.to_datetime(["2026-01-20 12:00"])})
    found = rewards.card_progress(orders, joins, threshold=5, as_of="2026-03-02")
    assert found["period"].dt.month.tolist() == [1, 2, 2, 3, 3]
    assert found["purchases"].tolist() == [0, 0, 1, 1, 2]
    assert found["days"].tolist() == [11.5, 9.5, 18.5, 0.5, 1.5]
    assert found["orders"].tolist() == [0, 1, 0, 1, 0]
    assert found["stretches"].tolist() == [1] * 5


def test_days_without_time_are_noons():
    """Both orders at midnight: 1.5 days from the end of the 1st to noon of the 3rd, 2 to the 5th, .5 to the end."""
    orders = pd.DataFrame({"customer_id": 1, "ordered_at": pd.to_datetime(["2026-01-01", "2026-01-03", "2026-01-05"])})
    joins = pd.DataFrame({"customer_id": [1], "joined_at": pd.to_datetime(["2026-01-01"])})
    found = rewards.card_progress(orders, joins, threshold=5, as_of="2026-01-05")
    assert found["days"].tolist() == [1.5, 2.0, 0.5]


def test_all_days_and_orders_of_members_are_on_a_card():
    orders, joins = rewards.simulated_cards(np.random.default_rng(1), members=50)
    for period in ("week", "month", "quarter"):
        found = rewards.card_progress(orders, joins, threshold=7, as_of="2025-12-31", period=period)
        assert found["orders"].sum() == len(orders)
        assert found["days"].sum() == pytest.approx(50 * 365)


def test_pressure_by_hand():
    """Two members, one month of 30 days each, one order: stretches at 0 and 1, in truth 15 days each on average.

    All alike, the rate is 2 orders in 60 days, λ L = 1. Surprise at 1: 15 - 9 = 6 and 15 - 12 = 3 days, times λ = 1/30:
    .3 in sum. Spread: (λ L)² / (n + 2) = 1/3 each, times p (1 - p) = 1/4, twice: 1/6. So β = .3 / (1/6) = 1.8.
    """
    table = pd.DataFrame(
        {
            "customer_id": [1, 1, 2, 2],
            "period": pd.Timestamp("2026-01-01"),
            "purchases": [0, 1, 1, 2],
            "orders": [1, 0, 1, 0],
            "days": [21.0, 9.0, 12.0, 18.0],
            "stretches": 1,
        }
    )
    with pytest.raises(DataError, match="nobody bought with 2 on the card"):
        rewards.points_pressure(table)
    table["purchases"] = [0, 1, 0, 1]
    table.loc[[2, 3], "days"] = [18.0, 12.0]
    table = pd.concat([table, table.assign(customer_id=table["customer_id"] + 2, period=pd.Timestamp("2026-02-01"))])
    table.loc[table["customer_id"] > 2, "purchases"] = [1, 0, 1, 0]  # the other way round: a season, not the card
    table.loc[table["customer_id"] > 2, "orders"] = [1, 0, 1, 0]
    table.loc[table["customer_id"] > 2, "days"] = [15.0, 15.0, 15.0, 15.0]
    found = rewards.points_pressure(table)
    # λ L = 4 orders in 120 days, times 30 = 1 again; two more months with no surprise: β = .3 / (4/12) = .9.
    assert found.by_purchases["factor"].tolist() == pytest.approx([1, np.exp(0.9)])
    assert found.acceleration["value"] == pytest.approx(np.exp(0.9))
    # Residuals: .2 - .9/12 = .125, .1 - .075 = .025, -.075 twice; their squares sum to .0275, times 4/3, over (1/3)².
    error = np.log(found.acceleration["high"] / found.acceleration["value"]) / 1.959964
    assert error == pytest.approx(np.sqrt(0.0275 * 4 / 3) * 3)


@pytest.mark.parametrize("acceleration", [1.0, 1.5])
@pytest.mark.parametrize("estimate", [rewards.points_pressure, rewards.constant_rate_pressure])
def test_pressure_is_recovered_where_the_pooled_rate_misleads(acceleration, estimate):
    """25 programmes of 500 members: coverage within three errors; pooled, heavy buyers make it look like more."""
    inside, pooled = [], []
    for seed in range(25):
        orders, joins = rewards.simulated_cards(np.random.default_rng(seed), members=500, acceleration=acceleration)
        progress = rewards.card_progress(orders, joins, threshold=10, as_of="2025-12-31")
        found = estimate(progress)
        inside.append(found.acceleration["low"] <= acceleration <= found.acceleration["high"])
        pooled.append(found.by_purchases["pooled"].iloc[-1])
    assert abs(np.mean(inside) - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 25)
    assert np.mean(pooled) > 1.7 * acceleration


def false_alarms(progresses):
    """Share of p-values below .05: by the month against itself, and by the rate that never changes."""
    found = []
    for progress in progresses:
        both = rewards.points_pressure(progress), rewards.constant_rate_pressure(progress)
        found.append([each.acceleration["p_value"] < 0.05 for each in both])
    return np.mean(found, axis=0)


def test_season_is_not_taken_for_pressure():
    """60 programmes without pressure and with a December twice the usual: 5 % within three errors, 2.5 and more not."""
    worlds = (
        rewards.simulated_cards(np.random.default_rng(seed), members=400, acceleration=1, seasonality=1)
        for seed in range(60)
    )
    own, constant = false_alarms(rewards.card_progress(*world, threshold=10, as_of="2025-12-31") for world in worlds)
    assert own <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
    assert constant > 0.25


def test_a_firm_without_a_card_shows_no_pressure():
    """40 simulated firms with a programme but no card, with season, self-selection and a growing effect."""
    options = {"customers": 20_000, "tables": ("customers", "orders", "memberships"), "programme_growth": 0.05}
    firms = (data.simulate(np.random.default_rng(seed), **options) for seed in range(40))
    own, constant = false_alarms(
        rewards.card_progress(firm["orders"], firm["memberships"], threshold=6, as_of=firm.as_of) for firm in firms
    )
    assert own <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)
    assert constant > 0.25


def test_season_and_fading_are_those_asked_for():
    """Orders a day of December against March, and of the last month against the first: within three errors."""
    options = {"members": 4_000, "acceleration": 1.0, "monthly_rate": 3.0}
    orders, _ = rewards.simulated_cards(np.random.default_rng(2), seasonality=1.0, **options)
    month = orders["ordered_at"].dt.month.value_counts()
    assert month[12] / month[3] == pytest.approx(2, abs=3 * 2 * np.sqrt(1 / month[12] + 1 / month[3]))
    orders, _ = rewards.simulated_cards(np.random.default_rng(2), fading=0.1, days=360, **options)
    month = (orders["ordered_at"].dt.day_of_year - 1) // 30
    counts = month.value_counts()
    assert counts[11] / counts[0] == pytest.approx(0.9**11, abs=3 * 0.9**11 * np.sqrt(1 / counts[11] + 1 / counts[0]))


def test_with_equal_exposure_the_constant_rate_factor_is_the_ratio_of_the_pooled_rates():
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
    found = rewards.constant_rate_pressure(table).by_purchases
    ones, twos = orders.sum(axis=0) / days
    assert found["factor"].iloc[1] == pytest.approx(twos / ones, rel=1e-4)
    assert found["pooled"].iloc[1] == pytest.approx(twos / ones)
    # The log ratio of two counts of the same members: Poisson given the members' totals.
    error = np.log(found["high"].iloc[1] / found["factor"].iloc[1]) / 1.96
    assert error == pytest.approx(np.sqrt((1 / orders.sum(axis=0)).sum()), rel=0.05)


def test_members_who_are_all_alike_are_said_to_be():
    table = pd.DataFrame({"customer_id": [1, 1, 2, 2], "purchases": [0, 1] * 2, "orders": [1] * 4, "days": [5.0] * 4})
    with pytest.raises(ConvergenceError, match="differ no more than by chance"):
        rewards.constant_rate_pressure(table)


def test_impossible_cards_are_refused():
    orders, joins = rewards.simulated_cards(np.random.default_rng(1), members=5, monthly_rate=0.2)
    for threshold in (1, 2.5, True):
        with pytest.raises(ParameterError, match="threshold is"):
            rewards.card_progress(orders, joins, threshold=threshold, as_of="2025-12-31")
    with pytest.raises(ParameterError, match="needs as_of"):
        rewards.card_progress(orders, joins, threshold=3, as_of="")
    with pytest.raises(ParameterError, match="period is 'year'"):
        rewards.card_progress(orders, joins, threshold=3, as_of="2025-12-31", period="year")
    with pytest.raises(DataError, match="nobody joined up to 2024-12-31"):
        rewards.card_progress(orders, joins, threshold=3, as_of="2024-12-31")
    for estimate in (rewards.points_pressure, rewards.constant_rate_pressure):
        with pytest.raises(DataError, match="so pressure cannot be estimated"):
            estimate(rewards.card_progress(orders, joins, threshold=50, as_of="2025-12-31"))
        with pytest.raises(DataError, match="so pressure cannot be estimated"):
            estimate(rewards.card_progress(orders.head(0), joins, threshold=3, as_of="2025-12-31"))
    with pytest.raises(ParameterError, match="acceleration is 0"):
        rewards.simulated_cards(np.random.default_rng(1), acceleration=0)
    with pytest.raises(ParameterError, match="fading 1"):
        rewards.simulated_cards(np.random.default_rng(1), fading=1)


def test_the_card_s_return_by_hand():
    """Acceleration 4, cards of 3: paces 1, 2, 4, so a card takes (1 + 1/2 + 1/4) / 3 of the time; 1 - 7/12 caused."""
    ends = pd.Series({"value": 4.0, "low": 1.0, "high": 4.0, "p_value": 0.1})
    pressure = rewards.PointsPressure(pd.DataFrame(), ends, 10, 0.95)
    found = rewards.card_return(pressure, margin=12, reward_cost=3, threshold=3).set_index("quantity")
    assert found["value"].to_dict() == pytest.approx({"caused": 5 / 12, "gain": 5, "cost": 1, "net": 4})
    assert found["low"].to_dict() == pytest.approx({"caused": 0, "gain": 0, "cost": 1, "net": -1})
    for options in ({"margin": -1, "reward_cost": 3}, {"margin": 1, "reward_cost": np.nan}):
        with pytest.raises(ParameterError, match="give amounts of 0 or more"):
            rewards.card_return(pressure, threshold=3, **options)


# -- defection ---------------------------------------------------------------------------------


def history(customer, *days):
    return pd.DataFrame(
        {"customer_id": customer, "ordered_at": [pd.Timestamp("2025-01-01") + pd.Timedelta(days=day) for day in days]}
    )


def test_lapses_by_hand_on_every_engine(frame):
    """Customer 1 buys every 10 days to day 60, joins on day 40, so counts from 1 March (day 59) on.

    Pace 10 days, so 4 × 10 = 40 of silence are a lapse: day 100, 41 days after 1 March. Customer 2 buys on days 0,
    20, 40 and 110, never joins: pace 20, limit 80, not silent so long before day 190. Customer 3 has two orders.
    """
    orders = pd.concat([history(1, 0, 10, 20, 30, 40, 50, 60), history(2, 0, 20, 40, 110), history(3, 0, 50)])
    orders = orders.assign(ordered_at=orders["ordered_at"] + pd.Timedelta(hours=6))
    joins = {"customer_id": [1], "joined_at": [pd.Timestamp("2025-02-10 12:00").to_pydatetime()]}
    made = {
        "customer_id": orders["customer_id"].tolist(),
        "ordered_at": orders["ordered_at"].dt.to_pydatetime().tolist(),
    }
    found = rewards.lapse_trials(frame(made), frame(joins), as_of="2025-05-01")
    assert set(found["month"].dt.strftime("%Y-%m-%d")) == {"2025-03-01"}
    member, other = found.set_index("customer_id").loc[1], found.set_index("customer_id").loc[2]
    assert (member["member"], member["lapsed"], member["days"]) == (True, True, 41.25)
    assert (member["pace"], member["newest"], member["recent"], member["past"]) == (10, 3, 6, 6)
    assert member["silence"] == pytest.approx((59 - 50.25) / 40)
    assert (other["member"], other["lapsed"], other["days"]) == (False, False, 121 - 59)
    # By 1 May customer 1 has lapsed, customer 2 (mean pace 36.7, silent for 10.75 days) has not.
    naive = rewards.lapsed_to_date(frame(made), frame(joins), as_of="2025-05-01").set_index("group")
    assert naive["lapsed"].tolist() == [1, 0, 1]
    assert naive["share"].tolist() == [1, 0, 1]


def trials_by_hand(count=60):
    """One trial on 1 January with four months seen; of `count` members a third lapse in month 1, of as many others
    two thirds, all alike."""
    member = np.repeat([True, False], count)
    lapsed = np.concatenate([np.arange(count) < count / 3, np.arange(count) < 2 * count / 3])
    return pd.DataFrame(
        {
            "customer_id": np.arange(2 * count),
            "month": pd.Timestamp("2025-01-01"),
            "member": member,
            "days": np.where(lapsed, 10.0, 120.0),
            "lapsed": lapsed,
            "joins": np.nan,
            "pace": 10.0,
            "silence": 0.1,
            "newest": 3,
            "recent": 9,
            "half_year": 18,
            "past": 20,
        }
    )


def test_defection_by_hand():
    """Without ties to the past, it is the difference of two shares, with its binomial error."""
    found = rewards.defection(trials_by_hand(), months=3)
    assert found.curves["members"].tolist() == pytest.approx([1 / 3] * 3)
    assert found.curves["alike"].tolist() == pytest.approx([2 / 3] * 3)
    assert found.overall["standard_error"] == pytest.approx(np.sqrt(2 * (1 / 3) * (2 / 3) / 60))
    assert (found.members, found.trials) == (60, 1)
    assert found.controls == pytest.approx(60)
    assert np.isnan(rewards.defection(trials_by_hand(20), months=3).overall["low"])  # fewer than 30 members


def test_who_joins_later_leaves_the_comparison():
    """Half of the others who stay join on day 40: of the rest half lapse in month 2, and they stand for all."""
    table = trials_by_hand()
    others = np.flatnonzero(~table["member"] & ~table["lapsed"])  # 20 of 60
    table.loc[others[:10], "joins"] = 20.0
    table.loc[others[10:15], ["lapsed", "days"]] = [True, 40.0]
    found = rewards.defection(table, months=3)
    assert found.curves["others"].tolist() == pytest.approx([2 / 3, 1 - 1 / 3 / 2, 1 - 1 / 3 / 2])


def test_impossible_defections_are_refused():
    table = trials_by_hand()
    with pytest.raises(DataError, match="nobody was followed for 5 months"):
        rewards.defection(table, months=12)
    with pytest.raises(DataError, match="in no month are there both"):
        rewards.defection(table[table["member"]], months=2)
    with pytest.raises(ParameterError, match="months is 0"):
        rewards.defection(table, months=0)
    orders, joins = history(1, 0, 10), pd.DataFrame({"customer_id": [1], "joined_at": [pd.Timestamp("2026-01-01")]})
    with pytest.raises(DataError, match="nobody who ordered joined up to 2025-12-31"):
        rewards.lapse_trials(orders, joins, as_of="2025-12-31")
    with pytest.raises(DataError, match="nobody had joined and ordered three times"):
        rewards.lapse_trials(orders, joins.assign(joined_at=pd.Timestamp("2025-01-05")), as_of="2025-02-10")
    with pytest.raises(ParameterError, match="multiple is 0"):
        rewards.lapse_trials(orders, joins, as_of="2025-12-31", multiple=0)
    with pytest.raises(ParameterError, match="lapses need as_of"):
        rewards.lapsed_to_date(orders, joins, as_of="")
    with pytest.raises(ParameterError, match="effect is 0"):
        rewards.simulated_departures(np.random.default_rng(1), effect=0)


@pytest.mark.parametrize(("effect", "hidden", "holds"), [(0.6, 0.0, True), (1.0, 0.0, True), (1.0, 1.5, False)])
def test_defection_is_recovered_unless_its_reason_is_hidden(effect, hidden, holds):
    """8 programmes over six months: all but one interval hold the truth where the past tells who joins, else not.

    The naive difference is far off in all of them.
    """
    inside = 0
    for seed in range(8):
        world = rewards.simulated_departures(np.random.default_rng(seed), customers=2_500, effect=effect, hidden=hidden)
        truth = rewards.true_defection(world, months=6)
        trials = rewards.lapse_trials(world.orders, world.memberships, as_of=world.as_of)
        found = rewards.defection(trials, months=6).overall
        inside += found["low"] <= truth <= found["high"]
        share = rewards.lapsed_to_date(world.orders, world.memberships, as_of=world.as_of)["share"]
        assert share.iloc[-1] < truth - 0.15
    assert (inside >= 7) == holds


def test_errors_of_defection_are_those_of_a_bootstrap_that_fits_the_weights_anew():
    """40 resamples of customers know a standard error to 11 %; each fits its own chances to join."""
    world = rewards.simulated_departures(np.random.default_rng(5), customers=800)
    trials = rewards.lapse_trials(world.orders, world.memberships, as_of=world.as_of)
    rng, rows = np.random.default_rng(1), list(trials.groupby("customer_id").indices.values())
    drawn = []
    for _ in range(40):
        parts = [rows[place] for place in rng.integers(len(rows), size=len(rows))]
        again = trials.iloc[np.concatenate(parts)]
        again = again.assign(customer_id=np.repeat(np.arange(len(parts)), [len(part) for part in parts]))
        drawn.append(rewards.defection(again, months=6).curves["difference"])
    found = rewards.defection(trials, months=6).curves["standard_error"]
    np.testing.assert_allclose(found, np.std(drawn, axis=0, ddof=1), rtol=0.35)


def test_the_pull_of_the_weights_is_that_of_a_small_step():
    """The weighted share is moved by a step in the coefficients as the parts of the customers add up to."""
    world = rewards.simulated_departures(np.random.default_rng(2), customers=800)
    trials = rewards.lapse_trials(world.orders, world.memberships, as_of=world.as_of)
    member = trials["member"].to_numpy(dtype=bool)
    month = trials["month"].rank(method="dense").to_numpy(dtype=np.int64) - 1
    fit = Joining.of(trials, member, month)
    toward = np.random.default_rng(3).normal(size=fit.past.shape[1])

    def share(step: float) -> np.ndarray:
        moved = 1 / (1 + np.exp(-(np.log(fit.chance / (1 - fit.chance)) + step * (fit.past @ toward))))
        weight = ~member * moved / (1 - moved)
        still = dataclasses.replace(fit, chance=moved, influence=np.zeros_like(fit.past))
        return FollowUp.of(trials, moved).lapsed(weight, 8, still)[0]

    weight = ~member * fit.chance / (1 - fit.chance)
    first = np.zeros_like(fit.past)
    first[0] = toward  # an influence of one row by which the coefficients take the step
    parts = [
        FollowUp.of(trials, fit.chance).lapsed(weight, 8, dataclasses.replace(fit, influence=known))[1].sum(axis=0)
        for known in (first, np.zeros_like(first))
    ]
    np.testing.assert_allclose(parts[0] - parts[1], (share(1e-5) - share(-1e-5)) / 2e-5, rtol=1e-4)


def test_known_truths_are_told():
    """Counts of the tables; 20 programmes, two estimates; the truth at an effect of 1 is none."""
    table = rewards.cardless_pressure(np.random.default_rng(1), programmes=3, members=200, threshold=5)
    assert table.groupby("estimate").size().to_dict() == {"constant rate": 3, "own month": 3}
    assert (table["alarm"] == ((table["low"] > 1) | (table["high"] < 1))).all()
    finding = rewards.conclusions.alarms(table, level=0.95)
    assert "Of 3 simulated programmes" in finding.sentence
    varied = rewards.hidden_reasons(customers=1_500, effect=1.0, hidden=(0.0, 1.0), months=3, seed=1)
    assert varied["truth"].tolist() == [0, 0]
    assert "an experiment" in rewards.conclusions.truth(varied).sentence
    with pytest.raises(ParameterError, match="programmes is 0"):
        rewards.cardless_pressure(np.random.default_rng(1), programmes=0)


@pytest.mark.parametrize(
    ("value", "error", "moves"),
    [(1.5, 0.1, "points move purchases"), (0.5, 0.1, "members slow down"), (1.0, 0.1, "no pressure of points")],
)
@pytest.mark.parametrize(
    ("gone", "off", "stays"),
    [(-0.1, 0.01, "members lapse less within"), (0.1, 0.01, "members lapse more within"), (0.1, 0.2, "cannot be told")],
)
def test_the_answer_takes_its_words_from_both_intervals(value, error, moves, gone, off, stays):
    ends = pd.Series({"value": value, "low": value - error, "high": value + error, "p_value": 0.1})
    pressure = rewards.PointsPressure(pd.DataFrame(), ends, 10, 0.95)
    row = pd.Series(
        {"months": 6, "members": 0.2, "alike": 0.3, "difference": gone, "low": gone - off, "high": gone + off}
    )
    left = rewards.Defection(pd.DataFrame(), row, 3, 40, 90.0, 0.95)
    finding = rewards.conclusions.answer(pressure, left, programme="the shop")
    assert moves in finding.sentence
    assert stays in finding.sentence
    row["low"] = row["high"] = np.nan
    finding = rewards.conclusions.answer(pressure, left, programme="the shop")
    assert "cannot be told, as there are too few" in finding.sentence


@pytest.mark.parametrize(
    ("ends", "words"),
    [((1.4, 1.2, 1.6), "pressure alone pays"), ((1.0, 0.9, 1.1), "does not pay"), ((1.1, 0.9, 1.6), "cannot be told")],
)
def test_the_card_takes_its_words_from_the_interval(ends, words):
    row = pd.Series(dict(zip(("value", "low", "high"), ends, strict=True)) | {"p_value": 0.5})
    pressure = rewards.PointsPressure(pd.DataFrame(), row, 10, 0.95)
    paid = rewards.card_return(pressure, margin=10, reward_cost=5, threshold=10)
    finding = rewards.conclusions.card(
        paid, programme="the simulated programme", threshold=10, currency="EUR", level=0.95
    )
    assert words in finding.sentence
    assert finding.label == "Margin caused less reward, per purchase, simulated"  # its number is no firm's
    assert ("no reward is cheap enough for that" in finding.sentence) == (ends[0] == 1.0)  # nothing caused, no room


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((2.0, 1.5, 3.0), "Pressure causes 25.0 % of the purchases on the card (95 % interval 16.7 % to 33.3 %): w"),
        ((1.0, 0.5, 2.0), "whether points move purchases cannot be told"),
        ((0.5, 0.25, 0.8), "Haste is missing: it costs 50.0 % of the purchases on the card (95 % interval −150.0 % to"),
    ],
)
def test_what_pressure_causes_takes_its_words_from_the_interval(ends, words):
    """A card of two at m times the pace causes 1 - (1 + 1/m) / 2: 1/4 at 2, 1/6 at 1.5, 1/3 at 3, -3/2 at 1/4."""
    row = pd.Series(dict(zip(("value", "low", "high"), ends, strict=True)) | {"p_value": 0.5})
    pressure = rewards.PointsPressure(pd.DataFrame(), row, 2, 0.95)
    paid = rewards.card_return(pressure, margin=10, reward_cost=5, threshold=2)
    assert words in rewards.conclusions.caused(paid, programme="the café", level=0.95).sentence


# -- switching ---------------------------------------------------------------------------------


def purchases(*sequences):
    """One customer a word, one purchase a letter."""
    return pd.DataFrame([(who, brand) for who, word in enumerate(sequences) for brand in word]).set_axis(
        ["customer_id", "brand"], axis=1
    )


def test_switching_by_hand():
    """aab and bba: from a go a, b; from b go b, a. A lone purchase is no step."""
    table = rewards.switching_matrix(purchases("aab", "bba", "a"))
    assert table.loc["a"].to_dict() == {"a": 0.5, "b": 0.5}
    assert table.loc["b"].to_dict() == {"a": 0.5, "b": 0.5}
    assert (table.sum(axis=1) == 1).all()


def test_a_brand_that_nobody_went_on_from_has_no_shares():
    table = rewards.switching_matrix(purchases("aab"))
    assert table.loc["b"].isna().all()
    found = rewards.lock_in(purchases("aab"), rng=np.random.default_rng(1), replicates=20).set_index("brand")
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
    found = rewards.lock_in(purchases(*words), rng=np.random.default_rng(1), replicates=2).iloc[-1]
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
    found = rewards.lock_in(table, rng=rng, replicates=200).set_index("brand").loc["all brands"]
    assert found["shuffled"] > found["share"] + 0.1  # tastes differ
    assert (found["low"] <= 0 <= found["high"]) == (pull == 0)


def test_purchases_take_the_largest_brand_of_an_order(frame):
    day = pd.Timestamp("2026-01-01").to_pydatetime()
    orders = frame({"customer_id": [1, 1, 2], "order_id": [11, 12, 13], "ordered_at": [day] * 3})
    lines = frame({"order_id": [11, 11, 12, 12, 13], "product_id": [1, 2, 2, 3, 4], "amount": [1.0, 2, 1, 1, 9]})
    products = frame({"product_id": [1, 2, 3, 4], "category": ["tea"] * 3 + ["ink"], "brand": ["a", "b", "c", "d"]})
    found = rewards.brand_purchases(orders, lines, products, category="tea", most=2)
    assert found["brand"].tolist() == ["b", "b"]  # 2 against 1; at the tie of b and c the first by name
    returned = frame({"order_id": [11, 11, 12, 13], "product_id": [1, 2, 2, 4], "amount": [1.0, -2, -1, 9]})
    kept = rewards.brand_purchases(orders, returned, products, category="tea")
    assert kept[["order_id", "brand"]].to_numpy().tolist() == [[11, "a"]]  # returns are no purchases
    alone = rewards.brand_purchases(orders, lines, products, category="ink")
    assert alone["brand"].tolist() == ["d"]
    with pytest.raises(DataError, match="nothing of category 'gum' was sold"):
        rewards.brand_purchases(orders, lines, products, category="gum")


def test_small_brands_are_other():
    table = pd.DataFrame({"customer_id": [1] * 6, "brand": ["other", "other", "other", "a", "b", "a"]})
    assert rewards.switching_matrix(table).index.tolist() == ["a", "b", "other"]
    with pytest.raises(DataError, match="nobody bought twice"):
        rewards.switching_matrix(purchases("a", "b"))
    with pytest.raises(DataError, match="no customer or no brand"):
        rewards.lock_in(pd.DataFrame({"customer_id": [1, 1], "brand": ["a", None]}), rng=np.random.default_rng(1))


# -- odd data ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ordered_at": lambda table: table["ordered_at"].astype(str)}, "ordered_at is text"),
        ({"ordered_at": lambda table: table["ordered_at"].dt.tz_localize("UTC")}, "time zone"),
        ({"customer_id": lambda table: table["customer_id"].astype(str)}, "make them one kind"),
    ],
)
def test_orders_that_are_not_what_they_are_called_are_refused(change, says):
    world = rewards.simulated_departures(np.random.default_rng(1), customers=50)
    orders = world.orders.assign(**change)
    for function, options in (
        (rewards.card_progress, {"threshold": 3}),
        (rewards.lapse_trials, {}),
        (rewards.lapsed_to_date, {}),
    ):
        with pytest.raises(DataError, match=says):
            function(orders, world.memberships, as_of=world.as_of, **options)
    joined = world.memberships.assign(joined_at="2025-01-01")
    with pytest.raises(DataError, match="joined_at is String"):
        rewards.card_progress(world.orders, joined, threshold=3, as_of=world.as_of)


def test_row_order_repeated_members_and_missing_rows_change_nothing():
    world = rewards.simulated_departures(np.random.default_rng(2), customers=200)
    options = {"as_of": world.as_of}
    cards = rewards.card_progress(world.orders, world.memberships, threshold=4, **options)
    trials = rewards.lapse_trials(world.orders, world.memberships, **options)
    empty = pd.DataFrame({"customer_id": [np.nan, 3.0], "ordered_at": [world.orders["ordered_at"][0], pd.NaT]})
    mixed = pd.concat([world.orders.sample(frac=1, random_state=1), empty])
    later = world.memberships.assign(joined_at=world.memberships["joined_at"] + pd.Timedelta(days=90))
    again = pd.concat([later, world.memberships])
    same = rewards.card_progress(mixed, again, threshold=4, **options)
    pd.testing.assert_frame_equal(same, cards, check_dtype=False)
    key = ["month", "customer_id"]
    moved = rewards.lapse_trials(mixed, again, **options).sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(moved, trials.sort_values(key, ignore_index=True), check_dtype=False)


def test_everybody_joining_on_one_day_leaves_nobody_to_compare_with():
    world = rewards.simulated_departures(np.random.default_rng(1), customers=100)
    everybody = world.orders[["customer_id"]].drop_duplicates().assign(joined_at=pd.Timestamp("2023-09-15"))
    trials = rewards.lapse_trials(world.orders, everybody, as_of=world.as_of)
    with pytest.raises(DataError, match="in no month are there both"):
        rewards.defection(trials, months=3)
