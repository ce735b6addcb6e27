"""What a model has to say about itself, and what follows from it: likelihood, score, information."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import ParameterError
from crmlib.likelihood.results import LikelihoodResults

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Effect:
    r"""Covariates on one positive parameter: :math:`\theta_i = \theta \exp(\pm z_i'\gamma)`.

    Attributes
    ----------
    parameter : str
    sign : int
        1, or -1 where a larger coefficient is to mean a higher rate.
    values : float array, shape (rows, covariates)
    names : tuple of str
        One a covariate.
    """

    parameter: str
    sign: int
    values: Floats
    names: tuple[str, ...]


class LikelihoodModel(ABC):
    """Model fitted by maximum likelihood.

    A subclass sets `weights` (one a distinct row) and, where it has covariates, `effects`; it says
    `_terms`, `_starts` and, if it may have very many rows, `_part`.
    """

    #: Names of the positive parameters, in order.
    names: ClassVar[tuple[str, ...]]
    weights: Floats
    effects: tuple[Effect, ...] = ()

    @abstractmethod
    def _terms(self, theta: Mapping[str, Any]) -> tuple[Floats, Mapping[str, Any]]:
        """Log-likelihood of each distinct row and its derivatives by the logarithm of each parameter.

        `theta` holds a number for each parameter, or one a row where covariates act on it.
        """

    @abstractmethod
    def _starts(self) -> Iterator[Sequence[float]]:
        """Natural-scale values from which to search, the best guess first; in the data's units."""

    def _part(self, customers: int) -> LikelihoodModel | None:
        """Return a smaller model on about so many customers, to find the neighbourhood; None without need."""
        return None

    def _remedy(self) -> str:
        return "take more customers or a longer period"

    @property
    def param_names(self) -> tuple[str, ...]:
        """Names of all parameters: the positive ones, then coefficients as `parameter:covariate`."""
        return self.names + tuple(f"{effect.parameter}:{name}" for effect in self.effects for name in effect.names)

    @property
    def nobs(self) -> float:
        """Number of customers: the sum of weights."""
        return float(self.weights.sum())

    def loglikeobs(self, params: ArrayLike) -> Floats:
        """Log-likelihood of each distinct row at natural-scale parameters, shape (rows,)."""
        return self.evaluated(self.free(params))[0]

    def loglike(self, params: ArrayLike) -> float:
        """Log-likelihood of all customers at natural-scale parameters."""
        return float(self.weights @ self.loglikeobs(params))

    def score_obs(self, params: ArrayLike) -> Floats:
        """Derivatives of `loglikeobs` by the natural-scale parameters, shape (rows, parameters)."""
        free = self.free(params)
        return self.evaluated(free)[1].T / self._steps(free)

    def score(self, params: ArrayLike) -> Floats:
        """Derivatives of the log-likelihood by the natural-scale parameters, shape (parameters,)."""
        return np.asarray(self.weights @ self.score_obs(params))

    def fit(self) -> Any:
        """Maximum-likelihood estimates.

        Raises
        ------
        ConvergenceError
            No maximum was found; the message says what to try.
        """
        from crmlib.likelihood.search import maximum

        return self._results(*maximum(self))

    def _results(self, free: Floats, information: Floats) -> LikelihoodResults:
        return LikelihoodResults(self, free, information)

    # -- on the free scale: logarithms of the positive parameters, coefficients as they are ------

    def free(self, params: ArrayLike) -> Floats:
        """Free-scale parameters.

        Raises
        ------
        ParameterError
            Wrong number, or one not above 0 that has to be.
        """
        values = np.array(params, dtype=float)
        k = len(self.names)
        if values.shape != (len(self.param_names),):
            raise ParameterError(f"{values.size} parameters given; give {', '.join(self.param_names)}")
        if not (np.all(np.isfinite(values)) and np.all(values[:k] > 0)):
            raise ParameterError(f"{', '.join(self.names)} must be finite and above 0")
        values[:k] = np.log(values[:k])
        return values

    def natural(self, free: Floats) -> Floats:
        """Natural-scale parameters."""
        values = np.array(free, dtype=float)
        values[: len(self.names)] = np.exp(values[: len(self.names)])
        return values

    def _steps(self, free: Floats) -> Floats:
        """Derivatives of the natural-scale parameters by the free ones."""
        return np.where(np.arange(len(free)) < len(self.names), self.natural(free), 1.0)

    def theta(self, free: Floats, effects: Sequence[Effect] | None = None) -> dict[str, Any]:
        """Parameters by name: a number each, or one a row where covariates act."""
        values: dict[str, Any] = dict(zip(self.names, np.exp(free[: len(self.names)]), strict=True))
        at = len(self.names)
        for effect in self.effects if effects is None else effects:
            gamma = free[at : at + len(effect.names)]
            values[effect.parameter] = values[effect.parameter] * np.exp(effect.sign * (effect.values @ gamma))
            at += len(effect.names)
        return values

    def evaluated(self, free: Floats) -> tuple[Floats, Floats]:
        """Log-likelihood of each row, shape (rows,), and free-scale derivatives, shape (parameters, rows)."""
        value, slopes = self._terms(self.theta(free))
        rows = [np.broadcast_to(slopes[name], value.shape) for name in self.names]
        for effect in self.effects:
            rows += [effect.sign * slopes[effect.parameter] * column for column in effect.values.T]
        return value, np.stack(rows)

    def totals(self, free: Floats) -> tuple[float, Floats]:
        """Log-likelihood of all customers and its free-scale score."""
        value, slopes = self._terms(self.theta(free))
        score = [_sum(self.weights, slopes[name]) for name in self.names]
        for effect in self.effects:
            slope = np.broadcast_to(slopes[effect.parameter], value.shape)
            score += [effect.sign * _sum(self.weights, slope * column) for column in effect.values.T]
        return _sum(self.weights, value), np.array(score)

    def information(self, free: Floats) -> Floats:
        """Observed information: minus the free-scale Hessian, by central differences of the analytic score."""
        k = len(free)
        second = np.empty((k, k))
        step = 1e-4
        for i in range(k):
            up, down = free.copy(), free.copy()
            up[i] += step
            down[i] -= step
            second[i] = (self.totals(up)[1] - self.totals(down)[1]) / (2 * step)
        return -(second + second.T) / 2


def _sum(weights: Floats, values: Any) -> float:
    """Weighted sum; not by BLAS, whose threads wait for one another when the machine is busy."""
    return float(np.einsum("i,i->", weights, np.broadcast_to(values, weights.shape)))
