"""The same margins where the truth is known: a simulated firm's customers."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd


def true_margins(truth: Any, *, start: datetime.date, end: datetime.date) -> pd.DataFrame:
    r"""Array: the contribution to be expected of each customer of a simulated firm in a period.

    Given who is still a customer on the first day, which no real firm knows. Whoever is orders at rate
    :math:`\lambda` and leaves after an order with probability p, so that in T days
    :math:`(1 - e^{-\lambda p T}) / p` orders are expected (Fader, Hardie & Lee 2005, equation 9, for known
    rates), each worth `margin_per_order`.

    Parameters
    ----------
    truth : object
        Of a firm simulated with `programme=False`.
    start, end : datetime.date
        First and last day of the period, both included.

    Returns
    -------
    pandas.DataFrame, one row a customer acquired before `start`
        customer_id, expected (money), margin_per_order (money), poached (probability, 0-1, that a competitor who
        tries wins the customer over within the period).

    Raises
    ------
    ParameterError
        A firm with a loyalty programme: its members order by another law.
    """
    import pandas as pd

    if not truth.parameters.plain:
        raise ParameterError("the firm has a loyalty programme; simulate it with programme=False")
    since = (np.datetime64(start, "us") - truth.acquired_at) / np.timedelta64(1, "D")
    days = (end - start).days + 1
    leaving = truth.dropout_probability
    orders = -np.expm1(-truth.purchase_rate / 7 * leaving * days) / leaving
    table = pd.DataFrame(
        {
            "customer_id": truth.customer_id,
            "expected": np.where(truth.dropout_days > since, orders * truth.margin_per_order, 0.0),
            "margin_per_order": truth.margin_per_order,
            "poached": 1 - (1 - truth.poaching_probability) ** (days / 365),
        }
    )
    return table[since > 0].reset_index(drop=True)
