"""Rising factorials at whole numbers, evaluated once a distinct number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Counts:
    """Whole numbers x of many rows, of which few are distinct."""

    def __init__(self, values: Floats) -> None:
        self.values = values
        self.distinct, self.place = np.unique(values, return_inverse=True)

    def log_rising(self, base: Any) -> Floats:
        r"""Logarithm of :math:`\Gamma(c + x) / \Gamma(c)` for each row; exact also for a large c."""
        return self._each(log_rising, base)

    def digamma_rise(self, base: Any) -> Floats:
        r""":math:`\psi(c + x) - \psi(c)`, the derivative of `log_rising` by c."""
        return self._each(digamma_rise, base)

    def _each(self, function: Any, base: Any) -> Floats:
        if np.ndim(base) == 0:
            return function(base, self.distinct)[self.place]
        return function(base, self.values)


def log_rising(base: Any, x: Floats) -> Floats:
    r"""Logarithm of :math:`\Gamma(c + x) / \Gamma(c)` for x = 0 or at least 1, without cancellation for a large c."""
    from scipy.special import betaln, gammaln

    some = np.maximum(x, 1.0)
    return np.asarray(np.where(x > 0, gammaln(some) - betaln(base, some), 0.0))


def log_gamma_ratio(large: Any, more: Any) -> Floats:
    r"""Logarithm of :math:`\Gamma(z + a) / \Gamma(z)` for z of at least 50, where the two logarithms would cancel.

    Stirling's series of both, with the leading terms subtracted by hand; its error is below 1e-15.
    """

    def rest(z: Any) -> Any:
        return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / z**2) / z**2) / z**2) / z

    both = large + more
    return np.asarray((large - 0.5) * np.log1p(more / large) + more * (np.log(both) - 1) + rest(both) - rest(large))


def digamma_gap(large: Any, more: Any) -> Floats:
    r""":math:`\psi(z + a) - \psi(z)` for z of at least 1,000, as `log_gamma_ratio`, of which it is the derivative."""
    both = large + more
    return np.asarray(np.log1p(more / large) + more / (2 * large * both) + (1 / large**2 - 1 / both**2) / 12)


def digamma_rise(base: Any, x: Floats) -> Floats:
    r""":math:`\psi(c + x) - \psi(c)`, the derivative of `log_rising` by c."""
    from scipy.special import digamma

    return np.asarray(digamma(base + x) - digamma(base))
