"""The history of reports: their runs, two runs beside each other, and what is kept of old ones."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from crmlib.errors import DataError, ParameterError
from crmlib.runner import records
from crmlib.runner.comparisons import Move, flagged, moves
from crmlib.runner.records import Record


def place(record: Record) -> str:
    """Where a run belongs: the name it is published under, else its report's."""
    return str(record.get("publication") or record["report"])


def runs(root: Path, name: str | None = None) -> list[Record]:
    """Runs and refused attempts, oldest first: all, or those of one report or variant.

    Raises
    ------
    ParameterError
        No run has this name.
    """
    found = records.records(root)
    chosen = [record for record in found if name is None or name in (record["report"], record.get("publication"))]
    if name is not None and not chosen:
        known = ", ".join(dict.fromkeys(place(record) for record in found)) or "none"
        raise ParameterError(f"{name!r} has no runs; reports with runs: {known}")
    return chosen


def run(root: Path, name: str) -> Record:
    """The run with this id, or with the one id that begins so.

    Raises
    ------
    ParameterError
        There is none, or there are several.
    """
    found = [record for record in records.records(root) if str(record.get("run") or "").startswith(name) and name]
    exact = [record for record in found if record["run"] == name]
    if exact or len(found) == 1:
        return (exact or found)[0]
    if found:
        raise ParameterError(f"{len(found)} runs begin with {name!r}; write more of the id")
    raise ParameterError(f"there is no run {name!r}; `crm report history` lists them")


def before(history: Sequence[Record], record: Record) -> Record | None:
    """The good run of the same place before this one."""
    earlier = None
    for item in history:
        if item.get("run") == record["run"]:
            break
        if item["outcome"] == "good" and item.get("publication") == record.get("publication"):
            earlier = item if item["report"] == record["report"] else earlier
    return earlier


def differences(root: Path, first: Record, second: Record) -> list[Move]:
    """Findings of two runs beside each other, flagged over all of them.

    Raises
    ------
    DataError
        A run was not good.
    """
    return flagged(moves(root, first, second))


def moved(root: Path, earlier: Record, record: Record) -> list[str]:
    """What moved beyond its error between two good runs, a line each, or that nothing did."""
    try:
        lines = [move.line for move in differences(root, earlier, record) if move.moved]
    except DataError as error:  # of one run, which must not hide the others
        return [f"not compared: {error}"]
    return lines or ["nothing moved beyond its error since the run before"]


def pruned(root: Path, keep: int, *, dry: bool = False) -> list[str]:
    """Names of the run folders deleted: all but the last `keep` of each report or variant.

    Never deleted: what `latest` points to, the last good run of each report and variant, runs
    under way. The lines of `runs.jsonl` stay, and with them history and comparisons.

    Parameters
    ----------
    root : Path
        The caller holds the shelf's lock.
    keep : int
        At least 1.
    dry : bool
        Only say what would be deleted.
    """
    if keep < 1:
        raise ParameterError(f"keep is {keep}; keep at least 1 run")
    known = [record for record in records.records(root) if record.get("run")]
    safe = _pointed_at(root) | {record["run"] for record in records.running(root)}
    for owner in {(record["report"], record.get("publication")) for record in known}:
        own = [record for record in known if (record["report"], record.get("publication")) == owner]
        safe |= {record["run"] for record in own[-keep:]}
        safe |= {record["run"] for record in [item for item in own if item["outcome"] == "good"][-1:]}
    folder = root / records.FOLDER / "runs"
    for rest in [] if dry else folder.glob(".gone-*"):  # of a deletion that was cut short
        shutil.rmtree(rest, ignore_errors=True)
    gone = [name for name in dict.fromkeys(record["run"] for record in known) if name not in safe]
    gone = [name for name in gone if (folder / name).is_dir()]
    for name in [] if dry else gone:
        aside = folder / f".gone-{name}"
        with contextlib.suppress(OSError):  # one that cannot be deleted is tried again next time
            (folder / name).rename(aside)
            shutil.rmtree(aside)
    return gone


def _pointed_at(root: Path) -> set[str]:
    latest = root / records.FOLDER / "latest"
    return {Path(os.readlink(link)).name for link in latest.glob("*") if link.is_symlink()}
