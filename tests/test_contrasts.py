"""Each lesson at parameters far from its own: the findings change, and what they say stays true.

The truth of the main numbers is computed here by another route: plain pandas on the same tables.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pandas as pd
import pytest

from crmlib import data
from crmlib.frames import to_pandas
from crmlib.runner import execution, notebooks, parameters, run, values

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.data

#: Parameters of the second run, by lesson.
CONTRASTS = {
    "02_cohorts": {
        "source": "cdnow_sample",
        "engine": "polars",
        "as_of": "1998-01-15",
        "period": "quarter",
        "compare_age": 2,
        "horizon": 2,
        "days_to_return": 30,
        "margin_rate": 0.8,
        "level": 0.8,
    },
}


@functools.cache
def committed(stem):
    """Findings of the notebook as committed, by key."""
    return {finding.key: finding for finding in run.stored_findings(notebooks.read(lesson(stem)))}


def lesson(stem):
    return ROOT / "notebooks" / f"{stem}.ipynb"


@pytest.fixture(scope="module")
def contrasted(tmp_path_factory):
    """Findings of a lesson run at its contrasting parameters, by key; each is run once."""

    @functools.cache
    def findings(stem):
        declared = parameters.declared(lesson(stem))
        assignments = values.assignments(values.checked(declared, CONTRASTS[stem]))
        notebook = execution.prepared(notebooks.read(lesson(stem)), assignments)
        output = tmp_path_factory.mktemp(stem) / "notebook.ipynb"
        account = execution.execute(notebook, root=ROOT, output=output, cell_timeout=120, run_timeout=280)
        assert account.outcome == "good", account.message
        return {finding.key: finding for finding in run.stored_findings(notebook)}

    return findings


def test_every_lesson_has_a_contrast():
    stems = {path.stem for path in notebooks.notebook_paths(root=ROOT)} - {"_template"}
    assert stems == set(CONTRASTS)


@pytest.mark.parametrize("stem", CONTRASTS)
def test_findings_change(contrasted, stem):
    before, after = ([finding.sentence for finding in found.values()] for found in (committed(stem), contrasted(stem)))
    assert after[0] != before[0]
    assert len(set(after) - set(before)) >= len(after) / 2


@pytest.mark.parametrize("stem", CONTRASTS)
def test_sentences_agree_with_their_numbers(contrasted, stem):
    """A difference that is told apart has its sign in words, and an interval holds its estimate."""
    for finding in [*committed(stem).values(), *contrasted(stem).values()]:
        if isinstance(finding.value, float) and finding.low is not None:
            assert finding.low <= finding.value <= finding.high, finding
        for told in re.findall(r"\(([\d.]+) % interval", finding.sentence):
            assert float(told) == pytest.approx(100 * finding.level), finding
        shown = re.search(r"(?<![\d.])([\d.]+) %", finding.sentence)
        if finding.unit == "share" and shown and "points" not in finding.sentence:
            told = [float(number) / 100 for number in re.findall(r"(?<![\d.])(\d+(?:\.\d+)?) %", finding.sentence)]
            assert any(abs(number - finding.value) <= 0.0051 for number in told), finding


def test_cohorts_at_the_contrast_are_what_pandas_counts(contrasted):
    options, found = CONTRASTS["02_cohorts"], contrasted("02_cohorts")
    orders = to_pandas(data.load(options["source"])["orders"])
    orders = orders[orders["ordered_at"] < pd.Timestamp(options["as_of"]) + pd.Timedelta(days=1)]
    number = orders["ordered_at"].dt.to_period("Q")
    first = number.groupby(orders["customer_id"]).transform("min")
    due = orders[first + options["compare_age"] < pd.Period("1998Q1")]  # the quarter of 15 January had not ended
    ages = (number - first).map(lambda step: step.n)[due.index]
    back = due.loc[ages.between(1, options["compare_age"]), "customer_id"].nunique()
    assert found["returned_by_quarter_2"].value == pytest.approx(back / due["customer_id"].nunique(), rel=1e-4)

    spent = due.loc[ages <= options["horizon"], "amount"].sum() / due["customer_id"].nunique()
    assert found["revenue_per_customer_quarter_2"].value == pytest.approx(spent, rel=1e-4)
    assert found["acquisition_cost_ceiling_quarter_2"].value == pytest.approx(0.8 * spent, rel=1e-4)
    assert "only one cohort" in found["returned_by_quarter_2"].sentence
