"""A page as PDF: numbered pages, a contents list with page numbers, the same bytes for the same page.

WeasyPrint lays it out (extra `[pdf]`; it needs the system's pango). Nothing is fetched: pictures are
data in the page.
"""

from __future__ import annotations

import hashlib
import os
import re

from crmlib.errors import ParameterError
from crmlib.runner.rendering import TEMPLATE, TEMPLATES

_EPOCH = "315532800"  # 1980-01-01, for the tables of embedded fonts
_CONTENTS = re.compile(r'<nav class="contents".*?</nav>\n', re.DOTALL)


def require() -> None:
    """Refuse where PDFs cannot be made.

    Raises
    ------
    ParameterError
        WeasyPrint or pango is not installed.
    """
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:
        raise ParameterError(
            "a PDF needs WeasyPrint and pango: pip install 'crmlib[pdf]', and on Debian and Ubuntu "
            "apt-get install libpango-1.0-0 libpangoft2-1.0-0; or leave --pdf and `pdf:` out"
        ) from error


def pdf(html: str) -> bytes:
    """The page as PDF.

    Parameters
    ----------
    html : str
        From `crmlib.runner.rendering.page`.
    """
    import logging

    import weasyprint

    logging.getLogger("weasyprint").setLevel(logging.ERROR)  # it names each property that only screens know
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = _EPOCH
    try:
        fetcher = weasyprint.urls.URLFetcher(allowed_protocols={"data"})
        document = weasyprint.HTML(string=for_paper(html), url_fetcher=fetcher, media_type="print")
        made = document.write_pdf(pdf_identifier=hashlib.sha256(html.encode()).digest()[:16])
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before
    return bytes(made)


def for_paper(html: str) -> str:
    """The page with the style sheet for paper after its own, which it overrides, and its contents below the findings.

    Beside the page on a screen, the contents would stand above the title on paper.
    """
    style = (TEMPLATES / TEMPLATE / "pdf.css").read_text(encoding="utf-8")
    if contents := _CONTENTS.search(html):
        html = html.replace(contents[0], "", 1).replace("</section>\n", f"</section>\n{contents[0]}", 1)
    return html.replace("</head>", f"<style>\n{style}</style>\n</head>", 1)
