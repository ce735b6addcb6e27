"""Page and shelf in headless Chromium: nothing overflows, no script runs, no request leaves."""

import io
import os
import shutil
from pathlib import Path

import pytest

from crmlib.runner.progress import Lines
from crmlib.runner.reports import requests, run_reports

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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("name", ["latest/hostile/report.html", "latest/wide/report.html", "index.html"])
def test_pages_fit_run_nothing_and_ask_for_nothing(reports, browser, name, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    address = (reports / name).as_uri()
    page.goto(address)
    page.wait_for_load_state("networkidle")
    for fold in page.locator("summary").all():
        if fold.is_visible():
            fold.click()
    assert [url for url in asked if url != address and not url.startswith("data:")] == []
    assert complaints == []
    assert page.title() != "ran"
    assert page.url == address
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
