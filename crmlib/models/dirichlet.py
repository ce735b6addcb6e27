r"""NBD-Dirichlet: how often households buy a category, and which of its brands.

Category purchases of a household in a period are negative binomial with mean M and shape K; its
probabilities of the brands are Dirichlet(:math:`\alpha_1, \dots, \alpha_g`) over households, with
:math:`S = \sum_j \alpha_j` and market shares :math:`\alpha_j / S`. A large S means that households are alike and
switch, S near 0 that each is loyal. Given n category purchases, those of brand j are beta-binomial:

.. math:: P(x_j = 0 \mid n) = \frac{B(\alpha_j, S - \alpha_j + n)}{B(\alpha_j, S - \alpha_j)}.

Everything a market shows (penetration, purchases a buyer, repeat, loyalty, duplication) follows from M, K, S
and the shares, of which a small brand has less on all counts: **double jeopardy**. No brand is stronger than its size.

References
----------
Goodhardt, G. J., Ehrenberg, A. S. C., & Chatfield, C. (1984), The Dirichlet: a comprehensive model of buying
    behaviour, Journal of the Royal Statistical Society A 147, 621-655.
Ehrenberg, A. S. C. (1988), Repeat-Buying, 2nd ed., Griffin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import ConvergenceError, DataError
from crmlib.likelihood import LikelihoodModel, LikelihoodResults, distinct_rows
from crmlib.models.counts import Counts
from crmlib.models.market import DirichletMarket

Floats = NDArray[np.float64]


class Dirichlet(LikelihoodModel):
    r"""NBD-Dirichlet by maximum likelihood, from each household's purchases of each brand.

    The likelihood is that of the category count, negative binomial, times that of its split into brands,
    :math:`\frac{\Gamma(S)}{\Gamma(S + n)} \prod_j \frac{\Gamma(\alpha_j + x_j)}{\Gamma(\alpha_j)}` up to a constant.

    Parameters
    ----------
    purchases : frame or array of whole numbers, shape (households, brands)
        Purchases of each brand; frame columns name the brands. All brands of the category: put small ones together.
    weights : array-like, shape (households,), optional
        How many households each row stands for.
    buyers_only : bool
        Whether households without a purchase are missing from the data, as in most published panels; then the
        category count is truncated at 0, and M and K are those of the population that it was cut from.

    Raises
    ------
    DataError
        Numbers that are negative or not whole, a brand without a purchase, fewer than two brands, nobody with two
        purchases, or rows without purchases though `buyers_only`.
    """

    def __init__(self, purchases: Any, *, weights: ArrayLike | None = None, buyers_only: bool = False) -> None:
        x = np.asarray(purchases, dtype=float)
        if x.ndim == 2 and x.shape[1] == 1:
            raise DataError("there is one brand only, so brands cannot share buyers; take a wider category")
        if x.ndim != 2 or x.shape[1] < 2:
            raise DataError(
                f"purchases have shape {x.shape}; give a row a household and a column for each of 2+ brands"
            )
        if not (np.all(np.isfinite(x)) and np.all(x >= 0) and np.all(x == np.floor(x))):
            raise DataError("purchases must be whole numbers of at least 0; count occasions, not money")
        columns = getattr(purchases, "columns", None)
        self.brands = tuple(columns) if columns is not None else tuple(f"brand {j + 1}" for j in range(x.shape[1]))
        if silent := [str(brand) for brand, bought in zip(self.brands, x.sum(axis=0), strict=True) if not bought]:
            raise DataError(f"nobody bought {', '.join(silent)}; leave such brands out")
        if buyers_only and np.any(x.sum(axis=1) == 0):
            raise DataError("some households have no purchase; leave them out, or set buyers_only to False")
        rows = distinct_rows(*x.T, weights=weights)
        self.weights, self.buyers_only = rows.weights, buyers_only
        total = np.sum(rows.columns, axis=0)
        if not np.any(total[rows.weights > 0] > 1):
            raise DataError("nobody bought twice, so switching cannot be seen; take a longer period")
        self.total, self.each = Counts(total), [Counts(column) for column in rows.columns]

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """M, K, then one parameter a brand."""
        return ("M", "K", *(f"alpha: {brand}" for brand in self.brands))

    def _terms(self, theta: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        from scipy.special import gammaln

        m, k = theta["M"], theta["K"]
        alphas = [theta[name] for name in self.names[2:]]
        n, s = self.total.values, sum(alphas)
        stay = np.log1p(m / k)  # minus the logarithm of K / (K + M)
        value = self.total.log_rising(k) - gammaln(n + 1) - k * stay - n * np.log1p(k / m)
        by_m = n - m * (k + n) / (k + m)
        by_k = k * (self.total.digamma_rise(k) - stay + 1 - (k + n) / (k + m))
        if self.buyers_only:
            some = -np.expm1(-k * stay)
            odds = (1 - some) / some
            value = value - np.log(some)
            by_m = by_m - odds * k * m / (k + m)
            by_k = by_k - odds * k * (stay - m / (k + m))
        value = value - self.total.log_rising(s) + sum(c.log_rising(a) for c, a in zip(self.each, alphas, strict=True))
        rise = self.total.digamma_rise(s)
        slopes = {"M": by_m, "K": by_k}
        for name, count, alpha in zip(self.names[2:], self.each, alphas, strict=True):
            slopes[name] = alpha * (count.digamma_rise(alpha) - rise)
        return value, slopes

    def _starts(self) -> Iterator[Sequence[float]]:
        n, w = self.total.values, self.weights
        mean = float(w @ n / w.sum())
        excess = float(w @ (n - mean) ** 2 / w.sum()) - mean
        shape = mean**2 / excess if excess > 0.01 * mean else 20.0
        shares = np.array([float(w @ count.values) for count in self.each]) / float(w @ n)
        for s in (1.0, 0.3, 5.0):
            yield [mean * (0.7 if self.buyers_only else 1.0), shape, *(s * shares)]

    def _remedy(self) -> str:
        return "take more households, put small brands together, or a longer period"

    def _results(self, free: Floats, information: Floats) -> DirichletResults:
        return DirichletResults(self, free, information)


class DirichletResults(LikelihoodResults):
    """Fitted NBD-Dirichlet: `params` are M, K and the brands' alphas."""

    model: Dirichlet

    @property
    def market(self) -> DirichletMarket:
        """The market at the estimates."""
        import pandas as pd

        m, k, *alphas = self.model.natural(self.free)
        total = float(np.sum(alphas))
        if not np.isfinite(total):
            raise ConvergenceError("S is infinite: households do not differ in their brands")
        return DirichletMarket(float(m), float(k), total, pd.Series(np.array(alphas) / total, list(self.model.brands)))

    def switching_interval(self, level: float = 0.95) -> tuple[float, float, float]:
        """S with its interval, (estimate, low, high): delta method on the log scale."""
        from scipy.stats import norm

        from crmlib.intervals import require_level

        require_level(level)
        alphas = self.model.natural(self.free)[2:]
        slope = np.concatenate([[0.0, 0.0], alphas / alphas.sum()])  # of log S by the logarithms
        half = norm.ppf(0.5 + level / 2) * np.sqrt(slope @ self.free_cov @ slope)
        return float(alphas.sum()), float(alphas.sum() * np.exp(-half)), float(alphas.sum() * np.exp(half))
