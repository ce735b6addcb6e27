"""Journeys of any number, drawn from a chain of twelve channels, as Parquet files or as counted paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

CHANNELS = tuple(f"channel {letter}" for letter in "abcdefghijkl")
_GOES_ON, _CONVERTS, _LONGEST = 0.7, 0.1, 30


def drawn(rng: np.random.Generator, journeys: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lengths of the journeys, channel codes of their touches, and who converts.

    The next channel depends on the last (a chain of order 1), how many follow is geometric, and the chance to
    convert depends on the last channel.
    """
    size = len(CHANNELS)
    weights = 1 / np.arange(1, size + 1)
    matrix = weights * np.random.default_rng(12).gamma(1.0, size=(size, size))
    steps = (matrix / matrix.sum(axis=1, keepdims=True)).cumsum(axis=1)
    lengths = np.minimum(rng.geometric(1 - _GOES_ON, journeys), _LONGEST)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    codes = np.empty(starts[-1], dtype=np.int8)
    at = rng.choice(size, journeys, p=weights / weights.sum())
    active = np.arange(journeys)
    for place in range(int(lengths.max())):
        active = active[lengths[active] > place]
        if place:
            at[active] = (rng.random(len(active))[:, None] > steps[at[active]]).sum(axis=1)
        codes[starts[active] + place] = at[active]
    won = rng.random(journeys) < _CONVERTS * (0.5 + at / size)
    return lengths, codes, won


def write(folder: Path, rng: np.random.Generator, journeys: int, *, shuffled: bool) -> int:
    """Write touches.parquet and outcomes.parquet, a million journeys at a time; the number of touches."""
    part, total = 1_000_000, 0
    with (
        pq.ParquetWriter(folder / "touches.parquet", _TOUCHES) as touches,
        pq.ParquetWriter(folder / "outcomes.parquet", _OUTCOMES) as outcomes,
    ):
        for first in range(0, journeys, part):
            number = min(part, journeys - first)
            lengths, codes, won = drawn(rng, number)
            ids = np.arange(first + 1, first + number + 1)
            place = np.arange(1, len(codes) + 1) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            order = rng.permutation(len(codes)) if shuffled else slice(None)
            names = pa.DictionaryArray.from_arrays(pa.array(codes[order]), pa.array(CHANNELS)).cast(pa.string())
            columns = [pa.array(np.repeat(ids, lengths)[order]), pa.array(place[order]), names]
            touches.write_table(pa.table(columns, schema=_TOUCHES))
            counts = [pa.array(amount) for amount in (won.astype(int), 25.0 * won, (~won).astype(int))]
            outcomes.write_table(pa.table([pa.array(ids), *counts], schema=_OUTCOMES))
            total += len(codes)
    return total


def as_text(rng: np.random.Generator, number: int) -> pd.DataFrame:
    """One row a journey: path as text, conversions, nulls."""
    lengths, codes, won = drawn(rng, number)
    names = np.array(CHANNELS)[codes].tolist()
    ends = np.cumsum(lengths)
    text = [" > ".join(names[start:end]) for start, end in zip(ends - lengths, ends, strict=True)]
    return pd.DataFrame({"path": text, "conversions": won.astype(int), "nulls": (~won).astype(int)})


_TOUCHES = pa.schema([("journey_id", pa.int64()), ("position", pa.int64()), ("channel", pa.string())])
_OUTCOMES = pa.schema(
    [("journey_id", pa.int64()), ("conversions", pa.int64()), ("value", pa.float64()), ("nulls", pa.int64())]
)
