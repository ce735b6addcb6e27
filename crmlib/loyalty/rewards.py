r"""Points pressure: how much faster members buy the closer they are to a reward.

Every so many purchases bring a reward. Pooled over members, the rate of buying rises towards the reward even
where nobody is in a hurry: heavy buyers fill their cards, light buyers linger on empty ones. With an own
rate :math:`\lambda_i` of each member, gamma distributed, and a common factor :math:`m_k` for k purchases on
the card, the numbers :math:`y_{ik}` and the days :math:`E_{ik}` at each k have the likelihood

.. math:: L_i = \frac{\Gamma(r + n_i)}{\Gamma(r)} \frac{\alpha^r \prod_k m_k^{y_{ik}}}
                {(\alpha + \sum_k m_k E_{ik})^{r + n_i}}, \qquad n_i = \sum_k y_{ik},

in which the last, unfinished wait counts as far as it was seen.

References
----------
Kivetz, R., Urminsky, O., & Zheng, Y. (2006), The goal-gradient hypothesis resurrected: purchase
    acceleration, illusionary goal progress, and customer retention, Journal of Marketing Research 43, 39-58.
Taylor, G. A., & Neslin, S. A. (2005), The current and future sales impact of a retail frequency reward
    program, Journal of Retailing 81, 293-305.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ConvergenceError, DataError, ParameterError
from crmlib.frames import as_date, to_pandas, wrap
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import datetime

    import pandas as pd

_DAY = 86_400_000_000  # microseconds


def card_progress(orders: Any, memberships: Any, *, threshold: int, as_of: str | datetime.date) -> pd.DataFrame:
    """Array: how long each member stood at each number of purchases on the card, and how often they bought there.

    Every order after joining is a purchase on the card; the one that fills it begins the next.

    Parameters
    ----------
    orders : any frame
        customer_id, ordered_at.
    memberships : any frame
        customer_id, joined_at; the first where a customer has several.
    threshold : int
        Purchases that fill a card, at least 2.
    as_of : date or ISO string
        Last day of the data.

    Returns
    -------
    pandas.DataFrame, one row a member and number of purchases on the card at which they were seen
        customer_id, purchases (0 to threshold − 1), orders (that were made there), days (spent there).

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        Nobody joined up to `as_of`.
    """
    import pandas as pd

    if isinstance(threshold, bool) or not hasattr(threshold, "__index__") or threshold < 2:
        raise ParameterError(f"threshold is {threshold!r}; give the purchases that fill a card, 2 or more")
    last = as_date(as_of, name="as_of")
    if last is None:
        raise ParameterError("a card's progress needs as_of; give the last day of the data as YYYY-MM-DD")
    end = pd.Timestamp(last) + pd.Timedelta(days=1)
    joins = to_pandas(wrap(memberships, ("customer_id", "joined_at"), table="memberships").to_native()).dropna()
    joins = joins[joins["joined_at"] < end].sort_values("joined_at").drop_duplicates("customer_id")
    if joins.empty:
        raise DataError(f"nobody joined up to {last}; there is no card to fill")
    bought = to_pandas(wrap(orders, ("customer_id", "ordered_at"), table="orders").to_native()).dropna()
    bought = bought[bought["ordered_at"] < end].merge(joins, on="customer_id")
    bought = bought[bought["ordered_at"] > bought["joined_at"]][["customer_id", "ordered_at"]].assign(orders=1)
    # Each member's last, unfinished wait ends with the data.
    waits = joins[["customer_id"]].assign(ordered_at=end, orders=0)
    table = pd.concat([bought, waits]).sort_values(["customer_id", "ordered_at", "orders"], kind="stable")
    group = table.groupby("customer_id")
    begin = group["ordered_at"].shift().fillna(table["customer_id"].map(joins.set_index("customer_id")["joined_at"]))
    table["days"] = (table["ordered_at"] - begin).dt.total_seconds() / 86_400
    table["purchases"] = group.cumcount() % threshold
    return table.groupby(["customer_id", "purchases"], as_index=False)[["orders", "days"]].sum()


@dataclass(frozen=True, eq=False)
class PointsPressure:
    """How much faster members buy the closer they are to the reward.

    Attributes
    ----------
    by_purchases : pandas.DataFrame, one row a number of purchases on the card
        purchases, members, orders, days, pooled (rate over all members as a multiple of that with none on
        the card: mixes haste with who gets there), factor (of the same member), low, high.
    acceleration : pandas.Series
        value, low, high: factor from an empty card to one purchase short of the reward, if the logarithm
        of the rate rises evenly between them; p_value of "no change".
    members : int
    level : float
    """

    by_purchases: pd.DataFrame
    acceleration: pd.Series
    members: int
    level: float


def points_pressure(progress: pd.DataFrame, *, level: float = 0.95) -> PointsPressure:
    """Array: the factor of each member's own rate of buying by the purchases on the card.

    Assumes that a member's rate is otherwise constant, and that rates are gamma distributed over members.
    A season in which cards happen to be full, or members who drift, would show as pressure.

    Parameters
    ----------
    progress : pandas.DataFrame
        As `card_progress` gives it.
    level : float
        Coverage; intervals are normal on the log scale, with errors clustered by member.

    Returns
    -------
    PointsPressure

    Raises
    ------
    MissingColumnsError
    DataError
        No purchases at some number on the card: its factor cannot be estimated; or fewer than two members.
    ConvergenceError
        Members' rates differ no more than by chance (r would be infinite), or the search did not end.
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    columns = ("customer_id", "purchases", "orders", "days")
    table = to_pandas(wrap(progress, columns, table="progress").to_native())
    wide = table.pivot_table(index="customer_id", columns="purchases", values=["orders", "days"], fill_value=0.0)
    orders, days = wide["orders"].to_numpy(dtype=float), wide["days"].to_numpy(dtype=float)
    places = wide["orders"].columns.to_numpy(dtype=np.int64)
    empty = places[orders.sum(axis=0) == 0]
    if len(orders) < 2 or len(places) < 2 or len(empty):
        said = f"nobody bought with {empty[0]} on the card" if len(empty) else "fewer than two members or places"
        raise DataError(f"{said}, so pressure cannot be estimated; take a lower threshold or more members")
    reach = norm.ppf(0.5 + level / 2)
    steps, covariance = _factors(orders, days, np.eye(len(places))[:, 1:])
    error = np.append(0.0, np.sqrt(np.diag(covariance)))
    steps = np.append(0.0, steps)
    rate = orders.sum(axis=0) / days.sum(axis=0)
    by_purchases = pd.DataFrame(
        {
            "purchases": places,
            "members": (days > 0).sum(axis=0),
            "orders": orders.sum(axis=0).astype(np.int64),
            "days": days.sum(axis=0),
            "pooled": rate / rate[0],
            "factor": np.exp(steps),
            "low": np.exp(steps - reach * error),
            "high": np.exp(steps + reach * error),
        }
    )
    (slope,), ((variance,),) = _factors(orders, days, (places / places.max())[:, None])
    half = reach * np.sqrt(variance)
    ends = np.exp([slope, slope - half, slope + half])
    p_value = 2 * norm.sf(abs(slope) / np.sqrt(variance))
    acceleration = pd.Series({"value": ends[0], "low": ends[1], "high": ends[2], "p_value": p_value})
    return PointsPressure(by_purchases, acceleration, len(orders), level)


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


def simulated_cards(
    rng: np.random.Generator,
    *,
    members: int = 2_000,
    threshold: int = 10,
    acceleration: float = 1.5,
    days: int = 365,
    monthly_rate: float = 1.5,
    shape: float = 1.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Array: orders and memberships of a programme whose points pressure is known; simulated.

    Each member joins on 1 January 2025 and buys at an own rate, gamma distributed, times
    acceleration^(k / (threshold − 1)) with k purchases on the card.

    Parameters
    ----------
    rng : numpy.random.Generator
    members, threshold, days : int
    acceleration : float
        Factor from an empty card to one purchase short of the reward; 1 for none.
    monthly_rate, shape : float
        Mean purchases in 30 days on an empty card; shape of the gamma distribution.

    Returns
    -------
    (orders, memberships)
        customer_id, ordered_at; customer_id, joined_at.
    """
    import pandas as pd

    for name, value in {"acceleration": acceleration, "monthly_rate": monthly_rate, "shape": shape}.items():
        if not value > 0:
            raise ParameterError(f"{name} is {value}; give a number above 0")
    rate = rng.gamma(shape, monthly_rate / shape / 30, members)
    now, active, rows, k = np.zeros(members), np.arange(members), [], 0
    while len(active):
        now[active] += rng.exponential(1 / (rate[active] * acceleration ** (k % threshold / (threshold - 1))))
        active = active[now[active] < days]
        rows.append(np.column_stack([active, now[active]]))
        k += 1
    made = np.concatenate(rows)
    start = np.datetime64("2025-01-01", "us")
    instants = start + (made[:, 1] * _DAY).astype("timedelta64[us]")
    orders = pd.DataFrame({"customer_id": made[:, 0].astype(np.int64), "ordered_at": instants})
    orders = orders.sort_values(["ordered_at", "customer_id"], ignore_index=True)
    return orders, pd.DataFrame({"customer_id": np.arange(members), "joined_at": start})
