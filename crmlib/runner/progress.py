"""Progress of a plan: a live display on a terminal, plain timestamped lines in a log."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections.abc import Iterator
from typing import Any, TextIO

_QUIET_SECONDS = 15  # in a log, at most one line on cells in this time


class Lines:
    """Plain lines, each with its UTC time: for logs, cron mail and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = 0.0
        self._where = ""

    def say(self, text: str) -> None:
        """One line."""
        print(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ} {text}", file=self._stream, flush=True)
        self._last = time.monotonic()

    def begin(self, name: str, number: int, of: int) -> None:
        """A report begins."""
        self._where = f"[{number}/{of}] {name}"
        self.say(f"{self._where}: begins")

    def cell(self, number: int, of: int) -> None:
        """A cell begins."""
        if time.monotonic() - self._last >= _QUIET_SECONDS:
            self.say(f"{self._where}: code cell {number} of {of}")

    def end(self, text: str, *, good: bool) -> None:
        """The report has ended."""
        self.say(f"{self._where}: {text}")


class Live:
    """A bar of cells with the time elapsed below the lines of finished reports."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None
        self._where = ""

    def say(self, text: str) -> None:
        """One line above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def begin(self, name: str, number: int, of: int) -> None:
        """A report begins."""
        self._where = f"report {number} of {of}  {name}"
        self._task = self._progress.add_task(self._where, total=None, cells="starting")

    def cell(self, number: int, of: int) -> None:
        """A cell begins."""
        self._progress.update(self._task, total=of, completed=number - 1, cells=f"code cell {number} of {of}")

    def end(self, text: str, *, good: bool) -> None:
        """The report has ended."""
        from rich.text import Text

        self._progress.remove_task(self._task)
        line = Text.assemble(("✓ " if good else "✗ ", "green" if good else "bold red"), f"{self._where}: {text}")
        self._progress.console.print(line, highlight=False)


@contextlib.contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Lines | Live]:
    """The display that fits the stream (standard output when not given)."""
    target = stream or sys.stdout
    if not target.isatty():
        yield Lines(target)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[cells]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=target), transient=True) as progress:
        yield Live(progress)
