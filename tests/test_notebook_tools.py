"""Notebooks: executed in one stable form, and refused when they are not, or are no lessons.

One good lesson is built and executed once; each rule is tried by breaking a copy of it.
"""

import copy
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from crmlib.cli import cli
from crmlib.errors import CrmError, KernelDiedError, ParameterError, RunTimeoutError
from crmlib.runner import committed, lint, notebooks

WORDS = "A plain sentence of prose says what the next cell shows and how a reader should take it."
PARAMETERS = """source: str = "simulated"  # data source
engine: str = "pandas"  # data frame engine, one of pandas, polars, duckdb
as_of: str = ""  # last day looked at, ISO date or ""
seed: int = 1  # seed of the random numbers, 0..1000000"""
FIGURE = """fig, axes = figures.canvas(height=2)
axes.plot(sample)
figures.show(fig, alt="A sample of ten numbers.")"""
FINDINGS = """Findings([Finding("mean", 4.5, "orders", "A customer orders 4.5 times.")])"""
EXPLORER = """def draw(n):
    figure, axes = figures.canvas(height=2)
    axes.plot(range(n))
    return figure, f"A line of {n} points."

widgets.explorer(draw, n=(2, 9, 1, 5, "points"))"""
CHECK = "answer = None\nexercises.compare(answer, sum(range(4)))"
SOLUTION = "answer = 6\nexercises.compare(answer, sum(range(4)))"


def code(identity: str, source: str, *tags: str, hidden: bool = False):
    metadata = {"tags": list(tags)} if tags else {}
    return new_code_cell(
        source, id=identity, metadata=metadata | ({"jupyter": {"source_hidden": True}} if hidden else {})
    )


def text(identity: str, source: str, *tags: str):
    return new_markdown_cell(source, id=identity, metadata={"tags": list(tags)} if tags else {})


def lesson():
    """Lesson of the full shape, 25 cells before its interactive section, not executed."""
    cells = [
        text(
            "title",
            "# Do customers come back?\n\n- **Who decides**: the owner.\n- **Tables**: orders.\n- **Change**: few.",
        ),
        code("parameters", PARAMETERS, "parameters"),
        code(
            "imports", "from crmlib import exercises, figures, widgets\nfrom crmlib.findings import Finding, Findings"
        ),
        text("data", f"## Data\n\n{WORDS}"),
        code("sample", "sample = list(range(10))\nsample"),
    ]
    for number in range(2):
        cells.append(text(f"own{number}", f"## Section {number}\n\n{WORDS}"))
        cells += [text(f"prose{number}{n}", WORDS) for n in range(6)]
    cells += [
        code("figure", FIGURE),
        text("truth", f"## Against the truth\n\n{WORDS}"),
        text("sensitivity", f"## Sensitivity\n\n{WORDS}"),
        text("conclusions", "## Findings"),
        code("findings", FINDINGS, "findings"),
        text("limits", f"## Limits\n\n{WORDS}"),
        text("try", f"## Try it\n\n{WORDS}", "interactive"),
        code("explorer", EXPLORER, "interactive", "nbval-skip"),
        text("exercises", f"## Exercises\n\n{WORDS}", "exercise"),
        code("check1", CHECK, "exercise"),
        code("solution1", SOLUTION, "solution", hidden=True),
        text("task2", WORDS, "exercise"),
        code("check2", CHECK, "exercise"),
        code("solution2", SOLUTION, "solution", hidden=True),
        text("task3", WORDS, "exercise"),
        text("solution3", f"<details><summary>Solution</summary>\n\n{WORDS}\n</details>", "solution"),
        text("references", f"## References\n\n{WORDS}"),
    ]
    return new_notebook(cells=cells)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Project in a folder with a space, with one executed lesson."""
    root = tmp_path_factory.mktemp("a project")
    (root / "notebooks").mkdir()
    (root / "reports.yml").write_text("reports: {}\n")
    path = root / "notebooks" / "01_good.ipynb"
    committed.write(path, lesson())
    notebooks.execute(path)
    return root


@pytest.fixture(scope="module")
def good(project):
    return notebooks.read(project / "notebooks" / "01_good.ipynb")


def run(root: Path, *arguments: str):
    return CliRunner().invoke(cli, ["--project", str(root), "notebook", *arguments])


@pytest.fixture(autouse=True)
def _no_project_left_behind(monkeypatch):
    monkeypatch.setenv("CRM_PROJECT", "")


def cell(notebook, identity: str):
    return next(cell for cell in notebook.cells if cell.id == identity)


# -- execution --------------------------------------------------------------------------------


def test_a_good_lesson_has_no_faults(project):
    assert lint.faults(project / "notebooks" / "01_good.ipynb") == []
    assert run(project, "lint").output == "1 notebook checked, no faults\n"


def test_the_committed_form(good):
    counts = [cell.execution_count for cell in good.cells if cell.cell_type == "code"]
    assert counts == list(range(1, 11))
    assert "version" not in good.metadata.language_info
    assert "widgets" not in good.metadata
    assert all(set(cell.metadata) <= {"tags", "jupyter"} for cell in good.cells)
    assert [cell.id for cell in good.cells] == [cell.id for cell in lesson().cells]


def test_the_first_state_of_a_widget_stays_without_its_view(good):
    (shown,) = cell(good, "explorer").outputs
    assert set(shown.data) == {"image/png", "text/plain"}
    assert shown.metadata["image/png"]["alt"] == "A line of 5 points."


def test_a_second_run_gives_the_same_bytes(project):
    path = project / "notebooks" / "01_good.ipynb"
    before = path.read_bytes()
    notebooks.execute(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("1 / 0", CrmError, "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(0)", CrmError, "SystemExit"),
        ("import os; os._exit(0)", KernelDiedError, "ended the kernel"),
        ("import threading; threading.Event().wait(20)", RunTimeoutError, "took over 2 s"),
        ("object()", CrmError, "an object's address"),
    ],
)
def test_a_failing_cell_is_named_and_the_file_stays(tmp_path, source, error, message):
    path = tmp_path / "01_bad.ipynb"
    committed.write(path, new_notebook(cells=[text("intro", "# Why?"), code("first", "1"), code("culprit", source)]))
    before = path.read_bytes()
    with pytest.raises(error, match=r"01_bad.ipynb, cell 3 \(culprit\)") as raised:
        notebooks.execute(path, timeout=2)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_run_reports_its_progress(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "reports.yml").touch()
    for name in ("02_b", "01_a", "_template"):
        committed.write(tmp_path / "notebooks" / f"{name}.ipynb", new_notebook(cells=[code("one", "1")]))
    (tmp_path / "notebooks" / "scratch.ipynb").write_text("not looked at")
    done = run(tmp_path, "run")
    assert [line.split(" … ")[0] for line in done.output.splitlines()] == [
        "[1/3] 01_a",
        "[2/3] 02_b",
        "[3/3] _template",
    ]
    assert run(tmp_path, "run", "01_a.ipynb").output.startswith("[1/1] 01_a")


def test_an_unknown_notebook_is_refused(project):
    for command in ("run", "lint"):
        error = run(project, command, "07_no").exception
        assert isinstance(error, ParameterError)
        assert "no notebook '07_no'; choose from 01_good" in str(error)


# -- lint -------------------------------------------------------------------------------------


def broken(notebook, tmp_path, change, *, rerecord: bool = True, name: str = "01_good") -> list[str]:
    """Faults of a copy after `change`; with `rerecord` as if it had been executed like that."""
    notebook = copy.deepcopy(notebook)
    change(notebook)
    if rerecord:
        notebook.metadata["crmlib"] = committed.record(notebook)
    path = tmp_path / f"{name}.ipynb"
    committed.write(path, notebook)
    return lint.faults(path)


def setting(identity: str, **attributes):
    return lambda notebook: cell(notebook, identity).update(attributes)


def adding(identity: str, source: str):
    """Replace the sample cell's neighbour by code of the case."""
    return lambda notebook: cell(notebook, identity).update(source=source)


def output(identity: str, **fields):
    return lambda notebook: cell(notebook, identity).outputs.append(new_output(**fields))


def without(*identities: str):
    def change(notebook):
        notebook.cells = [cell for cell in notebook.cells if cell.id not in identities]

    return change


def tagging(identity: str, *tags: str):
    return lambda notebook: cell(notebook, identity).metadata.update(tags=list(tags))


def exchanging(one: str, other: str):
    def change(notebook):
        at = {cell.id: n for n, cell in enumerate(notebook.cells)}
        notebook.cells[at[one]], notebook.cells[at[other]] = notebook.cells[at[other]], notebook.cells[at[one]]

    return change


def all_stripped(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)


SINCE_EXECUTION = [
    ("stripped outputs", setting("sample", outputs=[]), "cell 5 (sample): stripped:"),
    ("all stripped", all_stripped, "cell 20 (figure): stripped:"),
    ("missing count", setting("sample", execution_count=None), "cell 5 (sample): unexecuted:"),
    ("disordered count", setting("sample", execution_count=7), "cell 5 (sample): order:"),
    ("edited source", adding("sample", "sample = [1]\nsample"), "cell 5 (sample): edited:"),
    ("stale below an edit", adding("sample", "sample = [1]\nsample"), "cell 20 (figure): stale:"),
    ("moved cells", exchanging("imports", "sample"), "cell 3 (sample): edited:"),
    ("removed cell", without("sample"), "cells were removed"),
    (
        "edited output",
        lambda nb: cell(nb, "sample").outputs[0].data.update({"text/plain": "[9]"}),
        "(sample): changed:",
    ),
    ("no record", lambda nb: nb.metadata.pop("crmlib"), "01_good.ipynb: unexecuted:"),
    ("record of another form", lambda nb: nb.metadata.update(crmlib={"version": 1, "cells": [1]}), "unexecuted:"),
]


@pytest.mark.parametrize(
    ("change", "expected"), [case[1:] for case in SINCE_EXECUTION], ids=[c[0] for c in SINCE_EXECUTION]
)
def test_changes_since_the_execution_are_refused(good, tmp_path, change, expected):
    assert any(expected in line for line in broken(good, tmp_path, change, rerecord=False))


def test_an_edit_marks_the_cell_and_those_below_only(good, tmp_path):
    lines = broken(good, tmp_path, adding("figure", FIGURE.replace("height=2", "height=3")), rerecord=False)
    rules = {line.split(": ")[1].split("(")[1].rstrip(")"): line.split(": ")[2] for line in lines}
    stale = ["findings", "explorer", "check1", "solution1", "check2", "solution2"]
    assert rules == {"figure": "edited"} | dict.fromkeys(stale, "stale")


def test_prose_may_be_edited_freely(good, tmp_path):
    assert (
        broken(good, tmp_path, adding("truth", f"## Against the truth\n\nOther words. {WORDS}"), rerecord=False) == []
    )


def lengthened(notebook):
    notebook.cells[9:9] = [text(f"more{n}", WORDS) for n in range(11)]


def silent(notebook):
    for entry in notebook.cells:
        if entry.cell_type == "markdown":
            entry.source = entry.source.replace(WORDS, "Short.")


PNG = {"image/png": "aGk="}
ALT = {"image/png": {"alt": "x"}}
LONG = "\n".join("x = 1" for _ in range(13))
RULES = [
    ("stderr", output("sample", output_type="stream", name="stderr", text="Warning: old\n"), "(sample): stderr:"),
    ("error", output("sample", output_type="error", ename="KeyError", evalue="'x'", traceback=[]), "(sample): error:"),
    ("two figures", output("figure", output_type="display_data", data=PNG, metadata=ALT), "(figure): figures: 2"),
    ("no alt", lambda nb: cell(nb, "figure").outputs[0].update(metadata={}), "(figure): alt:"),
    ("blank alt", lambda nb: cell(nb, "figure").outputs[0].metadata["image/png"].update(alt=" "), "(figure): alt:"),
    ("digits", output("sample", output_type="stream", name="stdout", text="0.147461\n"), "(sample): digits: 0.147461"),
    (
        "bare frame",
        output("sample", output_type="display_data", data={"text/html": '<table class="dataframe">'}, metadata={}),
        "(sample): tables: a frame as pandas shows it",
    ),
    ("widget state", lambda nb: nb.metadata.update(widgets={}), "widgets: stored widget state"),
    ("widget view", lambda nb: cell(nb, "explorer").outputs[0].data.update({committed.WIDGET_VIEW: {}}), "widgets:"),
    ("timings", lambda nb: cell(nb, "sample").metadata.update(execution={}), "(sample): form: cell metadata"),
    ("version", lambda nb: nb.metadata.language_info.update(version="3.11.7"), "form: notebook metadata"),
    ("no findings shown", setting("findings", outputs=[]), "(findings): findings: the cell must show exactly one"),
    (
        "invalid findings",
        lambda nb: cell(nb, "findings").outputs[0].data[lint.findings.MIME].update(version=9),
        "(findings): findings: findings of version 9",
    ),
    ("title no question", adding("title", "# Retention\n\na\n\nb\n\nc"), "cell 1 (title): title:"),
    ("no title", adding("title", "Retention?"), "cell 1 (title): title: the first cell"),
    ("no lines under the title", adding("title", "# Why?"), "cell 1 (title): title: three lines"),
    ("unknown tag", tagging("sample", "params"), "(sample): tags: unknown tag params"),
    ("no parameters", tagging("parameters"), "0 cells are tagged 'parameters'"),
    ("two parameters", tagging("imports", "parameters"), "2 cells are tagged 'parameters'"),
    ("no findings", tagging("findings"), "0 cells are tagged 'findings'"),
    ("two findings", tagging("sample", "findings"), "2 cells are tagged 'findings'"),
    ("no interactive", tagging("explorer"), "no code cell is tagged 'interactive'"),
    ("compared interactive", tagging("explorer", "interactive"), "(explorer): interactive:"),
    ("no first state", setting("explorer", outputs=[]), "(explorer): interactive: no first state"),
    ("skipped lesson cell", tagging("sample", "nbval-skip"), "(sample): tags: 'nbval-skip'"),
    ("try it in the report", tagging("try"), "(try): tags:"),
    ("exercises in the report", tagging("exercises"), "(exercises): tags:"),
    (
        "derived parameter",
        adding("parameters", PARAMETERS + "\nn: int = 2 * 3  # half-life"),
        "(parameters): parameters:",
    ),
    ("untyped parameter", adding("parameters", PARAMETERS + "\nn = 6  # half-life"), "(parameters): parameters:"),
    ("undescribed parameter", adding("parameters", PARAMETERS + "\nn: int = 6"), "parameters: n needs a comment"),
    ("= in a default", adding("parameters", PARAMETERS + '\nn: str = "a=b"  # rule'), "default of n must hold no ="),
    ("no seed", adding("parameters", PARAMETERS.rsplit("\n", 1)[0]), "declare `seed: int = …`"),
    ("seed is text", adding("parameters", PARAMETERS.replace("seed: int = 1", 'seed: str = "1"')), "(parameters)"),
    ("long cell", adding("sample", LONG), "(sample): length: 13 lines"),
    ("empty cell", adding("prose01", " "), "(prose01): length: an empty cell"),
    ("too short", without("prose00"), "length: 24 cells before"),
    ("too long", lengthened, "length: 36 cells before"),
    ("more code than prose", silent, "prose:"),
    ("no limits", adding("limits", WORDS), "no section `## Limits`"),
    ("no truth", adding("truth", WORDS), "no section `## Against the truth`"),
    ("no references", adding("references", WORDS), "no section `## References`"),
    ("findings before sensitivity", exchanging("sensitivity", "conclusions"), "sections must come in this order"),
    ("one own section", adding("own1", WORDS), "1 sections between Data and"),
    ("two exercises", without("task3", "solution3"), "2 exercises"),
    ("exercise without solution", without("solution1"), "exercises: 2 exercises"),
    ("solution missing at the end", without("solution3"), "(task3): exercises: the cell after"),
    ("solution without exercise", tagging("limits", "solution"), "(limits): exercises: a solution without"),
    (
        "open solution",
        lambda nb: cell(nb, "solution1").metadata.pop("jupyter"),
        "(solution1): exercises: a solution must be",
    ),
    ("open written solution", adding("solution3", WORDS), "(solution3): exercises: a written solution"),
    ("shell", adding("sample", "!ls"), "(sample): code: not plain Python"),
    ("magic", adding("sample", "%pip install x"), "(sample): code: not plain Python"),
    ("network import", adding("sample", "import urllib.request"), "code: urllib.request reaches outside"),
    ("network from", adding("sample", "from requests import get"), "code: requests reaches outside"),
    ("address", adding("sample", "pd.read_csv('https://example.org/x.csv')"), "code: the address"),
    ("absolute path", adding("sample", "data.load('/srv/crm/orders')"), "code: the absolute path"),
    ("home path", adding("sample", "data.load('~/orders')"), "code: the absolute path"),
    ("windows path", adding("sample", "data.load(r'C:\\orders')"), "code: the absolute path"),
    (
        "warning filter",
        adding("sample", "import warnings\nwarnings.simplefilter('ignore')"),
        "(sample): code: warnings",
    ),
    ("global random state", adding("sample", "np.random.seed(1)"), "random: np.random.seed uses a global state"),
    ("numpy random", adding("sample", "x = numpy.random.normal(3)"), "random: numpy.random.normal"),
    ("unseeded generator", adding("sample", "rng = np.random.default_rng()"), "random: default_rng() is unseeded"),
    ("stdlib random", adding("sample", "import random"), "(sample): random: random is unseeded"),
    ("unseeded sample", adding("sample", "orders.sample(5)"), "random: orders.sample"),
    ("clock", adding("sample", "day = datetime.date.today()"), "code: datetime.date.today() differs"),
    ("data typed in", adding("sample", f"x = {list(range(13))}"), "code: more than 12 values"),
    ("eval", adding("sample", "eval('1')"), "code: eval has no place"),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in RULES], ids=[case[0] for case in RULES])
def test_each_rule(good, tmp_path, change, expected):
    lines = broken(good, tmp_path, change)
    assert any(expected in line for line in lines), lines
    assert all("\n" not in line and line.startswith("01_good.ipynb: ") for line in lines)


def test_a_template_may_be_short(good, tmp_path):
    shorten = without(*(f"prose{section}{n}" for section in range(2) for n in range(3)), "own1")
    assert len(broken(good, tmp_path, shorten)) == 2
    assert broken(good, tmp_path, shorten, name="_template") == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 3}', '{"nbformat": 4, "nbformat_minor": 5}'])
def test_what_is_no_notebook_is_one_line(tmp_path, content):
    path = tmp_path / "01_x.ipynb"
    path.write_text(content)
    (line,) = lint.faults(path)
    assert line.startswith("01_x.ipynb: unreadable: ")
    assert "\n" not in line


def test_faults_end_the_command_with_one(project, good):
    path = project / "notebooks" / "03_bad.ipynb"
    notebook = copy.deepcopy(good)
    all_stripped(notebook)
    committed.write(path, notebook)
    try:
        command = [sys.executable, "-m", "crmlib.cli", "--project", str(project), "notebook", "lint"]
        command[1:3] = ["-c", "from crmlib.cli import main; main()"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    finally:
        path.unlink()
    assert done.returncode == 1
    assert "03_bad.ipynb: cell 5 (sample): stripped:" in done.stdout
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith("faults in 2 notebooks, listed above\n")


# -- new --------------------------------------------------------------------------------------


@pytest.fixture
def empty_project(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "reports.yml").touch()
    template = Path(__file__).parents[1] / "notebooks" / "_template.ipynb"
    (tmp_path / "notebooks" / "_template.ipynb").write_bytes(template.read_bytes())
    return tmp_path


def test_a_new_notebook_is_the_template_not_yet_executed(empty_project):
    done = run(empty_project, "new", "05_rfm")
    assert done.exit_code == 0
    for step in ("crmlib/rfm.py", "tests/test_rfm.py", "reports.yml", "make notebooks NAMES=05_rfm"):
        assert step in done.output
    path = empty_project / "notebooks" / "05_rfm.ipynb"
    content = json.loads(path.read_text("utf-8"))
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in content["cells"])
    assert nbformat.validate(content) is None
    assert {line.split(": ")[-2] for line in lint.faults(path)} >= {"unexecuted"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rfm", "must be two digits"),
        ("5_rfm", "must be two digits"),
        ("05-rfm", "must be two digits"),
        ("05_RFM", "must be two digits"),
        ("05_rfm.ipynb", "must be two digits"),
        ("../05_rfm", "must be two digits"),
        ("05_rfm\n", "must be two digits"),
        ("", "must be two digits"),
        ("02_other", "02_cohorts is already there"),
        ("02_cohorts", "02_cohorts is already there"),
        ("07_cohorts", "02_cohorts is already there"),
    ],
)
def test_a_new_notebook_is_refused(empty_project, name, message):
    (empty_project / "notebooks" / "02_cohorts.ipynb").write_text("mine")
    with pytest.raises(ParameterError, match=message):
        notebooks.new_notebook(name, root=empty_project)
    assert sorted(path.name for path in (empty_project / "notebooks").iterdir()) == [
        "02_cohorts.ipynb",
        "_template.ipynb",
    ]
    assert (empty_project / "notebooks" / "02_cohorts.ipynb").read_text() == "mine"
