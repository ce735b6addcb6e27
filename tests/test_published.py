"""`make published`: every published number has ours beside it, and a miss is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


@pytest.fixture(scope="module")
def numbers(real_data):
    sys.path.insert(0, str(ROOT))
    from published import comparison

    comparison.computed_keys()
    return [n for key, entry in comparison.entries().items() for n in comparison.compared(key, *entry)]


def test_every_entry_is_computed():
    from published.comparison import computed_keys, entries

    assert computed_keys() == set(entries())


@pytest.mark.data
def test_every_number_is_reproduced(numbers):
    assert [(n.key, n.name, n.printed, n.ours) for n in numbers if not n.passed] == []
    assert len(numbers) > 190


@pytest.mark.data
def test_tolerances_are_those_printed(numbers):
    allowed = {(n.key, n.name): n.tolerance for n in numbers}
    assert allowed["bgnbd_cdnow_sample", "r"] == pytest.approx(5e-5)  # .2426
    assert allowed["bgnbd_new_customer", "none_in_39_rounded"] == pytest.approx(5e-8)  # .5737864
    assert allowed["pareto_nbd_cdnow_sample", "params.s"] == 0.00015  # stated beside it
    assert allowed["cdnow_cohorts", "1997-01-01.2"] == 0  # a count
    assert allowed["bgnbd_holdout", "predicted"] == 0.5  # an expectation printed as a whole number
    assert allowed["attribution_textbook", "share.A"] == 1e-12  # the entry's own, narrower than the digits of 0.2


@pytest.mark.parametrize(
    ("ours", "passed"), [(1.226, True), (1.22649, True), (1.2266, False), (None, False), (float("nan"), False)]
)
def test_a_miss_is_a_miss(ours, passed):
    from published.comparison import Number

    assert Number("key", "name", "1.226", ours, 0.0005, "source", "data").passed is passed


def test_a_number_that_is_not_computed_fails(monkeypatch):
    from published import comparison

    monkeypatch.setitem(comparison._COMPUTED, "made up", (lambda: {"here": 2.0}, ()))
    values = {"here": "2.0", "absent": "1.0"}
    entry = {"source": "s", "data": "d", "values": values}
    found = comparison.compared("made up", entry, entry)
    assert {n.name: n.passed for n in found} == {"here": True, "absent": False}


def test_the_command_leaves_with_1_on_a_miss(monkeypatch, capsys):
    from published import __main__ as command
    from published import comparison

    assert command.main(["wallet_allocation"]) == 0  # the functions are registered from here on
    capsys.readouterr()
    monkeypatch.setitem(comparison._COMPUTED, "wallet_allocation", (lambda: [0.5, 0.3333, 0.2], ()))
    assert command.main(["wallet_allocation"]) == 1
    told = capsys.readouterr().out
    assert "2 of 3 published numbers are reproduced" in told
    assert told.count("FAIL") == 1
    assert command.main(["no_such_entry"]) == 2


def test_the_page_is_linked_from_the_shelf(tmp_path):
    from crmlib.runner import shelf
    from published.comparison import Number
    from published.page import written_page

    (tmp_path / "reports.yml").write_text("reports: {}\n", encoding="utf-8")
    source = "Somebody & Else (2005)"
    page = written_page(
        tmp_path, [Number("one", "r", "0.5", 0.5, 0.05, source, "d"), Number("one", "s", "1", 3.0, 0.5, source, "d")]
    )
    html = page.read_text("utf-8")
    assert "1 of 2 published numbers are reproduced" in html
    assert "Missed: one s." in html
    assert "Somebody &amp; Else (2005)" in html
    assert f'href="{page.name}"' in (page.parent / "index.html").read_text("utf-8")
    page.unlink()
    shelf.write_shelf(tmp_path)
    assert page.name not in (page.parent / "index.html").read_text("utf-8")


@pytest.mark.data
def test_the_module_runs_by_itself(real_data):
    ran = subprocess.run(
        [sys.executable, "-m", "published", "wallet_allocation", "bdw_high_end"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "6 of 6 published numbers are reproduced" in ran.stdout
