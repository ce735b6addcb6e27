"""The canvas, its house style and axes, and how it is shown."""

from __future__ import annotations

import io
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ParameterError

if TYPE_CHECKING:
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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    stream = io.BytesIO()
    dpi, engine = figure.get_dpi(), figure.get_layout_engine()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # names too long, or in letters that the font lacks: tables hold them, and a page has no use for advice
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        warnings.filterwarnings("ignore", "constrained_layout not applied", UserWarning)
        figure.set_dpi(_DPI)
        sheet = FigureCanvasAgg(figure)
        if engine is not None:  # laid out, then drawn: `savefig` draws everything twice, once to lay it out
            engine.execute(figure)
            figure.set_layout_engine("none")
        sheet.draw()
        figure.set_layout_engine(engine)
        figure.set_dpi(dpi)
    pixels = np.asarray(sheet.buffer_rgba())
    Image.fromarray(pixels, "RGBA").save(stream, format="png", dpi=(_DPI, _DPI))
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
