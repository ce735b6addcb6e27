"""What is known of a state of the data: rows, last day, and which rows another state shares.

Kept once for each fingerprint in `reports/.extents/`, so that nightly runs on unchanged data read
nothing. The shared part is told from a sample of row hashes: of both states the rows whose hash
lies below one bound, so a row that is in both is in both samples. A hash of a row names nobody.

Reference: Broder, A. (1997), On the resemblance and containment of documents, Proc. SEQUENCES, 21-29.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crmlib.runner import records

_SIZE = 2048
_RANGE = 2**64
_Z = 1.959964  # 95 %, two-sided


@dataclass(frozen=True)
class Extent:
    """A state of the data.

    Parameters
    ----------
    rows : mapping of table to int
    last_day : str or None
        Last day of the data, ISO; None where no table holds a date.
    table : str
        The largest table, of which the sample is.
    below : int
        Bound of the hashes in the sample, up to 2**64.
    sample : tuple of int
        Hashes of its rows below the bound.
    """

    rows: Mapping[str, int]
    last_day: str | None
    table: str
    below: int
    sample: tuple[int, ...]


def extent(root: Path, source: str, mark: str | None, *, keep: bool = True) -> Extent:
    """Extent of a source's data as they are now.

    Parameters
    ----------
    root : Path
    source : str
        A name or folder, as a parameter gives it.
    mark : str or None
        Its fingerprint, under which the extent is kept; None keeps nothing.
    keep : bool
        False keeps nothing either.

    Raises
    ------
    CrmError
        The data are missing or cannot be read.
    """
    known = kept(root, mark)
    if known is not None:
        return known
    from crmlib.data import load

    tables = load(source, "duckdb", check=False)
    rows = {name: int(count) for name, count in tables.rows.items()}
    largest = max(rows, key=lambda name: rows[name])
    below, sample = _sample(tables[largest], rows[largest])
    last_day = tables.as_of.isoformat() if tables.as_of else None
    found = Extent(rows, last_day, largest, below, sample)
    if mark is not None and keep:
        path = _path(root, mark)
        path.parent.mkdir(parents=True, exist_ok=True)
        records.write_atomic(path, json.dumps(asdict(found)) + "\n")
    return found


def kept(root: Path, mark: str | None) -> Extent | None:
    """The extent kept for a fingerprint, if there is one."""
    if mark is None:
        return None
    with contextlib.suppress(OSError, ValueError, TypeError):
        content = json.loads(_path(root, mark).read_text(encoding="utf-8"))
        return Extent(**{**content, "sample": tuple(content["sample"])})
    return None


def keep(root: Path, data: Mapping[str, str | None], parameters: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Rows of each table behind each parameter that names a source; extents kept for later comparisons.

    Data that cannot be read a second time cost a comparison its precision, never a report.
    """
    found = {}
    for name, mark in data.items():
        with contextlib.suppress(Exception):
            found[name] = dict(extent(root, str(parameters[name]), mark).rows)
    return found


def shared(root: Path, before: Mapping[str, str | None], after: Mapping[str, str | None]) -> float | None:
    """Correlation that two runs' estimates have from rows in both; 1 for the same data, None when unknown.

    Of means over n and m rows, c of them common, it is c / sqrt(n m). The lower end of the
    sample's 95 % Wilson interval is taken, so that chance is never made out smaller than it is.

    Parameters
    ----------
    root : Path
    before, after : mapping of parameter name to fingerprint
        As the runs' records hold them.
    """
    if dict(before) == dict(after) and None not in before.values():
        return 1.0
    found = []
    for name in {*before, *after}:
        first, second = kept(root, before.get(name)), kept(root, after.get(name))
        if first is None or second is None:
            return None
        found.append(1.0 if before[name] == after[name] else _correlation(first, second))
    return min(found)


def _correlation(first: Extent, second: Extent) -> float:
    if first.table != second.table:
        return 0.0
    bound = min(first.below, second.below)
    one, other = ({value for value in item.sample if value < bound} for item in (first, second))
    if not one or not other:
        return 0.0
    union, common = len(one | other), len(one & other)
    share = common / union
    spread = _Z * math.sqrt(share * (1 - share) / union + _Z**2 / (4 * union**2))
    least = max(0.0, (share + _Z**2 / (2 * union) - spread) / (1 + _Z**2 / union))
    return least / (1 + least) * (len(one) + len(other)) / math.sqrt(len(one) * len(other))


def age_in_days(found: Extent, today: datetime.date) -> int | None:
    """Days since the data end; None where they hold no date."""
    if found.last_day is None:
        return None
    return (today - datetime.date.fromisoformat(found.last_day)).days


def _sample(table: Any, rows: int) -> tuple[int, tuple[int, ...]]:
    """Bound and hashes below it: about `_SIZE` of the table's rows, equal rows once."""
    below = min(_RANGE, _RANGE * 2 * _SIZE // max(rows, 1))
    # The bound is a number of our own.
    query = f"select distinct hash(relation) h from relation where hash(relation) < {below}::hugeint order by h"  # noqa: S608
    hashes = [int(row[0]) for row in table.query("relation", query).fetchall()]
    if len(hashes) > _SIZE:
        below, hashes = hashes[_SIZE], hashes[:_SIZE]
    return below, tuple(hashes)


def _path(root: Path, mark: str) -> Path:
    from importlib import metadata

    # DuckDB's hash may differ between its versions.
    name = hashlib.sha256(f"{mark} duckdb {metadata.version('duckdb')}".encode()).hexdigest()[:32]
    return root / records.FOLDER / ".extents" / f"{name}.json"
