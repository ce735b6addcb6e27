"""`runs.jsonl`: one line a run, appended and flushed; what stands in it and cannot be trusted is passed over.

A line may be torn by a full disk, or edited by hand. It is taken only if it has the form that the
runner writes, so that no reader of the history stumbles over it. A run whose line is passed over is
entered again from the `run.json` in its folder.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Record = dict[str, Any]

NAME = "runs.jsonl"

#: What a line must hold, and of which kind.
_KINDS: dict[str, tuple[type, ...]] = {
    "report": (str,),
    "outcome": (str,),
    "exit_code": (int,),
    "message": (str,),
    "parameters": (dict,),
    "run": (str, type(None)),
}
#: What a line may hold, and then of which kind.
_OPTIONAL: dict[str, tuple[type, ...]] = {
    "data": (dict,),
    "seconds": (int, float),
    "held": (str,),
    "key": (str, type(None)),
    "publication": (str, type(None)),
}
_COMPARED = 64  # bytes before the place up to which the file was read, by which it is known again


@dataclass
class _Read:
    """What of a file was read: up to which byte, what stood before it, and the lines that are records."""

    end: int = 0
    before: bytes = b""
    found: list[Record] = field(default_factory=list)


_known: dict[Path, _Read] = {}
_lock = threading.Lock()


def append(folder: Path, record: Record) -> None:
    """Add a line, flushed to the disk; a torn last line is left behind."""
    path = folder / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record).encode()
    with path.open("ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            line = line if stream.read(1) == b"\n" else b"\n" + line
        stream.write(line + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def records(folder: Path) -> list[Record]:
    """All runs, oldest first. A line is read once in a process: a plan asks often, and years of runs are long."""
    path = folder / NAME
    if not path.is_file():
        return []
    with _lock, path.open("rb") as stream:
        read = _known.setdefault(path, _Read())
        stream.seek(max(0, read.end - _COMPARED))
        if stream.read(min(read.end, _COMPARED)) != read.before:  # another file, or an edited one
            read = _known[path] = _Read()
            stream.seek(0)
        lines = stream.read().split(b"\n")
        read.end = stream.tell() - len(lines[-1])
        stream.seek(max(0, read.end - _COMPARED))
        read.before = stream.read(min(read.end, _COMPARED))
        read.found += _sound_ones(lines[:-1])
        return read.found + _sound_ones(lines[-1:])


def sound(record: Any) -> bool:
    """Whether it has the form that the runner writes."""
    if not isinstance(record, dict) or not all(isinstance(record.get(key, ...), kind) for key, kind in _KINDS.items()):
        return False
    if not all(isinstance(record[key], kind) for key, kind in _OPTIONAL.items() if key in record):
        return False
    instants = [record.get("started_at"), *([record["ended_at"]] if "ended_at" in record else [])]
    if record["outcome"] == "good":
        if not record["run"] or "ended_at" not in record or "seconds" not in record:
            return False
        findings = record.get("findings")
        if not isinstance(findings, list) or not findings or not all(map(_worded, findings)):
            return False
    # The name of a folder, and of nothing above it.
    return os.path.basename(record["run"] or "") == (record["run"] or "") and all(map(_instant, instants))


def begun(record: Any) -> bool:
    """Whether it is the `run.json` of a run, under way or ended."""
    ending = (
        {"exit_code": 130, "message": ""} if isinstance(record, dict) and record.get("outcome") == "running" else {}
    )
    return sound({**record, **ending} if ending else record) and "held" in record


def _sound_ones(lines: list[bytes]) -> list[Record]:
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line.decode(errors="replace"))
            if sound(record):
                found.append(record)
    return found


def _worded(finding: Any) -> bool:
    return isinstance(finding, dict) and all(isinstance(finding.get(key), str) for key in ("key", "sentence"))


def _instant(text: Any) -> bool:
    try:
        return datetime.datetime.fromisoformat(text).tzinfo is not None
    except (TypeError, ValueError):
        return False
