r"""Expectations over a beta or gamma distribution, by the double-exponential rule on its quantiles.

:math:`E\,g(X) = \int_0^1 g(F^{-1}(u))\,du`. The substitution :math:`u = 1 / (1 + e^{-\pi \sinh \tau})`
takes the sting out of both ends, so that a handful of nodes serve densities with poles (shape below
1), with a sharp peak (shape in the thousands) and all between: no formula with a singularity of its
own, such as the hypergeometric ones at a = 1, is needed.

References
----------
Takahasi, H., & Mori, M. (1974), Double exponential formulas for numerical integration, Publications of
    the Research Institute for Mathematical Sciences 9, 721-741.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.likelihood import distinct_rows

Floats = NDArray[np.float64]

#: Beyond this b a beta variable is taken for a gamma one over itself and b.
_HUGE = 1e6


@cache
def unit_nodes(count: int = 48) -> tuple[Floats, Floats, Floats]:
    """Array: nodes u, their complements 1 - u without cancellation, and weights that sum to 1."""
    tau = np.linspace(-3.2, 3.2, count)
    bend = np.pi * np.sinh(tau)
    u, complement = 1 / (1 + np.exp(-bend)), 1 / (1 + np.exp(bend))
    weights = u * complement * np.cosh(tau)
    return u, complement, weights / weights.sum()


def beta_rule(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    r"""Array: nodes and weights of expectations over Beta(a, b), each of shape (\*a.shape, nodes).

    Where both parameters are below 1 somewhere the density has poles at both ends and its quantile a step between
    them; then :math:`f_{a, b} = (a f_{a + 1, b} + b f_{a, b + 1}) / (a + b)` parts the ends.
    """
    a, b = (np.asarray(value, dtype=float) for value in (a, b))
    weights = unit_nodes()[2]
    if not np.any((a < 1) & (b < 1)):
        nodes = _beta_nodes(a, b)
        return nodes, np.broadcast_to(weights, nodes.shape)
    part = (a / (a + b))[..., None]
    nodes = np.concatenate([_beta_nodes(a + 1, b), _beta_nodes(a, b + 1)], axis=-1)
    return nodes, np.concatenate([part * weights, (1 - part) * weights], axis=-1)


def _beta_nodes(a: Floats, b: Floats) -> Floats:
    from scipy.special import betainccinv, betaincinv

    u, complement, _ = unit_nodes()

    def quantiles(a: Floats, b: Floats) -> Floats:
        low, high = betaincinv(a, b, np.minimum(u, 0.5)), betainccinv(a, b, np.minimum(complement, 0.5))
        nodes = np.where(u < 0.5, low, high)
        # SciPy 1.17 has no answer for some quantiles of 1e-17, whose weight is as small: the ends of the range
        nodes = np.where(np.isnan(nodes), np.round(u), nodes)
        # for a huge b its quantiles are lost, and p is a gamma variable over itself and b
        return np.where(b > _HUGE, (ratio := _gamma_quantiles(a)) / (ratio + b), nodes)

    return _once_each(quantiles, a, b)


def gamma_nodes(shape: ArrayLike) -> Floats:
    """Array: where to evaluate functions of Gamma(shape, rate 1) variables; weights as `unit_nodes`."""
    return _once_each(_gamma_quantiles, shape)


def _gamma_quantiles(shape: Floats) -> Floats:
    from scipy.special import gammainccinv, gammaincinv

    u, complement, _ = unit_nodes()
    low, high = gammaincinv(shape, np.minimum(u, 0.5)), gammainccinv(shape, np.minimum(complement, 0.5))
    return np.where(u < 0.5, low, high)


def _once_each(quantiles: Any, *parameters: ArrayLike) -> Floats:
    """Quantiles for each combination of parameters, computed once for equal ones."""
    arrays = np.broadcast_arrays(*(np.asarray(parameter, dtype=float) for parameter in parameters))
    rows = distinct_rows(*(array.ravel() for array in arrays))
    found = quantiles(*(column[:, None] for column in rows.columns))
    return found[rows.place].reshape(*arrays[0].shape, -1)


@cache
def legendre(count: int) -> tuple[Floats, Floats]:
    """Array: Gauss-Legendre nodes and weights on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2
