"""Operation: retries, commands that hear the end, dry runs, plans that go on where they stopped."""

import json
import os
import shlex
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
from crmlib.runner.outcomes import EXIT_CODES, exit_code

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


def test_what_a_command_leaves_in_the_background_holds_nobody_up(tmp_path):
    began = time.monotonic()
    assert Hooks(on_failure="sh -c 'sleep 20 & true' x").told(tmp_path, RECORD) == ""
    assert time.monotonic() - began < 10


def test_a_command_that_takes_too_long_ends_with_all_that_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr("crmlib.runner.hooks.LONGEST", 1)
    line = f"sh -c 'sleep 61.5 & echo $! > {tmp_path}/child; wait' x"
    assert "took longer than 1 s" in Hooks(on_failure=line).told(tmp_path, RECORD)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        if "\nState:\tZ" in Path(f"/proc/{child}/status").read_text():  # killed, and not yet collected
            break
        time.sleep(0.02)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_of_a_commands_many_messages_the_last_is_told(tmp_path):
    script = tmp_path / "says"
    script.write_text(
        "for i in 1 2 3; do head -c 90000 /dev/zero | tr '\\0' x >&2; echo >&2; done; echo the end >&2; exit 4"
    )
    assert Hooks(on_failure=f"sh {script}").told(tmp_path, RECORD).endswith("left with 4: the end")


@pytest.mark.parametrize("closed", ["", ">&-", "<&- >&- 2>&-"])
def test_a_good_run_without_a_log_leaves_with_zero(root, closed):
    command = f"exec {shlex.join(CRM)} {closed or '> /dev/full'}"
    assert subprocess.run(["sh", "-c", command], cwd=root, timeout=120, check=False).returncode == 0
    assert outcomes(root) == [("good", 1)]


@pytest.mark.parametrize("target", ["closed", "full", "ascii"])
def test_a_log_that_cannot_be_written_ends_no_report(root, target):
    notebook(root, "pass  # “ü”\n1 / 0")
    shutil.copy(FIXTURES / "good.ipynb", root / "notebooks" / "good.ipynb")
    (root / "reports.yml").write_text(
        "reports:\n  bad: {notebook: notebooks/report.ipynb}\n  good: {notebook: notebooks/good.ipynb}\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"} if target == "ascii" else dict(os.environ)
    command = [*CRM, "--jobs", "1"]
    if target == "closed":
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as runner:
            runner.stdout.close()
            runner.wait(120)
            said = runner.stderr.read().decode()
    else:
        with open("/dev/full" if target == "full" else root / "log", "w") as log:
            runner = subprocess.run(command, cwd=root, env=environment, stdout=log, stderr=subprocess.PIPE, timeout=120)
            said = runner.stderr.decode()
    assert (runner.returncode, "Traceback" in said) == (1, False), said
    assert [outcome for outcome, _ in outcomes(root)] == ["failed", "good"]
    if target == "ascii":
        assert "\\u201c" in (root / "log").read_text()


def test_a_shelf_that_cannot_be_written_changes_no_outcome(root):
    assert crm(root).returncode == 0
    (root / "reports" / "index.html").unlink()
    (root / "reports" / "index.html").mkdir()
    (root / "reports" / "index.html" / "x").touch()
    done = crm(root, "--force")
    assert done.returncode == 0, done.stderr
    assert "index.html is not brought up to date" in done.stdout
    notebook(root, "1 / 0")
    done = crm(root)
    assert done.returncode == 1
    assert outcomes(root)[-1][0] == "failed"


def test_a_page_that_cannot_be_published_is_a_failure_and_tried_again(root):
    """Copied by a program that follows links, `latest/` holds folders."""
    assert crm(root).returncode == 0
    link = root / "reports" / "latest" / "report"
    target = link.resolve()
    link.unlink()
    shutil.copytree(target, link)
    done = crm(root)
    assert done.returncode == 1
    assert "is a folder and no link" in done.stdout
    assert outcomes(root)[-1][0] == "failed"
    last = records.records(root)[-1]
    assert json.loads((root / "reports" / "runs" / last["run"] / "run.json").read_text()) == last
    shutil.rmtree(link)
    assert crm(root).returncode == 0
    assert link.is_symlink()


def test_one_that_runs_already_hides_no_other_failure():
    codes = {name: {"exit_code": code} for name, code in EXIT_CODES.items()}
    assert exit_code([]) == 0
    assert exit_code([codes["good"], codes["busy"]]) == 4
    assert exit_code([codes["failed"], codes["busy"], codes["good"]]) == 1
    assert exit_code([codes["no data"], codes["busy"]]) == 3
    assert exit_code([codes["failed"], codes["no data"], codes["timeout"]]) == 5


def test_a_folder_without_a_project_is_the_calls_fault(tmp_path):
    command = [*CRM[:3], "--project", str(tmp_path), "report", "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "no reports.yml in" in done.stderr


@pytest.mark.parametrize("stop", [signal.SIGHUP, signal.SIGTERM])
def test_a_terminal_that_closes_ends_a_run_as_a_stop_does(root, stop):
    notebook(root, "import pathlib, time\npathlib.Path('here').touch()\ntime.sleep(90)")
    with subprocess.Popen(CRM, cwd=root, stdout=subprocess.PIPE, text=True) as runner:
        deadline = time.monotonic() + 60
        while not (root / "here").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        runner.send_signal(stop)
        runner.communicate(timeout=60)
    assert runner.returncode == 130
    assert outcomes(root) == [("interrupted", 1)]


def test_an_error_nobody_thought_of_fails_one_report_alone(root, monkeypatch):
    from crmlib.runner import attempts

    shutil.copy(FIXTURES / "good.ipynb", root / "notebooks" / "good.ipynb")
    (root / "reports.yml").write_text(
        "reports:\n  bad: {notebook: notebooks/report.ipynb}\n  good: {notebook: notebooks/good.ipynb}\n"
    )
    look = attempts.inputs

    def looks(project, path, parameters):
        if path.name == "report.ipynb":
            raise RuntimeError("an engine's own\nerror")
        return look(project, path, parameters)

    monkeypatch.setattr(attempts, "inputs", looks)
    done = CliRunner().invoke(cli, ["report", "run", "--jobs", "1"])
    assert done.exit_code == 1
    assert "failed: RuntimeError: an engine's own error" in done.output
    assert [outcome for outcome, _ in outcomes(root)] == ["failed", "good"]


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


def test_a_dry_run_of_data_that_must_be_fresh_writes_nothing(root):
    (root / "shop").mkdir()
    (root / "shop" / "orders.csv").write_text("order_id,customer_id,ordered_at,amount\n1,a,2020-01-02,5\n")
    entry = "{{notebook: notebooks/report.ipynb, parameters: {{source: shop}}, {}}}"
    text = f"reports:\n  old: {entry.format('max_age_days: 3')}\n  last: {entry.format('as_of: latest')}\n"
    (root / "reports.yml").write_text(text)
    shown = CliRunner().invoke(cli, ["report", "run", "--dry-run"])
    assert shown.exit_code == 3
    assert "old: stale data, the data of 'shop' end on 2020-01-02" in shown.output
    assert "last: due, no good run yet" in shown.output
    assert not (root / "reports").exists()


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
