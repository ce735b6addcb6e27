"""HTML tables as grids of cells, spans filled in: what suppression and export both read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_MOST = 1000  # columns that a span may claim
_SHOWN = re.compile(r"([-−]?)(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?( ?%)?")
_MISSING = ("–", "—")


class Number(str):
    """A cell's number as a program reads it, "0.123"; `shown` is the page's "12.3 %"."""

    __slots__ = ("shown",)

    shown: str


@dataclass(frozen=True)
class Grid:
    """A table's cells by place.

    Parameters
    ----------
    head : list of list of cell
        Rows of the head, the lowest last.
    body : list of list of cell
        Rows below, without notes; a cell that spans several places stands in each of them, None where there is
        none.
    caption : str
    """

    head: list[list[Any]]
    body: list[list[Any]]
    caption: str

    @property
    def names(self) -> list[str]:
        """Name of each column: the words of all its heads."""
        width = max((len(row) for row in [*self.head, *self.body]), default=0)
        columns = [[row[place] for row in self.head if place < len(row)] for place in range(width)]
        return [" ".join(dict.fromkeys(filter(None, map(words, cells)))) for cells in columns]

    @property
    def texts(self) -> list[list[str]]:
        """The words of every cell, heads first."""
        return [[words(cell) for cell in row] for row in [*self.head, *self.body]]

    @property
    def values(self) -> list[list[str]]:
        """Heads, one a column, then the rows as a program reads them: plain numbers, shares for percentages."""
        return [self.names, *([_value(cell) for cell in row] for row in self.body)]


def grid(table: Any) -> Grid:
    """Grid of a table.

    Parameters
    ----------
    table : bs4 element
    """
    every = [row for row in table.find_all("tr") if row.find_parent("table") is table]
    # great-tables' own form of a caption, and its lines below the table
    titles = [row for row in every if row.find(class_="gt_heading")]
    notes = [row for row in every if {"gt_sourcenotes", "gt_footnotes"} & set(row.get("class") or [])]
    rows = [row for row in every if not any(row is other for other in [*titles, *notes])]
    placed: list[list[Any]] = []
    down: dict[int, tuple[int, Any]] = {}  # column -> rows still spanned, cell
    for row in rows:
        line: list[Any] = []
        above, down = down, {}
        waiting = row.find_all(["td", "th"], recursive=False)[::-1]
        while waiting or len(line) in above:
            if len(line) in above:
                more, cell = above[len(line)]
                wide = 1
            else:
                cell = waiting.pop()
                more, wide = _span(cell, "rowspan"), _span(cell, "colspan")
            for _ in range(wide):
                if more > 1:
                    down[len(line)] = (more - 1, cell)
                line.append(cell)
        placed.append(line)
    heads = [row.find_parent("thead") is not None or row.find("td") is None for row in rows]
    count = next((place for place, is_head in enumerate(heads) if not is_head), len(rows))
    captions = [words(title) for title in [table.find("caption"), *titles]]
    return Grid(placed[:count], placed[count:], " ".join(filter(None, captions)))


def words(cell: Any) -> str:
    """Text of a cell on one line."""
    return "" if cell is None else re.sub(r"\s+", " ", cell.get_text(" ", strip=True))


def _value(cell: Any) -> str:
    text = words(cell)
    if cell is None or cell.name != "td":
        return text
    number = _SHOWN.fullmatch(text)
    if number is None:
        return "" if text in _MISSING else text
    minus, digits, decimals, percent = number.groups("")
    plain = digits.replace(",", "") + decimals
    if len(digits) > 1 and plain.startswith("0"):  # "007" names
        return text
    if percent:
        plain = f"{Decimal(plain).scaleb(-2):f}"
    value = Number(f"{'-' if minus else ''}{plain}")
    value.shown = text
    return value


def _span(cell: Any, name: str) -> int:
    text = str(cell.get(name, "1")).strip()
    return max(1, min(_MOST, int(text))) if text.isdecimal() and len(text) < 6 else 1
