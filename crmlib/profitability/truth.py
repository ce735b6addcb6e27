"""The same margins where the truth is known: a simulated firm's customers."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ParameterError
from crmlib.profitability.poaching import best_customers, poaching_break_even

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


def selection_truth(
    pairs: pd.DataFrame,
    true: pd.DataFrame,
    *,
    best_share: float = 0.1,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Array: what letting the losers of the first period go gains, as promised, as judged and in truth.

    Parameters
    ----------
    pairs, true : pandas.DataFrame
        `paired_margins` and `true_margins` of the same firm and second period.
    best_share : float
        The best customers, by the first period, whom rivals would want.
    level, replicates
        Level of the interval; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    (pandas.DataFrame, dict)
        Rows promised, judged and true with gain (money), and low, high (of `judged`). Shares (0-1): `lose by nature`,
        of those let go, who have a negative margin an order; `could be poached`, of the best customers' expected
        margin, what competitors win who try; `break-even`, see `poaching_break_even`.
    """
    import pandas as pd

    known = pairs.merge(true, on="customer_id", validate="1:1")
    gone = (known["before"] < 0).to_numpy()
    best = best_customers(known["before"], best_share) & ~gone
    found = poaching_break_even(known["after"], fired=gone, best=best, level=level, replicates=replicates, rng=rng)
    gains = {
        "promised": (-known["before"][gone].sum(), np.nan, np.nan),
        "judged": (found.gain, found.gain_low, found.gain_high),
        "true": (-known["expected"][gone].sum(), np.nan, np.nan),
    }
    worth = known["expected"][best].clip(lower=0)
    shares = {
        "lose by nature": float((known["margin_per_order"][gone] < 0).mean()),
        "could be poached": float((known["poached"][best] * worth).sum() / worth.sum()) if worth.sum() > 0 else np.nan,
        "break-even": found.risk,
    }
    return pd.DataFrame.from_dict(gains, orient="index", columns=["gain", "low", "high"]), shares
