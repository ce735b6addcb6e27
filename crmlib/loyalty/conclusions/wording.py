"""How amounts and intervals of the loyalty analysis are worded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmlib.findings import money

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

WHAT = {"amount": "sales", "orders": "orders", "order_days": "order days"}


def named(table: pd.DataFrame, name: str) -> pd.Series:
    """Row of a table by the name in its first column."""
    return table[table.iloc[:, 0] == name].iloc[0]


def wording_of(outcome: str, currency: str) -> Callable[..., str]:
    """Wording of an amount of money, or of a number of orders; with its sign where `signed`."""

    def told(value: float, signed: bool = False) -> str:
        sign = ("+" if value >= 0 else "−") if signed else ("−" if value < 0 else "")
        return f"{sign}{money(abs(value), currency)}" if outcome == "amount" else f"{sign}{abs(value):.3f} orders"

    return told


def unit_of(outcome: str, currency: str) -> str:
    """Unit of an outcome."""
    return currency if outcome == "amount" else "orders"
