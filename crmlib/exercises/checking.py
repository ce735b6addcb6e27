"""Exercises that check themselves: they say what is wrong with an answer, never what is right.

The expected value is computed from the tables that the reader has, by a function that stands
here and not in the notebook, and by another route than the lesson's. A wrong answer is no
error: `check` returns a `Result` of one line.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from crmlib.errors import ParameterError
from crmlib.exercises.comparison import Result, compare


@dataclass(frozen=True, slots=True)
class Exercise:
    """A registered exercise: how its expected value is computed and compared."""

    key: str
    question: str
    expected: Callable[..., Any]
    unit: str
    tolerance: float
    sorted_by: tuple[str, ...]
    praise: str


_REGISTERED: dict[str, Exercise] = {}

#: Module of `crmlib.exercises` by the number of its notebook.
_TOPICS = {
    "01": "attribution",
    "02": "cohorts",
    "03": "loyalty",
    "04": "profitability",
    "05": "rfm",
    "06": "clv",
    "15": "contracts",
    "16": "budget",
    "17": "satisfaction",
    "18": "rewards",
    "19": "wallet",
    "20": "referral",
    "21": "paths",
}


def exercise(
    key: str,
    *,
    question: str,
    unit: str = "",
    tolerance: float = 0.005,
    sorted_by: Sequence[str] = (),
    praise: str = "well done.",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as the expected value of an exercise.

    Parameters
    ----------
    key : str
        Notebook and exercise number, such as `"02.1"`.
    question : str
        What is asked, in a sentence.
    unit, tolerance, sorted_by
        As in `compare`.
    praise : str
        What a correct answer is told: one sentence, perhaps why it matters.

    Raises
    ------
    ParameterError
        The key is registered already.

    Examples
    --------
    >>> @exercise("00.1", question="Which share of customers ordered twice?", unit="share")
    ... def repeat_share(orders):
    ...     return (orders.groupby("customer_id").size() > 1).mean()
    """

    def register(expected: Callable[..., Any]) -> Callable[..., Any]:
        present = _REGISTERED.get(key)
        # The same function again is its module reloaded, as in an interactive session.
        if present and (present.expected.__module__, present.expected.__qualname__) != (
            expected.__module__,
            expected.__qualname__,
        ):
            raise ParameterError(f"exercise {key!r} is registered already; give this one another key")
        _REGISTERED[key] = Exercise(key, question, expected, unit, tolerance, tuple(sorted_by), praise)
        return expected

    return register


def check(key: str, answer: Any, *tables: Any, **options: Any) -> Result:
    """Compare an answer with what the exercise's own function finds in the tables.

    Parameters
    ----------
    key : str
        The exercise, such as `"02.1"`.
    answer
        A number, text, date, sequence or frame; `None` or `...` while there is none.
    *tables, **options
        What the exercise's function takes: the tables that the reader used.

    Returns
    -------
    Result
        A wrong answer is one too; only a misuse of `check` raises.

    Raises
    ------
    ParameterError
        There is no such exercise.
    """
    if key not in _REGISTERED and key[:2] in _TOPICS:
        importlib.import_module(f"crmlib.exercises.{_TOPICS[key[:2]]}")
    if key not in _REGISTERED:
        known = ", ".join(sorted(_REGISTERED)) or "none"
        raise ParameterError(f"there is no exercise {key!r}; there are {known}")
    task = _REGISTERED[key]
    if answer is None or answer is ...:
        return Result(False, "there is no answer so far; replace the placeholder by yours.")
    truth = task.expected(*tables, **options)
    result = compare(answer, truth, unit=task.unit, tolerance=task.tolerance, sorted_by=task.sorted_by)
    return Result(True, task.praise) if result.correct else result
