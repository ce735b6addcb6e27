r"""Negative binomial distribution of purchase counts (NBD): each customer buys at an own constant rate.

Customer i buys as a Poisson process with rate :math:`\lambda_i`; over customers :math:`\lambda \sim
\text{Gamma}(r, \text{rate } \alpha)`. In a window of length T the count is x with probability

.. math:: P(x) = \frac{\Gamma(r + x)}{\Gamma(r)\,x!} \left(\frac{\alpha}{\alpha + T}\right)^r
                 \left(\frac{T}{\alpha + T}\right)^x.

Nobody leaves and nobody changes; what differs between two windows of one customer is chance.

References
----------
Ehrenberg, A. S. C. (1959), The pattern of consumer purchases, Applied Statistics 8, 26-41.
Schmittlein, D. C., Cooper, L. G., & Morrison, D. G. (1993), Truth in concentration in the land of
    (80/20) laws, Marketing Science 12, 167-183.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import ConvergenceError, DataError
from crmlib.intervals import require_level
from crmlib.likelihood import LikelihoodModel
from crmlib.models.top_shares import nbd_top_share
from crmlib.options import number, several

if TYPE_CHECKING:
    import pandas as pd


class NBD:
    """Negative binomial model of purchase counts, by maximum likelihood.

    Parameters
    ----------
    counts : array-like of whole numbers, shape (n,)
        Purchases of each customer at risk, those without any included.
    exposure : float or array-like, shape (n,)
        Length of the window in which they were counted, above 0; fixes the unit of alpha.
    weights : array-like, shape (n,), optional
        How many customers each entry stands for. Identical rows are grouped in any case.

    Raises
    ------
    DataError
        No customers, no purchases, counts that are negative or not whole, or unequal lengths.

    Examples
    --------
    >>> NBD([0, 1, 2, 3, 10], weights=[60, 20, 10, 6, 4]).fit().params.round(3)
    r        0.394
    alpha    0.402
    dtype: float64
    """

    def __init__(self, counts: ArrayLike, exposure: ArrayLike = 1.0, *, weights: ArrayLike | None = None) -> None:
        x = numbers(counts, "counts")
        if x.ndim != 1 or not len(x):
            raise DataError(f"counts have shape {x.shape}; give one number of each customer at risk, at least one")
        lengths, customers = numbers(exposure, "exposure"), numbers(1.0 if weights is None else weights, "weights")
        try:
            time, each = np.broadcast_to(lengths, x.shape), np.broadcast_to(customers, x.shape)
        except ValueError as error:
            raise DataError("counts, exposure and weights differ in length; give one of each a customer") from error
        if not (np.all(np.isfinite(x)) and np.all(x >= 0) and np.all(x == np.floor(x))):
            raise DataError("purchase counts must be whole numbers of at least 0; count order days, not money")
        if not (np.all(np.isfinite(time)) and np.all(time > 0)):
            raise DataError("exposure must be finite and above 0; leave out customers who were not observed")
        if not (np.all(np.isfinite(each)) and np.all(each >= 0)):
            raise DataError("weights must be finite and at least 0")
        rows, place = np.unique(np.column_stack([x, time]), axis=0, return_inverse=True)
        self.counts, self.exposure = rows[:, 0], rows[:, 1]
        self.weights = np.bincount(place.ravel(), weights=each, minlength=len(rows))
        if not self.weights @ self.counts > 0:
            raise DataError("no customer bought in the window, so rates cannot be estimated; take a longer window")

    def loglike(self, r: float, alpha: float) -> float:
        """Log-likelihood, the constant term included."""
        return float(self.weights @ self.terms(r, alpha)[0])

    def score(self, r: float, alpha: float) -> np.ndarray:
        """Derivatives of the log-likelihood by r and alpha."""
        _, by_log = self.terms(r, alpha)
        return np.array([self.weights @ by_log["r"] / r, self.weights @ by_log["alpha"] / alpha])

    def terms(self, r: float, alpha: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Log-likelihood of each distinct row, and its derivatives by the logarithms of r and alpha."""
        from scipy.special import digamma, gammaln

        x, time = self.counts, self.exposure
        value = gammaln(r + x) - gammaln(r) - gammaln(x + 1) - r * np.log1p(time / alpha) - x * np.log1p(alpha / time)
        by_r = digamma(r + x) - digamma(r) - np.log1p(time / alpha)
        return value, {"r": r * by_r, "alpha": r * time / (alpha + time) - x * alpha / (alpha + time)}

    def fit(self) -> NBDResults:
        """Maximum-likelihood estimates of r and alpha, found on the log scale with the analytic score.

        Raises
        ------
        ConvergenceError
            Counts vary between customers no more than chance alone would make them (r would be
            infinite: a Poisson distribution), or the search did not end.
        """
        total = self.weights.sum()
        rate = self.weights @ self.counts / (self.weights @ self.exposure)
        # At a given mean the likelihood rises towards r = ∞ exactly when the counts are not over-dispersed.
        excess = self.weights @ ((self.counts - rate * self.exposure) ** 2 - self.counts)
        if not excess > 0:
            raise ConvergenceError(
                "counts differ between customers no more than by chance (variance up to the mean), "
                "so rates cannot be told apart; take a longer window or more customers"
            )
        first = rate**2 * (self.weights @ self.exposure**2) / excess
        fit = _Likelihood(self, float(first), float(first / rate)).fit()
        if not np.all(np.linalg.eigvalsh(fit.information) > 0):
            raise ConvergenceError("the NBD fit did not converge; take a longer window or more customers")
        r, alpha = fit.params
        return NBDResults(float(r), float(alpha), np.linalg.inv(fit.information), fit.llf, float(total))


class _Likelihood(LikelihoodModel):
    """The NBD of given counts, as the search for the maximum wants it."""

    names = ("r", "alpha")

    def __init__(self, nbd: NBD, *start: float) -> None:
        self.nbd, self.start = nbd, start
        self.weights = nbd.weights.astype(float)

    def _starts(self) -> Iterator[Sequence[float]]:
        for factor in (1.0, 0.2, 5.0):
            yield [factor * value for value in self.start]

    def _terms(self, theta: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return self.nbd.terms(theta["r"], theta["alpha"])

    def _remedy(self) -> str:
        return "take a longer window or more customers"


@dataclass(frozen=True, eq=False)
class NBDResults:
    """Fitted NBD.

    Attributes
    ----------
    r : float
        Shape of the rates' gamma distribution: the smaller, the more customers differ.
    alpha : float
        Its rate, in the unit of exposure; r / alpha is the mean number of purchases a unit.
    log_covariance : array, shape (2, 2)
        Covariance of the estimates of log r and log alpha.
    llf : float
        Log-likelihood at the maximum.
    nobs : float
        Number of customers.
    """

    r: float
    alpha: float
    log_covariance: np.ndarray
    llf: float
    nobs: float

    @property
    def params(self) -> pd.Series:
        """Estimates of r and alpha."""
        import pandas as pd

        return pd.Series({"r": self.r, "alpha": self.alpha})

    @property
    def bse(self) -> pd.Series:
        """Standard errors on the natural scale (delta method)."""
        return self.params * np.sqrt(np.diag(self.log_covariance))

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Intervals of r and alpha: Wald on the log scale, exponentiated; columns low, high."""
        import pandas as pd
        from scipy.stats import norm

        require_level(level)
        step = norm.ppf(0.5 + level / 2) * np.sqrt(np.diag(self.log_covariance))
        return pd.DataFrame({"low": self.params * np.exp(-step), "high": self.params * np.exp(step)})

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Estimates with standard errors and intervals, one row a parameter."""
        import pandas as pd

        table = pd.DataFrame({"estimate": self.params, "standard_error": self.bse})
        return table.join(self.conf_int(level))

    def expected(self, exposure: float = 1.0) -> float:
        """Expected purchases of a random customer in a window."""
        return self.r * number(exposure, "exposure") / self.alpha

    def conditional_expected(self, counts: ArrayLike, observed: float, exposure: float) -> np.ndarray:
        r"""Expected purchases in a further window of those who bought x times in the one observed.

        :math:`(r + x)\,T_2 / (\alpha + T_1)`: what a customer did is drawn towards the mean, the more
        the shorter the window.
        """
        return (
            (self.r + several(counts, "counts"))
            * number(exposure, "exposure")
            / (self.alpha + number(observed, "observed"))
        )

    def top_share(self, p: float = 0.2, exposure: float = 1.0) -> float:
        """Share of all purchases in a window that the heaviest p of customers make; see `nbd_top_share`."""
        return float(nbd_top_share(self.r, self.alpha, exposure, p))
