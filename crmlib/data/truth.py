"""What generated a simulated firm, and what it implies exactly: the yardstick for every estimate."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import ParameterError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the firm was simulated with. Rates are per week; spend is in the currency."""

    customers: int
    months: int
    as_of: datetime.date
    r: float
    alpha: float
    a: float
    b: float
    spend_shape: float
    spend_q: float
    spend_gamma: float
    trend: float
    currency: str


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What generated a simulated firm. Arrays are aligned with the rows of `customers`.

    Attributes
    ----------
    parameters : Parameters
    customer_id : int array
    cohort_factor : float array
        By how much `trend` multiplied the customer's purchase rate; 1 without a trend.
    purchase_rate : float array
        Repeat orders a week while active, λ.
    dropout_probability : float array
        Probability to leave after a repeat order, p.
    dropout_days : float array
        Days from acquisition to the repeat order after which the customer left; may lie after
        the data's end.
    observed_days : float array
        Days from acquisition to the end of `as_of`.
    mean_spend : float array
        Expected value of an order, in the currency.
    """

    parameters: Parameters
    customer_id: NDArray[np.int64]
    cohort_factor: Floats
    purchase_rate: Floats
    dropout_probability: Floats
    dropout_days: Floats
    observed_days: Floats
    mean_spend: Floats

    def active_probability(self, start_days: ArrayLike, end_days: ArrayLike) -> Floats:
        r"""Probability of each customer to order in (start, end] days after acquisition.

        A customer leaves at an order, so at rate :math:`\lambda p` while active: still active at
        :math:`t_1` with :math:`e^{-\lambda p t_1}`. From then on the next order comes at rate
        :math:`\lambda` whatever it leads to, hence
        :math:`e^{-\lambda p t_1} (1 - e^{-\lambda (t_2 - t_1)})`. The first order, at 0, is not counted.

        Parameters
        ----------
        start_days, end_days : float or array of one value a customer
            Days since acquisition, 0 ≤ start ≤ end.

        Returns
        -------
        float array, one value a customer (0-1)

        Raises
        ------
        ParameterError
            A negative or reversed interval.
        """
        start, end = _weeks(start_days, end_days)
        rate = self.purchase_rate
        active = np.exp(-rate * self.dropout_probability * start)
        return np.asarray(active * -np.expm1(-rate * (end - start)))

    def expected_active_share(self, start_days: float, end_days: float, *, cohort_factor: float = 1.0) -> float:
        r"""Share of an endless population that orders in (start, end] days after acquisition.

        The mean of `active_probability` over the gamma and beta distributions. The gamma integral
        is closed, the beta one is by quadrature; g is the cohort's factor:

        .. math:: \int_0^1 \text{Beta}(p; a, b) \left[ \left(\tfrac{\alpha}{\alpha + p t_1}\right)^r -
                  \left(\tfrac{\alpha}{\alpha + p t_1 + g (t_2 - t_1)}\right)^r \right] dp

        Raises
        ------
        ParameterError
            A negative or reversed interval.
        """
        from scipy.integrate import quad
        from scipy.special import beta

        start, end = (float(t) for t in _weeks(start_days, end_days))
        known = self.parameters
        r, alpha, a, b = known.r, known.alpha, known.a, known.b

        def share(p: float) -> float:
            left = alpha + p * start
            return (alpha / left) ** r - (alpha / (left + cohort_factor * (end - start))) ** r

        # the weight p^(a-1) (1-p)^(b-1) is integrated exactly, singular ends included
        total, _ = quad(share, 0, 1, weight="alg", wvar=(a - 1, b - 1))
        return float(total / beta(a, b))


def _weeks(start_days: ArrayLike, end_days: ArrayLike) -> tuple[Floats, Floats]:
    start, end = np.asarray(start_days, dtype=float), np.asarray(end_days, dtype=float)
    if not np.all((start >= 0) & (end >= start)):
        raise ParameterError(
            f"the interval ({start_days!r}, {end_days!r}] is no interval; give 0 ≤ start ≤ end, in days"
        )
    return start / 7, end / 7
