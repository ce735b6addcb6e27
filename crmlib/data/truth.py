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
        """Share of an endless population that orders in one interval: see `population_active_probability`."""
        return float(self.population_active_probability(start_days, end_days, cohort_factor))

    def population_active_probability(
        self, start_days: ArrayLike, end_days: ArrayLike, cohort_factor: ArrayLike = 1.0
    ) -> Floats:
        r"""Probability of a customer drawn from the population to order in (start, end] days after acquisition.

        What the active share of a cohort's customers estimates: the mean of `active_probability`
        over the gamma and beta distributions. The gamma integral is closed; the beta one is by
        Gauss-Jacobi quadrature with as many nodes as an error below 1e-9 takes. g is the cohort's factor:

        .. math:: \int_0^1 \text{Beta}(p; a, b) \left[ \left(\tfrac{\alpha}{\alpha + p t_1}\right)^r -
                  \left(\tfrac{\alpha}{\alpha + p t_1 + g (t_2 - t_1)}\right)^r \right] dp

        Parameters
        ----------
        start_days, end_days : array
            Days since acquisition, 0 ≤ start ≤ end.
        cohort_factor : array
            By how much the cohort's purchase rate exceeds the stated one, see `trend`.

        Returns
        -------
        float array (0-1), of the common shape of the three

        Raises
        ------
        ParameterError
            A negative or reversed interval, a factor that is not positive.
        """
        from scipy.special import roots_jacobi

        start, end = _weeks(start_days, end_days)
        factor = np.asarray(cohort_factor, dtype=float)
        if not np.all(factor > 0):
            raise ParameterError("a cohort_factor is not positive; give numbers above 0")
        known = self.parameters
        nodes, weights = roots_jacobi(_nodes(known.alpha, end), known.b - 1, known.a - 1)
        total = np.zeros(np.broadcast_shapes(start.shape, end.shape, factor.shape))
        for p, weight in zip((1 + nodes) / 2, weights / weights.sum(), strict=True):
            left = known.alpha + p * start
            right = left + factor * (end - start)
            total += weight * ((known.alpha / left) ** known.r - (known.alpha / right) ** known.r)
        return total


def _nodes(alpha: float, end_weeks: Floats) -> int:
    """Number of nodes: the integrand is singular at p = -α/t, so n nodes leave an error of order ρ^(-2n).

    ρ is the Bernstein ellipse through the singularity, ln ρ = 2 asinh √(α/t).
    """
    nearest = alpha / max(float(np.max(end_weeks, initial=0.0)), 1.0)
    return int(np.clip(np.ceil(12 / (2 * np.arcsinh(np.sqrt(nearest)))), 64, 1024))


def _weeks(start_days: ArrayLike, end_days: ArrayLike) -> tuple[Floats, Floats]:
    start, end = np.asarray(start_days, dtype=float), np.asarray(end_days, dtype=float)
    if not np.all((start >= 0) & (end >= start)):
        raise ParameterError(
            f"the interval ({start_days!r}, {end_days!r}] is no interval; give 0 ≤ start ≤ end, in days"
        )
    return start / 7, end / 7
