"""Which columns and rows of a table count customers, and which groups head them."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Any

from crmlib.runner.grids import Grid, words

PEOPLE = {"customers", "members", "households", "buyers", "people", "persons", "users", "clients", "subscribers"}
PEOPLE |= {"shoppers", "donors", "visitors", "patients", "guests"}
_RATIO = re.compile(r"\b(per|share|shares|rate|mean|median|average|percent|ratio|id|ids)\b|[%/]")
_COUNTED = re.compile(
    r"n|counts?|size|(group|segment|sample) size|(customer|member|household|user|client|subscriber) counts?"
)
# "4", "4.0", "~4", "<5", "4 customers", "4 (2–6)": a count, whatever is said of it; "4.25" is none
_COUNT = re.compile(
    r"[~≈<≤]?\s*(\d{1,3}(?:[,' \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]\d{3})+|\d+)(?:\.0+)?(?![\d.,]*\d| ?%)"
)
_FIGURE = re.compile(r"\d")
# "4 customers", "3 of 500 new members"; neither "1 in 5 customers" nor "fewer than 5 customers"
_TOLD = re.compile(
    r"(?<![\d.,])(?<!\bin )(?<!\bper )(?<!\bevery )(?<!\bthan )(?<!\bleast )(?<!\bof )"
    rf"(\d+)(?: of [\d,]+)?(?: \w+)? (?:{'|'.join(sorted(PEOPLE))})\b"
)

#: What heads a row: the name of its column, such as "channel", and the word in it.
Group = tuple[str, str]


def is_known(group: Group | None, known: Set[Group]) -> bool:
    """Whether another table withholds it; a table without a name for its groups may mean the same."""
    if group is None or not known:
        return False
    name, head = group
    return group in known or ("", head) in known or (not name and any(head == other for _, other in known))


def counting_columns(cells: Grid) -> list[int]:
    """Columns that count customers."""
    return [place for place, name in enumerate(plain_names(cells)) if counts_people(name)]


def body_columns(cells: Grid) -> list[list[Any]]:
    """The cells by column."""
    return [[row[place] if place < len(row) else None for row in cells.body] for place in range(len(cells.names))]


def column_groups(cells: Grid) -> list[Group | None]:
    """The head of each column that holds numbers, taken for a group."""
    numeric = [
        any(_FIGURE.search(words(cell)) for cell in column if cell and cell.name == "td")
        for column in body_columns(cells)
    ]
    return [("", name) if is_numeric and name else None for name, is_numeric in zip(cells.names, numeric, strict=True)]


def counting_rows(cells: Grid) -> list[int]:
    """Rows that count customers, where the groups stand as columns."""
    heads = [group[1] if group else "" for group in row_groups(cells)]
    return [line for line, head in enumerate(heads) if counts_people(re.sub("[_\\s]+", " ", head.lower()))]


def plain_names(cells: Grid) -> list[str]:
    """Names of the columns in plain words; the first row's where the table has no head."""
    names = cells.names if cells.head or not cells.body else list(map(words, cells.body[0]))
    return [re.sub("[_\\s]+", " ", name.lower()) for name in names]


def row_groups(cells: Grid) -> list[Group | None]:
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


def counts_people(name: str) -> bool:
    """Whether a column or row of this name counts customers."""
    people = _COUNTED.fullmatch(name) or PEOPLE & set(re.findall("[a-z]+", name))
    return bool(people) and not _RATIO.search(name)


def people_in(cell: Any) -> int | None:
    """The number that a cell begins with, where it is whole."""
    found = _COUNT.match(words(cell))
    return int(re.sub(r"\D", "", found[1])) if found else None


def smallest(counts: list[int | None]) -> int | None:
    """Smallest number of customers that a row describes; 0 only where every count is."""
    known = [count for count in counts if count is not None]
    return min((count for count in known if count), default=0) if known else None


def tells_few(text: str, fewest: int) -> bool:
    """Whether a text counts fewer customers."""
    return any(0 < int(number) < fewest for number in _TOLD.findall(text))
