"""A folder of one's own tables as a source."""

from __future__ import annotations

import datetime
from pathlib import Path

import narwhals.stable.v2 as nw
import pytest

from crmlib import data
from crmlib.data import ContractError
from crmlib.errors import DataError, SourceError
from crmlib.frames import to_pandas

ENGINES = ("pandas", "polars", "duckdb")
HEADER = "order_id,customer_id,ordered_at,amount\n"
SOUND = HEADER + "0001,007,2024-01-05,12.50\n0002,7,2024-02-01 13:45,0\n0003,007,2024-02-09T08:00:01,7\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("engine", ENGINES)
def test_csv_keeps_leading_zeros_and_reads_types_by_contract(tmp_path, engine):
    tables = data.load(write(tmp_path, orders=SOUND), engine)
    orders = to_pandas(tables["orders"], sort_by=["order_id"])
    assert orders["order_id"].tolist() == ["0001", "0002", "0003"]
    assert orders["customer_id"].tolist() == ["007", "7", "007"]
    assert orders["amount"].tolist() == [12.5, 0.0, 7.0]
    assert orders["ordered_at"].tolist()[1:] == [
        datetime.datetime(2024, 2, 1, 13, 45),
        datetime.datetime(2024, 2, 9, 8, 0, 1),
    ]
    assert str(orders["ordered_at"].dtype) == "datetime64[us]"
    assert (tables.as_of, tables.currency, tables.truth) == (datetime.date(2024, 2, 9), "currency units", None)


@pytest.mark.parametrize("engine", ENGINES)
def test_parquet_is_the_same_on_every_engine(tmp_path, engine):
    import polars as pl

    pl.DataFrame(
        {
            "order_id": [1, 2],
            "customer_id": ["01", "02"],
            "ordered_at": [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)],
            "amount": [1, 2],
            "campaign": ["x", None],
        },
        schema_overrides={"amount": pl.Decimal(10, 2)},
    ).write_parquet(tmp_path / "orders.parquet")
    schema = nw.from_native(data.load(tmp_path, engine)["orders"]).collect_schema()
    assert dict(schema) == {
        "order_id": nw.Int64(),
        "customer_id": nw.String(),
        "ordered_at": nw.Datetime("us"),
        "amount": nw.Float64(),
        "campaign": nw.String(),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_nan_in_parquet_is_missing_on_every_engine(tmp_path, engine):
    """DuckDB's isnan trusts the file's statistics, which leave NaN out: it must not decide."""
    import math

    import polars as pl

    day = datetime.datetime(2024, 1, 1)
    columns = {"order_id": [1, 2], "customer_id": [1, 2], "ordered_at": [day, day]}
    optional = pl.DataFrame(columns | {"amount": [1.0, 2.0], "cost": [math.nan, -0.0]})
    optional.write_parquet(tmp_path / "orders.parquet")
    orders = nw.from_native(data.load(tmp_path, engine)["orders"])
    known = to_pandas(orders.filter(~nw.col("cost").is_null()).to_native())
    assert known["order_id"].tolist() == [2]

    required = pl.DataFrame(columns | {"amount": [math.nan, math.inf]})
    required.write_parquet(tmp_path / "orders.parquet")
    with pytest.raises(ContractError, match=r"amount is missing in 1 row.*amount is infinite in 1 row"):
        data.load(tmp_path, engine)
    if engine == "duckdb":  # a relation of one's own, never loaded by us
        import duckdb

        own = data.contract_report({"orders": duckdb.read_parquet(str(tmp_path / "orders.parquet"))})
        assert [(fault.rule, fault.count) for fault in own.faults] == [("is missing", 1), ("is infinite", 1)]


def test_source_yml_states_currency_returns_and_last_day(tmp_path):
    text = SOUND.replace("12.50", "-12.50")
    with pytest.raises(
        ContractError, match=r"orders.amount is negative in 1 row \(positions from 0: 0\).*returns: true"
    ):
        data.load(write(tmp_path, orders=text))
    (tmp_path / "source.yml").write_text("currency: EUR\nreturns: true\nas_of: 2024-02-29\n")
    tables = data.load(tmp_path)
    assert (tables.currency, tables.as_of) == ("EUR", datetime.date(2024, 2, 29))
    (tmp_path / "source.yml").write_text("currency: EUR\nreturns: true\nas_of: 2024-01-31\n")
    with pytest.raises(ContractError, match=r"ordered_at is after the stated as_of 2024-01-31 in 2 rows"):
        data.load(tmp_path)


@pytest.mark.parametrize(("separator", "told"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_a_folder_may_have_other_separators_and_decimal_commas(tmp_path, separator, told):
    text = SOUND.replace(",", separator).replace("12.50", "12,50")
    write(tmp_path, orders=text)
    (tmp_path / "source.yml").write_text(f'currency: EUR\nseparator: "{told}"\ndecimal: ","\n')
    read = to_pandas(data.load(tmp_path)["orders"])
    (tmp_path / "source.yml").unlink()
    plain = to_pandas(data.load(write(tmp_path, orders=SOUND))["orders"])
    assert read.equals(plain)
    assert 12.5 in set(read["amount"])


def test_with_decimal_commas_a_point_is_refused_and_the_other_way_round(tmp_path):
    write(tmp_path, orders=HEADER.replace(",", ";") + "1;a;2024-01-01;1.234\n2;a;2024-01-01;1,5\n")
    (tmp_path / "source.yml").write_text('separator: ";"\ndecimal: ","\n')
    with pytest.raises(ContractError, match=r"amount is no number in 1 row .*: 0\): write digits with a decimal comma"):
        data.load(tmp_path)
    write(tmp_path, orders=HEADER + '1,a,2024-01-01,"12,50"\n')
    (tmp_path / "source.yml").unlink()
    with pytest.raises(ContractError, match=r"form '99,99'; for decimal commas write decimal: \",\" in source.yml"):
        data.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("currencey: EUR", "holds currencey; the keys there are: currency, returns, as_of, separator, decimal"),
        ("currency: euro", "give an ISO code"),
        ("returns: 3", "give true or false"),
        ("as_of: soon", "give a date as YYYY-MM-DD"),
        ("separator: ':'", "separator is ':'; give"),
        ("separator: [1]", "give .* in quotation marks"),
        ("decimal: 3", "decimal is 3; give"),
        ("decimal: ','", 'both .*; with a decimal comma, separator: ";"'),
        ("[1, 2]", "holds no keys"),
        ("a: [", "is no YAML"),
    ],
)
def test_faulty_source_yml_is_refused(tmp_path, text, message):
    write(tmp_path, orders=SOUND)
    (tmp_path / "source.yml").write_text(text)
    with pytest.raises(SourceError, match=message):
        data.load(tmp_path)


def test_unreadable_cells_name_file_column_count_and_rows(tmp_path):
    rows = ["1,a,31.12.2024,5", "2,a,2024-13-01,5", "3,a,2024-01-01,1.234,50", "4,a,2024-01-01T00:00:00Z,5"]
    rows[2] = '3,a,2024-01-01,"1.234,50"'
    with pytest.raises(ContractError) as caught:
        data.load(write(tmp_path, orders=HEADER + "\n".join(rows) + "\n"))
    text = str(caught.value)
    assert "orders.csv: ordered_at is no date in 3 rows (positions from 0: 0, 1, 3): write YYYY-MM-DD" in text
    assert "orders.csv: amount is no number in 1 row (positions from 0: 2): write digits" in text
    assert "without a time zone; the first has the form '99.99.9999'" in text
    assert "31.12.2024" not in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "orders.csv is empty"),
        (HEADER.encode(), "orders has no rows"),
        (
            SOUND.replace(",", ";").encode(),
            r"separates its columns with ';', not ','; write separator: \";\" in source.yml",
        ),
        (SOUND.replace("007", "M\u00fcller").encode("latin-1"), "is not UTF-8"),
        (b"order_id,order_id,amount\n1,2,3\n", "several columns named order_id"),
        (b"order_id,customer_id,amount\n1,2,3\n", "orders.ordered_at is missing: add or rename"),
        (HEADER.encode() + b"1,a,2024-01-01,\n", "orders.amount is missing in 1 row"),
        (HEADER.encode() + b"1,a,2024-01-01,nan\n", "orders.amount is missing in 1 row"),
        (HEADER.encode() + b"1,a,2024-01-01,5\n1,b,2024-01-01,5\n", "orders.order_id is repeated in 1 row"),
        (HEADER.encode() + b"1,a,2024-01-01,5,6\n", r"no regular CSV \(perhaps a row has more cells"),
        (HEADER.encode() + b'1,"a,2024-01-01,5\n', "a quotation mark is not closed"),
        (HEADER.encode() + b"1,a,2024-01-01,5\n\n2,b,2024-01-01,5\n", "order_id is missing in 1 row"),
        (HEADER.encode() + b",,,\n\n", "orders has no rows"),
        (HEADER.encode() + b"1,a,2099-12-31,5\n", "orders.ordered_at is in the future"),
    ],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_faulty_csv_is_one_clear_line(tmp_path, content, message, engine):
    (tmp_path / "orders.csv").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        data.load(tmp_path, engine)
    assert "\n" not in str(caught.value)


def test_empty_rows_at_the_end_are_no_orders(tmp_path):
    assert data.load(write(tmp_path, orders=SOUND + "\n,,,\n\n")).rows == {"orders": 3}


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("orders.csv.gz", "unpack it as orders.csv"),
        ("Orders.xlsx", "save it as orders.csv"),
        ("order.CSV", "did you mean orders.csv"),
        ("Orders.txt", "did you mean orders.csv"),
    ],
)
def test_a_table_in_another_guise_is_told_how_to_become_one(tmp_path, file, hint):
    (tmp_path / file).write_bytes(b"x")
    with pytest.raises(SourceError, match=hint):
        data.load(tmp_path)


def test_byte_order_mark_is_no_part_of_a_name(tmp_path):
    (tmp_path / "orders.csv").write_text(SOUND, encoding="utf-8-sig")
    assert data.load(tmp_path).rows == {"orders": 3}


def test_no_parquet_in_a_parquet_file(tmp_path):
    (tmp_path / "orders.parquet").write_bytes(b"no")
    for engine in ENGINES:
        with pytest.raises(DataError, match="no readable Parquet"):
            data.load(tmp_path, engine)


def test_other_files_are_said_and_not_read(tmp_path):
    write(tmp_path, orders=SOUND, customer="customer_id\n007\n")
    (tmp_path / "notes.txt").write_text("x")
    tables = data.load(tmp_path)
    assert list(tables) == ["orders"]
    assert tables.notes == (
        "customer.csv is not read: no table file; did you mean customers.csv?",
        "notes.txt is not read: no table file",
    )
    assert "did you mean customers.csv" in repr(tables)


def test_two_files_for_one_table_are_refused(tmp_path):
    write(tmp_path, orders=SOUND)
    (tmp_path / "orders.parquet").write_bytes(b"")
    with pytest.raises(SourceError, match=r"both orders.csv and orders.parquet; keep one"):
        data.load(tmp_path)


def test_folder_without_tables_says_how_to_name_them(tmp_path):
    with pytest.raises(SourceError, match=r"holds no table .* customers, orders"):
        data.load(tmp_path)


def test_relative_folder_is_the_projects(tmp_path, monkeypatch):
    (tmp_path / "reports.yml").write_text("reports: {}\n")
    (tmp_path / "shop").mkdir()
    write(tmp_path / "shop", orders=SOUND)
    monkeypatch.setenv("CRM_PROJECT", str(tmp_path))
    monkeypatch.chdir("/")
    tables = data.load("shop")
    assert tables.source == "shop"
    assert tables.fingerprint == data.fingerprint("shop")


def test_fingerprint_changes_exactly_with_what_is_read(tmp_path):
    write(tmp_path, orders=SOUND)
    first = data.fingerprint(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    assert data.fingerprint(tmp_path) == first == data.load(tmp_path).fingerprint
    (tmp_path / "source.yml").write_text("currency: EUR\n")
    second = data.fingerprint(tmp_path)
    write(tmp_path, orders=SOUND.replace("12.50", "12.51"))
    assert len({first, second, data.fingerprint(tmp_path)}) == 3


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("cdonw", "did you mean 'cdnow'"),
        ("", "neither a name nor a folder"),
        ("postgresql://user:secret@host/db", "is a database; this version reads names and folders"),
        ("no/such/folder", "a folder is looked for as"),
    ],
)
def test_unknown_source(source, message):
    for ask in (data.load, data.fingerprint):
        with pytest.raises(SourceError, match=message) as caught:
            ask(source)
        assert "secret" not in str(caught.value)


def test_file_is_no_folder(tmp_path):
    with pytest.raises(SourceError, match="is a file; name the folder"):
        data.load(write(tmp_path, orders=SOUND) / "orders.csv")


@pytest.mark.parametrize("engine", ENGINES)
def test_whole_number_ids_stay_so_where_some_are_missing(tmp_path, engine):
    import pyarrow as pa
    import pyarrow.parquet as pq

    when = [datetime.datetime(2024, 1, day) for day in (1, 2)]
    columns = {"referral_id": [1, 2], "referrer_id": [7, 7], "invited_at": when, "customer_id": [8, None]}
    pq.write_table(pa.table(columns), tmp_path / "referrals.parquet")
    table = nw.from_native(data.load(tmp_path, engine)["referrals"])
    assert table.collect_schema()["customer_id"] == nw.Int64
    assert table.filter(nw.col("customer_id").is_null()).to_native().shape[0] == 1
