r"""Members' defection: whether members stop buying later than customers like them who did not join.

Members live longer in every table, because one must live to join: the time before joining cannot hold a lapse
(immortal time). So each calendar month is a trial of its own: those who joined in the month before its first
day, against those who had not, all not lapsed on that day and followed from it. Others who join later leave the
comparison then. With :math:`e_{is}` the chance that a customer with the past of i at the start of month s joined in the
month before (a logit on pace, silence and orders so far), two weights make the others alike. They stand for the
members by the odds :math:`e_{iL} / (1 - e_{iL})` at the trial's start L; and, as who joins later is alive and leaves
the comparison for it, those who stay stand for them too:

.. math:: w_{it} = \frac{e_{iL}}{1 - e_{iL}} \prod_{L < s \le t} (1 - e_{is})^{-1}.

The share that lapsed is 1 less the product of the weighted monthly shares that did not. What is not seen in the past,
such as an intention to stay, stays in the difference.

References
----------
Hernán, M. A., Sauer, B. C., Hernández-Díaz, S., Platt, R., & Shrier, I. (2016), Specifying a target trial prevents
    immortal time bias and other self-inflicted injuries in observational analyses, Journal of Clinical Epidemiology
    79, 70-75.
Lewis, M. (2004), The influence of loyalty programs and short-term promotions on customer retention, Journal of
    Marketing Research 41, 281-292.
Robins, J. M., Hernán, M. A., & Brumback, B. (2000), Marginal structural models and causal inference in
    epidemiology, Epidemiology 11, 550-560.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas, wrap
from crmlib.intervals import FEWEST, require_level
from crmlib.rewards.joining import Joining
from crmlib.rewards.lapses import TRIAL_COLUMNS, lapse_trials

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.rewards.departures import Departures


@dataclass(frozen=True, eq=False)
class Defection:
    """Share of members who lapsed, against customers like them.

    Attributes
    ----------
    curves : pandas.DataFrame, one row a number of months since the trial's first day
        months, members, alike, others (shares that lapsed, 0-1: of members, of the others weighted to be alike, of the
        others as they are), difference (members - alike), standard_error, low, high (of difference; NaN with fewer
        than 30 members).
    overall : pandas.Series
        The last row of curves.
    trials, members : int
        Months compared, and members in them.
    controls : float
        Number of equally weighted others that the weighted ones are worth at the start.
    level : float
    """

    curves: pd.DataFrame
    overall: pd.Series
    trials: int
    members: int
    controls: float
    level: float


def defection(trials: Any, *, months: int = 12, level: float = 0.95) -> Defection:
    """Array: by how much joining changes the share of members who lapse within a time.

    The effect is on those who joined. It assumes that among customers of one month with like silence, pace and
    orders so far those who joined would have lapsed as the others did.

    Parameters
    ----------
    trials : any frame
        As `lapse_trials` gives it.
    months : int
        How long members are followed, at least 1.
    level : float
        Normal intervals; errors are clustered by customer, and carry those of the weights.

    Returns
    -------
    Defection

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        Nobody was followed so long, or no member has anybody alike.

    Notes
    -----
    The longer the time, the fewer are left who never joined, and the larger their weights: in simulated programmes
    95 % intervals held the truth in 94 to 96 % up to nine months, and in 91 % at twelve.
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    if isinstance(months, bool) or not hasattr(months, "__index__") or months < 1:
        raise ParameterError(f"months is {months!r}; give a whole number of months, 1 or more")
    table = to_pandas(wrap(trials, TRIAL_COLUMNS, table="trials").to_native())
    member = table["member"].to_numpy(dtype=bool)
    month = table["month"].rank(method="dense").to_numpy(dtype=np.int64) - 1
    both = np.minimum(np.bincount(month, member), np.bincount(month, ~member)) > 0
    if not both.any():
        raise DataError("in no month are there both who joined and who did not; take more customers or a longer time")
    alike = both[month]
    joining = Joining.of(table, member, month)
    chance = joining.chance
    follow_up = FollowUp.of(table, chance)
    odds = np.where(member, 1.0, chance / (1 - chance)) * alike
    arms = {"members": (member * odds, None), "alike": (~member * odds, joining), "others": (~member * alike, None)}
    found = {name: follow_up.lapsed(weight, months, drawn) for name, (weight, drawn) in arms.items()}
    parts = found["members"][1] - found["alike"][1]
    curves = pd.DataFrame({"months": np.arange(1, months + 1)} | {name: share for name, (share, _) in found.items()})
    curves["difference"] = curves["members"] - curves["alike"]
    few = (member & alike).sum() < FEWEST
    curves["standard_error"] = np.nan if few else np.sqrt((parts**2).sum(axis=0))
    half = norm.ppf(0.5 + level / 2) * curves["standard_error"]
    curves = curves.assign(low=curves["difference"] - half, high=curves["difference"] + half)
    worth = odds[~member].sum() ** 2 / (odds[~member] ** 2).sum()
    return Defection(curves, curves.iloc[-1].rename(None), int(both.sum()), int((member & alike).sum()), worth, level)


def true_defection(world: Departures, *, months: int = 12, multiple: float = 4.0, shortest: float = 30.0) -> float:
    """Array: by how much the share of a simulated programme's members who lapse differs from that without it.

    The same members from the same months on, with their orders as they were and as they would have been.

    Parameters
    ----------
    world : Departures
        As `simulated_departures` gives it.
    months, multiple, shortest
        As in `defection` and `lapse_trials`.
    """
    both = [
        lapse_trials(orders, world.memberships, as_of=world.as_of, multiple=multiple, shortest=shortest)
        for orders in (world.orders, world.unchanged)
    ]
    keys = [table.loc[table["member"], ["customer_id", "month"]] for table in both]
    shared = keys[0].merge(keys[1])
    tables = [table.merge(shared) for table in both]
    shares = [FollowUp.of(table).lapsed(np.ones(len(table)), months)[0][-1] for table in tables]
    return float(shares[0] - shares[1])


@dataclass(frozen=True, eq=False)
class FollowUp:
    """The trials' rows by customer and month (counted from the first), followed over calendar months."""

    customer: np.ndarray
    month: np.ndarray
    starts: np.ndarray
    days: np.ndarray
    lapsed_at_end: np.ndarray
    member: np.ndarray
    joins: np.ndarray
    log_stay: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame, joining: np.ndarray | float = 0.0) -> FollowUp:
        """Follow-up of trials, with each row's chance to have joined in the month before, given its past."""
        import pandas as pd

        first = table["month"].to_numpy().astype("datetime64[D]").astype(np.int64)
        end = (first + table["days"].to_numpy()).max()
        edges = pd.date_range(table["month"].min(), pd.Timestamp(0) + pd.Timedelta(days=int(end)), freq="MS")
        starts = edges.to_numpy().astype("datetime64[D]").astype(np.int64)  # the last one ends the last whole month
        month = np.searchsorted(starts, first)
        customer = table["customer_id"].astype("category").cat.codes.to_numpy().astype(np.int64)
        terms = np.zeros((customer.max() + 1, len(starts)))
        member = table["member"].to_numpy(dtype=bool)
        terms[customer, month] = np.where(member, 0.0, np.log1p(-np.broadcast_to(joining, len(table))))
        joins = table["joins"].to_numpy(dtype=float)
        return cls(
            customer,
            month,
            starts,
            table["days"].to_numpy(),
            table["lapsed"].to_numpy(dtype=bool),
            member,
            np.where(np.isnan(joins), np.inf, joins),
            terms.cumsum(axis=1),
        )

    def lapsed(self, weight: np.ndarray, months: int, joining: Joining | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Weighted shares lapsed after each month, and what each customer adds to their errors, (customers, months).

        With `joining` the weights are the odds by it, and those who stay stand for those who join.
        """
        shares, parts, left = np.empty(months), np.zeros((len(self.log_stay), months)), 1.0
        added, first = np.zeros(len(self.log_stay)), self.starts[self.month]
        pull = np.zeros(len(self.month))
        for age in range(months):
            at = np.minimum(self.month + age, len(self.starts) - 1)
            begin, end = (self.starts[np.minimum(at + k, len(self.starts) - 1)] - first for k in (0, 1))
            risk = (self.days > begin) & (self.joins > begin) & (self.month + age + 1 < len(self.starts)) & (weight > 0)
            if not risk.any():
                raise DataError(f"nobody was followed for {age + 1} months; take fewer months or a longer time")
            who, scale = self.customer[risk], weight[risk]
            if joining is not None:
                scale = scale * np.exp(self.log_stay[who, self.month[risk]] - self.log_stay[who, at[risk]])
            out = self.lapsed_at_end[risk] & (self.days[risk] <= end[risk])
            total = scale.sum()
            hazard = scale[out].sum() / total
            left *= 1 - hazard
            if left > 0:
                own = scale * (out - hazard) / (total * (1 - hazard))
                added += np.bincount(who, own, len(added))
                if joining is not None:
                    pull += self._pull(risk, at, own, joining.chance)
            shares[age], parts[:, age] = 1 - left, left * added
            if joining is not None:
                moved = joining.influence @ (pull @ joining.past)
                parts[:, age] += left * np.bincount(self.customer, moved, len(added))
        return shares, parts

    def _pull(self, risk: np.ndarray, at: np.ndarray, own: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """How a sum over those at risk moves with the regressors of each row, by way of the weights.

        d log w = x at the trial's start, and e x at each later month up to now in which the customer had not joined.
        """
        who, size = self.customer[risk], len(self.starts) + 1
        cells = np.concatenate([who * size + self.month[risk] + 1, who * size + at[risk] + 1])
        later = np.bincount(cells, np.concatenate([own, -own]), len(self.log_stay) * size)
        later = later.reshape(-1, size).cumsum(axis=1)[self.customer, self.month]
        pull = later * chance * ~self.member
        pull[risk] += own
        return np.asarray(pull)
