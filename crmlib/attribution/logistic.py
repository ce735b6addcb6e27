r"""Logistic regressions of one design with many weightings at once, by Newton's method.

A bootstrap fits the same model a thousand times. With cells i, trials :math:`n_{ib}` and conversions
:math:`y_{ib}` in column b, each step solves :math:`X' W_b X \, \delta_b = X' (y_b - n_b \mu_b)`; the
matrices of all columns are one product of the pairwise columns of X with the weights.
"""

from __future__ import annotations

import numpy as np

#: Numbers in the largest arrays (about 30 MB each).
_BLOCK = 4_000_000
_ROUNDS, _ENOUGH = 60, 1e-4  # Newton's steps; one that moves log odds by less leaves its square as error
_BOLD = 1.0  # log odds beyond which a step is checked against the likelihood
_LONGEST = 4.0  # log odds by which a step may move any cell: beyond it the quadratic says nothing
_FARTHEST = 18.0  # log odds at which a chance is 0 or 1 for all purposes


def fitted(
    design: np.ndarray, trials: np.ndarray, converted: np.ndarray, start: np.ndarray | None = None
) -> np.ndarray:
    """Coefficients (p, b) of each column, the least-norm ones where several fit alike.

    Parameters
    ----------
    design : array (cells, p)
    trials, converted : arrays (cells, b)
        Trials and how many of them succeeded; cells without trials do not count.
    start : array (p,), optional
        Where to begin, a least-norm solution itself; 0 if not given.

    Returns
    -------
    array (p, b)
        Finite: where chances of 0 or 1 fit best, log odds end beyond 18.
    """
    size, columns = design.shape[1], trials.shape[1]
    # Steps lie in the space of the rows: from 0, or from a least-norm solution, they end at one.
    found = np.repeat((np.zeros(size) if start is None else start)[:, None], columns, axis=1)
    going = np.arange(columns)
    for _ in range(_ROUNDS):
        n, y, at = trials[:, going], converted[:, going], found[:, going]
        step, far = _step(design, n, y, at)
        bold = np.flatnonzero(far > _BOLD)
        if len(bold):
            step[:, bold] = _halved(design, n[:, bold], y[:, bold], at[:, bold], step[:, bold])
        found[:, going] = at + step
        going = going[far > _ENOUGH]
        if not len(going):
            break
    return found


def _step(design: np.ndarray, trials: np.ndarray, converted: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, ...]:
    """Newton's step (p, b) of each column, and by how much log odds it moves any cell (b,)."""
    from scipy.special import expit

    odds = design @ at
    chance = expit(odds)
    expected = trials * chance
    slope = design.T @ (converted - expected)
    inner = _products(design, expected * (1 - chance))
    # A millionth of a millionth of the trace: what the data leave open stays as it is.
    trace = np.trace(inner, axis1=1, axis2=2)
    inner[:, np.arange(len(at)), np.arange(len(at))] += np.maximum(1e-12 * trace, 1e-12)[:, None]
    step = np.linalg.solve(inner, slope.T[:, :, None])[:, :, 0].T
    # Where chances are 0 or 1 they may run on to infinity: that neither shortens steps nor keeps them going.
    moved = np.abs(design @ step) * ((trials > 0) & (np.abs(odds) < _FARTHEST))
    far = moved.max(axis=0)
    return step * np.minimum(1.0, _LONGEST / np.maximum(far, 1e-300)), far


def _halved(
    design: np.ndarray, trials: np.ndarray, converted: np.ndarray, at: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Steps, halved until they do not lower the likelihood."""
    before = _likelihood(design @ at, trials, converted)
    for _ in range(8):
        worse = _likelihood(design @ (at + step), trials, converted) < before - 1e-12 * np.abs(before)
        if not worse.any():
            break
        step[:, worse] /= 2
    return step


def _products(design: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """X' W X of each column of weights, shape (b, p, p)."""
    size = design.shape[1]
    rows, columns = np.triu_indices(size)
    found = np.zeros((len(rows), weights.shape[1]))
    block = max(1, _BLOCK // len(rows))
    for first in range(0, len(design), block):
        part = design[first : first + block]
        found += (part[:, rows] * part[:, columns]).T @ weights[first : first + block]
    whole = np.empty((weights.shape[1], size, size))
    whole[:, rows, columns] = whole[:, columns, rows] = found.T
    return whole


def _likelihood(odds: np.ndarray, trials: np.ndarray, converted: np.ndarray) -> np.ndarray:
    """Log-likelihood of each column, without the binomial coefficients."""
    # y log μ + (n - y) log(1 - μ) = y η - n log(1 + e^η)
    return (converted * odds - trials * np.logaddexp(0.0, odds)).sum(axis=0)
