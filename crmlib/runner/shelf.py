"""The shelf: `reports/index.html`, every report of the plan with its state and its findings."""

from __future__ import annotations

import contextlib
import datetime
import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crmlib.errors import DataError
from crmlib.runner import records
from crmlib.runner.comparisons import Move, flagged, moves
from crmlib.runner.history import before
from crmlib.runner.plan import report_names
from crmlib.runner.records import Record

#: Page of the published numbers, in the folder of the reports; `make published` writes it.
PUBLISHED = "published.html"

_STATES = {"good": "good", "failed": "failed", "never": "never run", "running": "running now"}


@dataclass(frozen=True)
class Entry:
    """A report on the shelf.

    Parameters
    ----------
    name, title : str
    state : {"good", "failed", "never", "running"}
    good : dict or None
        Record of the last good run, whose page is linked.
    failure : dict or None
        Record of the last run, when it failed.
    age : str
        Of the last good run, as of writing.
    planned : bool
        An entry of the plan; else a variant published with `--as`.
    earlier : dict or None
        Record of the good run before the last.
    moves : tuple of Move
        What moved since then, flagged over all that the shelf compares.
    """

    name: str
    title: str
    state: str
    good: Record | None
    failure: Record | None
    age: str
    planned: bool
    earlier: Record | None = None
    moves: tuple[Move, ...] = ()

    @property
    def label(self) -> str:
        """The state in words."""
        if self.state == "failed" and self.good:
            return "failed, showing the last good run"
        return _STATES[self.state]


def entries(root: Path, at: datetime.datetime) -> list[Entry]:
    """Reports of the plan in its order, then variants published under other names."""
    history = records.records(root)
    running = {record.get("publication") for record in records.running(root)}
    planned = report_names(root)
    variants = {r["publication"] for r in history if r.get("publication")} - {name for name, _ in planned}
    variants = {name for name in variants if records.published(root, name)}
    titled = [(name, title, True) for name, title in planned] + [(name, "", False) for name in sorted(variants)]
    found = [_entry(root, name, title, is_plan, history, running, at) for name, title, is_plan in titled]
    return _compared(root, found, history)


def _compared(root: Path, found: list[Entry], history: list[Record]) -> list[Entry]:
    """The entries with what moved since the run before; a reader of the shelf reads them together."""
    pairs = {entry.name: before(history, entry.good) for entry in found if entry.good}
    own = {}
    for entry in found:
        earlier = pairs.get(entry.name)
        if entry.good and earlier:
            with contextlib.suppress(DataError):  # a damaged record is not compared
                own[entry.name] = moves(root, earlier, entry.good)
    together = iter(flagged(itertools.chain.from_iterable(own.values())))
    told = {name: tuple(itertools.islice(together, len(items))) for name, items in own.items()}
    return [replace(entry, earlier=pairs.get(entry.name), moves=told.get(entry.name, ())) for entry in found]


def write_shelf(root: Path) -> Path:
    """Write the shelf in one step; the caller holds its lock."""
    from jinja2 import Environment, FileSystemLoader

    from crmlib.runner.rendering import TEMPLATE, TEMPLATES, unbroken

    at = datetime.datetime.now(datetime.UTC)
    environment = Environment(loader=FileSystemLoader(TEMPLATES / TEMPLATE), autoescape=True)
    environment.filters["unbroken"] = unbroken
    template = environment.get_template("shelf.html.j2")
    published = PUBLISHED if (root / records.FOLDER / PUBLISHED).is_file() else ""
    found = entries(root, at)
    states = [(word, [item.name for item in found if item.state == state]) for state, word in _STATES.items()]
    states = [(word, names) for word, names in states if names]
    html = template.render(entries=found, states=states, written=utc(at.isoformat()), utc=utc, published=published)
    path = root / records.FOLDER / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write_atomic(path, html.rstrip() + "\n")
    return path


def utc(instant: str) -> str:
    """An ISO instant for people: 2026-11-21 19:30 UTC."""
    return f"{datetime.datetime.fromisoformat(instant).astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def age(instant: str, at: datetime.datetime) -> str:
    """How long ago, in the largest fitting unit: "3 hours"."""
    seconds = max(0.0, (at - datetime.datetime.fromisoformat(instant)).total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' * (number > 1)}"
    return "less than a minute"


def _entry(
    root: Path,
    name: str,
    title: str,
    planned: bool,
    history: list[Record],
    running: set[Any],
    at: datetime.datetime,
) -> Entry:
    own = [record for record in history if record.get("publication") == name and record["outcome"] != "busy"]
    shown = records.published(root, name)
    good = next((record for record in reversed(own) if record.get("run") == shown and shown), None)
    last = own[-1] if own else None
    failure = last if last is not None and last["outcome"] not in ("good", "up to date") else None
    state = "failed" if failure else "good" if good else "never"
    if name in running:
        state = "running"
    return Entry(
        name=name,
        title=title or (good or {}).get("title", "") or name,
        state=state,
        good=good,
        failure=failure,
        age=age(good["ended_at"], at) if good else "",
        planned=planned,
    )
