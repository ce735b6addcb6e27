r"""Shifted-beta-geometric model of renewals (sBG): each customer leaves with an own, constant probability.

At each renewal a customer leaves with probability :math:`\theta \sim \text{Beta}(\alpha, \beta)`, so

.. math:: S(t) = B(\alpha, \beta + t) / B(\alpha, \beta), \qquad r_t = \frac{\beta + t - 1}{\alpha + \beta + t - 1}:

the retention rate rises with tenure although nobody's does.

References
----------
Fader, P. S., & Hardie, B. G. S. (2007), How to project customer retention, Journal of Interactive Marketing 21,
    76-90.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crmlib.models.beta_discrete_weibull import beta_survival
from crmlib.models.contractual import ContractModel

Floats = NDArray[np.float64]


class ShiftedBetaGeometric(ContractModel):
    """Shifted-beta-geometric model of renewals; parameters alpha, beta. See `ContractModel` for what it takes."""

    names = ("alpha", "beta")

    def _survival(self, theta: Mapping[str, Any], t: Floats) -> tuple[Floats, dict[str, Floats]]:
        value, slopes, _ = beta_survival(theta["alpha"], theta["beta"], t)
        return value, slopes
