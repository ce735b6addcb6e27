"""Numbers with their units, for people: the value of a finding, and the difference of two."""

from __future__ import annotations

import re

from crmlib.findings import Value

_CURRENCY = re.compile("[A-Z]{3}")
_SIGNS = {True: "−", False: "+"}


def quantity(value: Value, unit: str) -> str:
    """The value with its unit: "43.2 %" of a share, "USD 106.08", "23,570 customers"; "none" without a value."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if unit == "share":
        return f"{_number(100 * value)} %"
    if _CURRENCY.fullmatch(unit):
        return f"{unit} {_money(value)}"
    return f"{_number(value)} {unit}".rstrip()


def change(difference: float, unit: str) -> str:
    """A difference with sign and unit: "+1.5 percentage points" of a share, "−USD 2.10", "+12 customers"."""
    sign = _SIGNS[difference < 0]
    size = abs(difference)
    if unit == "share":
        return f"{sign}{_number(100 * size)} percentage points"
    if _CURRENCY.fullmatch(unit):
        return f"{sign}{unit} {_money(size)}"
    return f"{sign}{_number(size)} {unit}".rstrip()


def _money(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.2f}"


def _number(value: float) -> str:
    """Whole numbers in full, others to 3 significant digits, or 1 decimal from 100 on."""
    if float(value).is_integer() or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):,.12g}"
