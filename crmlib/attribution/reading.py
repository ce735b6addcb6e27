"""From tables on any engine to journeys as arrays, each column checked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.attribution.lookup import INT32, journey_index, plain
from crmlib.attribution.paths import UNKNOWN, Paths
from crmlib.errors import DataError
from crmlib.frames import wrap

if TYPE_CHECKING:
    import pyarrow as pa


def read(touches: Any, outcomes: Any, *, times: bool = False, customers: bool = False) -> Paths:
    """Paths of two tables on any engine, each checked.

    Touches are ordered by position; where two share one, by `touched_at` if it is there, then by
    channel. Rows that agree in all of these are one touch recorded twice, and count once. A touch
    without a channel, or with an empty one, keeps its place as "(unknown)". A touch without a
    journey is left out, and so is a journey without a touch: it has nobody to credit.

    Parameters
    ----------
    touches : any frame
        journey_id, position, channel [touched_at].
    outcomes : any frame
        journey_id, conversions, value, nulls [customer_id].
    times : bool
        Whether `age` is wanted; it stays None where touches have no `touched_at`.
    customers : bool
        Whether `customers` are wanted; they stay None where outcomes have no `customer_id`, or miss some.

    Raises
    ------
    MissingColumnsError
    DataError
        A journey twice in outcomes, or in touches only; a missing position; counts or values that
        are missing, negative or not finite; channels that are no text.
    """
    timed = "touched_at" in _names(touches)
    table = _arrow(wrap(touches, ("journey_id", "position", "channel"), table="touches"), times and timed, touches)
    ends = _outcomes(outcomes, customers)
    journey = journey_index(table["journey_id"], ends["journey_id"])
    names, codes = _channel_codes(table["channel"])
    position = _numbers(table["position"], "touches", "position")
    time = _microseconds(table["touched_at"]) if times and timed else None
    del table  # of ten million journeys it takes a gigabyte
    if not _in_order(journey, position):
        packed = _packed(journey, position, codes) if time is None else None
        if packed is not None:
            journey, codes, tied = packed
            if tied and timed:  # two touches at one position: the times decide, read them along
                return replace(read(touches, outcomes, times=True, customers=customers), age=None)
        else:
            order = _order_of_ties(journey, position, codes, time)
            journey, codes = journey[order], codes[order]
            time = time[order] if time is not None else None
    del position
    lengths = np.bincount(journey, minlength=len(ends["conversions"]))
    kept = lengths > 0
    starts = np.concatenate([[0], np.cumsum(lengths[kept])])
    return Paths(
        names,
        codes,
        starts,
        conversions=ends["conversions"][kept],
        nulls=ends["nulls"][kept],
        value=ends["value"][kept],
        age=None if time is None else _days_before_last(time, starts),
        customers=ends["customers"][kept] if ends["customers"] is not None else None,
    )


def _names(frame: Any) -> list[str]:
    try:
        return nw.from_native(frame).collect_schema().names()
    except TypeError:
        return []  # `wrap` says what is wrong


def _arrow(view: Any, timed: bool, touches: Any) -> pa.Table:
    import pyarrow as pa

    if timed:
        instant = nw.col("touched_at").cast(nw.Datetime("us"))
        view = wrap(touches, (*view.collect_schema().names(), "touched_at"), table="touches").with_columns(instant)
    try:
        table = view.collect("pyarrow").to_arrow() if isinstance(view, nw.LazyFrame) else view.to_arrow()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"touches: a column mixes types ({str(error).splitlines()[0]}); make each of one type"
        ) from error
    if table["journey_id"].null_count:
        table = table.filter(table["journey_id"].is_valid())
    return table


def _outcomes(outcomes: Any, customers: bool) -> dict[str, Any]:
    """journey_id as Arrow; conversions, nulls, value as checked arrays; customer codes or None."""
    known = customers and "customer_id" in _names(outcomes)
    measures = ("conversions", "value", "nulls")
    columns = ("journey_id", *measures, *(["customer_id"] if known else []))
    view = wrap(outcomes, columns, table="outcomes").with_columns(nw.col(*measures).cast(nw.Float64))
    table = view.collect("pyarrow").to_arrow() if isinstance(view, nw.LazyFrame) else view.to_arrow()
    if table["journey_id"].null_count:
        raise DataError(
            f"outcomes: journey_id is missing in {table['journey_id'].null_count} rows; give each its journey"
        )
    found: dict[str, Any] = {name: _numbers(table[name], "outcomes", name, least=0) for name in measures}
    ids = table["customer_id"].combine_chunks() if known else None
    found["customers"] = None
    if ids is not None and not ids.null_count:
        found["customers"] = plain(ids).dictionary_encode().indices.to_numpy(zero_copy_only=False)
    return {**found, "journey_id": table["journey_id"]}


def _numbers(column: pa.ChunkedArray, table: str, name: str, least: float | None = None) -> np.ndarray:
    if column.null_count:
        raise DataError(f"{table}: {name} is missing in {column.null_count} rows; fill or leave out those rows")
    values = column.to_numpy()
    if values.dtype.kind not in "iuf":
        raise DataError(f"{table}: {name} holds {column.type}, not numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise DataError(f"{table}: {name} is not finite in {int((~np.isfinite(values)).sum())} rows")
    if least is not None and len(values) and values.min() < least:
        raise DataError(f"{table}: {name} lies below {least:g} in {int((values < least).sum())} rows")
    return values


def _microseconds(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa

    if column.null_count:
        raise DataError(f"touches: touched_at is missing in {column.null_count} rows; fill it or leave the column out")
    return column.cast(pa.int64()).to_numpy()


def _channel_codes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], np.ndarray]:
    """Sorted names and each touch's code."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        encoded = column.unify_dictionaries().combine_chunks()
    else:
        encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    raw = ["" if name is None else str(name) for name in encoded.dictionary.to_pylist()]
    labels = [name if name.strip() else UNKNOWN for name in raw]
    codes = encoded.indices.fill_null(len(labels)).to_numpy(zero_copy_only=False)
    if encoded.indices.null_count:
        labels.append(UNKNOWN)
    used = np.bincount(codes, minlength=len(labels)) > 0  # a category may have no rows
    names = sorted({label for label, there in zip(labels, used, strict=True) if there})
    place = {name: code for code, name in enumerate(names)}
    return tuple(names), np.array([place.get(label, -1) for label in labels], dtype=np.int32)[codes]


def _in_order(journey: np.ndarray, position: np.ndarray) -> bool:
    """Whether touches stand by journey and position already, no two at one position."""
    same = journey[1:] == journey[:-1]
    return bool((journey[1:] >= journey[:-1]).all() and (position[1:] > position[:-1])[same].all())


def _packed(journey: np.ndarray, position: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """Journeys and codes ordered by journey, position and channel, without repeats; whether positions were shared.

    The three are packed into one number and sorted in place: a fifth of the memory of sorting by columns,
    and several times as fast. None where they do not fit into 63 bits, or positions are no whole numbers.
    """
    if not len(journey) or (position.dtype.kind == "f" and (position != np.floor(position)).any()):
        return None
    low = int(position.min())
    for_code, for_place = (int(x).bit_length() for x in (codes.max(), int(position.max()) - low))
    if int(journey.max()).bit_length() + for_place + for_code > 63:
        return None
    key = journey.astype(np.int64)
    key <<= for_place
    key |= position.astype(np.int64) - low
    key <<= for_code
    key |= codes
    key.sort()
    repeated = key[1:] == key[:-1]
    if repeated.any():
        key = key[np.concatenate([[True], ~repeated])]
    codes = (key & ((1 << for_code) - 1)).astype(np.int32)
    key >>= for_code
    tied = bool(repeated.any() or (key[1:] == key[:-1]).any())
    key >>= for_place
    return key.astype(np.int32) if key[-1] < INT32 else key, codes, tied


def _order_of_ties(journey: np.ndarray, position: np.ndarray, codes: np.ndarray, time: np.ndarray | None) -> np.ndarray:
    """Order by journey, position, time and channel, without touches that agree in all of them."""
    keys = [codes, time if time is not None else np.zeros(len(codes)), position, journey]
    order = np.lexsort(keys)
    repeated = np.ones(max(len(order) - 1, 0), dtype=bool)
    for key in keys:
        repeated &= key[order][1:] == key[order][:-1]
    return order[np.concatenate([[True], ~repeated])]


def _days_before_last(time: np.ndarray, starts: np.ndarray) -> np.ndarray:
    if not len(time):
        return np.empty(0)
    latest = np.maximum.reduceat(time, starts[:-1])
    return (np.repeat(latest, np.diff(starts)) - time) / 86_400e6
