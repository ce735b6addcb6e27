r"""What one more point of retention is worth, when customers are alike and when they differ.

A payment is made at each renewal. Of a customer who renews with chance r each time, the payments still to come,
the next one undiscounted, are :math:`r (1 + d) / (1 + d - r)` in number, at a discount d between renewals.
When chances differ, the mean of this over customers lies above its value at the mean chance, and so does its
slope: the value is convex in r.

References
----------
Gupta, S., Lehmann, D. R., & Stuart, J. A. (2004), Valuing customers, Journal of Marketing Research 41, 7-18: the
    constant-rate formula and its retention elasticity.
Fader, P. S., & Hardie, B. G. S. (2010), Customer-base valuation in a contractual setting: the perils of ignoring
    heterogeneity, Marketing Science 29, 85-93: both are too low where customers differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import ContractResults

Floats = NDArray[np.float64]

_NODES = 200


def constant_rate_worth(
    retention_rate: ArrayLike, *, payment: float = 1.0, discount_rate: float, points: float = 0.01
) -> pd.DataFrame:
    """Array: the same for customers who all renew with one chance: the textbook formula.

    Parameters
    ----------
    retention_rate : float or array, 0-1
    payment : float
        Margin paid at each renewal.
    discount_rate : float
        Between two renewals, above 0.
    points : float
        By how much the chance rises (0.01: one point), not beyond 1.

    Returns
    -------
    pandas.DataFrame, one row a rate
        retention_rate, value (just before the next renewal, that payment undiscounted), raised (the value with the
        higher chance), gain, elasticity (per cent of value for one per cent of the chance to renew).
    """
    import pandas as pd

    _require(payment, discount_rate, points)
    rate = np.atleast_1d(np.asarray(retention_rate, dtype=float))
    if not ((rate >= 0) & (rate <= 1)).all():
        raise ParameterError("retention rates must lie between 0 and 1")
    value, raised = (payment * _payments(1 - r, discount_rate) for r in (rate, np.minimum(rate + points, 1)))
    table = {"retention_rate": rate, "value": value, "raised": raised, "gain": raised - value}
    return pd.DataFrame(table | {"elasticity": (1 + discount_rate) / (1 + discount_rate - rate)})


def retention_point_worth(
    results: ContractResults,
    *,
    renewals: ArrayLike = 0,
    payment: float = 1.0,
    discount_rate: float,
    points: float = 0.01,
    level: float = 0.95,
) -> pd.DataFrame:
    """Array: what it is worth if every customer's own chance to renew rises, for good, by some points.

    After n renewals the chance to leave of those still there is distributed Beta(alpha, beta + n) in the sBG
    model. Each chance to renew is raised by `points` but not beyond 1, and the payments still to come are
    averaged over customers. It is the worth of such a rise, however it might be brought about; that something
    brings it about only an experiment can show. Beside it stands the constant-rate formula at the same
    aggregate retention rate.

    Parameters
    ----------
    results : ContractResults
        A fitted `ShiftedBetaGeometric`.
    renewals : whole number or array of them
        Renewals made: 0 for those before their first.
    payment, discount_rate, points
        As in `constant_rate_worth`.
    level : float
        Of the delta-method intervals.

    Returns
    -------
    pandas.DataFrame, one row an entry of renewals
        renewals, retention_rate (of the next renewal); value, gain (with the points), elasticity (per cent of
        value for one per cent of each chance) and spend (break-even: what may be spent on each customer before
        each renewal, from the next on, for the points), each with _low and _high; flat_value, flat_gain,
        flat_elasticity of the constant-rate formula.

    Raises
    ------
    ParameterError
        Another model: BdW has no constant chances to raise; or an argument out of its range.
    """
    import pandas as pd

    _require(payment, discount_rate, points)
    require_level(level)
    if tuple(results.model.names) != ("alpha", "beta"):
        raise ParameterError(
            "only a ShiftedBetaGeometric fit has constant chances to raise; fit one to these customers"
        )
    made = np.atleast_1d(np.asarray(renewals, dtype=float))
    if not (np.isfinite(made).all() and (made >= 0).all() and (made == np.floor(made)).all()):
        raise ParameterError(f"renewals are {renewals!r}; give whole numbers of at least 0")
    terms = _terms(results, made, discount_rate, points)
    table = pd.DataFrame({"renewals": made.astype(int), "retention_rate": results.retention_rate(made + 1)})
    rows = results.expectation_table(lambda free: terms(free).ravel(), level)
    for place, name in enumerate(("value", "gain", "elasticity", "spend")):
        unit = 1.0 if name == "elasticity" else payment
        own = rows.iloc[place * len(made) : (place + 1) * len(made)].reset_index(drop=True)
        for column, end in ((name, "expected"), (f"{name}_low", "low"), (f"{name}_high", "high")):
            table[column] = unit * own[end]
    rate = table["retention_rate"]
    flat = constant_rate_worth(rate, payment=payment, discount_rate=discount_rate, points=points)
    return table.assign(flat_value=flat["value"], flat_gain=flat["gain"], flat_elasticity=flat["elasticity"])


def _require(payment: float, discount_rate: float, points: float) -> None:
    if not (np.isfinite(payment) and payment > 0):
        raise ParameterError(f"payment is {payment}; give the margin of a renewal, above 0")
    if not (np.isfinite(discount_rate) and discount_rate > 0):
        raise ParameterError(f"discount_rate is {discount_rate}; give one above 0, between two renewals")
    if not 0 < points <= 1:
        raise ParameterError(f"points is {points}; give a share above 0, such as 0.01 for one point")


def _payments(leaving: Any, d: float) -> Any:
    """Discounted number of payments still to come, the next one undiscounted, at a chance to leave."""
    return (1 - leaving) * (1 + d) / (leaving + d)


def _terms(results: ContractResults, made: Floats, d: float, points: float) -> Callable[[Floats], Floats]:
    """Value, gain, elasticity and break-even spend for a payment of 1, by free-scale parameters; shape (4, n)."""
    from scipy.special import betainc, betaincinv

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = (nodes + 1) / 2, weights / 2

    def terms(free: Floats) -> Floats:
        theta = results.model.theta(free)
        columns = []
        for count in made:
            a, b = theta["alpha"], theta["beta"] + count
            # By quantiles of the chance to leave, parted where the raised chance to renew meets 1.
            cut = float(betainc(a, b, points))
            low, high = (betaincinv(a, b, u) for u in (cut * nodes, cut + (1 - cut) * nodes))
            split = np.concatenate([cut * weights, (1 - cut) * weights])
            own, lower = np.concatenate([low, high]), np.concatenate([0 * low, (high - points).clip(0)])
            value, raised = split @ _payments(own, d), split @ _payments(lower, d)
            slope = split @ ((1 - own) * ((1 + d) / (own + d)) ** 2)
            # spending c before each renewal of those still there costs c (1 + raised / (1 + d))
            columns.append((value, raised - value, slope / value, (raised - value) / (1 + raised / (1 + d))))
        return np.array(columns).T

    return terms
