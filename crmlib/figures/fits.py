"""How a model of customers fits: purchases tracked over time, and how many customers made how many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import MissingColumnsError, ParameterError
from crmlib.figures.marks import curve
from crmlib.figures.sheet import GREY, from_zero, legend, share_axis, whole_numbers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Colour of what was seen, so that the models keep the others.
MADE = "#666666"


def tracking(axes: Axes, tables: Mapping[str, pd.DataFrame], *, known_until: float | None = None) -> Axes:
    """Cumulative purchases made, and expected by each model, over time.

    Parameters
    ----------
    axes : Axes
    tables : mapping of model to table
        As `clv.cumulative_purchases` gives them for the same orders: time, actual, expected.
    known_until : float, optional
        Time up to which the models had seen the purchases, as a grey vertical line.

    Raises
    ------
    MissingColumnsError, ParameterError
        No table, or one without its columns.
    """
    for number, (name, table) in reversed(list(enumerate(_checked(tables, "time", "actual", "expected").items()))):
        curve(axes, table["time"], table["expected"], name=name, colour=number, dashed=True)
    curve(axes, table["time"], table["actual"], name="made", colour=MADE)
    if known_until is not None:
        axes.axvline(known_until, color=GREY, linewidth=1)
        axes.annotate(
            "known until here",
            (known_until, 0.03),
            xycoords=("data", "axes fraction"),
            xytext=(-5, 0),
            textcoords="offset points",
            ha="right",
            color=GREY,
        )
    return legend(from_zero(axes), "upper left")


def renewal_tracking(axes: Axes, tables: Mapping[str, pd.DataFrame], *, known_until: float | None = None) -> Axes:
    """Share of customers still under contract after each renewal, seen and expected by each model with its band.

    Parameters
    ----------
    axes : Axes
    tables : mapping of model to table
        As `clv.renewal_table` gives them for the same customers: renewal, survival, expected, low, high.
    known_until : float, optional
        Renewal up to which the models had seen them, as a grey vertical line.

    Raises
    ------
    MissingColumnsError, ParameterError
        No table, or one without its columns.
    """
    columns = ("renewal", "survival", "expected", "low", "high")
    for number, (name, table) in enumerate(_checked(tables, *columns).items()):
        x, low, high = (table[column] for column in ("renewal", "low", "high"))
        curve(axes, x, table["expected"], low=low, high=high, name=name, colour=number, dashed=True)
    axes.plot(table["renewal"], table["survival"], "o", color=MADE, markersize=4.5, label="seen")
    if known_until is not None:
        axes.axvline(known_until, color=GREY, linewidth=1)
    axes.set_ylim(0, 1.02)
    return legend(whole_numbers(share_axis(axes)), "lower left")


def frequencies(axes: Axes, tables: Mapping[str, pd.DataFrame]) -> Axes:
    """Customers by number of purchases, renewal or order value as bars, and how many each model expects.

    Parameters
    ----------
    axes : Axes
    tables : mapping of model to table
        For the same customers, all as `clv.frequency_table`, `clv.renewal_table` (who left at each) or
        `clv.spend_table` give them.

    Raises
    ------
    MissingColumnsError, ParameterError
        No table, or one without its columns.
    """
    kind = next((kind for kind in _COUNTED if kind[0] in next(iter(tables.values()), ())), _COUNTED[0])
    named = _checked(tables, *kind)
    first = next(iter(named.values()))
    place = np.arange(len(first))
    axes.bar(place, first[kind[1]], color="#D8D8D8", width=0.75, label="customers")
    for number, (name, table) in enumerate(named.items()):
        curve(axes, place, table[kind[2]], name=name, colour=number, marker="osv^"[number % 4])
    axes.set_xticks(place, _labels(first))
    axes.grid(visible=False, axis="x")
    handles, names = axes.get_legend_handles_labels()  # Matplotlib puts bars behind lines
    axes.legend([handles[-1], *handles[:-1]], [names[-1], *names[:-1]], loc="upper right", frameon=False)
    return from_zero(axes)


#: Columns of tables of customers counted: what they are counted by, seen, expected, and more that is needed.
_COUNTED = (
    ("frequency", "actual", "expected", "last"),
    ("renewal", "left", "expected_left"),
    ("high", "actual", "expected", "low"),
)


def _labels(table: pd.DataFrame) -> list[str]:
    if "frequency" in table:
        return [f"{x:g}{'+' if last else ''}" for x, last in zip(table["frequency"], table["last"], strict=True)]
    if "renewal" in table:
        return [f"{x:g}" for x in table["renewal"]]
    return [f"to {high:.3g}" if np.isfinite(high) else f"{low:.3g}+" for low, high in table[["low", "high"]].to_numpy()]


def _checked(tables: Mapping[str, pd.DataFrame], *columns: str) -> Mapping[str, pd.DataFrame]:
    if not tables:
        raise ParameterError("no table is given; name at least one model's")
    for name, table in tables.items():
        if missing := [column for column in columns if column not in table.columns]:
            raise MissingColumnsError(f"the table of {name} lacks {', '.join(map(repr, missing))}; see the docstring")
        if not len(table):
            raise ParameterError(f"the table of {name} has no rows, so there is nothing to draw; take more data")
    return tables
