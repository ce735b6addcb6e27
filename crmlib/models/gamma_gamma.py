r"""Gamma-gamma model of spend: order values vary around a mean of each customer's own.

Each order value is Gamma(p, rate :math:`\nu`) with :math:`\nu \sim \text{Gamma}(q, \text{rate } \gamma)` over
customers, independent of how often they order. The mean z of x orders has the density

.. math:: f(z \mid x) = \frac{1}{B(px, q)} \frac{\gamma^q z^{px - 1} x^{px}}{(\gamma + x z)^{px + q}}.

References
----------
Fader, P. S., Hardie, B. G. S., & Lee, K. L. (2005), RFM and CLV, Journal of Marketing Research 42, 415-430.
Fader, P. S., & Hardie, B. G. S. (2013), The gamma-gamma model of monetary value, note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.columns import numbers
from crmlib.errors import DataError
from crmlib.intervals import require_level
from crmlib.likelihood import LikelihoodModel, LikelihoodResults, distinct_rows
from crmlib.options import whole

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class GammaGamma(LikelihoodModel):
    """Gamma-gamma model of spend, by maximum likelihood.

    Parameters
    ----------
    frequency : array-like of whole numbers, shape (n,)
        Number of orders that monetary_value is the mean of, at least 1: leave out who has none.
    monetary_value : array-like, shape (n,)
        Their mean value, above 0.
    weights : array-like, shape (n,), optional
        How many customers each entry stands for.

    Raises
    ------
    DataError
        No customers, a frequency below 1 or not whole, a value that is missing or not above 0.
    """

    names = ("p", "q", "gamma")

    def __init__(self, frequency: ArrayLike, monetary_value: ArrayLike, *, weights: ArrayLike | None = None) -> None:
        x, z = spending(frequency, monetary_value)
        if np.any(x < 1):
            raise DataError(
                f"{int((x < 1).sum()):,} customers have no repeat order, so no spend; keep those with frequency above 0"
            )
        rows = distinct_rows(x, z, weights=weights)
        self._take(rows.columns[0], rows.columns[1], rows.weights)
        if self.nobs <= len(self.names):
            raise DataError(f"{self.nobs:g} customers for {len(self.names)} parameters; a population needs far more")
        if np.ptp(z) == 0:
            raise DataError("all customers spend the same, so spend does not vary and needs no model; use the mean")

    def _take(self, x: Floats, z: Floats, weights: Floats) -> None:
        self.x, self.z, self.weights = x, z, weights

    def _part(self, customers: int) -> Self | None:
        step = self.nobs / customers
        if step < 2:
            return None
        chosen = np.diff(np.floor(np.concatenate([[0.0], np.cumsum(self.weights)]) / step + 0.5))
        part = object.__new__(type(self))
        some = chosen > 0
        part._take(self.x[some], self.z[some], chosen[some])
        return part

    def _starts(self) -> Iterator[Sequence[float]]:
        mean = float(self.weights @ self.z / self.nobs)
        for p, q in ((5.0, 4.0), (1.0, 3.0), (20.0, 3.0), (1.0, 20.0)):
            yield [p, q, mean * (q - 1) / p]

    def _terms(self, theta: Mapping[str, Any]) -> tuple[Floats, dict[str, Any]]:
        from scipy.special import betaln, digamma

        p, q, gamma = (theta[name] for name in self.names)
        x, z = self.x, self.z
        px, spent = p * x, x * z
        log_share = -np.log1p(gamma / spent)  # of x z in gamma + x z
        log_rest = -np.log1p(spent / gamma)
        value = px * log_share + q * log_rest - np.log(z) - betaln(px, q)
        both = digamma(px + q)
        slopes = {
            "p": px * (both - digamma(px) + log_share),
            "q": q * (both - digamma(q) + log_rest),
            "gamma": q - (px + q) * gamma / (gamma + spent),
        }
        return value, slopes

    def _remedy(self) -> str:
        return "take more customers with repeat orders, and see whether spend differs between customers at all"

    def _results(self, free: Floats, information: Floats) -> GammaGammaResults:
        return GammaGammaResults(self, free, information)


class GammaGammaResults(LikelihoodResults):
    """Fitted gamma-gamma model. Values are in the currency of the data."""

    model: GammaGamma

    def population_mean(self) -> float:
        """Mean order value over customers, p γ / (q - 1); infinite for q up to 1."""
        p, q, gamma = self.model.natural(self.free)
        return float(p * gamma / (q - 1)) if q > 1 else np.inf

    def conditional_expectation(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Floats:
        r"""Mean order value expected of each customer, :math:`p (\gamma + x z) / (p x + q - 1)`.

        The observed mean, drawn towards the population's, the more the fewer the orders. Without orders
        (frequency 0, whatever the value) it is the population's mean.

        Raises
        ------
        DataError
            It is infinite, because q is not above 1.
        """
        return self.expectation(frequency, monetary_value)(self.free)

    def expectation(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Callable[[Floats], Floats]:
        """`conditional_expectation` as a function of the free-scale parameters, for the delta method."""
        x, z = spending(frequency, monetary_value)
        spent = np.where(x > 0, x * z, 0.0)

        def value(free: Floats) -> Floats:
            p, q, gamma = self.model.natural(free)
            if np.any(p * x + q <= 1):
                raise DataError(f"q is {q:.3g}: mean spend is infinite unless q is above 1; leave out extreme orders")
            return np.asarray(p * (gamma + spent) / (p * x + q - 1))

        return value

    def expectation_interval(
        self, frequency: ArrayLike, monetary_value: ArrayLike, *, level: float = 0.95
    ) -> pd.DataFrame:
        """How well the expectation is known (delta method): expected, low, high, one row a customer."""
        return self.expectation_table(self.expectation(frequency, monetary_value), level)

    def prediction_interval(
        self, frequency: ArrayLike, monetary_value: ArrayLike, *, orders: int = 1, level: float = 0.95
    ) -> pd.DataFrame:
        r"""Between what the mean of a customer's next orders may lie (posterior predictive).

        With :math:`\nu` given the past Gamma(p x + q, rate :math:`\gamma + x z`), the sum of k orders over the sum of
        that rate and itself is Beta(p k, p x + q).

        Parameters
        ----------
        frequency, monetary_value
        orders : int
            How many orders the mean is over.
        level : float

        Returns
        -------
        pandas.DataFrame, one row a customer
            expected, low, high (currency).
        """
        import pandas as pd
        from scipy.special import betainccinv, betaincinv

        require_level(level)
        orders = whole(orders, "orders", least=1)
        x, z = spending(frequency, monetary_value)
        p, q, gamma = self.model.natural(self.free)
        shape, rate = p * x + q, gamma + np.where(x > 0, x * z, 0.0)
        tail = (1 - level) / 2
        # y / (1 - y) of y ~ Beta(a, b), through the complement ~ Beta(b, a) so that neither end cancels
        low, high = betaincinv(p * orders, shape, tail), betaincinv(shape, p * orders, tail)
        low_rest = betainccinv(shape, p * orders, tail)
        table = {"expected": self.conditional_expectation(frequency, monetary_value)}
        table |= {"low": rate * low / low_rest / orders, "high": rate * (1 - high) / high / orders}
        return pd.DataFrame(table)


def spending(frequency: ArrayLike, monetary_value: ArrayLike) -> tuple[Floats, Floats]:
    """Checked numbers of orders and mean values; a value counts only where there are orders.

    Raises
    ------
    DataError
    """
    x, z = numbers(frequency, "frequency"), numbers(monetary_value, "monetary_value")
    try:
        x, z = np.broadcast_arrays(x, z)
    except ValueError as error:
        raise DataError("frequency and monetary_value differ in length; give one of each a customer") from error
    if x.ndim != 1:
        raise DataError(f"frequency and monetary_value have shape {x.shape}; give one of each a customer")
    if not (np.all(np.isfinite(x)) and np.all(x >= 0) and np.all(x == np.floor(x))):
        raise DataError("frequency must be whole numbers of at least 0: the orders that monetary_value is the mean of")
    wrong = (x > 0) & ~(np.isfinite(z) & (z > 0))
    if wrong.any():
        raise DataError(
            f"monetary_value is missing or not above 0 for {int(wrong.sum()):,} customers with orders; "
            "leave out free orders and returns, or these customers"
        )
    return x, z
