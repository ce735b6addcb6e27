"""Contracts checked: one aggregate query a table, the same on every engine, all faults at once."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
from narwhals import Schema

from crmlib.data.contracts import CONTRACTS, PERSONAL, Column, Contract
from crmlib.errors import DataError

View = nw.DataFrame[Any] | nw.LazyFrame[Any]

#: Instants outside are placeholders or typing errors, not dates of a firm's events.
FIRST_INSTANT = datetime.datetime(1900, 1, 1)
LAST_INSTANT = datetime.datetime(2100, 1, 1)
#: What exports write where there is no date: one such order would be a cohort of its own, decades old.
NO_INSTANT = (datetime.datetime(1900, 1, 1), datetime.datetime(1970, 1, 1))
#: Beyond this, a number is no money or cost but an id or a bar code in the wrong column; cents are still exact here.
LARGEST = 1e13
#: How exports write an id that is not there.
NO_ID = ("", " ", "NULL", "null", "None", "NaN", "nan", "<NA>", "N/A", "n/a", "#N/A")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: where, which, how often, and at which rows or keys (five at most)."""

    table: str
    column: str
    rule: str
    remedy: str
    count: int | None = None
    positions: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        joint = ": " if "." in self.table else "."  # a file's name has a dot of its own
        where = f"{self.table}{joint}{self.column}" if self.column else self.table
        text = f"{where} {self.rule}"
        if self.count is not None:
            text += f" in {self.count:,} row{'' if self.count == 1 else 's'}"
        if self.positions:
            text += f" (positions from 0: {_listed(self.positions, self.count)})"
        elif self.keys:
            text += f" ({_listed(self.keys, self.count)})"
        return f"{text}: {self.remedy}"


@dataclass(frozen=True, slots=True)
class Report:
    """Rows by table, the last day on which anything happened, and all faults."""

    rows: Mapping[str, int]
    last_day: datetime.date | None
    faults: tuple[Fault, ...]


class _Last(NamedTuple):
    """The last day on which anything can have happened, and the rule that a later event breaks."""

    day: datetime.date
    rule: str


class ContractError(DataError):
    """Tables break their contracts; `faults` holds every broken rule."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"source {source!r} has {count}: {'; '.join(map(str, faults))}")


def contract_report(
    frames: Mapping[str, Any],
    *,
    returns: bool = False,
    as_of: datetime.date | None = None,
    today: datetime.date | None = None,
) -> Report:
    """Check of every table against its contract, and of the ids between tables.

    Parameters
    ----------
    frames : mapping of table name to frame
        Any engine. Tables that no contract names are only counted.
    returns : bool
        Whether negative amounts, costs, discounts and quantities are returns and no faults.
    as_of : datetime.date, optional
        Last day of the data where the source states it: later events are faults.
    today : datetime.date, optional
        Where it states none: events later than tomorrow, as some place on Earth is ahead, are faults.

    Returns
    -------
    Report
    """
    last = None
    if as_of is not None:
        last = _Last(as_of, f"is after the stated as_of {as_of}")
    elif today is not None:
        last = _Last(today + datetime.timedelta(days=1), f"is in the future (today is {today})")
    rows: dict[str, int] = {}
    last_days: list[datetime.date] = []
    faults: list[Fault] = []
    for name, frame in frames.items():
        view: View = nw.from_native(frame)
        contract = CONTRACTS.get(name, Contract(()))
        rows[name], last_day, found = _table_report(name, view, contract, returns=returns, last=last)
        faults += found
        if last_day is not None:
            last_days.append(last_day)
    broken = {(fault.table, fault.column) for fault in faults if fault.count is None}
    for name in frames:
        for column, other in CONTRACTS[name].references.items() if name in CONTRACTS else ():
            known = other in frames and not broken & {(name, column), (other, column), (name, ""), (other, "")}
            if known:
                faults += _reference_faults(name, nw.from_native(frames[name]), column, other, frames[other])
    return Report(rows, max(last_days, default=None), tuple(faults))


def _table_report(
    name: str, view: View, contract: Contract, *, returns: bool, last: _Last | None
) -> tuple[int, datetime.date | None, list[Fault]]:
    schema = view.collect_schema()
    faults = list(_schema_faults(name, contract, schema))
    wrong = {fault.column for fault in faults}
    usable = [column for column in contract.columns if column.name in schema and column.name not in wrong]
    rules = [
        (column.name, rule, remedy, mask)
        for column in usable
        for rule, remedy, mask in _rules(column, schema[column.name], returns=returns, last=last)
    ]
    query = {"rows": nw.len()}
    query |= {f"rule{i}": rule[3].cast(nw.Int64).sum() for i, rule in enumerate(rules)}
    query |= {f"last{i}": nw.col(c.name).max() for i, c in enumerate(usable) if c.event}
    key = _key(contract, schema, wrong)
    if key is not None:
        query |= {"distinct": key.n_unique(), "unkeyed": key.is_null().cast(nw.Int64).sum()}
    result = _row(view.select(**query))

    rows = int(result["rows"])
    if not rows:
        faults.append(Fault(name, "", "has no rows", "write the rows, or take the table out of the source"))
        return 0, None, faults
    for i, (column, rule, remedy, mask) in enumerate(rules):
        if count := int(result[f"rule{i}"] or 0):
            faults.append(Fault(name, column, rule, remedy, count, *_places(view, mask, contract, schema)))
    if key is not None:
        unkeyed = int(result["unkeyed"] or 0)
        repeated = rows - unkeyed - (int(result["distinct"]) - bool(unkeyed))
        if repeated:
            faults.append(_repeated(name, view, contract, key, repeated))
    days = [result[f"last{i}"] for i, column in enumerate(usable) if column.event]
    return rows, max((_day(day) for day in days if day is not None and day == day), default=None), faults


def _schema_faults(name: str, contract: Contract, schema: Schema) -> Iterator[Fault]:
    for column in contract.columns:
        if column.name not in schema:
            if column.required:
                has = ", ".join(schema) or "no columns"
                near = [other for other in schema if _bare(other) == _bare(column.name)]
                remedy = f"rename {near[0]!r} to {column.name}" if near else "add or rename the column"
                yield Fault(name, column.name, "is missing", f"{remedy}; the table has {has}")
            continue
        kind = schema[column.name]
        if isinstance(kind, nw.Datetime) and kind.time_zone is not None and column.kind == "instant":
            remedy = "convert it to the firm's local time and drop the zone"
            yield Fault(name, column.name, f"carries the time zone {kind.time_zone}", remedy)
        elif not _fits(column, kind):
            expected = {
                "id": "whole numbers or text",
                "instant": "dates or datetimes",
                "number": "numbers",
                "count": "whole numbers",
                "text": "text",
                "flag": "true or false",
            }[column.kind]
            yield Fault(name, column.name, f"is of type {kind}", f"store {expected} in it")


def _bare(name: str) -> str:
    """Letters and digits of a column's name: "Customer ID" and "customer_id" are alike."""
    return "".join(filter(str.isalnum, name.lower()))


def _fits(column: Column, kind: Any) -> bool:
    text = isinstance(kind, (nw.String, nw.Categorical, nw.Enum))
    return {
        "id": kind.is_integer() or isinstance(kind, nw.String),
        "instant": isinstance(kind, (nw.Date, nw.Datetime)),
        "number": kind.is_numeric(),
        "count": kind.is_numeric(),
        "text": text,
        "flag": isinstance(kind, nw.Boolean),
    }[column.kind]


def _rules(column: Column, kind: Any, *, returns: bool, last: _Last | None) -> Iterator[tuple[str, str, nw.Expr]]:
    """Yield rule, remedy and the mask of the rows that break it. A gap is null or NaN alike, on any engine."""
    value = nw.col(column.name)
    gap = value.is_null()
    infinite = (value == math.inf) | (value == -math.inf)
    if kind.is_float():
        # not is_nan: DuckDB takes it for false where a Parquet file's statistics, which leave NaN out, say so
        gap = gap | (~value.is_finite() & ~infinite)
    if column.kind == "id" and isinstance(kind, nw.String):
        gap = gap | value.is_in(NO_ID)
        remedy = "trim it, or it is another id than the one without spaces"
        yield "begins or ends with a space", remedy, ~gap & (value != value.str.strip_chars())
    if not column.may_be_missing:
        yield "is missing", "fill in the value, or leave the row out", gap
    if kind.is_float():
        yield "is infinite", "look for a division by zero where the value was made", ~gap & infinite
    if column.kind == "number":
        beyond = ~gap & ~infinite & ((value > LARGEST) | (value < -LARGEST))
        yield f"is beyond {LARGEST:,.0f}", "look for an id in the wrong column, or a missing decimal point", beyond
    if column.kind == "count" and not kind.is_integer():
        whole = "give whole numbers; weights in a unit small enough, such as grams"
        yield "is not whole", whole, ~gap & (value % 1 != 0)
    if column.low is not None and not (column.returned and returns):
        rule = "is negative" if column.low == 0 else f"is below {column.low:g}"
        remedy = "correct it, or state `returns: true` in the folder's source.yml" if column.returned else "correct it"
        yield rule, remedy, ~gap & (value < column.low)
    if column.high is not None:
        yield f"is above {column.high:g}", "correct it", ~gap & (value > column.high)
    if column.kind == "instant":
        first, after = _bound(FIRST_INSTANT, kind), _bound(LAST_INSTANT, kind)
        outside = f"is before {FIRST_INSTANT.year} or after {LAST_INSTANT.year - 1}"
        yield outside, "leave unknown dates empty", ~gap & ((value < first) | (value >= after))
        for none in NO_INSTANT:
            yield (
                f"is {none:%Y-%m-%d}, which stands for no date",
                "leave unknown dates empty",
                value == _bound(none, kind),
            )
        if last is not None and column.event:
            day_after = datetime.datetime.combine(last.day + datetime.timedelta(days=1), datetime.time())
            remedy = "correct the date, or `as_of` in the folder's source.yml"
            yield last.rule, remedy, ~gap & (value >= _bound(day_after, kind)) & (value < after)


def _bound(instant: datetime.datetime, kind: Any) -> nw.Expr:
    return nw.lit(instant.date() if isinstance(kind, nw.Date) else instant)


def _key(contract: Contract, schema: Schema, wrong: set[str]) -> nw.Expr | None:
    """One expression whose values identify a row; null where a part of the key is."""
    if not contract.key or wrong & set(contract.key):
        return None
    if len(contract.key) == 1:
        return nw.col(contract.key[0])
    parts = [nw.col(name).cast(nw.String) for name in contract.key]
    return nw.concat_str(parts, separator="\x1f", ignore_nulls=False)


def _repeated(name: str, view: View, contract: Contract, key: nw.Expr, count: int) -> Fault:
    label = ", ".join(contract.key)
    remedy = "keep one row of each, or number them apart"
    if isinstance(view, nw.DataFrame):
        again = ~key.is_first_distinct() & ~key.is_null()
        return Fault(name, label, "is repeated", remedy, count, _positions(view, again))
    if PERSONAL & set(contract.key):
        return Fault(name, label, "is repeated", remedy, count)
    marked = view.with_columns(_key=key).group_by("_key").agg(_rows=nw.len()).filter(nw.col("_rows") > 1)
    keys = marked.sort("_key").head(_SHOWN).select("_key").collect("pyarrow")["_key"].to_list()
    shown = tuple(f"{label} {str(k).replace(chr(31), ', ')}" for k in keys)
    return Fault(name, label, "is repeated", remedy, count, keys=shown)


def _reference_faults(name: str, view: View, column: str, other: str, frame: Any) -> list[Fault]:
    """Return the fault of ids that the other table does not hold: none or one."""
    known: View = nw.from_native(frame)
    kinds = [v.collect_schema()[column] for v in (view, known)]
    if kinds[0].is_integer() != kinds[1].is_integer():
        rule = f"is of type {kinds[0]}, but {kinds[1]} in {other}"
        return [Fault(name, column, rule, "store the ids alike in both tables")]
    remedy = f"add the rows to {other}, or leave these out"
    rule = f"is not in {other}"
    if isinstance(view, nw.DataFrame) and isinstance(known, nw.DataFrame):
        rows = view.select(column).with_row_index("_position").filter(~nw.col(column).is_null())
        strange = rows.join(known.select(column), on=column, how="anti")
        positions = tuple(int(i) for i in strange["_position"].sort().head(_SHOWN).to_list())
        return [Fault(name, column, rule, remedy, len(strange), positions)] if len(strange) else []
    left, right = view.lazy().filter(~nw.col(column).is_null()), known.lazy().select(column)
    strangers = left.join(right, on=column, how="anti")
    count = int(_row(strangers.select(rows=nw.len()))["rows"])
    if not count:
        return []
    if column in PERSONAL:
        return [Fault(name, column, rule, remedy, count)]
    keys = strangers.select(column).unique().sort(column).head(_SHOWN).collect("pyarrow")[column].to_list()
    return [Fault(name, column, rule, remedy, count, keys=tuple(f"{column} {key}" for key in keys))]


def _places(view: View, mask: nw.Expr, contract: Contract, schema: Schema) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Row positions on an eager frame; elsewhere, where rows have none, keys that are not personal."""
    if isinstance(view, nw.DataFrame):
        return _positions(view, mask), ()
    keys = [name for name in contract.key if name in schema]
    if not keys or PERSONAL & set(keys):
        return (), ()
    known = [~nw.col(key).is_null() for key in keys]
    sample = view.filter(mask, *known).select(*keys).sort(*keys).head(_SHOWN).collect("pyarrow")
    return (), tuple(", ".join(f"{k} {v}" for k, v in row.items()) for row in sample.rows(named=True))


def _positions(view: nw.DataFrame[Any], mask: nw.Expr) -> tuple[int, ...]:
    broken = view.select(_broken=mask).with_row_index("_position").filter(nw.col("_broken"))
    return tuple(int(i) for i in broken["_position"].head(_SHOWN).to_list())


def _row(view: View) -> dict[str, Any]:
    eager = view.collect("pyarrow") if isinstance(view, nw.LazyFrame) else view
    return eager.rows(named=True)[0]


def _day(value: Any) -> datetime.date:
    return value.date() if isinstance(value, datetime.datetime) else value


def _listed(values: Sequence[object], count: int | None) -> str:
    more = ", …" if count is not None and count > len(values) else ""
    return ", ".join(map(str, values)) + more
