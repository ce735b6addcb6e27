"""Faults of tables that break their contracts, and the error that names them all at once."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crmlib.errors import DataError

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: where, which, how often, and at which rows or keys (five at most)."""

    table: str
    column: str
    rule: str
    remedy: str
    count: int | None = None
    positions: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        joint = ": " if "." in self.table else "."  # a file's name has a dot of its own
        where = f"{self.table}{joint}{self.column}" if self.column else self.table
        text = f"{where} {self.rule}"
        if self.count is not None:
            text += f" in {self.count:,} row{'' if self.count == 1 else 's'}"
        if self.positions:
            text += f" (positions from 0: {_listed(self.positions, self.count)})"
        elif self.keys:
            text += f" ({_listed(self.keys, self.count)})"
        return f"{text}: {self.remedy}"


@dataclass(frozen=True, slots=True)
class Report:
    """Rows by table, the last day on which anything happened, and all faults."""

    rows: Mapping[str, int]
    last_day: datetime.date | None
    faults: tuple[Fault, ...]


class ContractError(DataError):
    """Tables break their contracts; `faults` holds every broken rule."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"source {source!r} has {count}: {'; '.join(map(str, faults))}")


def _listed(values: Sequence[object], count: int | None) -> str:
    more = ", …" if count is not None and count > len(values) else ""
    return ", ".join(map(str, values)) + more
