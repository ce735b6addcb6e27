"""`crm report`: run, list, compare and clear away reports."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from crmlib.errors import ParameterError

if TYPE_CHECKING:
    from crmlib.runner.hooks import Hooks
    from crmlib.runner.requests import Request

_SECONDS = click.IntRange(1, 7 * 24 * 3600)


@click.group()
def report() -> None:
    """Run the reports of reports.yml."""


@report.command("run")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--force", is_flag=True, help="Run reports that are up to date too.")
@click.option("-p", "given", metavar="KEY=VALUE", multiple=True, help="Another value for a parameter; repeatable.")
@click.option("--as", "as_name", metavar="NAME", help="Publish a run with -p under this name.")
@click.option("--cell-timeout", type=_SECONDS, metavar="SECONDS", help="Longest time for a cell.")
@click.option("--run-timeout", type=_SECONDS, metavar="SECONDS", help="Longest time for a report.")
@click.option("--as-of", metavar="DATE", help="Day that every report shall look at, YYYY-MM-DD.")
@click.option("--retries", type=click.IntRange(0, 10), metavar="N", help="Runs after a dead kernel or a timeout.")
@click.option("--on-failure", default="", metavar="CMD", help="Start this after each failure, with the run's folder.")
@click.option("--on-success", default="", metavar="CMD", help="Start this after each good run, with its folder.")
@click.option("--pdf", is_flag=True, help="Make each page as PDF too (extra [pdf]).")
@click.option("--dry-run", is_flag=True, help="Say what would be run and why; start and write nothing.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Reports at a time. Default: one a core.")
@click.option("--cold", is_flag=True, help="Start each kernel from nothing instead of forking it.")
def report_run(
    names: tuple[str, ...],
    force: bool,
    given: tuple[str, ...],
    as_name: str | None,
    cell_timeout: int | None,
    run_timeout: int | None,
    as_of: str | None,
    retries: int | None,
    on_failure: str,
    on_success: str,
    pdf: bool,
    dry_run: bool,
    jobs: int | None,
    cold: bool,
) -> None:
    """Run reports of reports.yml and publish those that succeed; all, when no NAME is given.

    A report whose notebook, parameters, library, lock and data are as in its last good run is
    skipped, so an interrupted plan goes on where it stopped. One that fails keeps its last good page
    and does not stop the others.

    \b
    Exit code, of several reports the highest (4 only where nothing else is wrong):
      0  all good or up to date     4  already running
      1  a report failed            5  a timeout
      2  parameters or plan         6  the kernel died
      3  data missing             130  stopped
    """  # noqa: D301
    import signal

    from crmlib.project import MARK, project_root
    from crmlib.runner.hooks import Hooks
    from crmlib.runner.requests import requests

    if cold:
        os.environ["CRM_COLD_KERNELS"] = "1"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop ends as Ctrl-C does
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # so does a terminal that closes, unless nohup says no
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    root = project_root()
    hooks = Hooks(on_failure, on_success)
    try:
        wanted = requests(
            root,
            names,
            given=_parameters(given),
            as_name=as_name,
            as_of=as_of,
            cell_timeout=cell_timeout,
            run_timeout=run_timeout,
            retries=retries,
            pdf=pdf,
        )
    except ParameterError as error:
        if not dry_run:
            _tell_refusal(root, hooks, names, error)
        raise
    if not wanted:
        click.echo(f"{root / MARK} lists no reports; add one to run it")
    if dry_run:
        _show_previews(root, wanted, force=force)
    sys.exit(_run(root, wanted, hooks, force=force, jobs=jobs))


def _run(root: Path, wanted: Sequence[Request], hooks: Hooks, *, force: bool, jobs: int | None) -> int:
    """Exit code of the run, its progress shown."""
    from crmlib.runner.outcomes import exit_code
    from crmlib.runner.parallel import cores
    from crmlib.runner.progress import shown
    from crmlib.runner.reports import run_reports

    with shown() as display:
        try:
            return exit_code(run_reports(root, wanted, display, force=force, jobs=jobs or cores(), hooks=hooks))
        except KeyboardInterrupt:  # between two runs
            return 130


def _show_previews(root: Path, wanted: Sequence[Request], *, force: bool) -> NoReturn:
    from crmlib.runner.preview import previews

    found = previews(root, wanted, force=force)
    for item in found:
        click.echo(f"{item.name}: {item.state}, {item.reason}")
    sys.exit(max((item.exit_code for item in found), default=0))


def _tell_refusal(root: Path, hooks: Hooks, names: tuple[str, ...], error: ParameterError) -> None:
    """A plan or parameter that is refused makes no record, but someone may wait for the news."""
    refused = {"run": None, "report": " ".join(names), "outcome": "refused", "exit_code": error.exit_code}
    if said := hooks.told(root, {**refused, "message": str(error)}):
        click.echo(said, err=True)


@report.command("list")
def report_list() -> None:
    """List the plan's reports: state, last good run, notebook, headline."""
    import datetime

    from crmlib.project import project_root
    from crmlib.runner.plan import plan
    from crmlib.runner.shelf import entries, utc

    root = project_root()
    notebooks = {item.name: item.notebook.relative_to(root).as_posix() for item in plan(root)}
    for entry in entries(root, datetime.datetime.now(datetime.UTC)):
        good = f"last good {utc(entry.good['ended_at'])}, {entry.age} ago" if entry.good else "no good run yet"
        click.echo(f"{entry.name}: {entry.label}; {good}; {notebooks.get(entry.name, 'variant')}")
        if entry.good:
            click.echo(f"  {entry.good['findings'][0]['sentence']}")
        if entry.failure:
            click.echo(f"  last run {entry.failure['outcome']}: {entry.failure['message']}")


def _parameters(given: tuple[str, ...]) -> dict[str, str]:
    """Values of `-p name=text`, each name once."""
    values: dict[str, str] = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals or not name or name in values:
            raise ParameterError(f"-p {item[:80]!r} must be name=value, each name once")
        values[name] = text
    return values


@report.command("history")
@click.argument("name", required=False)
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="Runs to show.")
def report_history(name: str | None, last: int) -> None:
    """List the runs, oldest first: when, how they ended, what moved since the good run before.

    NAME is a report of the plan or a variant; without it all runs are listed.
    """
    from crmlib.project import project_root
    from crmlib.runner import history
    from crmlib.runner.shelf import utc

    root = project_root()
    known = history.runs(root, name)
    for record in known[-last:]:
        took = f" in {record['seconds']:.0f} s" if "seconds" in record else ""
        run = record.get("run") or "no run"
        click.echo(f"{utc(record['started_at'])}  {history.place(record)}: {record['outcome']}{took}  {run}")
        if record.get("message"):
            click.echo(f"  {record['message']}")
        earlier = history.before(known, record) if record["outcome"] == "good" else None
        for line in history.moved(root, earlier, record) if earlier else []:
            click.echo(f"  {line}")
    if len(known) > last:
        click.echo(f"{len(known) - last} earlier runs are not shown; --last N shows more")


@report.command("diff")
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
def report_diff(first: str, second: str) -> None:
    """Show the findings of two runs beside each other; `*` marks what moved beyond its error.

    RUN is an id that `crm report history` lists, or the beginning of one. The errors account for
    data that both runs saw; over all findings at most 5 % of the marks are expected to be false.
    """
    from crmlib.project import project_root
    from crmlib.runner import history
    from crmlib.runner.comparisons import differing

    root = project_root()
    one, other = history.run(root, first), history.run(root, second)
    found = history.differences(root, one, other)
    if history.place(one) != history.place(other):
        click.echo(f"note: the runs are of {history.place(one)} and of {history.place(other)}")
    if one.get("data") != other.get("data") and (others := differing(one, other)):
        click.echo(f"note: not only the data differ, but {' and '.join(others)} too")
    for move in found:
        click.echo(f"{'*' if move.moved else ' '} {move.line}")
    click.echo(f"{sum(move.moved for move in found)} of {len(found)} findings moved beyond their error")


@report.command("prune")
@click.option("--keep", type=click.IntRange(1), metavar="N", required=True, help="Runs to keep of each report.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
def report_prune(keep: int, dry_run: bool) -> None:
    """Delete the folders of old runs; what was published last and the last good runs always stay.

    The line of each run in runs.jsonl stays, so history and diff still know it. `keep: N` in
    reports.yml does the same after each run of the plan.
    """
    from crmlib.project import project_root
    from crmlib.runner import history, records

    root = project_root()
    with records.locked(root, "shelf", wait=60):
        gone = history.pruned(root, keep, dry=dry_run)
    for name in gone:
        click.echo(f"{'would delete' if dry_run else 'deleted'} {name}")
    click.echo(f"{len(gone)} run folders {'would be ' if dry_run else ''}deleted")
