"""Key figures of a page: the findings' main numbers, each as its own sentence states it.

A finding keeps five significant digits, its sentence may show more or fewer. So that a page never
says two things, a key figure takes the digits that stand in the sentence; a finding whose sentence
states another number than its value is none. Large amounts go by the short scale.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from crmlib.findings import Finding, Findings
from crmlib.runner.quantities import CURRENCY, LARGE, MINUS, change, quantity

_MOST = 4
#: Units of test statistics and fits: numbers for the reader of the method, not of the result.
_STATISTICS = {"", "p", "p-value", "correlation", "nats", "standard errors"} | {
    "ratio",
    "log ratio",
    "odds ratio",
    "hazard ratio",
}
#: Keys of findings that judge the method against a known truth, not the firm.
_TRUTH = ("simulated_", "true_")
#: Words that a key cannot write as they are spelled.
_SPELLED = {"holdout": "hold-out", "break even": "break-even", r"(\d+) percent": r"\1 %"}
_NUMBER = re.compile(
    rf"(?P<before>[-+{MINUS}]?)(?P<currency>\b[A-Z]{{3}} )?(?P<sign>[-+{MINUS}]?)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
    r"(?P<after> %| (?:percentage )?points?\b)?"
)


@dataclass(frozen=True)
class KeyFigure:
    """A number that stands out on a page: what it is, the number with its unit, its interval."""

    label: str
    value: str
    interval: str = ""


def key_figures(findings: Findings) -> list[KeyFigure]:
    """The first four findings that are amounts, shares, counts or durations: never a p-value or a fit's statistic.

    A number whose interval holds zero stays in its sentence, which says that its sign is not known; standing
    alone it would look like a result.
    """
    figures = []
    for finding in findings:
        if finding.value is None or isinstance(finding.value, (bool, str)):
            continue
        if finding.unit in _STATISTICS or finding.key.startswith(_TRUTH) or _sign_unknown(finding):
            continue
        value = _told(finding, float(finding.value))
        if value:
            figures.append(KeyFigure(_label(finding), value, _interval(finding, value)))
    return figures[:_MOST]


def _sign_unknown(finding: Finding) -> bool:
    return finding.low is not None and finding.high is not None and finding.low < 0 < finding.high


def _label(finding: Finding) -> str:
    """The finding's label, or its key in words; a name such as RFM is written as the sentence writes it."""
    if finding.label:
        return finding.label
    written = {word.lower(): word for word in re.findall(r"(?<=[\w,] )[A-Za-z]+", finding.sentence)}
    words = " ".join(written.get(word, word) for word in finding.key.split("_"))
    for joined, spelled in _SPELLED.items():
        words = re.sub(rf"\b{joined}\b", spelled, words, flags=re.IGNORECASE)
    return words[0].upper() + words[1:]


def _interval(finding: Finding, value: str) -> str:
    if finding.low is None or finding.high is None or finding.level is None:
        return ""
    if value.endswith(" points"):  # "−1.3 to +1.8 points"
        ends = [change(end, "share").replace(" percentage points", "") for end in (finding.low, finding.high)]
        ends[1] += " points"
    else:
        ends = [_told(finding, end) or quantity(end, finding.unit) for end in (finding.low, finding.high)]
        if finding.unit != "share" and not CURRENCY.fullmatch(finding.unit):
            ends[0] = ends[0].removesuffix(f" {finding.unit}").removesuffix(f" {finding.unit.removesuffix('s')}")
    return f"{100 * finding.level:g} % interval {ends[0]} to {ends[1]}"


def _told(finding: Finding, value: float) -> str:
    """The number as the sentence tells it; empty where the sentence tells other numbers."""
    numbers = list(_NUMBER.finditer(finding.sentence))
    fitting = [number for number in numbers if _unit_fits(number, finding.unit) and _says(number, value, finding.unit)]
    if abs(value) >= LARGE:  # of the sentence's number, where it has one: 177,547 kept as 177,550 would be 177.6k
        said = max((_size(number) for number in fitting), key=lambda size: len(f"{size:g}"), default=abs(value))
        return quantity(math.copysign(said, value), finding.unit)
    if not fitting:
        return "" if numbers else quantity(value, finding.unit)
    number = max(fitting, key=lambda number: (len(number["digits"]), number["after"] or ""))
    sign = (number["before"] or number["sign"]).replace("-", MINUS)
    if value < 0:
        sign = MINUS  # the sentence may say it in words: "14.3 % too few"
    after = " points" if "point" in (number["after"] or "") else number["after"] or ""
    currency = number["currency"] if CURRENCY.fullmatch(finding.unit) else ""
    counted = finding.unit.removesuffix("s") if number["digits"] == "1" else finding.unit
    unit = "" if currency or finding.unit == "share" else f" {counted}"
    return f"{sign}{currency}{number['digits']}{after}{unit}"


def _unit_fits(number: re.Match[str], unit: str) -> bool:
    if CURRENCY.fullmatch(unit):
        return number["currency"] == f"{unit} "
    return bool(number["after"]) if _is_share(unit) else not number["after"] and not number["currency"]


def _says(number: re.Match[str], value: float, unit: str) -> bool:
    """Whether the digits are the value's, both rounded: the sentence's to its last digit, the value to five."""
    said = _size(number)
    size = abs(value) * (100 if _is_share(unit) else 1)
    decimals = len(number["digits"].partition(".")[2])
    kept = 10.0 ** (math.floor(math.log10(size)) - 4) if size else 0.0
    return abs(said - size) <= (10.0**-decimals + kept) / 2 * (1 + 1e-9)


def _size(number: re.Match[str]) -> float:
    return float(number["digits"].replace(",", ""))


def _is_share(unit: str) -> bool:
    """A share of one, or of what the unit names: "of the purchases made"."""
    return unit == "share" or unit.startswith("of ")
