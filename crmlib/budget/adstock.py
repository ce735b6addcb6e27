"""Arithmetic of spend that carries over and saturates: expected customers, their slopes, least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

_MOST_CARRY = 0.9
#: Scales that are tried, as multiples of the largest weekly spend; a curve beyond them is a straight line.
_SCALES = (0.05, 5.0)
#: Where spend tells next to nothing the sum of squares is flat, and the search would walk on without finding better.
_STEPS = 100


def fitted_parameters(
    spend: np.ndarray, won: np.ndarray, start: np.ndarray, bend: float | None = None
) -> tuple[np.ndarray, float]:
    """Parameters within their bounds, and half the sum of squares; beyond `bend` residuals count as they are."""
    from scipy.optimize import least_squares

    size = spend.shape[1]
    largest = spend.max(axis=0)
    low = np.concatenate([[0], np.zeros(size), _SCALES[0] * largest, np.zeros(size)])
    high = np.concatenate([[np.inf], np.full(size, np.inf), _SCALES[1] * largest, np.full(size, _MOST_CARRY)])
    inside = np.clip(start, low + 1e-9, np.where(np.isfinite(high), high * (1 - 1e-9), high))
    found = least_squares(
        lambda params: expected(params, spend) - won,
        inside,
        jac=lambda params: slopes(params, spend),
        bounds=(low, high),
        x_scale=np.maximum(inside, 1e-2),
        loss="soft_l1" if bend else "linear",
        f_scale=bend or 1.0,
        max_nfev=_STEPS,
    )
    return found.x, float(found.cost)


def starts(spend: np.ndarray, won: np.ndarray) -> list[np.ndarray]:
    """Where the search begins: little or much carry-over, early or late saturation."""
    size, mean = spend.shape[1], spend.mean(axis=0)
    return [
        np.concatenate([[won.mean() / 2], np.full(size, won.mean() / size), factor * mean, np.full(size, carry)])
        for factor in (0.5, 2.0)
        for carry in (0.1, 0.5)
    ]


def expected(params: np.ndarray, spend: np.ndarray) -> np.ndarray:
    """Customers of each week by these parameters."""
    base, effect, scale, carry = parts(params, spend.shape[1])
    return base + (effect * -np.expm1(-carried(spend, carry) / scale)).sum(axis=1)


def slopes(params: np.ndarray, spend: np.ndarray) -> np.ndarray:
    """Derivatives of the expected outcome (weeks, 1 + 3 channels)."""
    from scipy.signal import lfilter

    _, effect, scale, carry = parts(params, spend.shape[1])
    left_over = carried(spend, carry)
    left = np.exp(-left_over / scale)
    before = np.vstack([spend.mean(axis=0), left_over[:-1]])
    # A' = A(t-1) - x(t) + carry A'(t-1)
    gaps = zip((before - spend).T, carry, strict=True)
    moved = np.stack([lfilter([1], [1, -part], gap) for gap, part in gaps], axis=1)
    steep = effect / scale * left
    return np.hstack([np.ones((len(spend), 1)), 1 - left, -steep * left_over / scale, steep * moved])


def carried(spend: np.ndarray, carry: np.ndarray) -> np.ndarray:
    """Adstock (weeks, channels); before the first week spend is taken to have been at its mean."""
    from scipy.signal import lfilter

    columns = [
        lfilter([1 - part], [1, -part], column, zi=[part * column.mean()])[0]
        for column, part in zip(spend.T, carry, strict=True)
    ]
    return np.stack(columns, axis=1)


def parts(params: np.ndarray, size: int) -> tuple[Any, ...]:
    """Base, effects, scales, carries."""
    return params[..., 0], *(params[..., 1 + k * size : 1 + (k + 1) * size] for k in range(3))
