"""Comparison of an answer with the truth: it names the kind of mistake, never the truth."""

from __future__ import annotations

import datetime
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

_HUNDREDFOLD = 100
_LONGEST = 240


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """Outcome of a check: `correct`, and what to look at when it is not."""

    correct: bool
    message: str

    def __repr__(self) -> str:
        line = " ".join(f"{'Correct' if self.correct else 'Not yet'}: {self.message}".split())
        return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def compare(
    answer: Any, truth: Any, *, unit: str = "", tolerance: float = 0.005, sorted_by: Sequence[str] = ()
) -> Result:
    """Say whether an answer is right, else what kind of mistake it is, without giving the truth.

    Parameters
    ----------
    answer, truth
        The truth's kind decides what is expected: a truth value, number, text, date, frame,
        mapping or sequence.
    unit : str
        Unit of a number; `"share"` means 0-1.
    tolerance : float
        Allowed difference relative to the truth, of each number; at a truth of zero, absolute.
        Whole-number truths with `tolerance=0` must be met exactly.
    sorted_by : sequence of str
        Columns by which a frame must be sorted, `"-column"` for the largest first; when empty,
        row order does not matter.

    Returns
    -------
    Result

    Examples
    --------
    >>> compare(14.7, 0.147, unit="share")
    Not yet: that is a percentage; a share lies between 0 and 1, so divide by 100.
    """
    if answer is None or answer is ...:
        return Result(False, "there is no answer so far; replace the placeholder by yours.")
    if _is_frame(truth):
        return _compare_frames(answer, truth, tolerance, tuple(sorted_by))
    if isinstance(truth, Mapping):
        return _compare_mappings(answer, truth, unit, tolerance)
    answer, truth = _scalar(answer), _scalar(truth)
    if isinstance(truth, bool):
        return _compare_plain(answer, truth, bool, "True or False")
    if isinstance(truth, numbers.Real):
        return _compare_numbers(answer, float(truth), unit, tolerance)
    if isinstance(truth, str):
        answer = answer.strip().casefold() if isinstance(answer, str) else answer
        return _compare_plain(answer, truth.strip().casefold(), str, "text in quotes")
    if isinstance(truth, datetime.date):
        answer = answer.date() if isinstance(answer, datetime.datetime) else answer
        truth = truth.date() if isinstance(truth, datetime.datetime) else truth
        return _compare_plain(answer, truth, datetime.date, "a date")
    return _compare_sequences(answer, list(truth), unit, tolerance)


def _compare_plain(answer: Any, truth: Any, kind: type, wanted: str) -> Result:
    if not isinstance(answer, kind):
        return Result(False, f"the answer should be {wanted}, not {_kind(answer)}.")
    return Result(answer == truth, "well done." if answer == truth else "that is not it; look at the table again.")


def _compare_numbers(answer: Any, truth: float, unit: str, tolerance: float) -> Result:
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real):
        return Result(False, f"the answer should be one number{f' ({unit})' if unit else ''}, not {_kind(answer)}.")
    try:
        value = float(answer)
    except OverflowError:  # whole numbers know no largest
        value = math.inf
    if not math.isfinite(value):
        return Result(False, "the answer is not a finite number; look for a division by zero or missing values.")
    if _near(value, truth, tolerance):
        return Result(True, "well done.")
    return Result(False, _mistake(value, truth, unit, tolerance))


def _mistake(value: float, truth: float, unit: str, tolerance: float) -> str:
    """What kind of mistake a wrong number is, the telling kinds first."""
    if truth and _near(value, truth * _HUNDREDFOLD, tolerance):
        if unit == "share":
            return "that is a percentage; a share lies between 0 and 1, so divide by 100."
        return "that is a hundred times too much; look at the unit."
    if truth and _near(value * _HUNDREDFOLD, truth, tolerance):
        return "that is a hundredth of it; look at the unit" + (" (percent is asked)." if "percent" in unit else ".")
    if truth and _near(-value, truth, tolerance):
        return "the size is right, the sign is not; which of the two is subtracted from the other?"
    if unit == "share" and 0 <= truth <= 1 and _near(1 - value, truth, tolerance):
        return "that is the share of the others; look at what the question counts."
    if unit == "share" and not 0 <= value <= 1 and 0 <= truth <= 1:
        return "a share lies between 0 and 1."
    if value * truth < 0:
        return "the sign is wrong, and the size too."
    if truth and (value == 0 or not 0.1 < abs(value / truth) < 10):
        return f"an order of magnitude too {'small' if abs(value) < abs(truth) else 'large'}; look at what is counted."
    return "too high." if value > truth else "too low."


def _compare_sequences(answer: Any, truth: list[Any], unit: str, tolerance: float) -> Result:
    if isinstance(answer, (str, bytes)) or not hasattr(answer, "__iter__") or not hasattr(answer, "__len__"):
        return Result(False, f"the answer should be a list of values, not {_kind(answer)}.")
    given = list(answer)
    if len(given) != len(truth):
        return Result(False, f"the answer has {len(given)} values, not as many as asked.")
    for position, (one, wanted) in enumerate(zip(given, truth, strict=True), 1):
        result = compare(one, wanted, unit=unit, tolerance=tolerance)
        if not result.correct:
            return Result(False, f"value {position}: {result.message}")
    return Result(True, "well done.")


def _compare_mappings(answer: Any, truth: Mapping[Any, Any], unit: str, tolerance: float) -> Result:
    if not hasattr(answer, "keys"):
        return Result(False, f"the answer should name its values (a dictionary), not be {_kind(answer)}.")
    missing = [key for key in truth if key not in answer.keys()]  # noqa: SIM118 - a Series holds values, not keys
    if missing:
        return Result(False, f"the answer lacks {', '.join(map(str, missing))}.")
    for key, wanted in truth.items():
        result = compare(answer[key], wanted, unit=unit, tolerance=tolerance)
        if not result.correct:
            return Result(False, f"{key}: {result.message}")
    return Result(True, "well done.")


def _compare_frames(answer: Any, truth: Any, tolerance: float, sorted_by: tuple[str, ...]) -> Result:
    if not _is_frame(answer):
        return Result(False, f"the answer should be a table, not {_kind(answer)}.")
    given, wanted = _rows(answer), _rows(truth)
    missing = [name for name in wanted.columns if name not in given.columns]
    if missing:
        hint = (
            " (it is the index; use reset_index)"
            if missing[0] in getattr(getattr(answer, "index", None), "names", ())
            else ""
        )
        return Result(False, f"the table lacks the column {' and '.join(map(str, missing))}{hint}.")
    if len(given) != len(wanted):
        more = "more" if len(given) > len(wanted) else "fewer"
        return Result(False, f"the table has {len(given):,} rows, {more} than asked; one row for each of what?")
    given = given[list(wanted.columns)]
    order = [name.removeprefix("-") for name in sorted_by]
    rising = [not name.startswith("-") for name in sorted_by]
    # Rounded numbers come last: they would put equal rows in different orders.
    rest = sorted(
        (name for name in wanted.columns if name not in order), key=lambda name: wanted[name].dtype.kind == "f"
    )
    by, ascending = [*order, *rest], [*rising, *[True] * len(rest)]
    try:
        ordered = given.sort_values(by, ascending=ascending, kind="stable", ignore_index=True)
    except TypeError:
        return Result(False, "a column holds values that have no order; one value a cell is asked.")
    if order and not given[order].reset_index(drop=True).equals(ordered[order]):
        return Result(False, f"the rows are not sorted as asked, by {', '.join(sorted_by)}.")
    wanted = wanted.sort_values(by, ascending=ascending, kind="stable", ignore_index=True)
    for name in wanted.columns:
        for one, true in zip(ordered[name], wanted[name], strict=True):
            if not _equal(one, true, tolerance):
                return Result(False, f"the values in column {name} differ from what is asked.")
    return Result(True, "well done.")


def _equal(value: Any, truth: Any, tolerance: float) -> bool:
    """Equality of two cells: missing with missing, numbers within the tolerance."""
    import pandas as pd

    if pd.isna(truth) or pd.isna(value):
        return bool(pd.isna(truth) and pd.isna(value))
    if isinstance(truth, numbers.Real):
        return isinstance(value, numbers.Real) and _near(float(value), float(truth), tolerance)
    return bool(value == truth)


def _near(value: float, truth: float, tolerance: float) -> bool:
    # 1e-12 forgives the last bits where an exact answer is asked.
    return abs(value - truth) <= max(tolerance, 1e-12) * (abs(truth) or 1.0)


def _is_frame(value: Any) -> bool:
    return isinstance(nw.from_native(value, pass_through=True), (nw.DataFrame, nw.LazyFrame))


def _rows(frame: Any) -> Any:
    from crmlib.frames import to_pandas

    return to_pandas(frame)


def _scalar(value: Any) -> Any:
    """Plain Python value of a NumPy scalar or of an array or column of one element."""
    if getattr(value, "size", None) == 1 and hasattr(value, "to_numpy"):
        value = value.to_numpy().reshape(-1)[0]
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        try:
            return value.item()
        except (TypeError, ValueError):
            return value
    return value


def _kind(value: Any) -> str:
    return "text" if isinstance(value, str) else f"a {type(value).__name__}"
