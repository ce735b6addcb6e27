"""Numbers with their units, for people: the value of a finding, and the difference of two."""

from __future__ import annotations

import re

from crmlib.findings import Value

CURRENCY = re.compile("[A-Z]{3}")
MINUS = "−"
#: From here on findings, kept to 5 significant digits, no longer hold every digit: the short scale begins.
LARGE = 100_000

_SIGNS = {True: MINUS, False: "+"}
_SCALES = ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k"))


def quantity(value: Value, unit: str) -> str:
    """The value with its unit: "43.2 %" of a share, "USD 106.08", "USD 1.235m", "23,570 customers"; "none" without."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return f"{MINUS if value < 0 else ''}{_size(abs(value), unit)}"


def change(difference: float, unit: str) -> str:
    """A difference with sign and unit: "+1.5 percentage points" of a share, "−USD 2.10", "+12 customers"."""
    sign = _SIGNS[difference < 0]
    size = abs(difference)
    if unit == "share":
        return f"{sign}{_share(size)} percentage points"
    return f"{sign}{_size(size, unit)}"


def _size(size: float, unit: str) -> str:
    if unit == "share":
        return f"{_share(size)} %"
    if unit.startswith("of "):  # a share of what the unit names
        return f"{_share(size)} % {unit}"
    if CURRENCY.fullmatch(unit):
        return f"{unit} {_money(size)}"
    return f"{_number(size)} {unit}".rstrip()


def _share(size: float) -> str:
    """In percent: one decimal, as sentences have it, or two digits of what is smaller."""
    percent = 100 * size
    return f"{percent:,.1f}" if percent >= 0.05 or percent == 0 else f"{float(f'{percent:.2g}'):.12g}"


def _money(size: float) -> str:
    if size >= LARGE:
        return _scaled(size)
    return f"{size:,.0f}" if size >= 10_000 else f"{size:,.2f}"


def _number(size: float) -> str:
    """Whole numbers in full, others to 3 significant digits, or 1 decimal from 100 on."""
    if size >= LARGE:
        return _scaled(size)
    if float(size).is_integer() or size >= 10_000:
        return f"{size:,.0f}"
    return f"{size:,.1f}" if size >= 100 else f"{float(f'{size:.3g}'):,.12g}"


def _scaled(size: float) -> str:
    """To 4 significant digits by the short scale: 565.8k, 1.447m, 2.1bn."""
    rounded = float(f"{size:.4g}")
    for scale, letter in _SCALES:
        if rounded >= scale:
            return f"{rounded / scale:,.12g}{letter}"
    return f"{rounded:,.12g}"
