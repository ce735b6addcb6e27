"""Running reports: every failure leaves a true record, its exit code, and the last good page."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crmlib.cli import cli
from crmlib.errors import CrmError, ParameterError
from crmlib.runner import provenance, records
from crmlib.runner.outcomes import EXIT_CODES, exit_code
from crmlib.runner.plan import plan
from crmlib.runner.progress import Lines
from crmlib.runner.reports import run_reports
from crmlib.runner.requests import requests

LIBRARY_HASH = provenance.library_hash
FIXTURES = Path(__file__).parent / "notebooks"
ENTRY = "reports:\n  report: {{notebook: notebooks/report.ipynb, parameters: {{share: 0.75}}{more}}}\n"


class Silent:
    def write(self, text):
        return len(text)

    def flush(self):
        pass


def project(folder, fixture="good.ipynb", more=""):
    (folder / "notebooks").mkdir(parents=True)
    shutil.copy(FIXTURES / fixture, folder / "notebooks" / "report.ipynb")
    (folder / "reports.yml").write_text(ENTRY.format(more=more))
    return folder


def swap(root, fixture):
    shutil.copy(FIXTURES / fixture, root / "notebooks" / "report.ipynb")


def run(root, *, force=False, **options):
    names = ("report",) if options.get("given") or options.get("as_name") else ()
    return run_reports(root, requests(root, names, **options), Lines(Silent()), force=force)[0]


def fingerprint(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module", autouse=True)
def library():
    """One hash for the whole test, so that a file saved meanwhile makes no report due."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "library_hash", lambda: "0" * 64)
        yield


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A project with one good run; tests copy it before they change it."""
    root = project(tmp_path_factory.mktemp("good"))
    return root, run(root)


@pytest.fixture
def root(good, tmp_path):
    shutil.copytree(good[0], tmp_path / "project", symlinks=True)
    return tmp_path / "project"


def test_a_good_run_is_published_with_its_record(good):
    root, record = good
    latest = root / "reports" / "latest" / "report"
    assert record["outcome"] == "good"
    assert exit_code([record]) == 0
    assert os.readlink(latest) == f"../runs/{record['run']}"
    assert sorted(path.name for path in latest.iterdir()) == ["notebook.ipynb", "report.html", "run.json"]
    stored = json.loads((latest / "run.json").read_text())
    assert stored == records.records(root)[-1]
    assert stored["parameters"]["share"] == 0.75
    assert stored["seed"] == 1
    assert stored["findings"][0] == {
        "key": "kept",
        "value": 0.75,
        "unit": "share",
        "sentence": "75 % of customers stay.",
        "low": 0.0,
        "high": 1.0,
        "level": 0.95,
    }
    assert stored["library"] == "0" * 64
    assert stored["lock"] == stored["commit"] == "none"
    assert stored["seconds"] > 0
    assert not list((root / "reports").rglob(".*.[0-9]*"))


def test_interactive_exercise_and_solution_cells_are_not_run(good):
    notebook = json.loads((good[0] / "reports" / "latest" / "report" / "notebook.ipynb").read_text())
    tags = {tag for cell in notebook["cells"] for tag in cell["metadata"].get("tags", [])}
    assert tags == {"parameters", "injected-parameters", "findings"}
    given = ["".join(cell["source"]) for cell in notebook["cells"] if cell["id"] == "injected-parameters"]
    assert given == ["share = 0.75"]
    counts = [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert counts == [1, 2, 3, 4, 5]


def test_a_second_run_executes_nothing(root):
    before = (root / "reports" / "runs.jsonl").read_bytes()
    assert run(root)["outcome"] == "up to date"
    assert (root / "reports" / "runs.jsonl").read_bytes() == before


def test_the_same_inputs_give_the_same_page(root, good):
    again = run(root, force=True)
    pages = [root / "reports" / "runs" / record["run"] / "report.html" for record in (good[1], again)]
    assert again["run"] != good[1]["run"]
    assert pages[0].read_bytes() == pages[1].read_bytes()


@pytest.mark.parametrize("change", ["notebook", "parameters", "lock", "library", "page"])
def test_a_changed_input_makes_the_report_due(root, change, monkeypatch):
    from crmlib.runner.due import last_good

    if change == "notebook":
        with (root / "notebooks" / "report.ipynb").open("a") as stream:
            stream.write("\n")
    elif change == "parameters":
        (root / "reports.yml").write_text(ENTRY.format(more="").replace("0.75", "0.5"))
    elif change == "lock":
        (root / "requirements.lock").write_text("numpy==0\n")
    elif change == "library":
        monkeypatch.setattr(provenance, "library_hash", lambda: "another")
    else:
        (root / "reports" / "latest" / "report" / "report.html").unlink()
    (request,) = requests(root)
    made_of = provenance.inputs(root, request.report.notebook, request.report.parameters)
    assert last_good(root, request, made_of) is None


def test_the_library_hash_covers_modules_and_templates(tmp_path):
    import crmlib

    package = tmp_path / "crmlib"
    template = package / "runner" / "template" / "page.css"
    template.parent.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    template.write_text("a")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crmlib, "__file__", str(package / "__init__.py"))
        hashes = [LIBRARY_HASH()]
        template.write_text("b")
        hashes.append(LIBRARY_HASH())
        (package / "new.py").write_text("")
        hashes.append(LIBRARY_HASH())
        (package / "notes.txt").write_text("no code")
        assert LIBRARY_HASH() == hashes[-1]
    assert len(set(hashes)) == 3


def test_data_decide_too_and_a_source_without_hash_is_always_due(monkeypatch):
    import crmlib.data

    monkeypatch.setattr(crmlib.data, "fingerprint", {"shop": "abc", "database": None}.get, raising=False)
    assert provenance.data_hashes({"source": "shop", "other_source": "", "resource": "x"}) == {"source": "abc"}
    inputs = provenance.Inputs("n", "l", "k", {}, {"source": None})
    assert inputs.key is None
    keys = {provenance.Inputs("n", "l", "k", {}, {"source": value}).key for value in ("abc", "abd")}
    assert len(keys) == 2


FAILURES = [
    ("raises.ipynb", "failed", 1, "ValueError: no such luck", "# a cell that raises"),
    (
        "bad_data.ipynb",
        "bad data",
        3,
        "DataError: orders have no rows: write the rows",
        "from crmlib.errors import DataError",
    ),
    ("exits.ipynb", "failed", 1, "SystemExit", "import sys"),
    ("quits.ipynb", "kernel died", 6, "the kernel ended", "exit()"),
    ("hangs.ipynb", "timeout", 5, "longer than 1 s", "import time"),
    ("kills_kernel.ipynb", "kernel died", 6, "the kernel ended", "import os"),
]


@pytest.mark.parametrize(("fixture", "outcome", "code", "message", "source"), FAILURES)
def test_a_failing_cell_leaves_the_last_good_page_alone(root, fixture, outcome, code, message, source):
    latest = root / "reports" / "latest" / "report"
    before, target = fingerprint(latest), os.readlink(latest)
    swap(root, fixture)
    record = run(root, cell_timeout=1)
    assert (record["outcome"], exit_code([record])) == (outcome, code)
    assert message in record["message"]
    assert record["cell"] == {"position": 5, "of": 6, "section": "The trouble", "source": source}
    assert fingerprint(latest) == before
    assert os.readlink(latest) == target
    folder = root / "reports" / "runs" / record["run"]
    assert sorted(path.name for path in folder.iterdir()) == ["notebook.ipynb", "run.json"]
    assert json.loads((folder / "run.json").read_text()) == records.records(root)[-1]
    cells = json.loads((folder / "notebook.ipynb").read_text())["cells"]
    states = [cell["metadata"]["papermill"]["status"] for cell in cells if cell["cell_type"] == "code"]
    assert states[:3] == ["completed", "completed", "not completed"]
    shelf = (root / "reports" / "index.html").read_text()
    assert "failed, showing the last good run" in shelf
    assert "75\N{NO-BREAK SPACE}% of customers stay." in shelf
    assert "Cell 5 of 6, in “The trouble”" in shelf


@pytest.mark.parametrize(
    ("fixture", "message"),
    [("no_findings.ipynb", "shows 0 Findings"), ("bad_formula.ipynb", r"the formula $\frobnicate{x}$ cannot be drawn")],
)
def test_missing_findings_and_formulas_that_cannot_be_drawn_fail_the_report(tmp_path, fixture, message):
    root = project(tmp_path / "project", fixture)
    record = run(root)
    assert (record["outcome"], record["exit_code"]) == ("failed", 1)
    assert message in record["message"]
    assert not (root / "reports" / "latest").exists()


def test_a_run_timeout_ends_the_run(tmp_path):
    root = project(tmp_path / "project", "hangs.ipynb", ", run_timeout: 3")
    record = run(root)
    assert (record["outcome"], record["exit_code"]) == ("timeout", 5)
    assert "longer than 3 s" in record["message"]


def test_nothing_that_a_run_started_survives_it(tmp_path):
    record = run(project(tmp_path / "project", "leaves_processes.ipynb"))
    assert record["outcome"] == "failed"
    deadline = time.monotonic() + 5
    while (found := marked("CRM_PROJECT=" + str(tmp_path))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not found


def marked(text):
    """Processes, not yet gone, whose environment holds the text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (entry / "environ").read_bytes() and entry.name != str(os.getpid()):
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_restoring_the_inputs_clears_the_failure_without_a_run(root):
    swap(root, "raises.ipynb")
    assert run(root)["outcome"] == "failed"
    swap(root, "good.ipynb")
    assert run(root)["outcome"] == "up to date"
    shelf = (root / "reports" / "index.html").read_text()
    assert 'class="state good"' in shelf
    assert "Last run" not in shelf


def test_other_parameters_do_not_move_the_plan_page(root):
    latest = root / "reports" / "latest" / "report"
    before = os.readlink(latest)
    other = run(root, given={"share": "0.25"})
    assert other["publication"] is None
    assert "25 % of customers stay." in (root / "reports" / "runs" / other["run"] / "report.html").read_text().replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert os.readlink(latest) == before
    assert run(root, given={"share": "0.25"})["outcome"] == "up to date"
    named = run(root, given={"share": "0.25"}, as_name="quarter")
    assert os.readlink(root / "reports" / "latest" / "quarter") == f"../runs/{named['run']}"
    assert os.readlink(latest) == before
    assert "variant of report" in (root / "reports" / "index.html").read_text()


def test_a_report_that_is_running_is_busy(root):
    (request,) = requests(root)
    with records.locked(root, records.lock_name("report", request.report.parameters)):
        record = run(root, force=True)
        other = run(root, given={"share": "0.1"}, force=True)
    assert (record["outcome"], record["exit_code"]) == ("busy", 4)
    assert other["outcome"] == "good"
    assert records.records(root)[-2]["outcome"] == "busy"


def test_one_failing_report_does_not_stop_the_others(root):
    shutil.copy(FIXTURES / "raises.ipynb", root / "notebooks" / "raises.ipynb")
    (root / "reports.yml").write_text(
        "reports:\n  raises: {notebook: notebooks/raises.ipynb}\n  report: {notebook: notebooks/report.ipynb}\n"
    )
    done = run_reports(root, requests(root), Lines(Silent()))
    assert [record["outcome"] for record in done] == ["failed", "good"]
    assert exit_code(done) == 1
    assert exit_code([{"exit_code": code} for code in EXIT_CODES.values()]) == 130


def command(*arguments):
    return [sys.executable, "-c", "from crmlib.cli import main; main()", "report", "run", *arguments]


@pytest.mark.parametrize(("stop", "recorded"), [(signal.SIGTERM, "stop"), (signal.SIGKILL, "killed")])
def test_a_stopped_or_killed_runner_leaves_a_true_record(tmp_path, stop, recorded):
    root = project(tmp_path / "project", "hangs.ipynb")
    env = {**os.environ, "CRM_PROJECT": str(root)}
    runner = subprocess.Popen(command(), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not kernel_hangs(root) and time.monotonic() < deadline:
        time.sleep(0.05)
    runner.send_signal(stop)
    _, err = runner.communicate(timeout=60)
    assert runner.returncode == (130 if stop == signal.SIGTERM else -signal.SIGKILL)
    assert "Traceback" not in err
    with records.locked(root, "shelf", wait=5):
        records.recover(root)
    (record,) = records.records(root)
    assert (record["outcome"], record["exit_code"]) == ("interrupted", 130)
    assert recorded in record["message"]
    (request,) = requests(root)
    with records.locked(root, records.lock_name("report", request.report.parameters)):
        pass  # the dead runner's lock is free
    while (left := marked("CRM_PROJECT=" + str(root))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def kernel_hangs(root):
    """Whether the fixture's sleeping cell has begun, as the notebook kept during the run says."""
    for path in (root / "reports" / "runs").glob("*/notebook.ipynb"):
        text = path.read_text()
        try:
            cells = json.loads(text)["cells"] if text else []
        except ValueError:
            return False
        if any("".join(cell["source"]).startswith("import time") and running(cell) for cell in cells):
            return True
    return False


def running(cell):
    return cell["metadata"].get("papermill", {}).get("status") == "running"


def test_the_command_says_what_it_does_and_exits_with_the_code(root):
    env = {**os.environ, "CRM_PROJECT": str(root)}
    done = subprocess.run(command(), env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0
    assert "[1/1] report: good in" in done.stdout  # the library's true hash is not the one above
    for arguments, fault in [
        (["report", "-p", "sede=1"], "unknown"),
        (["report", "-p", "seed=007"], "leading zeros"),
        (["report", "-p", "share=2"], "out of range"),
        (["report", "-p", "seed=1; import os"], "no int"),
        (["report", "-p", "x; import os=1"], "unknown"),
        (["report", "-p", "seed"], "name=value"),
        (["report", "--as", "report"], "choose another"),
        (["report", "--as", "../x"], "lower-case"),
        (["nothing"], "no report 'nothing'"),
        (["-p", "seed=1"], "name it"),
    ]:
        refused = subprocess.run(command(*arguments), env=env, capture_output=True, text=True, check=False, timeout=60)
        assert refused.returncode == 2, arguments
        assert fault in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert len(records.records(root)) == 2


def test_list_shows_state_and_headline(root, monkeypatch):
    from click.testing import CliRunner

    monkeypatch.setenv("CRM_PROJECT", str(root))
    shown = CliRunner().invoke(cli, ["report", "list"])
    assert shown.exit_code == 0
    assert "report: good; last good" in shown.output
    assert "75 % of customers stay." in shown.output


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["empty"]),
        ("reports: 3", ["one mapping"]),
        ("plans: {}", ["one mapping"]),
        ("reports: {a: {notebook: notebooks/report.ipynb}, a: {}}", ["repeated"]),
        ("reports: {a: {notebok: x}, B!: {}, c: {notebook: ../x.ipynb}}", ["notebok", "missing", "'B!'", "below"]),
        ("reports: {a: {notebook: notebooks/none.ipynb}}", ["there is no notebook"]),
        (
            "reports: {a: {notebook: notebooks/report.ipynb, parameters: {sede: 1, seed: 007, share: .nan}}}",
            ["sede", "007", ".nan"],
        ),
        ("reports: {a: {notebook: notebooks/report.ipynb, cell_timeout: 0, parameters: {seed: }}}", ["range", "seed"]),
        ("reports: {a: {notebook: notebooks/report.ipynb, parameters: {detailed: yes}}}", ["bool"]),
        ("reports: &x {a: *x}", ["refers to itself"]),
        ("reports: {a: [", ["cannot be read"]),
    ],
)
def test_all_faults_of_a_plan_are_named_in_one_line(tmp_path, text, faults):
    root = project(tmp_path / "project")
    (root / "reports.yml").write_text(text)
    with pytest.raises(ParameterError) as caught:
        plan(root)
    assert all(fault in str(caught.value) for fault in faults), str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_bad_parameters_cell_is_refused_before_anything_runs(tmp_path):
    root = project(tmp_path / "project", "bad_parameters.ipynb", "").joinpath()
    with pytest.raises(ParameterError, match=r"line 1 .*line 2 .*line 3"):
        requests(root)
    assert not (root / "reports").exists()


def test_yaml_does_not_guess_types(tmp_path):
    root = project(tmp_path / "project")
    (root / "reports.yml").write_text(
        "reports: {a: {notebook: notebooks/report.ipynb, parameters: {as_of: 1998-06-30, source: 007, detailed: true}}}"
    )
    (report,) = plan(root)
    assert report.parameters["as_of"] == "1998-06-30"
    assert report.parameters["source"] == "007"
    assert report.parameters["detailed"] is True


def test_a_torn_line_of_the_history_is_left_behind(root):
    history = root / "reports" / "runs.jsonl"
    with history.open("a") as stream:
        stream.write('{"report": "rep')
    records.append(root, {**records.records(root)[0], "outcome": "busy"})
    assert [record["outcome"] for record in records.records(root)] == ["good", "busy"]


def test_a_full_disk_is_a_failed_report_not_a_traceback(root, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crmlib.runner.reports.records.run_folder", full)
    record = run(root, force=True)
    assert record["exit_code"] == 1
    assert "No space left" in record["message"]
    assert issubclass(ParameterError, CrmError)
