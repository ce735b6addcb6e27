"""The tables of a page: small groups withheld, then kept as CSV and as one workbook.

A cell that a spreadsheet would take for a formula is set in front of an apostrophe; numbers stay.
The same tables give the same bytes.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from crmlib.runner.counts import Group
from crmlib.runner.grids import Grid, Number, grid, words
from crmlib.runner.sanitising import clean_table
from crmlib.runner.suppression import Withheld, suppressed, withheld_groups

_FORMULA = tuple("=+-@\t\r\n|%＝＋－＠−")
_NUMBER = re.compile(r"[-+−]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?([eE][-+]?\d+)?( ?%)?")
_PLAIN = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d+)?([eE][-+]?\d{1,3})?")
_UNWRITTEN = re.compile("[\ud800-\udfff\ufffe\uffff]")  # no character of XML, which openpyxl writes all the same
_MISSING = re.compile(r"(<td[^<>]*>)Na[NT](</td>)")  # a dash on the page; the files keep pandas' word
_PAINTED = re.compile(r"#T_\w*_row\d+_col\d+[^{}]*\{[^{}]*\}")  # as pandas' Styler writes them
_WIDE, _WIDER = 10, 18  # columns
_LONG, _LONGER = 115, 155  # letters of a line: what 17.8 cm of paper hold of 8 and of 6 pt, with room between columns
_WIDEST = 48  # letters of a workbook's column
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Published(NamedTuple):
    """A table as it is published: its caption, its heads and rows, the section it stands in."""

    caption: str
    rows: list[list[str]]
    section: str = ""


@dataclass
class PublishedTables:
    """Tables in the order of the page.

    Parameters
    ----------
    fewest : int
        Customers that a described group has at least; 1 withholds nothing.
    section : str
        Heading above what comes next; whoever walks the page keeps it.
    """

    fewest: int = 1
    section: str = ""
    tables: list[Published] = field(default_factory=list)
    withheld: Withheld = field(default_factory=Withheld)
    known: set[Group] = field(default_factory=set)

    def survey(self, outputs: Iterable[str]) -> None:
        """Note which groups the page's tables withhold, so that each of them withholds all."""
        if self.fewest > 1:
            for html in outputs:
                for table in _outermost(html):
                    self.known |= withheld_groups(table, self.fewest)

    def html(self, html: str, number: int) -> str:
        """A shown HTML output with small groups withheld and cleaned; its tables are remembered."""
        total, protected = self._protected(html)
        cleaned = clean_table(protected, number)
        if not cleaned:
            return ""
        self.withheld += total
        widest = longest = 0
        links = []
        for table in _outermost(cleaned):
            cells = grid(table)
            self.tables.append(Published(cells.caption, cells.values, self.section))
            links.append(f'<a href="tables/{len(self.tables):02}.csv">Table {len(self.tables)} as CSV</a>')
            widest, longest = max(widest, len(cells.names)), max(longest, _letters(cells))
        if not links:
            return cleaned
        cleaned = _MISSING.sub(r"\1–\2", _on_paper(cleaned, widest, longest))
        said = total.sentence(self.fewest)
        stated = f'<p class="withheld">{escape(said)}</p>' if said else ""
        return f'{cleaned}{stated}<p class="file">{" · ".join(links)}</p>'

    def _protected(self, html: str) -> tuple[Withheld, str]:
        """What was withheld, and the markup without it; nothing is read where nothing is to be withheld."""
        total = Withheld()
        found = _outermost(html) if self.fewest > 1 else []
        if not found:
            return total, html
        tree = found[0].find_parents()[-1]
        for table in tree.find_all("table")[::-1]:  # what stands inside another first
            total += suppressed(table, self.fewest, self.known)
        if not total.count:
            return total, html
        _unpaint(tree)
        return total, str(tree)

    def write(self, folder: Path) -> None:
        """Write `tables/NN.csv` and `tables.xlsx`, where there is any table."""
        if not self.tables:
            return
        (folder / "tables").mkdir(exist_ok=True)
        for number, table in enumerate(self.tables, 1):
            (folder / "tables" / f"{number:02}.csv").write_text(csv_text(table.rows), encoding="utf-8", newline="")
        (folder / "tables.xlsx").write_bytes(workbook(self.tables))


def _unpaint(tree: Any) -> None:
    """Drop a style sheet's rules for single cells, and titles: bars and colours tell a number that was withheld."""
    for sheet in tree.find_all("style"):
        sheet.string = _PAINTED.sub("", sheet.get_text())
    for element in tree.find_all(title=True):
        del element["title"]


def _outermost(html: str) -> list[Any]:
    """Tables of the markup that stand in no other."""
    import bs4

    tables = bs4.BeautifulSoup(html, "html.parser").find_all("table")
    return [table for table in tables if table.find_parent("table") is None]


def _letters(cells: Grid) -> int:
    """Letters of the table's line: of each column its longest text and one to part it from the next."""
    lines = [[words(cell) for cell in row] for row in [*cells.head[-1:], *cells.body]]
    return sum(max(map(len, column)) + 1 for column in itertools.zip_longest(*lines, fillvalue=""))


def _on_paper(cleaned: str, columns: int, letters: int) -> str:
    """The output, marked as wide where print needs smaller type."""
    size = " wide" if columns > _WIDE or letters > _LONG else ""
    size = " wider" if columns > _WIDER or letters > _LONGER else size
    return cleaned.replace('class="scroll', f'class="scroll{size}', 1)


def neutral(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula."""
    bare = text.lstrip(" \N{NO-BREAK SPACE}\ufeff")
    return f"'{text}" if bare.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def csv_text(rows: list[list[str]]) -> str:
    """CSV (RFC 4180, UTF-8 with the mark that spreadsheets look for) of a table."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\r\n").writerows([[neutral(text) for text in row] for row in rows])
    return "\ufeff" + stream.getvalue()


def workbook(tables: list[Published]) -> bytes:
    """Workbook with a list of the tables, then a sheet a table; numbers are numbers, nothing is a formula."""
    import datetime

    from openpyxl import Workbook
    from openpyxl.worksheet.hyperlink import Hyperlink

    book = Workbook()
    contents = [["table", "section", "title", "rows"]]
    for number, table in enumerate(tables, 1):
        contents.append([str(number), table.section, table.caption, str(len(table.rows) - 1)])
    _fill(book.active, "contents", contents)
    for number, table in enumerate(tables, 1):
        _fill(book.create_sheet(), f"table {number}", table.rows)
        link = Hyperlink(ref=f"A{number + 1}", location=f"'table {number}'!A1")
        book["contents"].cell(number + 1, 1).hyperlink = link
    book.properties.creator = "crmlib"
    book.properties.created = book.properties.modified = datetime.datetime(*_EPOCH)
    stream = io.BytesIO()
    book.save(stream)
    return _timeless(stream.getvalue())


def _fill(sheet: Any, title: str, rows: list[list[str]]) -> None:
    """Heads in bold that stay in sight, columns as wide as their texts."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    sheet.title, sheet.freeze_panes = title, "A2"
    for line, row in enumerate(rows, 1):
        for place, text in enumerate(row, 1):
            cell = sheet.cell(line, place)
            if _PLAIN.fullmatch(text):
                cell.value = float(text) if re.search("[.eE]", text) else int(text)
                cell.number_format = _number_format(text.shown) if isinstance(text, Number) else "General"
            elif text:
                cell.value = neutral(_UNWRITTEN.sub("", ILLEGAL_CHARACTERS_RE.sub("", text)))[:32_767]
                cell.data_type = "s"
            if line == 1:
                cell.font = Font(bold=True)
    for place, column in enumerate(itertools.zip_longest(*rows, fillvalue=""), 1):
        width = max(len(text.shown if isinstance(text, Number) else text) for text in column)
        sheet.column_dimensions[get_column_letter(place)].width = min(width, _WIDEST) + 2


def _number_format(shown: str) -> str:
    """A spreadsheet's format that shows a number as the page does."""
    decimals = len(shown.rstrip(" %").partition(".")[2])
    places = f".{'0' * decimals}" if decimals else ""
    if shown.endswith("%"):
        return f"0{places}%"
    return f"#,##0{places}" if "," in shown else f"0{places}"


def _timeless(content: bytes) -> bytes:
    """The archive without the time of its making."""
    stream: Any = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            part = source.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>1980-01-01T00:00:00Z", part)
            target.writestr(zipfile.ZipInfo(name, _EPOCH), part, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
