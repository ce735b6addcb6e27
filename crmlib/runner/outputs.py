"""What a cell shows, as harmless HTML: one door, which knows few MIME types and sanitises what it lets pass."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from crmlib.findings import MIME
from crmlib.runner.prose import Writer
from crmlib.runner.tables import PublishedTables

_PICTURES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp")
_NEVER = ("application/javascript", "text/javascript", "application/vnd.jupyter.widget-view+json")
_EMPTY_REPR = re.compile(r"<(Figure size|Axes|AxesSubplot|matplotlib|seaborn|IPython\.core\.display)[^\n]*>")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")  # differs from run to run, as does the next
# From the beginning of a word alone: from each letter of a long one, it would take the square of its length.
_KERNEL_FILE = re.compile(r"(?<!\S)\S*ipykernel_\d+[/\\]\d+\.py")
_LONGEST = 100_000  # characters of a text on the page


def shown(output: Mapping[str, Any], writer: Writer, number: int, tables: PublishedTables | None = None) -> str:
    """Harmless HTML of one output of a cell; empty when there is nothing to show.

    Parameters
    ----------
    output : mapping
        A Jupyter output.
    writer : Writer
        For Markdown outputs.
    number : int
        Position of the output on the page.
    tables : PublishedTables, optional
        Withholds small groups, and remembers the tables.
    """
    tables = tables or PublishedTables()
    if output["output_type"] == "stream":
        text = _text(output["text"])
        if output["name"] == "stderr":
            return f"<details><summary>Messages</summary>{text}</details>" if text else ""
        return text
    data = output.get("data", {})
    if MIME in data:
        return ""
    if "text/html" in data and (html := tables.html(data["text/html"], number)):
        return html
    for kind in _PICTURES:
        if kind in data and (picture := _picture(kind, data, output.get("metadata", {}))):
            return picture
    if "text/markdown" in data:
        html = writer.html(data["text/markdown"])
        return tables.html(html, number) if "<table" in html else f'<div class="prose">{html}</div>'
    plain = data.get("text/plain", "")
    if any(kind in data for kind in _NEVER) or _EMPTY_REPR.fullmatch(plain.strip()):
        return ""
    return _text(plain)


def _picture(kind: str, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    from html import escape

    content = data[kind]
    encoded = base64.b64encode(content.encode()).decode() if kind == "image/svg+xml" else re.sub(r"\s", "", content)
    if not re.fullmatch(r"[A-Za-z0-9+/=]*", encoded):
        return ""
    plain = str(data.get("text/plain", ""))
    own = metadata.get(kind, {}) if isinstance(metadata.get(kind), Mapping) else {}
    alt = str(own.get("alt") or metadata.get("alt") or ("" if plain.startswith("<") else plain) or "Figure")
    return f'<figure><img src="data:{kind};base64,{encoded}" alt="{escape(alt)}"></figure>'


def _text(text: str) -> str:
    from html import escape

    from nbconvert.filters.ansi import strip_ansi

    plain = _KERNEL_FILE.sub("cell", _ADDRESS.sub("at 0x…", strip_ansi(text))).strip("\n")
    if (more := len(plain) - _LONGEST) > 0:
        plain = f"{plain[:_LONGEST]}\n… {more:,} more characters are left out here; the run's notebook.ipynb holds them"
    return f'<pre class="text" tabindex="0">{escape(plain)}</pre>' if plain.strip() else ""
