"""Retention triangles, intervals, comparison, value and survival."""

from __future__ import annotations

import datetime

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib import cohorts, data
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import PERIODS, to_pandas

# A hand-worked shop. Ann buys 3 and 30 January and 2 March; Bob 20 January; Cleo 10 February (a
# return of 5 among it) and 28 March.
#            age 0          age 1          age 2
# January    Ann, Bob (19)  nobody         Ann (4)
# February   Cleo (15)      Cleo (6)
HAND = {
    "customer_id": ["ann", "ann", "ann", "bob", "cleo", "cleo", "cleo"],
    "ordered_at": [
        datetime.datetime(2026, 1, 3),
        datetime.datetime(2026, 1, 30, 23, 59, 59),
        datetime.datetime(2026, 3, 2),
        datetime.datetime(2026, 1, 20, 12),
        datetime.datetime(2026, 2, 10),
        datetime.datetime(2026, 2, 10),
        datetime.datetime(2026, 3, 28),
    ],
    "amount": [5.0, 7.0, 4.0, 7.0, 20.0, -5.0, 6.0],
}
JANUARY, FEBRUARY = pd.Timestamp("2026-01-01"), pd.Timestamp("2026-02-01")


def triangle_of(orders, **options):
    return to_pandas(cohorts.retention_triangle(orders, **options), sort_by=["cohort", "age"])


def test_triangle_equals_the_hand_worked_table_on_every_engine(frame):
    orders = frame(HAND)
    result = cohorts.retention_triangle(orders, as_of="2026-03-31")
    assert frame.same_kind(result)
    expected = pd.DataFrame(
        {
            "cohort": pd.Series([JANUARY] * 3 + [FEBRUARY] * 2, dtype="datetime64[us]"),
            "age": [0, 1, 2, 0, 1],
            "customers": [2, 2, 2, 1, 1],
            "active": [2, 0, 1, 1, 1],
            "retention_rate": [1.0, 0.0, 0.5, 1.0, 1.0],
            "amount": [19.0, 0.0, 4.0, 15.0, 6.0],
            "complete": [True] * 5,
        }
    )
    pd.testing.assert_frame_equal(to_pandas(result, sort_by=["cohort", "age"]), expected)


def test_as_of_defaults_to_the_last_order_and_marks_open_periods(frame):
    table = triangle_of(frame(HAND))  # last order 28 March: March is not over
    assert list(table["complete"]) == [True, True, False, True, False]
    assert list(table["active"]) == [2, 0, 1, 1, 1]  # counts of open periods stay


@pytest.mark.parametrize(("as_of", "complete"), [("2026-03-30", False), ("2026-03-31", True)])
def test_a_period_is_complete_on_its_last_day(frame, as_of, complete):
    table = triangle_of(frame(HAND), as_of=as_of)
    assert table.loc[(table["cohort"] == JANUARY) & (table["age"] == 2), "complete"].item() is complete


def test_orders_after_as_of_are_left_out_and_the_day_itself_counts(frame):
    table = triangle_of(frame(HAND), as_of="2026-01-30")
    assert table[["customers", "active", "amount"]].to_numpy().tolist() == [[2, 2, 19.0]]
    assert triangle_of(frame(HAND), as_of="2026-01-29")["amount"].tolist() == [12.0]


def test_silence_up_to_as_of_is_filled_with_zeros(frame):
    table = triangle_of(frame(HAND), as_of="2026-06-30")
    assert len(table) == 6 + 5
    assert table.loc[table["age"] > 2, "active"].sum() == 0


def test_as_of_before_the_first_order_gives_no_rows(frame):
    assert triangle_of(frame(HAND), as_of="2025-12-31").empty


def test_no_orders_give_no_rows(frame):
    orders = nw.from_native(frame(HAND))
    empty = orders.filter(nw.col("amount") > 1_000).to_native()
    assert triangle_of(empty).empty
    assert to_pandas(cohorts.second_order_times(empty)).empty


def test_dates_and_datetimes_agree(frame):
    days = HAND | {"ordered_at": [instant.date() for instant in HAND["ordered_at"]]}
    pd.testing.assert_frame_equal(
        triangle_of(frame(days), as_of=datetime.date(2026, 3, 31)), triangle_of(frame(HAND), as_of="2026-03-31")
    )


@pytest.mark.parametrize("period", PERIODS)
def test_every_period_agrees_with_pandas_own_calendar(frame, period):
    """The independent route: pandas periods, a set of active customers for each cell."""
    rng = np.random.default_rng(5)
    days = pd.Timestamp("2023-12-25") + pd.to_timedelta(rng.integers(0, 800, 400), unit="D")
    orders = pd.DataFrame({"customer_id": rng.integers(0, 60, 400), "ordered_at": days, "amount": 1.0})
    code = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}[period]
    number = orders["ordered_at"].dt.to_period(code)
    first = number.groupby(orders["customer_id"]).transform("min")
    age = (number - first).map(lambda step: step.n)
    expected = orders.assign(cohort=first.dt.start_time, age=age).groupby(["cohort", "age"])["customer_id"].nunique()
    table = triangle_of(frame(orders.to_dict("list")), period=period)
    seen = table[table["active"] > 0].set_index(["cohort", "age"])["active"]
    assert seen.to_dict() == expected.to_dict()
    assert (table["retention_rate"] == table["active"] / table["customers"]).all()


def test_ages_beyond_ten_thousand_periods_are_not_cut_off(frame):
    days = [datetime.datetime(1970, 1, 1), datetime.datetime(2026, 1, 1)]
    orders = frame({"customer_id": [1, 1], "ordered_at": days, "amount": [1.0, 1.0]})
    table = triangle_of(orders, period="day")
    assert len(table) == (pd.Timestamp("2026-01-01") - pd.Timestamp("1970-01-01")).days + 1
    assert table["active"].sum() == 2


def test_missing_columns_unknown_period_and_bad_date_say_what_to_do(frame):
    with pytest.raises(MissingColumnsError, match="orders lacks 'amount'"):
        cohorts.retention_triangle(frame({"customer_id": [1], "ordered_at": [datetime.date(2026, 1, 1)]}))
    with pytest.raises(ParameterError, match="'fortnight' is unknown; use one of day, week, month"):
        cohorts.retention_triangle(frame(HAND), period="fortnight")
    with pytest.raises(ParameterError, match=r"'31\.3\.2026'; give a date as YYYY-MM-DD"):
        cohorts.retention_triangle(frame(HAND), as_of="31.3.2026")
    with pytest.raises(DataError, match="must be a data frame"):
        cohorts.retention_triangle([1, 2, 3])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 6), st.dates(datetime.date(2024, 1, 1), datetime.date(2025, 6, 1)), st.integers(-9, 9)
        ),
        min_size=1,
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_triangle_invariants(rows, random):
    orders = pd.DataFrame(rows, columns=["customer_id", "ordered_at", "amount"])
    orders["ordered_at"] = pd.to_datetime(orders["ordered_at"])
    table = triangle_of(orders)
    bought = orders[orders["amount"] >= 0]
    first = {}
    for customer, day, _ in sorted(row for row in rows if row[2] >= 0):
        first.setdefault(customer, day.replace(day=1))
    counted = sum(amount for customer, day, amount in rows if customer in first and day >= first[customer])
    assert table["amount"].sum() == counted  # money is neither lost nor made
    assert table.loc[table["age"] == 0, "customers"].sum() == bought["customer_id"].nunique()
    assert (table.loc[table["age"] == 0, "retention_rate"] == 1).all()
    assert table["retention_rate"].between(0, 1).all()
    shuffled = orders.sample(frac=1, random_state=random.randrange(1000))
    pd.testing.assert_frame_equal(triangle_of(shuffled), table)


@pytest.mark.data
def test_cdnow_cohorts_are_the_published_ones(published):
    table = triangle_of(data.load("cdnow")["orders"])
    for cohort, active in published("cdnow_cohorts")["values"].items():
        mine = table[table["cohort"] == pd.Timestamp(cohort)].sort_values("age")["active"]
        assert mine.head(len(active)).tolist() == active


@pytest.mark.data
def test_ta_feng_first_cohort_is_the_published_one(published):
    table = triangle_of(data.load("ta_feng")["orders"])
    first = table[table["cohort"] == table["cohort"].min()]
    assert first["active"].tolist() == published("ta_feng_cohorts")["values"]["2000-11-01"]


@pytest.mark.data
def test_cdnow_second_orders_leave_the_published_one_day_customers(published):
    times = to_pandas(cohorts.second_order_times(data.load("cdnow")["orders"]))
    assert (~times["observed"]).sum() == published("cdnow_master")["values"]["one_day_customers"]


# -- intervals ---------------------------------------------------------------------------------


def wilson_by_root_finding(active, customers, level):
    """The definition: all p with |p̂ − p| ≤ z √(p(1−p)/n), found on a fine grid of p."""
    from scipy.stats import norm

    p = np.linspace(0, 1, 2_000_001)
    inside = np.abs(active / customers - p) <= norm.ppf(0.5 + level / 2) * np.sqrt(p * (1 - p) / customers) + 1e-12
    return p[inside].min(), p[inside].max()


@pytest.mark.parametrize(("active", "customers"), [(0, 10), (1, 10), (5, 10), (10, 10), (81, 263), (15, 148)])
def test_wilson_interval_inverts_the_score_test(active, customers):
    table = cohorts.retention_intervals(pd.DataFrame({"active": [active], "customers": [customers]}), level=0.9)
    low, high = wilson_by_root_finding(active, customers, 0.9)
    assert table["low"].item() == pytest.approx(low, abs=2e-6)
    assert table["high"].item() == pytest.approx(high, abs=2e-6)


def test_wilson_interval_of_nobody_is_missing():
    table = cohorts.retention_intervals(pd.DataFrame({"active": [0], "customers": [0]}))
    assert table[["low", "high"]].isna().all(axis=None)


def test_pooled_retention_weights_cohorts_by_size_and_leaves_open_periods():
    pooled = cohorts.pooled_retention(triangle_of(pd.DataFrame(HAND), as_of="2026-03-30"))
    assert pooled[["age", "cohorts", "customers", "active"]].to_numpy().tolist() == [[0, 2, 3, 3], [1, 1, 2, 0]]
    assert pooled["amount"].tolist() == [34.0, 0.0]


def test_returned_by_an_age_counts_each_customer_once():
    """By hand, as of 31 March: of January's two Ann is back by age 2 (4 spent), Cleo by age 1 (6 spent)."""
    activity = to_pandas(cohorts.customer_activity(pd.DataFrame(HAND), as_of="2026-03-31"))
    table = cohorts.returned_triangle(activity)
    columns = ["age", "customers", "active", "amount"]
    assert table[columns].to_numpy().tolist() == [[1, 2, 0, 0], [2, 2, 1, 4], [1, 1, 1, 6]]
    assert cohorts.returned_triangle(activity.head(0)).empty


@pytest.mark.data
def test_share_back_by_the_last_age_agrees_with_sets_of_customers():
    orders = to_pandas(data.load("cdnow")["orders"])
    month = orders["ordered_at"].dt.to_period("M")
    first = month.groupby(orders["customer_id"]).transform("min")
    table = cohorts.returned_triangle(to_pandas(cohorts.customer_activity(orders)))
    for cohort, rows in table.groupby("cohort"):
        mine = first == pd.Period(cohort, "M")
        back = orders.loc[mine & (month > first), "customer_id"].nunique()
        assert rows.sort_values("age")["active"].iloc[-1] == back


# -- comparison --------------------------------------------------------------------------------


def cells(*counts, age=1):
    starts = pd.date_range("2026-01-01", periods=len(counts), freq="MS")
    rows = [(start, age, n, x, x / n, 0.0, True) for start, (x, n) in zip(starts, counts, strict=True)]
    names = ["cohort", "age", "customers", "active", "retention_rate", "amount", "complete"]
    return pd.DataFrame(rows, columns=names)


def test_newcombe_interval_is_the_published_example():
    """Newcombe (1998), table II, example a: 56/70 against 48/80, method 10: 0.0524 to 0.3339."""
    row = cohorts.cohort_comparison(cells((48, 80), (56, 70)), age=1).iloc[0]
    assert row["difference"] == pytest.approx(0.2)
    assert (round(row["low"], 4), round(row["high"], 4)) == (0.0524, 0.3339)


def test_holm_steps_down_from_the_smallest_p_value():
    table = cohorts.cohort_comparison(cells((300, 1000), (350, 1000), (380, 1000), (301, 1000)), age=1)
    order = table["p_value"].to_numpy().argsort()
    by_hand, worst = np.empty(3), 0.0
    for rank, row in enumerate(order):  # Holm (1979): p times the number of hypotheses left, made monotone
        worst = max(worst, min(1.0, table["p_value"].iloc[row] * (3 - rank)))
        by_hand[row] = worst
    np.testing.assert_allclose(table["p_holm"], by_hand)
    assert table["distinct"].tolist() == [True, True, False]


def test_a_cohort_compares_only_when_it_has_completed_the_age():
    table = cells((30, 100), (40, 100), (50, 100))
    table.loc[2, "complete"] = False
    assert len(cohorts.cohort_comparison(table, age=1)) == 1
    alone = cohorts.cohort_comparison(table.head(1), age=1)
    assert alone.empty
    assert alone.dtypes.equals(cohorts.cohort_comparison(table, age=1).dtypes)
    assert cohorts.cohort_comparison(table, age=9).empty


def test_nobody_and_everybody_active_cannot_be_told_apart():
    assert not cohorts.cohort_comparison(cells((0, 50), (0, 60)), age=1)["distinct"].any()
    assert not cohorts.cohort_comparison(cells((50, 50), (60, 60)), age=1)["distinct"].any()


def test_another_baseline_can_be_named():
    table = cohorts.cohort_comparison(cells((30, 100), (40, 100), (50, 100)), age=1, baseline="2026-02-01")
    assert table["difference"].round(9).tolist() == [-0.1, 0.1]
    with pytest.raises(ParameterError, match="no cohort that has completed age 1"):
        cohorts.cohort_comparison(cells((30, 100)), age=1, baseline="2027-01-01")


def test_a_handful_of_customers_is_no_baseline():
    """Three customers in the first month: the second month's hundred is what later ones are held against."""
    table = cohorts.cohort_comparison(cells((1, 3), (30, 100), (90, 100)), age=1)
    assert table["baseline"].tolist() == [pd.Timestamp("2026-02-01")]
    assert table["distinct"].tolist() == [True]
    few = cohorts.cohort_comparison(cells((1, 3), (2, 4)), age=1)
    assert few["baseline"].tolist() == [pd.Timestamp("2026-01-01")]


@pytest.mark.parametrize("options", [{"age": 0}, {"age": 1, "level": 1.0}, {"age": 1, "level": 95}])
def test_impossible_comparisons_are_refused(options):
    with pytest.raises(ParameterError, match=r"age 1 or later|between 0 and 1"):
        cohorts.cohort_comparison(cells((30, 100), (40, 100)), **options)


def test_equal_cohorts_are_wrongly_told_apart_in_at_most_the_stated_share_of_samples():
    """400 samples of 6 equal cohorts: Holm keeps false alarms at 5 % or below (here +3 standard errors)."""
    rng = np.random.default_rng(11)
    alarms = [
        cohorts.cohort_comparison(cells(*((x, 500) for x in rng.binomial(500, 0.12, 6))), age=1)["distinct"].any()
        for _ in range(400)
    ]
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


# -- value -------------------------------------------------------------------------------------


def test_customer_value_adds_up_means_over_those_followed():
    """By hand, as of 31 March: age 0 (19 + 15)/3, age 1 (0 + 6)/3, age 2 only January's two: 4/2."""
    activity = to_pandas(cohorts.customer_activity(pd.DataFrame(HAND), as_of="2026-03-31"))
    value = cohorts.customer_value(activity, rng=np.random.default_rng(1))
    assert value["customers"].tolist() == [3, 3, 2]
    np.testing.assert_allclose(value["value"], [34 / 3, 34 / 3 + 2, 34 / 3 + 2 + 2])
    assert value[["low", "high"]].isna().all(axis=None)  # three customers get no interval


def test_customer_activity_keeps_its_kind_and_the_money(frame):
    result = cohorts.customer_activity(frame(HAND), as_of="2026-03-30")
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id", "age"])
    assert table["amount"].tolist() == [12.0, 4.0, 7.0, 15.0, 6.0]
    assert table["complete_ages"].tolist() == [2, 2, 2, 1, 1]


def test_a_return_takes_money_back_and_makes_nobody_active(frame):
    """By hand: Dora buys for 30 in January and sends it back in February; Emil buys for 10 and again for 20 in
    March, and returned 5 on 2 January for an order from before the data. Only Emil came back, after 40 days.
    """
    orders = frame(
        {
            "customer_id": ["dora", "dora", "emil", "emil", "emil", "fred"],
            "ordered_at": [datetime.datetime(2026, *day) for day in [(1, 5), (2, 3), (1, 20), (3, 1), (1, 2), (2, 2)]],
            "amount": [30.0, -30.0, 10.0, 20.0, -5.0, -8.0],
        }
    )
    table = triangle_of(orders, as_of="2026-03-31")
    assert table["customers"].tolist() == [2, 2, 2]
    assert table["active"].tolist() == [2, 0, 1]
    assert table["amount"].tolist() == [35.0, -30.0, 20.0]
    activity = to_pandas(cohorts.customer_activity(orders, as_of="2026-03-31"), sort_by=["customer_id", "age"])
    assert activity["orders"].tolist() == [1, 0, 1, 1]
    back = cohorts.returned_triangle(activity)
    assert back["active"].tolist() == [0, 1]
    assert back["amount"].tolist() == [-30.0, -10.0]
    times = to_pandas(cohorts.second_order_times(orders, as_of="2026-03-31"), sort_by=["customer_id"])
    assert times["customer_id"].tolist() == ["dora", "emil"]
    assert times["days"].tolist() == [85, 40]
    assert times["observed"].tolist() == [False, True]


def test_value_interval_agrees_with_the_normal_one_for_a_plain_mean():
    """At age 0 the value is a mean of n amounts: the bootstrap must give mean ± z s/√n within a few per cent."""
    rng = np.random.default_rng(2)
    n = 4_000
    orders = pd.DataFrame(
        {"customer_id": np.arange(n), "ordered_at": pd.Timestamp("2026-01-05"), "amount": rng.gamma(2, 20, n)}
    )
    activity = to_pandas(cohorts.customer_activity(orders, as_of="2026-01-31"))
    row = cohorts.customer_value(activity, rng=rng, replicates=2_000).iloc[0]
    half = 1.959964 * orders["amount"].std() / np.sqrt(n)
    assert row["value"] == pytest.approx(orders["amount"].mean())
    assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.06)


def test_value_needs_a_completed_period_and_honest_ages():
    activity = to_pandas(cohorts.customer_activity(pd.DataFrame(HAND), as_of="2026-03-31"))
    rng = np.random.default_rng(1)
    assert len(cohorts.customer_value(activity, ages=2, rng=rng)) == 2
    with pytest.raises(ParameterError, match="ages is 4; between 1 and 3"):
        cohorts.customer_value(activity, ages=4, rng=rng)
    early = to_pandas(cohorts.customer_activity(pd.DataFrame(HAND), as_of="2026-01-30"))
    with pytest.raises(DataError, match="first period has ended"):
        cohorts.customer_value(early, rng=rng)
    with pytest.raises(DataError, match="first period has ended"):
        cohorts.customer_value(activity.head(0), rng=rng)


# -- survival ----------------------------------------------------------------------------------


def test_second_order_times_by_hand(frame):
    """Ann came back on day 27, Cleo after 46 (two orders on one day are one), Bob not in 70 days."""
    result = cohorts.second_order_times(frame(HAND), as_of="2026-03-31")
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id"])
    assert table["days"].tolist() == [27, 70, 46]
    assert table["observed"].tolist() == [True, False, True]


def test_kaplan_meier_is_the_textbook_leukaemia_example():
    """Freireich et al. (1963), 6-MP arm, 21 patients; survival as tabulated in Kleinbaum & Klein, Survival Analysis."""
    events, censored = [6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
    curve = cohorts.survival_curve(events + censored, [True] * len(events) + [False] * len(censored))
    assert curve["time"].tolist() == [0, 6, 7, 10, 13, 16, 22, 23]
    assert curve["survival"].round(4).tolist() == [1, 0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert curve["at_risk"].tolist() == [21, 21, 17, 15, 12, 11, 7, 6]


def test_survival_interval_is_greenwoods_on_the_log_minus_log_scale():
    """By hand for one event among four: S = .75, Greenwood sum = 1/(4·3), se log(−log S) = √(1/12)/|log .75|."""
    row = cohorts.survival_curve([1, 2, 2, 3], [True, False, False, False]).iloc[1]
    error = np.sqrt(1 / 12) / abs(np.log(0.75))
    assert row["low"] == pytest.approx(0.75 ** np.exp(1.959964 * error), rel=1e-6)
    assert row["high"] == pytest.approx(0.75 ** np.exp(-1.959964 * error), rel=1e-6)


def test_weights_stand_for_repeated_customers():
    many = cohorts.survival_curve([1, 1, 1, 2, 5, 5], [True, True, True, True, False, False])
    few = cohorts.survival_curve([1, 2, 5], [True, True, False], weights=[3, 1, 2])
    pd.testing.assert_frame_equal(many, few)


def test_survival_edge_cases():
    assert cohorts.survival_curve([3, 4], [False, False])["survival"].tolist() == [1.0]
    gone = cohorts.survival_curve([1, 1], [True, True]).iloc[-1]
    assert (gone["survival"], gone["low"], gone["high"]) == (0, 0, 0)
    assert len(cohorts.survival_curve([7], [True])) == 2
    with pytest.raises(DataError, match="one length above 0"):
        cohorts.survival_curve([], [])
    with pytest.raises(DataError, match="at least 0"):
        cohorts.survival_curve([-1, 2], [True, True])
    with pytest.raises(DataError, match="finite"):
        cohorts.survival_curve([np.nan, 2], [True, True])


def test_curve_at_reads_the_step_in_force():
    curve = cohorts.survival_curve([1, 2, 2, 3], [True, True, False, False])
    found = [cohorts.curve_at(curve, time)["survival"] for time in (0, 0.99, 1, 1.5, 2, 99)]
    np.testing.assert_allclose(found, [1, 1, 0.75, 0.75, 0.5, 0.5])
    with pytest.raises(ParameterError, match="at or after 0"):
        cohorts.curve_at(curve, -1)


def test_active_shares_recover_the_simulated_truth():
    """z = (active − np) / √np(1−p) in each cell; cohorts are independent, so at one age Σz² is a chi-square."""
    from scipy.stats import chi2

    tables = data.simulate(np.random.default_rng(8), customers=6_000, programme=False)
    table = triangle_of(tables["orders"], as_of=tables.as_of)
    cells = cohorts.true_active_share(table, to_pandas(tables["customers"]), tables.truth)
    n, p = cells["customers"], cells["true_share"]
    z = (cells["active"] - n * p) / np.sqrt(n * p * (1 - p))
    for age in (1, 4, 9):
        here = cells["age"] == age
        assert chi2.ppf(0.0005, here.sum()) <= (z[here] ** 2).sum() <= chi2.ppf(0.9995, here.sum())


def test_true_share_of_a_cohort_is_the_mean_over_its_days_of_acquisition():
    """By hand, with a probability of (end + factor start) / 1000 on days since noon of 3 and 20 January.

    February is days 28.5 to 56.5 after the 3rd, 11.5 to 39.5 after the 20th: (85 + 51) / 2000 with factor 1.
    """

    class Truth:
        cohort_factor = np.ones(3)

        def population_active_probability(self, start, end, cohort_factor):
            return (end + cohort_factor * start) / 1000

    customers = pd.DataFrame(
        {"acquired_at": pd.to_datetime(["2026-01-03 00:00", "2026-01-20 18:00", "2026-02-10 09:30"])}
    )
    cells = cohorts.true_active_share(triangle_of(pd.DataFrame(HAND), as_of="2026-03-31"), customers, Truth())
    assert cells["true_share"].round(6).tolist() == [0.068, 0.127, 0.068]


# -- conclusions -------------------------------------------------------------------------------


def compared(*counts):
    table = cells(*counts)
    return cohorts.pooled_retention(table), cohorts.cohort_comparison(table, age=1)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([(300, 1000), (400, 1000)], "the later cohort did better than that of Jan 2026."),
        ([(300, 1000), (200, 1000), (210, 1000)], "both later cohorts did worse than that of Jan 2026."),
        ([(300, 1000), (200, 1000), (210, 1000), (190, 1000)], "all 3 later cohorts did worse than that of Jan 2026."),
        (
            [(300, 1000), (200, 1000), (301, 1000)],
            "1 of 2 later cohorts did worse than that of Jan 2026, the rest",
        ),
        ([(300, 1000), (200, 1000), (400, 1000)], "of 2 later cohorts 1 did better than that of Jan 2026 and 1 worse"),
        ([(300, 1000), (310, 1000), (295, 1000)], "the two later cohorts cannot be told apart from that of Jan 2026"),
        ([(300, 1000)], "only one cohort has got that far"),
    ],
)
def test_the_answer_takes_its_direction_from_the_numbers(counts, words):
    pooled, comparison = compared(*counts)
    finding = cohorts.conclusions.answer(pooled, comparison, age=1, period="month")
    assert words in finding.sentence
    total = sum(active for active, _ in counts) / sum(size for _, size in counts)
    assert finding.value == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([(300, 1000), (400, 1000)], "Feb 2026, the share back by month 1 is 10.0 points above Jan 2026's"),
        ([(400, 1000), (300, 1000)], "is 10.0 points below Jan 2026's"),
        ([(300, 1000), (301, 1000)], "cannot be told apart from Jan 2026's: the difference is +0.1 points"),
        ([(300, 1000)], "nothing to compare it with"),
    ],
)
def test_the_newest_cohort_is_above_below_or_cannot_be_told_apart(counts, words):
    _, comparison = compared(*counts)
    assert words in cohorts.conclusions.newest_against_first(comparison, age=1, period="month").sentence


def test_active_share_names_both_ages():
    table = pd.concat([cells((300, 1000)), cells((100, 1000), age=2)])
    pooled = cohorts.pooled_retention(table)
    assert (
        cohorts.conclusions.active_share(pooled, age=2, period="week").sentence
        == "In week 2 itself 10.0 % (95 % interval 8.3 % to 12.0 %) of customers are active, after 30.0 % in week 1."
    )


def test_worth_and_ceiling_say_the_amount_with_its_interval():
    value = pd.DataFrame(
        {"age": [0, 1], "customers": [90, 90], "value": [40.0, 50.0], "low": [38, 47], "high": [42, 53]}
    )
    worth = cohorts.conclusions.worth(value, age=1, period="month", currency="USD")
    assert (
        "USD 50.00 (95 % interval USD 47.00 to USD 53.00), 80 % of it in the month of the first order."
        in worth.sentence
    )
    ceiling = cohorts.conclusions.acquisition_ceiling(value, age=1, period="month", currency="USD", margin_rate=0.3)
    assert (ceiling.value, ceiling.low, ceiling.high) == (15.0, 14.1, 15.9)
    nothing = value.assign(value=[-1.0, -2.0], low=-3, high=-1)
    ceiling = cohorts.conclusions.acquisition_ceiling(nothing, age=1, period="month", currency="USD", margin_rate=0.3)
    assert "is not paid back by the end of month 1, whatever it costs." in ceiling.sentence
    returned = cohorts.conclusions.worth(value.assign(value=[40.0, 30.0]), age=1, period="month", currency="USD")
    assert "of it in the month" not in returned.sentence
    few = value.assign(low=np.nan, high=np.nan)
    assert cohorts.conclusions.worth(few, age=1, period="month", currency="USD").low is None


def test_second_order_turns_the_survival_curve_round():
    curve = cohorts.survival_curve([5] * 40 + [90] * 60, [True] * 40 + [False] * 60)
    finding = cohorts.conclusions.second_order(curve, days=30)
    assert finding.value == 0.4
    assert finding.low < 0.4 < finding.high
    assert "the latest second order came on day 5" in finding.sentence


def test_completed_ages_refuses_what_the_data_cannot_answer():
    table = triangle_of(pd.DataFrame(HAND), as_of="2026-03-31")
    assert cohorts.completed_ages(table, at_least=2) == 2
    with pytest.raises(ParameterError, match=r"age 6 is asked for.*only 2; take 1\.\.2"):
        cohorts.completed_ages(table, at_least=6)
    with pytest.raises(DataError, match="3 customers up to as_of; retention needs at least 30"):
        cohorts.completed_ages(table, customers=30)
    young = triangle_of(pd.DataFrame(HAND), as_of="2026-01-31")
    assert cohorts.completed_ages(young) == 0
    with pytest.raises(DataError, match="no cohort has been followed past its first period"):
        cohorts.completed_ages(young, at_least=6)
    with pytest.raises(DataError, match="no cohort has completed"):
        cohorts.completed_ages(triangle_of(pd.DataFrame(HAND), as_of="2026-01-30"))


def test_coverage_finding_counts_cells():
    cells = pd.DataFrame({"low": [0.1] * 20, "high": [0.2] * 20, "true_share": [0.15] * 19 + [0.3]})
    finding = cohorts.conclusions.truth_coverage(cells)
    assert finding.value == 0.95
    assert "19 of 20 cells (95.0 %), in keeping with the 95 % promised" in finding.sentence
