"""A folder of the firm's own tables: orders.csv, customers.parquet, … and an optional source.yml."""

from __future__ import annotations

import csv
import datetime
import difflib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crmlib.data import engines
from crmlib.data.contracts import CONTRACTS, Kind
from crmlib.data.faults import ContractError, Fault
from crmlib.data.tables import NO_CURRENCY
from crmlib.errors import DataError, ParameterError, SourceError
from crmlib.frames import as_date

if TYPE_CHECKING:
    import polars as pl

SETTINGS = "source.yml"
SUFFIXES = (".csv", ".parquet")
_MARKS = {".": "point", ",": "comma"}
SEPARATORS = (",", ";", "|", "\t")


@dataclass(frozen=True, slots=True)
class Settings:
    """What `source.yml` states: currency, whether orders hold returns, the last day, how CSV files are written."""

    currency: str = NO_CURRENCY
    returns: bool = False
    as_of: datetime.date | None = None
    separator: str = ","
    decimal: str = "."


@dataclass(frozen=True, slots=True)
class Listing:
    """Files of a folder: those of tables, and remarks on those that are not read."""

    files: dict[str, Path]
    notes: tuple[str, ...]
    settings: Path | None


def listing(folder: Path) -> Listing:
    """Table files of a folder.

    Raises
    ------
    SourceError
        No file is named after a table, or two files are named after the same one.
    """
    files: dict[str, Path] = {}
    notes: list[str] = []
    settings = None
    for path in sorted(folder.iterdir()):
        if path.name == SETTINGS:
            settings = path
        elif path.suffix.lower() in SUFFIXES and path.stem in CONTRACTS and path.is_file():
            if path.stem in files:
                both = f"{files[path.stem].name} and {path.name}"
                raise SourceError(f"{folder} holds both {both}; keep one file a table")
            files[path.stem] = path
        elif not path.name.startswith("."):
            notes.append(f"{path.name} is not read: no table file{_hint(path)}")
    if not files:
        seen = f" ({'; '.join(notes[:3])})" if notes else " (it is empty)"
        raise SourceError(
            f"{folder} holds no table{seen}; name files after tables: {', '.join(CONTRACTS)} .csv or .parquet"
        )
    return Listing(files, tuple(notes), settings)


def _hint(path: Path) -> str:
    """What may have been meant by a file that is not read."""
    near = difflib.get_close_matches(path.name.split(".")[0].lower(), CONTRACTS, 1, 0.75)
    if not near:
        return ""
    if path.suffix.lower() in (".gz", ".bz2", ".xz", ".zip", ".zst"):
        return f"; unpack it as {near[0]}.csv"
    if path.suffix.lower() in (".xlsx", ".xls", ".xlsm", ".ods"):
        return f"; save it as {near[0]}.csv (CSV UTF-8, commas)"
    suffix = path.suffix.lower() if path.suffix.lower() in SUFFIXES else ".csv"
    return f"; did you mean {near[0]}{suffix}?" if path.name != f"{near[0]}{suffix}" else ""


def settings(path: Path | None) -> Settings:
    """Content of `source.yml`; the defaults without one.

    Raises
    ------
    SourceError
        It is no mapping, or holds an unknown key or a value of the wrong kind.
    """
    if path is None:
        return Settings()
    import yaml

    try:
        told: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is no YAML; write lines such as `currency: EUR`") from error
    known = ("currency", "returns", "as_of", "separator", "decimal")
    if not isinstance(told, dict) or set(told) - set(known):
        unknown = ", ".join(sorted(map(str, set(told) - set(known)))) if isinstance(told, dict) else "no keys"
        raise SourceError(f"{path} holds {unknown}; the keys there are: {', '.join(known)}")
    currency, returns = told.get("currency", NO_CURRENCY), told.get("returns", False)
    if currency != NO_CURRENCY and not re.fullmatch(r"[A-Z]{3}", str(currency)):
        raise SourceError(f"{path}: currency is {currency!r}; give an ISO code such as EUR")
    if not isinstance(returns, bool):
        raise SourceError(f"{path}: returns is {returns!r}; give true or false")
    separator, decimal = told.get("separator", ","), told.get("decimal", ".")
    if separator not in SEPARATORS:
        raise SourceError(f'{path}: separator is {separator!r}; give "," or ";" or "|" or "\\t", in quotation marks')
    if decimal not in (".", ","):
        raise SourceError(f'{path}: decimal is {decimal!r}; give "." or ",", in quotation marks')
    if separator == decimal:
        raise SourceError(f'{path}: separator and decimal are both {decimal!r}; with a decimal comma, separator: ";"')
    try:
        return Settings(currency, returns, as_date(told.get("as_of"), name="as_of"), separator, decimal)
    except ParameterError as error:
        raise SourceError(f"{path}: {error}") from error


def fingerprint(found: Listing) -> str:
    """Hash of names and contents of everything that is read."""
    digest = hashlib.sha256()
    paths = [*found.files.values(), *([found.settings] if found.settings else [])]
    for path in sorted(paths, key=lambda p: p.name):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def frames(found: Listing, engine: str, *, source: str) -> dict[str, Any]:
    """Native frame of each table file.

    Raises
    ------
    ContractError
        Values of CSV files cannot be read as the contract's types.
    DataError
        A file cannot be read at all.
    """
    read: dict[str, Any] = {}
    faults: list[Fault] = []
    told = settings(found.settings)
    for table, path in found.files.items():
        if path.suffix.lower() == ".parquet":
            read[table] = engines.from_parquet(path, table, engine)
            continue
        text = _text(path, told.separator)
        typed = {}
        for name in text.columns:
            column = CONTRACTS[table].column(name)
            kind: Kind = column.kind if column else "text"
            typed[name] = _typed(text[name], kind, told.decimal)
            faults += _unreadable(path.name, text[name], typed[name], kind, told.decimal)
        if not faults:
            read[table] = engines.from_arrow(text.with_columns(**typed).to_arrow(), table, engine)
    if faults:
        raise ContractError(source, faults)
    return read


def _text(path: Path, separator: str) -> pl.DataFrame:
    """Every cell as text, empty ones as null: ids keep their leading zeros."""
    import polars as pl

    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = next(csv.reader(stream, delimiter=separator), [])
        if not header:
            raise DataError(f"{path.name} is empty; write a header line and the rows")
        if len(header) == 1 and (other := next((mark for mark in SEPARATORS if mark in header[0]), None)):
            name = other.replace("\t", "\\t")
            raise DataError(
                f"{path.name} separates its columns with {name!r}, not {separator!r}; "
                f'write separator: "{name}" in {SETTINGS} (and decimal: "," where numbers have a decimal comma)'
            )
        repeated = sorted({name for name in header if header.count(name) > 1})
        if repeated:
            raise DataError(f"{path.name} has several columns named {', '.join(repeated)}; rename or drop them")
        cells = pl.read_csv(path, infer_schema=False, separator=separator)
        return cells.head(_filled_rows(cells))
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} is not UTF-8; save it as CSV UTF-8") from error
    except pl.exceptions.PolarsError as error:
        told = str(error).lower()
        if "utf-8" in told or "utf8" in told:
            raise DataError(f"{path.name} is not UTF-8; save it as CSV UTF-8") from error
        reason = "a row has more cells than the header" if "more fields" in told else "a quotation mark is not closed"
        remedy = "write it again, quoting cells that hold a separator"
        raise DataError(f"{path.name} is no regular CSV (perhaps {reason}); {remedy}") from error


def _filled_rows(cells: pl.DataFrame) -> int:
    """How many rows there are up to the last with a cell in it: spreadsheets leave empty ones below."""
    import polars as pl

    filled = cells.select(pl.any_horizontal(pl.all().is_not_null())).to_series().arg_true()
    return int(filled[-1]) + 1 if len(filled) else 0


def _typed(cells: pl.Series, kind: Kind, decimal: str) -> pl.Series:
    """Cells as the kind of their column; null where a cell cannot be read so."""
    import polars as pl

    if kind in ("id", "text"):
        return cells
    bare = cells.str.strip_chars()
    if kind in ("number", "count"):
        if decimal != ".":  # a point is then no part of a number: 1.000 is not read as one
            bare = bare.str.replace(r"^.*\..*$", "").str.replace(decimal, ".", literal=True)
        return bare.cast(pl.Float64, strict=False)
    if kind == "flag":
        words = {"true": True, "false": False, "1": True, "0": False}
        return bare.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)
    # %.f after the seconds also reads none; a date alone is its midnight
    spaced = pl.col("c").str.replace("T", " ", literal=True)
    formats = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
    stamp = [spaced.str.to_datetime(form, time_unit="us", strict=False) for form in formats]
    date = pl.col("c").str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    shaped = pl.col("c").str.contains(r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$")
    frame = pl.DataFrame({"c": bare}).select(pl.when(shaped).then(pl.coalesce(*stamp, date)))
    return frame.to_series()


def _unreadable(file: str, cells: pl.Series, values: pl.Series, kind: Kind, decimal: str) -> Iterator[Fault]:
    broken = (values.is_null() & cells.is_not_null()).arg_true()
    if broken.len():
        remedy = {
            "instant": "write YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, without a time zone",
            "flag": "write true or false",
        }.get(kind, f"write digits with a decimal {_MARKS[decimal]}, without thousands separators or currency signs")
        word = {"instant": "date", "flag": "true or false"}.get(kind, "number")
        # Its form alone, with every digit a 9 and every letter an x: never a value, which may be personal.
        form = re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "9", cells[int(broken[0])][:24]))
        remedy += f"; the first has the form {form!r}"
        if kind in ("number", "count") and decimal == "." and re.fullmatch(r"[-+]?9+,9+", form):
            remedy += f'; for decimal commas write decimal: "," in {SETTINGS}'
        positions = tuple(broken.head(5).to_list())
        yield Fault(file, cells.name, f"is no {word}", remedy, broken.len(), positions)
