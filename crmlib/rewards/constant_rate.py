r"""Points pressure if nothing else ever changed a member's rate: the estimate that takes season for haste.

With an own rate :math:`\lambda_i` of each member, gamma distributed, and a common factor :math:`m_k` for k
purchases on the card, the numbers :math:`y_{ik}` and the days :math:`E_{ik}` at each k have the likelihood

.. math:: L_i = \frac{\Gamma(r + n_i)}{\Gamma(r)} \frac{\alpha^r \prod_k m_k^{y_{ik}}}
                {(\alpha + \sum_k m_k E_{ik})^{r + n_i}}, \qquad n_i = \sum_k y_{ik},

in which the last, unfinished wait counts as far as it was seen. It allows for heavy buyers, who fill more cards,
and for nothing else: cards that fill towards a busy season, or members who fall silent on an empty card, look
like pressure. `crmlib.rewards.pressure` takes that out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crmlib.errors import ConvergenceError
from crmlib.frames import to_pandas, wrap
from crmlib.intervals import require_level
from crmlib.rewards.pressure import PointsPressure, pressure_of, require_purchases


def constant_rate_pressure(progress: Any, *, level: float = 0.95) -> PointsPressure:
    """Array: the factor of each member's own rate of buying by the purchases on the card.

    Assumes that a member's rate is otherwise constant, and that rates are gamma distributed over members.
    A season in which cards happen to be full, or members who drift, show as pressure: see `points_pressure`.

    Parameters
    ----------
    progress : any frame
        As `card_progress` gives it; its periods are added up.
    level : float
        Coverage; intervals are normal on the log scale, with errors clustered by member.

    Returns
    -------
    PointsPressure

    Raises
    ------
    MissingColumnsError, DataError
        As `points_pressure` does.
    ConvergenceError
        Members' rates differ no more than by chance (r would be infinite), or the search did not end.
    """
    import pandas as pd

    require_level(level)
    columns = ("customer_id", "purchases", "orders", "days")
    table = to_pandas(wrap(progress, columns, table="progress").to_native())
    wide = table.pivot_table(
        index="customer_id", columns="purchases", values=["orders", "days"], aggfunc="sum", fill_value=0
    )
    orders, days = wide["orders"].to_numpy(dtype=float), wide["days"].to_numpy(dtype=float)
    places = wide["orders"].columns.to_numpy(dtype=np.int64)
    require_purchases(pd.Series(orders.sum(axis=0), places), members=len(orders))
    steps, covariance = _factors(orders, days, np.eye(len(places))[:, 1:])
    seen = pd.DataFrame(
        {
            "purchases": places,
            "members": (days > 0).sum(axis=0),
            "orders": orders.sum(axis=0).astype(np.int64),
            "days": days.sum(axis=0),
        }
    )
    (slope,), ((variance,),) = _factors(orders, days, (places / places.max())[:, None])
    errors = np.sqrt(np.diag(covariance)), float(np.sqrt(variance))
    return pressure_of(seen, steps, errors[0], slope, errors[1], members=len(orders), level=level)


def _factors(orders: np.ndarray, days: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the log factors on a design of shape (places, k), and their covariance, clustered."""
    from scipy.optimize import minimize
    from scipy.special import digamma, gammaln
    from statsmodels.tools.numdiff import approx_fprime

    bought = orders.sum(axis=1)

    def parts(params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of each member, and its derivatives; log r and log alpha come last."""
        r, alpha = np.exp(params[-2:])
        slopes = design @ params[:-2]
        exposed = days * np.exp(slopes)
        total = alpha + exposed.sum(axis=1)
        value = gammaln(r + bought) - gammaln(r) + r * np.log(alpha) - (r + bought) * np.log(total) + orders @ slopes
        by_factor = (orders - ((r + bought) / total)[:, None] * exposed) @ design
        by_r = r * (digamma(r + bought) - digamma(r) + np.log(alpha / total))
        by_alpha = r - (r + bought) * alpha / total
        return value, np.column_stack([by_factor, by_r, by_alpha])

    def objective(params: np.ndarray) -> tuple[float, np.ndarray]:
        value, score = parts(params)
        return -float(value.mean()), -score.mean(axis=0)

    start = np.append(np.zeros(design.shape[1]), [0.0, np.log(days.sum() / bought.sum())])
    found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": 500})
    hessian = np.atleast_2d(approx_fprime(found.x, lambda x: parts(x)[1].sum(axis=0), centered=True))
    information = -(hessian + hessian.T) / 2
    if not np.all(np.linalg.eigvalsh(information) > 0) or np.abs(found.jac).max() > 1e-4:
        raise ConvergenceError(
            "members' rates differ no more than by chance, or too few were seen; take more members or a longer time"
        )
    score = parts(found.x)[1]
    bread = np.linalg.inv(information)
    n = len(bought)
    covariance = bread @ (score.T @ score) @ bread * n / (n - 1)
    return found.x[:-2], covariance[:-2, :-2]
