"""What a run would do, and why, without starting a kernel or writing a record."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crmlib.errors import DataError, SourceError, StaleDataError
from crmlib.redaction import redacted
from crmlib.runner import records
from crmlib.runner.due import last_good
from crmlib.runner.freshness import resolved
from crmlib.runner.outcomes import EXIT_CODES
from crmlib.runner.provenance import inputs
from crmlib.runner.records import Record
from crmlib.runner.requests import Request


@dataclass(frozen=True)
class Preview:
    """What would become of one report: "due", "up to date", "no data" or "stale data", why, and the exit code."""

    name: str
    state: str
    reason: str
    exit_code: int


def previews(root: Path, wanted: Sequence[Request], *, force: bool = False) -> list[Preview]:
    """Previews of the requests, in their order.

    Parameters
    ----------
    root : Path
    wanted : sequence of Request
    force : bool
        As of the run.
    """
    history = records.records(root)
    return [_preview(root, request, history, force=force) for request in wanted]


def _preview(root: Path, request: Request, history: Sequence[Record], *, force: bool) -> Preview:
    name = request.publication or request.report.name
    try:
        report, _ = resolved(root, request.report, datetime.datetime.now(datetime.UTC).date(), keep=False)
        made_of = inputs(root, report.notebook, report.parameters)
    except (SourceError, DataError, OSError) as error:
        state = "stale data" if isinstance(error, StaleDataError) else "no data"
        return Preview(name, state, str(error), EXIT_CODES[state])
    last = last_good(root, replace(request, report=report), made_of)
    if last is not None and not force:
        return Preview(name, "up to date", f"since {last['ended_at']}", 0)
    if last is not None:
        return Preview(name, "due", "--force", 0)
    now = {
        "notebook_hash": made_of.notebook,
        "parameters": dict(made_of.parameters),
        "library": made_of.library,
        "lock": made_of.lock,
        "data": dict(made_of.data),
    }
    return Preview(name, "due", _reason(request, history, now), 0)


def _reason(request: Request, history: Sequence[Record], now: Mapping[str, Any]) -> str:
    owner = (request.report.name, request.publication)
    own = [record for record in history if (record["report"], record.get("publication")) == owner]
    good = [record for record in own if record["outcome"] == "good"]
    if not good:
        return "no good run yet"
    words = {"notebook_hash": "notebook", "library": "library", "lock": "lock", "data": "data"}
    changed = [words.get(key, key) for key, value in redacted(now).items() if good[-1].get(key) != value]
    if changed:
        return f"changed since the last good run: {', '.join(changed)}"
    if own[-1]["exit_code"]:
        return f"the last run with these inputs ended: {own[-1]['outcome']}"
    return "its page is not in place, or its data have no fingerprint"
