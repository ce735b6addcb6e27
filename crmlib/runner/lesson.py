"""The shape of a lesson: its sections, tags, prose, and what its code may do.

`CONTRIBUTING.md` tells the same rules to those who write lessons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from crmlib.errors import ParameterError
from crmlib.runner import parameters
from crmlib.runner.cellcode import Fault, code_faults

TAGS = {"parameters", "findings", "interactive", "exercise", "solution", "picture", "nbval-skip"}
#: Sections in their order, and how their headings are known: `## 3. Sensitivity: does the age matter?` is one.
#: The lesson's own sections stand between the data and the truth.
SECTIONS = {
    "Data": r"\bdata\b",
    "Against the truth": r"\btruth\b",
    "Sensitivity": r"\bsensitivity\b",
    "Findings": r"^findings\b",
    "Limits": r"^limits\b",
    "Try it": r"^try it\b",
    "Exercises": r"^exercises\b",
    "References": r"^references\b",
}
REQUIRED = {"source": "str", "engine": "str", "as_of": "str", "seed": "int"}
CELLS = (25, 35)
LINES = 12
EXERCISES = 3
OWN_SECTIONS = (2, 5)

_HEADING = re.compile(r"^##\s+(?:\d+\.\s*)?(.+?)\s*#*$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]\w*")


def faults(notebook: Any, *, template: bool = False) -> Iterator[Fault]:
    """Faults of the lesson; a template may have fewer cells and one section of its own."""
    yield from _title(notebook)
    yield from _tags(notebook)
    yield from _parameters(notebook)
    yield from _sections(notebook, template)
    yield from _length(notebook, template)
    yield from _exercises(notebook)
    for position, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            yield from code_faults(position, cell.source)


def _tagged(notebook: Any, tag: str) -> list[tuple[int, Any]]:
    """Positions (from 1) and cells that carry the tag."""
    return [(n, cell) for n, cell in enumerate(notebook.cells, 1) if tag in cell.metadata.get("tags", [])]


def _title(notebook: Any) -> Iterator[Fault]:
    first = notebook.cells[0] if notebook.cells else {}
    lines = [line.strip() for line in first.get("source", "").splitlines() if line.strip()]
    if first.get("cell_type") != "markdown" or not lines or not lines[0].startswith("# "):
        yield Fault(1, "title", "the first cell must be Markdown and begin with the title, `# …?`")
        return
    if not lines[0].endswith("?"):
        yield Fault(1, "title", f"the title {lines[0][2:60]!r} must be the question that the notebook answers")
    if len(lines) < 4:
        yield Fault(1, "title", "three lines under the title: who decides what, which tables, what would change it")


def _tags(notebook: Any) -> Iterator[Fault]:
    for position, cell in enumerate(notebook.cells, 1):
        unknown = sorted(set(cell.metadata.get("tags", [])) - TAGS)
        if unknown:
            yield Fault(position, "tags", f"unknown tag {', '.join(unknown)}; known are {', '.join(sorted(TAGS))}")
    for tag in ("parameters", "findings"):
        tagged = _tagged(notebook, tag)
        if len(tagged) != 1 or tagged[0][1].cell_type != "code":
            yield Fault(0, "tags", f"{len(tagged)} cells are tagged {tag!r}; tag exactly one code cell")
    code = [position for position, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    if any(position != code[0] for position, cell in _tagged(notebook, "parameters") if code):
        yield Fault(code[0], "tags", "the first code cell must be the one tagged 'parameters'")
    interactive = [(n, cell) for n, cell in _tagged(notebook, "interactive") if cell.cell_type == "code"]
    if not interactive:
        yield Fault(0, "interactive", "no code cell is tagged 'interactive'; add one section to play with")
    for position, cell in interactive:
        if "nbval-skip" not in cell.metadata.tags:
            yield Fault(position, "interactive", "an interactive cell also needs the tag 'nbval-skip'")
    # Reports leave these cells out, so a picture of the first state is all that other readers get.
    shown = [output for _, cell in interactive for output in cell.outputs if "image/png" in output.get("data", {})]
    if interactive and not shown:
        yield Fault(interactive[-1][0], "interactive", "no first state is drawn; end in widgets.explorer(…)")
    skipped = [(n, cell) for n, cell in _tagged(notebook, "nbval-skip") if "interactive" not in cell.metadata.tags]
    for position, _ in skipped:
        yield Fault(position, "tags", "'nbval-skip' is for interactive cells; other outputs are compared")


def _parameters(notebook: Any) -> Iterator[Fault]:
    tagged = _tagged(notebook, "parameters")
    if len(tagged) != 1:
        return
    position = tagged[0][0]
    try:
        declared = parameters.declared(notebook)
    except ParameterError as error:
        yield Fault(position, "parameters", str(error))
        return
    for name, kind in REQUIRED.items():
        if name not in declared or declared[name].type != kind:
            yield Fault(position, "parameters", f"declare `{name}: {kind} = …`, which every notebook has")
    for name, parameter in declared.items():
        if not parameter.help:
            yield Fault(position, "parameters", f"{name} needs a comment: its meaning, unit and allowed range")
        if isinstance(parameter.default, str) and set(parameter.default) & set("=#"):
            yield Fault(position, "parameters", f"the default of {name} must hold no = and no #")


def _sections(notebook: Any, template: bool) -> Iterator[Fault]:
    headings = [title for cell in notebook.cells for title in _headings(cell)]
    at = []
    for section in SECTIONS:
        places = [n for n, title in enumerate(headings) if _is(section, title)]
        if not places:
            yield Fault(0, "sections", f"no section `## {section}`; its heading must hold these words")
        at += places[:1]
    if len(at) == len(SECTIONS):
        if at != sorted(at):
            yield Fault(0, "sections", f"the sections must come in this order: {', '.join(SECTIONS)}")
        own = at[1] - at[0] - 1
        fewest, most = (1 if template else OWN_SECTIONS[0]), OWN_SECTIONS[1]
        if not fewest <= own <= most:
            yield Fault(0, "sections", f"{own} sections between Data and Against the truth; make it {fewest} to {most}")
    # Reports leave these sections out, their headings included.
    for section, tag in (("Try it", "interactive"), ("Exercises", "exercise")):
        for position, cell in enumerate(notebook.cells, 1):
            if any(_is(section, title) for title in _headings(cell)) and tag not in cell.metadata.get("tags", []):
                yield Fault(position, "tags", f"the cell with the heading {section} needs the tag {tag!r} too")


def _headings(cell: Any) -> list[str]:
    """Second-level headings of a Markdown cell, without their numbers."""
    return _HEADING.findall(cell.source) if cell.cell_type == "markdown" else []


def _is(section: str, title: str) -> bool:
    return re.search(SECTIONS[section], title, re.IGNORECASE) is not None


def _length(notebook: Any, template: bool) -> Iterator[Fault]:
    before = next(
        (n for n, cell in enumerate(notebook.cells) if any(_is("Try it", title) for title in _headings(cell))),
        len(notebook.cells),
    )
    fewest, most = (0 if template else CELLS[0]), CELLS[1]
    if not fewest <= before <= most:
        yield Fault(0, "length", f"{before} cells before `## Try it`; a lesson has {fewest} to {most}")
    for position, cell in enumerate(notebook.cells, 1):
        lines = len(cell.source.splitlines())
        declares = "parameters" in cell.metadata.get("tags", [])  # one line each, as many as there are
        if cell.cell_type == "code" and lines > LINES and not declares:
            yield Fault(position, "length", f"{lines} lines of code; move logic into crmlib and keep to {LINES}")
        if not cell.source.strip():
            yield Fault(position, "length", "an empty cell; remove it")
    prose, code = (
        sum(len(_WORD.findall(cell.source)) for cell in notebook.cells if cell.cell_type == kind)
        for kind in ("markdown", "code")
    )
    if prose < code:
        yield Fault(0, "prose", f"{prose} words of prose to {code} of code; explain more, or move code into crmlib")


def _exercises(notebook: Any) -> Iterator[Fault]:
    """Exercises alternate with their solutions, which are folded away."""

    def kind(numbered: tuple[int, Any]) -> str:
        tags = numbered[1].metadata.get("tags", [])
        return next((tag for tag in ("exercise", "solution") if tag in tags), "")

    groups = [(name, list(cells)) for name, cells in groupby(enumerate(notebook.cells, 1), key=kind)]
    count = sum(name == "exercise" for name, _ in groups)
    if count != EXERCISES:
        yield Fault(0, "exercises", f"{count} exercises, each followed by its solution; a lesson has {EXERCISES}")
    for (name, cells), (following, _) in zip(groups, [*groups[1:], ("", [])], strict=True):
        if name == "exercise" and following != "solution":
            yield Fault(cells[-1][0], "exercises", "the cell after an exercise must be its solution, tagged 'solution'")
    for (before, _), (name, cells) in zip([("", []), *groups[:-1]], groups, strict=True):
        if name == "solution" and before != "exercise":
            yield Fault(cells[0][0], "exercises", "a solution without its exercise before it, tagged 'exercise'")
    for position, cell in _tagged(notebook, "solution"):
        folded = cell.metadata.get("jupyter", {}).get("source_hidden") is True
        if cell.cell_type == "code" and not folded:
            yield Fault(
                position, "exercises", 'a solution must be folded: cell metadata "jupyter": {"source_hidden": true}'
            )
        if cell.cell_type == "markdown" and not cell.source.startswith("<details>"):
            yield Fault(position, "exercises", "a written solution must be folded: begin it with <details>")
