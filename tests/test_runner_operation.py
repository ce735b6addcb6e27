"""Operation: retries, commands that hear the end, dry runs, plans that go on where they stopped."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner

from crmlib.cli import cli
from crmlib.runner import provenance, records
from crmlib.runner.hooks import Hooks

FIXTURES = Path(__file__).parent / "notebooks"
# One library hash for the whole test, so that a file saved meanwhile makes no report due.
SCRIPT = "from crmlib.runner import provenance as p; p.library_hash = lambda: '0'; from crmlib.cli import main; main()"
CRM = [sys.executable, "-c", SCRIPT, "report", "run"]
DIES_ONCE = """import os, pathlib, signal
seen = pathlib.Path("seen")
if not seen.exists():
    seen.touch()
    os.kill(os.getpid(), signal.SIGKILL)"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("CRM_PROJECT", str(tmp_path))
    monkeypatch.setattr(provenance, "library_hash", lambda: "0")
    notebook(tmp_path)
    (tmp_path / "reports.yml").write_text("reports:\n  report: {notebook: notebooks/report.ipynb}\n")
    return tmp_path


def notebook(root, source="", name="report"):
    made = nbformat.read(FIXTURES / "good.ipynb", as_version=4)
    if source:
        made.cells.insert(3, nbformat.v4.new_code_cell(source, id="trouble"))
    nbformat.write(made, root / "notebooks" / f"{name}.ipynb")


def listener(root, name, lines=""):
    """A command that writes what it is told."""
    path = root / name
    path.write_text(
        f'#!/bin/sh\necho "$# $1 $CRM_REPORT $CRM_OUTCOME $CRM_EXIT_CODE $CRM_PAGE" >> {root}/{name}.log\n{lines}\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def crm(root, *arguments):
    return subprocess.run([*CRM, *arguments], capture_output=True, text=True, check=False, timeout=120, cwd=root)


def outcomes(root):
    return [(record["outcome"], record.get("attempt")) for record in records.records(root)]


def test_a_dead_kernel_is_tried_again_and_an_error_is_not(root):
    notebook(root, DIES_ONCE)
    done = crm(root, "--retries", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcomes(root) == [("kernel died", 1), ("good", 2)]
    notebook(root, "1 / 0")
    assert crm(root, "--retries", "2").returncode == 1
    assert outcomes(root)[2:] == [("failed", 1)]


def test_a_timeout_is_tried_as_often_as_the_plan_says(root):
    notebook(root, "import time\ntime.sleep(60)")
    (root / "reports.yml").write_text(
        "reports:\n  report: {notebook: notebooks/report.ipynb, retries: 1, cell_timeout: 1}\n"
    )
    assert crm(root).returncode == 5
    assert outcomes(root) == [("timeout", 1), ("timeout", 2)]


def test_commands_hear_of_success_and_failure_and_change_nothing(root):
    good, bad = listener(root, "good"), listener(root, "bad", "echo 'no mail today' >&2; exit 9")
    arguments = ["--on-success", f"{good} 'two words'", "--on-failure", bad]
    first = crm(root, *arguments)
    (record,) = records.records(root)
    folder = root / "reports" / "runs" / record["run"]
    told = (root / "good.log").read_text()
    assert told == f"2 two words report good 0 {folder}/report.html\n"
    assert first.returncode == 0
    assert crm(root, *arguments).returncode == 0  # up to date: nothing to hear
    assert (root / "good.log").read_text() == told
    notebook(root, "1 / 0")
    failed = crm(root, *arguments)
    assert failed.returncode == 1
    assert "--on-failure" in failed.stdout
    assert "left with 9: no mail today" in failed.stdout
    last = records.records(root)[-1]
    folder = root / "reports" / "runs" / last["run"]
    assert (root / "bad.log").read_text() == f"1 {folder} report failed 1 \n"
    assert json.loads((folder / "run.json").read_text()) == last
    assert last["outcome"] == "failed"


def test_a_refused_plan_is_heard_of_too(root):
    bad = listener(root, "bad")
    done = crm(root, "report", "-p", "sede=1", "--on-failure", bad)
    assert done.returncode == 2
    assert (root / "bad.log").read_text() == "1  report refused 2 \n"


RECORD = {"outcome": "failed", "exit_code": 1, "report": "a", "run": None, "message": "no"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/nowhere/at/all", "cannot be started: No such file"),
        ("false", "left with 1"),
        ("true", ""),
        ("", ""),
        ("sh -c 'exec sleep 60' x", "took longer than 0.2 s"),
    ],
)
def test_a_command_that_fails_is_told_in_one_line(tmp_path, monkeypatch, line, said):
    monkeypatch.setattr("crmlib.runner.hooks.LONGEST", 0.2)
    told = Hooks(on_failure=line).told(tmp_path, RECORD)
    assert said in told
    assert bool(told) is bool(said)
    assert "\n" not in told


def test_a_command_line_that_cannot_be_split_is_refused(root):
    shown = crm(root, "--on-failure", "echo 'open")
    assert shown.returncode == 2
    assert "no command line" in shown.stderr


def test_a_dry_run_says_why_and_writes_nothing(root):
    shown = CliRunner().invoke(cli, ["report", "run", "--dry-run"])
    assert (shown.exit_code, shown.output) == (0, "report: due, no good run yet\n")
    assert not (root / "reports").exists()
    assert crm(root).returncode == 0
    before = sorted((root / "reports").rglob("*"))
    for change, told in [
        (lambda: None, "report: up to date, since "),
        (lambda: (root / "requirements.lock").write_text("numpy==0\n"), "changed since the last good run: lock"),
        (lambda: notebook(root, "pass"), "changed since the last good run: notebook, lock"),
    ]:
        change()
        assert told in CliRunner().invoke(cli, ["report", "run", "--dry-run"]).output
    assert "report: due" in CliRunner().invoke(cli, ["report", "run", "--dry-run", "--as-of", "2020-01-01"]).output
    shown = CliRunner().invoke(cli, ["report", "run", "report", "--dry-run", "-p", "source=nowhere"])
    assert shown.exit_code == 3
    assert "report: no data" in shown.output
    assert sorted((root / "reports").rglob("*")) == before


def test_an_interrupted_plan_goes_on_where_it_stopped(root):
    shutil.copy(root / "notebooks" / "report.ipynb", root / "notebooks" / "first.ipynb")
    notebook(root, "import time, pathlib\npathlib.Path('hangs').touch()\ntime.sleep(120)")
    (root / "reports.yml").write_text(
        "reports:\n  first: {notebook: notebooks/first.ipynb}\n  second: {notebook: notebooks/report.ipynb}\n"
        "  third: {notebook: notebooks/first.ipynb}\n"
    )
    bad = listener(root, "bad")
    runner = subprocess.Popen([*CRM, "--jobs", "1", "--on-failure", bad], cwd=root, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (root / "hangs").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(60) == 130
    assert outcomes(root) == [("good", 1), ("interrupted", 1)]
    assert " second interrupted 130" in (root / "bad.log").read_text()
    page = os.stat(root / "reports" / "latest" / "first" / "report.html")
    notebook(root)
    done = crm(root, "--jobs", "1")
    assert done.returncode == 0
    assert "first: up to date" in done.stdout
    assert outcomes(root)[2:] == [("good", 1), ("good", 1)]
    assert os.stat(root / "reports" / "latest" / "first" / "report.html") == page


def test_stale_data_are_recorded_and_exit_with_3(root):
    (root / "shop").mkdir()
    (root / "shop" / "orders.csv").write_text("order_id,customer_id,ordered_at,amount\n1,a,2025-01-02,5\n")
    (root / "reports.yml").write_text(
        "reports:\n  report: {notebook: notebooks/report.ipynb, parameters: {source: shop}, max_age_days: 1}\n"
    )
    done = crm(root)
    assert done.returncode == 3
    assert "stale data: the data of 'shop' end on 2025-01-02" in done.stdout
    assert outcomes(root) == [("stale data", None)]
    assert "stale data" in (root / "reports" / "index.html").read_text()


def test_the_plan_keeps_as_many_runs_as_it_says(root):
    (root / "reports.yml").write_text("keep: 1\nreports:\n  report: {notebook: notebooks/report.ipynb}\n")
    for _ in range(2):
        assert crm(root, "--force").returncode == 0
    (folder,) = (root / "reports" / "runs").iterdir()
    assert os.readlink(root / "reports" / "latest" / "report") == f"../runs/{folder.name}"
    assert len(records.records(root)) == 2
