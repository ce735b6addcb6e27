"""Exercises that check themselves; one module a notebook holds what its answers are held against.

`check("02.1", answer, orders, last_day)` finds the exercise by its key, imports its module and says
whether the answer is right, else what kind of mistake it is.
"""

from crmlib.exercises.checking import check, exercise
from crmlib.exercises.comparison import Result, compare

__all__ = ["Result", "check", "compare", "exercise"]
