"""What a column must hold: each rule with its remedy, and the mask of the rows that break it."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
from narwhals import Schema

from crmlib.data.contracts import Column, Contract
from crmlib.data.faults import Fault

#: Instants outside are placeholders or typing errors, not dates of a firm's events.
FIRST_INSTANT = datetime.datetime(1900, 1, 1)
LAST_INSTANT = datetime.datetime(2100, 1, 1)
#: What exports write where there is no date: one such order would be a cohort of its own, decades old.
NO_INSTANT = (datetime.datetime(1900, 1, 1), datetime.datetime(1970, 1, 1))
#: Beyond this, a number is no money or cost but an id or a bar code in the wrong column; cents are still exact here.
LARGEST = 1e13
#: How exports write an id that is not there.
NO_ID = ("", " ", "NULL", "null", "None", "NaN", "nan", "<NA>", "N/A", "n/a", "#N/A")


class Last(NamedTuple):
    """The last day on which anything can have happened, and the rule that a later event breaks."""

    day: datetime.date
    rule: str


def schema_faults(name: str, contract: Contract, schema: Schema) -> Iterator[Fault]:
    """Columns that are missing, or of another type than the contract names."""
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


def column_rules(column: Column, kind: Any, *, returns: bool, last: Last | None) -> Iterator[tuple[str, str, nw.Expr]]:
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
