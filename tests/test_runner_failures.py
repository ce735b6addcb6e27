"""Failures that only a machine brings: no memory, no disk, and readers while runs are killed."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from crmlib.runner import records

FIXTURES = Path(__file__).parent / "notebooks"
SCRIPT = "from crmlib.runner import provenance as p; p.library_hash = lambda: '0'; from crmlib.cli import main; main()"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "notebooks").mkdir()
    shutil.copy(FIXTURES / "good.ipynb", tmp_path / "notebooks" / "report.ipynb")
    (tmp_path / "reports.yml").write_text("reports:\n  report: {notebook: notebooks/report.ipynb}\n")
    return tmp_path


def crm(root, **options):
    command = [sys.executable, "-c", SCRIPT, "report", "run"]
    environment = {**os.environ, "CRM_PROJECT": str(root)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False, **options)


def insert(root, source, name="trouble"):
    path = root / "notebooks" / "report.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(3, nbformat.v4.new_code_cell(source, id=name))
    nbformat.write(notebook, path)


def test_no_memory_fails_the_report_and_names_the_cell(root):
    insert(
        root,
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))\nmuch = bytearray(2**34)",
    )
    done = crm(root)
    assert done.returncode == 1
    (record,) = records.records(root)
    assert (record["outcome"], record["exit_code"]) == ("failed", 1)
    assert record["message"].startswith("MemoryError")
    assert record["cell"]["source"] == "import resource"
    assert not (root / "reports" / "latest").exists()


def test_a_disk_that_fills_up_leaves_the_last_good_page_whole(root):
    assert crm(root).returncode == 0
    latest = root / "reports" / "latest" / "report"
    page, target = (latest / "report.html").read_bytes(), os.readlink(latest)
    shelf = (root / "reports" / "index.html").read_bytes()
    insert(root, "pass")
    limit = len(page) // 2  # a file of the page's size cannot be written, as when the disk is full
    done = crm(root, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (os.readlink(latest), (latest / "report.html").read_bytes()) == (target, page)
    assert (root / "reports" / "index.html").read_bytes() == shelf
    last = records.records(root)[-1]
    assert (last["outcome"], last["exit_code"]) == ("failed", 1)
    assert "File too large" in last["message"]
    assert not (root / "reports" / "runs" / last["run"] / "report.html").exists()
    assert not list((root / "reports").rglob(".*.html.*"))
    assert crm(root).returncode == 0  # with room again


ORDERS = "order_id,customer_id,ordered_at,amount\n1,a,2025-01-01,5\n2,b,2025-01-02,6\n"


@pytest.fixture
def shop(root):
    """The project's report on a folder of orders, run well once; the page as it stands."""
    (root / "shop").mkdir()
    (root / "shop" / "orders.csv").write_text(ORDERS)
    (root / "reports.yml").write_text(
        "reports:\n  report: {notebook: notebooks/report.ipynb, parameters: {source: shop}}\n"
    )
    insert(root, "from crmlib import data\n\nlen(data.load(source)['orders'])")
    done = crm(root)
    assert done.returncode == 0, done.stdout
    return (root / "reports" / "latest" / "report" / "report.html").read_bytes()


def refused(root, page, outcome, said):
    done = crm(root)
    assert done.returncode == 3, done.stdout
    last = records.records(root)[-1]
    assert (last["outcome"], last["exit_code"]) == (outcome, 3)
    assert said in last["message"]
    assert "Traceback" not in done.stderr
    assert (root / "reports" / "latest" / "report" / "report.html").read_bytes() == page
    assert outcome in (root / "reports" / "index.html").read_text()
    return last


def test_a_folder_that_was_deleted_is_refused_before_a_kernel_starts(root, shop):
    shutil.rmtree(root / "shop")
    assert refused(root, shop, "no data", "shop")["run"] is None
    (root / "shop").mkdir()
    (root / "shop" / "orders.csv").write_text(ORDERS)
    assert crm(root).returncode == 0  # delivered again: the page is up to date, the failure cleared
    assert records.records(root)[-1]["outcome"] == "up to date"


def test_a_table_that_is_deleted_while_the_report_runs_fails_it(root, shop):
    insert(root, "import pathlib\n\npathlib.Path(source, 'orders.csv').unlink()", "deletes")
    assert refused(root, shop, "bad data", "shop holds no table")["cell"]["source"] == "from crmlib import data"


def test_a_wheel_that_is_missing_offline_is_told_with_its_remedy(root, shop, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # no registry answers
    (root / "data").mkdir()
    (root / "data" / "requirements.txt").write_text(f"lifetimes==0.11.3 --hash=sha256:{'0' * 64}\n")
    (root / "reports.yml").write_text(
        "reports:\n  report: {notebook: notebooks/report.ipynb, parameters: {source: cdnow}}\n"
    )
    refused(root, shop, "bad data", "crm data fetch")


# Runs whose notebook is a stand-in, so that 50 of them take seconds; all else is the runner's own.
STORM = """
import io, json, os, random, signal, sys, time
from pathlib import Path
from crmlib.runner import attempts, outcomes, provenance, records, reports, requests
from crmlib.runner.progress import Lines
import crmlib.runner.kernels, crmlib.runner.shelf, crmlib.runner.warm, jinja2

root, rng = Path(sys.argv[1]), random.Random(3)
provenance.library_hash = lambda: "0"
attempts.commit, attempts.versions = lambda root: "none", lambda: {}
crmlib.runner.kernels.warm_up = lambda root: None
finding = {"key": "kept", "value": 1, "unit": "", "sentence": "All is good.", "low": None, "high": None, "level": None}

def made(root, report, folder, record, on_cell, interruption=None):
    if rng.random() < 0.3:
        (folder / "report.html").write_text("<!DOCTYPE html> failed")
        return {"outcome": "failed", "message": "no"}
    page = "<!DOCTYPE html>" + f"<p>{os.getpid()}</p>" * 20_000 + "good</html>\\n"
    records.write_atomic(folder / "report.html", page)
    return {"outcome": "good", "message": "", "title": "A", "findings": [finding]}

def run(seed):
    child = os.fork()
    if child == 0:
        rng.seed(seed)
        code = 9
        try:
            done = reports.run_reports(root, requests.requests(root), Lines(io.StringIO()), force=True)
            code = outcomes.exit_code(done)
        finally:
            os._exit(code)
    return child

attempts.made = made
while os.waitpid(run(rng.random()), 0)[1] != 0:
    pass
reader = os.fork()
if reader == 0:
    seen, faults = set(), []
    stop = []
    signal.signal(signal.SIGTERM, lambda *a: stop.append(1))
    while not stop:
        for name in ("latest/report/report.html", "index.html"):
            try:
                text = (root / "reports" / name).read_text()
            except OSError as error:
                faults.append(repr(error))
                continue
            if not (text.startswith("<!DOCTYPE html>") and text.endswith("</html>\\n") and "ood" in text):
                faults.append(text[:60] + text[-60:])
            seen.add(hash(text))
    (root / "seen.json").write_text(json.dumps([len(seen), faults[:5]]))
    os._exit(0)
codes = []
for number in range(25):
    pair = [run(rng.random()), run(rng.random())]
    if number % 2:
        time.sleep(rng.random() * 0.06)
        os.kill(pair[0], signal.SIGKILL)
    codes += [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in pair]
os.kill(reader, signal.SIGTERM)
os.waitpid(reader, 0)
print(json.dumps(codes))
"""


def test_a_reader_sees_a_whole_good_page_through_fifty_killed_and_concurrent_runs(root):
    (root / "reports.yml").write_text("keep: 2\n" + (root / "reports.yml").read_text())
    environment = {**os.environ, "CRM_PROJECT": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", STORM, str(root)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    codes = json.loads(done.stdout)
    assert len(codes) == 50
    assert {0, 1, 4} & set(codes)
    assert -9 in codes
    assert 9 not in codes, done.stderr[-2000:]
    pages, faults = json.loads((root / "seen.json").read_text())
    assert faults == []
    assert pages > 5
    with records.locked(root, "shelf", wait=5):
        records.recover(root)
    known = records.records(root)
    assert {record["outcome"] for record in known} <= {"good", "failed", "busy", "interrupted"}
    link = root / "reports" / "latest" / "report"
    assert (link / "report.html").read_text().endswith("good</html>\n")
