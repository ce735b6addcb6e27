"""Figures: axes in, axes out. A cell makes a canvas, draws on it, and ends in `show`; result tables end in `table`.

`show` publishes one PNG with its alternative text and closes the figure, so a cell shows each
figure once, in Jupyter, papermill and nbconvert alike, whatever the Matplotlib backend.
"""

from crmlib.figures.fits import frequencies, renewal_tracking, tracking
from crmlib.figures.marks import curve, dots, heatmap, intervals
from crmlib.figures.sheet import (
    COLOURS,
    GREY,
    canvas,
    from_zero,
    label,
    legend,
    png,
    share_axis,
    show,
    whole_numbers,
)
from crmlib.figures.table import Table, table

__all__ = [
    "COLOURS",
    "GREY",
    "Table",
    "canvas",
    "curve",
    "dots",
    "frequencies",
    "from_zero",
    "heatmap",
    "intervals",
    "label",
    "legend",
    "png",
    "renewal_tracking",
    "share_axis",
    "show",
    "table",
    "tracking",
    "whole_numbers",
]
