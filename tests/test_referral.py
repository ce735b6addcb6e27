"""Referral: links judged by hand, estimates against arithmetic and against the simulated truth."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import referral as benchmark
from crmlib import referral
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas
from crmlib.referral import conclusions
from crmlib.referral.reproduction import Counts


def instant(text):
    return datetime.datetime.fromisoformat(text)


#: a came first, then d and b; each case of `judged_referrals` has a row.
CUSTOMERS = {
    "customer_id": ["a", "b", "c", "d", "e"],
    "acquired_at": [instant(f"2025-{day}") for day in ("01-01", "01-20", "02-10 08:00", "01-03", "02-01")],
    "channel": ["u", "v", "u", "v", "u"],
}
CASES = [
    # id, referrer, invited, customer, joined -> status
    (1, "a", "2025-01-05", "b", "2025-01-20", "accepted"),
    (2, "a", "2025-01-06", "a", "2025-01-07", "self"),
    (3, "b", "2025-02-10 09:00", "c", None, "accepted"),  # invited on the very day of joining: days are compared
    (4, None, "2025-01-01", "c", None, "incomplete"),
    (5, "x", "2025-01-01", "d", None, "unknown referrer"),
    (6, "d", "2025-01-10", "zz", "2025-01-12", "unknown customer"),
    (7, "b", "2025-01-21", None, None, "open"),
    (8, "d", "2025-03-01", "b", "2025-01-20", "customer before"),
    (9, "d", "2025-01-07", "b", "2025-01-20", "later invitation"),
    (10, "b", None, "c", None, "incomplete"),
    (11, "a", "2025-02-20", "c", "2026-02-01", "open"),  # joins after the last day
    (12, "a", "2026-03-01", None, None, None),  # invited after the last day: left out
    (13, "c", "2025-01-31", "e", "2025-02-01", "before referrer"),
    (14, "a", "2025-01-05", "b", "2025-01-20", "later invitation"),  # the same again: the lower id counts
]


def referrals(cases=CASES):
    names = ("referral_id", "referrer_id", "invited_at", "customer_id", "joined_at")
    columns = {name: [case[number] for case in cases] for number, name in enumerate(names)}
    for name in ("invited_at", "joined_at"):
        columns[name] = [None if value is None else instant(value) for value in columns[name]]
    return columns


def based(cases, customers=CUSTOMERS, as_of="2025-12-31", **options):
    names = ["referral_id", "referrer_id", "invited_at", "customer_id", "joined_at"]
    table = pd.DataFrame(referrals(cases), columns=names)
    for name in ("invited_at", "joined_at"):
        table[name] = pd.to_datetime(table[name])
    return referral.referral_base(table, pd.DataFrame(customers), as_of=as_of, **options)


def followed(days, events=(), **columns):
    """Base of customers followed so many days by 2025-12-31, with (referrer, customer) links by their place."""
    last = datetime.datetime(2025, 12, 31)
    acquired = [last - datetime.timedelta(days=each) for each in days]
    customers = {"customer_id": list(range(len(days))), "acquired_at": acquired, **columns}
    cases = [(n, who, str(acquired[who]), whom, str(acquired[whom])) for n, (who, whom) in enumerate(events)]
    return based(cases, customers, columns=list(columns))


@pytest.fixture(scope="module")
def firm():
    return referral.referring_firm(5, customers=6_000)


@pytest.fixture(scope="module")
def base(firm):
    columns = ["referral_arm", "channel", "region"]
    return referral.referral_base(firm["referrals"], firm["customers"], as_of=firm.as_of, columns=columns)


@pytest.fixture(scope="module")
def valued(firm, base):
    return referral.valued_customers(base, referral.early_value(firm["orders"], firm["customers"], as_of=firm.as_of))


# Links


def test_every_case_is_judged_the_same_on_every_engine(frame):
    judged = referral.judged_referrals(frame(referrals()), frame(CUSTOMERS), as_of="2025-12-31")
    assert frame.same_kind(judged)
    found = to_pandas(judged, sort_by=["referral_id"])
    expected = {case[0]: case[5] for case in CASES if case[5]}
    assert dict(zip(found["referral_id"], found["status"], strict=True)) == expected
    days = found.set_index("referral_id")
    # b was won on January 20th: 15 days after the invitation, 19 after a
    assert days.loc[1, ["response_days", "cycle_days"]].tolist() == [15, 19]
    # c on February 10th, the day of the invitation, 21 after b
    assert days.loc[3, ["response_days", "cycle_days"]].tolist() == [0, 21]
    assert days.loc[5, "response_days"] == 2
    assert days["cycle_days"].notna().sum() == 2


def test_histories_count_what_each_customer_sent_and_brought(frame):
    judged = referral.judged_referrals(frame(referrals()), frame(CUSTOMERS), as_of="2025-12-31")
    table = referral.referrer_histories(judged, frame(CUSTOMERS), as_of="2025-12-31", columns=["channel"])
    assert frame.same_kind(table)
    found = to_pandas(table, sort_by=["customer_id"])
    assert found["invitations"].tolist() == [3, 2, 1, 3, 0]
    assert found["brought"].tolist() == [1, 1, 0, 0, 0]
    assert found["referred"].tolist() == [False, True, True, True, True]
    assert found["followed_days"].tolist() == [364, 345, 324, 362, 333]
    assert found["cohort"].dt.strftime("%Y-%m").tolist() == ["2025-01", "2025-01", "2025-02", "2025-01", "2025-02"]
    assert found["channel"].tolist() == CUSTOMERS["channel"]


def test_columns_that_may_be_absent_are(frame):
    some = {name: values for name, values in referrals().items() if name != "joined_at"}
    found = to_pandas(
        referral.judged_referrals(frame(some), frame(CUSTOMERS), as_of="2025-12-31"), sort_by=["referral_id"]
    )
    # acquired_at stands in: all but 11, which is now an invitation after c had come
    assert dict(zip(found["referral_id"], found["status"], strict=True))[11] == "customer before"
    none = {name: values for name, values in some.items() if name != "customer_id"}
    found = to_pandas(
        referral.judged_referrals(frame(none), frame(CUSTOMERS), as_of="2025-12-31"), sort_by=["referral_id"]
    )
    assert set(found["status"]) == {"open", "incomplete"}
    with pytest.raises(MissingColumnsError, match="invited_at"):
        referral.judged_referrals(frame({"referral_id": [1], "referrer_id": [1]}), frame(CUSTOMERS), as_of="2025-12-31")


def test_dates_without_a_time_are_judged_alike(frame):
    as_days = lambda columns: {  # noqa: E731
        name: [value.date() if isinstance(value, datetime.datetime) else value for value in values]
        for name, values in columns.items()
    }
    found = referral.judged_referrals(frame(as_days(referrals())), frame(as_days(CUSTOMERS)), as_of="2025-12-31")
    statuses = to_pandas(found, sort_by=["referral_id"])["status"].tolist()
    assert statuses == [case[5] for case in CASES if case[5]]


def test_an_earlier_last_day_is_as_if_later_rows_were_not_there(base, firm):
    early = referral.referral_base(firm["referrals"], firm["customers"], as_of="2025-03-31")
    customers = firm["customers"][firm["customers"]["acquired_at"] < "2025-04-01"]
    table = firm["referrals"][firm["referrals"]["invited_at"] < "2025-04-01"].copy()
    late = table["joined_at"] >= "2025-04-01"
    table.loc[late, "customer_id"], table.loc[late, "joined_at"] = pd.NA, pd.NaT
    cut = referral.referral_base(table, customers, as_of="2025-03-31")
    pd.testing.assert_frame_equal(early.customers, cut.customers)
    pd.testing.assert_frame_equal(early.links, cut.links)
    assert len(early.links) < len(base.links)


def test_generations_and_families_by_hand():
    """0 brings 1 and 2, 2 brings 3; 4 and 5 are of one day and refer each other, 5 brings 6; 7 is alone."""
    made = followed([90, 80, 70, 60, 50, 50, 40, 30], [(0, 1), (0, 2), (2, 3), (4, 5), (5, 4), (5, 6)])
    assert made.customers["generation"].fillna(-1).tolist() == [0, 1, 1, 2, -1, -1, -1, 0]
    assert made.customers["family"].tolist() == [0, 0, 0, 0, 4, 5, 6, 7]
    assert made.links["cycle_days"].tolist() == [10, 20, 10, 0, 0, 10]
    sizes = referral.generation_sizes(made, 0.5, 3)
    assert sizes["customers"].tolist() == [2, 2, 1, 0]
    assert sizes["expected"].tolist() == [2, 1, 0.5, 0.25]


def test_a_line_of_a_thousand_generations():
    made = followed(list(range(1_000, 0, -1)), [(n, n + 1) for n in range(999)])
    assert made.customers["generation"].tolist() == list(range(1_000))
    assert (made.customers["family"] == 0).all()


def test_statuses_are_counted():
    found = based([case[:5] for case in CASES]).statuses
    assert found.to_dict() == {status: sum(case[5] == status for case in CASES) for status in referral.STATUSES}


def test_ids_that_are_all_missing_have_the_customers_type(frame):
    import pyarrow as pa

    for ids in (["a", "b"], [1, 2]):
        customers = {"customer_id": ids, "acquired_at": [instant("2025-01-01")] * 2}
        table = referrals([(1, ids[0], "2025-02-01", None, None)])
        table["customer_id"] = pa.array([None], pa.float64())
        judged = referral.judged_referrals(frame(table), frame(customers), as_of="2025-12-31")
        assert to_pandas(judged)["status"].tolist() == ["open"]


def test_customers_won_before_referrals_were_recorded_are_left_out(frame):
    """From January 3rd on: a is nobody known, so that b was referred, by somebody unknown."""
    tables = (frame(referrals()), frame(CUSTOMERS))
    made = referral.referral_base(*tables, as_of="2025-12-31", since="2025-01-03", columns=["channel"])
    assert made.customers["customer_id"].tolist() == ["b", "c", "d", "e"]
    assert made.customers["referred"].tolist() == [True] * 4
    assert len(made.links) == 1
    assert made.statuses["unknown referrer"] == 2
    with pytest.raises(DataError, match="from 2026-01-01 up to 2025-12-31"):
        referral.referral_base(*tables, as_of="2025-12-31", since="2026-01-01")


def test_the_base_refuses_what_it_cannot_use():
    with pytest.raises(DataError, match="no customer"):
        based([], as_of="2024-12-31")
    twice = {name: [*values, values[0]] for name, values in CUSTOMERS.items()}
    with pytest.raises(DataError, match="two rows"):
        based([], twice)
    with pytest.raises(ParameterError, match="as_of is not set"):
        based([], as_of="")
    with pytest.raises(MissingColumnsError, match="'age'"):
        referral.reproduction_number(based([]), days=10, by="age")


# Reproduction number


def test_reproduction_by_hand():
    """Followed 10, 6 and 3 days; the first brings one at 4 and one at 7, the second one at 3.

    Three are followed to day 3 (1/3), two to day 4 (1/2), one to day 7 (1/1). Within 6 days: 1/3 + 1/2. The first
    errs by 1/2 - (1/9 + 1/4), the second by 1/3 - (1/9 + 1/4), the third by -1/9: squares .0192901 + .0007716 +
    .0123457 = .0324074, root .1800206.
    """
    made = followed([10, 6, 3, 6, 3, 3], [(0, 3), (0, 4), (1, 5)], kind=["x", "x", "x", "y", "y", "y"])
    row = referral.reproduction_number(made, days=6, by="kind").iloc[0]
    assert row["reproduction"] == pytest.approx(1 / 3 + 1 / 2)
    assert row["standard_error"] == pytest.approx(0.1800206, abs=1e-7)
    assert row[["customers", "complete", "events"]].tolist() == [3, 2, 2]
    assert row["crude"] == pytest.approx(2 / 3)
    assert row["complete_mean"] == 1
    # ± 1.959964 × .1800206 / .8333333 = .4234005 on the log scale
    assert row[["low", "high"]].tolist() == pytest.approx(
        [0.8333333 * np.exp(-0.4234005), 0.8333333 * np.exp(0.4234005)]
    )
    whole = referral.reproduction_number(made, days=10, by="kind").iloc[0]
    assert whole["reproduction"] == pytest.approx(1 / 3 + 1 / 2 + 1)
    other = referral.reproduction_number(made, days=10, by="kind").iloc[1]
    assert np.isnan(other["reproduction"]), "nobody of the group has been followed so long"


def test_when_all_are_complete_it_is_the_mean_and_its_error():
    made = followed([100] * 4 + [90, 80, 70], [(0, 4), (0, 5), (1, 6)], kind=["x"] * 4 + ["y"] * 3)
    row = referral.reproduction_number(made, days=50, by="kind").iloc[0]
    counts = np.array([2, 1, 0, 0])
    assert row["reproduction"] == row["crude"] == row["complete_mean"] == counts.mean()
    assert row["standard_error"] == pytest.approx(counts.std() / 2)


def test_no_referrals_give_zero_and_an_upper_end():
    row = referral.reproduction_number(based([]), days=100).iloc[0]
    assert row[["reproduction", "low", "standard_error"]].tolist() == [0, 0, 0]
    # Poisson: 5 customers, none brought: -ln(.025) / 5
    assert row["high"] == pytest.approx(3.688879 / 5, abs=1e-6)
    with pytest.raises(DataError, match="no cycle time"):
        referral.cycle_time(based([]), days=100)
    with pytest.raises(DataError, match="no rate of growth"):
        referral.growth_rate(based([]), days=100)
    with pytest.raises(DataError, match="longer window"):
        referral.referrer_concentration(based([]), days=100, rng=np.random.default_rng(1))
    assert referral.growth_curve(based([]), days=100, horizon=9)["cumulative"].iloc[-1] == 10


def test_one_customer():
    made = followed([50])
    assert referral.reproduction_number(made, days=50).iloc[0]["reproduction"] == 0
    assert made.customers["generation"].tolist() == [0]


def test_everyone_referred_and_more_than_one_each():
    """One person, two brought by them, four by these: R is 1 or more, and the sum over generations has no end."""
    events = [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6)]
    made = followed([89, 59, 59, 29, 29, 29, 29], events)
    row = referral.reproduction_number(made, days=59).iloc[0]
    assert row["reproduction"] == pytest.approx(6 / 3)
    assert referral.growth_multiplier(row["reproduction"])["multiplier"] == np.inf
    rate = referral.growth_rate(made, days=59)
    # two each after exactly 30 days: doubles every 30 days
    assert rate["doubling_days"] == pytest.approx(30)
    assert np.isnan(rate["halving_days"])
    assert "no end" in conclusions.multiplier(row, level=0.95).sentence
    people = made.customers.assign(margin=1.0, orders=1, active=1, referrer=-1).query("referred")
    with pytest.raises(DataError, match="everyone was referred"):
        referral.worth_difference(people, attributes=())


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rows_in_any_order_and_longer_windows_change_nothing_they_should_not(seed):
    rng = np.random.default_rng(seed)
    firm = referral.referring_firm(seed, customers=150, referral_days=20.0)
    if "referrals" not in firm:
        return
    made = [
        referral.referral_base(
            table.sample(frac=1, random_state=int(rng.integers(99))), firm["customers"], as_of=firm.as_of
        )
        for table in (firm["referrals"], firm["referrals"])
    ]
    numbers = [referral.reproduction_number(each, days=60).iloc[0] for each in made]
    pd.testing.assert_series_equal(*numbers)
    curve = referral.reproduction_curve(made[0], days=60, points=10)
    assert curve["reproduction"].is_monotonic_increasing
    assert curve["reproduction"].iloc[-1] == pytest.approx(numbers[0]["reproduction"])
    assert curve["standard_error"].iloc[-1] == pytest.approx(numbers[0]["standard_error"])
    counts = Counts.of(made[0], 60, np.ones(150, dtype=bool))
    assert counts.influence().sum() == pytest.approx(0, abs=1e-9)


def test_windows_that_nobody_has_had_are_refused(base):
    for days in (0, 1.5, True, "9"):
        with pytest.raises(ParameterError, match="whole number of days"):
            referral.reproduction_number(base, days=days)
    with pytest.raises(DataError, match="longer than 548 days"):  # exit code 3: the data are too short
        referral.reproduction_number(base, days=549)
    with pytest.raises(ParameterError, match="event is"):
        referral.reproduction_number(base, days=10, event="liked")


def test_invitations_times_acceptance_is_about_the_reproduction_number(base):
    sent = referral.reproduction_number(base, days=365, event="invited").iloc[0]
    accepted = referral.acceptance_rate(base, days=90).iloc[0]
    brought = referral.reproduction_number(base, days=365).iloc[0]
    assert sent["reproduction"] * accepted["acceptance_rate"] == pytest.approx(brought["reproduction"], rel=0.1)


def test_acceptance_by_hand():
    """a sent three, one accepted; b two, one accepted: 2/5 of those old enough.

    Errors: a 1 - .4 × 3 = -.2, b 1 - .4 × 2 = .2; root of .08 over 5.
    """
    cases = [(1, "a", "2025-01-05", "b", "2025-01-20"), (2, "a", "2025-01-06", None, None)]
    cases += [(3, "a", "2025-01-07", None, None), (4, "b", "2025-01-25", "c", "2025-02-10 08:00")]
    cases += [(5, "b", "2025-01-26", None, None), (6, "b", "2025-12-20", None, None)]
    row = referral.acceptance_rate(based(cases), days=30).iloc[0]
    assert row[["customers", "invitations", "accepted"]].tolist() == [2, 5, 2]
    assert row["acceptance_rate"] == 0.4
    assert np.isnan(row["low"]), "fewer than 30"
    assert referral.acceptance_rate(based(cases), days=15).iloc[0]["accepted"] == 1, "c took 16 days"
    with pytest.raises(ParameterError, match="whole number of days"):
        referral.acceptance_rate(based(cases), days=0)


# Cycle time and growth


def test_cycle_time_by_hand():
    """The case above: cycles 3 (of three followed), 4 (of two): weights 1/3 and 1/2, mean (1 + 2) / (5/6) = 3.6."""
    made = followed([10, 6, 3, 6, 3, 3], [(0, 3), (0, 4), (1, 5)])
    # at days 3 and 4 six and three are followed: 3/6 would be wrong, as 2, 4 and 5 are customers too
    counts = Counts.of(made, 6, np.array([True, True, True, False, False, False]))
    ages = np.arange(7)
    assert ages @ counts.steps / counts.steps.sum() == pytest.approx(3.6)
    table = referral.cycle_time(made, days=6).set_index("statistic")
    # all six: 1/6 at day 3, 1/3 at day 4: mean (.5 + 1.3333333) / .5 = 3.6666667
    assert table.loc["mean", "days"] == pytest.approx(3.6666667)
    assert table.loc["mean", "seen"] == 3.5
    # a third by day 3, all by day 4, which is spread over 3.5 to 4.5: half at 3.5 + (1/2 - 1/3) / (2/3)
    assert table.loc["median", "days"] == pytest.approx(3.75)
    assert table["low"].isna().all(), "fewer than ten"
    shares = referral.cycle_distribution(made, days=6)
    assert shares["share"].tolist() == pytest.approx([0, 0, 0, 1 / 3, 1, 1, 1])
    assert shares["seen_share"].tolist() == pytest.approx([0, 0, 0, 0.5, 1, 1, 1])


def test_growth_by_hand():
    """Half a customer each after exactly 10 days, 8 seeds on day 0: 8, 4, 2, 1 on days 0, 10, 20, 30."""
    made = followed([100, 100, 90], [(0, 2)])
    steps = referral.growth_curve(made, days=20, horizon=30, seeds=8, seed_days=1, reproduction=(0.25, 1.0))
    assert made.links["cycle_days"].tolist() == [10]
    third = 1 / 3  # one of three customers brought someone
    assert steps["referred"].iloc[[10, 20, 30]].tolist() == pytest.approx([8 * third, 8 * third**2, 8 * third**3])
    assert steps["cumulative"].iloc[-1] == pytest.approx(8 * (1 + third + third**2 + third**3))
    assert steps["low"].iloc[-1] == pytest.approx(8 * (1 + 0.25 + 0.25**2 + 0.25**3))
    assert steps["high"].iloc[-1] == pytest.approx(8 * 4)
    rate = referral.growth_rate(made, days=20)
    # a third every ten days: e^(-10 r) / 3 = 1
    assert rate["rate"] == pytest.approx(-np.log(3) / 10)
    assert rate["halving_days"] == pytest.approx(10 * np.log(2) / np.log(3))
    ends = referral.growth_rate(made, days=20, reproduction=(0.25, 2.0))
    assert [ends["low"], ends["high"]] == pytest.approx([-np.log(4) / 10, np.log(2) / 10])
    with pytest.raises(ParameterError, match="two numbers above 0"):
        referral.growth_rate(made, days=20, reproduction=(0.0, 1.0))
    for options in ({"horizon": 0}, {"seeds": 0.0}):
        with pytest.raises(ParameterError):
            referral.growth_curve(made, **{"days": 20, "horizon": 10} | options)


def test_growth_of_those_brought_the_same_day():
    """Half a customer each on the very day: 1 / (1 - 1/2) a day for each seed."""
    made = followed([100, 100], [(0, 1)])
    assert referral.growth_curve(made, days=20, horizon=3)["cumulative"].tolist() == pytest.approx([2, 4, 6, 8])


def test_multiplier_by_hand():
    assert referral.growth_multiplier(0.2, 0.0, 1.0) == {"multiplier": 1.25, "low": 1.0, "high": np.inf}
    # 1 + .2 / (1 - .6)
    assert referral.growth_multiplier(0.2, later=0.6)["multiplier"] == pytest.approx(1.5)
    assert np.isnan(referral.growth_multiplier(np.nan)["multiplier"])
    with pytest.raises(ParameterError, match="0 or more"):
        referral.growth_multiplier(-0.1)


def test_the_growth_curve_reaches_the_multiplier(base):
    row = referral.reproduction_number(base, days=120).iloc[0]
    curve = referral.growth_curve(base, days=120, horizon=2_000, seed_days=1)
    assert curve["cumulative"].iloc[-1] == pytest.approx(referral.growth_multiplier(row["reproduction"])["multiplier"])


def test_concentration_by_hand():
    """Ten customers, who brought 3, 1 and 8 times 0 (of whom 4 are those brought): the top tenth brought 3 of 4."""
    made = followed([100] * 6 + [90] * 4, [(0, 6), (0, 7), (0, 8), (1, 9)])
    table = referral.referrer_concentration(made, days=60, parts=(0.1, 0.15), rng=np.random.default_rng(1))
    # half of the second customer is in the top 15 %: 3.5 of 4
    assert table["value"].tolist() == pytest.approx([0.75, 0.875, 0.2])
    assert table["low"].isna().all(), "fewer than 30 have brought someone"
    # Poisson with mean .4: P(0) = e^-.4
    assert table["chance"].iloc[-1] == pytest.approx(1 - np.exp(-0.4))


def test_concentration_of_equals_is_what_chance_makes():
    """Poisson numbers, no referrer better than another: the intervals hold chance."""
    rng = np.random.default_rng(8)
    number, brings = 3_000, 0.5
    who = np.repeat(np.arange(number), rng.poisson(brings, number))
    made = followed([400] * number + [300] * len(who), [(w, number + n) for n, w in enumerate(who)])
    old = referral.ReferralBase(made.customers.iloc[:number], made.links, made.invitations, made.statuses)
    table = referral.referrer_concentration(old, days=200, rng=rng)
    assert ((table["low"] <= table["chance"]) & (table["chance"] <= table["high"])).all()


# Worth


def test_early_value_by_hand(frame):
    """Customer 1 orders on days 0, 5 and 11 of a window of 10; 2 never; 3 has not had the days."""
    day = lambda number: instant("2025-01-01") + datetime.timedelta(days=number)  # noqa: E731
    customers = {"customer_id": [1, 2, 3], "acquired_at": [day(0), day(1), day(15)]}
    orders = {
        "customer_id": [1, 1, 1, 3, None, 1],
        "ordered_at": [day(0), day(5), day(11), day(15), day(2), day(-1)],
        "amount": [10.0, 20.0, 40.0, 80.0, 160.0, 320.0],
        "cost": [4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
    }
    table = referral.early_value(frame(orders), frame(customers), as_of="2025-01-20", days=10, quiet_days=5)
    assert frame.same_kind(table)
    found = to_pandas(table, sort_by=["customer_id"])
    assert found.to_numpy().tolist() == [[1, 2, 21.0, 0], [2, 0, 0.0, 0]]
    late = referral.early_value(frame(orders), frame(customers), as_of="2025-01-20", days=10, quiet_days=6)
    assert to_pandas(late, sort_by=["customer_id"])["active"].tolist() == [1, 0]
    rate = referral.early_value(
        frame(orders), frame(customers), as_of="2025-01-20", days=10, quiet_days=5, margin_rate=0.5
    )
    assert to_pandas(rate, sort_by=["customer_id"])["margin"].tolist() == [15.0, 0.0]


def test_a_return_of_the_first_days_is_margin_but_no_order(frame):
    """One order of 20 on day 0, 8 of it returned on day 9: margin 0.5 × 12, one order, not active at the end."""
    start = instant("2025-01-01")
    customers = {"customer_id": [1], "acquired_at": [start]}
    moments = [start, start + datetime.timedelta(days=9)]
    orders = {"customer_id": [1, 1], "ordered_at": moments, "amount": [20.0, -8.0]}
    options = {"as_of": "2025-01-20", "days": 10, "quiet_days": 5, "margin_rate": 0.5}
    table = to_pandas(referral.early_value(frame(orders), frame(customers), **options))
    assert table[["orders", "margin", "active"]].to_numpy().tolist() == [[1, 6.0, 0]]


def test_early_value_refuses_windows_that_make_no_sense(firm):
    tables = (firm["orders"], firm["customers"])
    for options in ({"days": 0}, {"quiet_days": 181}, {"margin_rate": 2.0}, {"as_of": ""}):
        with pytest.raises(ParameterError):
            referral.early_value(*tables, **{"as_of": firm.as_of} | options)
    with pytest.raises(MissingColumnsError, match="cost"):
        referral.early_value(firm["orders"].drop(columns="cost"), firm["customers"], as_of=firm.as_of)


def worth_table(rows):
    """Family, cohort, referred, margin."""
    table = pd.DataFrame(rows, columns=["family", "cohort", "referred", "margin"])
    return table.assign(orders=1, active=1, channel="u", region="v")


def test_worth_by_hand():
    """Two months: referred 10, 14 against 8, 4 (means 12 and 6), referred 20 against 11, 13, 15 (20 and 13).

    Naive: 44/3 - 51/5 = 4.4666667. Within months, weighted by the referred: (2 × 6 + 1 × 7) / 3 = 6.3333333.
    """
    rows = [(0, 1, True, 10), (1, 1, True, 14), (2, 1, False, 8), (3, 1, False, 4)]
    rows += [(4, 2, True, 20), (5, 2, False, 11), (6, 2, False, 13), (7, 2, False, 15)]
    found = referral.worth_difference(worth_table(rows)).set_index("method")
    assert found.loc["naive", "difference"] == pytest.approx(44 / 3 - 51 / 5)
    assert found.loc["cohort", "difference"] == found.loc["matched", "difference"] == pytest.approx(19 / 3)
    # least squares weighs months by the variance of being referred: 4 × 1/4 = 1 and 4 × 3/16 = 3/4
    assert found.loc["regression", "difference"] == pytest.approx((6 * 1 + 7 * 0.75) / 1.75)
    # naive errors: (10-44/3, 14-44/3, 20-44/3) / 3 and (8, 4, 11, 13, 15 less 10.2) / 5
    squares = (np.array([-14, -2, 16]) / 9) ** 2
    others = (np.array([2.2, 6.2, -0.8, -2.8, -4.8]) / 5) ** 2
    assert found.loc["naive", "standard_error"] == pytest.approx(np.sqrt(squares.sum() + others.sum()))
    assert found["low"].isna().all(), "fewer than 30 on a side"
    # one family of all: errors add up before they are squared, to nothing
    same = referral.worth_difference(worth_table([(0, *row[1:]) for row in rows])).set_index("method")
    assert same.loc["naive", "standard_error"] == pytest.approx(0, abs=1e-12)


def test_months_without_the_others_are_left_out_and_counted():
    rows = [(0, 1, True, 10), (1, 1, False, 4), (2, 2, True, 99), (3, 3, False, 0)]
    found = referral.worth_difference(worth_table(rows)).set_index("method")
    assert found.loc["cohort", ["referred", "others", "difference"]].tolist() == [1, 1, 6]
    assert found.loc["naive", ["referred", "others"]].tolist() == [2, 2]
    apart = referral.worth_difference(worth_table([(0, 1, True, 10), (1, 2, False, 4)])).set_index("method")
    assert np.isnan(apart.loc["matched", "difference"])
    assert "to compare with" in conclusions.attributes(apart.reset_index(), currency="USD", level=0.95).sentence


def test_regression_is_that_of_statsmodels(valued):
    import statsmodels.formula.api as smf

    found = referral.worth_difference(valued, outcome="orders").set_index("method").loc["regression"]
    data = valued.assign(treated=valued["referred"].astype(float), month=valued["cohort"].astype(str))
    model = smf.ols("orders ~ treated + C(month) + C(channel) + C(region)", data)
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": data["family"], "use_correction": False})
    assert found["difference"] == pytest.approx(fit.params["treated"])
    assert found["standard_error"] == pytest.approx(fit.bse["treated"])


def test_worth_refuses_what_it_cannot_compare(valued):
    with pytest.raises(ParameterError, match="outcome"):
        referral.worth_difference(valued, outcome="smiles")
    with pytest.raises(MissingColumnsError, match="age"):
        referral.worth_difference(valued, attributes=["age"])
    with pytest.raises(DataError, match="nobody was referred"):
        referral.worth_difference(valued[~valued["referred"]])


# Return on a reward


def test_return_by_hand():
    """Offered: 4 customers bring 2 (R .5); held out: 2 bring 1... of whom one would be worth 30 and one 50.

    R1 = 2/4 = .5 and R0 = 1/4 = .25: caused .25, half of those brought; margin of R1's two: 40. Reward 8: cost 4, gain
    10, net 6, return 1.5, break-even 20.
    """
    made = followed(
        [100] * 8 + [90] * 3, [(0, 8), (1, 9), (4, 10)], arm=["offered"] * 4 + ["held out"] * 4 + [None] * 3
    )
    people = pd.DataFrame({"referrer": [-1, 0, 1, 4], "margin": [9.0, 30.0, 50.0, 70.0]})
    found = referral.programme_return(made, people, reward=8, days=60, arm="arm").set_index("quantity")["value"]
    expected = {"brought": 0.5, "brought_anyway": 0.25, "caused": 0.25, "caused_share": 0.5, "margin": 40}
    expected |= {"reward_cost": 4, "caused_margin": 10, "net": 6, "return": 1.5, "break_even_reward": 20}
    assert found.to_dict() == pytest.approx(expected)
    free = referral.programme_return(made, people, reward=0, days=60, arm="arm").set_index("quantity")
    assert np.isnan(free.loc["return", "value"])
    assert free.loc["break_even_reward", "value"] == pytest.approx(20)
    # all eleven customers bring 3: .2727273; margin of all three brought: 50; 40 % come anyway: up to 30
    assumed = referral.programme_return(made, people, reward=8, days=60, anyway_share=0.4).set_index("quantity")
    assert assumed.loc["brought", "value"] == pytest.approx(3 / 11)
    assert assumed.loc["break_even_reward", "value"] == pytest.approx(30)


def test_net_by_reward_and_by_belief_are_lines(base, valued):
    """Both lines of net fall by what is brought; the reward that pays falls in proportion to those caused."""
    returns = referral.programme_return(base, valued, reward=5, days=180, anyway_share=0.25).set_index("quantity")
    lines = referral.net_by_reward(returns.reset_index(), points=3)
    margin, brought = returns.loc["margin", "value"], returns.loc["brought", "value"]
    assert lines["reward"].tolist() == pytest.approx([0, 0.6 * margin, 1.2 * margin])
    assert lines["net"].tolist() == pytest.approx([brought * margin * part for part in (0.75, 0.15, -0.45)])
    assert lines["net_if_all"].tolist() == pytest.approx([brought * margin * part for part in (1, 0.4, -0.2)])
    swept = referral.anyway_sweep(base, valued, days=180, shares=[0.0, 0.25, 1.0])
    assert swept["break_even_reward"].tolist() == pytest.approx([margin, 0.75 * margin, 0.0])
    assert (swept["high"] - swept["low"]).iloc[-1] == pytest.approx(0)


def test_return_refuses_what_it_cannot_tell(base, valued):
    good = {"reward": 5.0, "days": 90}
    for options, message in (
        ({}, "either the arm"),
        ({"arm": "referral_arm", "anyway_share": 0.5}, "either the arm"),
        ({"anyway_share": 1.5}, "between 0 and 1"),
        ({"anyway_share": 0.5, "reward": -1}, "0 or more"),
    ):
        with pytest.raises(ParameterError, match=message):
            referral.programme_return(base, valued, **good | options)
    with pytest.raises(DataError, match="'held out', 'offered'"):
        referral.programme_return(base, valued, **good, arm="referral_arm", offered="yes")
    nobody = valued[valued["referrer"] < 0]
    with pytest.raises(DataError, match="not known yet"):
        referral.programme_return(base, nobody, **good, arm="referral_arm")


# Truth


def test_estimates_find_the_truth_of_the_firm(firm, base, valued):
    """4 standard errors around what the firm was made with."""
    for days in (60, 300):
        row = referral.reproduction_number(base, days=days).iloc[0]
        truth = referral.true_reproduction(firm, days=days)
        assert row["reproduction"] == pytest.approx(truth, abs=4 * row["standard_error"])
    returns = referral.programme_return(base, valued, reward=5, days=180, arm="referral_arm").set_index("quantity")
    share = returns.loc["caused_share"]
    assert share["value"] == pytest.approx(1 - 1 / 1.6, abs=4 * share["standard_error"])  # the reward's effect is 1.6
    known = referral.true_worth(firm, days=180).set_index("outcome")
    naive = referral.worth_difference(valued, outcome="orders").iloc[0]
    assert naive["difference"] == pytest.approx(known.loc["orders", "difference"], abs=4 * naive["standard_error"])
    assert known["difference"].tolist() == pytest.approx((known["caused"] + known["attracted"]).tolist())


@pytest.mark.parametrize("design", list(benchmark.DESIGNS))
def test_intervals_cover_the_truth_in_a_few_firms(design):
    """12 firms: 95 % intervals hold in at least 9 of them, save with chance .0002 each (binomial)."""
    rows = pd.concat([benchmark.estimates(seed, customers=1_500, design=design) for seed in range(12)])
    table = benchmark.account(rows).dropna(subset="coverage")
    if design == "alike are referred":
        assert (table.loc[table.index.str.startswith("worth"), "bias"] > 0).all(), "matching does not see who is alike"
        table = table[~table.index.str.startswith("worth")]
    assert (table["coverage"] >= 9 / 12).all(), table


def test_truths_are_in_whole_days_as_the_estimates_are(firm):
    """Won at u of a day, one refers after a gamma time t of shape 2 and mean 45: t = v + w, both exponential.

    The age in days is the whole part of u + t: here of 4 million draws, so that shares have errors below .00025.
    """
    rng = np.random.default_rng(5)
    age = np.floor(rng.random(4_000_000) + rng.exponential(22.5, (2, 4_000_000)).sum(axis=0))
    for days in (1, 7, 90):
        short = age[age <= days]
        error = 4 * np.sqrt(len(short)) / len(age)
        assert referral.true_reproduction(firm, days=days) / 0.3625 == pytest.approx(len(short) / len(age), abs=error)
        mean, median = referral.true_cycle(firm, days=days)
        assert mean == pytest.approx(short.mean(), abs=4 * short.std() / np.sqrt(len(short)))
        spread = short + rng.random(len(short)) - 0.5  # ages spread evenly over their day
        assert median == pytest.approx(np.median(spread), abs=0.02 * days**0.5)
    whole = referral.true_reproduction(firm, days=3_000, offered=True)
    assert whole == pytest.approx(0.4)  # all that one brings who is offered the reward


def test_intervals_of_very_short_windows_cover_what_whole_days_hold():
    """30 firms: 95 % intervals of R within 7 days hold in at least 25, save with chance .003 (binomial).

    By the clock it would be missed: the seventh day after an acquisition ends 7.5 days after it on average.
    """
    firms = [referral.referring_firm(seed, customers=3_000) for seed in range(700, 730)]
    found = []
    for firm in firms:
        base = referral.referral_base(firm["referrals"], firm["customers"], as_of=str(firm.as_of))
        found.append(referral.reproduction_number(base, days=7).iloc[0])
    rows = pd.DataFrame(found)
    truth = referral.true_reproduction(firms[0], days=7)
    assert rows["low"].lt(truth).mul(rows["high"].gt(truth)).sum() >= 25
    error = rows["reproduction"].std() / np.sqrt(len(rows))
    assert rows["reproduction"].mean() == pytest.approx(truth, abs=4 * error)


def test_estimates_stand_beside_the_truth(firm):
    table, worth = referral.against_truth(firm, days=180)
    rows = table.set_index("quantity")
    assert rows.loc["reproduction_number", "truth"] == referral.true_reproduction(firm, days=180)
    assert rows.loc["reproduction_number", "plain"] < rows.loc["reproduction_number", "estimate"]
    assert rows.loc["margin_difference", "plain"] == worth["difference"].iloc[0]
    caused = referral.true_worth(firm, days=180)["caused"]
    assert rows["truth"].iloc[2:].tolist() == caused.tolist()


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
def test_a_folder_of_referrals_is_a_source(engine, firm, tmp_path):
    for name in referral.NEEDED:
        firm[name].head(200).to_parquet(tmp_path / f"{name}.parquet")
    known = set(firm["customers"]["customer_id"].head(200))
    for name in ("orders", "referrals"):
        table = firm[name]
        table[table["customer_id"].isna() | table["customer_id"].isin(known)].to_parquet(tmp_path / f"{name}.parquet")
    tables = referral.referral_tables(str(tmp_path), seed=1, engine=engine)
    assert not tables.simulated
    made = referral.referral_base(tables["referrals"], tables["customers"], as_of="2025-12-31")
    assert len(made.customers) == 200
    cut = made.statuses["accepted"]
    known_links = firm["referrals"].dropna(subset="customer_id")
    both = known_links["customer_id"].isin(known) & known_links["referrer_id"].isin(known)
    assert cut == both.sum()


def test_sources_without_referrals_or_truth_are_refused(firm, tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.csv").write_text("order_id,customer_id,ordered_at,amount\n1,a,2025-01-01,5\n")
    with pytest.raises(DataError, match=r"no table 'customers'"):
        referral.referral_tables(str(tmp_path / "shop"), seed=1)
    import dataclasses

    with pytest.raises(ParameterError, match="not simulated"):
        referral.true_worth(dataclasses.replace(firm, truth=None), days=90)


# Conclusions


def test_conclusions_take_their_direction_from_the_numbers():
    row = pd.Series({"reproduction": 0.5, "low": 0.4, "high": 0.6, "crude": 0.4, "complete": 75, "customers": 100})
    found = conclusions.multiplier(row, level=0.95)
    assert (found.value, found.low, found.high) == (2.0, 1.6667, 2.5)
    wide = conclusions.multiplier(pd.Series(dict(row) | {"high": 1.2}), level=0.95)
    assert wide.high is None
    assert "cannot be ruled out" in wide.sentence
    assert "0.400, 20.0 % less than is so: 25.0 % of the customers" in conclusions.youth(row, days=90).sentence
    worth = pd.DataFrame(
        {"method": ["naive", "matched"], "mean": 30.0, "difference": [6.0, 5.9], "low": 2.0, "high": 9.0}
    )
    options = {"source": "x", "currency": "USD", "days": 90, "first_days": 60, "level": 0.95}
    assert "USD 6.00 more than one" in conclusions.answer(row, worth, **options).sentence
    less = worth.assign(difference=-6.0, low=-9.0, high=-2.0)
    assert "USD 6.00 less than one" in conclusions.answer(row, less, **options).sentence
    same = worth.assign(low=-1.0)
    assert "cannot be told apart" in conclusions.answer(row, same, **options).sentence
    assert "explains hardly any" in conclusions.attributes(worth, currency="USD", level=0.95).sentence
    fewer = worth.assign(difference=[-6.0, -5.9], low=-9.0, high=-2.0)
    assert "bring USD 5.90 less margin (95 % interval USD 2.00 to USD 9.00)" in (
        conclusions.attributes(fewer, currency="USD", level=0.95).sentence
    )
    half = worth.assign(difference=[6.0, 3.0])
    assert "explains 50 % of it" in conclusions.attributes(half, currency="USD", level=0.95).sentence


def test_conclusions_without_an_interval_say_so():
    nothing = {"low": np.nan, "high": np.nan}
    worth = pd.DataFrame({"method": ["naive", "matched"], "mean": 30.0, "difference": [6.0, 5.9], **nothing})
    for finding in (
        *conclusions.worth({"margin": worth, "active": worth}, days=90, quiet_days=30, currency="USD", level=0.95),
        conclusions.few(pd.DataFrame({"part": [0.1, np.nan], "value": 0.5, "chance": 0.2, **nothing}), level=0.95),
    ):
        assert finding.value is not None
        assert finding.low is None
    row = pd.Series({"reproduction": 0.0, "low": 0.0, "high": 0.1, "crude": 0.0, "complete": 9, "customers": 9})
    options = {"source": "x", "currency": "USD", "days": 90, "first_days": 60, "level": 0.95}
    assert "too few for an interval" in conclusions.answer(row, worth, **options).sentence
    assert "too few for an interval" in conclusions.staying(worth, days=90, quiet_days=30, level=0.95).sentence
    assert "0.000, as the estimate does" in conclusions.youth(row, days=90).sentence


def test_the_reward_pays_only_where_its_interval_says_so():
    def table(low, high):
        rows = {
            "break_even_reward": (12.0, 10.0, 14.0),
            "net": ((low + high) / 2, low, high),
            "caused_share": (0.4, 0.3, 0.5),
        }
        return pd.DataFrame([(name, *row) for name, row in rows.items()], columns=["quantity", "value", "low", "high"])

    said = [
        conclusions.reward(table(*ends), paid=5, currency="USD", assumed=assumed, level=0.95).sentence
        for ends, assumed in (((1, 2), None), ((-2, -1), 0.6), ((-1, 1), None))
    ]
    assert "40 % of those brought come because of the reward" in said[0]
    assert "the programme pays" in said[0]
    assert said[1].startswith("If 60 % of those brought would come anyway, a reward pays up to USD 12.00")
    assert "costs more than it brings" in said[1]
    assert "cannot be told whether" in said[2]


def test_what_too_few_were_brought_for_is_not_said(base, valued):
    """29 whose first days are over have no interval, 30 have one: no title or sentence names a size without it."""
    brought = np.flatnonzero(valued["referrer"] >= 0)
    for number, known in ((29, False), (30, True)):
        few = valued.drop(index=valued.index[brought[number:]])
        returns = referral.programme_return(base, few, reward=5, days=180, anyway_share=0.4)
        rows = returns.set_index("quantity")
        assert (
            np.isfinite(rows.loc[["margin", "net", "return", "break_even_reward"], ["low", "high"]]).all(axis=None)
            == known
        )
        assert np.isfinite(rows.loc[["brought", "caused_share"], ["low", "high"]]).all(axis=None)
        finding = conclusions.reward(returns, paid=5, currency="USD", assumed=0.4, level=0.95)
        assert (finding.value is not None) == known
        assert ("Too few" in finding.sentence) != known
    row = {"low": 1.0, "high": 3.0, "difference": 2.0, "other_mean": 20.0}
    title = conclusions.margin_title(pd.DataFrame([row]))
    assert title == "Referred customers: +10 % margin against others, as they are"
    assert "cannot be told from" in conclusions.margin_title(pd.DataFrame([row | {"low": -1.0}]))
    assert "Too few" in conclusions.margin_title(pd.DataFrame([row | {"low": np.nan, "high": np.nan}]))


def test_a_single_cycle_has_a_time_and_no_interval():
    """One of three customers brings another after 20 days: mean and median are 20, from one cycle no interval."""
    won = [instant("2025-01-01")] * 3 + [instant("2025-01-21")]
    customers = pd.DataFrame({"customer_id": [1, 2, 3, 4], "acquired_at": pd.to_datetime(won)})
    sent = {"referral_id": [1], "referrer_id": [1], "customer_id": [4], "invited_at": won[3:], "joined_at": won[3:]}
    base = referral.referral_base(pd.DataFrame(sent), customers, as_of="2025-12-31")
    table = referral.cycle_time(base, days=90)
    assert table["days"].tolist() == pytest.approx([20, 20])
    assert table[["low", "high"]].isna().all(axis=None)
    told = conclusions.cycle(table, days=30, level=0.95).sentence
    assert told.endswith("the mean is 20.0.")  # none is late
    assert "within 30 days takes 20.0 days on average" in told  # longer cycles are in no window of 30 days
