"""The ruse of heterogeneity: a cohort's retention rises with tenure although no customer changes.

Those most likely to leave leave first, so those who remain are ever more of the loyal kind. The rise of the
aggregate is selection; it is no sign that anybody has grown more loyal, nor that anything done for them worked.

References
----------
Vaupel, J. W., & Yashin, A. I. (1985), Heterogeneity's ruses: some surprising effects of selection on population
    dynamics, The American Statistician 39, 176-185.
Fader, P. S., & Hardie, B. G. S. (2007), How to project customer retention, Journal of Interactive Marketing 21.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import DataError, ParameterError

if TYPE_CHECKING:
    import pandas as pd


def simulated_contracts(
    rng: np.random.Generator, *, customers: int = 10_000, alpha: float = 0.7, beta: float = 1.2
) -> pd.DataFrame:
    """Array: simulated contracts, each with a chance to leave that is drawn once and never changes.

    Parameters
    ----------
    rng : numpy.random.Generator
    customers : int
    alpha, beta : float
        Of the beta distribution of the chance to leave at a renewal, mean alpha / (alpha + beta). Two points
        of all or nothing are approached as both go to 0, one chance for all as both grow.

    Returns
    -------
    pandas.DataFrame, one row a customer
        leaving_probability (0-1, the truth), renewals (made before leaving).
    """
    import pandas as pd

    if customers < 1 or not (alpha > 0 and beta > 0 and np.isfinite(alpha + beta)):
        raise ParameterError(
            f"customers is {customers}, alpha {alpha}, beta {beta}; give at least 1, and numbers above 0"
        )
    own = rng.beta(alpha, beta, customers).clip(1e-9, 1.0)
    return pd.DataFrame({"leaving_probability": own, "renewals": rng.geometric(own) - 1})


def retention_by_renewal(
    renewals: ArrayLike, leaving_probability: ArrayLike, *, last: int = 12, level: float = 0.95
) -> pd.DataFrame:
    """Array: the retention rate of those still there, beside the mean own chance to renew of the very same customers.

    Parameters
    ----------
    renewals : array-like of whole numbers, shape (n,)
        Renewals each customer made before leaving.
    leaving_probability : array-like, shape (n,)
        Their own, constant chance to leave: known in a simulation only.
    last : int
        Renewals to follow.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a renewal from 1 while anybody is there
        renewal, due (customers still there), renewed, retention_rate, low, high (Wilson), own_rate (mean own chance to
        renew of those due: moves only because they are other customers), first_rate (mean own chance of all at
        the start, constant).

    Raises
    ------
    DataError
        Unequal lengths, nobody, or impossible values.
    """
    import pandas as pd

    from crmlib.cohorts.shares import retention_intervals

    made, own = np.asarray(renewals, dtype=float), np.asarray(leaving_probability, dtype=float)
    if not len(made) or made.shape != own.shape:
        raise DataError(
            f"renewals have {len(made)} entries, chances {len(own)}; give one of each a customer, at least one"
        )
    if not (np.isfinite(made).all() and (made >= 0).all() and ((own >= 0) & (own <= 1)).all()):
        raise DataError("renewals must be at least 0 and chances to leave between 0 and 1")
    if last < 1:
        raise ParameterError(f"last is {last}; give at least 1 renewal")
    rows = []
    for renewal in range(1, last + 1):
        due = made >= renewal - 1
        if not due.any():
            break
        stay = 1 - own[due].mean()
        rows.append((renewal, int(due.sum()), int((made >= renewal).sum()), stay))
    table = pd.DataFrame(rows, columns=["renewal", "customers", "active", "own_rate"])
    table["retention_rate"] = table["active"] / table["customers"]
    table["first_rate"] = 1 - own.mean()
    shown = retention_intervals(table, level=level).rename(columns={"customers": "due", "active": "renewed"})
    return shown[["renewal", "due", "renewed", "retention_rate", "low", "high", "own_rate", "first_rate"]]


def retention_by_kind(
    renewals: ArrayLike, leaving_probability: ArrayLike, *, kinds: int = 4, last: int = 12, level: float = 0.95
) -> pd.DataFrame:
    """Array: the same within groups of like customers, by quantiles of their own chance: the rise is gone.

    What is left of it comes from customers of one group who still differ, mostly those quickest to leave.

    Parameters
    ----------
    renewals, leaving_probability, last, level
        As in `retention_by_renewal`.
    kinds : int
        Number of groups, at most the number of customers.

    Returns
    -------
    pandas.DataFrame
        kind (1: the most loyal), then the columns of `retention_by_renewal`.
    """
    import pandas as pd

    own = np.asarray(leaving_probability, dtype=float)
    if not 1 <= kinds <= len(own):
        raise ParameterError(f"kinds is {kinds}; give 1 to {len(own)}")
    rank = np.argsort(np.argsort(own, kind="stable"), kind="stable")
    kind = 1 + rank * kinds // len(own)
    made = np.asarray(renewals)
    parts = []
    for number in range(1, kinds + 1):
        table = retention_by_renewal(made[kind == number], own[kind == number], last=last, level=level)
        table.insert(0, "kind", number)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)
