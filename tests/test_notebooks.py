"""The committed notebooks: executed as they stand, shaped as lessons, compared by nbval."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from crmlib import findings
from crmlib.runner import committed, lint, notebooks, parameters

ROOT = Path(__file__).parents[1]
PATHS = notebooks.notebook_paths(root=ROOT)
LESSONS = [path for path in PATHS if path.name != notebooks.TEMPLATE]
#: What `make test` passes to pytest for the notebooks.
NBVAL = next(
    line.split("=", 1)[1].split()
    for line in (ROOT / "Makefile").read_text("utf-8").splitlines()
    if line.startswith("NBVAL = ")
)


def names(paths):
    return [path.stem for path in paths]


@pytest.mark.parametrize("path", PATHS, ids=names(PATHS))
def test_no_fault(path):
    assert lint.faults(path) == []


@pytest.mark.parametrize("path", LESSONS, ids=names(LESSONS))
def test_module_test_and_report_share_the_notebooks_name(path):
    noun = path.stem[3:]
    # a topic's second lesson is in the topic's package, its test named after both: test_cohorts_contracts.py
    code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    tests = {
        test.stem.removeprefix("test_").removesuffix(f"_{noun}") for test in (ROOT / "tests").glob(f"test_*{noun}.py")
    }
    shared = {topic for topic in tests - {"data"} if re.search(rf"import .*\b{topic}\b", code)}
    (topic,) = {noun} if noun in tests else shared
    module = ROOT / "crmlib" / f"{topic}.py"
    assert module.is_file() or (module.with_suffix("") / "__init__.py").is_file()
    plan = yaml.safe_load((ROOT / "reports.yml").read_text("utf-8"))["reports"]
    assert any(path.stem in json.dumps([name, entry]) for name, entry in plan.items()), "no report of it in reports.yml"


@pytest.mark.parametrize("path", LESSONS, ids=names(LESSONS))
def test_prose_cites_no_number_that_findings_compute(path):
    """A number of the findings that prose repeats would stay when a parameter changes."""
    notebook = nbformat.read(path, as_version=4)
    stored = [
        output.data[findings.MIME]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if findings.MIME in output.get("data", {})
    ]
    (conclusions,) = map(findings.read, stored)
    told = {number for entry in conclusions for number in re.findall(r"\d[\d,]*\.\d+|\d+,\d{3}", entry.sentence)}
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert [number for number in told if re.search(rf"(?<![\d.]){re.escape(number)}(?![\d])", prose)] == []


@pytest.mark.parametrize("path", PATHS, ids=names(PATHS))
def test_every_notebook_names_an_engine_that_there_is(path):
    declared = parameters.declared(path)
    assert set(declared["engine"].choices) == {"pandas", "polars", "duckdb"}


def test_nbval_refuses_a_changed_output(tmp_path):
    """The lint reads digests only; that outputs are compared with a run is nbval's part."""
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("6 * 7", id="right"),
            nbformat.v4.new_code_cell("from crmlib.findings import Finding, Findings", id="imports"),
            nbformat.v4.new_code_cell('Findings([Finding("a", 1, "", "It is one.")])', id="findings"),
            nbformat.v4.new_code_cell(
                "from crmlib import figures\nfig, axes = figures.canvas()\nfigures.show(fig, alt='Nothing.')",
                id="figure",
            ),
            nbformat.v4.new_code_cell("1 / 0", id="skipped", metadata={"tags": ["nbval-skip"]}),
        ]
    )
    skipped = notebook.cells.pop()
    path = tmp_path / "01_x.ipynb"
    committed.write(path, notebook)
    notebooks.execute(path)
    notebook = notebooks.read(path)
    notebook.cells.append(skipped)

    def outcome(change=lambda cells: None):
        changed = nbformat.from_dict(json.loads(json.dumps(notebook)))
        change({cell.id: cell for cell in changed.cells})
        committed.write(path, changed)
        command = [sys.executable, "-m", "pytest", *NBVAL, "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=120, cwd=tmp_path)
        return done.stdout.strip().splitlines()[-1]

    def wrong_finding(cells):
        cells["findings"].outputs[0].data[findings.MIME]["findings"][0]["value"] = 2

    def other_text(cells):
        cells["right"].outputs[0].data["text/plain"] = "43"

    def other_picture(cells):
        cells["figure"].outputs[0].data["image/png"] = "aGk="

    assert outcome().startswith("4 passed, 1 skipped")
    assert outcome(other_picture).startswith("4 passed, 1 skipped")  # pictures differ in a byte from machine to machine
    assert outcome(other_text).startswith("1 failed, 3 passed, 1 skipped")
    assert outcome(wrong_finding).startswith("1 failed, 3 passed, 1 skipped")
