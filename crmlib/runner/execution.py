"""Execution of one notebook in a kernel of its own, and a true account of how it went.

papermill drives the cells. What its notebook says of them cannot be trusted: a killed kernel or
a timeout leaves every cell `completed`, and `sys.exit(0)` counts as success. So the account is
kept here, from the kernel's own replies: a cell has its end when its reply says `ok` and its
outputs were drained, and each such cell is counted.

The kernel is a process group of its own, started from this interpreter (never from a kernel
specification that lies about), talks over sockets in a private folder, and is killed with all
that it started. papermill runs in this process: the kernel is the boundary that matters, the
watchdog needs its process group, and a second interpreter would cost a second of imports.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from crmlib.errors import ParameterError
from crmlib.runner import processes
from crmlib.runner.parallel import Interruption
from crmlib.runner.records import write_atomic

#: Cells with these tags are for people at a keyboard: removed before a run.
NOT_RUN = ("interactive", "exercise", "solution")

Outcome = Literal["good", "failed", "bad data", "timeout", "kernel died", "interrupted"]

#: Exceptions of a cell that are the data's fault and not the notebook's: `crmlib.errors` and those of `crmlib.data`.
_BAD_DATA = ("SourceError", "DataError", "MissingColumnsError", "ContractError", "MissingTableError")

_SOCKET_PATH_LIMIT = 100  # of 107 characters; a kernel's sockets end in kernel-<36>-ipc-<n>
_START_TIMEOUT = 120
_KERNEL_ENDED = "the kernel ended before the notebook did (exit(), killed, out of memory, or os._exit)"
_LONGEST = 500  # characters of a message
_IOPUB_TIMEOUT = 60
_KEPT_AFTER = 1.0  # seconds that a cell runs before the notebook is written as it stands
_STOPPED = "the runner was told to stop"

#: What Jupyter has to say of a dying kernel is in our account; its own lines would only puzzle.
_LOG = logging.getLogger("crmlib.runner.kernel")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


@dataclass
class Account:
    """How a run went.

    Parameters
    ----------
    outcome : str
        "good", "failed", "bad data", "timeout", "kernel died" or "interrupted".
    message : str
        What went wrong, in one line; empty when good.
    cell : int or None
        Position of the cell where it ended, from 0, in the executed notebook.
    ended : set of int
        Positions of the code cells that ran to their end.
    group : int or None
        Process group of the kernel.
    peak_memory : int
        Most memory that the kernel held at the end of a cell or before (MiB).
    kernel : str
        "warm" (forked) or "cold" (a fresh interpreter).
    """

    outcome: Outcome = "good"
    message: str = ""
    cell: int | None = None
    ended: set[int] = field(default_factory=set)
    group: int | None = None
    peak_memory: int = 0
    kernel: str = ""


def prepared(notebook: Any, assignments: str = "") -> Any:
    """Copy of a notebook as it will be run: cells for people removed, outputs cleared, parameters set.

    Parameters
    ----------
    notebook : notebook node
    assignments : str
        Python source placed in a cell of its own after the one tagged `parameters`.

    Raises
    ------
    ParameterError
        There is something to assign and no cell tagged `parameters`.
    """
    import copy

    import nbformat

    result = copy.deepcopy(notebook)
    result.cells = [cell for cell in result.cells if not set(NOT_RUN) & set(tags(cell))]
    for cell in result.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if assignments:
        places = [index for index, cell in enumerate(result.cells) if "parameters" in tags(cell)]
        if not places:
            raise ParameterError("the notebook has no cell tagged 'parameters'; tag one to give it parameters")
        cell = nbformat.v4.new_code_cell(assignments, metadata={"tags": ["injected-parameters"]})
        cell.id = "injected-parameters"
        result.cells.insert(places[0] + 1, cell)
    result.metadata.pop("widgets", None)
    result.metadata["papermill"] = {}
    for cell in result.cells:
        cell.metadata["papermill"] = {}
    return result


def tags(cell: Mapping[str, Any]) -> list[str]:
    """Tags of a cell."""
    return list(cell.get("metadata", {}).get("tags", []))


def execute(
    notebook: Any,
    *,
    root: Path,
    output: Path,
    cell_timeout: int,
    run_timeout: int,
    on_cell: Callable[[int], None] = lambda index: None,
    interruption: Interruption | None = None,
) -> Account:
    """Run a prepared notebook in place and say how it went; nothing it started survives.

    Parameters
    ----------
    notebook : notebook node
        From `prepared`; its outputs are filled in.
    root : Path
        Working directory of the kernel.
    output : Path
        Where the notebook is written while a cell takes long, for whoever asks how far it came.
    cell_timeout, run_timeout : int
        Seconds for one cell and for all.
    on_cell : callable
        Told the position of each code cell as it starts.
    interruption : Interruption, optional
        By which another thread may end the run.
    """
    interruption = interruption or Interruption()
    account = Account()
    mark = secrets.token_hex(8)
    with _runtime_folder() as folder:
        kernel = _kernel(folder)
        expired = threading.Event()
        watchdog = threading.Timer(run_timeout, _expire, (kernel, expired))
        watchdog.daemon = True
        watchdog.start()
        interruption.watch(kernel, lambda: _end(kernel))
        try:
            environment = _environment(root, folder, mark)
            stopping = lambda: interruption.asked  # noqa: E731
            _drive(notebook, kernel, account, root, output, cell_timeout, on_cell, environment, stopping)
        except BaseException as error:
            _explain(account, error, cell_timeout)
        finally:
            watchdog.cancel()
            interruption.forget(kernel)
            processes.kill_all(account.group or _group(kernel), mark)
    if expired.is_set():
        account.outcome, account.message = "timeout", f"the run took longer than {run_timeout} s; raise --run-timeout"
    elif interruption.asked and account.outcome != "good":
        account.outcome, account.message = "interrupted", _STOPPED
    _judge(notebook, account)
    return account


def _drive(
    notebook: Any,
    kernel: Any,
    account: Account,
    root: Path,
    output: Path,
    cell_timeout: int,
    on_cell: Callable[[int], None],
    environment: dict[str, str],
    stopping: Callable[[], bool],
) -> None:
    import nbformat
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NBClientEngine

    kept: list[asyncio.TimerHandle] = []

    def keep() -> None:
        write_atomic(output, nbformat.writes(notebook) + "\n")

    def started(cell: Any, cell_index: int) -> None:
        kept.append(asyncio.get_running_loop().call_later(_KEPT_AFTER, keep))  # papermill would write it twice a cell
        account.group = _group(kernel)
        if account.outcome == "good":  # the cell that ended the kernel stays the one to name
            account.cell = cell_index
        account.kernel = "warm" if getattr(kernel.provisioner, "forked", False) else "cold"
        note_memory()
        if stopping():
            raise KeyboardInterrupt
        on_cell(cell_index)

    def note_memory() -> None:
        account.peak_memory = max(account.peak_memory, processes.peak_memory(getattr(kernel.provisioner, "pid", None)))

    def executed(cell: Any, cell_index: int, execute_reply: dict[str, Any]) -> None:
        kept.pop().cancel()
        note_memory()
        content = execute_reply["content"]
        # exit() and quit() answer ok, then the kernel ends: told the same whichever is seen first
        if any(payload.get("source") == "ask_exit" for payload in content.get("payload", [])):
            account.outcome, account.message = "kernel died", _KERNEL_ENDED
        elif content["status"] == "ok":
            account.ended.add(cell_index)

    class Engine(NBClientEngine):  # type: ignore[misc]
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
            PapermillNotebookClient(
                nb_man,
                km=kernel,
                kernel_name=kernel_name,
                resources={"metadata": {"path": str(root)}},
                timeout=cell_timeout,
                startup_timeout=_START_TIMEOUT,
                iopub_timeout=_IOPUB_TIMEOUT,
                force_raise_errors=True,
                record_timing=False,
                shutdown_kernel="immediate",
                log=_LOG,
                on_cell_execute=started,
                on_cell_executed=executed,
            ).execute(env=environment, cleanup_kc=True)

    try:
        Engine.execute_notebook(notebook, "python3", output_path=None, progress_bar=False)
    finally:
        for handle in kept:
            handle.cancel()


def _judge(notebook: Any, account: Account) -> None:
    """Trust nothing but replies: every code cell with source must have ended, without an error output."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        errors = [item for item in cell.outputs if item.output_type == "error"]
        ended = index in account.ended and not errors
        cell.metadata["papermill"] = {"status": "completed" if ended else "not completed"}
        if ended or account.outcome != "good":
            continue
        account.outcome, account.cell = "failed", index
        if errors and errors[0].get("ename") in _BAD_DATA:
            account.outcome = "bad data"
        account.message = _headline(errors[0]) if errors else "the cell did not run to its end"
    for cell in notebook.cells:
        if cell.cell_type != "code":
            cell.metadata.pop("papermill", None)
    if account.outcome == "good":
        account.cell = None


def _headline(error: Mapping[str, Any]) -> str:
    text = " ".join(f"{error.get('ename', '')}: {error.get('evalue', '')}".split())
    if error.get("ename") in ("SystemExit", "KeyboardInterrupt"):
        return f"the cell left with {text.rstrip(': ')}"
    return _shortened(text)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]} …"


def _explain(account: Account, error: BaseException, cell_timeout: int) -> None:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    if isinstance(error, CellTimeoutError):
        account.outcome = "timeout"
        account.message = f"the cell took longer than {cell_timeout} s; raise --cell-timeout"
    elif isinstance(error, DeadKernelError) or "Kernel died" in str(error):
        account.outcome, account.message = "kernel died", _KERNEL_ENDED
    elif isinstance(error, Exception):
        account.outcome = "failed"
        account.message = _shortened(" ".join(f"{type(error).__name__}: {error}".split()))
    else:
        account.outcome, account.message = "interrupted", _STOPPED


def _kernel(folder: Path) -> Any:
    from jupyter_client.manager import AsyncKernelManager

    from crmlib.runner import warm

    manager = AsyncKernelManager(
        kernel_spec_manager=warm.specifications(), kernel_name="python3", transport="ipc", log=_LOG
    )
    manager.connection_file = str(folder / "kernel.json")
    return manager


def warm_up(root: Path) -> None:
    """Let a fork server import what the kernels of this project will need; see `crmlib.runner.warm`."""
    from crmlib.runner import warm

    warm.begin(_shared_environment(root), root)


def _shared_environment(root: Path) -> dict[str, str]:
    """The runner's environment, with one fixed hash seed and linear algebra in one thread."""
    return {
        **processes.KEPT_MEMORY,
        **os.environ,
        **processes.ONE_THREAD,
        "CRM_PROJECT": str(root),
        "PYTHONHASHSEED": "0",
    }


def _environment(root: Path, folder: Path, mark: str) -> dict[str, str]:
    """Environment of one run's kernel, without a person's IPython profile."""
    return {**_shared_environment(root), "IPYTHONDIR": str(folder / "ipython"), processes.MARK: mark}


@contextlib.contextmanager
def _runtime_folder() -> Iterator[Path]:
    usual = tempfile.gettempdir()
    base = usual if len(usual) + len("/crm-12345678/kernel-ipc-5") <= _SOCKET_PATH_LIMIT else "/tmp"  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix="crm-", dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _group(kernel: Any) -> int | None:
    group = getattr(kernel.provisioner, "pgid", None)
    return group if group and group != os.getpgrp() else None


def _expire(kernel: Any, expired: threading.Event) -> None:
    expired.set()
    _end(kernel)


def _end(kernel: Any) -> None:
    group = _group(kernel)
    if group is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
