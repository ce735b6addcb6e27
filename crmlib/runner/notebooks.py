"""Notebooks of the repository: execute them in order, write them in one stable form, start new ones.

A committed notebook is the result of `execute`: every cell run in a fresh kernel, counts 1..n,
in the form that `crmlib.runner.committed` gives it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from crmlib.errors import CrmError, KernelDiedError, ParameterError, RunTimeoutError
from crmlib.project import project_root
from crmlib.runner import committed

FOLDER = "notebooks"
TEMPLATE = "_template.ipynb"

_NAME = re.compile(r"(\d\d)_[a-z][a-z0-9_]*")
_SOCKET_PATH_LIMIT = 80  # of 107 characters, less the kernel's own names
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")


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
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    from crmlib.runner import processes, warm

    notebook = read(path)
    _clear(notebook)
    where = path.name

    def began(cell: Any, cell_index: int) -> None:
        nonlocal where
        where = f"{path.name}, cell {cell_index + 1} ({cell.id})"

    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=warm.specifications())
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
            client.execute(cleanup_kc=True, env={**os.environ, **processes.ONE_THREAD})
    except CellTimeoutError as error:
        raise RunTimeoutError(f"{where} took over {timeout:g} s; shorten it, or raise --timeout") from error
    except DeadKernelError as error:
        raise KernelDiedError(f"{where} ended the kernel; look for exit() or too much memory") from error
    except CellExecutionError as error:
        reason = " ".join(f"{error.ename}: {error.evalue}".split())
        raise CrmError(f"{where} failed: {reason}; correct the cell, the file is unchanged") from error
    committed.normalise(notebook)
    _refuse_addresses(path, notebook)
    notebook.metadata["crmlib"] = committed.record(notebook)
    committed.write(path, notebook)
    _keep_picture(path, notebook)


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
    committed.write(path, notebook)
    return path


def _keep_picture(path: Path, notebook: Any) -> None:
    """Write the figure of the cell tagged `picture` where the README shows it, `docs/pictures/<notebook>.png`."""
    for cell in notebook.cells:
        if "picture" in cell.metadata.get("tags", []):
            pictures = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
            place = path.resolve().parents[1] / "docs" / "pictures" / f"{path.stem}.png"
            if pictures and place.parent.is_dir():
                place.write_bytes(base64.b64decode(pictures[0]))


def _clear(notebook: Any) -> None:
    """Drop outputs and counts, so that nothing from an earlier run can stay."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
            cell.execution_count = None


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
