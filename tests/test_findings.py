"""Findings: valid or refused, shown as Markdown that cannot be broken, stored and read back."""

import json
import math
from decimal import Decimal
from html import unescape

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmlib import findings
from crmlib.errors import DataError, ParameterError
from crmlib.findings import MIME, Finding, Findings


def finding(**changes):
    return Finding(**{"key": "repeat_share", "value": 0.5, "unit": "share", "sentence": "Half come back."} | changes)


# -- one finding ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["", "Share", "repeat share", "2nd_order", "_share", "repeat-share", "share\n", "größe", None, 3]
)
def test_a_malformed_key_is_refused(key):
    with pytest.raises(ParameterError, match="must be lower-case letters, digits and underscores"):
        finding(key=key)


@pytest.mark.parametrize("sentence", ["", "Half come back", "Half.\nMore", None, 3, "   "])
def test_what_is_no_sentence_is_refused(sentence):
    with pytest.raises(ParameterError, match="'repeat_share': the sentence must be"):
        finding(sentence=sentence)


@pytest.mark.parametrize("name", ["value", "low"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float64("nan"), np.float32("inf")])
def test_numbers_that_are_not_finite_are_refused(name, number):
    with pytest.raises(ParameterError, match=f"{name} is "):
        finding(**({"low": 0.1, "high": 0.9, "level": 0.95} | {name: number}))


@pytest.mark.parametrize(
    "value", [[1], {"a": 1}, 1j, Decimal("0.5"), b"x", pd.Series([1.0, 2.0]), np.array([1.0, 2.0]), pd.NA]
)
def test_a_value_that_is_no_plain_scalar_is_refused(value):
    with pytest.raises(ParameterError, match="'repeat_share': value is"):
        finding(value=value)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        (np.float64(0.123456), 0.12346),
        (np.float32(0.5), 0.5),
        (np.int64(23570), 23570),
        (np.bool_(True), True),
        (np.str_("alpha"), "alpha"),
        (np.array(0.25), 0.25),
        (1234567.0, 1234600.0),  # 5 significant digits
        (123456789, 123456789),  # whole numbers are exact
        (-0.0000123456, -0.000012346),
        (0.0, 0.0),
        (None, None),
        ("alpha", "alpha"),
    ],
)
def test_values_become_plain_and_short(given_, kept):
    value = finding(value=given_).value
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize(
    "interval", [{"low": 0.1}, {"low": 0.1, "high": 0.2}, {"level": 0.95}, {"high": 0.2, "level": 0.9}]
)
def test_half_an_interval_is_refused(interval):
    with pytest.raises(ParameterError, match="give low, high and level, or none of them"):
        finding(**interval)


def test_an_interval_upside_down_is_refused():
    with pytest.raises(ParameterError, match=r"low 0\.9 lies above high 0\.1"):
        finding(low=0.9, high=0.1, level=0.95)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, 1.5])
def test_a_level_that_is_no_share_is_refused(level):
    with pytest.raises(ParameterError, match="level"):
        finding(low=0.1, high=0.9, level=level)


@pytest.mark.parametrize("end", ["0.1", True])
def test_ends_must_be_numbers(end):
    with pytest.raises(ParameterError, match="low"):
        finding(low=end, high=2, level=0.95)


# -- all of a notebook ------------------------------------------------------------------------


def test_at_least_one_and_no_key_twice():
    with pytest.raises(ParameterError, match="at least one finding"):
        Findings([])
    with pytest.raises(ParameterError, match="repeat_share stands twice"):
        Findings([finding(), finding()])


def test_what_is_shown():
    bundle = Findings([finding(), finding(key="b", sentence="It is 3 * 4 < 20.")])._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/markdown", MIME}
    assert bundle["text/plain"] == "Half come back.\nIt is 3 * 4 < 20."
    assert bundle["text/markdown"] == "**Half come back.**\n\n- It is 3 \\* 4 \\< 20."


@pytest.mark.parametrize(
    "sentence",
    [
        "<script>alert(1)</script>.",
        "Costs $5 and $6.",
        "**loud**.",
        "[a](javascript:x).",
        "`code`.",
        "a_b_c.",
        "a | b.",
        "~~x~~.",
    ],
)
def test_names_from_the_data_cannot_break_the_markdown(sentence):
    markdown_it = pytest.importorskip("markdown_it")
    shown = Findings([finding(sentence=sentence)])._repr_mimebundle_()["text/markdown"]
    html = markdown_it.MarkdownIt("commonmark").render(shown)
    text = html.removeprefix("<p><strong>").removesuffix("</strong></p>\n")
    assert "<" not in text
    assert unescape(text) == sentence
    shown = Findings([finding(), finding(key="b", sentence=sentence)])._repr_mimebundle_()["text/markdown"]
    html = markdown_it.MarkdownIt("commonmark").render(shown)
    text = html.split("<ul>\n<li>")[1].removesuffix("</li>\n</ul>\n")
    assert "<" not in text
    assert unescape(text) == sentence


def test_a_line_break_in_a_name_stays_in_the_sentence():
    assert finding(sentence="Channel a\n\n# b leads.\n").sentence == "Channel a # b leads."


def test_stored_and_read_back():
    made = Findings(
        [finding(low=0.4, high=0.6, level=0.95), finding(key="b", value=None), finding(key="c", value="alpha")]
    )
    stored = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert stored["version"] == 1
    assert stored["findings"][0] == {
        "key": "repeat_share",
        "value": 0.5,
        "unit": "share",
        "sentence": "Half come back.",
        "low": 0.4,
        "high": 0.6,
        "level": 0.95,
    }
    assert list(findings.read(stored)) == list(made)


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"version": 1},
        {"version": 2, "findings": []},
        {"version": 1, "findings": []},
        {"version": 1, "findings": [{}]},
        {"version": 1, "findings": [{"key": "a"}]},
        {"version": 1, "findings": None},
        {"version": 1, "findings": [3]},
        {"version": 1, "findings": [{"key": "a", "value": 1, "unit": "", "sentence": "A.", "colour": "red"}]},
        [],
        None,
        "text",
    ],
)
def test_a_stored_form_that_is_not_ours_is_refused(stored):
    with pytest.raises(DataError, match="findings"):
        findings.read(stored)


# -- wording ----------------------------------------------------------------------------------


def test_numbers_in_words():
    assert findings.count(23570) == "23,570"
    assert findings.count(2.5e6) == "2,500,000"
    assert findings.percent(0.14746) == "14.7 %"
    assert findings.percent(1, 0) == "100 %"
    assert findings.money(106.08, "USD") == "USD 106.08"
    assert findings.money(-148845, "TWD", 0) == "TWD -148,845"
    assert findings.money(5, "currency units") == "5.00 currency units"


def test_an_interval_in_words():
    assert findings.between(0.077, 0.084, findings.percent, 0.95) == " (95 % interval 7.7 % to 8.4 %)"
    assert findings.between(1, 2, findings.count, 0.999) == " (99.9 % interval 1 to 2)"
    assert findings.between(None, None, findings.percent, 0.95) == ""
    assert findings.between(math.nan, 0.1, findings.percent, 0.95) == ""


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 0.2, "better"),
        (-0.2, -0.1, "worse"),
        (-0.1, 0.1, "cannot be told apart"),
        (0, 0.1, "cannot be told apart"),  # an interval that touches zero does not exclude it
        (-0.1, 0, "cannot be told apart"),
        (0, 0, "cannot be told apart"),
        (math.nan, math.nan, "cannot be told apart"),
    ],
)
def test_the_verdict_follows_the_interval(low, high, expected):
    assert findings.verdict(low, high, above="better", below="worse") == expected


@given(st.floats(-1e300, 1e300))
def test_five_digits_change_a_value_by_less_than_one_in_ten_thousand(value):
    kept = finding(value=value).value
    assert abs(kept - value) <= 1e-4 * abs(value)
    assert finding(value=kept).value == kept


def test_a_label_is_kept_and_none_is_not_stored():
    with_label = Finding("gap", 1.0, "days", "A gap.", label="Days\nbetween orders")
    found = Findings([with_label, Finding("other", 1.0, "days", "Another.")])
    first, second = found.to_json()["findings"]
    assert first["label"] == "Days between orders"
    assert "label" not in second
    assert findings.read(found.to_json())[0] == with_label


@pytest.mark.parametrize("label", [None, 3, "x" * 61])
def test_a_label_is_a_few_words(label):
    with pytest.raises(ParameterError, match="label"):
        Finding("gap", 1.0, "days", "A gap.", label=label)


def test_a_label_with_a_long_name_gives_way():
    assert findings.fitting(f"Share of {'x' * 51}", "Share of the channel") == f"Share of {'x' * 51}"  # 9 + 51 letters
    assert findings.fitting(f"Share of {'x' * 52}", "Share of the channel") == "Share of the channel"
    assert findings.fitting("x" * 61) == ""


@pytest.mark.parametrize(
    ("value", "low", "high", "kept"),
    [
        (1.0, 0.5, 2.0, (1.0, 0.5, 2.0, 0.9)),
        (1.0, 0.5, math.inf, (1.0, None, None, None)),
        (1.0, math.nan, math.nan, (1.0, None, None, None)),
        (1.0, None, None, (1.0, None, None, None)),
        (math.nan, 0.5, 2.0, (None, None, None, None)),
        (None, 0.5, 2.0, (None, None, None, None)),
    ],
)
def test_an_estimate_may_have_no_interval_or_no_value(value, low, high, kept):
    found = findings.ranged("gap", value, "days", "A gap.", low, high, 0.9, "Gap")
    assert (found.value, found.low, found.high, found.level) == kept
    assert found.label == "Gap"


def test_a_label_says_that_its_number_is_simulated():
    assert findings.placed("Margin", "the simulated firm") == "Margin, simulated"
    assert findings.placed("Margin", "the café") == "Margin"
    assert findings.placed("x" * 60, "the simulated firm") == ""  # too long for a key figure: none rather than half
