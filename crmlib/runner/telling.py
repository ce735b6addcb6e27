"""Findings on small groups told without their number."""

from __future__ import annotations

import re
from collections.abc import Set

from crmlib.findings import Finding, Findings
from crmlib.runner.counts import PEOPLE, Group, tells_few


def told(findings: Findings, fewest: int, known: Set[Group] = frozenset()) -> Findings:
    """The findings, those on a group that may not be told, or on fewer customers, without their number.

    Parameters
    ----------
    findings : Findings
    fewest : int
        Customers that a described group has at least; 1 withholds nothing.
    known : set of Group
        Groups that the page's tables withhold; one of three letters or more is known in a sentence.
    """
    names = sorted({re.escape(head) for _, head in known if len(head) > 2})
    named = re.compile(rf"(?<!\w)({'|'.join(names)})(?!\w)") if names and fewest > 1 else None
    return Findings(_told(item, fewest, named) for item in findings)


def _told(item: Finding, fewest: int, named: re.Pattern[str] | None) -> Finding:
    counts = isinstance(item.value, (int, float)) and not isinstance(item.value, bool)
    few = item.unit in PEOPLE and counts and 0 < float(item.value or 0) < fewest
    if few or tells_few(item.sentence, fewest):
        return Finding(item.key, None, item.unit, f"A finding on fewer than {fewest} customers is withheld.")
    if named and (named.search(item.sentence) or named.search(item.label)):
        return Finding(item.key, None, item.unit, "A finding on a group that the tables withhold is withheld.")
    return item
