"""Referrals of the simulated firm: its truth against its tables, and the firm without them as it was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma, spearmanr

from crmlib import data
from crmlib.data.synthetic import referrals
from crmlib.errors import ParameterError
from crmlib.frames import to_pandas

# bounds of 4 standard errors: a miss by chance once in 16,000 checks, and the seeds are fixed
SIGMAS = 4
DAY = np.timedelta64(1, "D")


def firm(customers=60_000, seed=31, **options):
    options = {"reproduction": 0.4, "programme": False, "tables": ("customers", "orders", "referrals")} | options
    return data.simulate(np.random.default_rng(seed), customers=customers, **options)


@pytest.fixture(scope="module")
def whole():
    return firm()


def brought(truth):
    won = truth.referrer[truth.referrer >= 0]
    return np.bincount(won, minlength=len(truth.referrer))


@pytest.mark.parametrize("options", [{}, {"programme": False}, {"programme_effect": 0.5, "trend": 1.3}])
def test_referrals_change_nobody_who_was_not_referred_and_no_journey(options):
    """Only the accounts' common season is drawn anew where a programme runs, as other accounts are held."""
    names = ("customers", "touches", "outcomes", "orders")
    plain, made = (
        firm(3_000, **{"programme": True, "tables": names} | options | {"reproduction": r}) for r in (0.0, 0.5)
    )
    for name in ("touches", "outcomes"):
        pd.testing.assert_frame_equal(plain[name], made[name])
    columns = ["customer_id", "acquired_at", "channel", "region"]
    pd.testing.assert_frame_equal(plain["customers"][columns], made["customers"][columns])
    others = made.truth.customer_id[(made.truth.referrer < 0) & ~made.truth.account & ~plain.truth.account]
    orders = [tables["orders"][tables["orders"]["customer_id"].isin(others)] for tables in (plain, made)]
    pd.testing.assert_frame_equal(*(table.drop(columns="order_id").reset_index(drop=True) for table in orders))


def test_without_lift_and_stay_being_referred_changes_no_order():
    plain, made = firm(3_000, reproduction=0, tables="orders"), firm(3_000, referral_lift=1, referral_stay=1)
    pd.testing.assert_frame_equal(plain["orders"], made["orders"])
    assert made.truth.parameters.plain


def test_the_table_and_the_truth_agree(whole):
    table, truth = whole["referrals"], whole.truth
    assert not data.contract_report(whole, as_of=whole.as_of).faults
    won = table.dropna(subset="customer_id")
    rows = won["customer_id"].to_numpy(dtype=int) - 1
    assert sorted(rows) == np.flatnonzero(truth.referrer >= 0).tolist()
    assert (won["referrer_id"].to_numpy() - 1 == truth.referrer[rows]).all()
    assert (won["joined_at"].to_numpy() == truth.acquired_at[rows]).all()
    invited, sent_by = table["invited_at"].to_numpy(), truth.acquired_at[table["referrer_id"].to_numpy() - 1]
    assert (invited >= sent_by).all()
    assert (won["invited_at"] <= won["joined_at"]).all()
    assert table["joined_at"].isna().equals(table["customer_id"].isna())
    assert (table["referral_id"].to_numpy() == np.arange(1, len(table) + 1)).all()
    arm = whole["customers"]["referral_arm"].map(dict(zip(referrals.ARMS, (False, True), strict=True)))
    assert (arm.to_numpy() == truth.offered).all()


@pytest.mark.parametrize("offered", [True, False])
@pytest.mark.parametrize("days", [30, 90, 300])
def test_customers_refer_as_many_as_the_reproduction_number_says(whole, offered, days):
    truth = whole.truth
    old = (truth.observed_days >= days) & (truth.offered == offered)
    won = np.flatnonzero(truth.referrer >= 0)
    cycle = (truth.acquired_at[won] - truth.acquired_at[truth.referrer[won]]) / DAY
    number = np.bincount(truth.referrer[won[cycle <= days]], minlength=len(old))[old]
    # by hand: 0.4, held out 0.4 / 1.6 = 0.25, times the gamma distribution function of shape 2 and mean 45
    expected = (0.4 if offered else 0.25) * gamma.cdf(days, 2, scale=22.5)
    assert truth.reproduction_number(days, offered) == pytest.approx(expected)
    # looking for a referrer within a day of an instant blurs the cycle time by as much
    blur = 0.01 * expected if days < 90 else 0.0
    assert number.mean() == pytest.approx(expected, abs=SIGMAS * number.std() / np.sqrt(len(number)) + blur)


def test_reproduction_of_everyone_is_that_of_the_arms_by_their_shares(whole):
    # 3/4 of 0.4 and 1/4 of 0.25
    assert whole.truth.reproduction_number() == pytest.approx(0.3625)


def test_cycle_times_of_old_referrers_are_gamma(whole):
    truth = whole.truth
    won = np.flatnonzero(truth.referrer >= 0)
    won = won[truth.observed_days[truth.referrer[won]] > 400]
    cycle = (truth.acquired_at[won] - truth.acquired_at[truth.referrer[won]]) / DAY
    assert cycle.min() >= 0
    assert cycle.mean() == pytest.approx(45, abs=SIGMAS * cycle.std() / np.sqrt(len(cycle)))
    assert np.median(cycle) == pytest.approx(gamma.median(2, scale=22.5), abs=2.0)


def test_acceptance_is_a_quarter_in_the_long_run(whole):
    table = whole["referrals"]
    old = table[table["invited_at"] < "2025-06-01"]
    accepted = old["customer_id"].notna()
    assert accepted.mean() == pytest.approx(0.25, abs=SIGMAS * np.sqrt(0.25 * 0.75 / len(old)))


def test_the_referred_resemble_their_referrers_only_as_far_as_asked(whole):
    for tables, expected in ((whole, True), (firm(likeness=0.0, referral_lift=1, referral_stay=1), False)):
        truth = tables.truth
        won = np.flatnonzero(truth.referrer >= 0)
        found = spearmanr(truth.purchase_rate[won], truth.purchase_rate[truth.referrer[won]])
        error = 1 / np.sqrt(len(won))
        assert (found.statistic > 0.2) if expected else (abs(found.statistic) < SIGMAS * error)


def test_orders_of_the_referred_are_those_that_the_truth_expects(whole):
    truth, days = whole.truth, 180
    effect = truth.referral_effect(days)
    since = whole["orders"]["ordered_at"].to_numpy() - truth.acquired_at[whole["orders"]["customer_id"].to_numpy() - 1]
    early = whole["orders"][since <= days * DAY]
    rows = early["customer_id"].to_numpy() - 1
    number = len(truth.customer_id)
    last = rows[(since[since <= days * DAY] > 90 * DAY)]
    seen = {
        "orders": np.bincount(rows, minlength=number),
        "gross_margin": np.bincount(rows, early["amount"] - early["cost"], number),
        "active": np.bincount(last, minlength=number) > 0,
    }
    for referred in (True, False):
        chosen = (truth.observed_days >= days) & ((truth.referrer >= 0) == referred)
        for name, values in seen.items():
            error = (values[chosen] - effect[name].to_numpy()[chosen]).std() / np.sqrt(chosen.sum())
            assert values[chosen].mean() == pytest.approx(effect[name][chosen].mean(), abs=SIGMAS * error)
    same = effect[~effect["referred"]]
    assert same["orders"].to_numpy() == pytest.approx(same["orders_without"].to_numpy())
    assert (effect["margin"] < effect["gross_margin"]).all()


def test_effect_of_one_customer_by_hand():
    """λ' = lift·λ(1-p) + stay·λp: with λ .5, p .2, lift 1.2, stay .5 it is .48 + .05 = .53, p' = .05/.53."""
    import dataclasses

    tables = firm(1, referral_lift=1.2, referral_stay=0.5)
    truth = dataclasses.replace(
        tables.truth,
        purchase_rate=np.array([0.53]),
        dropout_probability=np.array([0.05 / 0.53]),
        referrer=np.array([0]),
    )
    found = truth.referral_effect(14, quiet_days=7).iloc[0]
    # two weeks: 1 + .53 (1 - e^-.1) / .05 = 1 + 10.6 × .0951626 = 2.0087234
    assert found["orders"] == pytest.approx(2.0087234, abs=1e-6)
    # without: 1 + .5 (1 - e^-.2) / .1 = 1 + 5 × .1812692 = 1.9063462
    assert found["orders_without"] == pytest.approx(1.9063462, abs=1e-6)
    # active in the second week: e^-.05 (1 - e^-.53) and e^-.1 (1 - e^-.5)
    assert found["active"] == pytest.approx(0.9512294 * 0.4113950, abs=1e-6)
    assert found["active_without"] == pytest.approx(0.9048374 * 0.3934693, abs=1e-6)


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_every_engine_gets_the_same_referrals(engine):
    found = to_pandas(firm(500, engine=engine)["referrals"], sort_by=["referral_id"])
    pd.testing.assert_frame_equal(found, firm(500)["referrals"], check_dtype=False)


@pytest.mark.parametrize("customers", [1, 2, 30])
@pytest.mark.parametrize("options", [{}, {"programme": True}, {"reproduction": 0.8}, {"referral_days": 3650}])
def test_small_and_unusual_firms_keep_their_contracts(customers, options):
    tables = firm(customers, **options, seed=5)
    assert not data.contract_report(tables, as_of=tables.as_of).faults
    assert ("referrals" in tables) or tables.notes == ("no referrals: nobody has invited anyone yet",)


def test_options_out_of_range_are_refused_with_their_names():
    for option, value in {
        "reproduction": 1.0,
        "referral_days": 0,
        "referral_lift": 0.9,
        "referral_stay": 1.1,
        "likeness": 2,
        "reward_effect": 0.5,
    }.items():
        with pytest.raises(ParameterError, match=option):
            firm(10, **{option: value})
    with pytest.raises(ParameterError, match="channels_off"):
        firm(10, channels_off=("viral",))
    with pytest.raises(ParameterError, match="set reproduction above 0"):
        firm(10, reproduction=0.0)
    with pytest.raises(ParameterError, match="programme=False"):
        firm(10, programme=True).truth.referral_effect(90)


def test_a_firm_without_referrals_has_the_fingerprint_it_had_and_names_the_remedy():
    plain = firm(10, reproduction=0.0, tables="customers")
    same = firm(10, reproduction=0.0, tables="customers", referral_days=99.0)
    assert plain.fingerprint == same.fingerprint
    with pytest.raises(data.MissingTableError, match=r"data\.simulate\(rng, reproduction="):
        plain["referrals"]
