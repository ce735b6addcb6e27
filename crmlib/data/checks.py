"""Contracts checked: one aggregate query a table, the same on every engine, all faults at once."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import narwhals.stable.v2 as nw
from narwhals import Schema

from crmlib.data.contracts import CONTRACTS, PERSONAL, Contract
from crmlib.data.faults import SHOWN, Fault, Report
from crmlib.data.rules import Last, column_rules, schema_faults

View = nw.DataFrame[Any] | nw.LazyFrame[Any]


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
        last = Last(as_of, f"is after the stated as_of {as_of}")
    elif today is not None:
        last = Last(today + datetime.timedelta(days=1), f"is in the future (today is {today})")
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
    name: str, view: View, contract: Contract, *, returns: bool, last: Last | None
) -> tuple[int, datetime.date | None, list[Fault]]:
    schema = view.collect_schema()
    faults = list(schema_faults(name, contract, schema))
    wrong = {fault.column for fault in faults}
    usable = [column for column in contract.columns if column.name in schema and column.name not in wrong]
    rules = [
        (column.name, rule, remedy, mask)
        for column in usable
        for rule, remedy, mask in column_rules(column, schema[column.name], returns=returns, last=last)
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
    keys = marked.sort("_key").head(SHOWN).select("_key").collect("pyarrow")["_key"].to_list()
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
        positions = tuple(int(i) for i in strange["_position"].sort().head(SHOWN).to_list())
        return [Fault(name, column, rule, remedy, len(strange), positions)] if len(strange) else []
    left, right = view.lazy().filter(~nw.col(column).is_null()), known.lazy().select(column)
    strangers = left.join(right, on=column, how="anti")
    count = int(_row(strangers.select(rows=nw.len()))["rows"])
    if not count:
        return []
    if column in PERSONAL:
        return [Fault(name, column, rule, remedy, count)]
    keys = strangers.select(column).unique().sort(column).head(SHOWN).collect("pyarrow")[column].to_list()
    return [Fault(name, column, rule, remedy, count, keys=tuple(f"{column} {key}" for key in keys))]


def _places(view: View, mask: nw.Expr, contract: Contract, schema: Schema) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Row positions on an eager frame; elsewhere, where rows have none, keys that are not personal."""
    if isinstance(view, nw.DataFrame):
        return _positions(view, mask), ()
    keys = [name for name in contract.key if name in schema]
    if not keys or PERSONAL & set(keys):
        return (), ()
    known = [~nw.col(key).is_null() for key in keys]
    sample = view.filter(mask, *known).select(*keys).sort(*keys).head(SHOWN).collect("pyarrow")
    return (), tuple(", ".join(f"{k} {v}" for k, v in row.items()) for row in sample.rows(named=True))


def _positions(view: nw.DataFrame[Any], mask: nw.Expr) -> tuple[int, ...]:
    broken = view.select(_broken=mask).with_row_index("_position").filter(nw.col("_broken"))
    return tuple(int(i) for i in broken["_position"].head(SHOWN).to_list())


def _row(view: View) -> dict[str, Any]:
    eager = view.collect("pyarrow") if isinstance(view, nw.LazyFrame) else view
    return eager.rows(named=True)[0]


def _day(value: Any) -> datetime.date:
    return value.date() if isinstance(value, datetime.datetime) else value
