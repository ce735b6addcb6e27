"""Integrals of the BG/NBD population that the truth is made of, exact or by quadrature."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.data.synthetic.parameters import Parameters
from crmlib.errors import ParameterError

Floats = NDArray[np.float64]


def population_active_probability(
    known: Parameters, start_days: ArrayLike, end_days: ArrayLike, cohort_factor: ArrayLike
) -> Floats:
    """Probability of a customer drawn from the population to order in an interval, see `Truth`."""
    from scipy.special import roots_jacobi

    if not known.plain:
        raise ParameterError(
            "this firm's loyalty programme and season move its orders by the calendar, so that no one probability "
            "holds for all cohorts; simulate it with programme=False, or use active_probability"
        )
    if known.intent_value:
        raise ParameterError(
            "this firm's customers order the more the higher their intent was, so that no gamma distribution holds; "
            "simulate it with intent_value=0, or use active_probability"
        )
    start, end = (days / 7 for days in interval(start_days, end_days))
    factor = np.asarray(cohort_factor, dtype=float)
    if not np.all(factor > 0):
        raise ParameterError("a cohort_factor is not positive; give numbers above 0")
    nodes, weights = roots_jacobi(_nodes(known.alpha, end), known.b - 1, known.a - 1)
    total = np.zeros(np.broadcast_shapes(start.shape, end.shape, factor.shape))
    for p, weight in zip((1 + nodes) / 2, weights / weights.sum(), strict=True):
        left = known.alpha + p * start
        right = left + factor * (end - start)
        total += weight * ((known.alpha / left) ** known.r - (known.alpha / right) ** known.r)
    return total


def orders_while_active(rate: Floats, leave: Floats, start: Floats, end: Floats) -> Floats:
    """Integral of rate times the probability to be active, e^(-leave t)."""
    span = end - start
    # the series' limit where leaving is out of reach
    mean = np.where(leave * span > 1e-12, -np.expm1(-leave * span) / np.where(leave > 0, leave, 1.0), span)
    return np.asarray(rate * np.exp(-leave * start) * mean)


def _nodes(alpha: float, end_weeks: Floats) -> int:
    """Number of nodes: the integrand is singular at p = -α/t, so n nodes leave an error of order ρ^(-2n).

    ρ is the Bernstein ellipse through the singularity, ln ρ = 2 asinh √(α/t).
    """
    nearest = alpha / max(float(np.max(end_weeks, initial=0.0)), 1.0)
    return int(np.clip(np.ceil(12 / (2 * np.arcsinh(np.sqrt(nearest)))), 64, 1024))


def interval(start_days: ArrayLike, end_days: ArrayLike) -> tuple[Floats, Floats]:
    """Both ends in days.

    Raises
    ------
    ParameterError
        A negative or reversed interval.
    """
    start, end = np.asarray(start_days, dtype=float), np.asarray(end_days, dtype=float)
    if not np.all((start >= 0) & (end >= start)):
        raise ParameterError(
            f"the interval ({start_days!r}, {end_days!r}] is no interval; give 0 ≤ start ≤ end, in days"
        )
    return start, end
