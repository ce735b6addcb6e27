"""Expected answers to the exercises of notebook 01, by another route than the lesson's.

They walk through journeys one by one, and multiply transition probabilities out step by step,
instead of calling `crmlib.attribution`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from crmlib.exercises.checking import exercise
from crmlib.exercises.journeys import walked_journeys
from crmlib.frames import to_pandas


@exercise(
    "01.1",
    question="Which share of conversions does the channel with the most last-touch credit get by first touch?",
    unit="share",
    praise="who closes most journeys need not open many: the two rules answer different questions.",
)
def closer_as_opener(touches: Any, outcomes: Any) -> float:
    """Count conversions by the first and by the last channel of each journey."""
    first: defaultdict[str, float] = defaultdict(float)
    last: defaultdict[str, float] = defaultdict(float)
    for path, won, _ in walked_journeys(touches, outcomes):
        first[path[0]] += won
        last[path[-1]] += won
    closer = max(sorted(last), key=last.__getitem__)
    return first[closer] / sum(last.values())


@exercise(
    "01.2",
    question="Which share of conversions does a chain of order 1 lose without the two weightiest channels?",
    unit="share",
    tolerance=0.001,
    praise="less than the two effects add up to: many successful journeys pass through both.",
)
def removal_of_two(touches: Any, outcomes: Any) -> float:
    """Let walkers flow through the chain until nearly none is left, with and without the channels."""
    flows: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    names = set()
    for path, won, lost in walked_journeys(touches, outcomes):
        names.update(path)
        for source, target in zip(["(start)", *path], path, strict=False):
            flows[source][target] += won + lost
        flows[path[-1]]["(won)"] += won
        flows[path[-1]]["(lost)"] += lost
    alone = {name: 1 - _won(flows, {name}) / _won(flows, set()) for name in names}
    pair = sorted(names, key=lambda name: (alone[name], name))[-2:]
    return 1 - _won(flows, set(pair)) / _won(flows, set())


@exercise(
    "01.3",
    question="How many customers does last touch deny to the channels that it credits with less than they added?",
    unit="customers",
    praise="they went to the channels that stand last, whoever had made the demand.",
)
def denied_customers(touches: Any, outcomes: Any, increments: Any) -> float:
    """Sum of increment minus last-touch count where that is positive."""
    last: defaultdict[str, float] = defaultdict(float)
    for path, won, _ in walked_journeys(touches, outcomes):
        last[path[-1]] += won
    table = to_pandas(increments)
    pairs = zip(table["channel"], table["increment"], strict=True)
    return float(sum(max(added - last[channel], 0) for channel, added in pairs))


def _won(flows: Mapping[str, Mapping[str, float]], removed: set[str]) -> float:
    """Share of walkers that convert, those who come to a removed channel being lost."""
    at, won = {"(start)": 1.0}, 0.0
    while sum(at.values()) > 1e-9:
        following: defaultdict[str, float] = defaultdict(float)
        for source, part in at.items():
            total = sum(flows[source].values())
            for target, number in flows[source].items() if total else ():
                following[target] += part * number / total
        won += following.pop("(won)", 0.0)
        following.pop("(lost)", None)
        at = {name: part for name, part in following.items() if name not in removed}
    return won
