"""Journeys one by one, as the exercises on channels and on paths walk them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from crmlib.frames import to_pandas


def walked_journeys(touches: Any, outcomes: Any) -> list[tuple[list[str], float, float]]:
    """Channels in order, conversions and nulls of each ended journey with a touch."""
    steps = to_pandas(touches, sort_by=["journey_id", "position"])
    paths: defaultdict[Any, list[str]] = defaultdict(list)
    for journey, channel in zip(steps["journey_id"], steps["channel"], strict=True):
        paths[journey].append(str(channel))
    ends = to_pandas(outcomes)
    rows = zip(ends["journey_id"], ends["conversions"], ends["nulls"], strict=True)
    return [(paths[journey], float(won), float(lost)) for journey, won, lost in rows if journey in paths]
