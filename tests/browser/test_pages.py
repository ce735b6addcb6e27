"""Page and shelf in headless Chromium: nothing overflows, no script runs, no request leaves."""

import io
import os
import shutil
from pathlib import Path

import nbformat
import pytest

from crmlib.runner.progress import Lines
from crmlib.runner.reports import run_reports
from crmlib.runner.requests import requests

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
FIXTURES = Path(__file__).parents[1] / "notebooks"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(FIXTURES, root / "notebooks")
    (root / "reports.yml").write_text(
        "reports:\n"
        "  hostile: {notebook: notebooks/hostile.ipynb}\n"
        "  wide: {notebook: notebooks/wide.ipynb}\n"
        "  raises: {notebook: notebooks/raises.ipynb}\n"
    )
    done = run_reports(root, requests(root), Lines(io.StringIO()))
    assert [record["outcome"] for record in done] == ["good", "good", "failed"]
    return root / "reports"


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        message = "needs Chromium: apt-get install chromium"
        if os.environ.get("CRM_REQUIRE_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield chromium
        chromium.close()


def visit(page, address):
    """Open a page and its folds, on which nothing may run or lead away; what it asked for beside itself."""
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    for fold in page.locator("summary").all():
        if fold.is_visible():
            fold.click()
    page.wait_for_load_state("networkidle")
    assert complaints == []
    assert page.title() != "ran"
    assert page.url == address
    return [url for url in asked if url != address]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("name", ["latest/hostile/report.html", "latest/wide/report.html", "index.html"])
def test_pages_fit_run_nothing_and_ask_for_nothing(reports, browser, name, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    asked = visit(page, (reports / name).as_uri())
    assert [url for url in asked if not url.startswith("data:")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    spilled = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(item => {
            if (item.closest('.scroll, .formula, pre')) return false;
            const box = item.getBoundingClientRect();
            return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
        }).map(item => item.outerHTML.slice(0, 80))"""
    )
    assert spilled == []
    context.close()


def test_the_contents_are_at_the_side_or_folded(reports, browser):
    for width, side in ((1280, True), (375, False)):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto((reports / "latest/wide/report.html").as_uri())
        assert page.locator(".contents .side").is_visible() is side
        assert page.locator(".contents .fold").is_visible() is not side
        page.close()


def test_formulas_have_a_size_and_the_text_colour(reports, browser):
    page = browser.new_page(viewport={"width": 375, "height": 900}, color_scheme="dark")
    page.goto((reports / "latest/wide/report.html").as_uri())
    drawings = page.locator(".formula svg").all()
    assert len(drawings) == 3
    assert all(5 < drawing.bounding_box()["height"] < 200 for drawing in drawings)
    assert page.evaluate("getComputedStyle(document.querySelector('.formula path')).fill") == "rgb(226, 230, 236)"
    page.close()


RUN = "document.title='ran'"
PAYLOADS = [
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s>",
    f'<iframe srcdoc="<script>top.{RUN}</script>"></iframe>',
    f"<details open ontoggle={RUN}>a</details>",
    f"<body onload={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>",
    f'<noscript><p title="</noscript><img src=x onerror={RUN}>">',
    f"</style></title></textarea><script>{RUN}</script>",
    f'<a href="javascript:{RUN}" autofocus>a</a>',
    f'<object data="data:text/html,<script>top.{RUN}</script>"></object>',
    '<meta http-equiv=refresh content="0;url=https://example.com/">',
    f"\"'><img src=x onerror={RUN}>",
]
SHOW = """
import great_tables
import pandas as pd
from great_tables import GT
from IPython.display import HTML, Latex, Markdown, display
from crmlib import figures
from crmlib.findings import Finding, Findings

for payload in PAYLOADS:
    print(payload)
    display(payload)
    display(HTML(payload))
    display(Markdown(payload + "\\n\\n```mermaid\\ngraph TD; A[\\"" + payload + "\\"]\\n```"))
    display(Latex(payload))
    display(HTML(f"<svg>{payload}</svg>"))
    frame = pd.DataFrame({payload: [payload], "n": [1]})
    display(frame)
    display(frame.style.format(escape=None).set_caption(payload))
    display(figures.table(frame.set_index(payload), title=payload, labels={"n": payload}, note=payload))
    display(GT(frame).tab_header(great_tables.html(payload)).fmt_markdown(payload).tab_options(table_font_names=payload))
    display({"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'>" + payload + "</svg>"}, raw=True)
    display({"image/png": "iVBORw0KGgo=", "text/plain": "x"}, raw=True, metadata={"image/png": {"alt": payload}})
"""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """Pages of a notebook whose every output, name, title, heading and parameter attacks."""
    root = tmp_path_factory.mktemp("attacked")
    (root / "notebooks").mkdir()
    label = PAYLOADS[1]
    cells = [
        nbformat.v4.new_markdown_cell("# " + " ".join(PAYLOADS)),
        nbformat.v4.new_code_cell('label: str = ""  # <script>a</script>', metadata={"tags": ["parameters"]}),
        *(nbformat.v4.new_markdown_cell(f"## {payload}\n\n{payload}\n\n- {payload}") for payload in PAYLOADS),
        nbformat.v4.new_code_cell(f"PAYLOADS = {PAYLOADS!r}" + SHOW),
        nbformat.v4.new_code_cell(
            'told = Finding("b", 1.5, "days", payload + " 1.5.", label=PAYLOADS[1])\n'
            'Findings([Finding("a", payload, payload, payload + "."), told])',
            metadata={"tags": ["findings"]},
        ),
    ]
    name = f"<img src=x onerror={RUN}>.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "notebooks" / name)
    (root / "reports.yml").write_text(
        f'reports:\n  attack:\n    notebook: "notebooks/{name}"\n    title: "{label}"\n'
        f'    parameters: {{label: "{label}"}}\n    min_customers: 1\n'
    )
    (record,) = run_reports(root, requests(root), Lines(io.StringIO()))
    assert record["outcome"] == "good", record["message"]
    return root / "reports"


@pytest.mark.parametrize("name", ["latest/attack/report.html", "index.html"])
def test_no_payload_runs_or_asks_in_any_kind_of_output(attacked, browser, name):
    assert len(PAYLOADS) >= 12
    page = browser.new_page()
    asked = visit(page, (attacked / name).as_uri())
    assert [url for url in asked if not url.startswith("data:image/")] == []
    live = "script, iframe, object, embed, form, input, base, link, video, main svg:not(.formula svg)"
    assert page.locator(live).count() == 0
    handlers = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
    assert page.evaluate(handlers) == []
    page.close()
