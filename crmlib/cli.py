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


def main() -> None:
    """Entry point: errors raised on purpose become one line on stderr and their exit code."""
    try:
        cli.main(standalone_mode=True)
    except CrmError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
