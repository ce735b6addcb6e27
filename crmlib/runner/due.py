"""Whether a report is due: it is not while its last good run was made of the same inputs."""

from __future__ import annotations

from pathlib import Path

from crmlib.runner import records
from crmlib.runner.provenance import Inputs
from crmlib.runner.records import Record
from crmlib.runner.requests import Request


def last_good(root: Path, request: Request, made_of: Inputs) -> Record | None:
    """The last good run, if made of the same inputs, its page is in place, and no same run failed since."""
    if made_of.key is None:
        return None
    same_place = [
        record
        for record in records.records(root)
        if record["report"] == request.report.name and record.get("publication") == request.publication
    ]
    if request.publication is None:
        same_place = [record for record in same_place if record.get("key") == made_of.key]
    good = [index for index, record in enumerate(same_place) if record["outcome"] == "good"]
    if not good:
        return None
    last, since = same_place[good[-1]], same_place[good[-1] + 1 :]
    folder = root / records.FOLDER / "runs" / str(last["run"])
    there = all((folder / name).is_file() for name in ("report.html", *(["report.pdf"] if request.report.pdf else [])))
    in_place = request.publication is None or records.published(root, request.publication) == last["run"]
    failed_since = any(record.get("key") == made_of.key and record["exit_code"] for record in since)
    return last if last.get("key") == made_of.key and there and in_place and not failed_since else None


def up_to_date(root: Path, base: Record, last: Record) -> Record:
    """Record that nothing had to run; written down only when it clears a failure from the shelf."""
    record = base | {"outcome": "up to date", "exit_code": 0, "message": "", "good_run": last["run"]}
    later = [item for item in records.records(root) if item.get("publication") == base["publication"]]
    if later and later[-1]["outcome"] not in ("good", "up to date"):
        records.append(root, record)
    return record
