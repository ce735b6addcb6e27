"""Expected answers to the exercises of notebook 21, by another route than the lesson's.

They walk through journeys one by one, instead of calling `crmlib.attribution`.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

from crmlib.exercises.checking import exercise
from crmlib.exercises.journeys import walked_journeys


@exercise(
    "21.1",
    question="Which share of journeys goes through more than one channel?",
    unit="share",
    praise="only these can tell one rule of attribution from another.",
)
def several_channels(touches: Any, outcomes: Any) -> float:
    """Count journeys with two or more distinct channels."""
    made = several = 0.0
    for path, won, lost in walked_journeys(touches, outcomes):
        made += won + lost
        several += (won + lost) * (len(set(path)) > 1)
    return several / made


@exercise(
    "21.2",
    question="With which probability does a step from a channel go to that same channel again?",
    unit="share",
    praise="repeats are the largest habit in most logs, and partly an artefact of tracking.",
)
def repeated_steps(touches: Any, outcomes: Any) -> float:
    """Repeats over all steps from a channel, ends of journeys included."""
    steps = repeats = 0.0
    for path, won, lost in walked_journeys(touches, outcomes):
        steps += (won + lost) * len(path)  # each touch is left once, for a channel or for an end
        repeats += (won + lost) * sum(one == other for one, other in pairwise(path))
    return repeats / steps


@exercise(
    "21.3",
    question="How many conversions would be promised by moving journeys to the rate of the channel that looks best?",
    unit="conversions",
    praise="the channel meets them there; it does not make them, so the promise is not kept.",
)
def promised_conversions(touches: Any, outcomes: Any) -> float:
    """Rate of the channel with the highest rate among those of 30 journeys or more, times all journeys, less won."""
    held: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    made = total = 0.0
    for path, won, lost in walked_journeys(touches, outcomes):
        made, total = made + won + lost, total + won
        for channel in set(path):
            held[channel][0] += won
            held[channel][1] += won + lost
    return max(won / seen for won, seen in held.values() if seen >= 30) * made - total
