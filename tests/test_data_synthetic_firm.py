"""The whole simulated firm: its tables against each other, its truth against re-simulating it."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from crmlib import data
from crmlib.data.synthetic import CHANNELS, TABLES
from crmlib.data.synthetic.acquisition import prospects
from crmlib.errors import ParameterError
from crmlib.frames import to_pandas

# bounds of 4 standard errors: a miss by chance once in 16,000 checks, and the seeds are fixed
SIGMAS = 4
DAY = np.timedelta64(1, "D")
PAID = [channel.name for channel in CHANNELS if channel.name != "direct"]


def firm(customers=20_000, seed=21, **options):
    return data.simulate(np.random.default_rng(seed), customers=customers, **options)


@pytest.fixture(scope="module")
def whole():
    return firm()


def same(one, two):
    assert list(one) == list(two)
    for name in one:
        pd.testing.assert_frame_equal(one[name], two[name])


# One population through all tables


@pytest.mark.parametrize("customers", [1, 10, 100_000])
@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
def test_tables_of_any_size_keep_their_contracts_on_every_engine(customers, engine):
    tables = firm(customers, engine=engine)
    assert not data.contract_report(tables, as_of=tables.as_of).faults
    assert tables.rows["customers"] == customers
    assert set(tables) | {"memberships"} == set(TABLES)
    assert ("memberships" in tables) == (tables.notes == ())


def test_every_engine_gets_the_same_rows():
    tables = firm(500)
    for engine in ("polars", "duckdb"):
        for name, frame in firm(500, engine=engine).items():
            keys = {"touches": ["journey_id", "position"], "costs": ["activity"], "memberships": ["joined_at"]}
            by = keys.get(name, [tables[name].columns[0]])
            found = to_pandas(frame, sort_by=by)
            wanted = tables[name].sort_values(by, ignore_index=True)
            pd.testing.assert_frame_equal(found, wanted, check_dtype=False)


def test_every_customer_has_one_journey_that_ends_when_they_are_won(whole):
    customers, outcomes, touches = whole["customers"], whole["outcomes"], whole["touches"]
    assert len(outcomes) == 80_000
    assert outcomes["conversions"].sum() == len(customers) == 20_000
    assert (outcomes["conversions"] + outcomes["nulls"] == 1).all()
    won = outcomes[outcomes["conversions"] == 1]
    assert won["customer_id"].tolist() == customers["customer_id"].tolist() == list(range(1, 20_001))
    assert (won["converted_at"].to_numpy() == customers["acquired_at"].to_numpy()).all()
    lost = outcomes[outcomes["conversions"] == 0]
    assert lost["customer_id"].isna().all()
    assert lost["converted_at"].isna().all()
    assert (lost["value"] == 0).all()
    assert touches["journey_id"].drop_duplicates().tolist() == outcomes["journey_id"].tolist()
    ids = touches.merge(outcomes, on="journey_id", suffixes=("", "_of_outcome"))
    pd.testing.assert_series_equal(ids["customer_id"], ids["customer_id_of_outcome"], check_names=False)
    ended = ids[ids["conversions"] == 1]
    assert (ended["touched_at"] <= ended["converted_at"]).all()
    assert (ended["converted_at"] - ended["touched_at"] < 28 * DAY).all()


def test_touches_are_in_time_and_the_last_one_is_the_recorded_channel(whole):
    touches = whole["touches"]
    by = touches.groupby("journey_id")
    assert (touches["position"] == by.cumcount() + 1).all()
    assert by["touched_at"].is_monotonic_increasing.all()
    last = by.tail(1).dropna(subset="customer_id").set_index("customer_id")["channel"]
    recorded = whole["customers"].set_index("customer_id")["channel"]
    assert recorded.tolist() == last.loc[recorded.index].tolist()
    assert set(touches["channel"]) == {channel.name for channel in CHANNELS}


def test_marketing_cost_is_price_times_touches(whole):
    touches, truth = whole["touches"], whole.truth.channel_increments().set_index("channel")
    price = {channel.name: channel.cost for channel in CHANNELS}
    assert touches["cost"].sum() == pytest.approx(sum(price[name] for name in touches["channel"]))
    assert touches["cost"].sum() == pytest.approx(truth["cost"].sum())
    assert touches.groupby("channel").size().loc[truth.index].tolist() == truth["touches"].tolist()


def test_first_orders_are_the_values_and_all_orders_the_revenue(whole):
    orders = whole["orders"].sort_values("ordered_at", kind="stable")
    assert (orders["order_id"].to_numpy() == np.arange(1, len(orders) + 1)).all()
    first = orders.groupby("customer_id").first()
    assert (first["ordered_at"].to_numpy() == whole["customers"]["acquired_at"].to_numpy()).all()
    outcomes = whole["outcomes"]
    assert outcomes.loc[outcomes["conversions"] == 1, "value"].tolist() == first["amount"].tolist()
    assert orders.groupby("customer_id")["amount"].sum().to_numpy() == pytest.approx(whole.truth.revenue)


def test_members_hold_accounts_and_joined_in_the_window(whole):
    members = whole["memberships"].merge(whole["customers"], on="customer_id")
    known, truth = whole.truth.parameters, whole.truth
    assert members["account"].all()
    starts = np.array([known.panel_start, known.launch, known.enrolment_end]).astype("datetime64[us]")
    assert starts.astype("datetime64[D]").astype(str).tolist() == ["2025-01-01", "2025-04-01", "2025-10-01"]
    assert (members["acquired_at"] < starts[0]).all()
    assert members["joined_at"].between(starts[1], starts[2], inclusive="left").all()
    joined = truth.joined_at[members["customer_id"].to_numpy() - 1]
    assert (members["joined_at"].to_numpy() == joined).all()
    assert (truth.dropout_days[truth.account] >= truth.observed_days[truth.account]).all()


def test_rewards_follow_from_the_members_orders(whole):
    """An independent route: tier and reward cost from the tables alone."""
    joined = whole["orders"].merge(whole["memberships"], on="customer_id")
    since = (joined["ordered_at"] - joined["joined_at"]) / pd.Timedelta(days=1)
    ids = whole["memberships"]["customer_id"]
    before = joined[(since < 0) & (since >= -90)].groupby("customer_id").size().reindex(ids, fill_value=0)
    tier = np.select([before >= 3, before >= 1], ["gold", "silver"], "basic")
    assert whole["memberships"]["tier"].tolist() == tier.tolist()
    spent = joined[since >= 0].groupby("customer_id")["amount"].sum().reindex(ids, fill_value=0.0)
    share = pd.Series(tier).map({"basic": 0.01, "silver": 0.02, "gold": 0.03}).to_numpy()
    assert whole["memberships"]["reward_cost"].to_numpy() == pytest.approx(share * spent.to_numpy(), abs=0.0051)


def test_orders_are_possible(whole):
    orders = whole["orders"]
    full = orders["amount"] + orders["discount"]
    # cost is 55 % of the full price, give or take a tenth of it, to the cent
    assert (orders["cost"] - full * 0.55).abs().le(full * 0.055 + 0.011).all()
    for column in ("deliveries", "returns"):
        assert (orders[column] <= orders["lines"]).all()
    assert orders[["lines", "deliveries"]].min().tolist() == [1, 1]
    share = orders["discount"] / full
    assert set(share[full > 10].round(2)) <= {0.0, 0.1, 0.2}


@pytest.mark.parametrize(
    "options",
    [
        *({"months": months, "as_of": day} for months in (1, 2, 3, 4, 7) for day in ("2024-02-10", "2024-02-29")),
        {"prospects_per_customer": 1, "channels_off": ("viral", "sponsorship")},
        {"a": 0.01},
        {"b": 0.01},
        {"r": 0.01, "alpha": 0.01},
        {"spend_gamma": 1e9},
        {"spend_shape": 0.01},
        {"self_selection": 0, "seasonality": 20},
        {"programme_effect": 50.0},
        {"programme_effect": 0.001, "programme_growth": -0.5},
    ],
)
def test_unusual_firms_keep_their_contracts_and_their_truth_is_finite(options):
    tables = firm(2_000, parallel_trends=False, **options)
    assert not data.contract_report(tables, as_of=tables.as_of).faults
    truth = tables.truth
    assert np.isfinite(truth.expected_margin("2023-10-01", "2027-01-01", allocated=True)).all()
    for interval in ((0, 30), (100, 5_000), (4_000, 90_000)):
        chance = truth.active_probability(*interval)
        assert ((chance >= 0) & (chance <= 1)).all()
        assert (truth.expected_orders(*interval) >= chance - 1e-9).all()  # a mean number is at least a chance
    assert (truth.channel_increments()["increment"] >= 0).all()
    assert np.isfinite(truth.programme_effect()).all(axis=None)


# Random numbers


def test_same_seed_same_bytes_and_the_generator_moves_on():
    rng = np.random.default_rng(5)
    one, second, again = (data.simulate(source, customers=300) for source in (rng, rng, np.random.default_rng(5)))
    same(one, again)
    assert pickle.dumps(dict(one)) == pickle.dumps(dict(again))
    assert one.fingerprint == again.fingerprint != second.fingerprint
    assert not one["orders"].equals(second["orders"])


def test_asking_for_fewer_tables_changes_none():
    tables = firm(2_000)
    for names in (("customers",), ("orders", "memberships"), ("outcomes", "customers"), ("touches",), ("costs",)):
        some = firm(2_000, tables=names)
        assert set(some) == set(names)
        for name in names:
            pd.testing.assert_frame_equal(some[name], tables[name])
        assert some.fingerprint != tables.fingerprint
        assert (some.truth.revenue == tables.truth.revenue).all()
    assert firm(2_000, tables="costs").rows == {"costs": 7}


def test_without_programme_nothing_else_changes():
    tables, plain = firm(3_000), firm(3_000, programme=False)
    for name in ("touches", "outcomes", "costs"):
        pd.testing.assert_frame_equal(tables[name], plain[name])
    pd.testing.assert_frame_equal(tables["customers"].drop(columns="account"), plain["customers"])
    assert "memberships" not in plain
    assert plain.notes == ("no memberships: nobody joined a loyalty programme",)
    # the programme and the season only add orders
    columns = [name for name in plain["orders"] if name != "order_id"]
    assert len(plain["orders"].merge(tables["orders"], on=columns)) == len(plain["orders"])


# Acquisition


def test_conversion_person_by_person():
    """The causal model told again in plain Python, from the prospects' own random numbers."""
    tables = firm(100)
    people = prospects(tables.truth.parameters, tables.truth.entropy)
    for off in ((), ("sponsorship",), ("pay per click", "viral")):
        reached, converts = people.without(off)
        scores = []
        for i in range(len(people.decided)):
            intent, brought = float(people.intent[i]), set()
            for stage in (0, 1, 2):
                added = 0.0
                for code, channel in enumerate(CHANNELS):
                    chance = 1 / (1 + np.exp(-(channel.base + channel.slope * intent)))
                    if channel.stage == stage and channel.name not in off and people.luck[code, i] < chance:
                        brought.add(code)
                        added += channel.effect
                intent += added
            assert set(np.flatnonzero(reached[:, i])) == (brought or {len(CHANNELS) - 1})
            scores.append(intent + float(people.noise[i]))
        if not off:
            bar = sorted(scores)[-100]
        assert converts.tolist() == [score >= bar - 1e-5 for score in scores]


@pytest.mark.parametrize("channel", PAID)
def test_increments_are_those_of_the_firm_simulated_without_the_channel(whole, channel):
    truth = whole.truth.channel_increments().set_index("channel").loc[channel]
    without = firm(channels_off=(channel,))
    kept = without["customers"]["customer_id"]
    assert len(kept) == truth["conversions_without"] == without["outcomes"]["conversions"].sum()
    assert truth["increment"] == 20_000 - len(kept)
    assert channel not in set(without["touches"]["channel"])
    saved = whole["touches"]["cost"].sum() - without["touches"]["cost"].sum()
    assert truth["cost_saved"] == pytest.approx(saved)
    # who stays is the same person: traits, day and orders
    left = whole["customers"].set_index("customer_id").loc[kept]
    assert (left["acquired_at"].to_numpy() == without["customers"]["acquired_at"].to_numpy()).all()
    assert (whole.truth.purchase_rate[kept - 1] == without.truth.purchase_rate).all()
    orders = whole["orders"][whole["orders"]["customer_id"].isin(kept)].drop(columns="order_id")
    pd.testing.assert_frame_equal(
        orders.reset_index(drop=True), without["orders"].drop(columns="order_id").reset_index(drop=True)
    )
    lost = ~whole["orders"]["customer_id"].isin(kept)
    assert truth["incremental_revenue"] == pytest.approx(whole["orders"].loc[lost, "amount"].sum())
    value = whole["outcomes"]["value"].sum() - without["outcomes"]["value"].sum()
    assert truth["incremental_value"] == pytest.approx(value)


def test_some_channels_only_collect_credit(whole):
    truth = whole.truth.channel_increments().set_index("channel")
    last = whole["customers"]["channel"].value_counts()
    assert truth.loc["affiliates", "increment"] == truth.loc["direct", "increment"] == 0
    assert np.isnan(truth.loc["affiliates", "cost_per_incremental_customer"])
    assert last["affiliates"] > 2_000
    assert last["pay per click"] > 10 * truth.loc["pay per click", "increment"]
    assert last["sponsorship"] < truth.loc["sponsorship", "increment"] / 10
    assert truth["increment"].sum() < truth["conversions"].iloc[0]


def test_increments_of_a_firm_without_some_channels():
    """What the others add then: by simulating it, with both off."""
    tables = firm(5_000, channels_off=["viral"])
    truth = tables.truth.channel_increments().set_index("channel")
    assert "viral" not in truth.index
    both = firm(5_000, channels_off=("sponsorship", "viral"))
    assert truth.loc["sponsorship", "conversions_without"] == both.rows["customers"]
    assert not data.contract_report(both).faults


def test_a_firm_that_wins_nobody_says_so():
    tables = firm(1, seed=3, channels_off=PAID, prospects_per_customer=50)
    assert tables.rows.get("customers", 0) in (0, 1)
    lost = next(t for t in (firm(1, seed=s, channels_off=PAID) for s in range(50)) if "customers" not in t)
    assert "no customers: nobody converts without the channels that are off" in lost.notes
    assert lost["outcomes"]["conversions"].sum() == 0


def test_channels_bring_like_customers(whole):
    """Rates and spend are independent of the channel: each channel's mean rate, against all."""
    rate, channel = whole.truth.purchase_rate, whole["customers"]["channel"]
    for name in ("direct", "pay per click", "affiliates", "search engine optimisation"):
        chosen = (channel == name).to_numpy()
        assert rate[chosen].mean() == pytest.approx(rate.mean(), abs=SIGMAS * rate.std() / chosen.sum() ** 0.5)


# Loyalty


def orders_by_month(tables):
    """Orders in 30 days of each account customer by month of the panel, and the month they joined, -1 if never."""
    truth, known = tables.truth, tables.truth.parameters
    edges = np.append(known.month_starts[known.month_starts >= known.panel_start], known.end)
    rows = np.flatnonzero(truth.account)
    place = np.full(len(truth.account), -1)
    place[rows] = np.arange(len(rows))
    who = place[tables["orders"]["customer_id"].to_numpy() - 1]
    month = np.searchsorted(edges, tables["orders"]["ordered_at"].to_numpy().astype("M8[us]").astype(int), "right") - 1
    inside = (who >= 0) & (month >= 0)
    counts = np.zeros((len(rows), len(edges) - 1))
    np.add.at(counts, (who[inside], month[inside]), 1)
    at = truth.joined_at[rows]
    joined = np.where(np.isnat(at), -1, np.searchsorted(edges, np.nan_to_num(at.astype(int)), "right") - 1)
    return counts / (np.diff(edges) / 86_400e6) * 30, joined


def changes(tables):
    """Members' change between the panel's first months and its last ones, less that of the others, in errors."""
    counts, joined = orders_by_month(tables)
    change = counts[:, -3:].mean(axis=1) - counts[:, :3].mean(axis=1)
    members, others = change[joined >= 0], change[joined < 0]
    error = np.sqrt(members.var() / len(members) + others.var() / len(others))
    return (members.mean() - others.mean()) / error


@pytest.mark.parametrize("selection", [0.0, 1.0, 3.0])
def test_untreated_trends_are_parallel_in_orders_a_day(selection):
    tables = firm(150_000, programme_effect=1.0, self_selection=selection, seasonality=0.4, tables=("orders",))
    assert abs(changes(tables)) < SIGMAS
    counts, joined = orders_by_month(tables)
    assert (counts[joined >= 0].mean() > 1.3 * counts[joined < 0].mean()) == (selection > 0)
    # the common season: 0.4 orders in December, 0.3 in November
    usual = counts[:, :9].mean(axis=1)
    for month, added in ((11, 0.4), (10, 0.3), (9, 0.1)):
        change = counts[:, month] - usual
        assert change.mean() == pytest.approx(added, abs=SIGMAS * change.std() / len(change) ** 0.5)


def test_trends_are_not_parallel_where_that_is_asked_for():
    tables = firm(150_000, programme_effect=1.0, parallel_trends=False, tables=("orders",))
    assert changes(tables) > 6
    counts, joined = orders_by_month(tables)
    early = counts[joined >= 5]  # who joined in June or later rose already before
    rise = early[:, 3:5].mean(axis=1) - early[:, :2].mean(axis=1)
    assert rise.mean() / rise.std() * len(rise) ** 0.5 > 4


def test_effect_by_hand():
    """A constant factor of 1.15 adds .15 of the own rate μ = λ (1 - p) / 7 a day, in every later period."""
    tables = firm(20_000, tables=("memberships",))
    truth = tables.truth
    effect = truth.programme_effect(horizon=3)
    assert effect["event_time"].tolist() == [1, 2, 3]
    members = np.isfinite(truth.joined_days)  # joining ends in September: all are seen for three months
    monthly = truth.purchase_rate * (1 - truth.dropout_probability) / 7 * 30
    assert effect["members"].tolist() == [members.sum()] * 3
    assert effect["orders"].to_numpy() == pytest.approx([0.15 * monthly[members].mean()] * 3)
    spend = 0.15 * (monthly * truth.mean_spend)[members].mean()
    assert effect["spend"].to_numpy() == pytest.approx([spend] * 3)
    weekly = truth.programme_effect("week", horizon=3, per_days=None)
    assert weekly["orders"].to_numpy() == pytest.approx([0.15 * monthly[members].mean() * 7 / 30] * 3)


def test_effect_that_fades_by_hand():
    """From joining on 15 % fade by a fifth in 30 days: averaged over a week by its ends and middle (Simpson)."""
    tables = firm(3_000, programme_growth=-0.2, tables=("memberships",))
    truth = tables.truth
    cells = truth.programme_effect("week", by_cohort=True)
    cell = cells[cells["event_time"] == 4].iloc[0]
    start = cell["cohort"].start_time + pd.Timedelta(weeks=4)
    rows = np.flatnonzero(pd.PeriodIndex(truth.joined_at, freq="W-SUN") == cell["cohort"])
    since = (start - pd.DatetimeIndex(truth.joined_at[rows])) / pd.Timedelta(days=1)
    ends = [0.15 * 0.8 ** ((since.to_numpy() + days) / 30) for days in (0, 3.5, 7)]
    mean = (ends[0] + 4 * ends[1] + ends[2]) / 6
    rate = truth.purchase_rate[rows] * (1 - truth.dropout_probability[rows]) / 7 * 30
    assert cell["orders"] == pytest.approx((rate * mean).mean(), rel=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"programme_effect": 0.7, "programme_growth": -0.1},
        {"programme_effect": 1.5, "programme_growth": 0.1, "parallel_trends": False},
        {"programme_effect": 0.6, "parallel_trends": False},
    ],
)
def test_effect_is_the_difference_to_the_firm_run_again_without_it(options):
    tables, without = firm(40_000, **options), firm(40_000, **options | {"programme_effect": 1.0})
    same({"m": tables["memberships"][["customer_id", "joined_at"]]}, {"m": without["memberships"].iloc[:, :2]})
    columns = [name for name in tables["orders"] if name != "order_id"]
    both = tables["orders"].merge(without["orders"], on=columns, how="outer", indicator=True)
    differing = both[both["_merge"] != "both"]
    sign = np.where(differing["_merge"] == "left_only", 1, -1)
    assert (sign > 0).all() or (sign < 0).all()
    truth = tables.truth
    assert sign.sum() == truth.caused_orders.sum()
    # counted again from the tables, by months since joining
    differing = differing.merge(tables["memberships"], on="customer_id")
    months = differing["ordered_at"].dt.to_period("M").astype("int64") - differing["joined_at"].dt.to_period(
        "M"
    ).astype("int64")
    effect = truth.programme_effect(per_days=None).set_index("event_time")
    for time in (1, 2, 3):
        cell = differing[months == time]
        factor = sign[0] / effect.loc[time, "members"]
        assert effect.loc[time, "orders_rerun"] == pytest.approx(len(cell) * factor)
        assert effect.loc[time, "spend_rerun"] == pytest.approx(cell["amount"].sum() * factor)
        error = np.sqrt(len(cell)) / effect.loc[time, "members"]  # a Poisson count
        assert effect.loc[time, "orders"] == pytest.approx(effect.loc[time, "orders_rerun"], abs=SIGMAS * error)


def test_self_selection_makes_members_the_heavier_buyers():
    def ratio(strength):
        truth = firm(30_000, self_selection=strength, tables=("memberships",)).truth
        joined, rate = np.isfinite(truth.joined_days), truth.purchase_rate
        return rate[joined].mean() / rate[truth.account & ~joined].mean()

    random, usual, strong = (ratio(strength) for strength in (0.0, 1.0, 3.0))
    assert random == pytest.approx(1, abs=0.15)
    assert random < usual < strong


@pytest.mark.parametrize("options", [{}, {"parallel_trends": False, "seasonality": 1.0, "programme_effect": 2.0}])
@pytest.mark.parametrize(("start", "end"), [(0, 60), (200, 300), (400, 430)])
def test_active_probability_and_expected_orders_with_the_programme(options, start, end):
    tables = firm(150_000, **options, tables=("orders",))
    truth, orders = tables.truth, tables["orders"]
    who = orders["customer_id"].to_numpy() - 1
    since = (orders["ordered_at"].to_numpy() - truth.acquired_at[who]) / DAY
    counts = np.bincount(who[(since > start) & (since <= end)], minlength=len(truth.customer_id))
    chance, number = truth.active_probability(start, end), truth.expected_orders(start, end)
    seen = truth.observed_days >= end
    joined = np.isfinite(truth.joined_days)
    eligible = truth.acquired_at < np.datetime64(truth.parameters.panel_start, "us")
    groups = (truth.account & joined, truth.account & ~joined, eligible & ~truth.account, ~eligible)
    for group in (seen & members for members in groups):
        if not group.any():
            continue
        error = np.sqrt((chance * (1 - chance))[group].sum())
        assert (counts > 0)[group].sum() == pytest.approx(chance[group].sum(), abs=SIGMAS * error)
        miss = (counts - number)[group]
        assert abs(miss.sum()) < SIGMAS * miss.std() * group.sum() ** 0.5


def test_plain_firm_is_the_special_case_of_the_programme_that_does_nothing():
    """Weighted over accounts, the conditional probabilities are those of the plain population."""
    still = firm(200_000, programme_effect=1.0, seasonality=0.0, tables=("orders",))
    plain = firm(200_000, programme=False, tables=("orders",))
    pd.testing.assert_frame_equal(still["orders"], plain["orders"])
    for interval in ((0, 90), (300, 400), (500, 900)):
        one, other = (firm.truth.active_probability(*interval) for firm in (still, plain))
        assert one.mean() == pytest.approx(other.mean(), abs=SIGMAS * (one - other).std() / 200_000**0.5)
    assert still.truth.population_active_probability(0, 90) == plain.truth.population_active_probability(0, 90)


def test_population_probability_is_refused_where_the_calendar_moves_orders(whole):
    with pytest.raises(ParameterError, match="simulate it with programme=False"):
        whole.truth.population_active_probability(0, 30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"period": "fortnight"}, "give one of day, week"),
        ({"horizon": 0}, "whole number of 1 or more"),
        ({"per_days": 0}, "positive number of days"),
    ],
)
def test_effect_options_out_of_range_are_refused(whole, options, message):
    with pytest.raises(ParameterError, match=message):
        whole.truth.programme_effect(**options)


def test_effect_of_a_programme_that_nobody_joined_is_an_empty_table():
    effect = firm(1, programme=False).truth.programme_effect()
    assert list(effect)[:3] == ["event_time", "members", "orders"]
    assert effect.empty


# Cost to serve


def margins(tables, begin, end):
    """Each customer's margin between two days, from the tables alone: avoidable, and with allocated cost."""
    orders, rates = tables["orders"], tables["costs"].set_index("driver")["rate"]
    orders = orders[orders["ordered_at"].between(begin, end, inclusive="left")]
    drivers = ["lines", "deliveries", "returns", "service_calls"]
    margin = orders["amount"] - orders["cost"] - rates["orders"] - orders[drivers] @ rates[drivers]
    ids = tables["customers"]["customer_id"]
    if "memberships" in tables:
        members = tables["memberships"].set_index("customer_id")
        rates_of = members["tier"].map({"basic": 0.01, "silver": 0.02, "gold": 0.03})
        after = orders["ordered_at"] >= orders["customer_id"].map(members["joined_at"])
        margin = margin - after * orders["amount"] * orders["customer_id"].map(rates_of).fillna(0.0)
    avoidable = margin.groupby(orders["customer_id"]).sum().reindex(ids, fill_value=0.0)
    acquired = tables["customers"].set_index("customer_id")["acquired_at"].clip(lower=pd.Timestamp(begin))
    months = ((pd.Timestamp(end) - acquired) / pd.Timedelta(days=30)).clip(lower=0)
    revenue = orders.groupby("customer_id")["amount"].sum().reindex(ids, fill_value=0.0)
    return avoidable.to_numpy(), (avoidable - rates["amount"] * revenue - rates["months"] * months).to_numpy()


@pytest.mark.parametrize("programme", [True, False])
@pytest.mark.parametrize(("begin", "end"), [("2024-07-01", "2026-01-01"), ("2025-05-01", "2025-12-01")])
def test_expected_margin_matches_the_margin_of_the_tables(programme, begin, end):
    tables = firm(60_000, programme=programme)
    truth = tables.truth
    for found, expected in zip(
        margins(tables, begin, end),
        (truth.expected_margin(begin, end), truth.expected_margin(begin, end, allocated=True)),
        strict=True,
    ):
        groups = [truth.margin_per_order < 0, truth.revenue > 0]  # everyone has ordered
        if programme:
            groups += [np.isfinite(truth.joined_days), truth.account]
        for group in groups:
            miss = (found - expected)[group]
            assert abs(miss.sum()) < SIGMAS * miss.std() * len(miss) ** 0.5


def test_a_period_that_is_over_before_anyone_came_has_no_margin(whole):
    assert (whole.truth.expected_margin("2020-01-01", "2024-07-01") == 0).all()
    with pytest.raises(ParameterError, match="reversed"):
        whole.truth.expected_margin("2025-02-01", "2025-01-01")


def test_some_customers_lose_money_for_good_but_not_all_who_seem_to():
    """Of those negative in one half-year and seen in the next, many are positive: regression to the mean."""
    tables = firm(60_000)
    truth = tables.truth
    assert 0.1 < (truth.margin_per_order < 0).mean() < 0.3
    first, _ = margins(tables, "2025-01-01", "2025-07-01")
    second, _ = margins(tables, "2025-07-01", "2026-01-01")
    both = (first != 0) & (second != 0)
    again = (second < 0)[both & (first < 0)].mean()
    others = (second < 0)[both & (first > 0)].mean()
    assert others < again < 0.9
    assert truth.margin_per_order[both & (first < 0)].mean() < truth.margin_per_order[both & (first > 0)].mean()


def test_competitors_court_whom_it_pays_to_win(whole):
    truth = whole.truth
    poached = truth.poaching_probability
    value = truth.purchase_rate / 7 * 365 * truth.margin_per_order
    in_order = np.argsort(value)
    assert (np.diff(poached[in_order]) >= -1e-12).all()
    assert poached.min() == pytest.approx(0.02)
    assert poached.max() < 0.3
    # half-way at 30 a year: .02 + .28 / 2
    assert np.interp(30.0, value[in_order], poached[in_order]) == pytest.approx(0.16, abs=1e-3)


def test_allocated_and_avoidable_activities_are_marked(whole):
    costs = whole["costs"].set_index("activity")
    assert set(costs["behaviour"]) == {"avoidable", "allocated"}
    drivers = {"orders", "lines", "deliveries", "returns", "service_calls", "months", "amount"}
    assert set(costs["driver"]) == drivers
    assert (costs["rate"] > 0).all()


def test_intent_value_raises_the_rates_of_those_who_would_have_come_anyway():
    """Each rate is the plain firm's times e^(0.7 intent); who is won, when and by which channel is the same."""
    plain, moved = (firm(2_000, intent_value=value, programme=False) for value in (0.0, 0.7))
    people = prospects(plain.truth.parameters, plain.truth.entropy)
    factor = np.exp(0.7 * people.intent[people.converts].astype(float))
    np.testing.assert_allclose(moved.truth.purchase_rate, plain.truth.purchase_rate * factor)
    for name in ("customers", "touches"):
        pd.testing.assert_frame_equal(moved[name], plain[name])
    assert moved.fingerprint != plain.fingerprint
    means = pd.Series(factor).groupby(moved["customers"]["channel"].astype(str).to_numpy()).mean()
    assert means["pay per click"] > means["sponsorship"]
    with pytest.raises(ParameterError, match="simulate it with intent_value=0"):
        moved.truth.expected_active_share(0, 30)


def test_added_customers_are_those_who_are_missing_without_the_channel():
    tables = firm(2_000)
    added = tables.truth.added_customers()
    counts = added.groupby("channel").size()
    increments = tables.truth.channel_increments().set_index("channel")["increment"]
    assert counts.to_dict() == increments[increments > 0].to_dict()
    without = firm(2_000, channels_off=("sponsorship",))
    missing = set(tables["customers"]["customer_id"]) - set(without["customers"]["customer_id"])
    assert set(added.loc[added["channel"] == "sponsorship", "customer_id"]) == missing
    left = without.truth.added_customers()
    assert "sponsorship" not in set(left["channel"])
    lonely = firm(20, channels_off=PAID).truth.added_customers()
    assert lonely.empty
    assert lonely.columns.tolist() == ["channel", "customer_id"]
