r"""Modified BG/NBD (MBG/NBD): as BG/NBD, and a customer may leave right after the first purchase.

With :math:`x + 1` chances to leave instead of x,

.. math:: L = \frac{\Gamma(r + x)\,\alpha^r}{\Gamma(r)} \left[ \frac{B(a, b + x + 1)}{B(a, b)} (\alpha + T)^{-(r + x)}
          + \frac{B(a + 1, b + x)}{B(a, b)} (\alpha + t_x)^{-(r + x)} \right],

so that who bought once need not count as active for ever.

References
----------
Batislam, E. P., Denizel, M., & Filiztekin, A. (2007), Empirical validation and comparison of models for
    customer base analysis, International Journal of Research in Marketing 24, 201-209.
"""

from __future__ import annotations

from typing import ClassVar

from crmlib.models.beta_geo import BetaGeoNBD


class ModifiedBetaGeoNBD(BetaGeoNBD):
    """Modified BG/NBD model of repeat purchases; parameters r, alpha (time), a, b as in `BetaGeoNBD`."""

    first_chance: ClassVar[int] = 1
