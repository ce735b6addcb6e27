"""Row in outcomes of each touch's journey: by a table where ids are whole numbers, else by hashing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

INT32 = 2**31 - 1


def plain(column: pa.Array) -> pa.Array:
    """Values of a dictionary (categorical) array, others as they are."""
    import pyarrow as pa

    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def journey_index(of_touches: pa.ChunkedArray, of_outcomes: pa.ChunkedArray) -> np.ndarray:
    """Row in outcomes of each touch's journey."""
    touched, known = (plain(column.combine_chunks()) for column in (of_touches, of_outcomes))
    index = _index_of_integers(touched, known)
    if index is None:
        index = _index_of_any(touched, known)
    lost = int((index < 0).sum())
    if lost:
        raise DataError(f"{lost} touches name journeys that outcomes lack; give every journey its outcome")
    return index


def _index_of_integers(touched: pa.Array, known: pa.Array) -> np.ndarray | None:
    """By a look-up table, where ids are whole numbers that lie close together."""
    import pyarrow as pa

    if not (len(known) and pa.types.is_integer(touched.type) and pa.types.is_integer(known.type)):
        return None
    ids: np.ndarray = known.to_numpy().astype(np.int64, copy=False)
    wanted: np.ndarray = touched.to_numpy().astype(np.int64, copy=False)
    low, high = int(ids.min()), int(ids.max())
    if high - low > 4 * len(ids) + 1_000:
        return None
    low = 0 if 0 <= low <= len(ids) else low  # to subtract it would take memory for every touch
    table: np.ndarray = np.full(high - low + 1, -1, dtype=np.int32 if len(ids) < INT32 else np.int64)
    table[ids - low] = np.arange(len(ids))
    _require_unique(int((table >= 0).sum()), len(ids))
    if len(wanted) and low <= int(wanted.min()) and int(wanted.max()) <= high:
        return table[wanted - low if low else wanted]
    inside = (wanted >= low) & (wanted <= high)
    return np.where(inside, table[np.where(inside, wanted - low, 0)], -1)


def _index_of_any(touched: pa.Array, known: pa.Array) -> np.ndarray:
    """By a hash table; touches that follow one another in a journey are looked up once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    _require_unique(pc.count_distinct(known).as_py(), len(known))
    if not len(touched):
        return np.empty(0, dtype=np.int64)
    heads = np.ones(len(touched), dtype=bool)
    heads[1:] = pc.not_equal(touched[1:], touched[:-1]).to_numpy(zero_copy_only=False)
    first = np.flatnonzero(heads)
    if _family(touched.type) != _family(known.type):
        raise DataError(f"journey_id is {touched.type} in touches and {known.type} in outcomes; make them one type")
    found = pc.index_in(touched.take(pa.array(first)), value_set=known.cast(touched.type))
    index = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.repeat(index, np.diff(np.append(first, len(touched))))


def _family(kind: pa.DataType) -> str:
    """Types between which ids may be compared."""
    import pyarrow as pa

    if pa.types.is_integer(kind):
        return "integer"
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return "text" if text else str(kind)


def _require_unique(distinct: int, rows: int) -> None:
    if distinct < rows:
        raise DataError(f"outcomes: {rows - distinct} rows repeat a journey_id; sum them to one row a journey")
