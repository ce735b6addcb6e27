"""The maximum: statsmodels' BFGS from several starts, then Newton steps on the analytic score."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmlib.errors import ConvergenceError

if TYPE_CHECKING:
    from crmlib.likelihood.model import LikelihoodModel

Floats = NDArray[np.float64]

#: Log-parameters are searched this far from the start; what ends there is at a boundary.
REACH = 14.0
#: Beyond this many customers a sample of them finds the neighbourhood first.
SAMPLE = 20_000
#: Log-likelihood that may at most be left to gain by the last step.
TOLERANCE = 1e-7


def maximum(model: LikelihoodModel) -> tuple[Floats, Floats]:
    """Array: free-scale estimates and their observed information.

    Raises
    ------
    ConvergenceError
        No start led to a maximum.
    """
    part = model._part(SAMPLE) if len(model.weights) > SAMPLE // 4 else None
    if part is not None:
        found = _first(part)
        if found is not None:
            free, information = found
            done = _polished(model, free, information * (model.nobs / part.nobs))
            if done is not None:
                return done
    found = _first(model)
    if found is None:
        raise ConvergenceError(f"the {type(model).__name__} fit did not converge; {model._remedy()}")
    return found


def _first(model: LikelihoodModel) -> tuple[Floats, Floats] | None:
    """Search from each start until one ends at a maximum inside; else the best of those at a boundary."""
    coefficients = [0.0] * (len(model.param_names) - len(model.names))
    ends: list[tuple[float, Floats, Floats]] = []
    for start in model._starts():
        first = model.free([*start, *coefficients])
        done = _polished(model, _climbed(model, first))
        if done is None:
            continue
        if _inside(*done):
            return done
        ends.append((model.totals(done[0])[0], *done))
    return max(ends, key=lambda end: end[0])[1:] if ends else None


def _climbed(model: LikelihoodModel, start: Floats) -> Floats:
    """Where BFGS ends, inside the box around the start."""
    engine = _engine()(model, start)
    with np.errstate(all="ignore"):
        end = engine.fit(
            start_params=start, method="bfgs", gtol=1e-7, maxiter=400, disp=0, skip_hessian=True, warn_convergence=False
        )
    return engine.boxed(np.asarray(end.params, dtype=float))


def _polished(model: LikelihoodModel, free: Floats, information: Floats | None = None) -> tuple[Floats, Floats] | None:
    """Estimates after Newton steps with a fixed information, then with their own; None short of a maximum.

    What a step has left to gain, half the squared score in units of the information, decides.
    """
    if not np.all(np.isfinite(free)):
        return None
    if information is not None:  # of a sample: steps shrink by its error, a few per cent of the distance each
        value, score = model.totals(free)
        for _ in range(8):
            step = _newton(information, score)
            if score @ step < TOLERANCE:
                break
            higher, slope = model.totals(free + step)
            if not higher > value:
                break
            free, value, score = free + step, higher, slope
    for _ in range(25):
        value, score = model.totals(free)
        information = model.information(free)
        if not (np.isfinite(value) and np.all(np.isfinite(score)) and np.all(np.isfinite(information))):
            return None
        least, _ = spectrum(information)
        if least[0] < -1e-5 * max(least[-1], 1.0):
            return None
        step = _newton(information, score)
        if abs(score @ step) / 2 < TOLERANCE:
            return free + step, information  # the last step squares what error is left
        further = _halved(model, free, value, step)
        if further is None:
            return None
        free = further
    return None


def _halved(model: LikelihoodModel, free: Floats, value: float, step: Floats) -> Floats | None:
    """Point along the step, halved until it is no worse."""
    step = step / max(1.0, float(np.abs(step).max()) / 2)
    for _ in range(20):
        with np.errstate(all="ignore"):
            reached = model.totals(free + step)[0]
        if reached >= value - 1e-12 * abs(value):  # equal but for rounding
            return free + step
        step = step / 2
    return None


def _newton(information: Floats, score: Floats) -> Floats:
    """Newton step within the directions on which the data say anything."""
    return np.asarray(generalised_inverse(information) @ score)


def spectrum(information: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues, ascending, and eigenvectors."""
    values, vectors = np.linalg.eigh(information)
    return np.asarray(values), np.asarray(vectors)


def generalised_inverse(information: Floats) -> Floats:
    """Inverse within the directions on which the data say anything; flat ones get variance 0."""
    values, vectors = spectrum(information)
    known = values > flat_below(values)
    return np.asarray((vectors[:, known] / values[known]) @ vectors[:, known].T)


def flat_below(values: Floats) -> float:
    """Information below which a direction counts as flat: a standard error of 30 in logarithms."""
    return float(max(1e-3, 1e-9 * values[-1]))


def _inside(free: Floats, information: Floats) -> bool:
    values, _ = spectrum(information)
    return bool(np.all(np.isfinite(free)) and values[0] > flat_below(values))


@cache
def _engine() -> Any:
    """Return the bridge to statsmodels, made on first use: importing it takes a second."""
    from statsmodels.base.model import GenericLikelihoodModel

    class FreeScale(GenericLikelihoodModel):  # type: ignore[misc]
        """Model on the free scale inside a box; value and score of a point are found together."""

        def __init__(self, model: LikelihoodModel, start: Floats) -> None:
            super().__init__(model.weights, extra_params_names=list(model.param_names))
            self.likelihood, self.first, self.last = model, start, (np.full_like(start, np.nan), (0.0, start))

        def boxed(self, params: Floats) -> Floats:
            return np.clip(params, self.first - REACH, self.first + REACH)

        def totals(self, params: Floats) -> tuple[float, Floats]:
            if not np.array_equal(params, self.last[0]):
                inner = self.boxed(params)
                value, score = self.likelihood.totals(inner)
                away = self.likelihood.nobs * (params - inner)  # a slope back into the box
                value -= float(away @ (params - inner))
                self.last = params.copy(), (value, np.where(away == 0, score, -2 * away))
            return self.last[1]

        def loglike(self, params: Floats) -> float:
            value = self.totals(params)[0]
            return value if np.isfinite(value) else -1e300

        def score(self, params: Floats) -> Floats:
            return np.nan_to_num(self.totals(params)[1], nan=0.0, posinf=0.0, neginf=0.0)

    return FreeScale
