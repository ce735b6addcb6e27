"""One report run if it is due: lock, inputs, run, retries, publication; a failure is a record, never an exception.

A failure of any step keeps the last good page where it is, byte for byte.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import crmlib
from crmlib.errors import BusyError, CrmError, DataError, SourceError, StaleDataError
from crmlib.runner import extents, records
from crmlib.runner.due import last_good, up_to_date
from crmlib.runner.freshness import resolved
from crmlib.runner.outcomes import EXIT_CODES, RETRIED
from crmlib.runner.parallel import Interruption
from crmlib.runner.provenance import Inputs, commit, inputs, versions
from crmlib.runner.records import Record
from crmlib.runner.requests import Request
from crmlib.runner.run import made

OnCell = Callable[[int, int], None]


def attempt(root: Path, request: Request, on_cell: OnCell, interruption: Interruption, *, force: bool) -> Record:
    """Record of the report, run if need be; failures become records, never exceptions."""
    report, last_day = request.report, None
    fault: Exception | None = None
    try:
        report, last_day = resolved(root, report, _now().date())
    except Exception as error:  # whatever it is, the record says so and other reports go on
        fault = error
    request = replace(request, report=report)
    held = records.lock_name(request.publication or report.name, report.parameters)
    base: Record = {
        "version": 1,
        "run": None,
        "report": report.name,
        "publication": request.publication,
        "notebook": report.notebook.relative_to(root).as_posix(),
        "parameters": dict(report.parameters),
        "held": held,
        "started_at": _now().isoformat(timespec="seconds"),
    }
    if last_day:
        base["data_end"] = last_day
    if fault is not None:
        return _recorded(root, base, _kind(fault), _told(fault))
    try:
        with records.locked(root, held, wait=0.3):  # a glance at a dead runner's lock takes less
            try:
                made_of = inputs(root, report.notebook, report.parameters)
            except Exception as error:
                return _recorded(root, base, _kind(error), _told(error))
            last = None if force else last_good(root, request, made_of)
            if last is not None:
                return up_to_date(root, base, last)
            for number in range(1, report.retries + 2):
                record = _run(root, request, made_of, base | {"attempt": number}, on_cell, interruption)
                if record["outcome"] not in RETRIED or interruption.asked:
                    break
            return record
    except BusyError:
        return _recorded(
            root, base, "busy", f"{report.name} with these parameters is running already; wait for its end"
        )
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        return base | {
            "outcome": "failed",
            "exit_code": 1,
            "message": f"{error.strerror or error}{place}; see to the disk",
        }


def _run(
    root: Path, request: Request, made_of: Inputs, base: Record, on_cell: OnCell, interruption: Interruption
) -> Record:
    from crmlib.runner.kernels import warm_up

    warm_up(root)  # what kernels need is imported while we import what execution and rendering need
    report = request.report
    began = _now()
    folder = records.run_folder(root, request.publication or report.name, made_of.key or base["held"][-16:], began)
    record = base | {
        "run": folder.name,
        "started_at": began.isoformat(timespec="seconds"),
        "outcome": "running",
        "key": made_of.key,
        "data": dict(made_of.data),
        "notebook_hash": made_of.notebook,
        "library": made_of.library,
        "library_version": crmlib.__version__,
        "lock": made_of.lock,
        "commit": commit(root),
        "versions": versions(),
        "seed": report.parameters.get("seed"),
    }
    records.write_record(folder, record)
    try:
        record |= made(root, report, folder, record, on_cell, interruption)
    except Exception as error:  # whatever went wrong, the record says so and other reports go on
        record |= {"outcome": "failed", "message": _told(error)}
    except KeyboardInterrupt:
        record |= {"outcome": "interrupted", "message": "the runner was told to stop"}
    ended = _now()
    if record["outcome"] == "good":
        record["rows"] = extents.keep(root, made_of.data, report.parameters)
    record |= {
        "exit_code": EXIT_CODES[record["outcome"]],
        "ended_at": ended.isoformat(timespec="seconds"),
        "seconds": round((ended - began).total_seconds(), 1),
    }
    records.write_record(folder, record)
    if record["outcome"] == "good" and request.publication is not None:
        try:
            records.publish(root, request.publication, folder)
        except OSError as error:  # then what is recorded as good is what readers see
            record |= {"outcome": "failed", "exit_code": EXIT_CODES["failed"], "message": _unpublished(error)}
            records.write_record(folder, record)
    records.append(root, record)
    return record


def _kind(fault: Exception) -> str:
    """Outcome of an attempt whose data could not be looked at."""
    if isinstance(fault, StaleDataError):
        return "stale data"
    return "no data" if isinstance(fault, (SourceError, DataError, OSError)) else "failed"


def _told(error: Exception) -> str:
    return ("" if isinstance(error, CrmError) else f"{type(error).__name__}: ") + " ".join(str(error).split())


def _unpublished(error: OSError) -> str:
    if isinstance(error, IsADirectoryError):
        return f"{error.filename2 or error.filename} is a folder and no link; move it away, for the page is whole"
    return f"the page is whole but cannot be published: {error.strerror or error}; see to the disk"


def _recorded(root: Path, base: Record, outcome: str, message: str) -> Record:
    """Record of an attempt that started no kernel."""
    record = base | {"outcome": outcome, "exit_code": EXIT_CODES[outcome], "message": message}
    records.append(root, record)
    return record


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
