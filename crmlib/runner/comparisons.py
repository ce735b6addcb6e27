"""What moved between two runs beyond its error.

Two runs of a report mostly look at the same customers, so their estimates err together: the
difference of two estimates with errors s1, s2 and correlation r has the variance
s1² + s2² − 2 r s1 s2. s1 and s2 are the sides of the stated intervals that face each other (the
method of variance estimates recovery, which reduces to Newcombe's for shares); r comes from the
rows that both runs saw. With the same data chance plays no part: a change is the method's. Where nothing but
the seed differs, it is the lot's: that moves a finding only where an estimate leaves the other's interval.

Over all findings compared, flags hold the false-discovery rate under any dependence.

References: Zou, G. Y. & Donner, A. (2008), Construction of confidence limits about effect measures,
Stat. Med. 27, 1693-1702. Benjamini, Y. & Yekutieli, D. (2001), The control of the false discovery
rate in multiple testing under dependency, Ann. Stat. 29, 1165-1188.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import NormalDist

from crmlib.errors import DataError
from crmlib.findings import Finding, read
from crmlib.runner.extents import shared
from crmlib.runner.quantities import change, quantity
from crmlib.runner.records import Record

#: Share of false ones that is allowed among the flagged changes.
RATE = 0.05


@dataclass(frozen=True)
class Move:
    """A finding of two runs beside each other.

    Parameters
    ----------
    key : str
    before, after : Finding or None
        None where the run has no such finding.
    difference : float or None
        After less before, in the finding's unit; None where it cannot be taken.
    error : float or None
        Standard error of the difference; None where the runs state none.
    p : float or None
        Two-sided p-value of no change.
    moved : bool
        Whether the change is flagged.
    note : str
        Why it is not compared, or what moved it.
    """

    key: str
    before: Finding | None
    after: Finding | None
    difference: float | None = None
    error: float | None = None
    p: float | None = None
    moved: bool = False
    note: str = ""

    @property
    def line(self) -> str:
        """The move in words: key, both values, their difference, why."""
        return self._told(self.note)

    @property
    def brief(self) -> str:
        """The line without the note, for a list that says it once."""
        return self._told("")

    def _told(self, note: str) -> str:
        values = " → ".join(
            quantity(item.value, item.unit) if item else "not there" for item in (self.before, self.after)
        )
        unit = self.after.unit if self.after else ""
        parts = [change(self.difference, unit) if self.difference else "", note]
        told = ", ".join(part for part in parts if part)
        return f"{self.key.replace('_', ' ')}: {values}" + (f" ({told})" if told else "")


def moves(root: Path, before: Record, after: Record) -> list[Move]:
    """Each finding of either run, in the order of the later one; not yet flagged.

    Parameters
    ----------
    root : Path
    before, after : dict
        Records of good runs.

    Raises
    ------
    DataError
        A run has no findings: it was not good, or its record is damaged.
    """
    first, second = ({item.key: item for item in _findings(record)} for record in (before, after))
    same_data = before.get("data") == after.get("data") and None not in (before.get("data") or {}).values()
    if same_data:
        reason = _named(before, after)
        compare = _by_lot if _other_seed_only(before, after) else partial(_by_method, reason=reason)
        return [compare(key, first.get(key), second.get(key)) for key in {**second, **first}]
    common = shared(root, before.get("data") or {}, after.get("data") or {})
    return [_by_chance(key, first.get(key), second.get(key), common or 0.0) for key in {**second, **first}]


def flagged(found: Iterable[Move], rate: float = RATE) -> list[Move]:
    """The moves with those flagged that go beyond their error, the false-discovery rate held over all.

    Parameters
    ----------
    found : iterable of Move
        Of one comparison, or of all that are read together.
    rate : float
        Expected share of false ones among the flagged, at most.
    """
    listed = list(found)
    below = threshold([move.p for move in listed if move.p is not None], rate)
    return [replace(move, moved=move.moved or (move.p is not None and move.p <= below)) for move in listed]


def threshold(p_values: Sequence[float], rate: float) -> float:
    """Largest p-value that is flagged, by Benjamini and Yekutieli; −1 when none is."""
    count = len(p_values)
    harmonic = sum(1 / rank for rank in range(1, count + 1))
    passed = [p for rank, p in enumerate(sorted(p_values), 1) if p <= rate * rank / (count * harmonic)]
    return passed[-1] if passed else -1.0


def _by_method(key: str, before: Finding | None, after: Finding | None, reason: str) -> Move:
    """With the same data any other value is the method's."""
    move = _unlike(key, before, after)
    if move is not None:
        return move
    assert before is not None
    assert after is not None
    if before.value == after.value:
        return Move(key, before, after, difference=0.0 if _numeric(after) else None)
    difference = _value(after) - _value(before) if _numeric(before) and _numeric(after) else None
    return Move(key, before, after, difference, moved=True, note=reason)


def _by_lot(key: str, before: Finding | None, after: Finding | None) -> Move:
    """With the same data and another seed the two differ by what was drawn."""
    move = _by_method(key, before, after, "same data, another seed")
    if move.difference is None or not move.moved or before is None or after is None:
        return move
    ends = [(before.low, _value(after), before.high), (after.low, _value(before), after.high)]
    within = all(low is None or high is None or low <= value <= high for low, value, high in ends)
    return replace(move, moved=not within)


def _by_chance(key: str, before: Finding | None, after: Finding | None, correlation: float) -> Move:
    move = _unlike(key, before, after)
    if move is not None:
        return move
    assert before is not None
    assert after is not None
    if not (_numeric(before) and _numeric(after)):
        return Move(key, before, after, note="" if before.value == after.value else "reads otherwise, no error stated")
    difference = _value(after) - _value(before)
    if before.low is None or after.low is None:
        return Move(key, before, after, difference, note="no error stated")
    one, other = _side(before, upper=difference >= 0), _side(after, upper=difference < 0)
    error = math.sqrt(max(0.0, one**2 + other**2 - 2 * correlation * one * other))
    p = 1.0 if difference == 0 else 0.0 if error == 0 else 2 * NormalDist().cdf(-abs(difference) / error)
    return Move(key, before, after, difference, error, p)


def _unlike(key: str, before: Finding | None, after: Finding | None) -> Move | None:
    """The move of findings that cannot be compared; None where they can."""
    if before is None or after is None:
        return Move(key, before, after, note="new" if before is None else "no longer there")
    if before.unit != after.unit:
        units = [item.unit or "no unit" for item in (before, after)]
        return Move(key, before, after, note=f"not compared: the unit was {units[0]} and is {units[1]}")
    return None


def _numeric(finding: Finding) -> bool:
    return isinstance(finding.value, (int, float)) and not isinstance(finding.value, bool)


def _value(finding: Finding) -> float:
    return float(finding.value or 0)


def _side(finding: Finding, *, upper: bool) -> float:
    """Standard error that one side of the interval stands for."""
    if finding.low is None or finding.high is None or finding.level is None:
        return math.nan
    side = finding.high - _value(finding) if upper else _value(finding) - finding.low
    if side < 0:  # an estimate outside its own interval, as a skewed bootstrap may give
        side = (finding.high - finding.low) / 2
    return side / NormalDist().inv_cdf((1 + finding.level) / 2)


def _findings(record: Record) -> Iterable[Finding]:
    if record.get("outcome") != "good" or "findings" not in record:
        raise DataError(f"run {record.get('run')} has no findings: it is {record.get('outcome')}; name a good run")
    return read({"version": 1, "findings": record["findings"]})


def _named(before: Record, after: Record) -> str:
    others = differing(before, after)
    if not others:
        return "same data and method"
    return f"same data, other {' and '.join(filter(None, [', '.join(others[:-1]), others[-1]]))}"


def _other_seed_only(before: Record, after: Record) -> bool:
    """Whether two runs on the same data differ in nothing but their seed."""
    if differing(before, after) != ["parameters"]:
        return False
    settings = [dict(record.get("parameters") or {}, seed=None) for record in (before, after)]
    return settings[0] == settings[1]


def differing(before: Record, after: Record) -> list[str]:
    """What else than the data differs between two runs: of notebook, parameters, library and lock."""
    parts = {"notebook_hash": "notebook", "parameters": "parameters", "library": "library", "lock": "lock"}
    return [word for name, word in parts.items() if before.get(name) != after.get(name)]
