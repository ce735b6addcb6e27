"""History: what moved beyond its error, which rows two states of the data share, what is kept."""

import csv
import datetime
import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from crmlib.cli import cli
from crmlib.errors import DataError, ParameterError
from crmlib.runner import comparisons, extents, history, records
from crmlib.runner.quantities import change, quantity
from crmlib.runner.shelf import write_shelf

Z = 1.959964


def share(value, low=None, high=None, key="kept", unit="share"):
    level = None if low is None else 0.95
    return {
        "key": key,
        "value": value,
        "unit": unit,
        "sentence": "So it is.",
        "low": low,
        "high": high,
        "level": level,
    }


def record(run, *findings, **more):
    at = f"2026-01-{run:02}T06:00:00+00:00"
    return {
        "run": f"202601{run:02}T060000Z-report-0",
        "report": "report",
        "publication": "report",
        "outcome": "good",
        "exit_code": 0,
        "parameters": {},
        "data": {"source": f"day {run}"},
        "notebook_hash": "n",
        "library": "l",
        "lock": "k",
        "started_at": at,
        "ended_at": at,
        "seconds": 2.0,
        "message": "",
        "title": "Do they stay?",
        "held": "report-0",
        "findings": list(findings),
    } | more


def put(root, *written):
    for item in written:
        records.append(root, item)
        if item.get("run"):
            folder = root / "reports" / "runs" / item["run"]
            folder.mkdir(parents=True)
            (folder / "report.html").write_text(item["run"])
            records.write_record(folder, item)
            if item["outcome"] == "good" and item["publication"]:
                records.publish(root, item["publication"], folder)


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "reports.yml").write_text("reports:\n  report: {notebook: report.ipynb}\n")
    monkeypatch.setenv("CRM_PROJECT", str(tmp_path))
    return tmp_path


def said(*arguments):
    done = CliRunner().invoke(cli, ["report", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_error_of_unshared_data_is_newcombes(root):
    # Newcombe (1998, Stat. Med. 17, 873-890), Table II (a), method 10: 56/70 - 48/80 = 0.20,
    # 95 % interval 0.0524 to 0.3339; Wilson's intervals of 48/80 and 56/70 by hand.
    before, after = share(0.6, 0.490437, 0.700353), share(0.8, 0.691849, 0.876866)
    (move,) = comparisons.moves(root, record(1, before), record(2, after))
    assert move.difference == pytest.approx(0.2)
    assert Z * move.error == pytest.approx(0.2 - 0.0524, abs=2e-4)
    (back,) = comparisons.moves(root, record(2, after), record(1, before))
    assert Z * back.error == pytest.approx(0.2 - 0.0524, abs=2e-4)


def test_a_change_within_its_error_is_not_flagged_and_a_larger_one_is(root):
    before = record(1, share(0.5, 0.4, 0.6), share(0.5, 0.49, 0.51, "tight"), share(0.2, None, None, "bare"))
    after = record(2, share(0.55, 0.45, 0.65), share(0.55, 0.54, 0.56, "tight"), share(0.9, None, None, "bare"))
    found = {move.key: move for move in history.differences(root, before, after)}
    assert {key: move.moved for key, move in found.items()} == {"kept": False, "tight": True, "bare": False}
    assert found["tight"].line == "tight: 50.0 % → 55.0 % (+5.0 percentage points)"
    assert found["bare"].note == "no error stated"


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.99])
def test_of_growing_data_one_change_in_twenty_is_flagged_at_that_level(monkeypatch, kept):
    # Means of n and of m > n rows, the n among them: chance alone moves the estimate.
    rng = np.random.default_rng(7)
    m, repeats = 400, 3000
    n = int(kept * m)
    rows = rng.normal(size=(repeats, m))
    monkeypatch.setattr(comparisons, "shared", lambda *arguments: n / np.sqrt(n * m))
    flags = 0
    for sample in rows:
        ends = [(part.mean(), Z / np.sqrt(len(part))) for part in (sample[:n], sample)]
        first, second = (record(i, share(mid, mid - half, mid + half)) for i, (mid, half) in enumerate(ends, 1))
        (move,) = comparisons.moves(None, first, second)
        flags += move.p < 0.05
    # Binomial(3000, 0.05) has a standard error of 0.004; the stated value keeps 5 digits of each end.
    assert flags / repeats == pytest.approx(0.05, abs=0.012)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_threshold_is_that_of_scipys_adjusted_values(p_values):
    adjusted = false_discovery_control(p_values, method="by")
    below = comparisons.threshold(p_values, 0.05)
    for p, other in zip(p_values, adjusted, strict=True):
        if abs(other - 0.05) > 1e-9:
            assert (p <= below) == (other <= 0.05)


def test_more_findings_make_each_flag_harder():
    # p = 0.01 alone: 0.01 <= 0.05. Among ten: 0.05 / 10 / (1 + 1/2 + ... + 1/10) = 0.0017.
    assert comparisons.threshold([0.01], 0.05) == 0.01
    assert comparisons.threshold([0.01] + [0.9] * 9, 0.05) == -1


def test_with_the_same_data_a_change_is_the_methods(root):
    same = {"data": {"source": "a"}}
    before, after = (
        record(1, share(0.5, 0.4, 0.6), **same),
        record(2, share(0.51, 0.4, 0.6), **same, parameters={"level": 0.9}),
    )
    (move,) = history.differences(root, before, after)
    assert move.moved
    assert move.note == "same data, other parameters"
    assert move.line == f"{move.brief.removesuffix(')')}, same data, other parameters)"
    more = dict(same, parameters={"level": 0.9}, library="b", lock="c")
    assert history.differences(root, before, record(2, share(0.51, 0.4, 0.6), **more))[0].note == (
        "same data, other parameters, library and lock"
    )
    (still,) = history.differences(root, before, record(3, share(0.5, 0.4, 0.6), **same))
    assert not still.moved


def test_another_seed_moves_what_leaves_its_interval(root):
    findings = (share(0.5, 0.4, 0.6), share(0.9, None, None, "covered"))
    before = record(1, *findings, data={"source": "a"}, parameters={"seed": 1})
    for value, moved in ((0.55, False), (0.61, True)):
        drawn = (share(value, value - 0.1, value + 0.1), share(0.95, None, None, "covered"))
        after = record(2, *drawn, data={"source": "a"}, parameters={"seed": 2})
        kept, covered = history.differences(root, before, after)
        assert (kept.moved, covered.moved) == (moved, False)
        assert kept.note == "same data, another seed"


def test_units_new_lost_and_worded_findings_are_not_compared(root):
    before = record(
        1, share(5.0, 4, 6, "spend", "USD"), share(1, None, None, "gone"), share("up", None, None, "way", "")
    )
    after = record(
        2, share(50.0, 40, 60, "spend", "EUR"), share(1, None, None, "fresh"), share("down", None, None, "way", "")
    )
    found = {move.key: move for move in history.differences(root, before, after)}
    assert not any(move.moved for move in found.values())
    assert "the unit was USD and is EUR" in found["spend"].line
    assert found["gone"].note == "no longer there"
    assert found["fresh"].note == "new"
    assert found["way"].line == "way: up → down (reads otherwise, no error stated)"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.4321, "share", "43.2 %"),
        (106.084, "USD", "USD 106.08"),
        (0.075265, "share", "7.5 %"),
        (0.00012345, "share", "0.012 %"),
        (-0.143, "of the purchases made", "−14.3 % of the purchases made"),
        (-3.4746, "TWD", "−TWD 3.47"),
        (56766.0, "USD", "USD 56,766"),
        (565790.0, "USD", "USD 565.8k"),  # stored to 5 digits, so the sixth is not known
        (999960.0, "USD", "USD 1m"),
        (1234567.0, "EUR", "EUR 1.235m"),
        (2.1e9, "EUR", "EUR 2.1bn"),
        (23570, "customers", "23,570 customers"),
        (1469307, "lines", "1.469m lines"),
        (0.01234, "", "0.0123"),
        (True, "", "yes"),
        (None, "share", "none"),
    ],
)
def test_values_are_told_in_their_unit(value, unit, text):
    assert quantity(value, unit) == text


def test_differences_are_told_in_their_unit():
    assert change(-0.015, "share") == "−1.5 percentage points"
    assert change(2.1, "USD") == "+USD 2.10"
    assert change(-12, "customers") == "−12 customers"


def shop(folder, first, last):
    folder.mkdir(exist_ok=True)
    with (folder / "orders.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["order_id", "customer_id", "ordered_at", "amount"])
        for number in range(first, last):
            day = datetime.date(2025, 1, 1) + datetime.timedelta(days=number % 300)
            rows.writerow([f"o{number}", f"c{number % 90}", day.isoformat(), number % 50 + 1])
    from crmlib.data import fingerprint

    return fingerprint(str(folder))


@pytest.mark.parametrize(
    ("first", "last", "common"),
    [(0, 1200, 1000), (500, 1500, 500), (2000, 3000, 0)],  # appended, a rolling window, all new
)
def test_the_rows_that_both_runs_saw_give_the_correlation(root, first, last, common):
    marks = []
    for start, end in ((0, 1000), (first, last)):
        marks.append(shop(root / "shop", start, end))
        assert extents.extent(root, str(root / "shop"), marks[-1]).rows == {"orders": end - start}
    found = extents.shared(root, {"source": marks[0]}, {"source": marks[1]})
    true = common / np.sqrt(1000 * (last - first))  # c / sqrt(n m), counted by hand
    assert true - 0.04 < found <= true + 1e-9
    assert extents.shared(root, {"source": marks[0]}, {"source": marks[0]}) == 1
    assert extents.shared(root, {"source": marks[0]}, {"source": "never seen"}) is None


def test_a_large_table_is_sampled(root, monkeypatch):
    marks = []
    monkeypatch.setattr(extents, "_SIZE", 256)
    for start, end in ((0, 4000), (1000, 5000)):
        marks.append(shop(root / "shop", start, end))
        kept = extents.extent(root, str(root / "shop"), marks[-1])
        assert len(kept.sample) == 256
    found = extents.shared(root, {"source": marks[0]}, {"source": marks[1]})
    assert 0.75 - 0.2 < found < 0.75 + 0.03  # 3000 / 4000


def test_an_extent_is_read_once_for_each_state_of_the_data(root, monkeypatch):
    mark = shop(root / "shop", 0, 100)
    first = extents.extent(root, str(root / "shop"), mark)
    monkeypatch.setattr("crmlib.data.load", lambda *arguments, **options: pytest.fail("read again"))
    assert extents.extent(root, str(root / "shop"), mark) == first
    assert first.last_day == "2025-04-10"  # day 99 after 1 January
    assert extents.age_in_days(first, datetime.date(2025, 4, 20)) == 10
    assert extents.keep(root, {"source": mark}, {"source": str(root / "shop")}) == {"source": {"orders": 100}}


def test_the_shelf_counts_states_and_links_what_failed(root):
    put(root, record(1, share(0.5)), record(2, outcome="failed", exit_code=1, message="ValueError: no", findings=[]))
    assert 'UTC: 1 failed (<a href="#report">report</a>)</p>' in write_shelf(root).read_text()


def test_shelf_and_commands_say_what_moved(root):
    put(
        root,
        record(1, share(0.5, 0.49, 0.51), share(0.2, 0.1, 0.3, "late")),
        record(2, outcome="failed", exit_code=1, message="ValueError: no", findings=[]),
        record(3, share(0.6, 0.59, 0.61), share(0.21, 0.1, 0.3, "late")),
    )
    page = write_shelf(root).read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "Moved beyond its error since the run of 2026-01-01 06:00 UTC" in page
    assert "<li>kept: 50.0 % → 60.0 % (+10.0 percentage points)</li>" in page
    assert "late:" not in page
    assert "UTC: 1 good</p>" in page
    lines = said("history", "report").splitlines()
    assert "report: failed in 2 s" in lines[1]
    assert lines[2:] == ["  ValueError: no", lines[3], "  kept: 50.0 % → 60.0 % (+10.0 percentage points)"]
    shown = said("diff", "20260101", "20260103").splitlines()
    assert shown == [
        "* kept: 50.0 % → 60.0 % (+10.0 percentage points)",
        "  late: 20.0 % → 21.0 % (+1.0 percentage points)",
        "1 of 2 findings moved beyond their error",
    ]
    put(root, record(4, share(0.6, 0.59, 0.61), share(0.21, 0.1, 0.3, "late")))
    assert "Nothing moved beyond its error since the run of 2026-01-03" in write_shelf(root).read_text()


@pytest.mark.parametrize(
    ("names", "fault"),
    [(("2026", "20260101"), "3 runs begin"), (("x", "x"), "no run 'x'"), (("", ""), "no run ''")],
)
def test_runs_are_named_by_one_beginning(root, names, fault):
    put(root, record(1, share(0.5)), record(2, share(0.5)), record(3, outcome="failed", findings=[]))
    with pytest.raises(ParameterError, match=fault):
        history.run(root, names[0])
    with pytest.raises(DataError, match="is failed; name a good run"):
        history.differences(root, history.run(root, "20260101"), history.run(root, "20260103"))
    with pytest.raises(ParameterError, match="reports with runs: report"):
        history.runs(root, "other")


def folders(root):
    return sorted(path.name[6:8] for path in (root / "reports" / "runs").iterdir())


def test_pruning_keeps_the_last_good_run_and_what_is_published(root):
    failed = {"outcome": "failed", "exit_code": 1, "findings": []}
    put(root, *(record(day, share(0.5)) for day in (1, 2, 3)), *(record(day, **failed) for day in (4, 5, 6)))
    put(root, record(7, share(0.5), publication="variant"), record(8, **failed, publication="variant"))
    put(root, record(9, share(0.5), publication=None), record(10, **failed, publication=None))
    assert said("prune", "--keep", "1", "--dry-run").endswith("4 run folders would be deleted\n")
    assert len(folders(root)) == 10
    history.pruned(root, 1)
    assert folders(root) == ["03", "06", "07", "08", "09", "10"]
    assert (root / "reports" / "latest" / "report" / "report.html").read_text() == record(3)["run"]
    assert len(records.records(root)) == 10
    assert history.pruned(root, 1) == []
    # An older page that someone points `latest` to stays too.
    put(root, record(11, share(0.5)), record(12, share(0.5)))
    link = root / "reports" / "latest" / "report"
    link.unlink()
    link.symlink_to(f"../runs/{record(11)['run']}")
    put(root, record(13, **failed))
    history.pruned(root, 1)
    assert {"11", "12", "13"} <= set(folders(root))
    assert os.path.exists(link / "report.html")
    with pytest.raises(ParameterError, match="at least 1"):
        history.pruned(root, 0)


def test_a_run_under_way_is_not_pruned(root):
    begun = record(1, outcome="running")
    folder = root / "reports" / "runs" / begun["run"]
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(begun))
    put(root, record(2, share(0.5)), record(3, share(0.5)))
    with records.locked(root, begun["held"]):
        history.pruned(root, 1)
    assert folders(root) == ["01", "03"]
