"""Ends of a profile-likelihood interval: where the best that is left fits noticeably worse."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from crmlib.likelihood.model import LikelihoodModel

Floats = NDArray[np.float64]

#: An end further away than this, on the log scale, counts as infinite: a factor of 8,000.
FAR = 9.0
#: Information below this is taken for it when the other parameters are scaled: steps of 10, on the log scale.
_LEAST = 1e-2


def profile_ends(
    model: LikelihoodModel, free: Floats, information: Floats, at: int, level: float
) -> tuple[float, float]:
    r"""Array: free-scale ends of the interval of one parameter.

    All values at which twice the loss of log-likelihood, the others re-estimated, stays below the
    quantile of :math:`\chi^2_1`. An end that is not met within `FAR` is infinite.
    """
    from scipy.stats import chi2

    allowed = model.totals(free)[0] - chi2.ppf(level, 1) / 2
    # steps of about a standard error, where it has one
    spread = 1 / np.sqrt(max(information[at, at], 1e-2))
    low, high = (_end(_Profile(model, free, information, at), free[at], side, spread, allowed) for side in (-1.0, 1.0))
    return low, high


def _end(profile: Callable[[float], float], found: float, side: float, step: float, allowed: float) -> float:
    """First point on one side at which the profile falls to what is allowed."""
    from scipy.optimize import brentq

    inner, profile = 0.0, cache(profile)  # a point met twice has one value, however its search began
    profile(found)
    while profile(found + side * (inner + step)) > allowed:
        inner, step = inner + step, 1.5 * step
        if inner >= FAR:
            return side * float(np.inf)
    away = brentq(lambda far: profile(found + side * far) - allowed, inner, inner + step, xtol=1e-4)
    return float(found + side * away)


class _Profile:
    """Highest log-likelihood with one parameter held, each search from where the last one ended.

    The others are searched in units of what the data say of them, which takes few steps also along a ridge.
    """

    def __init__(self, model: LikelihoodModel, free: Floats, information: Floats, at: int) -> None:
        self.model, self.at = model, at
        self.others = np.arange(len(free)) != at
        self.first, self.last = free[self.others], free[self.others]
        values, vectors = np.linalg.eigh(information[np.ix_(self.others, self.others)])
        self.units = vectors / np.sqrt(np.maximum(values, _LEAST))

    def __call__(self, held: float) -> float:
        from scipy.optimize import minimize

        start = self.last

        def loss(steps: Floats) -> tuple[float, Floats]:
            others = start + self.units @ steps
            inner = np.clip(others, self.first - 1.5 * FAR, self.first + 1.5 * FAR)
            value, score = self.model.totals(self._whole(inner, held))
            if not (np.isfinite(value) and np.all(np.isfinite(score))):  # too far out for the arithmetic
                return 1e300, np.zeros(len(steps))
            away = others - inner  # a slope back
            slope = np.where(away == 0, -score[self.others], 2e3 * away)
            return 1e3 * float(away @ away) - value, self.units.T @ slope

        if not len(start):
            return self.model.totals(np.array([held]))[0]
        with np.errstate(all="ignore"):
            end = minimize(loss, np.zeros(len(start)), jac=True, method="BFGS", options={"gtol": 1e-3, "maxiter": 200})
        self.last = start + self.units @ end.x
        return -float(end.fun)

    def _whole(self, others: Floats, held: float) -> Floats:
        whole = np.empty(len(self.others))
        whole[self.others], whole[self.at] = others, held
        return whole
