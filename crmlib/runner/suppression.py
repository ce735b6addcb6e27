"""Small groups withheld from published tables, and what else would give them away.

A group of fewer than k customers is not described: in a table with a column that counts customers
the numbers of such a row go, in a table captioned as counts of customers such a cell goes. One
withheld group could be had by subtraction from a total, so the next smallest goes too, until at
least two are withheld that hold k customers together, and in a table of counts no row and no column
has one withheld cell alone. Subtotals are guarded as totals are: within a group of groups too, two go. Groups may
stand as columns as well. A table with a row a customer is withheld whole. A group that one table of a page withholds
is withheld by the others too, though they do not count it, and so is a finding that names it.

Reference: Hundepool, A. et al. (2012), Statistical Disclosure Control, Wiley, ch. 4 (primary and
secondary cell suppression).
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from crmlib.runner.counts import (
    PEOPLE,
    Group,
    body_columns,
    column_groups,
    counting_columns,
    counting_rows,
    is_known,
    people_in,
    plain_names,
    row_groups,
    smallest,
    tells_few,
)
from crmlib.runner.grids import Grid, grid, words

#: Fewest customers of a group that is published, and of one shown to a named recipient.
PUBLISHED, NAMED = 10, 5

# "Customers by cohort and month", but not "Customers who lose money", whose rows may have a count each
_CROSSED = re.compile(rf"((number|count)s? of )?(\w+ )?({'|'.join(sorted(PEOPLE))})( (by|per|in) |$)")
_ONE_PERSON = re.compile(r"\b(customer|member|household|person|user|client|subscriber|donor)[ _](id|number|no|key)\b")
_TOTAL = re.compile(r"(grand )?(all|sum|overall|together|everyone)\b|.*\b(sub)?totals?\b", re.IGNORECASE)
_FIGURE = re.compile(r"\d")
_DECIMALS = re.compile(r"\.\d\d")  # a p-value of 1.000 counts nobody
_MARK = "withheld"


@dataclass(frozen=True)
class Withheld:
    """What was withheld from a table: rows, single cells, how many of them to protect others, and for another table."""

    rows: int = 0
    cells: int = 0
    complementary: int = 0
    elsewhere: int = 0
    persons: int = 0

    def __add__(self, other: Withheld) -> Withheld:
        return Withheld(
            self.rows + other.rows,
            self.cells + other.cells,
            self.complementary + other.complementary,
            self.elsewhere + other.elsewhere,
            self.persons + other.persons,
        )

    @property
    def count(self) -> int:
        """Rows and cells together."""
        return self.rows + self.cells + self.persons

    def sentence(self, fewest: int) -> str:
        """What is stated below the table; empty when nothing was withheld."""
        if self.persons:
            return f"{_number(self.persons, 'row')} about single customers withheld."
        if not self.count:
            return ""
        kind = "row" if self.rows else "cell"
        if self.elsewhere == self.count:
            return f"{_number(self.count, kind)} withheld: groups that another table withholds for being small."
        more = f"; {self.complementary} of them so that the others cannot be worked out" if self.complementary else ""
        return f"{_number(self.count, kind)} withheld: groups of fewer than {fewest} customers{more}."


def withheld_groups(table: Any, fewest: int) -> set[Group]:
    """Groups that the table withholds, where it has one row for each.

    Parameters
    ----------
    table : bs4 element
        Stays as it is.
    fewest : int
        Customers that a described group has at least; 1 withholds nothing.
    """
    import copy

    tried = copy.copy(table)
    if not suppressed(tried, fewest).count:
        return set()
    before, after = grid(table), grid(tried)
    turned = not counting_columns(before) and bool(counting_rows(before))
    groups = column_groups(before) if turned else row_groups(before)
    if len(set(groups)) < len(groups):  # "Jan, month 1" and "Jan, month 2": neither is the group
        return set()
    old, new = (body_columns(cells) if turned else cells.body for cells in (before, after))
    changed = [any(words(a) != words(b) for a, b in zip(*pair, strict=True)) for pair in zip(old, new, strict=True)]
    if not turned and not counting_columns(before):  # single cells of a table of counts
        return set()
    return {group for group, is_changed in zip(groups, changed, strict=True) if group and is_changed}


def suppressed(table: Any, fewest: int, known: Set[Group] = frozenset()) -> Withheld:
    """Withhold small groups from a table, in place.

    Parameters
    ----------
    table : bs4 element
    fewest : int
        Customers that a described group has at least; 1 withholds nothing.
    known : set of Group
        Groups that another table of the page withholds.
    """
    if fewest <= 1:
        return Withheld()
    cells = grid(table)
    if any(_ONE_PERSON.search(name) for name in plain_names(cells)):
        for row in cells.body:
            for cell in row:
                _withhold(cell)
        return Withheld(persons=len(cells.body))
    withheld = _groups_withheld(cells, fewest, known)
    return withheld + _texts_withheld(table, fewest)


def _groups_withheld(cells: Grid, fewest: int, known: Set[Group]) -> Withheld:
    counting, withheld = counting_columns(cells), Withheld()
    also = {place for place, group in enumerate(row_groups(cells)) if is_known(group, known)}
    crossed = _CROSSED.match(cells.caption.lower())
    if counting or also or not crossed:
        withheld += _rows_withheld(cells, counting, fewest, also)
    if crossed:
        return withheld + _cells_withheld(cells, fewest)
    turned = [] if counting else counting_rows(cells)
    columns = {place for place, group in enumerate(column_groups(cells)) if is_known(group, known)}
    return withheld + _columns_withheld(cells, turned, fewest, columns)


def _texts_withheld(table: Any, fewest: int) -> Withheld:
    """Captions, notes, heads and cells that say of how few they speak."""
    few = [cell for cell in table.find_all(["caption", "th", "td"]) if tells_few(words(cell), fewest)]
    few = [cell for cell in few if cell.find("table") is None]
    for cell in few:
        _withhold(cell)
    return Withheld(cells=len(few))


def _rows_withheld(cells: Grid, columns: list[int], fewest: int, known: Set[int]) -> Withheld:
    sizes = [smallest([people_in(row[place]) for place in columns if place < len(row)]) for row in cells.body]
    heads = [group[1] if group else "" for group in row_groups(cells)]
    small, primary = _small(sizes, heads, fewest, known)
    for place in small:
        for cell in cells.body[place]:
            if cell is not None and cell.name == "td" and _FIGURE.search(words(cell)):
                _withhold(cell)
    elsewhere = sum(sizes[place] is None for place in small)
    return Withheld(rows=len(small), complementary=len(small) - primary - elsewhere, elsewhere=elsewhere)


def _columns_withheld(cells: Grid, lines: list[int], fewest: int, known: Set[int]) -> Withheld:
    columns, groups = body_columns(cells), column_groups(cells)
    sizes = [
        smallest([people_in(column[line]) for line in lines]) if group else None
        for column, group in zip(columns, groups, strict=True)
    ]
    if (
        sum(group is not None for group in groups) < 2 and not known
    ):  # "customers, 8" below "orders, 30": each row is its own
        few = [columns[place][line] for place, group in enumerate(groups) if group for line in lines]
        few = [cell for cell in few if 0 < (people_in(cell) or 0) < fewest]
    else:
        small, _ = _small(sizes, [group[1] if group else "" for group in groups], fewest, known)
        few = [cell for place in small for cell in columns[place]]
        few = [cell for cell in few if cell is not None and cell.name == "td" and _FIGURE.search(words(cell))]
    for cell in few:
        _withhold(cell)
    return Withheld(cells=len(few), elsewhere=0 if lines else len(few))


def _small(sizes: list[int | None], heads: list[str], fewest: int, known: Set[int]) -> tuple[set[int], int]:
    """Places of what is withheld, and how many of them for being small themselves."""
    totals = [bool(_TOTAL.match(head)) for head in heads]
    small = {place for place, size in enumerate(sizes) if size is not None and 0 < size < fewest}
    primary = len(small)
    # A subtotal stands for the rows under one head, or for those since the one before.
    often = Counter(heads)
    since = itertools.accumulate(totals)
    blocks = [
        (head, 0) if often[head] > 1 else ("", number - total)
        for head, number, total in zip(heads, since, totals, strict=True)
    ]
    own = set(small)
    small |= known
    for block in [*dict.fromkeys(blocks[place] for place in sorted(own)), None] if primary else []:
        inside = [place for place in range(len(sizes)) if block is None or blocks[place] == block]
        others = sorted(
            (size, place) for place in inside if (size := sizes[place]) and place not in small and not totals[place]
        )
        gone = [place for place in inside if place in small]
        while others and (len(gone) < 2 or sum(sizes[place] or 0 for place in gone) < fewest):
            gone.append(others.pop(0)[1])
        small.update(gone)
    return small, primary


def _cells_withheld(cells: Grid, fewest: int) -> Withheld:
    sizes = {
        (line, place): size
        for line, row in enumerate(cells.body)
        for place, cell in enumerate(row)
        if cell is not None
        and cell.name == "td"
        and not _DECIMALS.search(words(cell))
        and (size := people_in(cell)) is not None
    }
    small = {place for place, size in sizes.items() if 0 < size < fewest}
    primary = len(small)
    again = True
    while again:
        again = False
        for axis in (0, 1):
            for line in {place[axis] for place in small}:
                own = [place for place in small if place[axis] == line]
                others = [place for place in sizes if place[axis] == line and place not in small and sizes[place]]
                if others and (len(own) < 2 or sum(sizes[place] for place in own) < fewest):
                    small.add(min(others, key=lambda place: (sizes[place], place)))
                    again = True
    for line, place in small:
        _withhold(cells.body[line][place])
    return Withheld(cells=len(small), complementary=len(small) - primary)


def _withhold(cell: Any) -> None:
    if cell is not None:
        cell.string = _MARK
        for name in ("title", "style", "abbr"):  # a bar's length, a colour's depth tell it too
            cell.attrs.pop(name, None)
            if cell.parent is not None:
                cell.parent.attrs.pop(name, None)


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"
