"""What customers of a simulated firm will do, where it is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from crmlib.errors import ParameterError


def true_future_spend(truth: Any, *, days: float, periods: int = 1, discount: float = 0.0) -> np.ndarray:
    r"""Array: spend expected of each customer in periods of so many days after the data's end.

    Of who is still active, with rate :math:`\lambda` a day and chance p to leave after an order,
    :math:`(1 - e^{-\lambda p t}) / p` orders times the own mean spend; nothing of who has left. It is the
    best that any score could know: what comes on top is chance.

    Parameters
    ----------
    truth : object
        Of a firm simulated with `programme=False`: purchase_rate (a week), dropout_probability, dropout_days,
        observed_days, mean_spend.
    days : float
        Length of a period, above 0.
    periods : int
        How many, at least 1.
    discount : float
        A period; the first one's spend is not discounted, as in `chain_value`.

    Returns
    -------
    array, one value a customer in the order of `truth`

    Raises
    ------
    ParameterError
        The firm has a loyalty programme, which moves orders; or a number is out of its range.
    """
    if not (days > 0 and periods >= 1 and discount >= 0):
        raise ParameterError(f"days {days}, periods {periods}, discount {discount}; give above 0, from 1, from 0")
    if truth.parameters.programme:
        raise ParameterError("the firm has a loyalty programme; simulate it with programme=False")
    rate, leave = truth.purchase_rate / 7, truth.dropout_probability
    active = truth.dropout_days > truth.observed_days
    ends = np.arange(periods + 1) * days
    some = np.where(leave > 0, leave, 1)[:, None]
    until = np.where(leave[:, None] > 0, -np.expm1(-np.outer(rate * leave, ends)) / some, np.outer(rate, ends))
    orders = np.diff(until, axis=1) @ (1 + discount) ** -np.arange(periods, dtype=float)
    return np.asarray(active * orders * truth.mean_spend)
