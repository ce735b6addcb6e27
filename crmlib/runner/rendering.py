"""A page of an executed notebook: one self-contained HTML file, findings first, code folded.

The same notebook, findings and provenance give the same bytes: no time, no run id and no random
id gets in. What cells show passes `crmlib.runner.outputs`.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crmlib.findings import MIME, Findings
from crmlib.redaction import redacted
from crmlib.runner.keyfigures import key_figures
from crmlib.runner.outputs import shown
from crmlib.runner.plan import Report
from crmlib.runner.preparation import tags
from crmlib.runner.prose import Writer, code
from crmlib.runner.quantities import MINUS
from crmlib.runner.tables import PublishedTables

TEMPLATES = Path(__file__).parent / "template"
TEMPLATE = "crmlib_report"

_TITLE = re.compile(r"\A\s*#[ \t]+(?P<title>[^\n]+?)[ \t#]*(\n|\Z)")
_LONE_HEADING = re.compile(r'\s*<h(?P<level>[2-6]) id="(?P<anchor>[^"]*)">(?P<text>.*)</h\d>\s*', re.DOTALL)
#: "The next cell holds all that can be changed": said of the parameters' cell, which a page shows as a list.
_POINTER = re.compile(
    r"(\A|\n[ \t]*\n)[ \t]*[*_]?(?:The next cell|All that can be changed)\b(?:(?!\n[ \t]*\n).)*\s*\Z", re.DOTALL
)
_OPENING = re.compile(r"\s*<h(?P<level>[1-6])\b")


@dataclass
class Block:
    """A piece of the page's body: prose, or folded code with what it showed."""

    prose: str = ""
    code: str = ""
    outputs: list[str] = field(default_factory=list)
    label: str = "Code"


def page(
    notebook: Any,
    *,
    report: Report,
    findings: Findings,
    provenance: Mapping[str, Any],
    tables: PublishedTables | None = None,
) -> str:
    """HTML page of an executed notebook.

    Parameters
    ----------
    notebook : notebook node
        As executed by the runner.
    report : Report
        Its title, parameters and their meaning.
    findings : Findings
        The conclusions, the answer first.
    provenance : mapping
        The run's record; of it `commit`, `lock`, `library`, `library_version`, `data`, `seed` are shown.
    tables : PublishedTables, optional
        Withholds small groups, those of a survey made before among them, and remembers the tables that the page shows.

    Raises
    ------
    DataError
        A formula cannot be drawn.
    """
    from markupsafe import Markup

    writer = Writer()
    tables = tables or PublishedTables()
    report = replace(report, parameters=redacted(report.parameters))
    title, blocks = _body(notebook, writer, tables)
    safe = [  # sanitised by `Writer`, `shown` or our own markup
        {
            "prose": Markup(item.prose),  # noqa: S704
            "code": Markup(item.code),  # noqa: S704
            "label": item.label,
            "outputs": [Markup(html) for html in item.outputs],  # noqa: S704
        }
        for item in blocks
    ]
    kept = {heading.anchor for heading in writer.headings if any(f'id="{heading.anchor}"' in b.prose for b in blocks)}
    view = {
        "title": Markup(writer.inline(title or report.title or report.name)),  # noqa: S704
        "plain_title": page_title(notebook) or report.title or report.name,
        "report": report,
        "parameters": [
            (name, _for_people(value), report.declared[name].help.replace("`", ""))
            for name, value in report.parameters.items()
        ],
        "answer": findings[0],
        "others": findings[1:],
        "tiles": key_figures(findings),
        "contents": [item for item in writer.headings if item.level == 2 and item.anchor in kept],
        "blocks": safe,
        "provenance": provenance,
        "tables": len(tables.tables),
        "withheld": tables.withheld.count,
        "fewest": tables.fewest,
        "data": {name: value or "not hashed" for name, value in provenance.get("data", {}).items()},
    }
    html, _ = _exporter().from_notebook_node(notebook, resources={"view": view})
    return html.rstrip() + "\n"


def shown_tables(notebook: Any) -> Iterator[str]:
    """HTML outputs of the notebook's cells, and Markdown ones with a table as HTML."""
    for cell in notebook.cells:
        for item in cell.get("outputs", []) if cell.cell_type == "code" else []:
            data = item.get("data", {})
            if "text/html" in data:
                yield data["text/html"]
            elif "|" in data.get("text/markdown", "") and MIME not in data:
                yield Writer().html(data["text/markdown"])


def _for_people(value: object) -> str:
    if value == "":
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)


def page_title(notebook: Any) -> str:
    """Words of a notebook's first heading; empty when it has none."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found = _TITLE.match(cell.source)
            writer = Writer()
            return writer.plain(writer.inline(found["title"])) if found else ""
    return ""


def unbroken(sentence: str) -> str:
    """The sentence with no line break between a number and its percent sign or currency, and minus signs."""
    signed = re.sub(r"(?<![\w.,)\]])-(?=(?:[A-Z]{3} )?\d)", MINUS, sentence)
    return re.sub(rf"(?<=\d) (?=%)|(?<=\b[A-Z]{{3}}) (?=[-{MINUS}]?\d)", "\N{NO-BREAK SPACE}", signed)


def _body(notebook: Any, writer: Writer, tables: PublishedTables) -> tuple[str, list[Block]]:
    """Title (Markdown) and the blocks below it."""
    title, blocks = "", []
    waiting: list[str] = []  # code that showed nothing joins the code that follows it

    def flush() -> None:
        if waiting:
            blocks.append(Block(code=code("\n\n".join(waiting))))
            waiting.clear()

    first, number = True, itertools.count(1)
    for cell, after in itertools.zip_longest(notebook.cells, notebook.cells[1:]):
        if cell.cell_type == "markdown":
            source = cell.source
            if after is not None and "parameters" in tags(after):
                source = _POINTER.sub("", source)
            if first and (found := _TITLE.match(source)):
                title, source = found["title"], source[found.end() :]
            first = False
            flush()
            if source.strip():
                blocks.append(Block(prose=writer.html(source, cell.get("attachments"))))
                tables.section = writer.headings[-1].text if writer.headings else ""
        elif cell.cell_type == "code" and cell.source.strip():
            if "findings" in tags(cell):
                flush()
                blocks.append(
                    Block(prose='<p class="pointer"><a href="#answer">The findings stand at the top.</a></p>')
                )
            elif not {"parameters", "injected-parameters"} & set(tags(cell)):
                waiting.append(cell.source.strip())
                outputs = [html for item in cell.outputs if (html := shown(item, writer, next(number), tables))]
                if outputs:
                    blocks.append(Block(code=code("\n\n".join(waiting)), outputs=outputs))
                    waiting.clear()
    flush()
    return title, _without_empty_sections(blocks)


def _without_empty_sections(blocks: list[Block]) -> list[Block]:
    """Drop headings with nothing below them; where only silent code is below, the heading labels its fold."""
    kept: list[Block] = []
    for block in reversed(blocks):
        alone = _LONE_HEADING.fullmatch(block.prose)
        if alone and alone[0].count("<h") == 1:
            below = kept[-1] if kept else None
            if below is None or _begins(below, alone["level"]):
                continue
            silent = bool(below.code) and not below.outputs and below.label == "Code"
            if silent and (len(kept) == 1 or _begins(kept[-2], alone["level"])):
                below.label = re.sub(r"<[^>]*>", "", alone["text"]).strip() or "Code"
                continue
        kept.append(block)
    return kept[::-1]


def _begins(block: Block, level: str) -> bool:
    """Whether the block opens with a heading of this level or above."""
    opening = _OPENING.match(block.prose)
    return opening is not None and opening["level"] <= level


@functools.cache
def _exporter() -> Any:
    from nbconvert.exporters.templateexporter import TemplateExporter

    class PageExporter(TemplateExporter):
        """Our template, and none of nbconvert's HTML: its own pages run scripts from data."""

        output_mimetype = "text/html"

        def _file_extension_default(self) -> str:
            return ".html"

    return PageExporter(
        template_name=TEMPLATE, extra_template_basedirs=[str(TEMPLATES)], filters={"unbroken": unbroken}
    )
