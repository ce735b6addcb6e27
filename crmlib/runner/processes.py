"""Processes of a run: how much memory they took, and their end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path

#: Environment variable by which a run's processes are known.
MARK = "CRM_RUN"

#: Linear algebra in one thread, warm or cold: sums in one order, so the same bits on every machine.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")

#: Memory that a kernel frees it keeps for itself (glibc): arrays come and go, and the system clears each new page.
KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 31),
    "MALLOC_TOP_PAD_": str(1 << 26),
}


def kill_all(group: int | None, mark: str) -> None:
    """Kill a process group, what left it but still carries the run's mark, and what these have started.

    Parameters
    ----------
    group : int or None
    mark : str
        Value of `CRM_RUN` in the environment that a process began with.
    """
    found = _marked(mark)
    found |= descendants(found)  # before their parents are gone, and they somebody else's
    if group is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    ended: set[int] = set()
    while left := found - ended:
        _kill(left)
        ended |= left
        found = _marked(mark)
        found |= descendants(found)


def kill_started(process: int | None) -> None:
    """Kill all that a process has started, while it can still be told from what others did."""
    if process is not None:
        _kill(descendants({process}))


def descendants(of: set[int]) -> set[int]:
    """Processes that these have started, directly or by others; empty where the system does not tell."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):  # Linux; elsewhere the group must do
        with contextlib.suppress(OSError, ValueError, IndexError):
            state, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(entry.parent.name)] = int(parent)
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in of | found} - found - of:
        found |= more
    return found


def _marked(mark: str) -> set[int]:
    wanted, found = f"{MARK}={mark}".encode(), set()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                found.add(int(entry.parent.name))
    return found


def _kill(processes: set[int]) -> None:
    for process in processes - {os.getpid()}:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def peak_memory(process: int | None) -> int:
    """Most memory that a process has held (MiB, shared pages included); 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        found = re.search(r"^VmHWM:\s*(\d+) kB$", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
        return int(found[1]) // 1024 if found else 0
    return 0


def write_mark(mark: str) -> None:
    """Put the mark in the place of one as long in the environment that `/proc` shows of this process.

    A forked process began with the environment of its parent; what it puts into `os.environ`
    reaches the programs that it starts, but not `/proc`, nor children forked without a program.
    """
    with contextlib.suppress(OSError):
        numbers = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(numbers[47]), int(numbers[48])  # env_start and env_end of proc(5)
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            shown = memory.read(end - start)
            found = re.search(rb"(?:\A|\0)" + f"{MARK}=".encode() + rb"([0-9a-f]*)\0", shown)
            if found and len(found[1]) == len(mark):
                memory.seek(start + found.start(1))
                memory.write(mark.encode())
