r"""Points pressure: how much faster members buy the closer they are to a reward.

Every so many purchases bring a reward. Members buy faster with a nearly full card for three reasons that have
nothing to do with it: heavy buyers fill their cards, cards fill towards a busy season, and who falls silent does so
on a card that is not full. All three are differences between members or between months. So each member's
month is compared with itself: given that a member, standing at :math:`k_0`, made n orders in a month of L days, and
bought at one rate throughout, the month is cut into n + 1 stretches of :math:`L / (n + 1)` days on
average, whatever the rate (the spacings of n points that fell at random). Haste shortens the
stretches near the reward and lengthens the others. With :math:`E_k` the days at k, :math:`p_k` the share of the n + 1
stretches there, and :math:`\lambda` the member's rate, the factors :math:`m_k = e^{\beta_k}` solve

.. math:: \sum \lambda (L p - E) = \sum \lambda^2 \frac{L^2}{n + 2} \left(\mathrm{diag}(p) - p p'\right) \beta,

sums over members and months: the conditional score at :math:`\beta = 0`, its mean and covariance exact. Without
pressure the left side is zero on average for every season, drift or leaving that moves months and not the days in
them; with pressure the solution is exact to first order in :math:`\beta`.

References
----------
Kivetz, R., Urminsky, O., & Zheng, Y. (2006), The goal-gradient hypothesis resurrected: purchase
    acceleration, illusionary goal progress, and customer retention, Journal of Marketing Research 43, 39-58.
Taylor, G. A., & Neslin, S. A. (2005), The current and future sales impact of a retail frequency reward
    program, Journal of Retailing 81, 293-305.
Pyke, R. (1965), Spacings, Journal of the Royal Statistical Society, Series B 27, 395-449.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas, wrap
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class PointsPressure:
    """How much faster members buy the closer they are to the reward.

    Attributes
    ----------
    by_purchases : pandas.DataFrame, one row a number of purchases on the card
        purchases, members, orders, days, pooled (rate over all members as a multiple of that with none on
        the card: mixes haste with who gets there and when), factor (of the same member), low, high.
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


def points_pressure(progress: Any, *, level: float = 0.95) -> PointsPressure:
    """Array: the factor of each member's own rate of buying by the purchases on the card, month against itself.

    Assumes that without the card a member would buy at one rate within each period; between periods and
    members rates may differ in any way.

    Parameters
    ----------
    progress : any frame
        As `card_progress` gives it: customer_id, period, purchases, orders, days, stretches.
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
    """
    import pandas as pd

    require_level(level)
    columns = ("customer_id", "period", "purchases", "orders", "days", "stretches")
    table = to_pandas(wrap(progress, columns, table="progress").to_native())
    sums = table.groupby("purchases")[["orders", "days"]].sum()
    require_purchases(sums["orders"], members=table["customer_id"].nunique())
    member = table["customer_id"].astype("category").cat.codes.to_numpy()
    place, position = np.unique(table["purchases"].to_numpy(dtype=np.int64), return_inverse=True)
    block = table.groupby([member, "period"], sort=False).ngroup().to_numpy()
    of = np.zeros(block.max() + 1, dtype=np.int64)
    of[block] = member
    days, share = np.zeros((len(of), len(place))), np.zeros((len(of), len(place)))
    days[block, position], share[block, position] = table["days"], table["stretches"]
    pieces = share.sum(axis=1, keepdims=True)
    rate = _own_rates(np.bincount(member, table["orders"]), np.bincount(member, table["days"]))[of, None]
    length = days.sum(axis=1, keepdims=True)
    share = share / pieces
    surprise, spread = rate * (length * share - days), (rate * length) ** 2 / (pieces + 1)
    if not (spread * share * (1 - share)).sum() > 0:
        raise DataError("no member bought within a period, so none can be compared with itself; take longer periods")
    beta, error = _solved(surprise, spread, share, of, np.eye(len(place))[:, 1:])
    seen = pd.DataFrame(
        {
            "purchases": place,
            "members": table[table["days"] > 0].groupby("purchases")["customer_id"].nunique().to_numpy(),
            "orders": sums["orders"].to_numpy(dtype=np.int64),
            "days": sums["days"].to_numpy(),
        }
    )
    (slope,), (off,) = _solved(surprise, spread, share, of, (place / place.max())[:, None])
    return pressure_of(seen, beta, error, slope, off, members=int(member.max()) + 1, level=level)


def pressure_of(
    seen: pd.DataFrame, beta: np.ndarray, error: np.ndarray, slope: float, off: float, *, members: int, level: float
) -> PointsPressure:
    """Both tables from logarithms and their errors: of each factor beside that of the empty card, and of the whole way.

    `seen` has purchases, members, orders and days, one row a number of purchases on the card.
    """
    import pandas as pd
    from scipy.stats import norm

    reach = norm.ppf(0.5 + level / 2)
    steps, error = np.append(0.0, beta), np.append(0.0, error)
    pooled = (seen["orders"] / seen["days"]).to_numpy()
    by_purchases = seen.assign(
        pooled=pooled / pooled[0],
        factor=np.exp(steps),
        low=np.exp(steps - reach * error),
        high=np.exp(steps + reach * error),
    )
    ends = np.exp([slope, slope - reach * off, slope + reach * off])
    p_value = 2 * norm.sf(abs(slope) / off)
    acceleration = pd.Series({"value": ends[0], "low": ends[1], "high": ends[2], "p_value": p_value})
    return PointsPressure(by_purchases, acceleration, members, level)


def require_purchases(orders: pd.Series, *, members: int) -> None:
    """Refuse cards on which pressure cannot be seen: `orders` made at each number of purchases on the card."""
    empty = [place for place, made in orders.items() if not made]
    if members < 2 or len(orders) < 2 or empty:
        said = f"nobody bought with {empty[0]} on the card" if empty else "fewer than two members or places"
        raise DataError(f"{said}, so pressure cannot be estimated; take a lower threshold or more members")


def card_return(pressure: PointsPressure, *, margin: float, reward_cost: float, threshold: int) -> pd.DataFrame:
    r"""Array: what the card's pressure brings per purchase, against what the reward costs.

    If a member buys :math:`m_k` times as fast with k on the card, a card is filled in
    :math:`\sum_k m_k^{-1} / K` of the time that it would take at the pace of an empty card; the rest of its K
    purchases would not have been made in that time.

    Parameters
    ----------
    pressure : PointsPressure
    margin : float
        Margin of a purchase before the reward, in money.
    reward_cost : float
        Cost of one reward, in money, 0 or more.
    threshold : int
        Purchases that fill a card, 2 or more.

    Returns
    -------
    pandas.DataFrame, four rows
        quantity ("caused": share of purchases that pressure causes; "gain": their margin per purchase; "cost" of the
        reward per purchase; "net"), value, low, high (from the interval of the acceleration, in which all of them
        rise). Who buys at all because of the programme is not in it.

    Raises
    ------
    ParameterError
    """
    import pandas as pd

    if not margin >= 0 or not reward_cost >= 0:
        raise ParameterError(f"margin is {margin}, reward_cost {reward_cost}; give amounts of 0 or more")
    if threshold < 2:
        raise ParameterError(f"threshold is {threshold!r}; give the purchases that fill a card, 2 or more")
    ends = pressure.acceleration[["value", "low", "high"]].to_numpy(dtype=float)
    step = np.arange(threshold) / (threshold - 1)
    caused = 1 - (ends[:, None] ** -step).mean(axis=1)
    cost = np.full(3, reward_cost / threshold)
    rows = {"caused": caused, "gain": margin * caused, "cost": cost, "net": margin * caused - cost}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high"])
    return table.rename_axis("quantity").reset_index()


def _own_rates(orders: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Orders a day of each member, drawn to the mean as the gamma distribution that fits their spread says."""
    mean = orders.sum() / days.sum()
    spread = ((orders - mean * days) ** 2 - mean * days).sum() / (days**2).sum()
    if spread <= 0:  # they differ no more than by chance
        return np.full(len(orders), mean)
    return (mean**2 / spread + orders) / (mean / spread + days)


def _solved(
    surprise: np.ndarray, spread: np.ndarray, share: np.ndarray, member: np.ndarray, design: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the log factors on a design of shape (places, k), and their errors, clustered by member."""
    score, mean = surprise @ design, share @ design
    weighted = (spread * share).sum(axis=0)
    information = design.T @ (weighted[:, None] * design) - mean.T @ (spread * mean)
    bread = np.linalg.inv(information)
    beta = bread @ score.sum(axis=0)
    fitted = design @ beta
    rest = score - spread * ((share * fitted) @ design - mean * (share @ fitted)[:, None])
    n = int(member.max()) + 1
    each = np.column_stack([np.bincount(member, column, n) for column in rest.T])
    covariance = bread @ (each.T @ each) @ bread * n / (n - 1)
    return beta, np.sqrt(np.diag(covariance))
