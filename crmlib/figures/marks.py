"""Marks: lines with bands, rows with intervals, dots and coloured cells."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import ParameterError
from crmlib.figures.sheet import COLOURS, GREY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def heatmap(axes: Axes, table: pd.DataFrame, *, value: str, digits: int = 1, label_cells: int = 260) -> Axes:
    """Shares as coloured cells, each with its percentage while there is room.

    Parameters
    ----------
    axes : Axes
    table : pandas.DataFrame
        Rows and columns as they shall stand; shares in 0-1, NaN for cells that do not exist.
    value : str
        Name of the share, for the colour bar.
    digits : int
        Decimals of the percentages.
    label_cells : int
        With more cells than this the numbers are left out; the colour bar remains.
    """
    import seaborn as sns
    from matplotlib.ticker import MaxNLocator

    labelled = table.size <= label_cells
    with warnings.catch_warnings():  # seaborn draws once to measure; see `png`
        warnings.filterwarnings("ignore", "Glyph .* missing from font|constrained_layout not applied", UserWarning)
        sns.heatmap(
            100 * table,
            ax=axes,
            cmap="Blues",
            vmin=0,
            annot=labelled,
            fmt=f".{digits}f",
            annot_kws={"size": 8 if table.shape[1] <= 14 else 7},
            linewidths=0.6,
            linecolor="white",
            cbar=True,
            cbar_kws={"label": f"{value} (%)", "ticks": MaxNLocator(6, integer=True)},
        )
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    return axes


def curve(
    axes: Axes,
    x: ArrayLike,
    y: ArrayLike,
    *,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    name: str,
    colour: int | str = 0,
    dashed: bool = False,
    step: bool = False,
    marker: str | None = None,
) -> Axes:
    """One line with its interval as a band behind it.

    Parameters
    ----------
    x, y, low, high : one-dimensional, of one length
        `low` and `high` both or neither.
    name : str
        Legend entry; `""` for none.
    colour : int or str
        Index into `COLOURS`, or a colour.
    dashed, step, marker
        Line style: dashed for a truth or benchmark, step for a survival curve.

    Raises
    ------
    ParameterError
        One end of the band without the other.
    """
    if (low is None) != (high is None):
        raise ParameterError("a band needs both ends: give low and high, or neither")
    shade = COLOURS[colour % len(COLOURS)] if isinstance(colour, int) else colour
    style: dict[str, Any] = {"color": shade, "linestyle": "--" if dashed else "-", "marker": marker, "markersize": 3.5}
    if step:
        axes.step(x, y, where="post", label=name or None, **style)
    else:
        axes.plot(x, y, label=name or None, **style)
    if low is not None and high is not None:
        axes.fill_between(x, low, high, step="post" if step else None, color=shade, alpha=0.15, linewidth=0)
    return axes


def intervals(
    axes: Axes,
    labels: Sequence[str],
    estimate: Sequence[float] | np.ndarray,
    low: Sequence[float] | np.ndarray,
    high: Sequence[float] | np.ndarray,
    *,
    reference: float | None = None,
    truth: Sequence[float] | np.ndarray | None = None,
    colour: int | str = 0,
) -> Axes:
    """Estimates with their intervals, one a row, the first on top.

    Parameters
    ----------
    labels, estimate, low, high : of one length
    reference : float, optional
        A value to compare with, such as zero, as a grey vertical line.
    truth : optional, of the same length
        Known true values, as hollow diamonds.
    """
    rows = np.arange(len(labels))
    middle, low, high = np.asarray(estimate, float), np.asarray(low, float), np.asarray(high, float)
    shade = COLOURS[colour % len(COLOURS)] if isinstance(colour, int) else colour
    if reference is not None:
        axes.axvline(reference, color=GREY, linewidth=1)
    axes.hlines(rows, low, high, color=shade, linewidth=2)
    axes.plot(middle, rows, "o", color=shade, markersize=5, label="estimate and interval")
    if truth is not None:
        axes.plot(truth, rows, "D", markerfacecolor="none", color=COLOURS[1], markersize=7, label="truth")
    axes.set_yticks(rows, list(labels))
    if len(rows):  # without any, the limits would be equal, which Matplotlib warns of
        axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    return axes


def dots(
    axes: Axes,
    table: pd.DataFrame,
    *,
    reference: float | None = None,
    truth: Sequence[float] | np.ndarray | None = None,
) -> Axes:
    """Several values of each row side by side, one marker a column, joined by a thin line.

    Parameters
    ----------
    axes : Axes
    table : pandas.DataFrame
        Rows as they shall stand, the first on top; columns are the legend's entries. Values that are
        not finite are left out.
    reference : float, optional
        A value to compare with, as a grey vertical line.
    truth : optional, one a row
        Known true values, as black diamonds.
    """
    rows = np.arange(len(table))
    values = table.to_numpy(dtype=float)
    values = np.where(np.isfinite(values), values, np.nan)
    some = np.isfinite(values).any(axis=1)
    ends = [np.nanmin(values[some], axis=1), np.nanmax(values[some], axis=1)]
    axes.hlines(rows[some], *ends, color="#D5D5D5", linewidth=1.2, zorder=1)
    if reference is not None:
        axes.axvline(reference, color=GREY, linewidth=1.2, zorder=1)
    for number, name in enumerate(table.columns):
        shade, marker = COLOURS[number % len(COLOURS)], "osv^<>PXd"[number % 9]
        axes.plot(values[:, number], rows, marker, color=shade, markersize=6, alpha=0.85, label=str(name))
    if truth is not None:
        shown: dict[str, Any] = {"markerfacecolor": "none", "markeredgewidth": 1.8, "color": "black", "markersize": 9}
        axes.plot(np.asarray(truth, float), rows, "D", label="truth", **shown)
    axes.set_yticks(rows, [str(name) for name in table.index])
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    return axes
