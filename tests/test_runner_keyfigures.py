"""Key figures say what their sentences say, and only amounts, shares, counts and durations are some."""

import pytest

from crmlib.findings import Finding, Findings
from crmlib.runner.keyfigures import KeyFigure, key_figures
from crmlib.runner.rendering import unbroken


def figure(key, value, unit, sentence, *interval):
    (found,) = key_figures(Findings([Finding(key, value, unit, sentence, *interval)]))
    return found.value, found.interval


@pytest.mark.parametrize(
    ("finding", "told"),
    [
        # One decimal in the sentence, five digits in the finding: the sentence wins.
        (
            ("kept", 0.075265, "share", "7.5 % (95 % interval 7.2 % to 7.9 %) stay.", 0.071966, 0.078703, 0.95),
            ("7.5 %", "95 % interval 7.2 % to 7.9 %"),
        ),
        (("kept", 0.43174, "share", "After 12 months 43.17 % stay, 43 % last year.", None), ("43.17 %", "")),
        # A difference of shares is told in points.
        (
            ("gap", 0.30882, "share", "Of them +30.9 points (95 % interval +28.3 to +33.5).", 0.28294, 0.33455, 0.95),
            ("+30.9 points", "95 % interval +28.3 to +33.5 points"),
        ),
        (("gap", -0.0264, "share", "They fall by 2.6 percentage points.", None), ("−2.6 points", "")),
        # 1,234.56 is stored as 1,234.6; all digits of the sentence are shown.
        (
            (
                "cost",
                1234.56,
                "EUR",
                "It costs EUR 1,234.56 (90 % interval EUR 998.10 to EUR 1,399.05).",
                998.1,
                1399.05,
                0.9,
            ),
            ("EUR 1,234.56", "90 % interval EUR 998.10 to EUR 1,399.05"),
        ),
        (("effect", 3.8810, "USD", "It adds +USD 3.88 a month.", None), ("+USD 3.88", "")),
        (("loss", -98.55, "TWD", "It is TWD -98.55 each.", None), ("−TWD 98.55", "")),
        # From 100,000 on the short scale: 565,787 is 565.8 thousand, whatever the stored digits.
        (
            (
                "base",
                565787.0,
                "USD",
                "Worth USD 565,787 (95 % interval USD 543,589 to USD 588,891).",
                543589.0,
                588891.0,
                0.95,
            ),
            ("USD 565.8k", "95 % interval USD 543.6k to USD 588.9k"),
        ),
        # The sentence's 177,547 is stored as 177,550: half a thousand up, were it rounded again.
        (
            ("gain", -140330.0, "TWD", "TWD -140,330 (TWD -177,547 to TWD -107,293).", -177550.0, -107290.0, 0.95),
            ("−TWD 140.3k", "95 % interval −TWD 177.5k to −TWD 107.3k"),
        ),
        (
            ("error", -0.143, "of the purchases made", "It is 14.3 % too few.", None),
            ("−14.3 % of the purchases made", ""),
        ),
        (("many", 23570, "customers", "There are 23,570 customers.", None), ("23,570 customers", "")),
        # The unit stands once, after the upper end, also where the lower one is 1.
        (
            ("added", 314, "customers", "It adds 314 (80 % interval 1 to 627) customers.", 1.2, 627.3, 0.8),
            ("314 customers", "80 % interval 1 to 627 customers"),
        ),
        (("wait", 4.25, "days", "They wait 4.2 days.", None), ("4.2 days", "")),
        (("wait", 4.25, "days", "They wait longer than before.", None), ("4.25 days", "")),
    ],
)
def test_a_key_figure_is_told_as_in_its_sentence(finding, told):
    assert figure(*(part for part in finding if part is not None)) == told


def test_statistics_truths_and_unstated_numbers_are_no_key_figures():
    findings = Findings(
        [
            Finding("trend_p_value", 0.36, "", "They cannot be told apart (p = 0.36)."),
            Finding("link", 0.08, "correlation", "They hang together (correlation 0.08)."),
            Finding("fits", True, "", "It fits."),
            Finding("missing", None, "USD", "The data allow no estimate."),
            Finding("simulated_coverage", 0.961, "share", "The intervals held 96.1 %."),
            Finding("overpaid", 6091, "customers", "It credits 6,456 customers and added 365."),
            Finding("captured_by_rfm", 0.723, "share", "The best RFM score captures 72.3 %."),
        ]
    )
    assert key_figures(findings) == [KeyFigure("Captured by RFM", "72.3 %")]


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("regional_holdout_increment", "Regional hold-out increment"),
        ("break_even_reward", "Break-even reward"),
        ("top_20_percent_share", "Top 20 % share"),
        ("holdouts", "Holdouts"),
    ],
)
def test_labels_are_spelled_as_words_are(key, label):
    (found,) = key_figures(Findings([Finding(key, 5, "customers", "They are 5 customers.")]))
    assert found.label == label


def test_there_are_four_at_most():
    findings = Findings(Finding(f"count_{place}", place, "shops", f"There are {place} shops.") for place in range(1, 9))
    assert [item.value for item in key_figures(findings)] == ["1 shop", "2 shops", "3 shops", "4 shops"]


def test_a_number_keeps_its_sign_and_unit_on_one_line():
    space = "\N{NO-BREAK SPACE}"
    told = "It lost TWD -140,330 (-5.1 %, -USD 2 to +1.8), 10-20 in 1997-98."
    assert unbroken(told) == f"It lost TWD{space}−140,330 (−5.1{space}%, −USD{space}2 to +1.8), 10-20 in 1997-98."


def test_a_label_stands_in_place_of_the_key():
    finding = Finding("effect", 3.5, "orders", "It adds 3.5 orders.", label="Orders added a month")
    assert [found.label for found in key_figures(Findings([finding]))] == ["Orders added a month"]


def test_a_number_whose_sign_is_not_known_is_no_key_figure():
    unknown = Finding("gap", 0.5, "orders", "The groups, 0.5 orders apart, cannot be told apart.", -1.0, 2.0, 0.95)
    assert key_figures(Findings([unknown])) == []
    known = Finding("gap", 0.5, "orders", "The groups are 0.5 orders apart.", 0.0, 2.0, 0.95)
    assert len(key_figures(Findings([known]))) == 1
