"""What a committed notebook must be: executed as it stands, and shaped as a lesson.

`pytest --nbval` compares outputs but passes a notebook whose outputs were removed, and it
takes a kernel. These rules read the file alone. Here are those about execution and outputs;
`crmlib.runner.lesson` has those about the lesson's shape and code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from crmlib import findings
from crmlib.errors import CrmError, DataError
from crmlib.runner import committed, lesson, notebooks
from crmlib.runner.cellcode import Fault

_AGAIN = "execute it with `crm notebook run`"
_NUMBER = re.compile(r"(?<![\w.:])\d[\d,]*\.(\d+)(?:e[+-]?\d+)?(?![\w.]*\w)")
_DIGITS = 5


def faults(path: Path) -> list[str]:
    """Faults of a notebook, one line each: file, cell, rule, what is wrong and the remedy.

    Parameters
    ----------
    path : Path
        A notebook; one whose name begins with an underscore is a template, and may have fewer
        cells and sections than a lesson.

    Returns
    -------
    list of str
        Empty when there are none.
    """
    try:
        notebook = notebooks.read(path)
    except CrmError as error:
        return [f"{path.name}: unreadable: {error}"]
    found = [
        *_record(notebook),
        *_outputs(notebook),
        *lesson.faults(notebook, template=path.name.startswith("_")),
        *_form(path, notebook),
    ]
    names = {
        position: f"{path.name}: cell {position} ({cell.get('id', '-')})"
        for position, cell in enumerate(notebook.cells, 1)
    }
    return [f"{names.get(fault.cell, path.name)}: {fault.rule}: {fault.message}" for fault in found]


def _record(notebook: Any) -> Iterator[Fault]:
    """Executed in order, and nothing changed since."""
    stored = notebook.metadata.get("crmlib")
    cells = stored.get("cells") if isinstance(stored, Mapping) and stored.get("version") == 1 else None
    if not isinstance(cells, Mapping):
        yield Fault(0, "unexecuted", f"the notebook was not executed, or holds no record of it; {_AGAIN}")
        cells = None
        if all(cell.get("execution_count") is None for cell in notebook.cells):
            return
    computed = recorded = ""
    count = 0
    for position, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        count += 1
        if cell.execution_count is None:
            yield Fault(position, "unexecuted", f"the cell has no execution count; {_AGAIN}")
        elif cell.execution_count != count:
            yield Fault(position, "order", f"execution count {cell.execution_count} where {count} belongs; {_AGAIN}")
        if cells is None:
            continue
        entry = cells.get(cell.id)
        entry = entry if isinstance(entry, Mapping) else {}
        edited = committed.chain_digest(recorded, cell.source) != entry.get("chain")
        computed, recorded = committed.chain_digest(computed, cell.source), str(entry.get("chain", ""))
        if edited:
            yield Fault(position, "edited", f"added, moved or edited since it was executed; {_AGAIN}")
        elif computed != recorded:
            yield Fault(position, "stale", f"a cell above was edited since this one was executed; {_AGAIN}")
        if entry and committed.output_digest(cell.outputs) != entry.get("outputs"):
            how = "changed" if cell.outputs else "stripped"
            yield Fault(position, how, f"the outputs were {how} since the cell was executed; {_AGAIN}")
    if cells is not None and set(cells) - {cell.id for cell in notebook.cells}:
        yield Fault(0, "stale", f"cells were removed since the notebook was executed; {_AGAIN}")


def _outputs(notebook: Any) -> Iterator[Fault]:
    """Outputs that a reader should not meet, or could not read."""
    for position, cell in enumerate(notebook.cells, 1):
        pictures = 0
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if output.output_type == "error":
                yield Fault(position, "error", f"a stored {output.ename}; correct the cell and {_AGAIN}")
            if output.output_type == "stream" and output.name == "stderr":
                first = (output.text.strip().splitlines() or [""])[0][:80]
                yield Fault(position, "stderr", f"text on stderr ({first!r}); remove its cause, do not silence it")
            if "image/png" in data:
                pictures += 1
                alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
                if not str(alt).strip():
                    yield Fault(position, "alt", "a picture without alternative text; end in figures.show(fig, alt=…)")
            if 'class="dataframe"' in data.get("text/html", ""):
                yield Fault(position, "tables", "a frame as pandas shows it; end the cell in figures.table(frame, …)")
            if "tags" not in cell.metadata or "interactive" not in cell.metadata.tags:
                yield from _long_numbers(position, output)
        if pictures > 1:
            yield Fault(position, "figures", f"{pictures} figures in one cell; give each its own")
    yield from _stored_findings(notebook)


def _long_numbers(position: int, output: Any) -> Iterator[Fault]:
    """Digits beyond the fifth differ between machines; whole numbers and cents do not."""
    shown = output.get("text", "") or output.get("data", {}).get("text/plain", "")
    for match in _NUMBER.finditer(shown):
        digits = re.sub(r"e.*|\D", "", match[0]).lstrip("0").rstrip("0")
        if len(match[1].rstrip("0")) > 2 and len(digits) > _DIGITS:
            yield Fault(position, "digits", f"{match[0]} has more than {_DIGITS} significant digits; round it")
            return


def _stored_findings(notebook: Any) -> Iterator[Fault]:
    """The findings cell must show findings that can be read back."""
    for position, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code" or "findings" not in cell.metadata.get("tags", []):
            continue
        stored = [output.data[findings.MIME] for output in cell.outputs if findings.MIME in output.get("data", {})]
        if len(stored) != 1:
            yield Fault(position, "findings", "the cell must show exactly one Findings; make it the last line")
            continue
        try:
            findings.read(stored[0])
        except DataError as error:
            yield Fault(position, "findings", str(error))


def _form(path: Path, notebook: Any) -> Iterator[Fault]:
    """Timings, widget state, machine names: all that `normalise` would drop."""
    if "widgets" in notebook.metadata or any(
        committed.WIDGET_VIEW in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])
    ):
        yield Fault(0, "widgets", f"stored widget state; {_AGAIN}")
    plain = deepcopy(notebook)
    committed.normalise(plain)
    for position, (cell, wanted) in enumerate(zip(notebook.cells, plain.cells, strict=True), 1):
        if cell.metadata != wanted.metadata:
            extra = ", ".join(sorted(set(cell.metadata) - set(wanted.metadata))) or "jupyter"
            yield Fault(position, "form", f"cell metadata that does not belong here ({extra}); {_AGAIN}")
    if notebook.metadata != plain.metadata:
        yield Fault(0, "form", f"notebook metadata that names the machine or its state; {_AGAIN}")
    elif path.read_text("utf-8") != committed.text(notebook):
        yield Fault(0, "form", f"the file is not laid out as `crm notebook run` writes it; {_AGAIN}")
