"""Formulas as pictures: LaTeX in, inline SVG out, drawn when the page is made.

No script runs on a page, so none can typeset there. ziamath draws each formula as paths in the
text's colour, sized in `em` and set on the baseline; the LaTeX source is its text alternative.
"""

from __future__ import annotations

import functools
import html
import re

from crmlib.errors import DataError

_SIZE = 20.0  # units for one em of the drawing; the page scales it
_COMMAND = re.compile(r"\\[A-Za-z]+")
_HEAD = re.compile(r"<svg[^>]*>")
_BOX = re.compile(r'viewBox="([-\d.e ]+)"')


@functools.lru_cache(maxsize=4096)
def formula(latex: str, *, display: bool = False) -> str:
    """HTML of a formula: a `span` with the role of an image, holding inline SVG.

    Parameters
    ----------
    latex : str
        Without its dollar signs.
    display : bool
        On a line of its own, in display style.

    Raises
    ------
    DataError
        The formula cannot be drawn; the message names it.
    """
    source = " ".join(latex.split())
    try:
        drawing, below = _drawing(source, display=display)
    except Exception as error:  # ziamath and latex2mathml raise whatever a bad formula runs into
        why = str(error) or type(error).__name__
        raise DataError(f"the formula ${source}$ cannot be drawn ({why}); write it in plainer LaTeX") from error
    kind = "formula display" if display else "formula"
    style = "" if display else f' style="vertical-align:{-below:.3f}em"'
    label = html.escape(source)
    return f'<span class="{kind}" role="img" aria-label="{label}"{style}>{drawing}</span>'


def _drawing(source: str, *, display: bool) -> tuple[str, float]:
    """SVG with sizes in em, and how far it reaches below the baseline (em)."""
    from ziamath.config import config
    from ziamath.zmath import Latex

    config.svg2 = False  # paths in place: no shared symbols, so no ids to clash
    config.precision = 2
    drawn = Latex(source, size=_SIZE, inline=not display, color="currentColor")
    if unknown := _COMMAND.search(" ".join(drawn.mathml.itertext())):
        raise ValueError(f"unknown command {unknown.group()}")
    svg = drawn.svg()
    box = _BOX.search(svg)
    if box is None:
        raise ValueError("no picture")
    left, top, width, height = map(float, box.group(1).split())
    if not width > 0 or not height > 0:
        raise ValueError("an empty picture")
    size = (
        f'width="{width / _SIZE:.3f}em" height="{height / _SIZE:.3f}em" viewBox="{left:g} {top:g} {width:g} {height:g}"'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" focusable="false" {size}>'
    return _HEAD.sub(head, svg, count=1), (top + height) / _SIZE
