"""Customer margins, whale curves, selection over two periods, and what letting customers go does."""

from __future__ import annotations

import datetime
import itertools

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmlib import data, profitability
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas
from crmlib.profitability import Activity

# A hand-worked shop. Ann orders twice, Bob returns all he bought, Cleo buys below cost, Dan is only written to.
#        revenue  goods   orders  lines  returns  contacts
# Ann        150     90        2      4        0         1
# Bob     20−20  18−18         1      3        1         0
# Cleo        30     35        1      1        0         0
# Dan          0      0        0      0        0         1
ORDERS = {
    "order_id": [1, 2, 3, 4, 5],
    "customer_id": ["ann", "ann", "bob", "bob", "cleo"],
    "ordered_at": [datetime.datetime(2026, 1, day) for day in (1, 31, 10, 12, 20)],
    "amount": [100.0, 50.0, 20.0, -20.0, 30.0],
    "cost": [60.0, 30.0, 18.0, -18.0, 35.0],
    "discount": [4.0, None, 0.0, 0.0, 2.5],
}
LINES = {"order_id": [1, 1, 1, 2, 3, 3, 4, 5], "product_id": list("abcabcab"), "quantity": [1, 1, 1, 1, 2, 1, 1, 1]}
CONTACTS = {
    "campaign_id": [1, 1],
    "customer_id": ["ann", "dan"],
    "contacted_at": [datetime.date(2026, 1, 15), datetime.date(2026, 1, 15)],
}
COSTS = (
    Activity("handling", "orders", rate=5),
    Activity("picking", "lines", rate=2, avoidable_share=0.5),
    Activity("taking back", "returns", rate=7),
    Activity("mail", "contacts", rate=1),
    Activity("rent", "revenue", amount=36),
)
# Rent is shared out by positive revenue: 36 / (150 + 30) = 0.2 a unit.
#        gross  handling  picking/2  returns  mail  contribution      picking/2  rent   full
# Ann       60       −10         −4        0    −1            45             −4   −30     11
# Bob        0        −5         −3       −7     0           −15             −3     0    −18
# Cleo      −5        −5         −1        0     0           −11             −1    −6    −18
# Dan        0         0          0        0    −1            −1              0     0     −1
HAND = pd.DataFrame(
    {
        "customer_id": ["ann", "bob", "cleo", "dan"],
        "gross_margin": [60.0, 0.0, -5.0, 0.0],
        "avoidable_cost": [15.0, 15.0, 6.0, 1.0],
        "contribution": [45.0, -15.0, -11.0, -1.0],
        "allocated_cost": [34.0, 3.0, 7.0, 0.0],
        "service_cost": [49.0, 18.0, 13.0, 1.0],
        "full_margin": [11.0, -18.0, -18.0, -1.0],
    }
)


def shop(frame, **changed):
    tables = {"orders": ORDERS, "order_lines": LINES, "contacts": CONTACTS} | changed
    return {name: frame(columns) for name, columns in tables.items() if columns is not None}


def margins(tables, costs=(), **options):
    return to_pandas(profitability.customer_margin(tables, costs, **options), sort_by=["customer_id"])


def orders_of(*rows):
    return {"orders": pd.DataFrame(rows, columns=["customer_id", "amount", "cost"])}


# -- customer margin ---------------------------------------------------------------------------


def test_margins_equal_the_hand_worked_table_on_every_engine(frame):
    result = profitability.customer_margin(shop(frame), COSTS)
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id"])
    pd.testing.assert_frame_equal(table[list(HAND)], HAND, check_dtype=False)
    assert table["orders"].tolist() == [2, 2, 1, 0]
    assert table["quantity_returns"].tolist() == [0, 1, 0, 0]
    assert table["allocated_rent"].tolist() == [30, 0, 6, 0]
    assert table[["avoidable_picking", "allocated_picking"]].sum().tolist() == [8, 8]


def test_only_days_within_the_period_count(frame):
    table = margins(shop(frame), COSTS[:4], since="2026-01-10", as_of="2026-01-15")
    assert table["customer_id"].tolist() == ["ann", "bob", "dan"]  # Ann's and Dan's letters of the 15th
    assert table["contribution"].tolist() == [-1, -15, -1]
    with pytest.raises(ParameterError, match="begins on 2026-02-01 and ends on 2026-01-01; give a since before as_of"):
        profitability.customer_margin(shop(frame), since="2026-02-01", as_of="2026-01-01")


def test_two_periods_add_up_to_the_whole(frame):
    whole = margins(shop(frame), COSTS[:4])
    parts = [margins(shop(frame), COSTS[:4], **days) for days in ({"as_of": "2026-01-14"}, {"since": "2026-01-15"})]
    numbers = [name for name in whole.columns if name != "customer_id"]
    added = pd.concat(parts).groupby("customer_id")[numbers].sum()
    pd.testing.assert_frame_equal(added, whole.set_index("customer_id"))


def test_the_costs_table_gives_the_rates(frame):
    costs = {"activity": ["handling", "space"], "driver": ["orders", "lines"], "rate": [5.0, 2.0]}
    behaviour = costs | {"behaviour": ["avoidable", "allocated"]}
    share = costs | {"avoidable_share": [1.0, 0.0]}
    for table in (behaviour, share):
        found = margins(shop(frame, contacts=None, costs=table), None)
        assert found["contribution"].tolist() == [50, -5, -10]
        assert found["allocated_cost"].tolist() == [8, 6, 2]
    assert margins(shop(frame), frame(costs))["avoidable_space"].tolist() == [8, 6, 2]
    with pytest.raises(ParameterError, match="'space': behaviour is 'fixed'; it is one of 'avoidable', 'allocated'"):
        margins(shop(frame), frame(costs | {"behaviour": ["avoidable", "fixed"]}))
    with pytest.raises(ParameterError, match="activity 'space': its driver is None; name it"):
        margins(shop(frame), pd.DataFrame(costs | {"driver": pd.Series(["orders", None], dtype=object)}))
    with pytest.raises(ParameterError, match="'space' has the driver 'lines' but no rate"):
        margins(shop(frame), frame(costs | {"rate": [5.0, None]}))
    with pytest.raises(MissingColumnsError, match="costs lacks 'rate'"):
        margins(shop(frame), frame({"activity": ["a"], "driver": ["orders"]}))


def test_no_costs_leave_the_gross_margin(frame):
    table = margins(shop(frame, contacts=None))
    for column in ("contribution", "full_margin"):
        assert table[column].tolist() == table["gross_margin"].tolist() == [60, 0, -5]
    free = margins(
        shop(frame, contacts=None), [Activity("handling", "orders", rate=0), Activity("rent", "lines", amount=0)]
    )
    assert free["service_cost"].tolist() == [0, 0, 0]


def test_cost_of_goods_comes_from_lines_or_a_stated_share(frame):
    bare = {name: values for name, values in ORDERS.items() if name != "cost"}
    priced = LINES | {"cost": [20.0, 20.0, 20.0, 30.0, 9.0, 9.0, -18.0, 35.0]}
    assert margins(shop(frame, orders=bare, order_lines=priced))["goods_cost"].tolist() == [90, 0, 35]
    assert margins(shop(frame, orders=bare, contacts=None), cost_share=0.5)["goods_cost"].tolist() == [75, 0, 15]
    with pytest.raises(DataError, match="neither orders nor order_lines has a 'cost'; add it, or assume one"):
        margins(shop(frame, orders=bare))
    with pytest.raises(ParameterError, match="cost_share is 70; give the cost of goods as a share"):
        margins(shop(frame, orders=bare), cost_share=70)
    # A source's own cost is never overruled.
    assert margins(shop(frame), cost_share=0.5)["goods_cost"].tolist() == [90, 0, 35]


def test_a_missing_cost_leaves_no_margin(frame):
    table = margins(shop(frame, contacts=None, orders=ORDERS | {"cost": [60.0, None, 18.0, -18.0, 35.0]}))
    assert table["contribution"].isna().tolist() == [True, False, False]
    with pytest.raises(DataError, match=r"the margin of 1 customers is missing.*fill orders\.cost"):
        profitability.whale_curve(table["contribution"])


def test_no_orders_no_customers(frame):
    tables = shop(frame)
    tables["orders"] = nw.from_native(tables["orders"]).filter(nw.col("amount") > 1_000).to_native()
    del tables["contacts"]
    assert margins(tables, COSTS[:3]).empty
    with pytest.raises(DataError, match="'revenue', of which no customer has any in this period; take another driver"):
        margins(tables, COSTS[-1:])


def test_returns_only_bear_nothing_of_an_amount(frame):
    refund = {name: [values[3]] for name, values in ORDERS.items()}
    with pytest.raises(DataError, match="shared out by 'revenue'"):
        margins(shop(frame, orders=refund, contacts=None), COSTS[-1:])
    table = margins(shop(frame, orders=refund, contacts=None), [Activity("rent", "customers", amount=36), *COSTS[:1]])
    assert table[["revenue", "gross_margin", "contribution", "full_margin"]].iloc[0].tolist() == [-20, -2, -2, -38]


def test_a_driver_nobody_caused_costs_nothing(frame):
    kept = {name: values[:3] for name, values in ORDERS.items()}
    table = margins(shop(frame, orders=kept, contacts=None), [Activity("taking back", "returns", rate=7)])
    assert table["service_cost"].tolist() == [0, 0]


def test_drivers_are_tables_columns_and_a_few_names(frame):
    drivers = ["customers", "orders", "returns", "lines", "revenue", "contacts", "discount", "order_lines.quantity"]
    result = profitability.driver_quantities(shop(frame), drivers)
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id"]).set_index("customer_id")
    assert table.loc["ann"].tolist() == [1, 2, 0, 4, 150, 1, 4, 4]  # a missing discount is none
    assert table.loc["bob"].tolist() == [1, 1, 1, 3, 0, 0, 0, 4]
    assert table.loc["dan"].tolist() == [1, 0, 0, 0, 0, 1, 0, 0]
    assert to_pandas(profitability.driver_quantities(shop(frame), ["customers"])).shape == (3, 2)


def test_columns_of_orders_count_what_has_no_table(frame):
    own = ORDERS | {"lines": [3, 1, 2, 1, 1], "returns": [0, 1, 0, 0, 0], "deliveries": [1, 2, 1, 0, 1]}
    drivers = ["lines", "returns", "deliveries", "amount"]
    result = profitability.driver_quantities(shop(frame, orders=own, order_lines=None), drivers)
    assert to_pandas(result, sort_by=["customer_id"]).iloc[0].tolist() == ["ann", 4, 1, 3, 150]


def test_months_run_from_acquisition_within_the_period(frame):
    """Ann came on 1 January: 60 days to 1 March are 2 months; Bob came on 2 March, after the end."""
    days = [datetime.datetime(2026, 1, 1, 18), datetime.datetime(2026, 1, 31), datetime.datetime(2026, 3, 2)]
    people = {"customer_id": ["ann", "cleo", "bob"], "acquired_at": days}
    tables = shop(frame, customers=people, contacts=None)
    options = {"as_of": "2026-03-01"}
    table = to_pandas(profitability.driver_quantities(tables, ["months"], **options), sort_by=["customer_id"])
    assert table["months"].tolist() == [2, 0, 1]
    table = to_pandas(profitability.driver_quantities(tables, ["months"], since="2026-02-15", **options))
    assert table["months"].tolist() == [0.5, 0.5]
    with pytest.raises(ParameterError, match="over 'months' needs the period's end; give as_of"):
        profitability.driver_quantities(tables, ["months"])


PEOPLE = {
    "customer_id": ["ann", "cleo", "bob"],
    "acquired_at": [datetime.datetime(2026, 1, 1, 18), datetime.datetime(2026, 1, 31), datetime.datetime(2026, 3, 2)],
}


def test_acquisition_is_written_off_over_its_months(frame):
    """Over 4 months, 120 days: by 1 March Ann has 60 of them, Cleo 30, Bob comes later; 15 days since 15 February."""
    tables = shop(frame, customers=PEOPLE, contacts=None)

    def quantities(driver, **days):
        return to_pandas(profitability.driver_quantities(tables, [driver], **days), sort_by=["customer_id"])[driver]

    assert quantities("acquisition/4", as_of="2026-03-01").tolist() == [0.5, 0, 0.25]
    assert quantities("acquisition/4", since="2026-02-15", as_of="2026-03-01").tolist() == [0.125, 0.125]
    assert quantities("acquisition/0.5", since="2026-02-14", as_of="2026-03-01").tolist() == [0, 1 / 15]
    assert quantities("acquisition", as_of="2026-03-01").tolist() == [1, 0, 1]
    assert quantities("acquisition").tolist() == [1, 1, 1]
    assert quantities("acquisition", since="2026-01-10", as_of="2026-01-31").tolist() == [0, 0, 1]
    result = profitability.customer_margin(
        tables, [Activity("winning", "acquisition/4", rate=80.0)], as_of="2026-03-01"
    )
    table = to_pandas(result, sort_by=["customer_id"])
    assert table["allocated_winning"].tolist() == [40, 0, 20]  # spent, whoever leaves
    assert table["avoidable_winning"].tolist() == [0, 0, 0]


def test_any_dated_driver_can_be_spread(frame):
    """The letters of 15 January, over 30 days: 15 of them until 29 January."""
    table = to_pandas(
        profitability.driver_quantities(shop(frame), ["contacts/1", "contacts", "orders/1"], as_of="2026-01-29"),
        sort_by=["customer_id"],
    ).set_index("customer_id")
    assert table.loc["dan"].tolist() == [0.5, 1, 0]
    assert table.loc["ann"].tolist() == [0.5, 1, 29 / 30]  # the second order comes on the 31st
    assert table.loc["bob"].tolist() == [0, 0, 20 / 30]  # the return is no order


@pytest.mark.parametrize(
    ("driver", "says"),
    [
        ("lines/3", "'lines' cannot be spread over months, for it has no day"),
        ("months/3", "'months' cannot be spread"),
        ("contacts/ever", "spread over 'ever' months; give a number, as in contacts/12"),
        ("contacts/0", "spread over '0' months"),
        ("calls/3", "no table counts the driver 'calls'"),
    ],
)
def test_a_driver_that_cannot_be_spread_is_refused(driver, says):
    tables = {name: pd.DataFrame(columns) for name, columns in {"orders": ORDERS, "order_lines": LINES}.items()}
    tables |= {"contacts": pd.DataFrame(CONTACTS), "customers": pd.DataFrame(PEOPLE)}
    with pytest.raises(ParameterError, match=says):
        profitability.driver_quantities(tables, [driver], as_of="2026-03-01")
    with pytest.raises(ParameterError, match="needs the period's end; give as_of"):
        profitability.driver_quantities(tables, ["acquisition/12"])


def test_list_price_discounts_and_refunds_stand_above_revenue(frame):
    table = margins(shop(frame, contacts=None))
    assert table["list_revenue"].tolist() == [154, 20, 32.5]
    assert table["discounts"].tolist() == [4, 0, 2.5]
    assert table["refunds"].tolist() == [0, 20, 0]
    bare = {name: values for name, values in ORDERS.items() if name != "discount"}
    lines = LINES | {"discount": [1.0, 1.0, 0.0, None, 0.0, 3.0, 0.0, 0.0]}
    assert margins(shop(frame, orders=bare, order_lines=lines, contacts=None))["discounts"].tolist() == [2, 3, 0]
    assert margins(shop(frame, orders=bare, contacts=None))["list_revenue"].tolist() == [150, 20, 30]


def test_an_unknown_driver_is_answered_with_those_there_are(frame):
    with pytest.raises(
        ParameterError, match="'calls'; these tables offer customers, orders, returns, revenue, lines, con"
    ):
        margins(shop(frame), [Activity("calling", "calls", rate=3)])
    with pytest.raises(ParameterError, match="counts the driver 'lines'"):
        margins(shop(frame, order_lines=None), COSTS)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "a", "driver": "orders"}, "has the driver 'orders' but no rate"),
        ({"name": "a", "driver": "orders", "rate": 1, "amount": 2}, "a rate and an amount; give one"),
        ({"name": "a", "driver": "orders", "rate": -1}, "rate is -1; give a finite cost of 0 or more"),
        ({"name": "a", "driver": "orders", "amount": np.inf}, "amount is inf"),
        ({"name": "a", "driver": "orders", "rate": "5"}, "rate is '5'"),
        ({"name": "a", "driver": "orders", "rate": 1, "avoidable_share": 60}, "avoidable_share is 60; give a share"),
        ({"name": "", "driver": "orders", "rate": 1}, "name is ''; name it"),
        ({"name": "a", "driver": None, "rate": 1}, "driver is None; name it"),
    ],
)
def test_an_activity_that_cannot_be_is_refused(options, says):
    with pytest.raises(ParameterError, match=says):
        Activity(**options)


def test_activities_are_a_frame_or_a_list_and_named_once():
    assert profitability.activities(COSTS[0]) == COSTS[:1]
    with pytest.raises(ParameterError, match="'handling' stands twice"):
        profitability.activities([COSTS[0], COSTS[0]])
    with pytest.raises(ParameterError, match="cannot be named 'cost'"):
        profitability.activities([Activity("cost", "orders", rate=1)])
    with pytest.raises(ParameterError, match="costs hold 'handling'"):
        profitability.activities(["handling"])
    with pytest.raises(DataError, match="must be a frame or a list of activities, not dict"):
        profitability.activities({"handling": 5})


def test_orders_and_their_columns_are_needed(frame):
    with pytest.raises(DataError, match="need the table 'orders'; there are order_lines"):
        profitability.customer_margin({"order_lines": frame(LINES)})
    with pytest.raises(MissingColumnsError, match="orders lacks 'amount'"):
        profitability.customer_margin({"orders": frame({"customer_id": [1], "cost": [1.0]})})
    with pytest.raises(MissingColumnsError, match="orders lacks 'ordered_at'"):
        profitability.customer_margin(orders_of((1, 2.0, 1.0)), since="2026-01-01")


amounts = st.integers(-50_00, 500_00).map(lambda cents: cents / 100)
orders = st.lists(st.tuples(st.integers(1, 6), amounts, amounts), min_size=1, max_size=25)
shares = st.floats(0, 1)
rates = st.floats(0, 1_000)


@settings(max_examples=60, deadline=None)
@given(orders, rates, shares, rates, shares, rates, st.sampled_from(["orders", "revenue", "customers"]))
def test_margins_add_up_to_the_firms_for_every_allocation(rows, rate, share, pool, pool_share, tax, driver):
    """To the cent: Σ margin = Σ amount − Σ cost − each cost, and avoidable plus allocated is all of it."""
    tables = orders_of(*rows)
    by = pd.DataFrame(rows, columns=["who", "amount", "cost"]).groupby("who")["amount"].agg(["sum", "size"])
    base = {"revenue": by["sum"].clip(lower=0).sum(), "customers": 1, "orders": sum(row[1] >= 0 for row in rows)}[
        driver
    ]
    costs = [
        Activity("handling", "orders", rate=rate, avoidable_share=share),
        Activity("tax", "revenue", rate=tax / 10_000),
        Activity("rent", driver, amount=pool if base > 0 else 0, avoidable_share=pool_share),
    ]
    table = margins(tables, costs)
    gross = sum(amount - cost for _, amount, cost in rows)
    charged = rate * sum(amount >= 0 for _, amount, _ in rows) + tax / 10_000 * sum(row[1] for row in rows)
    charged += pool if base > 0 else 0
    assert table["gross_margin"].sum() == pytest.approx(gross, abs=0.005)
    assert table["full_margin"].sum() == pytest.approx(gross - charged, abs=0.005)
    assert table["service_cost"].sum() == pytest.approx(charged, abs=0.005)
    np.testing.assert_allclose(table["avoidable_cost"] + table["allocated_cost"], table["service_cost"])
    np.testing.assert_allclose(table["contribution"] - table["allocated_cost"], table["full_margin"], atol=1e-9)


days = st.integers(0, 400).map(lambda day: datetime.datetime(2025, 1, 1) + datetime.timedelta(days=day))
dated = st.lists(st.tuples(st.integers(1, 6), amounts, amounts, days, st.integers(0, 30)), min_size=1, max_size=20)


@settings(max_examples=25, deadline=None)
@given(dated, st.lists(days, min_size=6, max_size=6), rates, rates, shares, st.integers(1, 6), st.integers(1, 399))
def test_margins_add_up_with_acquisition_discounts_and_contacts(rows, won, cost, post, share, months, cut):
    """To the cent, day by day: a customer's acquisition falls due in equal parts on each of 30 · months days."""
    table = pd.DataFrame(rows, columns=["customer_id", "amount", "cost", "ordered_at", "discount"])
    tables = {
        "orders": table,
        "customers": pd.DataFrame({"customer_id": range(1, 7), "acquired_at": won}),
        "contacts": table[["customer_id"]].assign(contacted_at=table["ordered_at"]),
    }
    costs = [
        Activity("winning", f"acquisition/{months}", rate=cost),
        Activity("allowance", "discount", rate=0.5, avoidable_share=share),
        Activity("mail", "contacts", rate=post, avoidable_share=share),
    ]
    first = datetime.date(2025, 1, 1)
    ends = [first - datetime.timedelta(days=1), first + datetime.timedelta(days=cut), datetime.date(2026, 3, 1)]
    for start, end in itertools.pairwise(ends):
        found = margins(tables, costs, since=start + datetime.timedelta(days=1), as_of=end)
        period = [row for row in rows if start < row[3].date() <= end]
        gross = sum(row[1] - row[2] for row in period)
        due = sum(
            start < (day + datetime.timedelta(days=n)).date() <= end for day in won for n in range(30 * months)
        ) / (30 * months)
        charged = cost * due + 0.5 * sum(row[4] for row in period) + post * len(period)
        assert found["full_margin"].sum() == pytest.approx(gross - charged, abs=0.005)
        np.testing.assert_allclose(found["avoidable_cost"] + found["allocated_cost"], found["service_cost"])
        assert found["list_revenue"].sum() == pytest.approx(sum(max(row[1], 0) + row[4] for row in period), abs=0.005)


@settings(max_examples=20, deadline=None)
@given(orders, st.randoms(use_true_random=False))
def test_row_order_changes_nothing_and_money_scales(rows, random):
    costs = [Activity("handling", "orders", rate=3, avoidable_share=0.4), Activity("rent", "customers", amount=70)]
    table = margins(orders_of(*rows), costs)
    shuffled = list(rows)
    random.shuffle(shuffled)
    pd.testing.assert_frame_equal(margins(orders_of(*shuffled), costs), table)
    dearer = [Activity("handling", "orders", rate=6, avoidable_share=0.4), Activity("rent", "customers", amount=140)]
    doubled = margins(orders_of(*((who, 2 * amount, 2 * cost) for who, amount, cost in rows)), dearer)
    np.testing.assert_allclose(doubled["full_margin"], 2 * table["full_margin"], atol=1e-9)


def test_the_income_statement_adds_up_by_group():
    statement = profitability.income_statement(
        margins({"orders": pd.DataFrame(ORDERS), "order_lines": pd.DataFrame(LINES)}, COSTS[:2]),
        np.array(["earns", "loses", "loses"]),
    )
    assert statement.loc["customers"].tolist() == [1, 2, 3]
    # Discounts 4 + 2.5, Bob's refund 20: the list price of all that was sold is 154 + 20 + 32.5.
    assert statement["all"].tolist()[1:] == [206.5, -6.5, -20, 180, -125, 55, -20, -8, 27, 0, -8, 19]
    assert statement["loses"].tolist()[1:] == [52.5, -2.5, -20, 30, -35, -5, -10, -4, -19, 0, -4, -23]
    assert list(statement.index) == [
        *("customers", "list_revenue", "discounts", "refunds", "revenue", "goods_cost", "gross_margin"),
        *("avoidable_handling", "avoidable_picking"),
        *("contribution", "allocated_handling", "allocated_picking", "full_margin"),
    ]


# -- whale curve -------------------------------------------------------------------------------


def test_whale_curve_by_hand():
    """Sorted 15, 10, 0, −5: cumulative 15, 25, 25, 20; the peak is the first of the two 25s."""
    curve = profitability.whale_curve([10, -5, 15, 0])
    assert curve["profit"].tolist() == [0, 15, 25, 25, 20]
    assert curve["profit_share"].tolist() == [0, 0.75, 1.25, 1.25, 1]
    peak = profitability.whale_peak([10, -5, 15, 0])
    assert (peak.rank, peak.customer_share, peak.profit, peak.profit_share) == (2, 0.5, 25, 1.25)


def test_out_of_sample_ties_share_their_profit():
    """Ranks 5 | 3, 3 | 1: the two threes judged 8 and −2 add 3 each, whatever the order of the rows."""
    for judged, by in (([4, 8, -2, 1], [5, 3, 3, 1]), ([-2, 1, 4, 8], [3, 1, 5, 3])):
        curve = profitability.whale_curve(judged, rank_by=by)
        assert curve["profit"].tolist() == [0, 4, 7, 10, 11]


def test_a_firm_that_earns_nothing_has_a_curve_but_no_shares():
    curve = profitability.whale_curve([-1, -2])
    assert curve["profit"].tolist() == [0, -1, -3]
    assert curve["profit_share"].isna().all()
    peak = profitability.whale_peak([-1, -2])
    assert (peak.rank, peak.profit) == (0, 0)
    assert profitability.whale_curve([]).to_numpy()[0, :3].tolist() == [0, 0, 0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=30))
def test_whale_curve_is_the_largest_sum_of_so_many(values):
    """The independent route: at rank k the sum of the k largest; the peak is the sum of the positive ones."""
    curve = profitability.whale_curve(values)
    for rank in range(len(values) + 1):
        assert curve["profit"].iloc[rank] == sum(sorted(values, reverse=True)[:rank])
    peak = profitability.whale_peak(values)
    assert peak.rank == sum(value > 0 for value in values)
    assert peak.profit == sum(value for value in values if value > 0)


def test_whale_refuses_what_it_cannot_rank():
    with pytest.raises(DataError, match="one length"):
        profitability.whale_curve([1, 2], rank_by=[1])
    with pytest.raises(DataError, match="the margin of 1 customers is missing"):
        profitability.whale_curve([1, np.nan])
    with pytest.raises(ParameterError, match="shares of customers lie between 0 and 1"):
        profitability.whale_band([1] * 40, shares=[2], rng=np.random.default_rng(1))


def test_whale_band_at_the_end_is_the_interval_of_a_sum():
    """At a share of 1 the profit is Σx, whose normal interval is ± z s √n; at 0 it is 0."""
    rng = np.random.default_rng(3)
    values = rng.normal(5, 20, 3_000)
    band = profitability.whale_band(values, replicates=2_000, rng=rng)
    half = 1.959964 * values.std() * np.sqrt(len(values))
    last = band.iloc[-1]
    assert last["profit"] == pytest.approx(values.sum())
    assert last["high"] - last["low"] == pytest.approx(2 * half, rel=0.06)
    assert band.iloc[0][["profit", "low", "high"]].tolist() == [0, 0, 0]
    curve = profitability.whale_curve(values)
    at = np.interp(band["customer_share"], curve["customer_share"], curve["profit"])
    np.testing.assert_allclose(band["profit"], at)


def test_few_customers_get_no_bootstrap():
    rng = np.random.default_rng(1)
    assert profitability.whale_band([1, -1], rng=rng)["low"].isna().all()
    found = profitability.unprofitable([1, -1], rng=rng)
    assert np.isnan(found.loss_low)
    assert (found.customers, found.share, found.loss) == (1, 0.5, -1)
    with pytest.raises(DataError, match="there are no customers"):
        profitability.unprofitable([], rng=rng)


def test_share_of_unprofitable_has_wilsons_interval():
    """By the formula for 40 of 200 at z = 1.96: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)."""
    found = profitability.unprofitable([-2.0] * 40 + [0.0] * 10 + [3.0] * 150, rng=np.random.default_rng(1))
    z, p, n = 1.959964, 0.2, 200
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    ends = [(p + z**2 / (2 * n) + side * half) / (1 + z**2 / n) for side in (-1, 1)]
    assert [found.low, found.high] == pytest.approx(ends, abs=1e-6)
    assert found.loss == -80
    # Each of 200 draws is a loss of 2 with probability .2: the sum has the standard deviation 2 √(200 · .16).
    assert found.loss_high - found.loss_low == pytest.approx(2 * 1.96 * 2 * np.sqrt(32), rel=0.1)


# -- two periods -------------------------------------------------------------------------------


def pair(before, after):
    """Pairs from two dictionaries of margins."""
    tables = [pd.DataFrame({"customer_id": list(m), "contribution": list(m.values())}) for m in (before, after)]
    return profitability.paired_margins(*tables)


def test_paired_margins_keep_the_first_periods_customers():
    pairs = pair({"a": 1.0, "b": -2.0}, {"b": 3.0, "c": 9.0})
    assert pairs.to_numpy().tolist() == [["a", 1.0, 0.0, False], ["b", -2.0, 3.0, True]]
    with pytest.raises(MissingColumnsError, match="before lacks 'full_margin'"):
        profitability.paired_margins(pd.DataFrame({"customer_id": [1]}), pd.DataFrame(), column="full_margin")
    twice = pd.DataFrame({"customer_id": [1, 1], "contribution": [1.0, 2.0]})
    with pytest.raises(DataError, match="before holds a customer twice"):
        profitability.paired_margins(twice, twice)


def test_a_row_without_an_order_is_not_seen():
    before = pd.DataFrame({"customer_id": [1, 2], "contribution": [1.0, 2.0]})
    after = pd.DataFrame({"customer_id": [1, 2], "contribution": [-0.5, 4.0], "orders": [0, 3]})
    pairs = profitability.paired_margins(before, after)
    assert pairs["seen"].tolist() == [False, True]
    assert pairs["after"].tolist() == [-0.5, 4.0]


def test_persistence_by_hand():
    """Negative: a, b, c; seen of them a and b; negative again b. Of the others seen, d and e, one is negative."""
    pairs = pair({"a": -1, "b": -2, "c": -3, "d": 4, "e": 5}, {"a": 6, "b": -1, "d": -2, "e": 1})
    found = profitability.loss_persistence(pairs, rng=np.random.default_rng(1))
    assert (found.customers, found.seen, found.again, found.share) == (3, 2, 1, 0.5)
    assert (found.before, found.after, found.others_share) == (-3, 5, 0.5)
    assert np.isnan(found.after_low)
    none = profitability.loss_persistence(pair({"a": 1}, {"a": 1}), rng=np.random.default_rng(1))
    assert none.customers == 0
    assert np.isnan(none.share)


def test_pure_chance_regresses_to_the_mean_and_a_fixed_margin_does_not():
    """Margins independent over periods: every group's later mean is the population's, within its interval."""
    rng = np.random.default_rng(4)
    first, second = rng.normal(10, 30, (2, 4_000))
    ids = range(4_000)
    chance = pair(dict(zip(ids, first, strict=True)), dict(zip(ids, second, strict=True)))
    table = profitability.regression_to_mean(chance, level=0.999, rng=rng)
    assert table["customers"].tolist() == [400] * 10
    assert table["before"].is_monotonic_increasing
    assert (table["low"] < 10).all()
    assert (table["high"] > 10).all()
    fixed = pair(dict(zip(ids, first, strict=True)), dict(zip(ids, first, strict=True)))
    table = profitability.regression_to_mean(fixed, rng=rng)
    np.testing.assert_allclose(table["before"], table["after"])
    assert profitability.loss_persistence(fixed, rng=rng).share == 1


def test_groups_are_equal_in_size_and_keep_ties_together():
    assert profitability.quantile_groups(range(10), 5).tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert profitability.quantile_groups([7, 7, 7, 7], 4).tolist() == [2] * 4
    assert profitability.quantile_groups([], 4).tolist() == []
    with pytest.raises(ParameterError, match="groups is 1; give a whole number of 2 or more"):
        profitability.quantile_groups([1, 2], 1)


def test_migration_by_hand():
    """Halves: a, b low, c, d high. Seen later a 9, c 1, d 5: their halves by mean rank are c, d low and a high."""
    pairs = pair({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 9, "c": 1, "d": 5})
    matrix = profitability.migration_matrix(pairs, groups=2)
    assert matrix.columns.tolist() == ["not seen", 1, 2]
    assert matrix.loc[1].tolist() == [0.5, 0, 0.5]
    assert matrix.loc[2].tolist() == [0, 1, 0]
    found = profitability.rise(pairs, groups=2, lowest=1, highest=1)
    assert (found.customers, found.risen, found.share, found.others_share) == (2, 1, 0.5, 0)
    assert (found.margin, found.group_margin) == (9, 9)
    with pytest.raises(ParameterError, match="lowest is 2; with 2 groups give 1 to 1"):
        profitability.rise(pairs, groups=2, lowest=2)


# -- letting customers go ----------------------------------------------------------------------

LOADED = pd.DataFrame(
    {
        "contribution": [60.0, 30.0, 10.0, -5.0],
        "allocated_cost": [40.0, 20.0, 20.0, 10.0],
        "full_margin": [20.0, 10.0, -10.0, -15.0],
        "revenue": [200.0, 100.0, 100.0, 50.0],
    }
)


def test_firing_curve_by_hand():
    """Profit is 95 − 90 = 5. Without the last two it seems 30; but only −5 + 10 went, so it is 0."""
    curve = profitability.firing_curve(LOADED)
    assert curve["believed_profit"].tolist() == [5, 20, 30, 20, 0]
    assert curve["profit"].tolist() == [5, 10, 0, -30, -90]
    assert curve["allocated_each"].tolist()[:4] == [22.5, 30, 45, 90]
    assert profitability.firing_curve(LOADED, rank_by=[1, 2, 3, 4])["profit"].tolist()[1] == -55
    with pytest.raises(MissingColumnsError, match="margin lacks 'full_margin'"):
        profitability.firing_curve(LOADED.drop(columns="full_margin"))


def test_death_spiral_by_hand():
    """90 over 450 of revenue is .2: loads 40 20 20 10, two go. Over 300 it is .3: loads 60 30, nobody is below 0."""
    rounds = profitability.death_spiral(LOADED)
    assert rounds["customers"].tolist() == [4, 2]
    assert rounds["fired"].tolist() == [2, 0]
    assert rounds["profit"].tolist() == [5, 0]
    assert rounds["rate"].tolist() == pytest.approx([0.2, 0.3])
    dearer = profitability.death_spiral(LOADED.assign(allocated_cost=[44.0, 22.0, 22.0, 11.0]))
    assert dearer["customers"].tolist() == [4, 2, 0]  # 99 over 300 is .33: 60 − 66 and 30 − 33 are below 0
    assert dearer["profit"].iloc[-1] == -99
    assert np.isnan(dearer["rate"].iloc[-1])
    assert len(profitability.death_spiral(LOADED.assign(allocated_cost=0.0))) == 2  # only the true loser goes
    with pytest.raises(ParameterError, match="rounds is 0"):
        profitability.death_spiral(LOADED, rounds=0)


def test_nobody_to_bear_the_fixed_cost_ends_the_spiral():
    rounds = profitability.death_spiral(LOADED.assign(revenue=0.0))
    assert rounds["customers"].tolist() == [4, 3]
    assert np.isnan(rounds["rate"].iloc[0])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0, 100)), min_size=1, max_size=20))
def test_fixed_cost_never_leaves(rows):
    table = pd.DataFrame(rows, columns=["contribution", "revenue"])
    table["allocated_cost"] = 5.0
    table["full_margin"] = table["contribution"] - 5
    rounds = profitability.death_spiral(table)
    np.testing.assert_allclose(rounds["profit"], rounds["contribution"] - 5 * len(rows), atol=1e-9)
    assert (rounds["customers"].diff().dropna() < 0).all()
    curve = profitability.firing_curve(table)
    assert curve["profit"].iloc[0] == pytest.approx(curve["believed_profit"].iloc[0], abs=1e-9)
    assert curve["profit"].iloc[-1] == pytest.approx(-5 * len(rows), abs=1e-9)


def test_break_even_by_hand():
    """Letting two go saves 3 + 1 = 4; the best bring 40: 10 % of them may leave."""
    found = profitability.poaching_break_even(
        [40, 10, -3, -1], fired=[0, 0, 1, 1], best=[1, 0, 0, 0], rng=np.random.default_rng(1)
    )
    assert (found.gain, found.at_stake, found.risk) == (4, 40, 0.1)
    assert np.isnan(found.risk_low)


@pytest.mark.parametrize(
    ("margin", "risk"),
    [([40, 10, 3, 1], 0), ([40, 10, -30, -30], 1), ([-5, 10, -3, -1], 1), ([40, 10, -1, 1], 0)],
)
def test_break_even_stays_between_none_and_all(margin, risk):
    masks = {"fired": [0, 0, 1, 1], "best": [1, 0, 0, 0]}
    assert profitability.poaching_break_even(margin, **masks, rng=np.random.default_rng(1)).risk == risk


def test_break_even_interval_follows_the_delta_method():
    """risk = G/S for means of n pairs: se² ≈ (s_G² − 2 r s_GS + r² s_S²) / (n S̄²)."""
    rng = np.random.default_rng(6)
    n = 5_000
    fired = np.arange(n) < n // 4
    best = np.arange(n) >= n - n // 4
    margin = np.where(fired, rng.normal(-4, 3, n), np.where(best, rng.normal(50, 15, n), 5.0))
    found = profitability.poaching_break_even(margin, fired=fired, best=best, replicates=2_000, rng=rng)
    gain, stake = np.where(fired, -margin, 0.0), np.where(best, margin, 0.0)
    cov = np.cov(gain, stake)
    variance = cov[0, 0] - 2 * found.risk * cov[0, 1] + found.risk**2 * cov[1, 1]
    half = 1.959964 * np.sqrt(variance / n) / stake.mean()
    assert found.risk_high - found.risk_low == pytest.approx(2 * half, rel=0.06)


def test_break_even_refuses_a_muddle():
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match="1 customers are let go and among the best; take fewer best"):
        profitability.poaching_break_even([1, 2], fired=[1, 0], best=[1, 0], rng=rng)
    nobody = profitability.poaching_break_even([1, 2], fired=[0, 0], best=[0, 1], rng=rng)
    assert nobody.gain == 0
    assert np.isnan(nobody.risk)
    everybody = profitability.poaching_break_even([-1, -2], fired=[1, 1], best=[0, 0], rng=rng)
    assert (everybody.gain, everybody.at_stake, everybody.risk) == (3, 0, 1)


def test_each_break_even_interval_needs_thirty_customers():
    margin, rng = np.arange(100.0), np.random.default_rng(1)
    few, many = np.arange(100) < 20, np.arange(100) >= 60
    found = profitability.poaching_break_even(margin, fired=few, best=many, rng=rng)
    assert np.isnan([found.gain_low, found.risk_low]).all()
    assert found.at_stake_low < found.at_stake < found.at_stake_high


def test_the_best_are_the_highest_share_rounded_up():
    assert profitability.best_customers([1, 5, 3, 4], 0.3).tolist() == [False, True, False, True]
    assert profitability.best_customers([2, 2, 2], 1 / 3).tolist() == [True, False, False]
    with pytest.raises(ParameterError, match="share of best customers is 10"):
        profitability.best_customers([1], 10)


def test_gain_curve_promises_minus_the_worst_and_judges_minus_their_next():
    """Worst first −4, −1, 2, 9: promised 4, 5, 3, −6. Next period 1, −2, 3, 4: judged −1, 1, −2, −6."""
    pairs = pair({"a": -4, "b": -1, "c": 2, "d": 9}, {"a": 1, "b": -2, "c": 3, "d": 4})
    table = profitability.gain_curve(pairs, shares=[0, 0.25, 0.5, 0.75, 1], rng=np.random.default_rng(1))
    assert table["promised"].tolist() == [0, 4, 5, 3, -6]
    assert table["gain"].tolist() == [0, -1, 1, -2, -6]
    assert table["low"].isna().all()


def test_cost_sensitivity_chooses_the_losers_anew():
    """Gross 10 and 2, avoidable 4 each: at factor 1 the second has −2 and then −4 + 1; at 3 both are below 0."""
    before = pd.DataFrame({"customer_id": [1, 2], "gross_margin": [10.0, 2.0], "avoidable_cost": [4.0, 4.0]})
    after = pd.DataFrame({"customer_id": [1, 2], "gross_margin": [8.0, 1.0], "avoidable_cost": [4.0, 4.0]})
    before, after = (table.assign(contribution=0.0) for table in (before, after))
    table = profitability.cost_sensitivity(before, after, factors=[0, 1, 3], rng=np.random.default_rng(1))
    assert table["customers"].tolist() == [0, 1, 2]
    assert table["claimed"].tolist() == [0, 2, 12]
    assert table["gain"].tolist() == [0, 3, 15]
    assert table["low"].isna().all()
    with pytest.raises(ParameterError, match="a factor is -1; give 0 or more"):
        profitability.cost_sensitivity(before, after, factors=[-1], rng=np.random.default_rng(1))


def test_the_statement_per_hundred_of_revenue():
    table = margins({"orders": pd.DataFrame(ORDERS), "order_lines": pd.DataFrame(LINES)}, COSTS[:2])
    hundred = profitability.per_hundred(profitability.income_statement(table, ["earn", "lose", "lose"]))
    # Ann: 60, −10, −4, −4 and 42 of 150; Bob and Cleo: −5, −10, −4, −4 and −23 of 30.
    assert hundred["earn"].tolist() == pytest.approx([40, -20 / 3, -8 / 3, -8 / 3, 28])
    assert hundred["lose"].tolist() == pytest.approx([-50 / 3, -100 / 3, -40 / 3, -40 / 3, -230 / 3])


# -- levers ------------------------------------------------------------------------------------


def pulled(margin, change, *, touched=None, best=None, **options):
    masks = {"touched": [True] * len(margin) if touched is None else touched}
    masks["best"] = [False] * len(margin) if best is None else best
    return profitability.lever("x", margin, change, **masks, rng=np.random.default_rng(1), **options)


def test_lever_by_hand():
    """Two are touched: they bring 40 − 10, the change adds 5 + 1. All stay: 6. A tenth leaves: .9 · 6 − .1 · 30 = 2.4.

    It breaks even at 6 / (30 + 6) = 1/6, where 5/6 · 6 = 1/6 · 30. The best brings 40: 6 / 40 of it may leave.
    """
    margin, change = [40, -10, 7], [5, 1, 100]
    masks = {"touched": [1, 1, 0], "best": [1, 0, 0]}
    found = pulled(margin, change, **masks)
    assert (found.customers, found.gain, found.best_touched, found.best_at_risk) == (2, 6, 1, 0.15)
    assert found.break_even == pytest.approx(1 / 6)
    assert pulled(margin, change, **masks, leaving=0.1).gain == pytest.approx(2.4)
    assert pulled(margin, change, **masks, leaving=1 / 6).gain == pytest.approx(0)
    assert np.isnan([found.low, found.break_even_low]).all()  # only two


def test_letting_go_is_the_lever_without_a_change():
    found = pulled([40, -10, 7], None, touched=[0, 1, 0], best=[1, 0, 0])
    assert (found.gain, found.best_at_risk, found.leaving) == (10, 0.25, 1)
    assert np.isnan(found.break_even)
    assert pulled([-10], [4], leaving=1).gain == 10  # all leave: the same


@pytest.mark.parametrize(
    ("margin", "change", "even"),
    [
        ([10, 20], [0, 0], 0),  # nothing to gain
        ([10, 20], [-1, 0], 0),  # it costs
        ([-10, -20], [3, 3], 1),  # the more leave the better
        ([-10, 5], [6, 6], 1),  # what they would bring only by the change
        ([100], [25], 0.2),
    ],
)
def test_break_even_of_a_lever_stays_between_none_and_all(margin, change, even):
    assert pulled(margin, change).break_even == pytest.approx(even)


def test_a_price_rise_has_the_break_even_of_the_textbook():
    """Margin rate 40 %, price + 5 %: 5 / 45 of sales may go; price − 5 % gains nothing (Nagle & Müller 2018)."""
    margin = pd.DataFrame({"revenue": [100.0, 300.0]})
    assert profitability.price_change(margin, 0.05).tolist() == [5, 15]
    assert pulled([40, 120], profitability.price_change(margin, 0.05)).break_even == pytest.approx(5 / 45)
    assert pulled([40, 120], profitability.price_change(margin, -0.05)).break_even == 0
    with pytest.raises(ParameterError, match="the price rises by -1; give a share"):
        profitability.price_change(margin, -1)


def test_small_orders_are_counted_on_every_engine(frame):
    result = profitability.small_orders(shop(frame), minimum=50, since="2026-01-10")
    assert frame.same_kind(result)
    table = to_pandas(result, sort_by=["customer_id"])
    assert table.to_numpy().tolist() == [["ann", 0, 0], ["bob", 1, 20], ["cleo", 1, 30]]  # 50 is not below 50
    with pytest.raises(ParameterError, match="the minimum order is 0; give an amount above 0"):
        profitability.small_orders(shop(frame), minimum=0)
    with pytest.raises(MissingColumnsError, match="orders lacks 'amount'"):
        profitability.small_orders({"orders": frame({"customer_id": [1]})}, minimum=5)


def test_a_minimum_order_saves_the_orders_that_are_placed_together():
    """Minimum 50: 5 orders of 120 become 2, 4 of 30 become 1, a single one of 10 is let pass, none stay none."""
    small = pd.DataFrame({"small_orders": [5, 4, 1, 0], "small_revenue": [120.0, 30.0, 10.0, 0.0]})
    assert profitability.minimum_order_change(small, minimum=50, cost_per_order=2).tolist() == [6, 6, 0, 0]
    costs = [Activity("a", "orders", rate=3, avoidable_share=0.5), Activity("b", "orders", rate=2), *COSTS[1:]]
    assert profitability.avoidable_rate(costs, "orders") == 3.5
    assert profitability.avoidable_rate(costs, "revenue") == 0  # an amount
    with pytest.raises(ParameterError, match="minimum 0 and cost 2: give more than 0"):
        profitability.minimum_order_change(small, minimum=0, cost_per_order=2)


def test_a_cheaper_channel_saves_a_share_of_avoidable_cost():
    table = margins(shop(pd.DataFrame), COSTS)
    assert profitability.channel_change(table, 0.5).tolist() == [7.5, 7.5, 3, 0.5]
    assert profitability.channel_change(table, 0.5, names=["handling"]).tolist() == [5, 2.5, 2.5, 0]
    with pytest.raises(ParameterError, match="the channel saves 2; give a share"):
        profitability.channel_change(table, 2)
    with pytest.raises(MissingColumnsError, match="margin lacks 'avoidable_calls'"):
        profitability.channel_change(table, 0.5, names=["calls"])


def test_the_interval_of_a_lever_is_that_of_a_sum():
    """At a share x of leavers each adds (1 − x) Δ − x f: its sum has the normal interval ± z s √n."""
    rng = np.random.default_rng(8)
    margin, change = rng.normal(20, 30, 4_000), rng.gamma(2, 3, 4_000)
    everybody = np.ones(4_000, dtype=bool)
    found = profitability.lever(
        "x", margin, change, touched=everybody, best=~everybody, leaving=0.2, replicates=2_000, rng=rng
    )
    each = 0.8 * change - 0.2 * margin
    assert found.gain == pytest.approx(each.sum())
    assert found.high - found.low == pytest.approx(2 * 1.959964 * each.std() * np.sqrt(4_000), rel=0.06)
    assert found.break_even_low < change.sum() / (margin + change).sum() < found.break_even_high


def test_a_lever_refuses_a_muddle_and_touches_nobody_at_no_gain():
    nobody = pulled([3, 4], [1, 1], touched=[0, 0])
    assert (nobody.customers, nobody.gain) == (0, 0)
    assert np.isnan([nobody.break_even, nobody.best_at_risk, nobody.low]).all()
    assert pulled([], [], touched=[], best=[]).gain == 0
    with pytest.raises(DataError, match="must be columns of one length"):
        pulled([1, 2], [1])
    with pytest.raises(ParameterError, match="a share of 10 leaves; give 0 to 1"):
        pulled([1], [1], leaving=10)
    table = profitability.decision_table([nobody, pulled([40, -10], [5, 1], best=[1, 0])])
    assert table["gain"].tolist() == [0, 6]
    assert table["best_touched"].tolist() == [0, 1]


def test_the_next_period_is_in_the_order_of_the_first():
    before = pd.DataFrame({"customer_id": ["c", "a", "b"], "revenue": [1.0, 2.0, 3.0]})
    after = pd.DataFrame({"customer_id": ["b", "c", "z"], "revenue": [7.0, np.nan, 9.0]})
    table = profitability.next_period(before, after)
    assert table["customer_id"].tolist() == ["c", "a", "b"]
    assert np.isnan(table["revenue"].iloc[0])  # a missing margin stays missing
    assert table["revenue"].tolist()[1:] == [0, 7]
    with pytest.raises(DataError, match="after holds a customer twice"):
        profitability.next_period(before, pd.concat([after, after]))
    with pytest.raises(MissingColumnsError, match="before lacks 'customer_id'"):
        profitability.next_period(after[["revenue"]], after)


JANUARY = [("a", 3, 10.0, 4.0), ("a", 9, 10.0, 4.0), ("a", 20, 100.0, 52.0), ("b", 5, 30.0, 40.0)]
FEBRUARY = [*(("a", day, 10.0, 2.5) for day in (2, 4, 6, 8)), ("a", 9, 80.0, 40.0), ("b", 5, 20.0, 10.0)]
MONTHS = pd.DataFrame(
    [
        (who, datetime.datetime(2026, month, day), amount, cost)
        for month, rows in ((1, JANUARY), (2, FEBRUARY))
        for who, day, amount, cost in rows
    ],
    columns=["customer_id", "ordered_at", "amount", "cost"],
)


def compared(table=MONTHS, costs=COSTS[:1], **more):
    tables = {"orders": table}
    before, after = margins(tables, costs, as_of="2026-01-31"), margins(tables, costs, since="2026-02-01")
    more = {"minimum_order": 0.8, "price_rise": 0.1, "best_share": 0.5} | more
    return profitability.lever_comparison(
        tables, costs, before, after, since="2026-02-01", rng=np.random.default_rng(1), **more
    )


def test_levers_side_by_side_by_hand():
    """January: A 120 − 60 − 15 = 45, B 30 − 40 − 5 = −15. February: A 120 − 50 − 25 = 45, B 20 − 10 − 5 = 5.

    The mean order is 37.5, so the minimum 30: A had two small ones; of the four of February one of 40 remains, 3 · 5
    saved. A tenth leaves: .9 · 2 − .1 · 5 = 1.3; .9 · 14 − .1 · 50 = 7.6, of it A's .9 · 12 − .1 · 45 = 6.3;
    .9 · 15 − .1 · 45 = 9; .9 · 2.5 − .1 · 5 = 1.75.
    """
    table = profitability.decision_table(compared())
    assert [name.split(",")[0] for name in table.index] == [
        *("let them go", "price up 10.0 %", "price up 10.0 %", "minimum order", "cheaper channel"),
    ]
    assert table["customers"].tolist() == [1, 1, 2, 1, 1]
    assert table["gain"].tolist() == pytest.approx([-5, 1.3, 7.6, 9, 1.75])
    assert table["break_even"].tolist()[1:] == pytest.approx([2 / 7, 14 / 64, 15 / 60, 2.5 / 7.5])
    assert table["best_touched"].tolist() == [0, 0, 1, 1, 0]
    assert table["best_gain"].tolist() == pytest.approx([0, 0, 6.3, 9, 0])
    assert table["best_at_risk"].tolist() == pytest.approx([0, 1.3 / 45, 7.6 / 45, 9 / 45, 1.75 / 45])


def test_the_line_of_a_lever_passes_its_gain_and_its_break_even():
    go, price, *_ = compared()
    assert price.gain_at([0, 0.1, 2 / 7, 1]).tolist() == pytest.approx([2, 1.3, 0, -5])
    assert go.gain_at([0, 0.5, 1]).tolist() == [-5, -5, -5]


def test_levers_of_returns_free_service_and_nobody_stand():
    """Returns only: no order to set a minimum by, and a price rise raises the refunds; free: no service to save."""
    refunds = MONTHS.assign(amount=-10.0, cost=-4.0)
    table = profitability.decision_table(compared(refunds))
    assert table.loc["minimum order, all", ["customers", "gain"]].tolist() == [0, 0]
    assert (table.filter(like="price", axis=0)["gain"] < table.loc["let them go", "gain"]).all()
    free = profitability.decision_table(compared(costs=()))
    assert free.loc["cheaper channel, those who lost", "break_even"] == 0
    assert free.loc["minimum order, all", "break_even"] == 0
    nobody = profitability.decision_table(compared(MONTHS[MONTHS["amount"] > 1_000]))
    assert nobody["customers"].tolist() == [0] * 5
    assert nobody["gain"].tolist() == [0] * 5
    with pytest.raises(ParameterError, match="minimum_order is 0; give a multiple of the mean order"):
        compared(minimum_order=0)


# -- pyramid and needs -------------------------------------------------------------------------


def test_pyramid_by_hand():
    """Four tiers of 10 %, 20 %, 30 % and 40 % of ten: 1, 2, 3 and 4 customers, the best before first."""
    tiers = {"top": 0.1, "large": 0.2, "medium": 0.3, "small": 0.4}
    before, after = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [5, 0, -10, 5, 10, 10, 10, 20, 20, 30]
    table = profitability.customer_pyramid(after, rank_by=before, tiers=tiers, rng=np.random.default_rng(1))
    assert table["customers"].tolist() == [1, 2, 3, 4]
    assert table["margin"].tolist() == [30, 40, 30, 0]
    assert table["margin_share"].tolist() == [0.3, 0.4, 0.3, 0]
    assert table["each"].tolist() == [30, 20, 10, 0]
    assert table["low"].isna().all()
    assert profitability.pyramid_tiers([5, 5], tiers={"up": 0.5, "down": 0.5}).tolist() == ["up", "down"]
    for wrong in ({"up": 0.5, "down": 0.4}, {"up": 1.5, "down": -0.5}, {}):
        with pytest.raises(ParameterError, match="give shares above 0 that add up to 1"):
            profitability.pyramid_tiers([1], tiers=wrong)


def test_the_pyramid_of_chance_has_no_tiers_afterwards():
    """Independent periods: each tier's share of the margin is its share of customers; ranked in sample it is not."""
    rng = np.random.default_rng(2)
    first, second = rng.normal(10, 20, (2, 20_000))
    table = profitability.customer_pyramid(second, rank_by=first, level=0.999, replicates=500, rng=rng)
    assert (table["low"] < table["customer_share"]).all()
    assert (table["high"] > table["customer_share"]).all()
    assert profitability.customer_pyramid(first, replicates=20, rng=rng)["margin_share"]["top"] > 0.05


def test_needs_by_hand():
    """Rank shares of five: .1 .3 .5 .7 .9; the third customer stands out in nothing above .5 but their orders' size."""
    features = pd.DataFrame({"size": [1, 2, 5, 4, 3], "bargains": [0.9, 0.1, np.nan, 0.2, 0.3]})
    assert profitability.standout_need(features).tolist() == [
        "bargains",
        "nothing in particular",
        "size",
        "size",
        "size",  # .5 in both: the earlier column
    ]
    with pytest.raises(ParameterError, match="give at least one feature"):
        profitability.standout_need(pd.DataFrame())
    assert profitability.standout_need(pd.DataFrame({"size": []})).tolist() == []


def test_behaviour_says_what_customers_look_for():
    """Ann gave up 90 + 4 of a list price of 154, with 75 an order and 2 lines an order; Bob has no revenue at all."""
    orders = pd.DataFrame(ORDERS).assign(returns=[1, 0, 0, 1, 0])
    costs = [Activity("picking", "lines", rate=1), Activity("back", "returns", rate=1)]
    table = margins({"orders": orders, "order_lines": pd.DataFrame(LINES)}, costs)
    features = profitability.behavioural_needs(table)
    assert list(features) == ["low prices", "small purchases", "one big trip", "help"]
    assert features.iloc[0].tolist() == pytest.approx([94 / 154, -75, 2, 0.5])
    assert features.iloc[1].isna().all()
    assert np.isnan(features["help"].iloc[2])
    assert list(profitability.behavioural_needs(margins(orders_of((1, 2.0, 1.0))))) == ["low prices", "small purchases"]


def test_value_and_needs_by_hand():
    table = profitability.value_needs_matrix(
        [1, 3, 5, -2], value=["low", "low", "low", "high"], need=["a", "a", "b", "a"], rng=np.random.default_rng(1)
    )
    assert table[["value", "need", "customers", "each"]].to_numpy().tolist() == [
        ["high", "a", 1, -2],
        ["low", "a", 2, 2],
        ["low", "b", 1, 5],
    ]
    assert table["share"].tolist() == pytest.approx([1, 2 / 3, 1 / 3])
    assert table["low"].isna().all()
    rng = np.random.default_rng(3)
    values = rng.normal(5, 10, 2_000)
    row = profitability.value_needs_matrix(values, value=["v"] * 2_000, need=["n"] * 2_000, rng=rng).iloc[0]
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * values.std() / np.sqrt(2_000), rel=0.1)


# -- option value ------------------------------------------------------------------------------


def options(pairs, **more):
    return profitability.option_value(pairs, groups=2, rng=np.random.default_rng(1), **more)


def test_option_value_by_hand():
    """Low a, b; high c, d (bound 2). Later a 3 is high, b is not seen, c 1 is low, d 5 is high: r = 1.5 and 3.

    Undiscounted: V₁ = 1.5, 3; V₂ = 1.5 + ½·3 = 3, 3 + ½·1.5 + ½·3 = 5.25. At 100 %: V₂ = 1.125, 2.0625.
    """
    pairs = pair({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 3, "c": 1, "d": 5})
    assert options(pairs, periods=1, discount=0)["kept"].tolist() == [1.5, 3]
    two = options(pairs, periods=2, discount=0)
    assert two["kept"].tolist() == two["option"].tolist() == [3, 5.25]
    assert two["next"].tolist() == [1.5, 3]
    assert options(pairs, periods=2, discount=1)["kept"].tolist() == [1.125, 2.0625]
    assert two["low"].isna().all()


def test_the_right_to_let_go_stops_the_loss():
    """Now a brings −3 and stays low: r = −1.5, 3. V₂ = −1.5 − ½·1.5, 3 − ½·1.5 + ½·3; letting the low go stops it."""
    pairs = pair({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": -3, "c": 1, "d": 5})
    two = options(pairs, periods=2, discount=0)
    assert two["kept"].tolist() == [-2.25, 3.75]
    assert two["option"].tolist() == [-1.5, 4.5]


def test_option_value_finds_that_of_a_known_chain():
    """40,000 customers move by a stated matrix; V by powers of it lies in the 99.9 % interval."""
    rng = np.random.default_rng(5)
    moves, brings = np.array([[0.5, 0.4, 0.1], [0.2, 0.2, 0.6]]), np.array([0.0, -6.0, 8.0])
    start = np.repeat([0, 1], 20_000)
    later = np.array([rng.choice(3, p=moves[state]) for state in start])
    before = np.where(start == 1, 5.0, -5.0) + rng.uniform(-1, 1, 40_000)
    after = np.where(later == 0, 0.0, brings[later])
    pairs = pd.DataFrame({"customer_id": range(40_000), "before": before, "after": after, "seen": later > 0})
    step = np.vstack([[1, 0, 0], moves])
    wanted = sum(0.9**h * (np.linalg.matrix_power(step, h) @ brings) for h in range(1, 6))[1:]
    found = profitability.option_value(pairs, groups=2, periods=5, discount=1 / 9, level=0.999, replicates=500, rng=rng)
    assert (found["low"] < wanted).all()
    assert (found["high"] > wanted).all()
    assert (found["high"] - found["low"] < 1).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=40), st.integers(2, 5))
def test_one_period_ahead_is_the_groups_own_mean(rows, groups):
    before, after = (dict(enumerate(column)) for column in zip(*rows, strict=True))
    pairs = pair(before, after)
    table = profitability.option_value(pairs, groups=groups, periods=1, replicates=2, rng=np.random.default_rng(1))
    means = pairs.groupby(profitability.quantile_groups(pairs["before"], groups))["after"].mean()
    assert table["group"].tolist() == means.index.tolist()
    np.testing.assert_allclose(table["kept"], means / 1.02)
    more = profitability.option_value(pairs, groups=groups, periods=6, replicates=2, rng=np.random.default_rng(1))
    assert (more["option"] >= more["kept"] - 1e-9).all()  # a right is never worth less than none


def test_option_value_of_nobody_and_of_nonsense():
    assert profitability.option_value(pair({}, {}), rng=np.random.default_rng(1)).empty
    for wrong, says in (({"periods": 0}, "periods is 0"), ({"discount": -0.1}, "the discount is -0.1")):
        with pytest.raises(ParameterError, match=says):
            options(pair({"a": 1}, {"a": 1}), **wrong)


# -- poaching ----------------------------------------------------------------------------------


def test_poaching_by_hand():
    """One approach, half of which win. Blind among four: ⅛ · 10 expected to go; among the best two: ¼ · 16.

    So the two worst, −2 and −4 + 0, leave 16 instead of 10, and of that 4 instead of 1.25 is poached.
    """
    table = profitability.poaching_simulation(
        [10, 6, -2, -4], rank_by=[4, 3, 2, 1], poached=0.5, wooed=0.25, kept=[1, 0.5], rng=np.random.default_rng(1)
    )
    assert table["approached"].tolist() == [0.25, 0.5]
    assert table["without"].tolist() == [10, 16]
    assert table["lost"].tolist() == [1.25, 4]
    assert table["profit"].tolist() == [8.75, 12]
    assert table["best_lost"].tolist() == [0.125, 0.25]


def test_simulated_poaching_has_the_binomial_spread():
    """n customers worth 1, each lost with probability q: n (1 − q) ± 1.96 √(n q (1 − q)); a sure loss leaves none."""
    rng = np.random.default_rng(4)
    ones, ranks = np.ones(5_000), np.arange(5_000)
    row = profitability.poaching_simulation(
        ones, rank_by=ranks, poached=0.5, wooed=0.4, kept=[1], replicates=2_000, rng=rng
    ).iloc[0]
    half = 1.959964 * np.sqrt(5_000 * 0.2 * 0.8)
    assert [row["low"], row["high"]] == pytest.approx([4_000 - half, 4_000 + half], abs=6)
    none = profitability.poaching_simulation(ones, rank_by=ranks, poached=0, wooed=1, replicates=3, rng=rng)
    assert none["low"].tolist() == none["without"].tolist()
    every = profitability.poaching_simulation(ones, rank_by=ranks, poached=1, wooed=1, replicates=3, rng=rng)
    assert every["high"].tolist() == [0] * 10


def test_poaching_refuses_what_is_no_probability():
    rng = np.random.default_rng(1)
    for wrong, says in (
        ({"poached": 2}, "poached holds values outside 0 to 1"),
        ({"wooed": -1}, "wooed holds values outside"),
        ({"kept": [0.0]}, "keep a share above 0"),
    ):
        with pytest.raises(ParameterError, match=says):
            profitability.poaching_simulation([1], rank_by=[1], **({"poached": 0.1, "wooed": 0.1} | wrong), rng=rng)
    with pytest.raises(DataError, match="columns of one length"):
        profitability.poaching_simulation([1], rank_by=[1, 2], poached=0.1, wooed=0.1, rng=rng)
    nobody = profitability.poaching_simulation([], rank_by=[], poached=0.1, wooed=0.1, rng=rng)
    assert nobody["profit"].tolist() == [0] * 10


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_firm_of_losers_only_is_analysed_to_the_end(share):
    """All unprofitable: the peak is nobody, everybody goes, and every table stands."""
    rng, ids = np.random.default_rng(1), range(60)
    loss = dict.fromkeys(ids, -2.0)
    pairs = pair(loss, {k: v for k, v in loss.items() if k < 60 * share})
    every, none = np.ones(60, dtype=bool), np.zeros(60, dtype=bool)
    gain = 2 * 60 * share
    assert profitability.whale_peak(pairs["after"]).profit == 0
    assert profitability.unprofitable(pairs["before"], rng=rng).share == 1
    found = profitability.lever("let go", pairs["after"], None, touched=every, best=none, rng=rng)
    assert (found.gain, found.best_at_risk) == (gain, 1)
    found = profitability.lever("price", pairs["after"], np.ones(60), touched=every, best=none, rng=rng)
    assert found.break_even == 1
    assert profitability.customer_pyramid(pairs["after"], rng=rng)["margin_share"].isna().all()
    table = profitability.option_value(pairs, periods=3, discount=0, rng=rng)
    assert (table["option"] >= table["kept"]).all()
    assert (table["kept"] < 0).all()
    simulated = profitability.poaching_simulation(
        pairs["after"], rank_by=pairs["before"], poached=0.5, wooed=1, replicates=5, rng=rng
    )
    assert simulated["best_lost"].isna().all()
    assert (simulated["lost"] <= 0).all()  # a rival who takes losers helps


# -- the period that judges --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "day"),
    [
        ("2000-11-01", "2001-02-28", "2001-01-01"),  # the middle is 31 December
        ("2024-07-01", "2025-12-31", "2025-04-01"),
        ("2026-01-05", "2026-01-20", "2026-01-13"),  # no first of a month inside
        ("2026-01-05", "2026-01-06", "2026-01-06"),
    ],
)
def test_the_second_period_begins_with_the_month_nearest_the_middle(frame, first, last, day):
    orders = frame({"ordered_at": [datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)]})
    assert str(profitability.judging_day(orders)) == day
    assert str(profitability.judging_day(orders, chosen=last)) == last
    with pytest.raises(ParameterError, match=f"give a day after {first} and up to {last}"):
        profitability.judging_day(orders, chosen=first)


def test_two_periods_need_two_days():
    day = pd.DataFrame({"ordered_at": pd.to_datetime(["2026-01-05"])})
    with pytest.raises(DataError, match="two periods need at least two days"):
        profitability.judging_day(day)
    with pytest.raises(DataError, match="there are no orders"):
        profitability.judging_day(day.head(0))


# -- against the truth -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def firm():
    tables = data.simulate(
        np.random.default_rng(5), customers=20_000, programme=False, tables=("customers", "orders", "costs")
    )
    cut = profitability.judging_day(tables["orders"], as_of=tables.as_of)
    spans = ({"as_of": cut - datetime.timedelta(days=1)}, {"since": cut})
    pairs = profitability.paired_margins(*(margins(tables, None, **span) for span in spans))
    return tables, pairs, profitability.true_margins(tables.truth, start=cut, end=tables.as_of)


def test_margins_of_the_next_period_are_those_the_truth_expects(firm):
    """z = Σ(realised − expected) / √Σ(realised − expected)², for groups chosen on the first period alone."""
    _, pairs, true = firm
    known = pairs.merge(true, on="customer_id", validate="1:1")
    assert len(known) == len(pairs)
    error = known["after"] - known["expected"]
    for chosen in (known["before"] < 0, known["before"] > 0, known["before"] > known["before"].quantile(0.9)):
        assert abs(error[chosen].sum() / np.sqrt((error[chosen] ** 2).sum())) < 3.3


def test_the_selecting_period_overstates_the_gain_and_the_next_holds_the_truth(firm):
    _, pairs, true = firm
    gains, shares = profitability.selection_truth(pairs, true, level=0.999, rng=np.random.default_rng(1))
    assert gains.loc["promised", "gain"] > 5 * gains.loc["true", "gain"] > 0
    assert gains.loc["judged", "low"] < gains.loc["true", "gain"] < gains.loc["judged", "high"]
    assert gains.loc["promised", "gain"] == pytest.approx(-pairs["before"].clip(upper=0).sum())
    assert 0.3 < shares["lose by nature"] < 0.7
    assert 0.02 < shares["could be poached"] < 0.3


def test_contributions_of_the_firm_add_up_by_hand(firm):
    tables, _, _ = firm
    orders, rate = tables["orders"], dict(zip(tables["costs"]["driver"], tables["costs"]["rate"], strict=True))
    avoidable = len(orders) * rate["orders"]
    avoidable += sum(orders[name].sum() * rate[name] for name in ("lines", "deliveries", "returns", "service_calls"))
    table = margins(tables, None)
    assert table["contribution"].sum() == pytest.approx((orders["amount"] - orders["cost"]).sum() - avoidable)
    assert table["allocated_premises and systems"].sum() == pytest.approx(orders["amount"].sum() * rate["amount"])
    # Whole days, the first included: at most a day a customer from the exact time.
    exact = tables.truth.observed_days.sum() / 30 * rate["months"]
    assert table["allocated_account administration"].sum() == pytest.approx(exact, abs=20_000 / 30 * rate["months"])


def test_a_price_rise_on_the_firm_adds_what_the_truth_expects(firm):
    """Expected orders are expected margin / margin an order; a rise of 5 % adds 5 % of their mean amount each."""
    tables, pairs, true = firm
    cut = profitability.judging_day(tables["orders"], as_of=tables.as_of)
    after = margins(tables, None, since=cut)
    known = profitability.next_period(pairs, after).merge(true, on="customer_id")
    chosen = (pairs["before"] < 0).to_numpy()
    change = profitability.price_change(known, 0.05)
    spend = dict(zip(tables.truth.customer_id, tables.truth.mean_spend, strict=True))
    expected = 0.05 * known["expected"] / known["margin_per_order"] * known["customer_id"].map(spend)
    error = (change - expected)[chosen]
    assert change[chosen].sum() > 0
    assert abs(error.sum() / np.sqrt((error**2).sum())) < 3.3


def test_a_firm_with_a_programme_is_refused(firm):
    truth = data.simulate(np.random.default_rng(1), customers=300).truth
    with pytest.raises(ParameterError, match="simulate it with programme=False"):
        profitability.true_margins(truth, start=datetime.date(2025, 1, 1), end=datetime.date(2025, 6, 30))


# -- conclusions -------------------------------------------------------------------------------


def broken_even(gain, low, high, risk=0.1, fired=50):
    ends = {"at_stake": 100.0, "at_stake_low": 90.0, "at_stake_high": 110.0, "risk": risk, "level": 0.95}
    ends |= {"risk_low": 0.8 * risk, "risk_high": min(1, 1.2 * risk)}
    return profitability.BreakEven(fired=fired, best=10, gain=gain, gain_low=low, gain_high=high, **ends)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            broken_even(10.0, 5.0, 15.0),
            "would have saved EUR 10.00 in the 30 days after (95 % interval of the gain EUR 5",
        ),
        (broken_even(10.0, 5.0, 15.0), "worth it as long as less than 10.0 % of the best customers' margin leaves"),
        (broken_even(900.0, 500.0, 1500.0, risk=1.0), "worth it even if all the best customers left"),
        (broken_even(-10.0, -15.0, -5.0), "Do not let them go: without the 50 customers (25.0 %) who lost money"),
        (broken_even(-10.0, -15.0, -5.0), "profit would have been EUR 10.00 lower"),
        (broken_even(2.0, -5.0, 9.0), "EUR 2.00 higher in the 30 days after"),
        (broken_even(2.0, -5.0, 9.0), "cannot be told apart from no difference"),
        (
            broken_even(-2.0, np.nan, np.nan, fired=1),
            "the 1 customer (0.5 %) who lost money in the first period would have",
        ),
        (broken_even(0.0, 0.0, 0.0, fired=0), "there is nobody to let go"),
    ],
)
def test_the_answer_takes_its_direction_from_the_interval(found, words):
    finding = profitability.conclusions.answer(found, customers=200, days=30, currency="EUR")
    assert words in finding.sentence
    assert finding.value == found.gain


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            broken_even(10.0, 5.0, 15.0),
            "a mistake once 10.0 % (95 % interval 8.0 % to 12.0 %) of the margin of the best 20 %",
        ),
        (
            broken_even(-10.0, -15.0, -5.0, risk=0.0),
            "gains nothing: of the margin of the best 20 % of customers, 0.0 % may",
        ),
        (broken_even(900.0, 500.0, 1500.0, risk=1.0), "Even the loss of 100.0 % of the margin"),
        (broken_even(0.0, 0.0, 0.0, fired=0), "Nobody is let go"),
    ],
)
def test_poaching_says_how_much_of_the_best_may_leave(found, words):
    assert words in profitability.conclusions.poaching(found, best_share=0.2).sentence


def test_why_names_the_larger_difference():
    lines = ["revenue", "gross_margin", "contribution"]
    goods = pd.DataFrame({"earn": [100, 30, 20], "lose": [100, 5, -10]}, index=lines)  # 25 of goods, 5 of service
    service = pd.DataFrame({"earn": [100, 30, 20], "lose": [100, 28, -10]}, index=lines)  # 2 and 28
    assert "what they buy, more than how they are served, sets" in profitability.conclusions.why(goods).sentence
    assert "take 38.0 of avoidable service" in profitability.conclusions.why(service).sentence
    assert "how they are served, more than what they buy, sets" in profitability.conclusions.why(service).sentence
    assert profitability.conclusions.why(goods[["earn"]]).value is None
    assert profitability.conclusions.why(0 * goods).value is None


def test_the_other_findings_say_their_numbers():
    say, rng = profitability.conclusions, np.random.default_rng(1)
    peak = profitability.whale_peak([10, -5, 15])
    assert (
        "peaks at 125.0 % of the total contribution: the best 66.7 %"
        in say.whale(peak, total=20, currency="EUR").sentence
    )
    assert (
        "as a whole lose money (EUR -3.00)"
        in say.whale(profitability.whale_peak([-3]), total=-3, currency="EUR").sentence
    )
    found = profitability.unprofitable([-2.0] * 40 + [3.0] * 60, rng=rng)
    assert "40 of 100 customers, 40.0 %" in say.unprofitable(found, currency="EUR").sentence
    lost = profitability.loss_persistence(pair({"a": -1, "b": -2}, {"a": 6, "b": -1}), rng=rng)
    assert "Of the 2 who lost money and came again, 50.0 %" in say.persistence(lost, currency="EUR").sentence
    assert "from EUR -3.00 to EUR 5.00" in say.persistence(lost, currency="EUR").sentence
    curve, spiral = profitability.firing_curve(LOADED), profitability.death_spiral(LOADED)
    finding = say.allocated(curve, spiral, negative=2, currency="EUR")
    assert "by EUR +25.00, in truth by EUR -5.00" in finding.sentence
    assert "the rule applied once leaves a profit of EUR 0.00 and 2 customers" in finding.sentence
    free = LOADED.assign(allocated_cost=0.0, full_margin=LOADED["contribution"])
    finding = say.allocated(
        profitability.firing_curve(free), profitability.death_spiral(free), negative=1, currency="EUR"
    )
    assert finding.sentence == "No cost is allocated: 1 customer below zero, however the cost is read."
    groups = pd.DataFrame(
        {"group": [1, 2], "before": [-9.0, 3.0], "after": [-1.0, 2.0], "low": [-2.0, 1.0], "high": [0.5, 3]}
    )
    assert "cannot be told apart from nothing" in say.lowest_group(groups, currency="EUR").sentence
    assert "less than it cost" in say.lowest_group(groups.assign(high=-0.5), currency="EUR").sentence
    risen = profitability.rise(
        pair({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 9, "c": 1, "d": 5}), groups=2, lowest=1, highest=1
    )
    sentence = say.potential(risen, lowest="lowest half", highest="highest half", currency="EUR").sentence
    assert "Of the lowest half of customers 50.0 %" in sentence
    assert "against 0.0 % of the others; these 1 brought EUR 9.00, the whole group EUR 9.00." in sentence
    gains = pd.DataFrame(
        {"gain": [9.0, 2.0, 3.0], "low": [np.nan, 1, np.nan], "high": [np.nan, 4, np.nan]},
        index=["promised", "judged", "true"],
    )
    assert "the truth is EUR 3.00, inside the interval" in say.truth(gains, currency="EUR").sentence
    assert "but the truth is EUR 3.00, outside" in say.truth(gains.assign(high=2.5), currency="EUR").sentence


def test_the_best_lever_says_its_break_even_and_whom_it_touches():
    say, levers = profitability.decisions.best_lever, compared()
    sentence = say(levers, days=28, currency="EUR").sentence
    assert (
        "Of 5 measures “minimum order, all” would have brought most: EUR 9.00 in 28 days from 1 customer," in sentence
    )
    assert "assumed that 10.0 % of them leave; it pays until 25.0 % leave, and touches 1 of the best" in sentence
    assert "The intervals of 0 measures lie above zero." in sentence
    assert say(levers[:1], days=28, currency="EUR").sentence == "None of the measures would have gained anything."
    nobody = pulled([3, 4], [1, 1], touched=[0, 0])
    assert say([nobody], days=28, currency="EUR").sentence == "No measure touches any customer."
    gone = say([pulled([-10, 4], None, touched=[1, 0])], days=28, currency="EUR").sentence
    assert "EUR 10.00 in 28 days from 1 customer, and touches none of the best." in gone
    sure = say([pulled([-10, 4], [3, 3], touched=[1, 0])], days=28, currency="EUR").sentence
    assert "it pays even if all leave" in sure


def test_options_needs_and_rivals_say_their_direction():
    say = profitability.decisions
    row = {"group": [1], "kept": [-2.25], "low": [-3.0], "high": [-1.0], "option": [-1.5]}
    sentence = say.option(pd.DataFrame(row), periods=2, currency="EUR").sentence
    assert "is expected to bring EUR -2.25 (95 % interval EUR -3.00 to EUR -1.00); letting them go saves" in sentence
    assert "With the right to let go later it is EUR -1.50." in sentence
    better = pd.DataFrame(row | {"kept": [2.0], "low": [1.0], "high": [3.0], "option": [2.0]})
    assert say.option(better, periods=2, currency="EUR").sentence.endswith("letting them go gives that up.")
    assert say.option(better.head(0), periods=2, currency="EUR").value is None
    wide = pd.DataFrame(row | {"kept": [0.2], "low": [-1.0], "high": [1.0], "option": [0.2]})
    assert "to EUR 1.00), which cannot be told apart" in say.option(wide, periods=2, currency="EUR").sentence
    # Needs a, b: 60 and 40 of the low, 0 and 10 of the high: χ² = 110 (60·10 − 40·0)² / (60·50·100·10) = 13.2 (p .0003;
    # 10.9, p .001, with Yates' correction). Of 6, 4 and 0, 1 it is 1.3: no difference.
    matrix = pd.DataFrame(
        {"value": ["low", "low", "high"], "need": ["a", "b", "b"], "share": [0.6, 0.4, 1.0], "customers": [60, 40, 10]}
    )
    found = say.needs(matrix, lowest="low", highest="high")
    assert found.sentence == (
        "What they need differs with their value: of the low 60.0 % stand out by “a”, "
        "of the high 100.0 % stand out by “b”."
    )
    few = say.needs(matrix.assign(customers=[6, 4, 1]), lowest="low", highest="high")
    assert few.sentence.startswith("What they need cannot be told apart by their value: of the low 60.0 %")
    one = say.needs(matrix[1:], lowest="low", highest="high")
    assert one.sentence.startswith("What they need cannot be told apart by their value")
    assert say.needs(matrix[:2], lowest="low", highest="high").value is None
    table = pd.DataFrame({"kept_share": [1.0, 0.5], "best_lost": [0.1, 0.3], "profit": [8.0, 12.0]})
    assert (
        "a rival takes 10.0 % of the margin while all are kept, but 30.0 % when only the best 50 % are; profit is "
        "highest with 50 % kept, EUR 12.00."
    ) in say.shield(table, share=0.5, currency="EUR").sentence
    assert "no more of the best" in say.shield(table.assign(best_lost=0.1), share=0.5, currency="EUR").sentence


# -- published numbers -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grocer():
    return data.load("ta_feng")


@pytest.mark.data
def test_ta_feng_margins_are_the_verified_ones(grocer, published):
    wanted = published("ta_feng_margin")["values"]
    table = margins(grocer)
    sums = table[["revenue", "goods_cost", "gross_margin"]].sum()
    assert sums.tolist() == [wanted["revenue"], wanted["cost"], wanted["gross_margin"]]
    assert sums["gross_margin"] / sums["revenue"] == pytest.approx(wanted["gross_margin_rate"], abs=5e-6)
    lines = to_pandas(grocer["order_lines"])
    assert int((lines["amount"] < lines["cost"]).sum()) == wanted["lines_below_cost"]
    found = profitability.unprofitable(table["gross_margin"], replicates=50, rng=np.random.default_rng(1))
    assert (found.of, found.customers, found.loss) == (wanted["customers"], wanted["negative"], wanted["loss"])
    assert int((table["gross_margin"] == 0).sum()) == wanted["zero"]
    peak = profitability.whale_peak(table["gross_margin"])
    assert peak.rank == wanted["peak_rank"]
    assert peak.profit_share == pytest.approx(wanted["peak_share"], abs=5e-7)
    top = profitability.whale_curve(table["gross_margin"])["profit_share"].iloc[int(np.ceil(0.2 * len(table)))]
    assert top == pytest.approx(wanted["top_fifth_margin"], abs=5e-7)
    top = profitability.whale_curve(table["revenue"])["profit_share"].iloc[int(np.ceil(0.2 * len(table)))]
    assert top == pytest.approx(wanted["top_fifth_revenue"], abs=5e-7)


@pytest.mark.data
def test_ta_feng_losers_of_two_months_earn_in_the_next_two(grocer, published):
    wanted = published("ta_feng_persistence")["values"]
    before, after = margins(grocer, as_of="2000-12-31"), margins(grocer, since="2001-01-01")
    pairs = profitability.paired_margins(before, after, column="gross_margin")
    found = profitability.loss_persistence(pairs, replicates=50, rng=np.random.default_rng(1))
    assert (found.seen, found.before, found.after) == (wanted["seen"], wanted["before"], wanted["after"])
    assert found.share == pytest.approx(wanted["negative_again"], abs=0.005)


@pytest.mark.data
def test_ta_feng_is_the_same_on_every_engine():
    costs = [Activity("handling", "orders", rate=40, avoidable_share=0.6), Activity("rent", "lines", amount=5e6)]
    tables = [
        margins(data.load("ta_feng", engine=engine, check=False), costs) for engine in ("pandas", "polars", "duckdb")
    ]
    for other in tables[1:]:
        pd.testing.assert_frame_equal(other, tables[0], check_dtype=False)


# -- odd columns -------------------------------------------------------------------------------


def test_columns_that_are_no_numbers_are_refused_in_a_line():
    orders = pd.DataFrame({"customer_id": [1, 2], "amount": ["ten", "two"], "cost": [1.0, 1.0]})
    with pytest.raises(DataError, match="amount is String, no number"):
        profitability.customer_margin({"orders": orders}, [])
    words = np.array(["a", "b"])
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match="margin is not all numbers"):
        profitability.whale_curve(words)
    with pytest.raises(DataError, match="margin is not all numbers"):
        profitability.customer_pyramid(words, rng=rng)
    pairs = pd.DataFrame({"before": [1.0, 2.0], "after": words, "seen": True})
    with pytest.raises(DataError, match="after is not all numbers"):
        profitability.migration_matrix(pairs)
    with pytest.raises(MissingColumnsError, match="pairs lacks 'seen'"):
        profitability.loss_persistence(pairs.drop(columns="seen"), rng=rng)
    with pytest.raises(DataError, match="margin of 1 customers is missing"):
        profitability.option_value(pairs.assign(after=[1.0, np.nan]), rng=rng)
