"""HTML tables as grids of cells, spans filled in: what suppression and export both read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_MOST = 1000  # columns that a span may claim


@dataclass(frozen=True)
class Grid:
    """A table's cells by place.

    Parameters
    ----------
    head : list of list of cell
        Rows of the head, the lowest last.
    body : list of list of cell
        Rows below; a cell that spans several places stands in each of them, None where there is none.
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


def grid(table: Any) -> Grid:
    """Grid of a table.

    Parameters
    ----------
    table : bs4 element
    """
    rows = [row for row in table.find_all("tr") if row.find_parent("table") is table]
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
    caption = table.find("caption")
    return Grid(placed[:count], placed[count:], words(caption))


def words(cell: Any) -> str:
    """Text of a cell on one line."""
    return "" if cell is None else re.sub(r"\s+", " ", cell.get_text(" ", strip=True))


def _span(cell: Any, name: str) -> int:
    text = str(cell.get(name, "1")).strip()
    return max(1, min(_MOST, int(text))) if text.isdecimal() and len(text) < 6 else 1
