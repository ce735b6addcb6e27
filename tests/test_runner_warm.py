"""Warm kernels: the same output as cold ones, no shared state, nothing left behind."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from importlib import metadata
from pathlib import Path

import nbformat
import pytest

from crmlib.runner import processes, provenance, servers, warm
from crmlib.runner.execution import execute
from crmlib.runner.kernels import warm_up
from crmlib.runner.parallel import Interruption, results
from crmlib.runner.preparation import prepared
from crmlib.runner.progress import Lines
from crmlib.runner.reports import run_reports
from crmlib.runner.requests import requests

FIXTURES = Path(__file__).parent / "notebooks"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project whose kernels are forked from one server for all tests of the module."""
    folder = tmp_path_factory.mktemp("project")
    with warm.kernels():
        warm_up(folder)
        yield folder


@pytest.fixture
def alone(monkeypatch):
    """No server open already, as when a plan begins."""
    monkeypatch.setattr(warm, "_open", None)


def notebook_of(*cells):
    """A notebook of these code cells."""
    sources = [textwrap.dedent(cell).strip() for cell in cells]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def run(root, notebook, **options):
    """Account of a run, and the text that its last cell printed."""
    ready = prepared(notebook)
    with tempfile.TemporaryDirectory() as kept:
        limits = {"cell_timeout": 60, "run_timeout": 120, **options}
        account = execute(ready, root=root, output=Path(kept) / "kept.ipynb", **limits)
    texts = [output.get("text", "") for output in ready.cells[-1].get("outputs", [])]
    return account, ready, "".join(texts)


def fixture(name):
    return nbformat.read(FIXTURES / f"{name}.ipynb", as_version=4)


def outputs(notebook):
    """All that the cells show, addresses of objects aside."""
    return json.loads(json.dumps([cell.get("outputs") for cell in notebook.cells]))


def processes_with(text):
    """Processes that began with this in their environment, this one aside."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (entry / "environ").read_bytes() and entry.name != str(os.getpid()):
                found.append(int(entry.name))
    return found


def gone(found, seconds=10):
    """Whether the function comes to find nothing."""
    deadline = time.monotonic() + seconds
    while found():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def project(folder, **notebooks):
    """A project with a report for each fixture."""
    (folder / "notebooks").mkdir(parents=True)
    plan = ["reports:"]
    for name, source in notebooks.items():
        (folder / "notebooks" / f"{name}.ipynb").write_text((FIXTURES / f"{source}.ipynb").read_text())
        plan.append(f"  {name}: {{notebook: notebooks/{name}.ipynb}}")
    (folder / "reports.yml").write_text("\n".join(plan) + "\n")
    return folder


def test_the_provisioner_is_registered():
    (entry,) = metadata.entry_points(group="jupyter_client.kernel_provisioners", name=warm.NAME)
    assert entry.load() is warm.WarmProvisioner


def test_warm_output_is_cold_output_figures_included(root, monkeypatch):
    account, notebook, _ = run(root, fixture("figures"))
    assert (account.outcome, account.message, account.kernel) == ("good", "", "warm")
    shown = outputs(notebook)
    assert sum("image/png" in output.get("data", {}) for cell in shown for output in cell or []) == 3
    monkeypatch.setenv(warm.COLD, "1")
    account, notebook, _ = run(root, fixture("figures"))
    assert (account.outcome, account.kernel) == ("good", "cold")
    # The warning's line names the kernel's own file for the cell, which holds its process number.
    assert warning_free(outputs(notebook)) == warning_free(shown)


def warning_free(shown):
    kept = [[output for output in cell or [] if output.get("name") != "stderr"] for cell in shown]
    said = [
        output["text"].split(": ", 1)[1] for cell in shown for output in cell or [] if output.get("name") == "stderr"
    ]
    assert len(said) == 1
    assert said[0].startswith("UserWarning: a warning of the notebook")
    return kept, said


@pytest.mark.parametrize("cold", [False, True])
def test_a_persons_settings_change_no_page(root, tmp_path, monkeypatch, cold):
    """MPLBACKEND=agg, as build servers set it, left the page without figures."""
    if cold:
        monkeypatch.setenv(warm.COLD, "1")
    _, plain, _ = run(root, fixture("figures"))
    own = tmp_path / "matplotlibrc"
    own.write_text("axes.facecolor: red\n")
    startup = tmp_path / "startup.py"
    startup.write_text("import numpy as np\nnp.random.seed(1)\nprint('hello')\n")
    settings = {
        "MPLBACKEND": "agg",
        "MATPLOTLIBRC": str(own),
        "PYTHONSTARTUP": str(startup),
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    if cold:  # a warm server would be another one for it
        (tmp_path / ".config" / "matplotlib").mkdir(parents=True)
        shutil.copy(own, tmp_path / ".config" / "matplotlib")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    account, notebook, _ = run(root, fixture("figures"))
    assert (account.outcome, account.message, account.kernel) == ("good", "", "cold" if cold else "warm")
    assert warning_free(outputs(notebook)) == warning_free(outputs(plain))


def test_runs_cannot_see_each_others_state(root):
    clean, _, _ = run(root, fixture("tidy"))
    assert (clean.outcome, clean.message) == ("good", "")
    assert run(root, fixture("pollutes"))[0].outcome == "good"
    account, notebook, _ = run(root, fixture("tidy"))
    assert account.kernel == "warm"
    assert [output["text"] for output in notebook.cells[3].outputs] == [f"{[False] * 8}\n"]


def test_each_kernel_draws_its_own_numbers_when_no_seed_is_given(root):
    draw = notebook_of(
        """
        import random
        import numpy as np
        print(random.random(), np.random.random(), np.random.default_rng().random())
        """
    )
    drawn = [number for _ in range(3) for number in run(root, draw)[2].split()]
    assert len(set(drawn)) == 9


def test_a_forked_kernel_is_a_process_like_an_ordinary_one(root, monkeypatch):
    look = notebook_of(
        """
        import json, multiprocessing, os, signal, sys, threading
        import numpy as np
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            power = pool.apply(pow, (2, 5))
        facts = {
            "leads its group and session": os.getpid() == os.getpgid(0) == os.getsid(0),
            "folder": os.getcwd(),
            "project": os.environ["CRM_PROJECT"],
            "arrow": os.environ.get("JE_ARROW_MALLOC_CONF"),
            "backend": os.environ.get("MPLBACKEND"),
            "process": multiprocessing.current_process().name,
            "parent": multiprocessing.parent_process() is None,
            "power": power,
            "input": sys.__stdin__.read(),
            "interrupt": str(signal.getsignal(signal.SIGINT)),
            "child": str(signal.getsignal(signal.SIGCHLD)),
            "term": str(signal.getsignal(signal.SIGTERM)),
            "pipe": str(signal.getsignal(signal.SIGPIPE)),
            "main": sys.modules["__main__"].__dict__ is globals(),
            "path": sys.path,
            "arguments": sys.argv[1:2],
            "hash": hash("a string"),
            "late": [name for name in ("polars", "duckdb") if name in sys.modules],
            "open": len(os.listdir("/proc/self/fd")),
        }
        print(json.dumps(facts))
        """
    )
    account, _, text = run(root, look)
    assert account.kernel == "warm"
    facts = json.loads(text)
    monkeypatch.setenv(warm.COLD, "1")
    account, _, text = run(root, look)
    assert account.kernel == "cold"
    assert facts == {**json.loads(text), "open": facts["open"]}
    assert facts["open"] <= json.loads(text)["open"] + 2
    assert facts["leads its group and session"] is True
    assert facts["folder"] == str(root)


def test_packages_are_set_as_in_a_fresh_kernel(root, monkeypatch):
    """Some look at import whether they are in a kernel: pandas then shows 20 columns, else as many as fit."""
    look = notebook_of(
        """
        import locale, logging, warnings
        import matplotlib as mpl, numpy as np, pandas as pd, seaborn as sns, scipy.stats, statsmodels.api as sm
        import matplotlib.pyplot as plt, pyarrow
        print(pd.describe_option(_print_desc=False))
        print(dict(mpl.rcParams), plt.isinteractive(), mpl.matplotlib_fname(), sorted(mpl.colormaps))
        print(np.get_printoptions(), np.geterr(), locale.getlocale(), pyarrow.default_memory_pool().backend_name)
        print(sorted(map(str, warnings.filters)), logging.root.level, logging.root.handlers)
        print(pd.DataFrame({f"a long name of column {number}": [number] for number in range(9)}))
        """
    )
    account, _, text = run(root, look)
    assert account.kernel == "warm"
    monkeypatch.setenv(warm.COLD, "1")
    account, _, cold = run(root, look)
    assert account.kernel == "cold"
    assert text.splitlines() == cold.splitlines()


def test_its_memory_is_reported(root):
    account, _, _ = run(root, notebook_of("import numpy as np\nlarge = np.ones(50_000_000)", "del large"))
    assert 400 < account.peak_memory < 1500  # 8 bytes each are 381 MiB


def test_a_crash_leaves_the_others_alone(root):
    found = {}
    slow = notebook_of("import time\ntime.sleep(2)", "print('whole')")

    def other():
        found["slow"] = run(root, slow)

    thread = threading.Thread(target=lambda: results([other], 1, Interruption()))
    thread.start()
    for source, outcome in [
        ("import ctypes\nctypes.string_at(0)", "kernel died"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "kernel died"),
        ("import os\nos._exit(3)", "kernel died"),
    ]:
        assert run(root, notebook_of(source))[0].outcome == outcome
    thread.join()
    account, _, text = found["slow"]
    assert (account.outcome, account.kernel, text) == ("good", "warm", "whole\n")
    assert run(root, notebook_of("print(1)"))[0].kernel == "warm"


def test_timeouts_end_the_kernel(root):
    hangs = notebook_of("import time\ntime.sleep(60)")
    began = time.monotonic()
    account, _, _ = run(root, hangs, cell_timeout=1)
    assert (account.outcome, account.kernel) == ("timeout", "warm")
    assert "longer than 1 s" in account.message
    account, _, _ = run(root, hangs, run_timeout=2)
    assert account.outcome == "timeout"
    assert "longer than 2 s" in account.message
    assert time.monotonic() - began < 30


def test_what_a_kernel_started_ends_with_it_however_it_hides(root):
    started = notebook_of(
        """
        import os, subprocess, time
        subprocess.Popen(["sleep", "97"], start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(97)
            os._exit(0)
        print(os.environ["CRM_RUN"])
        """
    )
    account, _, mark = run(root, started)
    assert account.kernel == "warm"
    assert len(mark.strip()) == 16
    assert gone(lambda: processes_with(f"{processes.MARK}={mark.strip()}"))


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("end", ["pass", "import time\ntime.sleep(60)", "1 / 0"])
def test_a_program_without_environment_in_a_session_of_its_own_ends_too(root, monkeypatch, cold, end):
    if cold:
        monkeypatch.setenv(warm.COLD, "1")
    started = notebook_of(
        """
        import subprocess
        child = subprocess.Popen(["sleep", "97"], env={}, start_new_session=True)
        grandchild = ["/bin/sh", "-c", "sleep 98 & echo $!; wait"]
        second = subprocess.Popen(grandchild, env={}, start_new_session=True, stdout=subprocess.PIPE, text=True)
        print(child.pid, second.pid, second.stdout.readline())
        """,
        end,
    )
    account, notebook, _ = run(root, started, cell_timeout=5)
    assert account.kernel == ("cold" if cold else "warm")
    left = [Path(f"/proc/{number}/cmdline") for number in notebook.cells[0].outputs[0]["text"].split()]
    assert len(left) == 3
    assert gone(lambda: [path for path in left if path.exists() and path.read_bytes()])


def test_a_run_whose_time_is_up_before_its_kernel_is_there_is_ended(root, monkeypatch):
    monkeypatch.setenv(warm.COLD, "1")
    began = time.monotonic()
    account, _, _ = run(root, notebook_of("import time\ntime.sleep(40)"), run_timeout=0.01)
    assert account.outcome == "timeout"
    assert time.monotonic() - began < 20


def test_a_server_that_has_threads_forks_nothing(tmp_path, monkeypatch, alone):
    server = servers.ForkServer({**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}, str(tmp_path))
    trouble = server.trouble
    server.close()
    assert trouble.endswith("threads run in it") or os.cpu_count() == 1
    monkeypatch.setattr(servers.ForkServer, "trouble", "2 threads run in it")
    with warm.kernels():
        account, _, text = run(tmp_path, notebook_of("print('cold')"))
    assert (account.outcome, account.kernel, text) == ("good", "cold", "cold\n")


def test_without_its_server_a_run_gets_an_ordinary_kernel(tmp_path, alone):
    with warm.kernels():
        warm_up(tmp_path)
        assert run(tmp_path, notebook_of("print(1)"))[0].kernel == "warm"
        (server,) = warm._open._servers.values()
        server._process.kill()
        server._process.wait()
        account, _, text = run(tmp_path, notebook_of("print(1)"))
    assert (account.outcome, account.kernel, text) == ("good", "cold", "1\n")
    assert gone(lambda: processes_with(str(tmp_path)))


def test_another_kernel_than_this_interpreters_is_left_to_itself():
    assert warm._kernel_arguments([sys.executable, "-m", "ipykernel_launcher", "-f", "x"]) == ["-f", "x"]
    assert warm._kernel_arguments(["/usr/bin/another", "-m", "ipykernel_launcher", "-f", "x"]) is None
    assert warm._kernel_arguments([sys.executable, "-m", "another_kernel"]) is None


@pytest.mark.parametrize("jobs", [1, 2])
def test_nothing_is_left_of_a_plan(tmp_path, monkeypatch, alone, jobs):
    place = tmp_path / "t"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    root = project(tmp_path / "p", good="good", dies="kills_kernel", leaves="leaves_processes", last="good")
    done = run_reports(root, requests(root), Lines(io.StringIO()), jobs=jobs)
    assert [record["outcome"] for record in done] == ["good", "kernel died", "failed", "good"]
    assert [record["kernel"] for record in done] == ["warm"] * 4
    assert all(record["peak_memory_mib"] > 20 for record in done)
    assert gone(lambda: processes_with(f"CRM_PROJECT={root}"))
    assert not list(place.iterdir())


def test_one_or_two_at_a_time_make_no_difference(tmp_path, monkeypatch, alone):
    monkeypatch.setattr(provenance, "library_hash", lambda: "0" * 64)
    root = project(tmp_path / "p", a="figures", b="good", c="figures")
    found = {}
    for jobs in (1, 2):
        done = run_reports(root, requests(root), Lines(io.StringIO()), force=True, jobs=jobs)
        assert [record["report"] for record in done] == ["a", "b", "c"]
        pages = [(root / "reports" / "runs" / record["run"] / "report.html").read_bytes() for record in done]
        found[jobs] = [record["findings"] for record in done], pages
    assert found[1] == found[2]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_stopped_or_killed_runner(tmp_path, stop):
    place = tmp_path / "t"
    place.mkdir()
    root = project(tmp_path / "p", a="hangs", b="hangs", c="hangs")
    env = {**os.environ, "CRM_PROJECT": str(root), "TMPDIR": str(place)}
    command = [sys.executable, "-c", "from crmlib.cli import main; main()", "report", "run", "--jobs", "2"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as runner:
        assert gone(lambda: hanging(root) < 2, 90)
        runner.send_signal(stop)
        out, err = runner.communicate(timeout=60)
    assert runner.returncode == (130 if stop == signal.SIGTERM else -signal.SIGKILL)
    assert "Traceback" not in err
    assert gone(lambda: processes_with(f"CRM_PROJECT={root}"))
    assert gone(lambda: list(place.iterdir()))
    if stop == signal.SIGTERM:
        assert out.count("interrupted") == 2
        assert "] c: begins" not in out


@pytest.mark.parametrize("session", [False, True])
def test_nothing_is_left_of_a_killed_runner_of_a_single_report(tmp_path, session):
    """Its kernel has no server to end it, nor the programs that it started."""
    place = tmp_path / "t"
    place.mkdir()
    root = project(tmp_path / "p", a="good")
    notebook = nbformat.read(root / "notebooks" / "a.ipynb", as_version=4)
    source = (
        "import pathlib, subprocess, time\n"
        f"child = subprocess.Popen(['sleep', '97'], start_new_session={session})\n"
        "pathlib.Path('here').write_text(str(child.pid))\ntime.sleep(90)"
    )
    notebook.cells.insert(3, nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, root / "notebooks" / "a.ipynb")
    env = {**os.environ, "CRM_PROJECT": str(root), "TMPDIR": str(place)}
    command = [sys.executable, "-c", "from crmlib.cli import main; main()", "report", "run"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, start_new_session=True) as runner:
        assert gone(lambda: not (root / "here").exists(), 60)
        os.killpg(runner.pid, signal.SIGKILL)
        runner.communicate(timeout=60)
    assert gone(lambda: processes_with(f"CRM_PROJECT={root}"))
    assert gone(lambda: list(place.iterdir()))


def hanging(root):
    """How many reports sleep in their cell."""
    count = 0
    for path in (root / "reports" / "runs").glob("*/notebook.ipynb"):
        with contextlib.suppress(ValueError):
            cells = json.loads(path.read_text())["cells"]
            count += any(
                cell["metadata"].get("papermill", {}).get("status") == "running"
                and "".join(cell["source"]).startswith("import time")
                for cell in cells
            )
    return count
