"""The form in which an executed notebook is committed, and the digests that tell later edits."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

#: MIME type of a live widget, of no use without its kernel.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_NOTEBOOK_METADATA: dict[str, Any] = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


def normalise(notebook: Any) -> None:
    """Bring an executed notebook into the form in which it is committed, in place.

    Counts run 1..n; timings, widget state and whatever names the machine go; PNG and HTML
    that stood beside a widget stay, so that its first state shows without a kernel.
    """
    notebook.metadata = type(notebook)(
        {**_NOTEBOOK_METADATA, **{key: value for key, value in notebook.metadata.items() if key == "crmlib"}}
    )
    count = 0
    for cell in notebook.cells:
        hidden = (cell.metadata.get("jupyter") or {}).get("source_hidden")
        tags = cell.metadata.get("tags") or []
        cell.metadata = type(notebook)(
            {**({"jupyter": {"source_hidden": True}} if hidden else {}), **({"tags": list(tags)} if tags else {})}
        )
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = _plain_outputs(cell.outputs, count)


def record(notebook: Any) -> dict[str, Any]:
    """Digests of an executed notebook: `{"version": 1, "cells": {cell id: {"chain", "outputs"}}}`.

    `chain` of a code cell hashes the chain of the code cell above it together with its own
    source, so that an edit anywhere above shows in every cell below.
    """
    chain, cells = "", {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            chain = chain_digest(chain, cell.source)
            cells[cell.id] = {"chain": chain, "outputs": output_digest(cell.outputs)}
    return {"version": 1, "cells": cells}


def chain_digest(above: str, source: str) -> str:
    """Digest of a code cell's source and of the chain above it."""
    return hashlib.sha256(f"{above}\n{source}".encode()).hexdigest()[:20]


def output_digest(outputs: Iterable[Mapping[str, Any]]) -> str:
    """Digest of a cell's outputs, their metadata included."""
    return hashlib.sha256(json.dumps(list(outputs), sort_keys=True).encode()).hexdigest()[:20]


def text(notebook: Any) -> str:
    """Text of the notebook's file: keys sorted, one form whoever writes it."""
    import nbformat

    return nbformat.writes(notebook).rstrip("\n") + "\n"


def write(path: Path, notebook: Any) -> None:
    """Replace the file at once: a reader sees the old notebook or the new, never half of one."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as part:
        try:
            part.write(text(notebook))
            part.flush()
            os.fsync(part.fileno())
            os.chmod(part.name, mode)
            os.replace(part.name, path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def _plain_outputs(outputs: Iterable[Any], count: int) -> list[Any]:
    """Outputs without widget views, streams of one name joined, counts renewed."""
    plain: list[Any] = []
    for output in outputs:
        if "data" in output:
            output.data.pop(WIDGET_VIEW, None)
            output.get("metadata", {}).pop(WIDGET_VIEW, None)
        if output.output_type == "execute_result":
            output.execution_count = count
        if output.output_type == "stream" and plain and plain[-1].get("name") == output.name:
            plain[-1].text += output.text
        elif output.get("data", True):
            plain.append(output)
    return plain
