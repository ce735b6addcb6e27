"""How a run went: what the kernel's replies and the cells' outputs say of it, in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["good", "failed", "bad data", "timeout", "kernel died", "interrupted"]

#: Exceptions of a cell that are the data's fault and not the notebook's: `crmlib.errors` and those of `crmlib.data`.
_BAD_DATA = ("SourceError", "DataError", "MissingColumnsError", "ContractError", "MissingTableError")

KERNEL_ENDED = "the kernel ended before the notebook did (exit(), killed, out of memory, or os._exit)"
STOPPED = "the runner was told to stop"
_LONGEST = 500  # characters of a message


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


def judge(notebook: Any, account: Account) -> None:
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


def explain(account: Account, error: BaseException, cell_timeout: int) -> None:
    """Enter what ended the run, as papermill raised it."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    if isinstance(error, CellTimeoutError):
        account.outcome = "timeout"
        account.message = f"the cell took longer than {cell_timeout} s; raise --cell-timeout"
    elif isinstance(error, DeadKernelError) or "Kernel died" in str(error):
        account.outcome, account.message = "kernel died", KERNEL_ENDED
    elif isinstance(error, Exception):
        account.outcome = "failed"
        account.message = _shortened(" ".join(f"{type(error).__name__}: {error}".split()))
    else:
        account.outcome, account.message = "interrupted", STOPPED
