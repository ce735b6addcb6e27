"""The page of the reports: `reports/published.html`."""

from __future__ import annotations

import datetime
from itertools import groupby
from pathlib import Path

from crmlib.runner import records, shelf
from published.comparison import Number


def written_page(root: Path, numbers: list[Number]) -> Path:
    """Write the page and bring the shelf, which links to it, up to date; the page's path."""
    from jinja2 import Environment, FileSystemLoader

    from crmlib.runner.rendering import TEMPLATE, TEMPLATES

    folders = [Path(__file__).parent, TEMPLATES / TEMPLATE]
    template = Environment(loader=FileSystemLoader(folders), autoescape=True).get_template("page.html.j2")
    groups = [list(group) for _, group in groupby(numbers, key=lambda number: number.key)]
    html = template.render(
        groups=groups,
        missed=[number for number in numbers if not number.passed],
        total=len(numbers),
        written=shelf.utc(datetime.datetime.now(datetime.UTC).isoformat()),
    )
    path = root / records.FOLDER / shelf.PUBLISHED
    path.parent.mkdir(parents=True, exist_ok=True)
    with records.locked(root, "shelf", wait=60):
        records.write_atomic(path, html.rstrip() + "\n")
        shelf.write_shelf(root)
    return path
