"""Purchase histories from orders."""

from __future__ import annotations

import datetime

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest

from crmlib import data, rfm
from crmlib.errors import MissingColumnsError, ParameterError
from crmlib.frames import to_pandas

# Ann: 1 January twice (5 + 7), 15 January twice in the day (10 and a return of 4), 29 January (8).
# Bob: 8 January. Cleo: 5 February only, after as_of.
ORDERS = {
    "customer_id": ["ann", "ann", "ann", "ann", "ann", "bob", "cleo"],
    "ordered_at": [
        datetime.datetime(2026, 1, 1, 9),
        datetime.datetime(2026, 1, 1, 23, 59),
        datetime.datetime(2026, 1, 15, 8),
        datetime.datetime(2026, 1, 15, 22),
        datetime.datetime(2026, 1, 29, 23, 59, 59),
        datetime.datetime(2026, 1, 8),
        datetime.datetime(2026, 2, 5),
    ],
    "amount": [5.0, 7.0, 10.0, -4.0, 8.0, 3.0, 9.0],
}


def history_of(orders, **options):
    return to_pandas(rfm.purchase_history(orders, **options), sort_by=["customer_id"])


def test_histories_equal_the_hand_worked_table_on_every_engine(frame):
    orders = frame(ORDERS)
    result = rfm.purchase_history(orders, as_of="2026-01-29")
    assert frame.same_kind(result)
    expected = pd.DataFrame(
        {
            "customer_id": ["ann", "bob"],
            "frequency": [2, 0],
            "recency": [4.0, 0.0],  # 28 days
            "age": [4.0, 3.0],
            "monetary_value": [7.0, np.nan],  # (10 - 4 + 8) / 2
        }
    )
    pd.testing.assert_frame_equal(
        to_pandas(result, sort_by=["customer_id"]), expected.astype({"frequency": "int64"}), check_dtype=False
    )


def test_returns_are_no_orders_but_count_as_money(frame):
    """Ann: return of an order before the data on day 1, order of 5 on day 3, returns 2 of it on day 5 and 1 on day
    8, orders 9 on day 8, a free order on day 10, returns 3 on day 20. Bob: returns alone. Cleo: orders 4 on day 2,
    returns it on day 6. Dan: amount missing on day 4.
    """
    rows = [
        *[("ann", day, amount) for day, amount in zip([1, 3, 5, 8, 8, 10, 20], [-7, 5, -2, -1, 9, 0, -3], strict=True)],
        *[("bob", 2, -5), ("cleo", 2, 4), ("cleo", 6, -4), ("dan", 4, None)],
    ]
    orders = frame(
        {
            "customer_id": [who for who, _, _ in rows],
            "ordered_at": [datetime.datetime(2026, 1, day) for _, day, _ in rows],
            "amount": [None if amount is None else float(amount) for _, _, amount in rows],
        }
    )
    table = history_of(orders, unit="day")
    assert table["customer_id"].tolist() == ["ann", "cleo", "dan"]
    assert table["frequency"].tolist() == [2, 0, 0]  # days 8 and 10
    assert table["recency"].tolist() == [7.0, 0.0, 0.0]
    assert table["age"].tolist() == [17.0, 18.0, 16.0]  # to day 20, a return's
    np.testing.assert_allclose(table["monetary_value"], [1.5, np.nan, np.nan])  # (-2 - 1 + 9 + 0 - 3) / 2
    held = to_pandas(rfm.holdout_history(orders, as_of="2026-01-04", unit="day"), sort_by=["customer_id"])
    assert held["customer_id"].tolist() == ["ann", "cleo", "dan"]
    assert held["holdout_frequency"].tolist() == [2, 0, 0]
    assert held["holdout_amount"].tolist() == [3.0, -4.0, 0.0]  # -2 - 1 + 9 + 0 - 3


def test_a_missing_amount_is_an_order_of_nothing_on_every_engine(frame):
    days = [datetime.datetime(2026, 1, day) for day in (1, 8, 15)]
    orders = frame({"customer_id": [1, 1, 1], "ordered_at": days, "amount": [5.0, float("nan"), 6.0]})
    assert history_of(orders).to_numpy().tolist() == [[1, 2, 2.0, 2.0, 3.0]]  # (0 + 6) / 2


def test_as_of_defaults_to_the_last_orders_day(frame):
    table = history_of(frame(ORDERS), unit="day")
    assert table["age"].tolist() == [35.0, 28.0, 0.0]
    assert table["recency"].tolist() == [28.0, 0.0, 0.0]


def test_the_as_of_day_counts_and_later_orders_do_not(frame):
    assert history_of(frame(ORDERS), as_of="2026-01-28")["frequency"].tolist() == [1, 0]
    assert history_of(frame(ORDERS), as_of="2026-01-15")["monetary_value"].tolist()[0] == 6.0
    assert history_of(frame(ORDERS), as_of="2025-12-31").empty


def test_weeks_are_sevenths_of_days(frame):
    days, weeks = (history_of(frame(ORDERS), unit=unit) for unit in ("day", "week"))
    for column in ("recency", "age"):
        np.testing.assert_allclose(weeks[column], days[column] / 7, rtol=1e-15)


def test_no_orders_and_missing_values(frame):
    nobody = nw.from_native(frame(ORDERS)).filter(nw.col("amount") > 99).to_native()
    assert history_of(nobody).empty
    gaps = {name: [*values, None] for name, values in ORDERS.items()}
    gaps["amount"][-1] = 1.0
    assert history_of(frame(gaps))["customer_id"].tolist() == ["ann", "bob", "cleo"]


def test_holdout_counts_days_after_the_history(frame):
    table = to_pandas(
        rfm.holdout_history(frame(ORDERS), as_of="2026-01-10", until="2026-01-31", unit="day"), sort_by=["customer_id"]
    )
    assert table["customer_id"].tolist() == ["ann", "bob"]
    assert table["holdout_frequency"].tolist() == [2, 0]
    assert table["holdout_amount"].tolist() == [14.0, 0.0]
    assert table["holdout_time"].tolist() == [21.0, 21.0]
    assert table["age"].tolist() == [9.0, 2.0]


def test_wrong_options_say_what_to_do(frame):
    with pytest.raises(ParameterError, match="unit 'fortnight' is unknown; use one of day, week"):
        rfm.purchase_history(frame(ORDERS), unit="fortnight")
    with pytest.raises(ParameterError, match="until must lie after as_of"):
        rfm.holdout_history(frame(ORDERS), as_of="2026-03-01")
    with pytest.raises(ParameterError, match="as_of is not set"):
        rfm.holdout_history(frame(ORDERS), as_of="")
    with pytest.raises(MissingColumnsError, match="orders lacks 'amount'"):
        rfm.purchase_history(frame({"customer_id": [1], "ordered_at": [datetime.date(2026, 1, 1)]}))


@pytest.mark.data
def test_the_sample_gives_the_published_histories():
    """The file rounds times to two digits and means to cents."""
    tables = data.load("cdnow_sample")
    mine = history_of(tables["orders"], as_of="1997-09-30")
    theirs = to_pandas(tables["purchase_history"], sort_by=["customer_id"])
    assert (mine["customer_id"] == theirs["customer_id"]).all()
    assert (mine["frequency"] == theirs["frequency"]).all()
    for column in ("recency", "age", "monetary_value"):
        np.testing.assert_allclose(mine[column], theirs[column], atol=0.0051)


# -- opportunities -------------------------------------------------------------------------------

# Ann: first in January (twice), a return alone in February, March twice, May. Bob: first in February, a return of
# all of it in April. Cleo: first in May. Dan: returns alone. Eve: first in June, which 15 June does not end.
MONTHS = [
    ("ann", 1, 1, 5.0), ("ann", 1, 31, 7.0), ("ann", 2, 10, -2.0), ("ann", 3, 1, 4.0), ("ann", 3, 31, 6.0),
    ("ann", 5, 31, 9.0), ("bob", 2, 28, 3.0), ("bob", 4, 1, -3.0), ("cleo", 5, 1, 8.0), ("dan", 3, 3, -1.0),
    ("eve", 6, 2, 2.0),
]  # fmt: skip


def months(frame):
    days = [datetime.datetime(2026, month, day, 23) for _, month, day, _ in MONTHS]
    return frame(
        {"customer_id": [who for who, *_ in MONTHS], "ordered_at": days, "amount": [amount for *_, amount in MONTHS]}
    )


def test_opportunities_equal_the_hand_worked_table_on_every_engine(frame):
    result = rfm.opportunity_history(months(frame), as_of="2026-06-15")
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id"])
    assert table["customer_id"].tolist() == ["ann", "bob", "cleo"]
    # opportunities of Ann: February (a return is no purchase), March, April, May; of Bob: March, April, May
    assert table[["frequency", "recency", "age"]].to_numpy().tolist() == [[2, 4, 4], [0, 0, 3], [0, 0, 0]]
    np.testing.assert_allclose(table["monetary_value"], [8.5, np.nan, np.nan])  # (-2 + 10 + 9) / 2
    assert to_pandas(rfm.opportunity_history(months(frame), as_of="2026-06-30"))["age"].max() == 5


def test_opportunities_held_out(frame):
    table = to_pandas(
        rfm.opportunity_history(months(frame), as_of="2026-02-28", until="2026-06-15"), sort_by=["customer_id"]
    )
    assert table["customer_id"].tolist() == ["ann", "bob"]
    assert table[["frequency", "recency", "age"]].to_numpy().tolist() == [[0, 0, 1], [0, 0, 0]]
    assert table["holdout_time"].tolist() == [3, 3]  # March, April, May
    assert table["holdout_frequency"].tolist() == [2, 0]
    assert table["holdout_amount"].tolist() == [19.0, -3.0]


def test_opportunities_say_what_is_wrong(frame):
    with pytest.raises(ParameterError, match="period 'fortnight' is unknown"):
        rfm.opportunity_history(months(frame), period="fortnight")
    with pytest.raises(ParameterError, match="no month ends after 2026-06-01 up to 2026-06-15"):
        rfm.opportunity_history(months(frame), as_of="2026-06-01", until="2026-06-15")
    with pytest.raises(ParameterError, match="as_of is not set"):
        rfm.opportunity_history(months(frame), until="2026-06-15")
    nobody = nw.from_native(months(frame)).filter(nw.col("amount") > 99).to_native()
    assert to_pandas(rfm.opportunity_history(nobody)).empty


@pytest.mark.data
def test_opportunities_of_cdnow_agree_with_plain_pandas(real_data):
    orders = to_pandas(data.load("cdnow_sample")["orders"])
    table = rfm.opportunity_history(orders, period="quarter", as_of="1997-12-31", until="1998-06-30")
    quarter = orders.assign(n=orders["ordered_at"].dt.year * 4 + orders["ordered_at"].dt.quarter)
    cells = quarter.drop_duplicates(["customer_id", "n"]).pivot_table(
        "amount", "customer_id", "n", "size", fill_value=0
    )
    assert (table["frequency"] == (cells[[7988 + q for q in (2, 3, 4)]] > 0).sum(axis=1).to_numpy()).all()
    assert (table["holdout_frequency"] == (cells[[7992 + q for q in (1, 2)]] > 0).sum(axis=1).to_numpy()).all()
    assert table["age"].eq(3).all()
    assert table["holdout_time"].eq(2).all()
