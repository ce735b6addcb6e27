"""Several reports at a time: one thread each, for the work is in the kernels; all can be stopped."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Made = TypeVar("Made")


class Interruption:
    """The wish that runs in other threads end; each says how it is ended at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._ways: dict[object, Callable[[], None]] = {}

    @property
    def asked(self) -> bool:
        """Whether the runs are to end."""
        return self._asked

    def ask(self) -> None:
        """End the runs under way."""
        with self._lock:
            self._asked = True
            for end in self._ways.values():
                end()

    def watch(self, run: object, end: Callable[[], None]) -> None:
        """Remember how a run is ended."""
        with self._lock:
            self._ways[run] = end

    def forget(self, run: object) -> None:
        """The run has ended."""
        with self._lock:
            self._ways.pop(run, None)


def results(tasks: Sequence[Callable[[], Made]], jobs: int, interruption: Interruption) -> list[Made]:
    """What the tasks return, in their order; of an interrupted plan, those that had begun.

    Parameters
    ----------
    tasks : sequence of callable
    jobs : int
        How many run at a time.
    interruption : Interruption
        Asked for when this thread is interrupted.
    """
    with ThreadPoolExecutor(jobs, thread_name_prefix="report") as pool:
        begun = [pool.submit(_result, task) for task in tasks]
        try:
            wait(begun)
        except KeyboardInterrupt:
            interruption.ask()
            pool.shutdown(cancel_futures=True)
    return [future.result() for future in begun if not future.cancelled()]


def _result(task: Callable[[], Made]) -> Made:
    """What the task returns; the event loop that Jupyter made for this thread is closed."""
    from jupyter_core.utils import ensure_event_loop

    try:
        return task()
    finally:
        ensure_event_loop().close()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
