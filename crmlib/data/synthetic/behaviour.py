"""How each customer of a simulated firm behaves, and with which probability they order when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.data.synthetic import exact
from crmlib.data.synthetic.parameters import DAY, Parameters
from crmlib.data.synthetic.programme import Influence, account_share

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """Traits of a simulated firm's customers. Arrays are aligned with the rows of `customers`.

    Attributes
    ----------
    parameters : Parameters
        What `simulate` was given; with the calendar: `panel_start`, `launch`, `enrolment_end`, `end`.
    entropy : tuple of int
        What all random numbers come from.
    customer_id : int array
    acquired_at : datetime64[us] array
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
    return_rate, service_rate : float array
        Share of order lines sent back; service calls an order.
    account : bool array
        Who holds an account, and so stays through the end of the data and may join the programme.
    joined_days : float array
        Days from acquisition to joining the programme; infinite for who never joins.
    reward_share : float array
        Share of a member's spend after joining that goes into rewards; 0 for others.
    referrer : int array
        Row of the customer who referred them; -1 for who came by themselves.
    referral_rate : float array
        Customers that each refers in the long run, expected.
    offered : bool array
        Who is offered a reward for referring, by lot.
    first_value, revenue : float array
        Amount of the first order; of all orders.
    caused_by_customer, caused_at, caused_orders, caused_spend : arrays
        The orders by which the firm differs from its re-run without the programme (`programme_effect`
        1, same seed): row of the customer, instant, 1 or -1, amount.
    """

    parameters: Parameters
    entropy: tuple[int, ...]
    customer_id: NDArray[np.int64]
    acquired_at: NDArray[np.datetime64]
    cohort_factor: Floats
    purchase_rate: Floats
    dropout_probability: Floats
    dropout_days: Floats
    observed_days: Floats
    mean_spend: Floats
    return_rate: Floats
    service_rate: Floats
    account: NDArray[np.bool_]
    joined_days: Floats
    reward_share: Floats
    referrer: NDArray[np.int64]
    referral_rate: Floats
    offered: NDArray[np.bool_]
    first_value: Floats
    revenue: Floats
    caused_by_customer: NDArray[np.int64]
    caused_at: NDArray[np.datetime64]
    caused_orders: NDArray[np.int64]
    caused_spend: Floats

    def active_probability(self, start_days: ArrayLike, end_days: ArrayLike) -> Floats:
        r"""Probability of each customer to order in (start, end] days after acquisition.

        A customer leaves at an order, so at rate :math:`\lambda p` while active: still active at
        :math:`t_1` with :math:`e^{-\lambda p t_1}`. From then on the next order comes at rate
        :math:`\lambda` whatever it leads to, hence
        :math:`e^{-\lambda p t_1} (1 - e^{-\lambda (t_2 - t_1)})`. The first order, at 0, is not counted.

        With a loyalty programme it is conditional on holding an account and on the time of joining.
        An account customer does not leave before the data end: no order with
        :math:`e^{-\mu (t_2 - t_1) - X}`, :math:`\mu = \lambda (1 - p)`, X the further orders expected of
        season and programme. The others are what is left of the population without account customers.
        After the data's end the programme and the season are taken to be over.

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
        start, end = exact.interval(start_days, end_days)
        rate, leave = self._rates
        plain = np.exp(-leave * start) * -np.expm1(-rate * (end - start))
        low, high = np.minimum(start, self.observed_days), np.minimum(end, self.observed_days)
        later = np.exp(-leave * np.maximum(start - self.observed_days, 0.0))
        after = np.exp(-rate * (end - np.maximum(start, self.observed_days)).clip(0.0))
        quiet = np.exp(-(rate - leave) * (high - low))
        if not self.parameters.programme:
            return np.asarray(plain)
        moved = np.exp(-self.influence().orders(start, end))
        # start inside the data: no order there, none after; start beyond: still active, then an order
        own, held = (later * (1 - calm * after) for calm in (quiet, quiet * moved))
        return np.clip(np.where(self.account, held, self._without_accounts(plain, own)), 0, 1)  # rounding

    def expected_orders(self, start_days: ArrayLike, end_days: ArrayLike) -> Floats:
        r"""Repeat orders expected of each customer in (start, end] days after acquisition.

        :math:`(e^{-\lambda p t_1} - e^{-\lambda p t_2}) / p` without a programme; with one conditional on
        accounts and joining, as `active_probability` is. Parameters and errors are the same.
        """
        start, end = exact.interval(start_days, end_days)
        rate, leave = self._rates
        plain = exact.orders_while_active(rate, leave, start, end)
        if not self.parameters.programme:
            return plain
        low, high = np.minimum(start, self.observed_days), np.minimum(end, self.observed_days)
        beyond = exact.orders_while_active(
            rate, leave, (start - self.observed_days).clip(0.0), (end - self.observed_days).clip(0.0)
        )
        own = (rate - leave) * (high - low) + beyond
        held = own + self.influence().orders(start, end)
        return np.maximum(np.where(self.account, held, self._without_accounts(plain, own)), 0)

    @property
    def joined_at(self) -> NDArray[np.datetime64]:
        """Instant of joining the programme; NaT for who never joins."""
        days = np.where(np.isfinite(self.joined_days), self.joined_days, 0.0)
        instants = self.acquired_at + np.round(days * DAY).astype("timedelta64[us]")
        instants[~np.isfinite(self.joined_days)] = np.datetime64("NaT")
        return instants

    @property
    def _rates(self) -> tuple[Floats, Floats]:
        """Orders, and leaving, a day."""
        rate = self.purchase_rate / 7
        return rate, rate * self.dropout_probability

    def _without_accounts(self, all_customers: Floats, staying: Floats) -> Floats:
        """Mean of those without an account, from the means of everyone and of those who stay."""
        rate, leave = self._rates
        share = account_share(rate - leave, self.acquired_at.astype(np.int64), self.parameters)
        held = share * np.exp(-leave * self.observed_days)
        return np.asarray((all_customers - held * staying) / (1 - held))

    def influence(self, rows: NDArray[np.int64] | slice = slice(None)) -> Influence:
        """What moves the orders of these customers beside their own rate, if they hold an account."""
        rate, leave = (values[rows] for values in self._rates)
        acquired = self.acquired_at[rows].astype(np.int64)
        return Influence(self.parameters, acquired, rate - leave, self.observed_days[rows], self.joined_days[rows])

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
            A negative or reversed interval, a factor that is not positive; a firm whose programme or
            season moves orders, which depends on the calendar: simulate it with `programme=False`.
        """
        return exact.population_active_probability(self.parameters, start_days, end_days, cohort_factor)
