"""The history as it may be found: edited, torn, huge, read while it is written."""

import copy
import json
import os
import shutil
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from crmlib.cli import cli
from crmlib.runner import history, journal, provenance, records

FIXTURES = Path(__file__).parent / "notebooks"
AT = "2026-01-02T06:00:00+00:00"
FINDING = {"key": "kept", "value": 0.5, "unit": "", "sentence": "So it is.", "low": None, "high": None, "level": None}
GOOD = {
    "run": "20260102T060000Z-report-0",
    "report": "report",
    "publication": "report",
    "outcome": "good",
    "exit_code": 0,
    "message": "",
    "parameters": {},
    "data": {},
    "held": "report-0",
    "started_at": AT,
    "ended_at": AT,
    "seconds": 2.0,
    "findings": [FINDING],
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    shutil.copy(FIXTURES / "good.ipynb", tmp_path / "notebooks" / "report.ipynb")
    (tmp_path / "reports.yml").write_text("reports:\n  report: {notebook: notebooks/report.ipynb}\n")
    monkeypatch.setenv("CRM_PROJECT", str(tmp_path))
    monkeypatch.setattr(provenance, "library_hash", lambda: "0")
    return tmp_path


def edited(**more):
    return {key: value for key, value in {**copy.deepcopy(GOOD), **more}.items() if value is not ...}


DAMAGED = [
    *({key: ...} for key in ("report", "outcome", "exit_code", "message", "run", "started_at", "ended_at", "findings")),
    *({"started_at": text} for text in ("yesterday", 5, None, "2026-01-02T06:00:00")),  # the last has no zone
    *({"findings": kind} for kind in ([], "x", [1], [{"key": "kept"}], [{"sentence": "So."}])),
    {"publication": ["x"]},
    {"run": 7},
    {"run": "../../x"},
    {"exit_code": "0"},
    {"parameters": None},
    {"data": 5},
    {"seconds": "x"},
    {"seconds": ...},
    {"outcome": "failed", "message": ...},
]


@pytest.mark.parametrize("change", DAMAGED, ids=str)
def test_a_line_that_was_damaged_by_hand_stops_nobody(root, change):
    records.append(root, GOOD)
    records.append(root, edited(**change))
    assert records.records(root) == [GOOD]
    for command in (["list"], ["history"], ["prune", "--keep", "1"]):
        done = CliRunner().invoke(cli, ["report", *command])
        assert (done.exit_code, done.exception) == (0, None), command


@pytest.mark.parametrize("line", ["null", "[1]", "5", '"x"', "{", '{"report": ', "\0\0", "[" * 5000, "\xff"])
def test_a_line_that_is_no_record_is_passed_over(root, line):
    records.append(root, GOOD)
    with (root / "reports" / "runs.jsonl").open("a", encoding="latin-1") as stream:
        stream.write(line + "\n")
    records.append(root, {**GOOD, "seconds": 3.0})
    assert [record["seconds"] for record in records.records(root)] == [2.0, 3.0]


def test_separators_that_python_takes_for_line_ends_tear_no_line(root):
    """str.splitlines knows eleven ends of a line, JSON Lines one."""
    message = "a\u2028b\u2029c\x85d\x0be"
    records.append(root, {**GOOD, "message": message})
    assert [record["message"] for record in records.records(root)] == [message]


def test_text_that_no_utf8_can_hold_is_kept(root):
    folder = root / "reports" / "runs" / GOOD["run"]
    folder.mkdir(parents=True)
    name = os.fsdecode(b"M\xfcnchen.csv")  # a file's name in Latin-1
    records.write_record(folder, {**GOOD, "message": name})
    records.append(root, {**GOOD, "message": name})
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["message"] == name
    assert records.records(root)[0]["message"] == name


def test_a_damaged_line_is_entered_again_from_the_runs_folder(root):
    folder = root / "reports" / "runs" / GOOD["run"]
    folder.mkdir(parents=True)
    records.write_record(folder, GOOD)
    records.append(root, edited(findings="x"))
    assert records.recover(root) == [GOOD]
    assert records.recover(root) == []
    assert records.records(root) == [GOOD]


@pytest.mark.parametrize(
    "content", ["", "null", "[]", "{}", '{"report": 1}', '{"report": "report", "outcome": "running"}']
)
def test_a_run_json_that_is_none_is_passed_over(root, content):
    folder = root / "reports" / "runs" / "20260103T060000Z-report-0"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(content)
    assert records.recover(root) == []
    assert records.running(root) == []


def test_what_a_deletion_left_is_deleted_and_never_recorded(root):
    records.append(root, GOOD)
    rest = root / "reports" / "runs" / f".gone-{GOOD['run']}"
    rest.mkdir(parents=True)
    records.write_record(rest, {**GOOD, "run": "20260101T060000Z-report-0"})
    assert records.recover(root) == []
    assert history.pruned(root, 1, dry=True) == []
    assert rest.is_dir()
    history.pruned(root, 1)
    assert not rest.exists()


def test_a_run_that_ends_while_another_runner_looks_is_recorded_once(root, monkeypatch):
    folder = root / "reports" / "runs" / GOOD["run"]
    folder.mkdir(parents=True)
    records.write_record(folder, GOOD)
    free = records._free

    def ends(root, record):
        records.append(root, GOOD)  # its own runner, before it lets the lock go
        return free(root, record)

    monkeypatch.setattr(records, "_free", ends)
    assert records.recover(root) == []
    assert records.records(root) == [GOOD]


def test_each_line_is_read_once_while_the_file_grows_and_all_when_it_is_replaced(root, monkeypatch):
    looked = []
    sound = journal.sound
    monkeypatch.setattr(journal, "sound", lambda record: looked.append(record["seconds"]) or sound(record))
    for number in range(5):
        records.append(root, {**GOOD, "seconds": number})
        assert [record["seconds"] for record in records.records(root)] == list(range(number + 1))
    assert looked == [0, 1, 2, 3, 4]
    path = root / "reports" / "runs.jsonl"
    whole = path.read_text()
    path.write_text(whole[:-20])  # torn: the last line is no record, until it is written to its end
    assert [record["seconds"] for record in records.records(root)] == [0, 1, 2, 3]
    path.write_text(whole)
    assert [record["seconds"] for record in records.records(root)] == [0, 1, 2, 3, 4]
    path.write_text(whole.split("\n")[2])  # by hand, without an end of the line
    assert [record["seconds"] for record in records.records(root)] == [2]
    path.unlink()
    assert records.records(root) == []


def test_files_that_several_threads_write_are_whole(root):
    """Two reports on the same new data both keep its extent, at the same time."""
    path = root / "reports" / "shared.json"
    path.parent.mkdir()
    faults = []

    def write(letter):
        try:
            for _ in range(60):
                records.write_atomic(path, letter * 20_000)
                assert len(set(path.read_text())) == 1
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert [entry.name for entry in path.parent.iterdir()] == ["shared.json"]


def test_history_goes_on_past_a_run_that_cannot_be_compared(root):
    records.append(root, GOOD)
    wrong = {**GOOD, "run": "20260103T060000Z-report-0", "findings": [{**FINDING, "value": [1]}]}
    records.append(root, wrong)
    records.append(root, {**GOOD, "run": "20260104T060000Z-report-0"})
    done = CliRunner().invoke(cli, ["report", "history"])
    assert done.exit_code == 0
    assert done.output.count("not compared: the stored findings are invalid") == 2
    assert "20260104T060000Z" in done.output
