r"""Beta-discrete-Weibull model of renewals (BdW): as sBG, and a customer's own chance to leave moves with tenure.

.. math:: S(t) = B(\alpha, \beta + t^c) / B(\alpha, \beta):

for c above 1 each customer becomes more, below 1 less likely to leave at each further renewal.

References
----------
Fader, P. S., Hardie, B. G. S., Liu, Y., Davin, J., & Steenburgh, T. (2018), "How to project customer retention"
    revisited: the role of duration dependence, Journal of Interactive Marketing 43, 1-16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crmlib.models.contractual import ContractModel
from crmlib.models.counts import digamma_gap, digamma_rise, log_gamma_ratio, log_rising

Floats = NDArray[np.float64]

#: Beyond so many renewals the beta functions are taken apart otherwise.
_MANY = 1e3


class BetaDiscreteWeibull(ContractModel):
    """Beta-discrete-Weibull model of renewals; parameters alpha, beta, c. See `ContractModel` for what it takes."""

    names = ("alpha", "beta", "c")

    def _survival(self, theta: Mapping[str, Any], t: Floats) -> tuple[Floats, dict[str, Floats]]:
        alpha, beta, c = (theta[name] for name in self.names)
        time = np.power(t, c)
        value, slopes, by_time = beta_survival(alpha, beta, time)
        with np.errstate(divide="ignore", invalid="ignore"):
            growth = np.where(t > 0, c * time * np.log(np.maximum(t, 1.0)), 0.0)
        return value, {**slopes, "c": by_time * growth}


def beta_survival(alpha: float, beta: float, time: Floats) -> tuple[Floats, dict[str, Floats], Floats]:
    r"""Logarithm of :math:`E (1 - \theta)^t` for :math:`\theta \sim \text{Beta}(\alpha, \beta)`, with derivatives.

    Returns
    -------
    (value, derivatives by log alpha and log beta, derivative by time)
    """
    from scipy.special import digamma, gammaln

    value = log_rising(beta, time) - log_rising(alpha + beta, time)
    # over many renewals the two are huge and their difference is lost
    late = beta + np.maximum(time, _MANY)
    many = gammaln(alpha + beta) - gammaln(beta) - log_gamma_ratio(late, alpha)
    value = np.where(time > _MANY, many, value)
    by_time = np.where(time > _MANY, -digamma_gap(late, alpha), digamma(beta + time) - digamma(alpha + beta + time))
    both = digamma_rise(alpha + beta, time)
    slopes = {"alpha": -alpha * both, "beta": beta * (digamma_rise(beta, time) - both)}
    return value, slopes, by_time
