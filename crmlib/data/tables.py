"""What `load` returns: the tables of a source and what is known about them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date

#: Shown where a source does not name its currency.
NO_CURRENCY = "currency units"


class MissingTableError(DataError, KeyError):
    """A source lacks the table that was asked for."""


@dataclass(frozen=True, eq=False, repr=False)
class Tables(Mapping[str, Any]):
    """Tables of one source: a frozen mapping from table name to native frame.

    Attributes
    ----------
    source : str
        Name or folder, as it was given.
    engine : str
        Kind of the frames: pandas, polars or duckdb.
    currency : str
        ISO code of all money columns; "currency units" where the source does not say.
    as_of : datetime.date or None
        Last day of the data, never today; None where no table holds a date.
    fingerprint : str
        Changes exactly when the data do.
    rows : mapping of str to int
        Row count of each table.
    truth : object or None
        What generated the data, for simulated sources.
    notes : tuple of str
        What a reader should know, such as files in the folder that were not read.
    """

    frames: Mapping[str, Any]
    source: str
    engine: str
    currency: str
    as_of: datetime.date | None
    fingerprint: str
    rows: Mapping[str, int]
    truth: Any = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", MappingProxyType(dict(self.frames)))
        object.__setattr__(self, "rows", MappingProxyType(dict(self.rows)))

    @property
    def simulated(self) -> bool:
        """Whether the data were generated rather than observed."""
        return self.truth is not None

    def last_day(self, as_of: str | datetime.date | None = "") -> datetime.date:
        """Last day to look at: `as_of`, or the data's last day where it is not set.

        Raises
        ------
        ParameterError
            `as_of` is no date, or later than the data's last day: days without data would count as
            days without orders.
        DataError
            The source holds no date at all.
        """
        if self.as_of is None:
            raise DataError(f"source {self.source!r} holds no date; take one with dated tables")
        day = as_date(as_of, name="as_of")
        if day is not None and day > self.as_of:
            raise ParameterError(
                f"as_of {day} is after the last day of {self.source!r}, {self.as_of}; take that day or an earlier one, "
                "or if the data are complete until then, state `as_of` in the folder's source.yml"
            )
        return day or self.as_of

    def __getitem__(self, table: str) -> Any:
        try:
            return self.frames[table]
        except KeyError:
            raise self._missing(table) from None

    def _missing(self, table: str) -> MissingTableError:
        from crmlib.data.catalogue import SOURCES
        from crmlib.data.contracts import CONTRACTS

        holders = [name for name, source in SOURCES.items() if table in source.tables]
        if holders:
            remedy = f"sources that have it: {', '.join(holders)}"
        elif table == "referrals":
            remedy = "data.simulate(rng, reproduction=0.4) makes a firm with it; or add it to a folder of yours"
        elif table in CONTRACTS:
            remedy = f"no built-in source has it; add {table}.csv or {table}.parquet to a folder of your own"
        else:
            remedy = f"the tables there are: {', '.join(CONTRACTS)}"
        return MissingTableError(
            f"source {self.source!r} has no table {table!r} (it has {', '.join(self.frames)}); {remedy}"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def __reduce__(self) -> tuple[Any, ...]:  # a mapping proxy cannot be pickled
        args = (dict(self.frames), self.source, self.engine, self.currency, self.as_of, self.fingerprint)
        return Tables, (*args, dict(self.rows), self.truth, self.notes)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {self.rows[name]:,}" for name in self.frames)
        day = f", as of {self.as_of}" if self.as_of else ""
        kind = "simulated, " if self.simulated else ""
        notes = "".join(f"\n  note: {note}" for note in self.notes)
        return f"Tables({self.source!r}, {kind}{self.engine}: {counts}{day}, {self.currency}){notes}"
