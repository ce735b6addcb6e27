"""Expected answers to the exercises of notebook 17, by another route than the lesson's.

They count rows with pandas instead of `crmlib.satisfaction`.
"""

from __future__ import annotations

from typing import Any

from crmlib.exercises.checking import exercise
from crmlib.frames import to_pandas


@exercise(
    "17.1",
    question="What share of the answers are satisfied or very satisfied?",
    unit="share",
    praise="a share of two grades needs no step between them to have a size.",
)
def satisfied_share(answers: Any) -> float:
    """Answers with grade 4 or 5 over all answers."""
    grades = to_pandas(answers)["grade"].tolist()
    return sum(grade >= 4 for grade in grades) / len(grades)


@exercise(
    "17.2",
    question="What share of the very satisfied whose case took more than 24 hours came back?",
    unit="share",
    praise="hold it against that of all very satisfied: if they are close, the grade already holds the wait.",
)
def patient_return(answers: Any) -> float:
    """Returned among grade 5 with hours above 24."""
    rows = to_pandas(answers)[["grade", "hours", "returned"]].itertuples(index=False)
    chosen = [returned for grade, hours, returned in rows if grade == 5 and hours > 24]
    return sum(chosen) / len(chosen)


@exercise(
    "17.3",
    question="What share of all would come back if every grade 4 became a 5, and returned as grade 5 does now?",
    unit="share",
    praise="the most there is to gain; whether a grade pushed up returns like one earned is open.",
)
def lifted_return(answers: Any) -> float:
    """Returned rates of each grade, with the customers of grade 4 at the rate of grade 5."""
    rows = list(to_pandas(answers)[["grade", "returned"]].itertuples(index=False, name=None))
    top = [returned for grade, returned in rows if grade == 5]
    others = sum(returned for grade, returned in rows if grade != 4)
    lifted = sum(grade == 4 for grade, _ in rows) * sum(top) / len(top)
    return (others + lifted) / len(rows)
