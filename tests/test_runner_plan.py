"""Plans: one notebook for each value, fresh data only, every fault at once."""

import datetime
import shutil
from pathlib import Path

import pytest

from crmlib.errors import DataError, ParameterError, StaleDataError
from crmlib.runner.freshness import resolved
from crmlib.runner.plan import kept, plan, report_names
from crmlib.runner.requests import requests

FIXTURES = Path(__file__).parent / "notebooks"


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    shutil.copy(FIXTURES / "good.ipynb", tmp_path / "notebooks" / "report.ipynb")
    monkeypatch.setenv("CRM_PROJECT", str(tmp_path))
    return tmp_path


def planned(root, text, *names):
    (root / "reports.yml").write_text("reports:\n" + text)
    return plan(root, names)


STORES = "  stores: {{notebook: notebooks/report.ipynb, title: Stores, for_each: {}}}\n"


def test_one_notebook_is_fanned_out_over_values(root):
    text = STORES.format("{source: [data/North, data/South 2], seed: [1, 2]}, parameters: {share: 0.25}")
    found = planned(root, text + "  other: {notebook: notebooks/report.ipynb}\n")
    assert [report.name for report in found] == [
        "stores-data-north-1",
        "stores-data-north-2",
        "stores-data-south-2-1",
        "stores-data-south-2-2",
        "other",
    ]
    assert found[2].parameters["source"] == "data/South 2"
    assert {report.parameters["share"] for report in found[:4]} == {0.25}
    assert found[1].title == "Stores – data/North, 2"
    assert [name for name, _ in report_names(root)] == [report.name for report in found]
    assert len(plan(root, ["stores"])) == 4
    assert [report.name for report in plan(root, ["stores-data-north-2"])] == ["stores-data-north-2"]
    assert [request.publication for request in requests(root, ["stores"])][:1] == ["stores-data-north-1"]
    with pytest.raises(ParameterError, match="for one report"):
        requests(root, ["stores"], given={"share": "0.5"})


def test_marks_of_letters_are_left_out_of_names(root):
    found = planned(root, STORES.format("{source: [Köln, ÅRHUS, Łódź 2, Straße]}"))
    assert [report.name for report in found] == ["stores-koln", "stores-arhus", "stores-odz-2", "stores-strasse"]
    assert found[0].parameters["source"] == "Köln"


def test_values_may_be_named(root):
    found = planned(root, STORES.format("{source: {north: data/1, south: data/2}}"))
    assert {report.name: report.parameters["source"] for report in found} == {
        "stores-north": "data/1",
        "stores-south": "data/2",
    }


@pytest.mark.parametrize(
    ("entry", "faults"),
    [
        ("[a]", ["must be a mapping"]),
        ("{}", ["must be a mapping"]),
        ("{seed: 3}", ["needs a list"]),
        ("{seed: []}", ["needs a list"]),
        ("{seed: [[1]]}", ["each value must be plain"]),
        ("{seed: [1, x, 007]}", ["'x' is no int", "'007' is no int"]),
        ("{sede: [1]}", ["'sede' is unknown"]),
        ("{source: [Nord, nord]}", ["gives no name of its own"]),
        ("{source: [是]}", ["gives no name of its own"]),
        ("{source: [a, b]}, parameters: {source: c}", ["stands under parameters too"]),
        ("{source: {../x: a}}", ["lower-case letters"]),
        ('{source: {"": a}}', ["the name '' must be lower-case"]),
        ("{source: {Nord: a}}", ["the name 'Nord' must be lower-case"]),
        ("{source: [Zürich, zurich]}", ["gives no name of its own"]),
        (
            "{source: [x, x-y], as_of: {y-z: 2020-01-01, z: 2020-01-02}}",
            ["two combinations give the name 'stores-x-y-z'"],
        ),
    ],
)
def test_faults_of_for_each_are_named(root, entry, faults):
    with pytest.raises(ParameterError) as caught:
        planned(root, STORES.format(entry))
    assert all(fault in str(caught.value) for fault in faults), str(caught.value)


def test_a_fanned_name_that_is_taken_is_refused(root):
    with pytest.raises(ParameterError, match="'stores-a' is another report's name"):
        planned(root, "  stores-a: {notebook: notebooks/report.ipynb}\n" + STORES.format("{source: [a]}"))


def test_all_faults_of_all_entries_are_told_at_once(root):
    text = (
        "  a: {notebook: notebooks/none.ipynb, retries: 99, max_age_days: soon, cell_timeout: 0, kep: 1}\n"
        "  b: {notebook: notebooks/report.ipynb, parameters: {sede: 1, share: 7}, as_of: never}\n"
        "  b: {}\n"
        "  c: {notebook: notebooks/report.ipynb, for_each: {seed: 3}}\n"
        "  d: {notebook: notebooks/report.ipynb, as_of: latest, parameters: {as_of: 2020-01-01}}\n"
        "kep: 3\nkeep: 0\n"
    )
    with pytest.raises(ParameterError) as caught:
        planned(root, text)
    told = str(caught.value)
    for fault in [
        "no notebook notebooks/none.ipynb",
        "retries: 99",
        "'soon'",
        "cell_timeout: 0",
        "unknown key 'kep' (known: reports, keep)",
        "'sede'",
        "share: 7.0",
        "as_of: 'never'",
        "line 4: a key is repeated",
        "needs a list",
        "d: as_of stands under parameters too",
        "keep: 0",
    ]:
        assert fault in told, (fault, told)
    assert "\n" not in told


def test_the_plan_says_how_many_runs_are_kept(root):
    planned(root, "  a: {notebook: notebooks/report.ipynb}\n")
    assert kept(root) is None
    (root / "reports.yml").write_text("keep: 3\nreports:\n")
    assert kept(root) == 3


def shop(root, last="2025-06-30"):
    (root / "shop").mkdir(exist_ok=True)
    (root / "shop" / "orders.csv").write_text(
        f"order_id,customer_id,ordered_at,amount\n1,a,2025-01-02,5\n2,b,{last},7\n"
    )


FRESH = "  a: {{notebook: notebooks/report.ipynb, parameters: {{source: {}}}, {}}}\n"


def test_stale_data_are_refused_with_their_age(root):
    shop(root)
    (report,) = planned(root, FRESH.format("shop", "max_age_days: 7"))
    assert resolved(root, report, datetime.date(2025, 7, 7)) == (report, "2025-06-30")
    with pytest.raises(StaleDataError, match="end on 2025-06-30, 8 days ago; 7 are allowed") as caught:
        resolved(root, report, datetime.date(2025, 7, 8))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("setting", ["max_age_days: 7", "as_of: latest"])
def test_data_that_end_in_the_future_are_refused(root, setting):
    """One mistyped year would hide for ever that nothing is delivered any more."""
    shop(root, "2052-06-30")
    (report,) = planned(root, FRESH.format("shop", setting))
    with pytest.raises(DataError, match="2052-06-30, which is yet to come"):
        resolved(root, report, datetime.date(2025, 7, 7))
    assert resolved(root, report, datetime.date(2052, 6, 29))[1] == "2052-06-30"  # elsewhere it is tomorrow
    with pytest.raises(DataError, match="yet to come"):
        resolved(root, report, datetime.date(2052, 6, 28))


def test_latest_is_the_last_day_of_the_data(root):
    shop(root)
    (report,) = planned(root, FRESH.format("shop", "as_of: latest"))
    assert report.parameters["as_of"] == ""
    done, last_day = resolved(root, report, datetime.date(2030, 1, 1))
    assert done.parameters["as_of"] == last_day == "2025-06-30"
    shop(root, "2025-07-01")
    assert resolved(root, report, datetime.date(2030, 1, 1))[1] == "2025-07-01"
    (request,) = requests(root, ["a"], as_of="2025-03-01")
    assert (request.report.latest, request.report.parameters["as_of"]) == (False, "2025-03-01")
    assert request.publication is None  # another day is a variant


def test_a_day_may_be_stated_once(root):
    (report,) = planned(root, FRESH.format("shop", "as_of: 2025-03-01"))
    assert report.parameters["as_of"] == "2025-03-01"
    assert not report.latest
    (request,) = requests(root, as_of="2025-03-01")
    assert request.publication == "a"
    with pytest.raises(ParameterError, match="given twice"):
        requests(root, ["a"], as_of="2025-03-01", given={"as_of": "2025-03-02"})
    with pytest.raises(ParameterError, match="is no day"):
        requests(root, as_of="yesterday")
    with pytest.raises(ParameterError, match="give a day"):
        requests(root, as_of="")  # a shell's variable that was not set


@pytest.mark.parametrize("setting", ["as_of: latest", "max_age_days: 3"])
def test_age_without_dated_data_is_refused(root, setting):
    (report,) = planned(root, FRESH.format('""', setting))
    with pytest.raises(DataError, match="names no data source"):
        resolved(root, report, datetime.date(2025, 7, 7))
