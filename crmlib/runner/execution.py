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
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crmlib.runner import kernels, processes
from crmlib.runner.account import KERNEL_ENDED, STOPPED, Account, explain, judge
from crmlib.runner.guard import guarded
from crmlib.runner.parallel import Interruption
from crmlib.runner.records import write_atomic

_START_TIMEOUT = 120
_IOPUB_TIMEOUT = 60
_KEPT_AFTER = 1.0  # seconds that a cell runs before the notebook is written as it stands


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
    with kernels.runtime_folder() as folder, guarded(folder, mark):
        kernel = kernels.kernel(folder)
        expired = threading.Event()
        watchdog = threading.Timer(run_timeout, kernels.expire, (kernel, expired))
        watchdog.daemon = True
        watchdog.start()
        interruption.watch(kernel, lambda: kernels.end(kernel))
        try:
            environment = kernels.environment(root, folder, mark)
            stopping = lambda: interruption.asked or expired.is_set()  # noqa: E731  it may have come before the kernel
            _drive(notebook, kernel, account, root, output, cell_timeout, on_cell, environment, stopping)
        except BaseException as error:
            explain(account, error, cell_timeout)
        finally:
            watchdog.cancel()
            interruption.forget(kernel)
            processes.kill_all(account.group or kernels.group(kernel), mark)
    if expired.is_set():
        account.outcome, account.message = "timeout", f"the run took longer than {run_timeout} s; raise --run-timeout"
    elif interruption.asked and account.outcome != "good":
        account.outcome, account.message = "interrupted", STOPPED
    judge(notebook, account)
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
        account.group = kernels.group(kernel)
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
            account.outcome, account.message = "kernel died", KERNEL_ENDED
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
                log=kernels.LOG,
                on_cell_execute=started,
                on_cell_executed=executed,
            ).execute(env=environment, cleanup_kc=True)

    try:
        Engine.execute_notebook(notebook, "python3", output_path=None, progress_bar=False)
    finally:
        for handle in kept:
            handle.cancel()
