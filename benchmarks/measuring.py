"""Time and memory of commands, and the table that compares them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_EVERY = 0.2  # seconds between looks at memory


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds on the clock, seconds of processor, most memory held at a time (MiB)."""

    seconds: float
    processor: float
    memory: float

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(self.seconds + other.seconds, self.processor + other.processor, max(self.memory, other.memory))

    def times(self, factor: float) -> Cost:
        """As often, one after another."""
        return Cost(self.seconds * factor, self.processor * factor, self.memory)


@dataclass(frozen=True)
class Result:
    """A piece of work, done by this package and by a peer; `at_least` is the ratio promised, 0 for none."""

    work: str
    peer: str
    own: Cost
    others: Cost
    at_least: float
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster than the peer."""
        return self.others.seconds / self.own.seconds

    @property
    def kept(self) -> bool:
        """Whether the promise is kept."""
        return self.ratio >= self.at_least


def measured(command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Cost:
    """What a command costs with all that it starts; its output is shown only when it fails."""
    before = os.times()
    began = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, **(env or {})}, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak = [0.0]
    watch = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watch.start()
    text, _ = process.communicate()
    seconds = time.monotonic() - began
    after = os.times()
    watch.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} left with {process.returncode}:\n{text[-4000:]}")
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(seconds, processor, peak[0])


def quickest(commands: Sequence[Sequence[str]], answer: Path, *, runs: int) -> list[tuple[Cost, dict[str, Any]]]:
    """The quickest of all runs of each command, by the seconds that it writes to a file, and what else it wrote.

    They take turns, so that another load on the machine falls on all alike.
    """
    made: list[list[tuple[Cost, dict[str, Any]]]] = [[] for _ in commands]
    for _ in range(runs):
        for command, own in zip(commands, made, strict=True):
            cost = measured(command)
            stated = json.loads(answer.read_text())
            own.append((Cost(stated.pop("seconds"), cost.processor, cost.memory), stated))
    return [min(own, key=lambda run: run[0].seconds) for own in made]


def python(*arguments: str) -> list[str]:
    """Command of this interpreter."""
    return [sys.executable, *arguments]


def show(results: Iterable[Result]) -> bool:
    """Print the table; whether every promise is kept."""
    from rich.console import Console
    from rich.table import Table

    found = list(results)
    table = Table("work", "peer", "seconds", "peer's", "ratio", "at least", "processor s", "peak MiB", "note")
    for item in found:
        table.add_row(
            item.work,
            item.peer,
            f"{item.own.seconds:.1f}",
            f"{item.others.seconds:.1f}",
            f"[{'green' if item.kept else 'bold red'}]{item.ratio:.1f} ×[/]",
            f"{item.at_least:.3g} ×" if item.at_least else "–",
            f"{item.own.processor:.1f} / {item.others.processor:.1f}",
            f"{item.own.memory:,.0f} / {item.others.memory:,.0f}",
            item.note,
        )
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table)
    load = os.getloadavg()[0]
    console.print(
        f"{os.cpu_count()} cores, load {load:.1f} at the end: on a busy machine the ratios hold, the seconds do not"
    )
    return all(item.kept for item in found)


def _watch(process: subprocess.Popen[str], peak: list[float]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(map(_memory, _family(process.pid))))
        time.sleep(_EVERY)


def _family(first: int) -> list[int]:
    """The process and all below it."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    family = [first]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _memory(process: int) -> float:
    """Memory of a process (MiB), what it shares with others divided among them."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s*(\d+) kB$", text, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0
    return 0.0
