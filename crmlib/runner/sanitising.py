"""Foreign HTML made harmless: what a cell shows must not run, load, link away unseen or cover the page.

A page's Content-Security-Policy stops scripts and requests, but not `meta` refreshes, forms or
misleading overlays. So all HTML of outputs and prose passes an allow-list (nh3, which is
html5ever's parser and ammonia's rules), inline styles and the style sheets of pandas' Styler and
great-tables pass one of properties, and pictures are data or nothing.
"""

from __future__ import annotations

import re
from typing import Any

# fmt: off
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd", "del", "details", "div",
    "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li",
    "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strong", "sub", "summary", "sup", "table", "tbody",
    "td", "tfoot", "th", "thead", "tr", "u", "ul", "var",
}
# fmt: on
_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"class", "id", "title", "style", "lang", "dir"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan", "headers"},
    "th": {"colspan", "rowspan", "headers", "scope", "abbr"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start"},
    "details": {"open"},
}
_LINK = re.compile(r"(https?://|mailto:|#)[^\s]*", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*")
_CLASS = re.compile(
    r"dataframe|data|row\d+|col\d+|level\d+|row_heading|col_heading|index_name|blank|row_trim|col_trim|gt_\w+|n|long"
)
_ID = re.compile(r"[A-Za-z][\w-]*")
_PROPERTY = re.compile(
    r"color|background(-color|-size|-repeat|-position)?|opacity|font-(weight|style|size|variant|family|variant-numeric)"
    r"|text-(align|decoration|transform|indent)|vertical-align|white-space|word-break"
    r"|(min-|max-)?(width|height)|padding(-\w+)?|border(-\w+)*|line-height|letter-spacing|table-layout"
)
_VALUE = re.compile(r"[\w\s#%.,()+\-/'\"!]*")
_FETCHING = re.compile(r"(url|image|image-set|cross-fade|element|expression|attr|var|env|src)\s*\(", re.IGNORECASE)
_SHEET = re.compile(r"<style[^>]*>(.*?)</style\s*>", re.IGNORECASE | re.DOTALL)
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_AT_RULE = re.compile(r"@[^{};]*(;|\{([^{}]*\{[^{}]*\})*[^{}]*\})")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SELECTOR = re.compile(r"#[A-Za-z][\w-]*([ .:>][\w.:()>+ -]*)?(\s*,\s*#[A-Za-z][\w-]*([ .:>][\w.:()>+ -]*)?)*")
_LONG = 30  # letters of a cell that great-tables may break over lines
_RANDOM_ID = re.compile(r"""\bid=["']?(T_[0-9a-f]{5,}|[a-z]{10}|crm-[0-9a-f]{8})\b""")
_WHOLE = re.compile(r"[-−]?[\d,]+\.0")
_NUMBER = re.compile(
    r"[-−+]?([A-Z]{3} |[$€£¥] ?)?[-−+]?[\d,  ]*\.?\d+([eE][-+]?\d+)?( ?%)?|[-−+]?inf|nan|NaN|—|–|-|<NA>|None|"
)


def clean(html: str) -> str:
    """The fragment with only harmless elements, attributes, links, pictures and styles."""
    import nh3

    kept = nh3.clean(
        html.encode(errors="replace").decode(),  # half of a surrogate pair, as broken data hold it, is no text
        tags=_TAGS,
        clean_content_tags={"script", "style", "title", "noscript", "template", "textarea", "xmp", "noembed", "iframe"},
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
    )
    return kept.replace("<img>", "")  # what is left of a picture from elsewhere


def clean_table(html: str, number: int) -> str:
    """A shown HTML output: cleaned, its numbers set flush right, its random ids made `t<number>`.

    Parameters
    ----------
    html : str
        What pandas, Styler, great-tables or any cell shows.
    number : int
        Position of the output on its page.
    """
    if match := _RANDOM_ID.search(html):
        html = html.replace(match.group(1), f"t{number}")
    sheet = "".join(clean_sheet(text) for text in _SHEET.findall(html))
    body = clean(_aligned(html))
    if not re.sub(r"<[^>]*>|\s|&nbsp;", "", body) and "<img" not in body:
        return ""
    if sheet:
        return f'<div class="scroll sheet" tabindex="0"><style>{sheet}</style>{body}</div>'
    return f'<div class="scroll" tabindex="0">{body}</div>'


def clean_sheet(css: str) -> str:
    """Rules of a style sheet that begin at an id and set harmless properties; the rest is dropped."""
    kept = []
    for selector, body in _RULE.findall(_AT_RULE.sub("", _COMMENT.sub("", css))):
        declarations = clean_style(body)
        if declarations and _SELECTOR.fullmatch(selector.strip()):
            kept.append(f"{' '.join(selector.split())}{{{declarations}}}")
    return "".join(kept)


def clean_style(style: str) -> str:
    """Declarations with harmless properties and values that fetch nothing."""
    kept = []
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if _PROPERTY.fullmatch(name.lower()) and value and _VALUE.fullmatch(value) and not _FETCHING.search(value):
            kept.append(f"{name.lower()}:{' '.join(value.split())}")
    return ";".join(kept)


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "href":
        return value if _LINK.fullmatch(value) else None
    if name == "src":
        return value if _PICTURE.fullmatch(value) else None
    if name == "style":
        return clean_style(value) or None
    if name == "class":
        return " ".join(item for item in value.split() if _CLASS.fullmatch(item)) or None
    if name == "id":
        return value if _ID.fullmatch(value) else None
    return value


def _aligned(html: str) -> str:
    """Columns whose every cell is a number get the class `n`, heads included; long cells the class `long`."""
    import bs4

    tree = bs4.BeautifulSoup(html, "html.parser")
    for table in tree.find_all("table"):
        _one_head(table)
        if "gt_table" in (table.get("class") or []):
            for cell in table.select("tbody td, tbody th"):
                if len(cell.get_text(strip=True)) > _LONG:
                    _mark(cell, "long")
        rows = [row.find_all(["th", "td"], recursive=False) for row in table.find_all("tr")]
        is_body = [any(cell.name == "td" for cell in row) for row in rows]
        width = max((len(row) for row, below in zip(rows, is_body, strict=True) if below), default=0)
        whole = [(row, below) for row, below in zip(rows, is_body, strict=True) if len(row) == width]
        for column in range(width):
            cells = [row[column] for row, below in whole if below and row[column].name == "td"]
            texts = [cell.get_text(strip=True) for cell in cells]
            if any(texts) and all(_NUMBER.fullmatch(text) for text in texts):
                heads = [row[column] for row, below in whole if not below]
                for cell in [*cells, *heads]:
                    _mark(cell, "n")
                if "dataframe" in (table.get("class") or []):
                    _whole(cells)
    return str(tree)


def _whole(cells: list[Any]) -> None:
    """Counts that pandas made floats, for one of the column is missing, lose their ".0"."""
    texts = [cell.get_text(strip=True) for cell in cells]
    if all(_WHOLE.fullmatch(text) or text in ("", "NaN") for text in texts):
        for cell, text in zip(cells, texts, strict=True):
            cell.string = text.removesuffix(".0")


def _one_head(table: Any) -> None:
    """Lift pandas' index names, which stand in a row of their own, into the blanks of the row above."""
    rows = [row.find_all("th", recursive=False) for row in table.select("thead > tr")]
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        return
    pairs = list(zip(*rows, strict=True))
    if all(not upper.get_text(strip=True) or not lower.get_text(strip=True) for upper, lower in pairs):
        for upper, lower in pairs:
            if lower.get_text(strip=True):
                upper.replace_with(lower.extract())
        table.select("thead > tr")[1].decompose()


def _mark(cell: Any, name: str) -> None:
    present = cell.get("class") or []
    cell["class"] = [*(present if isinstance(present, list) else [present]), name]
