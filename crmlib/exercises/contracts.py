"""Expected answers to the exercises of notebook 15, by another route than the lesson's.

The product limit is multiplied out in plain loops, revenue is summed over pandas periods, and the likelihood
of renewals is maximised directly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crmlib.exercises.checking import exercise
from crmlib.frames import to_pandas


@exercise(
    "15.1",
    question="What share of all customers has left by month 24?",
    unit="share",
    praise="the plain share of leavers says nothing of when they left.",
)
def left_by_two_years(subscriptions: Any) -> float:
    """One minus the product limit over the months up to the 24th."""
    table = to_pandas(subscriptions)
    still = 1.0
    for month in sorted(set(table.loc[table["left"], "tenure_months"])):
        if month <= 24:
            at_risk = int((table["tenure_months"] >= month).sum())
            still *= 1 - int((table["left"] & (table["tenure_months"] == month)).sum()) / at_risk
    return 1 - still


@exercise(
    "15.2",
    question="What is the net revenue retention over three months?",
    unit="share",
    praise="a quarter's figure looks better than a year's and must never be set beside it.",
)
def quarterly_retention(invoices: Any, last_day: str) -> float:
    """Revenue of the last complete month from customers of three months before, over what they paid then."""
    import pandas as pd

    table = to_pandas(invoices)
    end = pd.Period(pd.Timestamp(last_day) + pd.Timedelta(days=1), "M") - 1
    paid = table["amount"].groupby([table["customer_id"], table["ordered_at"].dt.to_period("M")]).sum().unstack()
    paid = paid.reindex(columns=[end - 3, end]).fillna(0)
    base = paid[paid[end - 3] > 0]
    return float(base[end].sum() / base[end - 3].sum())


@exercise(
    "15.3",
    question="At which rate should those still there renew the eighth time if nobody has changed since the fourth?",
    unit="share",
    praise="a rise that a model without any change foresees is no evidence that somebody caused it.",
)
def eighth_renewal_rate(survivors: Any) -> float:
    """Shifted-beta-geometric by direct maximisation on four renewals, then (beta + 7) / (alpha + beta + 7)."""
    from scipy.optimize import minimize
    from scipy.special import betaln

    n = np.asarray(survivors, dtype=float)[:5]
    t = np.arange(5)

    def loss(logs: np.ndarray) -> float:
        a, b = np.exp(logs)
        survival = np.exp(betaln(a, b + t) - betaln(a, b))
        return -float(-np.diff(n) @ np.log(-np.diff(survival)) + n[-1] * np.log(survival[-1]))

    a, b = np.exp(minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9}).x)
    return float((b + 7) / (a + b + 7))
