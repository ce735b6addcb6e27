"""Share that the best customers hold of counts that are negative binomial, and of what remains in the long run."""

from __future__ import annotations

from typing import Any

import numpy as np

from crmlib.errors import ParameterError
from crmlib.options import number


def nbd_top_share(r: Any, alpha: Any, exposure: Any = 1.0, p: float = 0.2) -> np.ndarray:
    r"""Share of all purchases in a window that its heaviest buyers make, when counts are NBD.

    With c the smallest count exceeded by at most p of the customers, those above c and as many of the
    customers at c as fill up p (ties are split). Because :math:`x\,P_r(x) = m\,P_{r+1}(x - 1)` with the
    mean :math:`m = rT/\alpha`, the share is :math:`P_{r+1}(X \ge c) + (p - P_r(X > c))\,c / m`.

    Parameters
    ----------
    r, alpha, exposure : float or array
        Parameters of the NBD and length of the window, in the unit of alpha; all above 0.
    p : float
        Part of all customers, buyers or not; between 0 and 1.

    Returns
    -------
    float array (0-1), of the common shape

    References
    ----------
    Schmittlein, Cooper & Morrison (1993).
    """
    from scipy.stats import nbinom

    require_part(p)
    require_positive(r=r, alpha=alpha, exposure=exposure)
    r, chance = np.asarray(r, dtype=float), 1 / (1 + np.asarray(exposure, dtype=float) / np.asarray(alpha, dtype=float))
    cut = nbinom.isf(p, r, chance)
    cut = np.where(nbinom.sf(cut - 1, r, chance) <= p, cut - 1, cut)  # isf may overshoot by rounding
    cut = np.maximum(cut, 0)
    mean = r * (1 - chance) / chance
    above = nbinom.sf(cut, r, chance)
    return np.asarray(nbinom.sf(cut - 1, r + 1, chance) + (p - above) * cut / mean)


def gamma_top_share(r: Any, p: float = 0.2) -> np.ndarray:
    r"""Share that the heaviest p make in the long run: :math:`1 - F_{\Gamma(r+1)}(F^{-1}_{\Gamma(r)}(1-p))`.

    The limit of `nbd_top_share` for long windows, in which chance averages out and the rates remain.

    Parameters
    ----------
    r : float or array
        Shape of the gamma distribution of rates, above 0.
    p : float

    References
    ----------
    Schmittlein, Cooper & Morrison (1993).
    """
    from scipy.stats import gamma

    require_part(p)
    require_positive(r=r)
    r = np.asarray(r, dtype=float)
    return np.asarray(gamma.sf(gamma.isf(p, r), r + 1))


def require_part(p: float) -> None:
    """Refuse a part of the customers outside (0, 1).

    Raises
    ------
    ParameterError
    """
    if not 0 < number(p, "p") < 1:
        raise ParameterError(f"p is {p}; give the part of customers between 0 and 1, such as 0.2")


def require_positive(**values: Any) -> None:
    """Refuse numbers that are not above 0.

    Raises
    ------
    ParameterError
    """
    for name, value in values.items():
        if not np.all(np.asarray(value, dtype=float) > 0):
            raise ParameterError(f"{name} is {value!r}; give numbers above 0")
