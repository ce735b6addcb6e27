"""Share of wallet from the order in which customers rank brands."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import DataError


def wallet_allocation(ranks: ArrayLike) -> np.ndarray:
    r"""Array: the share of wallet that each brand's rank in a customer's eyes implies.

    :math:`\left(1 - \frac{\text{rank}}{n + 1}\right) \frac{2}{n}` for the n brands that the customer uses. Brands
    ranked alike share the mean of their places, so that shares always add up to 1.

    Parameters
    ----------
    ranks : array-like of numbers, shape (n,)
        The customer's rank of each brand used, the best having the smallest number. Only their order counts.

    Returns
    -------
    array, shape (n,), shares (0-1)

    Raises
    ------
    DataError
        No brands, or a rank is missing: leave out brands that the customer does not use.

    References
    ----------
    Keiningham, T. L., Aksoy, L., Buoye, A., & Cooil, B. (2011), Customer loyalty isn't enough, Harvard Business
        Review 89(10), 29-31.

    Examples
    --------
    >>> wallet_allocation([1, 2, 3]).round(3)
    array([0.5  , 0.333, 0.167])
    """
    from scipy.stats import rankdata

    given = np.asarray(ranks, dtype=float)
    if given.ndim != 1 or not len(given) or not np.all(np.isfinite(given)):
        raise DataError("give the rank of each brand that the customer uses, at least one, none missing")
    n = len(given)
    return np.asarray((1 - rankdata(given) / (n + 1)) * 2 / n)
