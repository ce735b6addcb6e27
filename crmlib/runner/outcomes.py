"""How a report's run may end: its outcome, the exit code of it, and the line that tells it."""

from __future__ import annotations

from collections.abc import Sequence

from crmlib.runner.records import FOLDER, Record

#: Exit code of each outcome.
EXIT_CODES = {
    "good": 0,
    "up to date": 0,
    "failed": 1,
    "no data": 3,
    "bad data": 3,
    "stale data": 3,
    "busy": 4,
    "timeout": 5,
    "kernel died": 6,
    "interrupted": 130,
}

#: Outcomes after which the same run may go well: no fault of the notebook or its data.
RETRIED = ("timeout", "kernel died")


def exit_code(done: Sequence[Record]) -> int:
    """The worst, which is the highest, exit code; 0 when all are good.

    That one is running already asks nothing of anybody, and schedulers take it for success: it counts
    only where nothing else is wrong, else it would hide a report that failed.
    """
    codes = [record["exit_code"] for record in done]
    return max((code for code in codes if code != EXIT_CODES["busy"]), default=0) or max(codes, default=0)


def summary(record: Record) -> str:
    """One line on how it went, with the cell and the place to look."""
    if record["outcome"] == "up to date":
        return f"up to date since {record['good_run'].split('-')[0]} (--force runs it all the same)"
    place = f"{FOLDER}/runs/{record['run']}"
    if record["outcome"] == "good":
        published = record["publication"]
        shown = f"{FOLDER}/latest/{published}" if published else place
        return f"good in {record['seconds']:.0f} s, {shown}/report.html"
    cell = record.get("cell")
    where = f" at cell {cell['position']} of {cell['of']}, “{cell['source']}”" if cell else ""
    kept = f", see {place}/notebook.ipynb" if record["run"] else ""
    return f"{record['outcome']}{where}: {record['message']}{kept}"
