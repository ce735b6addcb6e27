"""Conclusions that are computed, so that prose stays true when a parameter or the data change.

A finding is a key, a value with its unit and interval, and a sentence whose direction comes
from the numbers. A notebook ends its analysis in one cell, tagged `findings`, whose last line
is a `Findings`. It shows as Markdown and is stored beside it as JSON under a MIME type of its
own, which papermill, nbconvert and nbval keep: tests, reports and run-to-run comparisons read
the same numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

from crmlib.errors import DataError, ParameterError

#: MIME type of the stored findings.
MIME = "application/vnd.crmlib.findings+json"

Value = float | int | str | bool | None

_KEY = re.compile(r"[a-z][a-z0-9_]*")
_LABEL = 60  # letters: two lines of a key figure
_BREAKS = re.compile(r"[ \t\r\n\v\f\x85\u2028\u2029]+")
_MARKDOWN = str.maketrans({mark: "\\" + mark for mark in "\\`*_[]<>$|~#&"})
_ITEM = re.compile(r"^(\d*)([-+.)])")  # at the start of a line these begin a list


@dataclass(frozen=True, slots=True)
class Finding:
    """One computed conclusion.

    Parameters
    ----------
    key : str
        Identifier in snake case, the same in every run, so that runs can be compared.
    value : float, int, str, bool or None
        The estimate, None when the data do not allow one. Floats are kept to 5 significant digits.
    unit : str
        Unit of value and interval: "share" (0-1), "customers", "days", a currency; "" for none.
    sentence : str
        The conclusion in words, ending in a full stop; its direction must come from the numbers.
    low, high, level : float, optional
        Interval and its level (0-1): all three or none.
    label : str, optional
        A few words for the value where it stands without its sentence, as a key figure of a report does ("Customers
        to contact"); default the key in words.

    Raises
    ------
    ParameterError
        A malformed key, sentence or label, half an interval, or a number that is not finite.
    """

    key: str
    value: Value
    unit: str
    sentence: str
    low: float | None = None
    high: float | None = None
    level: float | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not _KEY.fullmatch(self.key):
            raise ParameterError(f"finding key {self.key!r} must be lower-case letters, digits and underscores")
        if not isinstance(self.sentence, str) or not self.sentence.rstrip().endswith((".", "?", "!")):
            raise ParameterError(f"finding {self.key!r}: the sentence must be a full sentence, got {self.sentence!r}")
        if not isinstance(self.label, str) or len(self.label) > _LABEL:
            raise ParameterError(f"finding {self.key!r}: the label must be text of at most {_LABEL} letters")
        object.__setattr__(self, "label", _BREAKS.sub(" ", self.label).strip())
        # One sentence is one line: a line break in a name from the data would end the Markdown item.
        object.__setattr__(self, "sentence", _BREAKS.sub(" ", self.sentence).strip())
        for name in ("value", "low", "high", "level"):
            kept = _plain(getattr(self, name), f"finding {self.key!r}: {name}")
            if name != "value" and isinstance(kept, (str, bool)):
                raise ParameterError(f"finding {self.key!r}: {name} is {kept!r}; give a number")
            object.__setattr__(self, name, kept)
        interval = (self.low, self.high, self.level)
        if any(end is None for end in interval) and any(end is not None for end in interval):
            raise ParameterError(f"finding {self.key!r}: give low, high and level, or none of them")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ParameterError(f"finding {self.key!r}: low {self.low} lies above high {self.high}")
        if self.level is not None and not 0 < self.level < 1:
            raise ParameterError(f"finding {self.key!r}: level is {self.level}; give a share such as 0.95")


def ranged(
    key: str,
    value: float | None,
    unit: str,
    sentence: str,
    low: float | None,
    high: float | None,
    level: float,
    label: str = "",
) -> Finding:
    """Finding of an estimate that may have no interval, or no value at all.

    Parameters
    ----------
    key, unit, sentence, level, label
        As in `Finding`.
    value, low, high : float or None
        NaN or infinite where the data do not allow one: then there is no value, or no interval.
    """
    known = value is not None and math.isfinite(value)
    if not known or low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return Finding(key, value if known else None, unit, sentence, label=label)
    return Finding(key, value, unit, sentence, low, high, level, label)


class Findings(Sequence[Finding]):
    """The conclusions of one notebook, the answer to its title first.

    Raises
    ------
    ParameterError
        No finding at all, or two with the same key.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self._findings = tuple(findings)
        if not self._findings:
            raise ParameterError("a notebook needs at least one finding")
        keys = [finding.key for finding in self._findings]
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        if repeated:
            raise ParameterError(f"finding keys must differ, but {', '.join(repeated)} stands twice")

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | Sequence[Finding]:
        return self._findings[index]

    def __len__(self) -> int:
        return len(self._findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._findings)

    def __repr__(self) -> str:
        return "\n".join(finding.sentence for finding in self)

    def to_json(self) -> dict[str, Any]:
        """The stored form: `{"version": 1, "findings": [{key, value, unit, sentence, low, high, level, label}]}`.

        A finding without a label has no `label`.
        """
        entries = [asdict(finding) for finding in self]
        return {"version": 1, "findings": [{k: v for k, v in e.items() if k != "label" or v} for e in entries]}

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        first, *rest = [_ITEM.sub(r"\1\\\2", finding.sentence.translate(_MARKDOWN)) for finding in self]
        lines = [f"**{first}**", *([""] if rest else []), *(f"- {sentence}" for sentence in rest)]
        return {"text/plain": repr(self), "text/markdown": "\n".join(lines), MIME: self.to_json()}


def read(stored: Mapping[str, Any]) -> Findings:
    """Findings from their stored form.

    Raises
    ------
    DataError
        The form is not the one that `Findings.to_json` writes, or a finding in it is invalid.
    """
    try:
        if stored["version"] != 1:
            raise DataError(f"findings of version {stored['version']!r} cannot be read; run the notebook again")
        return Findings(Finding(**entry) for entry in stored["findings"])
    except (KeyError, TypeError, ParameterError) as error:
        raise DataError(f"the stored findings are invalid: {error}") from error


def count(value: float) -> str:
    """Whole number with thousands separators: 23570 becomes "23,570"."""
    return f"{value:,.0f}"


def percent(value: float, digits: int = 1) -> str:
    """Share in 0-1 as a percentage: 0.14746 becomes "14.7 %"."""
    return f"{100 * value:.{digits}f} %"


def money(value: float, currency: str, digits: int = 2) -> str:
    """Amount with its currency: "USD 106.08", or "106.08 currency units" where the unit is no ISO code."""
    amount = f"{value:,.{digits}f}"
    return f"{currency} {amount}" if re.fullmatch("[A-Z]{3}", currency) else f"{amount} {currency}"


def p_of(value: float) -> str:
    """A p-value as it is written: 3e-22 becomes "p < 0.001"."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def between(low: float | None, high: float | None, wording: Callable[[float], str], level: float) -> str:
    """Interval in brackets with a space before it, " (95 % interval 7.7 % to 8.4 %)"; empty when there is none."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    return f" ({100 * level:g} % interval {wording(low)} to {wording(high)})"


def fitting(*labels: str) -> str:
    """The first label short enough for a key figure, where names from the data may make one too long; else none."""
    return next((label for label in labels if len(label) <= _LABEL), "")


def placed(label: str, where: str) -> str:
    """The label, ending in "simulated" where the words call the number's firm so; none where it gets too long."""
    return fitting(f"{label}, simulated") if "simulated" in where else label


def verdict(low: float, high: float, *, above: str, below: str, same: str = "cannot be told apart") -> str:
    """The wording that an interval of a difference allows: above zero, below zero, or neither."""
    if low > 0:
        return above
    if high < 0:
        return below
    return same


def _plain(value: Any, name: str) -> Value:
    """Plain Python scalar: NumPy scalars unwrapped, floats to 5 significant digits, never NaN."""
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if not isinstance(value, float):
        raise ParameterError(f"{name} is a {type(value).__name__}; give a number, text or None")
    if not math.isfinite(value):
        raise ParameterError(f"{name} is {value}; give None where the data allow no estimate")
    return float(f"{value:.5g}")
