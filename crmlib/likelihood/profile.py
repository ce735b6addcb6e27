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
    low, high = (_end(_Profile(model, free, at), free[at], side, spread, allowed) for side in (-1.0, 1.0))
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
    away = brentq(lambda far: profile(found + side * far) - allowed, inner, inner + step, xtol=1e-5)
    return float(found + side * away)


class _Profile:
    """Highest log-likelihood with one parameter held, each search from where the last one ended."""

    def __init__(self, model: LikelihoodModel, free: Floats, at: int) -> None:
        self.model, self.at = model, at
        self.others = np.arange(len(free)) != at
        self.last = free.copy()
        self.first = free.copy()

    def __call__(self, held: float) -> float:
        from scipy.optimize import minimize

        def loss(others: Floats) -> tuple[float, Floats]:
            value, score = self.model.totals(self._whole(others, held))
            if not (np.isfinite(value) and np.all(np.isfinite(score))):  # too far out for the arithmetic
                return 1e6, np.zeros(int(self.others.sum()))
            return -value / self.model.nobs, -score[self.others] / self.model.nobs

        if not self.others.any():
            return self.model.totals(np.array([held]))[0]
        around = self.first[self.others]
        with np.errstate(all="ignore"):
            end = minimize(
                loss,
                self.last[self.others],
                jac=True,
                method="L-BFGS-B",
                bounds=list(zip(around - 1.5 * FAR, around + 1.5 * FAR, strict=True)),
                options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-9},
            )
        self.last = self._whole(end.x, held)
        return float(-end.fun * self.model.nobs)

    def _whole(self, others: Floats, held: float) -> Floats:
        whole = np.empty(len(self.others))
        whole[self.others], whole[self.at] = others, held
        return whole
