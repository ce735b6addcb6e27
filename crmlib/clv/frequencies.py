"""How a fit divides its own customers: by number of purchases, by renewal, by order value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import require_level
from crmlib.models import ContractResults
from crmlib.options import whole

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import GammaGammaResults, TransactionResults
    from crmlib.models.contractual import ContractModel


def frequency_table(results: TransactionResults | ContractResults, *, top: int = 7) -> pd.DataFrame:
    """Array: how many customers of the fit made 0, 1, 2… repeat purchases, and how many the model expects.

    Parameters
    ----------
    results : TransactionResults
        Of a model without covariates; of a BG/BB fit at how many opportunities.
    top : int
        The last row holds this number and more, at least 1.

    Returns
    -------
    pandas.DataFrame
        frequency, actual, expected (customers), last (True for the open row).
    """
    import pandas as pd

    if isinstance(results, ContractResults):
        raise ParameterError("who is under contract makes no purchases; use renewal_table")
    top = whole(top, "top", least=1, most=10_000)
    if results.model.effects:
        raise DataError("the model has covariates, so that no one distribution holds for all; fit it without them")
    given, weights = results.model.histories, results.model.weights
    ages, place = np.unique(given.age, return_inverse=True)
    customers = np.bincount(place, weights=weights)
    chances = np.stack([results.purchase_probability(np.arange(top), age) for age in ages])
    expected = customers @ chances
    actual = np.bincount(np.minimum(given.x, top).astype(int), weights=weights, minlength=top + 1)
    table = {
        "frequency": np.arange(top + 1),
        "actual": actual,
        "expected": [*expected, customers.sum() - expected.sum()],
    }
    return pd.DataFrame(table).assign(last=lambda rows: rows["frequency"] == top)


def renewal_table(results: ContractResults, *, seen: ContractModel | None = None, level: float = 0.95) -> pd.DataFrame:
    """Array: who was there, left and stayed at each renewal, and what the model expects.

    Parameters
    ----------
    results : ContractResults
    seen : model of contracts, optional
        Customers to compare with, such as the same cohort watched for longer (need not be fitted); default those of
        the fit.
    level : float
        Of the delta-method interval of the model's survival.

    Returns
    -------
    pandas.DataFrame, one row a renewal that somebody faced
        renewal (from 1), at_risk (customers who faced it), left (who did not make it), expected_left (at_risk times
        the model's chance), survival (Kaplan-Meier, 0-1), expected (the model's survival), low, high.
    """
    import pandas as pd

    require_level(level)
    model = results.model if seen is None else seen
    times = np.arange(1, int(model.periods.max()) + 1)
    at_risk = np.array([model.weights[model.periods >= t].sum() for t in times])
    left = np.array([model.weights[(model.periods == t) & model.left].sum() for t in times])
    chance = 1 - results.retention_rate(times)
    table = {"renewal": times, "at_risk": at_risk, "left": left, "expected_left": at_risk * chance}
    table |= {"survival": np.cumprod(1 - left / at_risk)}
    curve = results.survival_interval(times, level=level)
    return pd.DataFrame({**table, "expected": curve["survival"], "low": curve["low"], "high": curve["high"]})


def spend_table(spend: GammaGammaResults, *, groups: int = 10) -> pd.DataFrame:
    r"""Array: how many customers' mean order values lie in each of some classes, and how many the model expects.

    Classes hold about as many customers each. Of a mean z of x orders :math:`xz / (\gamma + xz)` is
    :math:`\text{Beta}(px, q)`, so that the model's share of a class follows for every x.

    Parameters
    ----------
    spend : GammaGammaResults
    groups : int
        At most so many, at least 2.

    Returns
    -------
    pandas.DataFrame, one row a class
        low, high (money; the first from 0, the last open), actual, expected (customers).
    """
    import pandas as pd
    from scipy.special import betainc

    groups = whole(groups, "groups", least=2, most=10_000)
    p, q, gamma = spend.params
    model = spend.model
    order = np.argsort(model.z, kind="stable")
    part = np.cumsum(model.weights[order]) / model.nobs
    cuts = np.unique(model.z[order][np.searchsorted(part, np.arange(1, groups) / groups)])
    edges = np.concatenate([[0.0], cuts[cuts < model.z.max()], [np.inf]])
    x, place = np.unique(model.x, return_inverse=True)
    customers = np.bincount(place, weights=model.weights)
    spent = np.where(np.isinf(edges), 1.0, x[:, None] * np.where(np.isinf(edges), 0.0, edges))
    share = np.where(np.isinf(edges), 1.0, betainc(p * x[:, None], q, spent / (gamma + spent)))
    actual = np.bincount(np.searchsorted(edges[1:-1], model.z), weights=model.weights, minlength=len(edges) - 1)
    expected = customers @ np.diff(share, axis=1)
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "actual": actual, "expected": expected})
