"""The true record: a folder a run, a line a run in `runs.jsonl`, and the link to the last good page.

::

    reports/
      runs/<UTC>-<name>-<hash>/   notebook.ipynb, report.html (good runs), run.json
      runs.jsonl                  one line a run, failed ones too; appended and flushed
      latest/<report>             relative link to the folder of its last good run
      index.html                  the shelf
      .locks/                     held while a report runs; a lock of a dead runner is free

Every write is to a file beside, flushed, then moved over: a reader sees the old or the new.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from crmlib.errors import BusyError
from crmlib.redaction import redacted
from crmlib.runner import journal
from crmlib.runner.journal import Record as Record

FOLDER = "reports"


def run_folder(root: Path, name: str, key: str, at: datetime.datetime) -> Path:
    """New, empty folder of a run: `<UTC>-<name>-<first 8 of the key>`."""
    runs = root / FOLDER / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    stem = f"{at:%Y%m%dT%H%M%SZ}-{name}-{key[:8]}"
    for attempt in range(1, 1000):
        folder = runs / (stem if attempt == 1 else f"{stem}-{attempt}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise BusyError(f"a thousand runs of {name} began in one second; wait a moment")


def write_atomic(path: Path, content: str) -> None:
    """Put the text in place of the file, whole or not at all, flushed to the disk."""
    beside = _beside(path)
    try:
        # What no UTF-8 can hold, such as the name of a file in another encoding, is spelt out; in JSON, as JSON does.
        with beside.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _flush(path.parent)


def _beside(path: Path) -> Path:
    """A name beside the file, of this thread alone: reports that run together may write the same file."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")


def write_record(folder: Path, record: Record) -> None:
    """Write `run.json` of a run's folder, secrets struck out."""
    write_atomic(folder / "run.json", json.dumps(redacted(record), indent=1, ensure_ascii=False) + "\n")


def append(root: Path, record: Record) -> None:
    """Add the run's line to `runs.jsonl`, secrets struck out, flushed to the disk."""
    journal.append(root / FOLDER, redacted(record))


def records(root: Path) -> list[Record]:
    """All runs, oldest first; lines that cannot be trusted are passed over."""
    return journal.records(root / FOLDER)


def publish(root: Path, name: str, folder: Path) -> None:
    """Point `latest/<name>` at the run's folder in one step; a reader never sees it missing."""
    latest = root / FOLDER / "latest"
    latest.mkdir(parents=True, exist_ok=True)
    _flush(folder)
    _flush(folder.parent)
    beside = _beside(latest / name)
    beside.unlink(missing_ok=True)
    beside.symlink_to(Path("..") / "runs" / folder.name, target_is_directory=True)
    beside.replace(latest / name)
    _flush(latest)


def published(root: Path, name: str) -> str | None:
    """Name of the run folder that `latest/<name>` points to, if its page is there."""
    link = root / FOLDER / "latest" / name
    if not link.is_symlink() or not (link / "report.html").is_file():
        return None
    return Path(os.readlink(link)).name


def lock_name(name: str, parameters: Mapping[str, Any]) -> str:
    """Name of the lock of one (report, parameters)."""
    digest = hashlib.sha256(json.dumps([name, dict(parameters)], sort_keys=True).encode()).hexdigest()
    return f"{name}-{digest[:16]}"


@contextlib.contextmanager
def locked(root: Path, name: str, *, wait: float = 0) -> Iterator[None]:
    """Hold a lock; the system frees it when its holder dies, however it dies.

    Raises
    ------
    BusyError
        Another process holds it for longer than `wait` seconds.
    """
    from filelock import FileLock, Timeout

    folder = root / FOLDER / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=wait)
    except Timeout as error:
        raise BusyError(f"{name} is running already; wait for that run to end") from error
    try:
        yield
    finally:
        lock.release()


def running(root: Path) -> list[Record]:
    """Runs under way now: begun, not recorded, and their lock held."""
    return [record for record in _unrecorded(root) if not _free(root, record)]


def recover(root: Path) -> list[Record]:
    """Record the runs whose runner died before it could, as interrupted; those runs."""
    lost = []
    for record in [record for record in _unrecorded(root) if _free(root, record)]:
        if any(record["run"] == known.get("run") for known in records(root)):
            continue  # it ended, and was recorded by its own runner, while we looked
        if record["outcome"] == "running":
            record |= {
                "outcome": "interrupted",
                "exit_code": 130,
                "message": "the runner was killed before the run ended",
            }
            write_record(root / FOLDER / "runs" / record["run"], record)
        append(root, record)
        lost.append(record)
    return lost


def _unrecorded(root: Path) -> Iterable[Record]:
    known = {record.get("run") for record in records(root)}
    for path in sorted((root / FOLDER / "runs").glob("[!.]*/run.json")):
        if path.parent.name not in known:
            with contextlib.suppress(ValueError, OSError):
                record = json.loads(path.read_text(encoding="utf-8"))
                if journal.begun(record) and record["run"] == path.parent.name:
                    yield record


def _free(root: Path, record: Record) -> bool:
    try:
        with locked(root, record["held"]):
            return True
    except BusyError:
        return False


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
