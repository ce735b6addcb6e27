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

    def say(self, text: str) -> None:
        """One line."""
        # In one piece: several reports may speak at a time. A log that is full or gone ends no report.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")
            self._stream.flush()

    def begin(self, name: str, number: int, of: int) -> LinesOfReport:
        """A report begins; tell its progress to what is returned."""
        return LinesOfReport(self, f"[{number}/{of}] {name}")


class LinesOfReport:
    """The lines of one report, each with its name."""

    def __init__(self, lines: Lines, where: str) -> None:
        self._lines = lines
        self._where = where
        self._say("begins")

    def cell(self, number: int, of: int) -> None:
        """A cell begins."""
        if time.monotonic() - self._last >= _QUIET_SECONDS:
            self._say(f"code cell {number} of {of}")

    def end(self, text: str, *, good: bool) -> None:
        """The report has ended."""
        self._say(text)

    def _say(self, text: str) -> None:
        self._lines.say(f"{self._where}: {text}")
        self._last = time.monotonic()


class Live:
    """Below the lines of finished reports, for each that runs a bar of cells with the time elapsed."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress

    def say(self, text: str) -> None:
        """One line above the bars."""
        self._progress.console.print(text, markup=False, highlight=False)

    def begin(self, name: str, number: int, of: int) -> BarOfReport:
        """A report begins; tell its progress to what is returned."""
        return BarOfReport(self._progress, f"report {number} of {of}  {name}")


class BarOfReport:
    """The bar of one report."""

    def __init__(self, progress: Any, where: str) -> None:
        self._progress = progress
        self._where = where
        self._task = progress.add_task(where, total=None, cells="starting")

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
