"""What customers of a simulated firm are still worth, where it is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from crmlib.errors import ParameterError


def true_value(truth: Any, *, discount_rate: float, horizon: float = np.inf, margin_rate: float = 1.0) -> np.ndarray:
    r"""Array: margin that each customer of a simulated firm will bring in, discounted, as expected by who knows all.

    Of who is still active, with rate :math:`\lambda` and chance p to leave after an order, orders come at
    :math:`\lambda e^{-\lambda p t}`, so

    .. math:: \frac{\lambda}{\lambda p + \delta} \left(1 - e^{-(\lambda p + \delta) H}\right)

    discounted orders times the own mean spend; nothing of who has left. What comes on top is chance.

    Parameters
    ----------
    truth : object
        Of a firm simulated with `programme=False`: purchase_rate (a week), dropout_probability, dropout_days,
        observed_days, mean_spend.
    discount_rate : float
        Continuous, a week: see `continuous_rate`.
    horizon : float
        Weeks.
    margin_rate : float

    Returns
    -------
    array, one value a customer in the order of `truth`

    Raises
    ------
    ParameterError
        The firm has a loyalty programme, which moves orders; or a number is out of its range.
    """
    if not (discount_rate >= 0 and horizon > 0 and (discount_rate > 0 or np.isfinite(horizon))):
        raise ParameterError(
            f"discount_rate {discount_rate}, horizon {horizon}; give at least 0 and above 0; without discount an end"
        )
    if truth.parameters.programme:
        raise ParameterError("the firm has a loyalty programme; simulate it with programme=False")
    rate = truth.purchase_rate
    fading = rate * truth.dropout_probability + discount_rate
    some = np.where(fading > 0, fading, 1.0)
    flat = rate * horizon if np.isfinite(horizon) else np.zeros_like(rate)  # without fading the horizon is finite
    orders = np.where(fading > 0, rate * -np.expm1(-some * horizon) / some, flat)
    active = truth.dropout_days > truth.observed_days
    return np.asarray(margin_rate * active * orders * truth.mean_spend)
