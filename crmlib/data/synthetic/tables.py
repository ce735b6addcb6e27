"""Frames of the simulated firm in any engine, with the types that all engines give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Coded(NamedTuple):
    """Texts by their place in a short list."""

    codes: NDArray[np.int64]
    names: tuple[str, ...]


class Gappy(NamedTuple):
    """Whole numbers of which some are missing."""

    values: NDArray[np.int64]
    missing: NDArray[np.bool_]


def length(columns: Mapping[str, Any]) -> int:
    """Rows of a table, by its first column, which is an array or a `Coded` text."""
    first = next(iter(columns.values()))
    return len(first.codes if isinstance(first, Coded) else first)


def frame(columns: Mapping[str, Any], name: str, engine: str) -> Any:
    """Native frame of arrays, `Coded` texts and `Gappy` numbers."""
    from crmlib.data.engines import from_arrow

    if engine != "pandas":
        import pyarrow as pa

        return from_arrow(pa.table({key: _arrow(values) for key, values in columns.items()}), name, engine)
    import pandas as pd

    return pd.DataFrame({key: _pandas(values) for key, values in columns.items()}, copy=False)


def _arrow(values: Any) -> Any:
    import pyarrow as pa

    if isinstance(values, Coded):
        return pa.array(values.names, pa.string()).take(pa.array(values.codes))
    if isinstance(values, Gappy):
        return pa.array(values.values, mask=values.missing)
    return pa.array(values)


def _pandas(values: Any) -> Any:
    import pandas as pd

    if isinstance(values, Coded):
        return pd.array(_arrow(values), dtype="str")
    if isinstance(values, Gappy):
        # not float: an id stays a whole number, as on the other engines
        return pd.arrays.IntegerArray(values.values, values.missing)
    return values if values.flags.writeable else values.copy()  # what the truth holds stays its own
