"""How amounts, customers and intervals of the margin analysis are worded."""

from __future__ import annotations

from crmlib.findings import between, count, money


def customers_of(number: float) -> str:
    """Number of customers, of one too."""
    return "1 customer" if number == 1 else f"{count(number)} customers"


def amount_of(value: float, currency: str) -> str:
    """Amount, without cents from 1,000 on."""
    digits = 0 if abs(value) >= 1_000 else 2
    return money(round(value, digits) + 0.0, currency, digits)  # + 0.0 turns -0.00 into 0.00


def ends_of(low: float, high: float, currency: str, level: float) -> str:
    """Interval of an amount in brackets."""
    return between(low, high, lambda amount: amount_of(amount, currency), level)


def signed(value: float, currency: str) -> str:
    """Amount of a change with its sign."""
    return amount_of(abs(value), currency).replace(f"{currency} ", f"{currency} {'+' if value >= 0 else '-'}", 1)
