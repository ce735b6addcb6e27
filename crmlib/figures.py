"""Figures: axes in, axes out. A cell makes a canvas, draws on it, and ends in `show`.

`show` publishes one PNG with its alternative text and closes the figure, so a cell shows each
figure once, in Jupyter, papermill and nbconvert alike, whatever the Matplotlib backend.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, told apart by all common forms of colour-blindness, darkest first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#6E6E6E"

_DPI = 160
_MARGIN, _LETTER = 0.75, 0.1  # inches: what the y axis takes of a panel's width, and a letter of its title
_STYLE: Any = {
    "axes.edgecolor": "#B0B0B0",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "grid.color": "#E6E6E6",
    "lines.linewidth": 1.8,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
}


def canvas(columns: int = 1, *, height: float = 3.8, width: float = 8.0, **options: Any) -> tuple[Figure, Any]:
    """Figure and axes in the house style, at report width.

    Parameters
    ----------
    columns : int
        Panels side by side.
    height, width : float
        Size of the whole figure in inches.
    **options
        Passed to `Figure.subplots`, such as `sharey=True`.

    Returns
    -------
    (Figure, Axes or array of Axes)
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(1, columns, **options)


def show(figure: Figure, *, alt: str) -> None:
    """Display the figure as a PNG with its alternative text.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        What the figure shows, in a sentence or two, with its main numbers: read out to those who
        cannot see it, compared by nbval, and kept as the picture's `alt` attribute.

    Raises
    ------
    ParameterError
        The alternative text is empty.
    """
    from IPython.display import display

    if not alt.strip():
        raise ParameterError("a figure needs an alternative text: say in a sentence what it shows")
    width = round(figure.get_figwidth() * 96)
    display(
        {"image/png": png(figure), "text/plain": alt},
        raw=True,
        metadata={"image/png": {"alt": alt, "width": width}},
    )


def png(figure: Figure) -> bytes:
    """PNG of the figure, twice the pixels of a plain screen; the same bytes for the same figure."""
    import matplotlib as mpl

    stream = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()


def label(axes: Axes, *, title: str, x: str, y: str) -> Axes:
    """Title (what to see) and axis labels (with units), all three required."""
    place, figure = axes.get_subplotspec(), axes.get_figure(root=True)
    panels = place.get_geometry()[1] if place is not None else 1
    # Matplotlib wraps at the edge of the figure, which lets a title run into its neighbour's.
    if panels > 1 and figure is not None:
        inches = figure.get_figwidth() / panels - _MARGIN
        title = "\n".join(textwrap.wrap(title, max(10, int(inches / _LETTER))))
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", pad=10, wrap=True)
    axes.set_xlabel(x, color="#333333")
    axes.set_ylabel(y, color="#333333")
    return axes


def whole_numbers(axes: Axes, which: str = "x") -> Axes:
    """Ticks at whole numbers only, for ages, counts and positions."""
    from matplotlib.ticker import MaxNLocator

    (axes.xaxis if which == "x" else axes.yaxis).set_major_locator(MaxNLocator(integer=True))
    return axes


def from_zero(axes: Axes) -> Axes:
    """Start the y axis at zero, with air above the highest point: bars and money need the zero."""
    top = axes.dataLim.ymax
    axes.set_ylim(0, 1.08 * top if 0 < top < np.inf else 1)
    return axes


def legend(axes: Axes, place: Any = "best") -> Axes:
    """Legend without a frame, at a Matplotlib location."""
    axes.legend(loc=place, frameon=False)
    return axes


def share_axis(axes: Axes, which: str = "y", digits: int = 0) -> Axes:
    """Show a 0-1 share axis as percentages."""
    from matplotlib.ticker import PercentFormatter

    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(PercentFormatter(1, decimals=digits, symbol=" %"))
    return axes


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
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    *,
    low: Sequence[float] | np.ndarray | None = None,
    high: Sequence[float] | np.ndarray | None = None,
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
