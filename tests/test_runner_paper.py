"""PDF: numbered pages, contents with page numbers, the same bytes, nothing fetched."""

import re
import sys

import nbformat
import pytest

from crmlib.errors import ParameterError
from crmlib.findings import Finding, Findings
from crmlib.runner import paper
from crmlib.runner.plan import Report
from crmlib.runner.rendering import page
from crmlib.runner.requests import requests

PROVENANCE = {"notebook": "a.ipynb", "commit": "c", "lock": "l", "library": "b", "library_version": "0", "seed": 1}
FOUND = Findings(
    [
        Finding("kept_share", 0.432, "share", "43.2 % stay.", 0.425, 0.438, 0.95),
        Finding("word", "up", "", "It goes up."),
        Finding("gain", 12.5, "USD", "It gains USD 12.50."),
    ]
)


@pytest.fixture
def pango():
    try:
        paper.require()
    except ParameterError as error:
        pytest.skip(str(error))


def html(sections):
    cells = [nbformat.v4.new_markdown_cell("# Do they stay?\n\nWho decides: sales.")]
    for number in range(sections):
        text = "A paragraph of some words that fills the page. " * 120
        cells.append(nbformat.v4.new_markdown_cell(f"## Section {number}\n\n{text}\n\nThe share is $x$."))
    return page(
        nbformat.v4.new_notebook(cells=cells),
        report=Report("a", paper.TEMPLATES),
        findings=FOUND,
        provenance=PROVENANCE,
    )


def test_a_pdf_has_numbered_pages_contents_and_the_same_bytes(pango):
    text = html(4)
    first, second = paper.pdf(text), paper.pdf(text)
    assert first == second
    assert first.startswith(b"%PDF-")
    assert b"/CreationDate" not in first
    from weasyprint import HTML

    laid = HTML(string=paper.for_paper(text)).render()
    written = [words(sheet._page_box) for sheet in laid.pages]
    assert len(written) >= 4
    assert [f"{number} of {len(written)}" in line for number, line in enumerate(written, 1)] == [True] * len(written)
    ((title, _, sections, _),) = laid.make_bookmark_tree()
    assert title == "Do they stay?"
    assert [section[0] for section in sections][:4] == [f"Section {number}" for number in range(4)]
    listed = re.search(r"Section 3[ .]*(\d+)", written[0])
    assert written[0].index("Do they stay?") < written[0].index("It goes up.") < written[0].index("Contents")
    place = next(number for number, line in enumerate(written, 1) if re.search(r"Section 3 A par", line))
    assert int(listed[1]) == place


def words(box):
    """All text of a laid-out box, in order."""
    if hasattr(box, "text"):
        return box.text
    return " ".join(" ".join(words(child) for child in getattr(box, "children", ())).split())


def table(columns, rows=80):
    head = "".join(f"<th>a_long_column_name_{place}</th>" for place in range(columns))
    line = "".join(f"<td>{1000.25 * place:.2f}</td>" for place in range(columns))
    output = nbformat.v4.new_output(
        "display_data",
        data={"text/html": f"<table class=dataframe><thead><tr>{head}</tr></thead>{f'<tr>{line}</tr>' * rows}</table>"},
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("show", outputs=[output])])
    return page(notebook, report=Report("a", paper.TEMPLATES), findings=FOUND, provenance=PROVENANCE)


@pytest.mark.parametrize("columns", [5, 12, 26])
def test_tables_stay_on_the_paper_and_repeat_their_heads(pango, columns):
    from weasyprint import HTML

    laid = HTML(string=paper.for_paper(table(columns))).render()
    edge = laid.pages[0].width
    cells = [[box for box in boxes(sheet._page_box) if box.element_tag in ("td", "th")] for sheet in laid.pages]
    assert sum(map(len, cells)) >= 81 * columns
    assert all(box.position_x + box.width <= edge - 10 for boxes_of_page in cells for box in boxes_of_page)
    assert all(any(box.element_tag == "th" for box in of_page) for of_page in cells if of_page)


def test_a_table_that_fits_a_page_is_not_cut(pango):
    from weasyprint import HTML

    prose = "A paragraph of some words that fills the page. " * 9
    for lines in range(8, 16):  # wherever on the page the table comes to stand
        text = table(4, rows=12).replace("<article>", f"<article>{f'<p>{prose}</p>' * lines}")
        laid = HTML(string=paper.for_paper(text)).render()
        cells = [any(box.element_tag == "td" for box in boxes(sheet._page_box)) for sheet in laid.pages]
        assert sum(cells) == 1


@pytest.mark.parametrize(("columns", "size"), [(5, "scroll"), (6, "scroll wide"), (8, "scroll wider")])
def test_long_lines_are_set_smaller_however_few_their_columns(columns, size):
    assert f'<div class="{size}"' in table(columns)  # 22 letters a column: 110, 132, 176


def boxes(box):
    yield box
    for child in getattr(box, "children", ()):
        yield from boxes(child)


def test_nothing_is_fetched_for_a_pdf(pango, tmp_path):
    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>secret</text></svg>')
    with_picture = html(1).replace("<main>", f'<main><img src="{secret.as_uri()}"><img src="http://127.0.0.1:9/a.png">')
    without = html(1).replace("<main>", "<main><img><img>")
    assert abs(len(paper.pdf(with_picture)) - len(paper.pdf(without))) < 50


def test_without_weasyprint_the_remedy_is_told_before_anything_runs(tmp_path, monkeypatch):
    (tmp_path / "a.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook()))
    (tmp_path / "reports.yml").write_text("reports: {a: {notebook: a.ipynb}}\n")
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ParameterError, match=r"pip install 'crmlib\[pdf\]'.*libpango"):
        requests(tmp_path, pdf=True)
    assert requests(tmp_path)[0].report.pdf is False


def test_key_figures_stand_below_the_answer():
    shown = html(1)
    assert shown.count('class="tile"') == 2
    assert "<dt>Kept share</dt><dd><b>43.2\N{NO-BREAK SPACE}%</b><span>95\N{NO-BREAK SPACE}% interval" in shown
    assert shown.index('class="answer"') < shown.index('class="tile"') < shown.index("It goes up.")
