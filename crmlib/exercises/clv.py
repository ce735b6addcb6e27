"""Expected answers to the exercises of notebook 06, by another route than the lesson's.

They evaluate the closed forms of Fader, Hardie & Lee (2005) with SciPy's hypergeometric function instead of calling
`crmlib.models`, which integrates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crmlib.exercises.checking import exercise


@exercise(
    "06.1",
    question="How many repeat purchases does BG/NBD expect of a new customer in the first 52 weeks?",
    unit="purchases",
    praise="times the margin of an order, this is what a new customer adds in a year.",
)
def first_year(params: Any) -> float:
    """E[X(t)] of a new customer, equation 9."""
    return float(_expected(params, np.zeros(1), np.zeros(1), 52.0)[0])


@exercise(
    "06.2",
    question="How many customers who came back at least once have by now more probably left than not?",
    unit="customers",
    tolerance=0,
    praise="they look alike in a list of past spend, and bring in little.",
)
def probably_lost(params: Any, history: Any) -> int:
    """Count repeat buyers with P(active) below one half."""
    again = history[history["frequency"] > 0]
    columns = (again[name].to_numpy(float) for name in ("frequency", "recency", "age"))
    return int((_alive(params, *columns) < 0.5).sum())


@exercise(
    "06.3",
    question="For how many customers is a tenth of the first year's expected margin above 1?",
    unit="customers",
    tolerance=0,
    praise="and whether the call keeps one in ten only a group that gets none can tell.",
)
def worth_a_call(params: Any, history: Any, spend: Any, margin_rate: float) -> int:
    """Count customers with 0.1 × margin × orders of 52 weeks × value of an order above 1."""
    x, recency, age = (history[name].to_numpy(float) for name in ("frequency", "recency", "age"))
    z = np.where(x > 0, history["monetary_value"], 0.0).astype(float)
    p, q, gamma = (float(spend[name]) for name in ("p", "q", "gamma"))
    order = p * (gamma + x * z) / (p * x + q - 1)
    orders = _alive(params, x, recency, age) * _expected(params, x, age, 52.0)
    return int((0.1 * margin_rate * orders * order > 1).sum())


def _alive(params: Any, x: Any, recency: Any, age: Any) -> Any:
    """P(active), after equation 7; who never came back is active by assumption."""
    r, alpha, a, b = (float(params[name]) for name in ("r", "alpha", "a", "b"))
    odds = a / (b + np.maximum(x, 1) - 1) * ((alpha + age) / (alpha + recency)) ** (r + x)
    return np.where(x > 0, 1 / (1 + odds), 1.0)


def _expected(params: Any, x: Any, age: Any, time: float) -> Any:
    """Purchases of customers who are active, the numerator of equation 10; a is not 1."""
    from scipy.special import hyp2f1

    r, alpha, a, b = (float(params[name]) for name in ("r", "alpha", "a", "b"))
    series = hyp2f1(r + x, b + x, a + b + x - 1, time / (alpha + age + time))
    ratio = ((alpha + age) / (alpha + age + time)) ** (r + x)
    return (a + b + x - 1) / (a - 1) * (1 - ratio * series)
