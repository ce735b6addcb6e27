"""Digits that a column of a result table shows: as many as its size deserves, the same down the column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from great_tables import GT

_SIGNIFICANT = 4  # of the column's largest number
_MOST, _SMALL = 4, 0.01  # decimals, but for columns of numbers below this size
_MIXED = 1e4  # where numbers differ by more than this factor, none number of decimals fits them all
_SHARE = re.compile(r"(^|_)(share|rate)$")
_EXACT = 2.0**53  # from here on a float has not every digit of a whole number
_MOST_SHOWN, _HUGE = 12, 1e18  # decimals and size beyond which a number is written with its power of ten
_P_VALUE = re.compile(r"p|p_value|p_holm")
_NAMING = re.compile(r"(^|_)(id|ids|year|seed|code|key)$")  # whole numbers that name, and count nothing


@dataclass
class Column:
    """A column as it will be shown.

    Parameters
    ----------
    key : str
        Its name in the table that great-tables sets.
    name : str
        Its name in the frame.
    values : pandas.Series
    estimate : Column, optional
        The column whose interval's end this one is: it has that column's kind and digits.
    """

    key: str
    name: str
    values: pd.Series[Any]
    estimate: Column | None = None
    kind: str = "text"

    @property
    def numeric(self) -> bool:
        """Whether it is set flush right."""
        return self.kind in ("count", "number", "percent", "p")


def settle_kinds(columns: Sequence[Column], percent: Sequence[str]) -> None:
    """Set each column's kind (text, count, number, percent or p); the ends of an interval take their estimate's."""
    for column in columns:
        column.kind = _kind(column, percent)
    ends = [column for column in columns if column.estimate is not None]
    for end in ends:
        estimate = end.estimate
        if estimate is None or not estimate.numeric:  # words stand before `low`
            end.estimate = None
        elif {end.kind, estimate.kind} == {"count", "number"}:
            estimate.kind = "number"
    for end in ends:
        if end.estimate is not None and (end.numeric or not len(end.values.dropna())):  # too few for an interval
            end.kind = end.estimate.kind


def formatted(gt: GT, column: Column, digits: int | None) -> GT:
    """The table with great-tables' formatter for the column's kind."""
    if column.kind == "p":
        return gt.fmt(_p_value, columns=column.key, rows=_finite_rows(column.values))
    if column.kind == "count":
        numbers = _numbers(column.values).abs()
        exact = [row for row in _finite_rows(column.values) if numbers.iloc[row] >= _EXACT]
        shown = gt.fmt_integer(column.key, rows=[row for row in _finite_rows(column.values) if row not in set(exact)])
        return shown.fmt(_every_digit, columns=column.key, rows=exact) if exact else shown
    if not column.numeric:
        return gt
    places = _decimals(column, digits)
    for decimals in sorted(set(places.values())):
        rows = [row for row, own in places.items() if own == decimals]
        if (decimals > _MOST_SHOWN and digits is None) or _largest(column.values, rows) >= _HUGE:
            gt = gt.fmt(_scientific, columns=column.key, rows=rows)
        elif column.kind == "percent":
            gt = gt.fmt_percent(column.key, rows=rows, decimals=decimals, incl_space=True)
        else:
            gt = gt.fmt_number(column.key, rows=rows, decimals=decimals)
    return gt


def _kind(column: Column, percent: Sequence[str]) -> str:
    import pandas as pd

    values, name = column.values, column.name
    if pd.api.types.is_bool_dtype(values) or not _numbers(values).notna().any():
        return "text"
    numbers = _numbers(values).dropna()
    if name in percent or (_SHARE.search(name) and not _integers(values) and numbers.abs().max() <= 1):
        return "percent"
    if _P_VALUE.fullmatch(name) and numbers.between(0, 1).all():
        return "p"
    if _integers(values) and _NAMING.search(name):
        return "text"
    finite = numbers[numbers.abs() != float("inf")]
    return "count" if len(finite) and (finite == finite.round()).all() else "number"


def _numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """The column's numbers; what is none (a word among them, a day, a flag) is missing."""
    import pandas as pd

    if pd.api.types.is_complex_dtype(values):
        return pd.Series(float("nan"), index=values.index)
    if pd.api.types.is_numeric_dtype(values):
        return values.astype("float64")
    if values.dtype != object:
        return pd.Series(float("nan"), index=values.index)
    listed: list[Any] = list(values)
    numbers = [float(value) if is_number(value) else float("nan") for value in listed]
    return pd.Series(numbers, index=values.index)


def is_number(value: Any) -> bool:
    """Whether the value is one real number that a float can hold: no flag, no duration, nothing missing."""
    import numpy as np
    import pandas as pd

    if not pd.api.types.is_number(value) or isinstance(value, (bool, np.bool_, complex, np.complexfloating)):
        return False
    if isinstance(value, np.timedelta64) or value != value:
        return False
    number: Any = value
    try:
        float(number)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _integers(values: pd.Series[Any]) -> bool:
    import pandas as pd

    return pd.api.types.is_integer_dtype(values)


def _finite_rows(values: pd.Series[Any]) -> list[int]:
    return [row for row, value in enumerate(_numbers(values)) if abs(value) < float("inf")]


def _decimals(column: Column, digits: int | None) -> dict[int, int]:
    """Decimals by row, of the finite numbers."""
    rows = _finite_rows(column.values)
    if digits is not None:
        return dict.fromkeys(rows, digits)
    numbers = _numbers((column.estimate or column).values).abs()
    if not _sizes(numbers):  # an interval without an estimate
        numbers = _numbers(column.values).abs()
    sizes = _sizes(numbers)
    if not sizes:
        return dict.fromkeys(rows, 0)
    largest = _places(max(sizes), column.kind)
    if column.kind == "percent" or max(sizes) < _MIXED * min(sizes):
        return dict.fromkeys(rows, largest)
    return {row: _places(number, column.kind) if _sizes([number := numbers.iloc[row]]) else largest for row in rows}


def _sizes(numbers: Any) -> list[float]:
    return [number for number in numbers if 0 < number < float("inf")]


def _places(size: float, kind: str) -> int:
    if kind == "percent":
        return max(1, min(_MOST, 2 - floor(log10(100 * size))))
    places = _SIGNIFICANT - 1 - floor(log10(size))
    return max(0, min(_MOST, places) if size >= _SMALL else places - 1)


def _p_value(p: Any) -> str:
    return "&lt; 0.001" if p < 0.0005 else f"{p:.3f}"


def _largest(values: pd.Series[Any], rows: list[int]) -> float:
    return float(_numbers(values).iloc[rows].abs().max()) if rows else 0.0


def _every_digit(number: Any) -> str:
    if not isinstance(number, int) and abs(number) >= _HUGE and number == float(number):
        return _scientific(number)
    return f"{int(number):,}".replace("-", "−")


def _scientific(number: Any) -> str:
    return f"{'−' if number < 0 else ''}{abs(float(number)):.4g}"
