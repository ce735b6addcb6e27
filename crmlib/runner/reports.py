"""Running reports: check, lock, execute, judge, render, publish, record.

A failure of any step keeps the last good page where it is, byte for byte. The exit codes are
those of `crmlib.errors`; of several reports the highest one stands.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import crmlib
from crmlib.errors import BusyError, CrmError, DataError, ParameterError, SourceError, StaleDataError
from crmlib.runner import extents, paper, records
from crmlib.runner.freshness import resolved
from crmlib.runner.history import pruned
from crmlib.runner.hooks import Hooks
from crmlib.runner.parallel import Interruption, results
from crmlib.runner.parameters import from_text
from crmlib.runner.plan import NAME, Report, kept, plan, report_names
from crmlib.runner.progress import Lines, Live
from crmlib.runner.provenance import Inputs, commit, inputs, versions
from crmlib.runner.records import Record
from crmlib.runner.run import made

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

OnCell = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """One report to run: the plan's, or a variant of it.

    Parameters
    ----------
    report : Report
        With the parameters to use.
    publication : str or None
        Name under `latest/` that a good run takes; None for a run kept in its own folder only.
    """

    report: Report
    publication: str | None


def requests(
    root: Path,
    names: Sequence[str] = (),
    *,
    given: Mapping[str, str] | None = None,
    as_name: str | None = None,
    as_of: str | None = None,
    cell_timeout: int | None = None,
    run_timeout: int | None = None,
    retries: int | None = None,
    pdf: bool = False,
) -> list[Request]:
    """What to run: reports of the plan, or one of them with other parameters.

    Parameters
    ----------
    root : Path
    names : sequence of str
        Entries of `reports.yml`; all when empty.
    given : mapping of name to text
        Parameters other than the plan's; for one report only.
    as_name : str, optional
        Publish under this name, which is no report of the plan.
    as_of : str, optional
        Day, YYYY-MM-DD, that every report shall look at.
    cell_timeout, run_timeout : int, optional
        Seconds, instead of the plan's.
    retries : int, optional
        Runs after a dead kernel or a timeout, instead of the plan's.
    pdf : bool
        Make each page as PDF too, whatever the plan says.

    Raises
    ------
    ParameterError
        The plan, a name or a parameter is at fault.
    """
    reports = plan(root, names)
    if (given or as_name) and (len(names) != 1 or len(reports) != 1):
        raise ParameterError("-p and --as are for one report; name it")
    if as_name is not None:
        if not NAME.fullmatch(as_name):
            raise ParameterError(f"--as {as_name!r} must be lower-case letters, digits, _ and -, at most 64")
        if as_name in {name for name, _ in report_names(root)}:
            raise ParameterError(
                f"--as {as_name!r} is a report of the plan, whose page it would replace; choose another"
            )
    texts = dict(given or {})
    if as_of is not None:
        without = [report.name for report in reports if "as_of" not in report.declared]
        if without or "as_of" in texts:
            wrong = f"{', '.join(without)} declare no as_of; name others" if without else "as_of is given twice"
            raise ParameterError(f"--as-of {as_of[:40]!r}: {wrong}")
        texts["as_of"] = as_of
    found = []
    for report in reports:
        own = dict(report.parameters)
        values = own | from_text(report.declared, texts)
        latest = report.latest and "as_of" not in texts
        changed = replace(
            report,
            parameters=values,
            latest=latest,
            cell_timeout=cell_timeout or report.cell_timeout,
            run_timeout=run_timeout or report.run_timeout,
            retries=report.retries if retries is None else retries,
            pdf=report.pdf or pdf,
        )
        is_plan = values == own and latest == report.latest
        found.append(Request(changed, as_name or (report.name if is_plan else None)))
    if any(request.report.pdf for request in found):
        paper.require()
    return found


def run_reports(
    root: Path,
    wanted: Sequence[Request],
    display: Lines | Live,
    *,
    force: bool = False,
    jobs: int = 1,
    hooks: Hooks | None = None,
) -> list[Record]:
    """Run each report that is not up to date; one that fails does not stop the others.

    Parameters
    ----------
    root : Path
    wanted : sequence of Request
        From `requests`.
    display : Lines or Live
        Where progress is shown.
    force : bool
        Run reports that are up to date too.
    jobs : int
        How many may run at a time.
    hooks : Hooks, optional
        Commands to start after each.

    Returns
    -------
    list of dict
        The record of each report, with `outcome`, `exit_code` and `message`.
    """
    from crmlib.runner.warm import kernels

    with records.locked(root, "shelf", wait=60):
        records.recover(root)
    interruption = Interruption()
    tasks = [
        partial(
            _shown_attempt, root, request, display, (number, len(wanted)), interruption, hooks or Hooks(), force=force
        )
        for number, request in enumerate(wanted, 1)
    ]
    # For one report the fork server would import what its kernel imports as well.
    done: list[Record]
    with kernels() if len(tasks) > 1 else contextlib.nullcontext():
        if min(jobs, len(tasks)) > 1:
            done = results(tasks, jobs, interruption)
            if interruption.asked and not any(record["outcome"] == "interrupted" for record in done):
                raise KeyboardInterrupt
            return done
        done = []
        for task in tasks:
            done.append(task())
            if done[-1]["outcome"] == "interrupted":
                break
        return done


def _shown_attempt(
    root: Path,
    request: Request,
    display: Lines | Live,
    place: tuple[int, int],
    interruption: Interruption,
    hooks: Hooks,
    *,
    force: bool,
) -> Record:
    """Record of the report, its progress shown and the shelf brought up to date."""
    from crmlib.runner.shelf import write_shelf

    progress = display.begin(request.publication or request.report.name, *place)
    record = _attempt(root, request, progress.cell, interruption, force=force)
    with records.locked(root, "shelf", wait=60):
        write_shelf(root)
        with contextlib.suppress(ParameterError):  # someone may be editing the plan
            if (keep := kept(root)) is not None:
                pruned(root, keep)
    progress.end(_summary(root, record), good=record["exit_code"] == 0)
    if said := hooks.told(root, record):
        display.say(f"{request.publication or request.report.name}: {said}")
    return record


def exit_code(done: Sequence[Record]) -> int:
    """The worst, which is the highest, exit code; 0 when all are good."""
    return max((record["exit_code"] for record in done), default=0)


def _attempt(root: Path, request: Request, on_cell: OnCell, interruption: Interruption, *, force: bool) -> Record:
    """Record of the report, run if need be; failures become records, never exceptions."""
    report, last_day = request.report, None
    fault: Exception | None = None
    try:
        report, last_day = resolved(root, report, _now().date())
    except (SourceError, DataError, OSError) as error:
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
        return _recorded(root, base, "stale data" if isinstance(fault, StaleDataError) else "no data", str(fault))
    try:
        with records.locked(root, held, wait=0.3):  # a glance at a dead runner's lock takes less
            try:
                made_of = inputs(root, report.notebook, report.parameters)
            except (SourceError, DataError) as error:
                return _recorded(root, base, "no data", str(error))
            last = None if force else last_good(root, request, made_of)
            if last is not None:
                return _up_to_date(root, base, last)
            for attempt in range(1, report.retries + 2):
                record = _run(root, request, made_of, base | {"attempt": attempt}, on_cell, interruption)
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


def _up_to_date(root: Path, base: Record, last: Record) -> Record:
    """Record that nothing had to run; written down only when it clears a failure from the shelf."""
    record = base | {"outcome": "up to date", "exit_code": 0, "message": "", "good_run": last["run"]}
    later = [item for item in records.records(root) if item.get("publication") == base["publication"]]
    if later and later[-1]["outcome"] not in ("good", "up to date"):
        records.append(root, record)
    return record


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


def _run(
    root: Path, request: Request, made_of: Inputs, base: Record, on_cell: OnCell, interruption: Interruption
) -> Record:
    from crmlib.runner.execution import warm_up

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
        kind = "" if isinstance(error, CrmError) else f"{type(error).__name__}: "
        record |= {"outcome": "failed", "message": kind + " ".join(str(error).split())}
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
    records.append(root, record)
    if record["outcome"] == "good" and request.publication is not None:
        records.publish(root, request.publication, folder)
    return record


def _recorded(root: Path, base: Record, outcome: str, message: str) -> Record:
    """Record of an attempt that started no kernel."""
    record = base | {"outcome": outcome, "exit_code": EXIT_CODES[outcome], "message": message}
    records.append(root, record)
    return record


def _summary(root: Path, record: Record) -> str:
    """One line on how it went, with the cell and the place to look."""
    if record["outcome"] == "up to date":
        return f"up to date since {record['good_run'].split('-')[0]} (--force runs it all the same)"
    place = f"{records.FOLDER}/runs/{record['run']}"
    if record["outcome"] == "good":
        published = record["publication"]
        shown = f"{records.FOLDER}/latest/{published}" if published else place
        return f"good in {record['seconds']:.0f} s, {shown}/report.html"
    cell = record.get("cell")
    where = f" at cell {cell['position']} of {cell['of']} ({cell['source']})" if cell else ""
    kept = f", see {place}/notebook.ipynb" if record["run"] else ""
    return f"{record['outcome']}{where}: {record['message']}{kept}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
