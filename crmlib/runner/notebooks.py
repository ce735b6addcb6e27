"""Notebooks of the repository: execute them in order, write them in one stable form, start new ones.

A committed notebook is the result of `execute`: every cell run in a fresh kernel, counts 1..n,
no timings, no widget state, and under the notebook metadata `crmlib` the digests by which
`crmlib.runner.lint` tells later edits of source or outputs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from crmlib.errors import CrmError, KernelDiedError, ParameterError, RunTimeoutError
from crmlib.project import project_root

FOLDER = "notebooks"
TEMPLATE = "_template.ipynb"

_NAME = re.compile(r"(\d\d)_[a-z][a-z0-9_]*")
#: MIME type of a live widget, of no use without its kernel.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_SOCKET_PATH_LIMIT = 80  # of 107 characters, less the kernel's own names
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
_NOTEBOOK_METADATA: dict[str, Any] = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


def notebook_paths(names: Iterable[str] = (), *, root: Path | None = None) -> list[Path]:
    """Paths of the named notebooks, or of all: `NN_*.ipynb` in order, then the template.

    Parameters
    ----------
    names : iterable of str
        `02_cohorts`, `02_cohorts.ipynb` or a path to a notebook; all when empty.
    root : Path, optional
        The project's folder; found when not given.

    Raises
    ------
    ParameterError
        There is no such notebook; the message lists those that are there.
    """
    folder = (root or project_root()) / FOLDER
    present = [path for path in sorted(folder.glob("*.ipynb")) if _NAME.fullmatch(path.stem)]
    present += [path for path in [folder / TEMPLATE] if path.is_file()]
    found = []
    for name in names:
        stem = name.removesuffix(".ipynb")
        candidates = [path for path in present if path.stem == stem] or [Path(name)]
        if not candidates[0].is_file() or candidates[0].suffix != ".ipynb":
            known = ", ".join(path.stem for path in present) or "none yet"
            raise ParameterError(f"there is no notebook {name!r}; choose from {known}, or start it with make new")
        found.append(candidates[0])
    return found or present


def read(path: Path) -> Any:
    """Notebook of the file, in nbformat 4.5.

    Raises
    ------
    CrmError
        The file cannot be read or is no notebook.
    """
    import nbformat

    try:
        content = json.loads(path.read_text("utf-8"))
        if not isinstance(content, dict) or (content.get("nbformat"), content.get("nbformat_minor")) < (4, 5):
            raise ValueError("not of format 4.5 or newer; save it again from JupyterLab")
        if not isinstance(content.get("cells"), list):
            raise ValueError("it has no cells")
        nbformat.validate(content)
        return nbformat.reads(json.dumps(content), as_version=4)
    except (OSError, ValueError, TypeError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise CrmError(f"{path.name} is no readable notebook ({reason}); restore it from version control") from error


def execute(path: Path, *, timeout: float = 600) -> None:
    """Run all cells in a fresh kernel and replace the file by the normalised result.

    Interactive, exercise and solution cells run too: what is committed works as a whole. The
    working directory is the notebook's folder, as in JupyterLab. The file changes only when
    every cell succeeded, and then at once.

    Parameters
    ----------
    path : Path
    timeout : float
        Seconds that one cell may take.

    Raises
    ------
    CrmError
        A cell raised, or shows an object's address, which differs in every run.
    RunTimeoutError, KernelDiedError
        A cell took too long; the kernel ended.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = read(path)
    _clear(notebook)
    where = path.name

    def began(cell: Any, cell_index: int) -> None:
        nonlocal where
        where = f"{path.name}, cell {cell_index + 1} ({cell.id})"

    # Without folders of kernel specifications the native one remains: this interpreter.
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    client = NotebookClient(
        notebook,
        km=kernel,
        timeout=timeout,
        store_widget_state=False,
        record_timing=False,
        on_cell_execute=began,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    try:
        with _private_sockets(kernel):
            client.execute(cleanup_kc=True)
    except CellTimeoutError as error:
        raise RunTimeoutError(f"{where} took over {timeout:g} s; shorten it, or raise --timeout") from error
    except DeadKernelError as error:
        raise KernelDiedError(f"{where} ended the kernel; look for exit() or too much memory") from error
    except CellExecutionError as error:
        reason = " ".join(f"{error.ename}: {error.evalue}".split())
        raise CrmError(f"{where} failed: {reason}; correct the cell, the file is unchanged") from error
    normalise(notebook)
    _refuse_addresses(path, notebook)
    notebook.metadata["crmlib"] = record(notebook)
    write(path, notebook)


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


def new_notebook(name: str, *, root: Path | None = None) -> Path:
    """Path of a new notebook, copied from the template.

    Parameters
    ----------
    name : str
        Two digits, an underscore, a noun in lower case, such as `05_rfm`.
    root : Path, optional
        The project's folder; found when not given.

    Raises
    ------
    ParameterError
        The name has another form, or its number or noun is taken.
    """
    folder = (root or project_root()) / FOLDER
    matched = _NAME.fullmatch(name)
    if not matched:
        raise ParameterError(f"notebook name {name!r} must be two digits, _ and a lower-case noun, such as 05_rfm")
    for path in folder.glob("*.ipynb"):
        if path.stem[:3] == name[:3] or path.stem[3:] == name[3:]:
            raise ParameterError(f"{path.stem} is already there; choose another number and noun than {name!r}")
    notebook = read(folder / TEMPLATE)
    # The copy is not executed yet: without the record the lint says so.
    notebook.metadata.pop("crmlib", None)
    _clear(notebook)
    for cell in notebook.cells:
        cell.source = cell.source.replace("NN_name", name)
    path = folder / f"{name}.ipynb"
    write(path, notebook)
    return path


def _clear(notebook: Any) -> None:
    """Drop outputs and counts, so that nothing from an earlier run can stay."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None


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


def _refuse_addresses(path: Path, notebook: Any) -> None:
    """An address such as `<object at 0x7f…>` would make every run differ."""
    for position, cell in enumerate(notebook.cells, 1):
        outputs = cell.get("outputs", [])
        shown = [output.get("text", "") for output in outputs]
        shown += [str(value) for output in outputs for kind, value in output.get("data", {}).items() if "text/" in kind]
        if any(_ADDRESS.search(piece) for piece in shown):
            raise CrmError(
                f"{path.name}, cell {position} ({cell.id}) shows an object's address, which differs in every run; "
                "show a table, a figure or text instead"
            )


@contextlib.contextmanager
def _private_sockets(kernel: Any) -> Iterator[None]:
    """Let the kernel talk over files in a folder of its own instead of TCP, where paths may be as long."""
    with tempfile.TemporaryDirectory(prefix="crm-") as folder:
        if len(folder) < _SOCKET_PATH_LIMIT:
            kernel.transport = "ipc"
            kernel.connection_file = str(Path(folder) / "kernel.json")
        yield
