"""`crm`: data, reports and notebooks from the command line.

Imports beyond click wait until a command needs them: `crm --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

import crmlib
from crmlib.errors import CrmError


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


@cli.group()
def report() -> None:
    """Run the reports of reports.yml."""


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
    import time

    from crmlib.runner import notebooks

    paths = notebooks.notebook_paths(names)
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


def main() -> None:
    """Entry point: errors raised on purpose become one line on stderr and their exit code."""
    try:
        cli.main(standalone_mode=True)
    except CrmError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
