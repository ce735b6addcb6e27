"""How points are worded."""

from __future__ import annotations

import numpy as np

#: Below this p-value a test is said to see something.
SEEN = 0.05
#: Of fewer expected events in a group the chi-squared distribution is rough.
FEW = 5


def points_of(points: float) -> str:
    """One percentage point, or how many."""
    return "one point" if np.isclose(points, 0.01) else f"{100 * points:g} points"


def is_or_are(points: float) -> str:
    """Verb that goes with `points_of`."""
    return "is" if np.isclose(points, 0.01) else "are"
