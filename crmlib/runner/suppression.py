"""Small groups withheld from published tables, and what else would give them away.

A group of fewer than k customers is not described: in a table with a column that counts customers
the numbers of such a row go, in a table captioned as counts of customers such a cell goes. One
withheld group could be had by subtraction from a total, so the next smallest goes too, until at
least two are withheld that hold k customers together, and in a table of counts no row and no column
has one withheld cell alone. A table with a row a customer is withheld whole. A group that one table of a page
withholds is withheld by the others too, though they do not count it.

Reference: Hundepool, A. et al. (2012), Statistical Disclosure Control, Wiley, ch. 4 (primary and
secondary cell suppression).
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from crmlib.findings import Finding, Findings
from crmlib.runner.grids import Grid, grid, words

#: Fewest customers of a group that is published, and of one shown to a named recipient.
PUBLISHED, NAMED = 10, 5

_PEOPLE = {"customers", "members", "households", "buyers", "people", "persons", "users", "clients", "subscribers"}
_PEOPLE |= {"shoppers", "donors", "visitors", "patients", "guests"}
# "Customers by cohort and month", but not "Customers who lose money", whose rows may have a count each
_CROSSED = re.compile(rf"((number|count)s? of )?(\w+ )?({'|'.join(sorted(_PEOPLE))})( (by|per|in) |$)")
_RATIO = re.compile(r"\b(per|share|shares|rate|mean|median|average|percent|ratio|id|ids)\b|[%/]")
_ONE_PERSON = re.compile(r"\b(customer|member|household|person|user|client|subscriber|donor)[ _](id|number|no|key)\b")
_COUNT = re.compile(r"\d{1,3}(,\d{3})+|\d+(\.0+)?")
_DECIMALS = re.compile(r"\.\d\d")  # a p-value of 1.000 counts nobody
_TOTAL = re.compile(r"(grand )?(total|all|sum|overall)\b", re.IGNORECASE)
_FIGURE = re.compile(r"\d")
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


#: What heads a row: the name of its column, such as "channel", and the word in it.
Group = tuple[str, str]


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
    if not suppressed(tried, fewest).rows:
        return set()
    before, after = grid(table), grid(tried)
    groups = _groups(before)
    if len(set(groups)) < len(groups):  # "Jan, month 1" and "Jan, month 2": neither is the group
        return set()
    lines = zip(groups, before.body, after.body, strict=True)
    return {group for group, old, new in lines if group and list(map(words, old)) != list(map(words, new))}


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
    names = [re.sub("[_\\s]+", " ", name.lower()) for name in cells.names]
    if any(_ONE_PERSON.search(name) for name in names):
        for row in cells.body:
            for cell in row:
                _withhold(cell)
        return Withheld(persons=len(cells.body))
    if _CROSSED.match(cells.caption.lower()):
        return _cells_withheld(cells, fewest)
    columns = [place for place, name in enumerate(names) if _counts_people(name)]
    also = {place for place, group in enumerate(_groups(cells)) if group in known}
    return _rows_withheld(cells, columns, fewest, also)


def told(findings: Findings, fewest: int) -> Findings:
    """The findings, those that count fewer customers than may be told without their number."""
    return Findings(_told(item, fewest) for item in findings)


def _told(item: Finding, fewest: int) -> Finding:
    counts = isinstance(item.value, (int, float)) and not isinstance(item.value, bool)
    if item.unit not in _PEOPLE or not counts or not 0 < float(item.value or 0) < fewest:
        return item
    return Finding(item.key, None, item.unit, f"A finding on fewer than {fewest} {item.unit} is withheld.")


def _groups(cells: Grid) -> list[Group | None]:
    """What heads each row: the first of its cells that holds words."""
    places = [place for row in cells.body for place, cell in enumerate(row) if _named(cell)]
    first = min(places, default=None)
    if first is None:
        return [None] * len(cells.body)
    name = re.sub("[_\\s]+", " ", cells.names[first].lower())
    heads = [words(row[first]) if first < len(row) else "" for row in cells.body]
    return [(name, head) if head else None for head in heads]


def _named(cell: Any) -> bool:
    return bool(re.search(r"[^\W\d]", words(cell)))


def _rows_withheld(cells: Grid, columns: list[int], fewest: int, known: Set[int]) -> Withheld:
    sizes = [_smallest([_count(row[place]) for place in columns if place < len(row)]) for row in cells.body]
    small = {place for place, size in enumerate(sizes) if size is not None and 0 < size < fewest}
    primary = len(small)
    small |= known
    others = sorted(
        (size, place)
        for place, size in enumerate(sizes)
        if size and place not in small and not _TOTAL.match(words(next(iter(cells.body[place]), None)))
    )
    while primary and others and (len(small) < 2 or sum(sizes[place] or 0 for place in small) < fewest):
        small.add(others.pop(0)[1])
    for place in small:
        for cell in cells.body[place]:
            if cell is not None and cell.name == "td" and _FIGURE.search(words(cell)):
                _withhold(cell)
    elsewhere = sum(sizes[place] is None for place in small)
    return Withheld(rows=len(small), complementary=len(small) - primary - elsewhere, elsewhere=elsewhere)


def _cells_withheld(cells: Grid, fewest: int) -> Withheld:
    sizes = {
        (line, place): size
        for line, row in enumerate(cells.body)
        for place, cell in enumerate(row)
        if cell is not None
        and cell.name == "td"
        and not _DECIMALS.search(words(cell))
        and (size := _count(cell)) is not None
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


def _counts_people(name: str) -> bool:
    return bool(_PEOPLE & set(re.findall("[a-z]+", name))) and not _RATIO.search(name)


def _count(cell: Any) -> int | None:
    text = words(cell)
    return int(float(text.replace(",", ""))) if _COUNT.fullmatch(text) else None


def _smallest(counts: list[int | None]) -> int | None:
    """Smallest number of customers that a row describes; 0 only where every count is."""
    known = [count for count in counts if count is not None]
    return min((count for count in known if count), default=0) if known else None


def _withhold(cell: Any) -> None:
    if cell is not None:
        cell.string = _MARK


def _number(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"
