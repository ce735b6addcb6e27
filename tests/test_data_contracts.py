"""Contracts: every fault is named at once, alike on every engine, and no person is."""

from __future__ import annotations

import datetime
import math
from pathlib import Path

import pytest

from crmlib.data import contract_report
from crmlib.data.contracts import CONTRACTS

DAY = datetime.datetime(2024, 3, 1)


def orders(**changed):
    columns = {
        "order_id": [1, 2, 3, 4],
        "customer_id": ["007", "008", "007", "009"],
        "ordered_at": [DAY, DAY, DAY + datetime.timedelta(days=2), DAY],
        "amount": [10.0, 0.0, 5.5, 1.0],
    } | changed
    return {name: values for name, values in columns.items() if values is not None}


def rules(report):
    return {(fault.column, fault.rule): fault.count for fault in report.faults}


def test_sound_table_gives_rows_and_last_day(frame):
    report = contract_report({"orders": frame(orders())})
    assert not report.faults
    assert report.rows == {"orders": 4}
    assert report.last_day == datetime.date(2024, 3, 3)


def test_missing_is_null_and_nan_alike(frame):
    report = contract_report({"orders": frame(orders(amount=[None, math.nan, 1.0, 2.0]))})
    assert rules(report) == {("amount", "is missing"): 2}
    assert report.faults[0].positions == (() if frame.lazy else (0, 1))
    assert report.faults[0].keys == (("order_id 1", "order_id 2") if frame.lazy else ())


def test_nan_is_neither_negative_nor_infinite_nor_large(frame):
    lines = {"order_id": [1, 2], "product_id": [1, 1], "quantity": [math.nan, 1.0], "amount": [math.nan, 1.0]}
    report = contract_report({"order_lines": frame(lines)})
    assert rules(report) == {("quantity", "is missing"): 1, ("amount", "is missing"): 1}


def test_all_faults_of_a_table_at_once(frame):
    broken = orders(
        order_id=[1, 1, 3, 1],
        customer_id=["", None, "007", "009"],
        ordered_at=[DAY, datetime.datetime(1, 1, 1), DAY, datetime.datetime(9999, 12, 31)],
        amount=[-1.0, math.inf, -math.inf, None],
    )
    report = contract_report({"orders": frame(broken)})
    assert rules(report) == {
        ("order_id", "is repeated"): 2,
        ("customer_id", "is missing"): 2,
        ("ordered_at", "is before 1900 or after 2099"): 2,
        ("amount", "is missing"): 1,
        ("amount", "is infinite"): 2,
        ("amount", "is negative"): 2,
    }


def test_returns_are_no_fault_where_they_are_stated(frame):
    tables = {"orders": frame(orders(amount=[-1.0, 2.0, 3.0, 4.0]))}
    assert rules(contract_report(tables)) == {("amount", "is negative"): 1}
    assert not contract_report(tables, returns=True).faults


def test_missing_column_is_named_with_those_there_are(frame):
    (fault,) = contract_report({"orders": frame(orders(amount=None))}).faults
    assert str(fault) == (
        "orders.amount is missing: add or rename the column; the table has order_id, customer_id, ordered_at"
    )


def test_wrong_types_are_faults_of_the_column(frame):
    report = contract_report({"orders": frame(orders(amount=["1", "2", "3", "4"], ordered_at=["a", "b", "c", "d"]))})
    assert rules(report) == {("amount", "is of type String"): None, ("ordered_at", "is of type String"): None}


def test_instants_with_a_time_zone_are_refused(frame):
    aware = [DAY.replace(tzinfo=datetime.UTC)] * 4
    (fault,) = contract_report({"orders": frame(orders(ordered_at=aware))}).faults
    assert "time zone" in fault.rule
    assert "drop the zone" in fault.remedy


def test_dates_are_instants(frame):
    report = contract_report({"orders": frame(orders(ordered_at=[datetime.date(2024, 1, 9)] * 4))})
    assert not report.faults
    assert report.last_day == datetime.date(2024, 1, 9)


def test_events_after_the_stated_day_are_faults(frame):
    report = contract_report({"orders": frame(orders())}, as_of=datetime.date(2024, 3, 2))
    assert rules(report) == {("ordered_at", "is after the stated as_of 2024-03-02"): 1}
    late = orders(ordered_at=[datetime.datetime(2024, 3, 2, 23, 59)] * 4)
    assert not contract_report({"orders": frame(late)}, as_of=datetime.date(2024, 3, 2)).faults


def test_events_after_tomorrow_are_faults_where_no_last_day_is_stated(frame):
    tables = {"orders": frame(orders())}  # the last order is of 3 March
    assert not contract_report(tables, today=datetime.date(2024, 3, 2)).faults
    report = contract_report(tables, today=datetime.date(2024, 3, 1))
    assert rules(report) == {("ordered_at", "is in the future (today is 2024-03-01)"): 1}
    assert not contract_report(tables, as_of=datetime.date(2024, 3, 3), today=datetime.date(2024, 3, 1)).faults


def test_words_for_nothing_are_no_ids_and_spaces_make_another_one(frame):
    """Exports write NULL where there is no customer: as an id it would be the best customer of all."""
    report = contract_report({"orders": frame(orders(customer_id=["NULL", "nan", " 7", "7"]))})
    assert rules(report) == {("customer_id", "is missing"): 2, ("customer_id", "begins or ends with a space"): 1}


def test_numbers_too_large_for_money_are_faults(frame):
    report = contract_report({"orders": frame(orders(amount=[1e13, -1e14, 4006381333931.0, 1e14]))}, returns=True)
    assert rules(report) == {("amount", "is beyond 10,000,000,000,000"): 2}


def test_column_of_nearly_the_name_is_to_be_renamed(frame):
    table = orders()
    table["Customer ID"] = table.pop("customer_id")
    (fault,) = contract_report({"orders": frame(table)}).faults
    assert fault.remedy.startswith("rename 'Customer ID' to customer_id; the table has order_id")


def test_rows_without_a_key_are_not_shown_by_it(frame):
    report = contract_report({"orders": frame(orders(order_id=["1", None, None, "4"]))})
    assert rules(report) == {("order_id", "is missing"): 2}
    assert report.faults[0].keys == ()


def test_days_that_stand_for_no_date_are_faults(frame):
    morning = datetime.datetime(1970, 1, 1, 9)
    days = [datetime.datetime(1970, 1, 1), datetime.datetime(1900, 1, 1), morning, DAY]
    report = contract_report({"orders": frame(orders(ordered_at=days))})
    expected = {f"is {day}, which stands for no date": 1 for day in ("1900-01-01", "1970-01-01")}
    assert {rule: count for (_, rule), count in rules(report).items()} == expected
    dates = contract_report({"orders": frame(orders(ordered_at=[datetime.date(1970, 1, 1)] * 4))})
    assert list(rules(dates).values()) == [4]


def test_empty_table_is_a_fault_and_one_customer_is_not(frame):
    import pyarrow as pa

    empty = {
        "order_id": pa.array([], pa.int64()),
        "customer_id": pa.array([], pa.string()),
        "ordered_at": pa.array([], pa.timestamp("us")),
        "amount": pa.array([], pa.float64()),
    }
    (fault,) = contract_report({"orders": frame(empty)}).faults
    assert str(fault) == "orders has no rows: write the rows, or take the table out of the source"
    one = {name: values[:1] for name, values in orders().items()}
    assert not contract_report({"orders": frame(one), "customers": frame({"customer_id": ["007"]})}).faults


def test_ids_of_another_table_must_be_there(frame):
    tables = {"orders": frame(orders()), "customers": frame({"customer_id": ["007", "010"]})}
    (fault,) = contract_report(tables).faults
    assert (fault.column, fault.rule, fault.count) == ("customer_id", "is not in customers", 2)
    assert fault.positions == (() if frame.lazy else (1, 3))
    assert "008" not in str(fault)


def test_ids_of_two_types_never_meet(frame):
    tables = {"orders": frame(orders()), "customers": frame({"customer_id": [7, 8, 9]})}
    (fault,) = contract_report(tables).faults
    assert fault.remedy == "store the ids alike in both tables"


def test_repeated_customers_are_counted_but_not_named(frame):
    (fault,) = contract_report({"customers": frame({"customer_id": ["Ann", "Ann", "Bob", "Ann"]})}).faults
    assert (fault.rule, fault.count) == ("is repeated", 2)
    assert "Ann" not in str(fault)
    assert fault.positions == (() if frame.lazy else (1, 3))


def test_composite_keys_are_unique_together(frame):
    touches = {"journey_id": [1, 1, 11, 1], "position": [1, 2, 1, 2], "channel": ["a", "b", "a", "c"]}
    (fault,) = contract_report({"touches": frame(touches)}).faults
    assert (fault.column, fault.count) == ("journey_id, position", 1)
    assert fault.positions == (() if frame.lazy else (3,))


def test_counts_are_whole(frame):
    lines = {"order_id": [1, 2], "product_id": [1, 1], "quantity": [1.5, 1.0], "amount": [1.0, 1.0]}
    assert rules(contract_report({"order_lines": frame(lines)})) == {("quantity", "is not whole"): 1}


def test_optional_columns_may_hold_gaps_but_no_infinity(frame):
    assert not contract_report({"orders": frame(orders(cost=[1.0, None, math.nan, 2.0]))}).faults
    report = contract_report({"orders": frame(orders(cost=[1.0, None, math.inf, 2.0]))})
    assert rules(report) == {("cost", "is infinite"): 1}


def test_dictionary_names_every_table_and_column():
    text = (Path(__file__).parents[1] / "data" / "README.md").read_text(encoding="utf-8")
    for table, contract in CONTRACTS.items():
        section = text.split(f"### `{table}`")
        assert len(section) == 2, table
        body = section[1].split("\n### ")[0]
        for column in contract.columns:
            assert f"| `{column.name}` |" in body, f"{table}.{column.name}"


@pytest.mark.parametrize("table", sorted(CONTRACTS))
def test_contracts_refer_to_tables_and_columns_that_exist(table):
    contract = CONTRACTS[table]
    assert all(contract.column(name) for name in contract.key)
    for column, other in contract.references.items():
        assert contract.column(column)
        assert CONTRACTS[other].column(column)
