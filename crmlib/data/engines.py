"""From Arrow or Parquet to the frames of each engine, with the same column types on all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmlib.data.contracts import CONTRACTS, Contract
from crmlib.errors import DataError, ParameterError

if TYPE_CHECKING:
    import pyarrow as pa

ENGINES = ("pandas", "polars", "duckdb")


def known_engine(engine: str) -> str:
    """Return the engine's name.

    Raises
    ------
    ParameterError
        There is no such engine.
    """
    if engine not in ENGINES:
        raise ParameterError(f"engine {engine!r} is unknown; use one of {', '.join(ENGINES)}")
    return engine


def from_arrow(table: pa.Table, name: str, engine: str) -> Any:
    """Native frame of an Arrow table: instants as timestamp[us], money as float64, text decoded."""
    table = normalised(table, name)
    if engine == "pandas":
        return _pandas(table, name)
    if engine == "polars":
        import polars as pl

        return pl.from_arrow(table)
    import duckdb

    # The default connection, so that tables of two sources can be joined.
    return duckdb.from_arrow(table)


def _pandas(table: pa.Table, name: str) -> Any:
    """Pandas frame; whole-number ids of which some are missing stay whole numbers."""
    import pandas as pd
    import pyarrow as pa

    frame, contract = table.to_pandas(), CONTRACTS.get(name, Contract(()))
    for field in table.schema:
        column = contract.column(field.name)
        values = table.column(field.name)
        if column and column.kind == "id" and pa.types.is_integer(field.type) and values.null_count:
            frame[field.name] = values.cast(pa.int64()).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def from_parquet(path: Path, name: str, engine: str) -> Any:
    """Native frame of a Parquet file; DuckDB's stays a lazy scan of it.

    Raises
    ------
    DataError
        The file is no readable Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if engine != "duckdb" or set("*?[") & set(str(path)):  # DuckDB would read these as a pattern
            return from_arrow(pq.read_table(path, partitioning=None), name, engine)
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path.name} is no readable Parquet file; write it again") from error
    import duckdb

    contract = CONTRACTS.get(name, Contract(()))
    columns = [_projection(field, contract) for field in schema]
    return duckdb.read_parquet(str(path)).project(", ".join(columns))


def _target(field: pa.Field, contract: Contract) -> pa.DataType:
    """Type that a column is given whatever it was stored as."""
    import pyarrow as pa

    kind = field.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    column = contract.column(field.name)
    role = column.kind if column else None
    if pa.types.is_null(kind):
        by_role = {"instant": pa.timestamp("us"), "number": pa.float64(), "count": pa.float64(), "flag": pa.bool_()}
        return by_role.get(role or "text", pa.string())
    if pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None):
        return pa.timestamp("us")
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if role == "number" and (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return pa.float64()
    if role == "count" and (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return pa.int64() if pa.types.is_integer(kind) else pa.float64()
    return kind


def normalised(table: pa.Table, name: str) -> pa.Table:
    """Arrow table of a contract's table with every column in the type that all engines get."""
    import pyarrow as pa
    import pyarrow.compute as pc

    contract = CONTRACTS.get(name, Contract(()))
    for i, field in enumerate(table.schema):
        values, target = table.column(i), _target(field, contract)
        if values.type != target:
            values = values.cast(target, safe=False)
        if pa.types.is_floating(values.type):
            values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        column = contract.column(field.name)
        if column and column.kind == "count" and pa.types.is_floating(target):
            whole = pc.all(pc.equal(values, pc.round(values)), min_count=0).as_py()
            finite = pc.all(pc.is_finite(values), min_count=0).as_py()
            if whole and finite:
                values = values.cast(pa.int64())
        table = table.set_column(i, field.name, values)
    return table.replace_schema_metadata(None)


def _projection(field: pa.Field, contract: Contract) -> str:
    """Return the SQL that gives a Parquet column its type."""
    import pyarrow as pa

    name = '"' + field.name.replace('"', '""') + '"'
    target = _target(field, contract)
    if pa.types.is_floating(field.type):
        # NaN to null as on the other engines; not isnan, which DuckDB takes for false where the
        # file's statistics, which leave NaN out, say so
        return f"CASE WHEN isfinite({name}) OR isinf({name}) THEN CAST({name} AS DOUBLE) END AS {name}"
    if field.type == target:
        return name
    types = {pa.timestamp("us"): "TIMESTAMP", pa.float64(): "DOUBLE", pa.int64(): "BIGINT", pa.string(): "VARCHAR"}
    return f"CAST({name} AS {types[target]}) AS {name}" if target in types else name
