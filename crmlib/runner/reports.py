"""Running the plan: one report after another or several at a time, progress shown, the shelf kept up to date."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from crmlib.errors import BusyError, ParameterError
from crmlib.redaction import redacted
from crmlib.runner import records
from crmlib.runner.attempts import attempt
from crmlib.runner.history import pruned
from crmlib.runner.hooks import Hooks
from crmlib.runner.outcomes import summary
from crmlib.runner.parallel import Interruption, results
from crmlib.runner.plan import kept
from crmlib.runner.progress import Lines, Live
from crmlib.runner.records import Record
from crmlib.runner.requests import Request


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

    with contextlib.suppress(BusyError), records.locked(root, "shelf", wait=60):  # else the next run does it
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
    record = redacted(attempt(root, request, progress.cell, interruption, force=force))
    untold = ""
    try:
        with records.locked(root, "shelf", wait=60):
            write_shelf(root)
            with contextlib.suppress(ParameterError):  # someone may be editing the plan
                if (keep := kept(root)) is not None:
                    pruned(root, keep)
    except (BusyError, OSError) as error:  # the report's own end is what counts; its line is written already
        untold = f"index.html is not brought up to date: {error}"
    progress.end(summary(record), good=record["exit_code"] == 0)
    if untold:
        display.say(f"{request.publication or request.report.name}: {untold}")
    if said := hooks.told(root, record):
        display.say(f"{request.publication or request.report.name}: {said}")
    return record
