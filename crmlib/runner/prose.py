"""Markdown cells as harmless HTML: formulas drawn, code coloured, headings numbered into anchors.

The renderer is nbconvert's, so notebooks read as they do in Jupyter. What we draw ourselves
(formulas, code) is put aside under tokens nobody can guess, the rest is sanitised, and then it
is put back: nothing an author writes can pass for it.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crmlib.runner.formulas import formula
from crmlib.runner.sanitising import clean

_MATH = re.compile(r"(?<!\\)\$\$(?P<block>.+?)(?<!\\)\$\$|(?<![$\\])\$(?P<inline>[^$]+?)(?<![$\\])\$", re.DOTALL)
_OURS = ("answer", "parameters", "provenance")  # anchors of the page itself
_TAG = re.compile(r"(<[^>]*>)")


@dataclass(frozen=True)
class Heading:
    """A heading of the page: its level, its words and its anchor."""

    level: int
    text: str
    anchor: str


@dataclass
class Writer:
    """Turns a page's Markdown into HTML, one cell after another.

    Parameters
    ----------
    headings : list of Heading
        Those met so far.
    """

    headings: list[Heading] = field(default_factory=list)
    _kept: list[str] = field(default_factory=list)
    _nonce: str = field(default_factory=lambda: secrets.token_hex(8))

    def html(self, markdown: str, attachments: Mapping[str, Any] | None = None) -> str:
        """Harmless HTML of a Markdown text.

        Raises
        ------
        DataError
            A formula cannot be drawn.
        """
        from nbconvert.filters.markdown_mistune import MarkdownWithMath

        raw = MarkdownWithMath(renderer=_renderer(self, attachments or {})).render(markdown)
        safe = re.sub(r"<table[^>]*>", r'<div class="scroll" tabindex="0">\g<0>', clean(raw))
        return self._restored(safe.replace("</table>", "</table></div>"))

    def inline(self, markdown: str) -> str:
        """Harmless HTML of one line of Markdown, without its paragraph."""
        text = self.html(markdown).strip()
        return text.removeprefix("<p>").removesuffix("</p>") if text.count("<p>") == 1 else text

    def keep(self, fragment: str) -> str:
        """Token that stands for a fragment of ours until the rest is sanitised."""
        self._kept.append(fragment)
        return f"kept{self._nonce}x{len(self._kept) - 1}x"

    def plain(self, fragment: str) -> str:
        """The words of a fragment: tags gone, formulas as their LaTeX."""
        words = self._token().sub(lambda match: _label(self._kept[int(match.group(1))]), fragment)
        return html.unescape(re.sub(r"<[^>]*>", "", words)).strip()

    def anchor(self, text: str) -> str:
        """Anchor of a heading, the same for the same page, no two alike."""
        stem = "-".join(re.findall(r"[a-z0-9]+", text.lower())) or "section"
        taken = {heading.anchor for heading in self.headings}
        number = 1
        anchor = stem = f"s-{stem}" if stem[0].isdigit() or stem in _OURS else stem
        while anchor in taken:
            number += 1
            anchor = f"{stem}-{number}"
        return anchor

    def _token(self) -> re.Pattern[str]:
        return re.compile(rf"kept{self._nonce}x(\d+)x")

    def _restored(self, safe: str) -> str:
        return self._token().sub(lambda match: self._kept[int(match.group(1))], safe)


def code(source: str) -> str:
    """Python source as coloured, escaped HTML spans."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers.python import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))


def _label(fragment: str) -> str:
    found = re.search(r'aria-label="([^"]*)"', fragment)
    return found.group(1) if found else html.escape(re.sub(r"<[^>]*>", "", fragment))


def _renderer(writer: Writer, attachments: Mapping[str, Any]) -> Any:
    from nbconvert.filters.markdown_mistune import IPythonRenderer

    class Renderer(IPythonRenderer):
        def heading(self, text: str, level: int, **attrs: Any) -> str:
            words = writer.plain(text)
            heading = Heading(level, words, writer.anchor(words))
            writer.headings.append(heading)
            return f'<h{level} id="{heading.anchor}">{text}</h{level}>\n'

        def inline_math(self, body: str) -> str:
            return writer.keep(formula(body))

        def block_math(self, body: str) -> str:
            return writer.keep(formula(body, display=True))

        def latex_environment(self, name: str, body: str) -> str:
            return writer.keep(formula(rf"\begin{{{name}}}{body}\end{{{name}}}", display=True))

        def block_html(self, html: str) -> str:
            return "".join(part if part.startswith("<") else self._drawn(part) for part in _TAG.split(html)) + "\n"

        def block_code(self, code_text: str, info: str | None = None) -> str:
            named = (info or "").split()
            python = bool(named) and named[0].lower() in ("python", "py", "python3", "ipython3")
            body = code(code_text) if python else html.escape(code_text)
            return writer.keep(f'<pre class="code"><code>{body}</code></pre>') + "\n"

        def codespan(self, text: str) -> str:
            return writer.keep(f"<code>{html.escape(html.unescape(text))}</code>")

        def image(self, text: str, url: str, title: str | None = None) -> str:
            return super().image(writer.plain(text), url, title)

        def _drawn(self, text: str) -> str:
            return _MATH.sub(
                lambda found: self.block_math(found["block"]) if found["block"] else self.inline_math(found["inline"]),
                text,
            )

    return Renderer(escape=False, exclude_anchor_links=True, attachments=dict(attachments))
