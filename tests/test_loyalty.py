"""Concentration, its chance correction, and what a programme adds."""

from __future__ import annotations

import datetime
import itertools

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib import data, loyalty
from crmlib.errors import ConvergenceError, DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas
from crmlib.models import NBD

VALUES = st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any)


# -- concentration -----------------------------------------------------------------------------


def gini_by_pairs(values):
    """The definition: mean absolute difference of all pairs, over twice the mean."""
    x = np.asarray(values, dtype=float)
    return np.abs(x[:, None] - x[None, :]).mean() / (2 * x.mean())


def top_share_by_force(values, k):
    """The largest sum that k customers can have."""
    return max(sum(chosen) for chosen in itertools.combinations(values, k)) / sum(values)


def test_lorenz_gini_and_top_share_by_hand():
    """Four customers with 0, 2, 4, 4: areas of the trapezoids under the curve are 0, 1/40, 12/40 in thirds."""
    curve = loyalty.lorenz_curve([4, 0, 4, 2])
    assert curve["customer_share"].tolist() == [0, 0.25, 0.5, 1]
    assert curve["value_share"].tolist() == [0, 0, 0.2, 1]
    assert loyalty.gini([4, 0, 4, 2]) == pytest.approx(1 - 2 * (0.25 * 0.1 + 0.5 * 0.6))
    assert loyalty.top_share([4, 0, 4, 2], 0.25) == 0.4
    assert loyalty.top_share([4, 0, 4, 2], 0.26) == 0.8  # ⌈.26 × 4⌉ = 2 customers


@given(VALUES)
def test_gini_equals_the_mean_difference_of_pairs_and_the_area_under_the_lorenz_curve(values):
    found = loyalty.gini(values)
    assert found == pytest.approx(gini_by_pairs(values), abs=1e-12)
    curve = loyalty.lorenz_curve(values)
    assert found == pytest.approx(1 - 2 * np.trapezoid(curve["value_share"], curve["customer_share"]), abs=1e-12)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(any), st.integers(1, 9))
def test_top_share_is_the_largest_sum_of_so_many_customers(values, k):
    k = min(k, len(values))
    assert loyalty.top_share(values, k / len(values)) == pytest.approx(top_share_by_force(values, k))


@given(VALUES, st.floats(0.01, 100), st.randoms(use_true_random=False))
def test_scale_and_row_order_change_nothing(values, factor, random):
    shuffled = sorted(values, key=lambda _: random.random())
    for measure in (loyalty.gini, loyalty.top_share):
        assert measure(np.array(shuffled) * factor) == pytest.approx(measure(values), abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), min_size=1, max_size=20))
def test_weights_stand_for_customers(rows):
    values, weights = np.array(rows).T
    each = np.repeat(values, weights)
    if not each.any():
        return
    assert loyalty.gini(values, weights=weights) == pytest.approx(loyalty.gini(each), abs=1e-12)
    for p in (0.07, 0.2, 1):
        assert loyalty.top_share(values, p, weights=weights) == pytest.approx(loyalty.top_share(each, p), abs=1e-12)
    pd.testing.assert_frame_equal(loyalty.lorenz_curve(values, weights=weights), loyalty.lorenz_curve(each))


@given(VALUES)
def test_zero_buyers_raise_concentration(values):
    assert loyalty.gini([*values, 0]) >= loyalty.gini(values) - 1e-12


def test_extremes_of_concentration():
    assert loyalty.gini([7]) == 0
    assert loyalty.top_share([7]) == 1
    assert loyalty.gini([3, 3, 3]) == pytest.approx(0)
    assert loyalty.gini([0] * 99 + [5]) == pytest.approx(0.99)  # 1 − 1/n
    assert loyalty.top_share([1, 2, 3], 1) == 1
    assert loyalty.top_share(range(1, 101), 0.07) == pytest.approx(sum(range(94, 101)) / 5050)  # 7, not 8 customers


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([], "there are no customers"),
        ([0, 0], "the total is zero"),
        ([3, -1, -2], "2 customers have a negative value"),
        ([1, np.nan], "missing or infinite"),
        ([[1, 2]], "one-dimensional"),
    ],
)
def test_what_has_no_shares_is_refused(values, says):
    for measure in (loyalty.gini, loyalty.top_share, loyalty.lorenz_curve):
        with pytest.raises(DataError, match=says):
            measure(values)
    with pytest.raises(DataError, match=says):
        loyalty.concentration(values, rng=np.random.default_rng(1))


def test_bad_options_of_concentration_are_refused():
    for p in (0, -0.1, 1.1, 20, np.nan):
        with pytest.raises(ParameterError, match="part of customers above 0 and at most 1"):
            loyalty.top_share([1, 2], p)
    with pytest.raises(DataError, match="whole numbers"):
        loyalty.gini([1, 2], weights=[1, 0.5])
    with pytest.raises(DataError, match="one weight each"):
        loyalty.gini([1, 2], weights=[1])
    with pytest.raises(ParameterError, match="replicates is 1"):
        loyalty.concentration([1, 2], replicates=1, rng=np.random.default_rng(1))
    with pytest.raises(ParameterError, match="between 0 and 1"):
        loyalty.concentration([1, 2], level=95, rng=np.random.default_rng(1))


def test_concentration_has_the_point_estimates_and_no_interval_for_few_customers():
    values = np.random.default_rng(4).gamma(0.5, size=200)
    table = loyalty.concentration(values, parts=(0.1, 0.2), replicates=200, rng=np.random.default_rng(1))
    assert table["customers"].tolist() == [20, 40, 200]
    expected = [loyalty.top_share(values, 0.1), loyalty.top_share(values, 0.2), loyalty.gini(values)]
    np.testing.assert_allclose(table["value"], expected)
    assert table["low"].isna().tolist() == [True, False, False]
    assert (table["low"] < table["value"])[1:].all()
    assert (table["value"] < table["high"])[1:].all()


def test_interval_of_the_gini_agrees_with_the_delta_method():
    """Exponential values: G = 1/2. The influence-function standard error, computed apart, gives the same width."""
    x = np.sort(np.random.default_rng(9).exponential(size=4_000))
    n, mean, g = len(x), x.mean(), loyalty.gini(x)
    rank = np.arange(1, n + 1) / n
    influence = 2 / mean * (x * rank - np.cumsum(x) / n) - (g + 1) / mean * (x - mean)
    influence += (np.cumsum(x)[-1] / n - 0) * 0  # the constant drops out of the variance
    error = np.std(influence - influence.mean()) / np.sqrt(n)
    row = loyalty.concentration(x, parts=(), replicates=2_000, rng=np.random.default_rng(1)).iloc[-1]
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * error, rel=0.06)


def test_intervals_cover_the_populations_values():
    """300 samples of 400 Poisson-gamma counts; truth from five million; nominal 95 %, here ± 3 standard errors."""
    rng = np.random.default_rng(3)
    truth = [loyalty.top_share(rng.poisson(rng.gamma(0.4, 4, 5_000_000)), 0.2)]
    truth.append(loyalty.gini(rng.poisson(rng.gamma(0.4, 4, 5_000_000))))
    inside = []
    for _ in range(300):
        counts = rng.poisson(rng.gamma(0.4, 4, 400))
        table = loyalty.concentration(counts, parts=(0.2,), replicates=200, rng=rng)
        inside.append([low <= t <= high for low, high, t in zip(table["low"], table["high"], truth, strict=True)])
    assert (np.abs(np.mean(inside, axis=0) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 300)).all()


@pytest.mark.data
def test_cdnow_concentration_is_the_published_one(published):
    spend = to_pandas(data.load("cdnow")["orders"]).groupby("customer_id")["amount"].sum()
    for key, value in published("cdnow_concentration")["values"].items():
        found = loyalty.gini(spend) if key == "gini" else loyalty.top_share(spend, key)
        assert found == pytest.approx(value, abs=published("cdnow_concentration")["tolerance"])


@pytest.mark.data
def test_complete_journey_concentration_is_the_published_one(published):
    entry = published("complete_journey_concentration")
    orders = to_pandas(data.load("complete_journey")["orders"])
    sales = orders.groupby("customer_id")["amount"].sum()
    assert round(orders["amount"].sum(), 2) == entry["values"]["sales"]
    assert len(orders) == entry["values"]["baskets"]
    assert loyalty.top_share(sales) == pytest.approx(entry["values"]["top_20_share"], abs=entry["tolerance"])
    assert loyalty.gini(sales) == pytest.approx(entry["values"]["gini"], abs=entry["tolerance"])


# -- windows -----------------------------------------------------------------------------------


def day(number, hour=0):
    return datetime.datetime(2026, 1, 1, hour) + datetime.timedelta(days=number - 1)


# Ann orders twice on day 1, then on day 9; Bob on day 2; Cleo only returns something, on day 12; Dan never ordered.
ORDERS = {
    "customer_id": ["ann", "ann", "ann", "bob", "cleo", None],
    "ordered_at": [day(1), day(1, 9), day(9, 23), day(2), day(12), day(3)],
    "amount": [5.0, 1.0, 7.0, 4.0, -2.0, 9.0],
}
CUSTOMERS = {
    "customer_id": ["ann", "bob", "cleo", "dan"],
    "acquired_at": [day(1), day(2), day(3), day(4)],
}


def rows_of(result, *columns):
    return to_pandas(result, sort_by=columns).to_numpy().tolist()


def test_windows_by_hand_on_every_engine(frame):
    result = loyalty.window_totals(frame(ORDERS), days=7, windows=2, as_of="2026-01-14")
    assert frame.same_kind(result)
    assert rows_of(result, "customer_id", "window") == [
        ["ann", 0, 6, 2, 1],
        ["ann", 1, 7, 1, 1],
        ["bob", 0, 4, 1, 1],
        ["bob", 1, 0, 0, 0],
    ]


RETURNS = {
    "customer_id": ["ann", "ann", "ann", "ann", "bob", "bob", "cleo"],
    "ordered_at": [day(1), day(2), day(3), day(3, 9), day(1, 5), day(5), day(2)],
    "amount": [-9.0, 5.0, 8.0, -3.0, None, -1.0, -2.0],
}


def test_a_return_is_money_but_no_order_on_every_engine(frame):
    """Ann returns on day 1 before her first order on day 2, and part of day 3's; Bob's order has no amount; Cleo only
    returns. The first order of all is Bob's, on day 1; the data end with Bob's return on day 5."""
    rows = rows_of(loyalty.window_totals(frame(RETURNS), days=5), "customer_id")
    assert rows == [["ann", 0, -9 + 5 + 8 - 3, 2, 2], ["bob", 0, -1, 1, 1]]
    named = loyalty.window_totals(frame(RETURNS), days=5, customers=frame(CUSTOMERS))
    assert rows_of(named, "customer_id")[2:] == [["cleo", 0, -2, 0, 0], ["dan", 0, 0, 0, 0]]
    repeats = loyalty.window_totals(frame(RETURNS), days=3, anchor="first_order")
    assert rows_of(repeats, "customer_id") == [["ann", 0, 8 - 3, 1, 1], ["bob", 0, 0, 0, 0]]
    late = {name: values[2:] for name, values in RETURNS.items()}  # Cleo's return on day 2 begins no window
    late["ordered_at"] = [day(3), day(3, 9), day(4), day(5), day(2)]
    assert rows_of(loyalty.window_totals(frame(late), days=3), "customer_id")[0] == ["ann", 0, 5, 1, 1]


def test_a_return_is_no_order_of_the_panel(frame):
    """One period of 31 days; rates for 31 days are the plain sums."""
    options = {"start": "2026-01-01", "as_of": "2026-01-31", "per_days": 31}
    people = frame({"customer_id": ["ann", "cleo"]})
    panel = loyalty.membership_panel(frame(RETURNS), frame(MEMBERSHIPS), people, **options)
    assert to_pandas(panel, sort_by=["customer_id"])[["amount", "orders"]].to_numpy().tolist() == [[1, 2], [-2, 0]]


def test_who_never_ordered_is_at_risk_when_named(frame):
    result = loyalty.window_totals(frame(ORDERS), days=7, start="2025-12-31", customers=frame(CUSTOMERS))
    assert frame.same_kind(result)
    assert rows_of(result, "customer_id") == [
        ["ann", 0, 6, 2, 1],
        ["bob", 0, 4, 1, 1],
        ["cleo", 0, 0, 0, 0],
        ["dan", 0, 0, 0, 0],
    ]


def test_windows_after_the_first_order_hold_repeats_and_need_to_be_over(frame):
    """The data end on day 12: Ann's two windows are days 2-5 and 6-9, Bob's 3-6 and 7-10, Cleo's have not ended."""
    result = loyalty.window_totals(frame(ORDERS), days=4, windows=2, anchor="first_order", customers=frame(CUSTOMERS))
    assert frame.same_kind(result)
    assert rows_of(result, "customer_id", "window") == [
        ["ann", 0, 0, 0, 0],
        ["ann", 1, 7, 1, 1],
        ["bob", 0, 0, 0, 0],
        ["bob", 1, 0, 0, 0],
    ]


def test_a_window_counts_when_its_last_day_is_over(frame):
    windows = {
        as_of: len(to_pandas(loyalty.window_totals(frame(ORDERS), days=5, windows=3, as_of=as_of)))
        for as_of in ("2026-01-09", "2026-01-10", "2026-01-15")
    }
    assert windows == {"2026-01-09": 2, "2026-01-10": 4, "2026-01-15": 6}


def test_no_orders_give_no_windows_or_only_zeros(frame):
    empty = nw.from_native(frame(ORDERS)).filter(nw.col("amount") > 100).to_native()
    assert to_pandas(loyalty.window_totals(empty, days=7)).empty
    assert to_pandas(loyalty.window_totals(empty, days=7, anchor="first_order", as_of="2026-03-01")).empty
    silent = loyalty.window_totals(empty, days=7, start="2026-01-01", as_of="2026-01-07", customers=frame(CUSTOMERS))
    assert [row[2:] for row in rows_of(silent, "customer_id")] == [[0, 0, 0]] * 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"days": 0}, "days is 0"),
        ({"days": 2.5}, "days is 2.5"),
        ({"days": 7, "windows": 0}, "windows is 0"),
        ({"days": 7, "anchor": "birthday"}, "use calendar or first_order"),
        ({"days": 7, "anchor": "first_order", "start": "2026-01-01"}, "leave it out"),
        ({"days": 7, "start": "1.1.2026"}, "YYYY-MM-DD"),
    ],
)
def test_impossible_windows_are_refused(options, says):
    with pytest.raises(ParameterError, match=says):
        loyalty.window_totals(pd.DataFrame(ORDERS), **options)


def test_windows_need_their_columns(frame):
    with pytest.raises(MissingColumnsError, match="orders lacks 'amount'"):
        loyalty.window_totals(frame({"customer_id": [1], "ordered_at": [day(1)]}), days=7)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60), st.integers(-5, 9)), min_size=1, max_size=30),
    st.integers(1, 20),
    st.integers(1, 4),
)
def test_windows_lose_no_money_of_who_ordered(rows, days, windows):
    orders = pd.DataFrame(rows, columns=["customer_id", "day", "amount"])
    orders["ordered_at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(orders["day"], unit="D")
    bought = orders[orders["amount"] >= 0]
    first, span = bought["day"].min(), days * windows
    table = loyalty.window_totals(orders, days=days, windows=windows, as_of="2026-12-31")
    orders = orders[orders["customer_id"].isin(bought["customer_id"])]
    money, inside = (each[(each["day"] >= first) & (each["day"] < first + span)] for each in (orders, bought))
    assert table["amount"].sum() == money["amount"].sum()
    assert table["orders"].sum() == len(inside)
    assert table["order_days"].sum() == len(inside.drop_duplicates(["customer_id", "day"]))
    assert len(table) == windows * bought["customer_id"].nunique()


@pytest.mark.data
def test_complete_journey_windows_are_the_published_ones(published):
    """The published windows begin at midnight UTC, five hours before the shops' own day."""
    entry = published("complete_journey_windows")
    tables = data.load("complete_journey")
    local = to_pandas(tables["orders"])
    stamps = local["ordered_at"].dt.tz_localize("America/New_York", ambiguous=True, nonexistent="shift_forward")
    orders = local.assign(ordered_at=stamps.dt.tz_convert("UTC").dt.tz_localize(None))
    for days, shares in entry["values"].items():
        options = {"days": [days], "start": "2017-01-01", "customers": tables["customers"]}
        row = loyalty.share_by_window(orders, **options).iloc[0]
        assert row["customers"] == 2_469
        assert [row["all_customers"], row["buyers_only"]] == pytest.approx(shares, abs=entry["tolerance"])


def test_shares_by_window_by_hand(frame):
    """Days 1-6: Ann 6 and Bob 4 of four customers; days 7-12: Ann alone with 7; both together: Ann 13, Bob 4."""
    bought = {name: values[:4] for name, values in ORDERS.items()}
    options = {"days": [6, 12], "customers": frame(CUSTOMERS), "as_of": "2026-01-12"}
    table = loyalty.share_by_window(frame(bought), **options)
    assert table[["days", "window", "customers", "buyers"]].to_numpy().tolist() == [
        [6, 0, 4, 2],
        [6, 1, 4, 1],
        [12, 0, 4, 2],
    ]
    assert table[["all_customers", "buyers_only"]].to_numpy().tolist() == [[0.6, 0.6], [1, 1], [13 / 17, 13 / 17]]
    by_orders = loyalty.share_by_window(frame(bought), value="orders", **options | {"days": [3]})
    assert by_orders["all_customers"].round(4).tolist() == [0.6667, 1.0]  # windows 0 and 2; in 1 nothing was bought
    with pytest.raises(DataError, match="no window of 99 days"):
        loyalty.share_by_window(frame(bought), days=[99])
    with pytest.raises(DataError, match="1 customers have a negative value"):
        loyalty.share_by_window(frame(ORDERS), days=[12], customers=frame(CUSTOMERS))
    with pytest.raises(ParameterError, match="value 'profit' is unknown"):
        loyalty.share_by_window(frame(bought), days=[6], value="profit")


# -- chance ------------------------------------------------------------------------------------


def cdnow_repeats(days):
    totals = loyalty.window_totals(data.load("cdnow")["orders"], days=days, anchor="first_order")
    return to_pandas(totals)["order_days"].to_numpy()


@pytest.mark.data
def test_cdnow_repeats_beside_the_nbd_are_the_published_ones(published):
    """The NBD is fitted once, to 26 weeks; its share at 52 weeks is an extrapolation."""
    entry = published("cdnow_repeat_concentration")
    fitted = NBD(cdnow_repeats(182), 26).fit()
    for weeks, (observed, implied) in entry["values"].items():
        counts = cdnow_repeats(7 * weeks)
        assert len(counts) == 23_570
        assert loyalty.top_share(counts) == pytest.approx(observed, abs=entry["tolerance"])
        assert fitted.top_share(0.2, weeks) == pytest.approx(implied, abs=entry["tolerance"])


@pytest.mark.parametrize("window", [0.5, 1.0, 4.0, 20.0])
def test_the_correction_holds_on_nbd_data_at_every_window(window):
    """Simulated NBD: the gap is none and the long-run share is the gamma distribution's own."""
    from scipy.stats import gamma

    rng = np.random.default_rng(12)
    counts = rng.poisson(rng.gamma(0.7, 1 / 0.9, 20_000) * window)
    table = loyalty.chance_correction(counts, replicates=300, level=0.999, rng=rng).set_index("quantity")
    assert table.loc["gap", "low"] < 0 < table.loc["gap", "high"]
    rates = np.sort(gamma(0.7).ppf((np.arange(400_000) + 0.5) / 400_000))
    assert table.loc["long_run", "low"] < rates[320_000:].sum() / rates.sum() < table.loc["long_run", "high"]
    assert table.loc["observed", "value"] == loyalty.top_share(counts)


def test_intervals_of_the_correction_cover():
    """100 samples of 1,500 NBD counts at a true r of .7, α of .9; nominal 95 %, here ± 3 standard errors."""
    from crmlib.models import gamma_top_share, nbd_top_share

    rng = np.random.default_rng(8)
    truth = [nbd_top_share(0.7, 0.9), nbd_top_share(0.7, 0.9), 0.0, gamma_top_share(0.7)]
    inside = []
    for _ in range(100):
        counts = rng.poisson(rng.gamma(0.7, 1 / 0.9, 1_500))
        table = loyalty.chance_correction(counts, replicates=200, rng=rng)
        inside.append([low <= t <= high for low, high, t in zip(table["low"], table["high"], truth, strict=True)])
    assert (np.abs(np.mean(inside, axis=0) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 100)).all()


@pytest.mark.data
def test_chance_by_window_predicts_from_one_window(published):
    entry = published("cdnow_repeat_concentration")["values"]
    orders = data.load("cdnow")["orders"]
    rng = np.random.default_rng(1)
    table = loyalty.chance_by_window(orders, days=[182, 364], fitted_days=182, replicates=50, rng=rng)
    np.testing.assert_allclose(table[["observed", "predicted"]], list(entry.values()), atol=5e-4)
    assert (table["gap"] == table["observed"] - table["nbd"]).all()
    assert (table["gap_low"] < table["gap"]).all()
    assert (table["long_run"] < table["nbd"]).all()
    with pytest.raises(DataError, match="no window of 999 days"):
        loyalty.chance_by_window(orders, days=[999], fitted_days=182, rng=rng)


def test_correction_refuses_what_is_no_count():
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match="whole numbers"):
        loyalty.chance_correction([0.5, 2], rng=rng)
    with pytest.raises(DataError, match="no customer bought"):
        loyalty.chance_correction([0, 0], rng=rng)
    with pytest.raises(ConvergenceError, match="no more than by chance"):
        loyalty.chance_correction([1, 1, 1, 2], rng=rng)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        loyalty.chance_correction([0, 9], p=1, rng=rng)


def test_moderation_by_hand():
    """Groups 0, 1 and "2 and more"; means of the second window 1/2, 1 and 2; (r + x)/(α + 1) expected."""
    first, second = [0, 0, 1, 2, 9, 0], [0, 1, 1, 1, 3, 0.5]
    table = loyalty.buyer_moderation(first, second, most=2)
    assert table["customers"].tolist() == [3, 1, 2]
    assert table["before"].tolist() == [0, 1, 5.5]
    assert table["after"].tolist() == [0.5, 1, 2]
    fitted = NBD(first).fit()
    np.testing.assert_allclose(table["expected"], (fitted.r + np.array([0, 1, 5.5])) / (fitted.alpha + 1))
    assert table["low"].isna().all()


def test_heavy_buyers_regress_as_the_nbd_says_when_nobody_changes():
    rng = np.random.default_rng(2)
    rates = rng.gamma(0.6, 1 / 0.4, 60_000)
    first, second = rng.poisson(rates), rng.poisson(rates)
    table = loyalty.buyer_moderation(first, second, most=8, level=0.999)
    assert (table["low"] < table["expected"]).all()
    assert (table["expected"] < table["high"]).all()
    assert (table["after"] < table["before"])[2:].all()
    stable = loyalty.heavy_buyer_stability(first, second, level=0.999, replicates=200, rng=rng)
    assert (stable["low"] < stable["nbd"]).all()
    assert (stable["nbd"] < stable["high"]).all()


def test_stability_splits_ties_and_forgets_row_order():
    """Of ten customers the top 20 % are two: the one with 3 and, of the two with 2, half each.

    In the second window the cut falls among all three with 1, two thirds each: (2/3 + 1/2 · 2/3) / 2.
    """
    first = np.array([3, 2, 2, 0, 0, 0, 0, 0, 0, 0])
    second = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    rng = np.random.default_rng(1)
    table = loyalty.heavy_buyer_stability(first, second, replicates=50, rng=rng)
    np.testing.assert_allclose(table["value"], [(2 / 3 + 1 / 2 * 2 / 3) / 2, 5 / 7, 1.5 / 3])
    turned = loyalty.heavy_buyer_stability(first[::-1], second[::-1], replicates=50, rng=rng)
    np.testing.assert_allclose(turned["value"], table["value"])


def test_windows_of_different_customers_are_refused():
    with pytest.raises(DataError, match="the same customers"):
        loyalty.buyer_moderation([1, 2, 0], [1, 2])
    with pytest.raises(DataError, match="nobody bought in the second"):
        loyalty.heavy_buyer_stability([0, 0, 5], [0, 0, 0], rng=np.random.default_rng(1))


# -- the programme's panel ---------------------------------------------------------------------


MEMBERSHIPS = {"customer_id": ["ann", "bob", "ann"], "joined_at": [day(13), day(90), day(20)]}


def test_panel_by_hand_on_every_engine(frame):
    """Weeks from Monday 5 January; the one of 26 January is not over; Dan was won after the start... on day 4."""
    late = {"customer_id": [*CUSTOMERS["customer_id"], "eve"], "acquired_at": [*CUSTOMERS["acquired_at"], day(6)]}
    options = {"start": "2026-01-03", "as_of": "2026-01-30", "period": "week", "per_days": 14}
    result = loyalty.membership_panel(frame(ORDERS), frame(MEMBERSHIPS), frame(late), **options)
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id", "period"])
    assert list(table["customer_id"].unique()) == ["ann", "bob"]  # won before 3 January
    assert table["period"].tolist() == [0, 1, 2] * 2
    assert table["joined"].fillna(-9).tolist() == [1, 1, 1, -9, -9, -9]
    assert table["orders"].tolist() == [2, 0, 0, 0, 0, 0]
    assert table["amount"].tolist() == [14, 0, 0, 0, 0, 0]


def test_who_holds_no_account_is_not_in_the_panel(frame):
    people = CUSTOMERS | {"account": [True, False, None, True]}
    panel = loyalty.membership_panel(
        frame(ORDERS), frame(MEMBERSHIPS), frame(people), start="2026-01-12", as_of="2026-01-30", period="week"
    )
    assert set(to_pandas(panel)["customer_id"]) == {"ann", "dan"}


@pytest.mark.parametrize(("period", "days"), [("month", [31, 28, 31]), ("quarter", [90]), ("week", [7] * 12)])
def test_rates_are_for_equal_days(frame, period, days):
    """One order a day makes 30 orders in 30 days in every period, however long."""
    orders = {"customer_id": [1] * 365, "ordered_at": [day(n) for n in range(1, 366)], "amount": [2.0] * 365}
    members = {"customer_id": [1], "joined_at": [day(40)]}
    people = {"customer_id": [1]}
    options = {"start": "2026-01-01", "as_of": "2026-03-31", "period": period}
    table = to_pandas(loyalty.membership_panel(frame(orders), frame(members), frame(people), **options))
    assert len(table) == len(days)
    np.testing.assert_allclose(table["orders"], 30)
    np.testing.assert_allclose(table["amount"], 60)


def test_panel_without_members_or_customers(frame):
    options = {"start": "2026-01-01", "as_of": "2026-01-30", "period": "week"}
    nobody = nw.from_native(frame(MEMBERSHIPS)).filter(nw.col("customer_id") == "zoe").to_native()
    table = to_pandas(loyalty.membership_panel(frame(ORDERS), nobody, frame(CUSTOMERS), **options))
    assert table["joined"].isna().all()
    with pytest.raises(DataError, match="panel has no customers"):
        loyalty.programme_effect(loyalty.membership_panel(frame(ORDERS), nobody, frame(CUSTOMERS), **options))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"start": "2026-01-05", "as_of": "2026-01-20"}, "0 whole months lie between"),
        ({"start": "2026-03-05", "as_of": "2026-01-20", "period": "day"}, "0 whole days"),
        ({"start": "1990-03-05", "as_of": "2026-01-20", "period": "day"}, "needs 1 to 1,000"),
        ({"start": "", "as_of": "2026-01-20"}, "needs start and as_of"),
        ({"start": "2026-01-05", "as_of": "2026-06-20", "period": "fortnight"}, "'fortnight' is unknown"),
        ({"start": "2026-01-05", "as_of": "2026-06-20", "per_days": 0}, "per_days is 0"),
    ],
)
def test_impossible_panels_are_refused(options, says):
    with pytest.raises(ParameterError, match=says):
        loyalty.membership_panel(pd.DataFrame(ORDERS), pd.DataFrame(MEMBERSHIPS), pd.DataFrame(CUSTOMERS), **options)


# -- the programme's effect --------------------------------------------------------------------


def small_panel(seed=0, *, periods=6, joins=(2, 3, 3, 3, 2, 4, 4), never=5, effect=0.0):
    """Customers with own levels, a common trend, an effect that grows with event time, and noise."""
    rng = np.random.default_rng(seed)
    joined = np.array([*joins, *[np.nan] * never], dtype=float)
    t = np.arange(periods)
    values = rng.normal(0, 3, len(joined))[:, None] + 0.3 * t + rng.normal(0, 1, (len(joined), periods))
    values += effect * np.nan_to_num(np.maximum(t - joined[:, None], 0))
    return pd.DataFrame(
        {
            "customer_id": np.repeat(np.arange(len(joined)), periods),
            "period": np.tile(t, len(joined)),
            "joined": np.repeat(joined, periods),
            "orders": values.ravel(),
        }
    )


def regression(panel):
    """Least squares with explicit dummies, the joining periods left out: design, outcome, groups, names."""
    kept = panel[panel["period"] != panel["joined"]]
    columns = {f"customer {i}": kept["customer_id"] == i for i in panel["customer_id"].unique()}
    columns |= {f"period {t}": kept["period"] == t for t in panel["period"].unique() if t > 0}
    names = []
    for g in sorted(panel["joined"].dropna().unique()):
        for t in sorted(panel["period"].unique()):
            if t - g not in (-1, 0):
                names.append((int(g), int(t - g)))
                columns[names[-1]] = (kept["joined"] == g) & (kept["period"] == t)
    return pd.DataFrame(columns).astype(float), kept["orders"], kept["customer_id"], names


def test_effects_equal_the_saturated_regression():
    """Sun and Abraham's regression through statsmodels, with every dummy written out."""
    import statsmodels.api as sm

    panel = small_panel(effect=0.7)
    design, outcome, _, names = regression(panel)
    coefficients = sm.OLS(outcome.to_numpy(), design.to_numpy()).fit().params[-len(names) :]
    found = loyalty.programme_effect(panel)
    own = found.by_cohort.set_index(["cohort", "event_time"])
    np.testing.assert_allclose(own.loc[names, "effect"], coefficients)
    sizes = panel.groupby("joined")["customer_id"].nunique()
    table = pd.DataFrame(names, columns=["g", "l"]).assign(b=coefficients)
    table["n"] = table["g"].map(sizes)
    for row in found.by_event_time.itertuples():
        here = table[table["l"] == row.event_time]
        assert row.effect == pytest.approx(np.average(here["b"], weights=here["n"]))
        assert (row.cohorts, row.members) == (len(here), here["n"].sum())
    after = table[table["l"] > 0]
    assert found.overall["effect"] == pytest.approx(np.average(after["b"], weights=after["n"]))


def test_standard_errors_are_bell_and_mccaffreys_clustered_by_customer():
    """CR2 from its definition: V = (X'X)⁺ Σ X_i' A_i u_i u_i' A_i X_i (X'X)⁺ with A_i = (I − H_ii)^(−1/2)."""
    panel = small_panel(seed=3)
    design, outcome, customers, names = regression(panel)
    x, y = design.to_numpy(), outcome.to_numpy()
    bread = np.linalg.pinv(x.T @ x)
    rest = y - x @ (bread @ x.T @ y)
    meat = np.zeros_like(bread)
    for customer in customers.unique():
        own = (customers == customer).to_numpy()
        value, vector = np.linalg.eigh(np.eye(own.sum()) - x[own] @ bread @ x[own].T)
        power = np.where(value > 1e-9, np.maximum(value, 1e-12) ** -0.5, 0)  # own effects take a dimension
        score = x[own].T @ (vector * power @ vector.T) @ rest[own]
        meat += np.outer(score, score)
    covariance = (bread @ meat @ bread)[-len(names) :, -len(names) :]
    found = loyalty.programme_effect(panel)
    own = found.by_cohort.set_index(["cohort", "event_time"])
    np.testing.assert_allclose(own.loc[names, "standard_error"], np.sqrt(np.diag(covariance)))
    sizes = panel.groupby("joined")["customer_id"].nunique()
    weights = np.array([sizes[g] * (time > 0) for g, time in names], dtype=float)
    weights /= weights.sum()
    assert found.overall["standard_error"] == pytest.approx(np.sqrt(weights @ covariance @ weights))


def test_two_way_fixed_effects_equal_the_regression_with_dummies():
    import statsmodels.api as sm

    panel = small_panel(effect=1.0)
    design, outcome, _, names = regression(panel)
    plain = design.iloc[:, : -len(names)].assign(
        joined=panel["period"].gt(panel["joined"]).loc[design.index].astype(float)
    )
    table = loyalty.programme_comparisons(panel).set_index("method")
    assert table.loc["two_way", "effect"] == pytest.approx(
        sm.OLS(outcome.to_numpy(), plain.to_numpy()).fit().params[-1]
    )


def test_naive_and_before_after_by_hand():
    """Two members who join in period 1 of 3, with 5 and 7 before and 9 and 9 after; controls 1 and 3, then 2 and 4."""
    panel = pd.DataFrame(
        {
            "customer_id": np.repeat([1, 2, 3, 4], 3),
            "period": [0, 1, 2] * 4,
            "joined": np.repeat([1, 1, np.nan, np.nan], 3),
            "orders": [5.0, 99, 9, 7, 99, 9, 1, 50, 2, 3, 50, 4],
        }
    )
    table = loyalty.programme_comparisons(panel).set_index("method")["effect"]
    assert table["naive"] == 9 - 3
    assert table["before_after"] == 9 - 6
    assert table["event_study"] == (9 - 6) - (3 - 2)
    assert table["selection"] == 6 - 2
    assert table["caused_minus_attracted"] == 2 - 4


def test_last_joiners_are_controls_where_everybody_joins():
    panel = small_panel(never=0)
    found = loyalty.programme_effect(panel)
    assert found.control_kind == "last joiners"
    assert found.controls == 2
    assert set(found.by_cohort["cohort"]) == {2}  # cohort 3 would be seen after joining only once cohort 4 has joined
    by_hand = loyalty.programme_effect(
        panel[panel["period"] < 4].assign(joined=lambda t: t["joined"].where(t["joined"] < 4))
    )
    pd.testing.assert_frame_equal(found.by_event_time, by_hand.by_event_time)


def test_who_cannot_be_used_is_left_out_and_counted():
    joins = (0, -3, 2, 2, 3, 5, 5, 4, 4)
    found = loyalty.programme_effect(small_panel(joins=joins))
    assert found.left_out == {
        "joined in the first period or before": 2,
        "joined too late to be seen after": 2,
        "the only one of their period": 1,
    }
    assert (found.members, found.controls) == (4, 5)
    assert set(found.by_cohort["cohort"]) == {2, 4}
    lone = loyalty.programme_effect(small_panel(joins=(2, 2, 3, 3, 4, 4), never=1))
    assert lone.control_kind == "last joiners"
    assert lone.left_out["a lone non-member"] == 1


@pytest.mark.parametrize(
    ("panel", "says"),
    [
        (small_panel().head(0), "the panel has no customers"),
        (small_panel(joins=(), never=4), "nobody joined"),
        (small_panel(joins=(9, 9), never=4), "nobody joined"),
        (small_panel(joins=(3, 3, 3), never=0), "everybody joined in the same period"),
        (small_panel(joins=(3,), never=0), "everybody joined in the same period"),
        (small_panel(joins=(3,), never=5), "no member can be compared"),
        (small_panel(joins=(0, 0), never=5), "no member can be compared"),
        (small_panel(joins=(3, 3), never=5, periods=1), "nobody joined"),
        (small_panel().drop(index=3), "not balanced"),
        (small_panel().assign(orders=np.nan), "orders is missing or infinite"),
        (small_panel().assign(joined=range(72)), "a customer joins once"),
    ],
)
def test_panels_without_an_answer_are_refused(panel, says):
    for estimate in (loyalty.programme_effect, loyalty.programme_comparisons):
        with pytest.raises(DataError, match=says):
            estimate(panel)


def test_bad_options_of_the_effect_are_refused():
    with pytest.raises(MissingColumnsError, match="the panel lacks 'amount'"):
        loyalty.programme_effect(small_panel(), outcome="amount")
    with pytest.raises(ParameterError, match="horizon is 0"):
        loyalty.programme_effect(small_panel(), horizon=0)
    with pytest.raises(ParameterError, match="tested is 0"):
        loyalty.programme_effect(small_panel(), tested=0)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        loyalty.programme_comparisons(small_panel(), level=1)


def test_horizon_limits_what_counts_and_a_panel_without_a_past_has_no_test():
    panel = small_panel(effect=1.0)
    short, whole = (loyalty.programme_effect(panel, horizon=h) for h in (1, None))
    assert short.by_event_time["event_time"].max() == 1
    first = whole.by_event_time.set_index("event_time").loc[1]
    assert short.overall["effect"] == pytest.approx(first["effect"])
    nothing = loyalty.programme_effect(small_panel(joins=(1, 1, 1))).pretrend
    assert nothing["df"] == 0
    assert np.isnan(nothing["p_value"])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_effect_invariants(seed, random):
    """Row order and customer levels change nothing; scale scales; a common path cancels; ids are only names."""
    panel = small_panel(seed=seed, effect=0.5)
    found = loyalty.programme_effect(panel)
    other = panel.sample(frac=1, random_state=random.randrange(10_000))
    level, path = other["customer_id"] * 7.0, np.sin(other["period"])
    other = other.assign(orders=10 * (other["orders"] + level + path), customer_id=1_000 - other["customer_id"])
    moved = loyalty.programme_effect(other)
    np.testing.assert_allclose(moved.by_event_time["effect"], 10 * found.by_event_time["effect"], atol=1e-8)
    np.testing.assert_allclose(moved.overall, 10 * found.overall, atol=1e-8)
    np.testing.assert_allclose(moved.pretrend, found.pretrend, atol=1e-6)


def test_every_engine_gives_the_same_effect(frame):
    panel = small_panel()
    given_none = [None if np.isnan(value) else value for value in panel["joined"]]
    found = loyalty.programme_effect(frame(panel.assign(joined=given_none).to_dict("list") | {"joined": given_none}))
    pd.testing.assert_series_equal(found.overall, loyalty.programme_effect(panel).overall)


# -- against the simulated truth ---------------------------------------------------------------


def firm_and_panel(seed, customers=10_000, **options):
    options |= {"tables": ("customers", "orders", "memberships")}
    firm = data.simulate(np.random.default_rng(seed), customers=customers, **options)
    return firm, loyalty.programme_panel(firm)


def test_intervals_cover_the_effect_on_the_treated():
    """40 firms with parallel trends; nominal 95 %, here ± 3 standard errors; the naive difference hardly ever does."""
    inside, naive = [], []
    for seed in range(40):
        firm, panel = firm_and_panel(seed)
        truth = loyalty.true_effect(firm)
        expected = np.average(truth["effect"], weights=truth["members"])
        found = loyalty.programme_effect(panel)
        after = found.by_event_time[found.by_event_time["event_time"] > 0]
        assert after["members"].tolist() == truth["members"].tolist()
        inside.append(found.overall["low"] <= expected <= found.overall["high"])
        mean = loyalty.programme_comparisons(panel).set_index("method").loc["naive"]
        naive.append(mean["low"] <= expected <= mean["high"])
    assert abs(np.mean(inside) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 40)
    assert np.mean(naive) < 0.1


def test_the_pretrend_test_sees_trends_that_are_not_parallel():
    _, bent = firm_and_panel(3, customers=100_000, parallel_trends=False)
    _, straight = firm_and_panel(3, customers=100_000)
    assert loyalty.programme_effect(bent).pretrend["p_value"] < 0.001
    assert loyalty.programme_effect(straight).pretrend["p_value"] > 0.05


def test_the_panel_starts_where_it_is_said_or_the_firm_says():
    firm = data.simulate(np.random.default_rng(1), customers=200, tables=("customers", "orders"))
    assert loyalty.panel_start(firm) == datetime.date(2025, 1, 1)
    assert loyalty.panel_start(firm, "2025-03-01") == datetime.date(2025, 3, 1)
    plain = data.simulate(np.random.default_rng(1), customers=200, tables=("customers", "orders"), programme=False)
    with pytest.raises(ParameterError, match="give the panel's first day"):
        loyalty.panel_start(plain)


def test_true_effects_are_the_firms_own():
    firm, _ = firm_and_panel(1, customers=3_000)
    own = firm.truth.programme_effect()
    assert loyalty.true_effect(firm)["effect"].tolist() == own["orders"].tolist()
    assert loyalty.true_effect(firm, outcome="amount")["effect"].tolist() == own["spend"].tolist()
    with pytest.raises(ParameterError, match="use amount or orders"):
        loyalty.true_effect(firm, outcome="profit")


@pytest.mark.data
def test_a_real_source_has_no_true_effect_and_no_known_start():
    with pytest.raises(ParameterError, match="'cdnow' is not simulated"):
        loyalty.true_effect(data.load("cdnow"))
    with pytest.raises(ParameterError, match="'cdnow' does not say when its programme began"):
        loyalty.panel_start(data.load("cdnow"))
    with pytest.raises(DataError, match="has no table 'memberships'"):
        loyalty.programme_panel(data.load("cdnow"))


def test_the_sweep_shows_selection_bending_the_naive_difference_only():
    table = loyalty.assumption_sweep(customers=60_000, pulls=(0.0, 1.5), seed=4)
    assert table["parallel"].tolist() == [True, True, False, False]
    straight = table[table["parallel"]]
    assert ((straight["low"] < straight["truth"]) & (straight["truth"] < straight["high"])).all()
    assert (table["naive"] > 4 * table["truth"])[table["pull"] == 1.5].all()
    for method in ("weighted", "matched"):
        assert (table[method] < table["naive"])[table["pull"] == 1.5].all()
        assert (table[method] > 3 * table["truth"])[table["pull"] == 1.5].all()
    assert table.loc[3, "effect"] > table.loc[3, "truth"]


# -- conclusions -------------------------------------------------------------------------------


def study_with(effect, error, *, naive, p_value=0.5, df=3):
    """A programme's result with given numbers, and the table of comparisons that goes with it."""

    def row(value, spread):
        return pd.Series(
            {"effect": value, "standard_error": spread, "low": value - 2 * spread, "high": value + 2 * spread}
        )

    test = pd.Series({"statistic": 1.0, "df": df, "p_value": p_value})
    empty = pd.DataFrame()
    found = loyalty.ProgrammeEffect(empty, empty, row(effect, error), test, 90, 90, "never", {}, 0.95)
    rows = {"event_study": row(effect, error), "two_way": row(effect, error), "before_after": row(effect, error)}
    rows |= {"naive": row(naive, 0.1), "selection": row(naive - effect, error)}
    rows["caused_minus_attracted"] = row(2 * effect - naive, 2 * error)
    return found, pd.DataFrame(rows).T.rename_axis("method").reset_index()


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (
            {"effect": 3, "error": 0.5, "naive": 20},
            "it mostly attracts customers who were loyal before, so pay at most",
        ),
        (
            {"effect": 9, "error": 0.5, "naive": 10},
            "it causes more than it attracts, so pay at most the margin on the USD 9.00",
        ),
        ({"effect": 5, "error": 0.5, "naive": 10}, "whether it causes or attracts more cannot be told apart"),
        ({"effect": 1, "error": 0.8, "naive": 10}, "cannot be told apart from zero (+USD 1.00"),
        ({"effect": -3, "error": 0.5, "naive": 10}, "yet joining itself lowers it by −USD 3.00"),
        ({"effect": 3, "error": 0.5, "naive": -2}, "members bring in USD 2.00 less per 30 days"),
        ({"effect": 3, "error": 0.5, "naive": 20, "p_value": 0.01}, "another path before they joined"),
        ({"effect": 3, "error": 0.5, "naive": 20, "p_value": np.nan, "df": 0}, "it mostly attracts"),
    ],
)
def test_the_answer_takes_its_direction_from_the_numbers(numbers, words):
    shares = pd.DataFrame({"part": [0.2], "value": [0.55], "low": [0.53], "high": [0.57]})
    options = {"days": 365, "measure": "amount", "outcome": "amount", "currency": "USD"}
    finding = loyalty.conclusions.answer(
        shares, *study_with(**numbers), part=0.2, source="here", firm="there", **options
    )
    assert words in finding.sentence
    assert "hold 55.0 % (95 % interval 53.0 % to 57.0 %) of sales in 365 days, short of the 80 %" in finding.sentence
    assert (finding.value, finding.low, finding.high) == (0.55, 0.53, 0.57)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.82, 0.9, "more than the 80 % of the rule"),
        (0.75, 0.9, "in keeping with the 80 % of the rule"),
        (np.nan, np.nan, "of too few customers for an interval"),
    ],
)
def test_the_rule_is_judged_by_the_interval(low, high, words):
    shares = pd.DataFrame({"part": [0.2], "value": [0.85], "low": [low], "high": [high]})
    options = {"days": 365, "measure": "orders", "outcome": "orders", "currency": "USD"}
    made = study_with(0.3, 0.05, naive=2)
    finding = loyalty.conclusions.answer(shares, *made, part=0.2, source="here", firm="there", **options)
    assert words in finding.sentence
    assert "members bring in 2.000 orders more per 30 days" in finding.sentence


def test_findings_on_the_programme():
    found, table = study_with(3, 0.5, naive=20)
    told = {"currency": "USD", "firm": "the simulated firm"}
    effect = loyalty.conclusions.effect(found, table, outcome="amount", **told)
    assert "by +USD 3.00 per 30 days (95 % interval +USD 2.00 to +USD 4.00)" in effect.sentence
    selection = loyalty.conclusions.selection(table, outcome="amount", **told)
    assert "members were the better customers before they joined: the difference is +USD 17.00" in selection.sentence
    cost = loyalty.conclusions.break_even(found, margin_rate=0.5, **told)
    assert (cost.value, cost.low, cost.high) == (1.5, 1.0, 2.0)
    weak, _ = study_with(1, 0.8, naive=20)
    assert "no cost of a membership is known" in loyalty.conclusions.break_even(weak, margin_rate=0.5, **told).sentence
    assert "cannot be told apart from the others" in loyalty.conclusions.pretrend(found, firm="x").sentence
    bent, _ = study_with(1, 0.8, naive=20, p_value=0.001)
    assert "not to be trusted" in loyalty.conclusions.pretrend(bent, firm="x").sentence
    untested, _ = study_with(1, 0.8, naive=20, p_value=np.nan, df=0)
    assert loyalty.conclusions.pretrend(untested, firm="x").value is None
    truth = loyalty.conclusions.truth(found, table, 2.5, outcome="amount", currency="USD")
    assert "the event study's interval holds it, that of the naive difference misses it" in truth.sentence


def test_findings_on_windows_and_chance():
    shares = pd.DataFrame({"days": [7, 7, 28], "all_customers": [0.7, 0.8, 0.6], "buyers_only": [0.5, 0.5, 0.55]})
    moved = loyalty.conclusions.by_window(shares, part=0.2, measure="amount")
    assert moved.value == pytest.approx(0.15)
    assert "hold 75.0 % of sales in an average window of 7 days and 60.0 % in one of 28" in moved.sentence
    assert "of those who bought anything they hold 50.0 % and 55.0 %" in moved.sentence
    alone = loyalty.conclusions.by_window(shares.tail(1), part=0.2, measure="amount")
    assert alone.value is None
    row = {"days": 28, "observed": 0.7, "nbd": 0.72, "long_run": 0.6, "gap": -0.02}
    for ends, words in {
        (-0.03, -0.01): "2.0 points less than if nobody changed",
        (-0.05, 0.01): "cannot be told apart from a base in which nobody changes, -2.0 points away",
        (0.01, 0.03): "2.0 points more than if nobody changed",
    }.items():
        table = pd.DataFrame([row | dict(zip(("gap_low", "gap_high"), ends, strict=True))])
        finding = loyalty.conclusions.chance(table, days=28, part=0.2, source="here")
        assert words in finding.sentence
        assert "chance alone makes 12.0 points of it, and 60.0 % would remain" in finding.sentence
    stable = pd.DataFrame(
        {
            "quantity": ["stay_heavy", "share_before", "share_after"],
            "value": [0.5, 0.8, 0.6],
            "low": [0.48, 0.79, 0.58],
            "high": [0.52, 0.81, 0.62],
            "nbd": [0.6, 0.8, 0.62],
        }
    )
    finding = loyalty.conclusions.moderation(stable, days=28, part=0.2, source="here")
    assert "are heavy in the next 28, fewer than the 60.0 % if nobody changed" in finding.sentence
    assert "from 80.0 % to 60.0 %, and chance alone would leave 62.0 %" in finding.sentence


def test_the_bias_of_looking_alike_takes_its_words_from_the_numbers():
    """Truth 2: naive off by 8, matching by 6 (75 % of it) and weighting by 5 (62 %, the least)."""
    table = pd.DataFrame({"method": ["naive", "weighted", "matched"], "effect": [10.0, 7.0, 8.0]})
    told = {"outcome": "amount", "currency": "USD"}
    finding = loyalty.conclusions.bias(table, 2.0, **told)
    assert finding.value == 6
    assert "weighted by their past by +USD 5.00" in finding.sentence
    assert "leaves at least 62 % of the naive bias" in finding.sentence
    worse = loyalty.conclusions.bias(table.assign(effect=[3.0, 9.0, -7.0]), 2.0, **told)
    assert "takes away none of it" in worse.sentence


def test_tables_that_do_not_speak_of_the_same_customers_are_refused():
    day = pd.Timestamp("2025-01-10")
    orders = pd.DataFrame({"customer_id": [1, 2], "ordered_at": day, "amount": 1.0})
    joins = pd.DataFrame({"customer_id": [1], "joined_at": [pd.Timestamp("2025-02-10")]})
    people = pd.DataFrame({"customer_id": [1, 2], "acquired_at": pd.Timestamp("2024-12-01")})
    span = {"start": "2025-01-01", "as_of": "2025-03-31"}
    with pytest.raises(DataError, match="make them one kind"):
        loyalty.membership_panel(orders.assign(customer_id=["1", "2"]), joins, people, **span)
    with pytest.raises(DataError, match="ordered_at is text"):
        loyalty.membership_panel(orders.assign(ordered_at="2025-01-10"), joins, people, **span)
    with pytest.raises(DataError, match="joined_at is String"):
        loyalty.membership_panel(orders, joins.assign(joined_at="2025-02-10"), people, **span)
    with pytest.raises(DataError, match="values is not all numbers"):
        loyalty.gini(["a", "b"])
