"""Who joins: the chance to have joined in the month before a trial, from the past that anybody can see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_SUREST = 0.95  # chance of joining beyond which who did not join could not stand for who did
_RIDGE = 0.05  # keeps the logit finite where, say, nobody joins without an order


@dataclass(frozen=True, eq=False)
class Joining:
    """Chance of each row to be of one who joined in the month before: a logit on the past, with a level a month.

    `past` are its regressors (rows, terms), `influence` what each row adds to the error of their coefficients.
    """

    chance: np.ndarray
    past: np.ndarray
    influence: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame, member: np.ndarray, month: np.ndarray) -> Joining:
        """Fit by Newton's method."""
        x = _regressors(table, month)
        beta, ridge = np.zeros(x.shape[1]), np.full(x.shape[1], _RIDGE)
        for _ in range(30):
            chance = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
            slope = x.T @ (member - chance) - ridge * beta
            curvature = (x.T * (chance * (1 - chance))) @ x + np.diag(ridge)
            step = np.linalg.solve(curvature, slope)
            beta += step
            if np.abs(step).max() < 1e-8:
                break
        chance = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        influence = np.linalg.solve(curvature, x.T * (member - chance)).T
        return cls(np.clip(chance, 1e-9, _SUREST), x, influence)


def _regressors(table: pd.DataFrame, month: np.ndarray) -> np.ndarray:
    logs = np.log1p(table[["pace", "newest", "recent", "half_year", "past"]].to_numpy(dtype=float))
    silence = table["silence"].to_numpy(dtype=float)
    x = np.column_stack([logs, silence, np.sqrt(silence), logs[:, 1] ** 2, logs[:, 2] ** 2, logs[:, 1] == 0])
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.column_stack([x, np.eye(month.max() + 1)[month]])
