"""Distributions of customer behaviour, one a file: data in, estimates with intervals out.

A model takes counts or histories as arrays and `fit()` gives results with `params`, `bse`, `llf`,
`conf_int()` and `summary()`, on the natural scale.
"""

from crmlib.models.nbd import NBD, NBDResults, gamma_top_share, nbd_top_share

__all__ = ["NBD", "NBDResults", "gamma_top_share", "nbd_top_share"]
