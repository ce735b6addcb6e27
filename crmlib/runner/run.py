"""One run: the notebook executed, judged by its cells and findings, and its page made."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crmlib.errors import DataError
from crmlib.findings import MIME, Findings, read
from crmlib.runner import records
from crmlib.runner.parallel import Interruption
from crmlib.runner.parameters import assignments
from crmlib.runner.plan import Report
from crmlib.runner.records import Record
from crmlib.runner.suppression import NAMED, PUBLISHED
from crmlib.runner.tables import PublishedTables
from crmlib.runner.telling import told

#: One page at a time: rendering is this process's own work, and its libraries promise nothing about threads.
_RENDERING = threading.Lock()


def made(
    root: Path,
    report: Report,
    folder: Path,
    record: Record,
    on_cell: Callable[[int, int], None],
    interruption: Interruption | None = None,
) -> Record:
    """What execution, judgement and rendering add to the record; the notebook and page are in the folder.

    Parameters
    ----------
    root : Path
    report : Report
    folder : Path
        Of the run.
    record : dict
        As begun: the page's provenance.
    on_cell : callable
        Told the number of each code cell as it starts, and how many there are.
    interruption : Interruption, optional
        By which another thread may end the run.

    Raises
    ------
    DataError
        The findings are missing or invalid, or a formula cannot be drawn.
    """
    import nbformat

    from crmlib.runner.execution import execute
    from crmlib.runner.paper import pdf
    from crmlib.runner.preparation import prepared
    from crmlib.runner.rendering import page, page_title, shown_tables

    source = nbformat.read(report.notebook, as_version=4)
    own = {name: value for name, value in report.parameters.items() if value != report.declared[name].default}
    notebook = prepared(source, assignments(own))
    code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    output = folder / "notebook.ipynb"
    account = execute(
        notebook,
        root=root,
        output=output,
        cell_timeout=report.cell_timeout,
        run_timeout=report.run_timeout,
        on_cell=lambda index: on_cell(code.index(index) + 1, len(code)),
        interruption=interruption,
    )
    records.write_atomic(output, nbformat.writes(notebook) + "\n")
    added: Record = {
        "outcome": account.outcome,
        "message": account.message,
        "peak_memory_mib": account.peak_memory,
        "kernel": account.kernel,
    }
    if account.cell is not None:
        added["cell"] = _cell(notebook, account.cell)
    if account.outcome != "good":
        return added
    fewest = fewest_customers(report)
    stored, tables = stored_findings(notebook), PublishedTables(fewest)
    with _RENDERING:
        tables.survey(shown_tables(notebook))
        found = told(stored, fewest, tables.known)
        html = page(notebook, report=report, findings=found, provenance=record, tables=tables)
        tables.write(folder)
        if report.pdf:
            (folder / "report.pdf").write_bytes(pdf(html))
    records.write_atomic(folder / "report.html", html)
    return added | {
        "title": page_title(notebook),
        "findings": found.to_json()["findings"],
        "tables": len(tables.tables),
        "min_customers": fewest,
        "withheld": tables.withheld.count,
    }


def fewest_customers(report: Report) -> int:
    """Customers that a group on the page has at least: as the plan says, else 10; 1 for open data.

    Open are the named sources, which anyone can fetch, and what is simulated. A notebook whose
    parameters name no source is taken to show the firm's own data.
    """
    if report.min_customers is not None:
        return report.min_customers
    if report.recipient:
        return NAMED
    from crmlib.data.catalogue import SOURCES

    named = [
        value
        for name, value in report.parameters.items()
        if (name == "source" or name.endswith("_source")) and value != ""
    ]
    return 1 if named and all(value in SOURCES for value in named) else PUBLISHED


def stored_findings(notebook: Any) -> Findings:
    """Findings of an executed notebook: one cell tagged `findings`, one such output in it.

    Raises
    ------
    DataError
        There is no such cell or output, or several, or the findings are invalid.
    """
    from crmlib.runner.preparation import tags

    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and "findings" in tags(cell)]
    if len(cells) != 1:
        raise DataError(f"{len(cells)} code cells are tagged 'findings'; a report needs exactly one")
    outputs = [output.data[MIME] for output in cells[0].outputs if MIME in output.get("data", {})]
    if len(outputs) != 1:
        raise DataError(f"the cell tagged 'findings' shows {len(outputs)} Findings; end it with one `Findings([…])`")
    return read(outputs[0])


def _cell(notebook: Any, index: int) -> Record:
    """Where a run ended: position from 1, the heading above, the first line of source."""
    headings = [
        line.lstrip("# ").strip()
        for cell in notebook.cells[:index]
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("#")
    ]
    head = next((line for line in notebook.cells[index].source.splitlines() if line.strip()), "")
    section = headings[-1] if headings else ""
    return {"position": index + 1, "of": len(notebook.cells), "section": section, "source": head[:120]}
