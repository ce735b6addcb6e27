"""Formulas as pictures: LaTeX in, inline SVG out, drawn when the page is made.

No script runs on a page, so none can typeset there. ziamath draws each formula as paths in the
text's colour, sized in `em` and set on the baseline; the LaTeX source is its text alternative.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from typing import Any

from crmlib.errors import DataError

_SIZE = 20.0  # units for one em of the drawing; the page scales it
_TALLEST = 40  # em, a matrix of some twenty rows
_COMMAND = re.compile(r"\\[A-Za-z]+")
_TEXT = re.compile(r"\\text[a-z]*\s*\{[^{}]*\}")
_HEAD = re.compile(r"<svg[^>]*>")
_PATH = re.compile(r'<path[^>]* ?d="([^"]*)"')
_POINT = re.compile(r"(-?[\d.]+) (-?[\d.]+)")
_BAR = re.compile(r'<rect[^>]* x="(-?[\d.]+)"[^>]* width="([\d.]+)"')
_MARGIN = 1.0
_UNSEEN = ("Zs", "Cf", "Cc", "Mn")
_RULES = "―‾¯_"
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
    # ziamath draws no hyphen-minus in text; the true hyphen it does
    written = _TEXT.sub(lambda found: found[0].replace("-", "\N{HYPHEN}"), source)
    drawn = Latex(written, size=_SIZE, inline=not display, color="currentColor")
    if unknown := _COMMAND.search(" ".join(drawn.mathml.itertext())):
        raise ValueError(f"unknown command {unknown.group()}")
    if "\\" in "".join(drawn.mathml.itertext()) and r"\backslash" not in source:  # of "\Big\{" it draws the stroke
        raise ValueError("a backslash would show")
    svg = drawn.svg()
    signs = _signs(drawn.mathml)
    if strange := [sign for sign in signs if drawn.font.glyphindex(sign) == 0]:
        raise ValueError(f"the font has no {', '.join(strange)}")
    if svg.count("<path") < len(signs):  # ziamath passes over what it does not know
        raise ValueError("a part of it would be missing")
    box = _BOX.search(svg)
    if box is None:
        raise ValueError("no picture")
    left, top, width, height = map(float, box.group(1).split())
    left, width = _tight(svg, left, width)
    if not width > 0 or not height > 0:
        raise ValueError("an empty picture")
    if height > _TALLEST * _SIZE:  # of "\\left(" around a fraction over a sum it draws brackets 99 em tall
        raise ValueError(f"it would be {height / _SIZE:.0f} letters tall")
    size = (
        f'width="{width / _SIZE:.3f}em" height="{height / _SIZE:.3f}em" viewBox="{left:g} {top:g} {width:g} {height:g}"'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" focusable="false" {size}>'
    return _HEAD.sub(head, svg, count=1), (top + height) / _SIZE


def _signs(element: Any) -> list[str]:
    """Signs of MathML that must each show as a glyph: no spaces, no invisible operators, no rules."""
    if element.tag.split("}")[-1] == "mphantom":
        return []
    texts = [element.text or "", *(child.tail or "" for child in element)]
    own = [sign for sign in "".join(texts) if unicodedata.category(sign) not in _UNSEEN and sign not in _RULES]
    return own + [sign for child in element for sign in _signs(child)]


def _tight(svg: str, left: float, width: float) -> tuple[float, float]:
    """Left edge and width without the room ziamath leaves for an accent's own advance."""
    points = [float(x) for path in _PATH.findall(svg) for x, _ in _POINT.findall(path)]
    points += [float(x) + far for x, wide in _BAR.findall(svg) for far in (0.0, float(wide))]
    if not points or "transform" in svg:
        return left, width
    first, last = max(left, min(points) - _MARGIN), min(left + width, max(points) + _MARGIN)
    return first, last - first
