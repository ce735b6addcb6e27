"""Touches and outcomes from aggregated paths: text such as "search > e-mail > direct" with its counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.attribution.paths import UNKNOWN
from crmlib.errors import ParameterError
from crmlib.frames import wrap

if TYPE_CHECKING:
    import pyarrow as pa


def from_paths(
    paths: Any,
    *,
    path: str = "path",
    conversions: str = "conversions",
    value: str | None = "value",
    nulls: str | None = "nulls",
    separator: str = ">",
    merged: bool = False,
) -> tuple[Any, Any]:
    """Frame: touches and outcomes of aggregated paths, such as "search > e-mail > direct" with its counts.

    The paths are read once, on lazy engines too: splitting text into rows with their positions is
    not the same on all of them.

    Parameters
    ----------
    paths : any frame
        A row a path with its counts; the same path may stand in several rows.
    path, conversions, value, nulls : str
        Names of the columns. `value=None`: none is known, all 0. `nulls=None`: journeys that did not
        convert were not recorded, all 0; then Markov and Shapley's rate know no failures.
    separator : str
        What stands between channels; spaces around it, and around names, do not count.
    merged : bool
        Whether rows of the same text become one journey with their counts and values summed: the same
        credits from fewer rows. Which row had which value is lost, so that value gets no interval.

    Returns
    -------
    (touches, outcomes), frames of the same kind
        touches: journey_id (from 1, in the order of the rows; of merged ones, of their first rows),
        position (from 1), channel. outcomes: journey_id, conversions, value, nulls. A path that is
        empty or missing has an outcome and no touches; an empty step in a path is a touch of the
        channel "(unknown)".

    Raises
    ------
    MissingColumnsError
    ParameterError
        An empty separator.

    Examples
    --------
    >>> import pandas as pd
    >>> paths = pd.DataFrame({"path": ["a > b", "b"], "conversions": [2, 0], "value": [10.0, 0.0], "nulls": [1, 5]})
    >>> touches, outcomes = from_paths(paths)
    >>> touches
       journey_id  position channel
    0           1         1       a
    1           1         2       b
    2           2         1       b
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not separator.strip():
        raise ParameterError(f"separator is {separator!r}; give what stands between channels, such as '>'")
    counts = {"conversions": conversions, "value": value, "nulls": nulls}
    view = wrap(paths, [path, *dict.fromkeys(name for name in counts.values() if name)], table="paths")
    table = (view.collect("pyarrow") if isinstance(view, nw.LazyFrame) else view).to_arrow()
    text = pc.fill_null(pc.utf8_trim_whitespace(table[path].cast(pa.string()).combine_chunks()), "")
    columns = {ours: table[name].combine_chunks() for ours, name in counts.items() if name}
    if merged:
        encoded = text.dictionary_encode()
        group, text = encoded.indices.to_numpy(), encoded.dictionary
        columns = {name: _summed(column, group, len(text)) for name, column in columns.items()}
    zeros = pa.array(np.zeros(len(text), dtype=np.int64))
    numbers = pa.array(np.arange(1, len(text) + 1))
    outcomes = pa.table({"journey_id": numbers, **{name: columns.get(name, zeros) for name in counts}})
    return _like(_steps(text, separator.strip()), view), _like(outcomes, view)


def _steps(text: pa.Array, separator: str) -> pa.Table:
    """Touches of paths as text, trimmed, one journey each."""
    import pyarrow as pa
    import pyarrow.compute as pc

    steps = pc.split_pattern(pc.if_else(pc.equal(text, ""), None, text), separator)
    lengths = pc.fill_null(pc.list_value_length(steps), 0).to_numpy()
    starts = np.cumsum(lengths) - lengths
    pieces = pc.list_flatten(steps).dictionary_encode()  # names are few: they are trimmed once each
    names = pc.utf8_trim_whitespace(pieces.dictionary)
    names = pc.if_else(pc.equal(names, ""), UNKNOWN, names)
    return pa.table(
        {
            "journey_id": np.repeat(np.arange(1, len(lengths) + 1), lengths),
            "position": np.arange(1, len(pieces) + 1) - np.repeat(starts, lengths),
            "channel": names.take(pieces.indices),
        }
    )


def _summed(column: pa.Array, group: np.ndarray, groups: int) -> pa.Array:
    """Amounts added up by group: whole numbers stay whole, what is missing stays so."""
    import pyarrow as pa

    amount = column.cast(pa.float64())
    total = np.bincount(group, amount.fill_null(0.0).to_numpy(zero_copy_only=False), groups)
    missing = np.zeros(groups, dtype=bool)
    missing[group[amount.is_null().to_numpy(zero_copy_only=False)]] = True
    summed = pa.array(total, mask=missing)
    return summed.cast(column.type) if pa.types.is_integer(column.type) else summed


def _like(table: Any, view: Any) -> Any:
    """Native frame of the kind of `view` from an Arrow table."""
    backend = view.implementation
    if not isinstance(view, nw.LazyFrame):
        return nw.from_arrow(table, backend=backend).to_native()
    return nw.from_native(table, eager_only=True).lazy(backend).to_native()
