r"""What a segment is worth in the long run, as a Markov chain of migration.

With P the matrix of transition shares, r what a customer of each segment brings in until the next date
and d the discount a period, a customer of each segment is worth :math:`V = \sum_{t \ge 0} (P/(1+d))^t r = (I -
P/(1+d))^{-1} r`. The chain assumes that the segment tells all: that those who came to it on different ways
move on alike, and always will.

References
----------
Pfeifer, P. E., & Carraway, R. L. (2000), Modeling customer relationships as Markov chains, Journal of
    Interactive Marketing 14(2), 43-55.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval
from crmlib.rfm.migration import states_of

if TYPE_CHECKING:
    import pandas as pd


def chain_value(
    transitions: ArrayLike, rewards: ArrayLike, *, discount: float, periods: int | None = None
) -> np.ndarray:
    r"""Array: discounted value of a customer in each state of a Markov chain.

    Parameters
    ----------
    transitions : array, shape (k, k)
        Shares from row to column; each row adds up to 1 (or less: the rest is gone for good).
    rewards : array, shape (k,)
        What a customer in the state brings in, in the present period.
    discount : float
        A period, at least 0: 0.05 makes the next period's money worth 1 / 1.05.
    periods : int, optional
        How many, the present one counted. Default: for ever, which needs a discount above 0 or states that end.

    Returns
    -------
    array, shape (k,)

    Raises
    ------
    ParameterError
        No such matrix, or a sum without end.

    Examples
    --------
    >>> chain_value([[0.5, 0.5], [0, 1]], [10, 0], discount=0.25).round(4)
    array([16.6667,  0.    ])
    """
    p, r = np.asarray(transitions, dtype=float), np.asarray(rewards, dtype=float)
    if p.ndim != 2 or p.shape[0] != p.shape[1] or r.shape != (len(p),):
        raise ParameterError(f"transitions have shape {p.shape}, rewards {r.shape}; give (k, k) and (k,)")
    if not (np.all(np.isfinite(r)) and np.all(p >= 0) and np.all(p.sum(axis=1) <= 1 + 1e-9)):
        raise ParameterError(
            "each row of transitions must hold shares from 0 that add up to at most 1, rewards numbers"
        )
    if not (np.isfinite(discount) and discount >= 0):
        raise ParameterError(f"discount is {discount}; give a rate a period of at least 0, such as 0.03")
    step = p / (1 + discount)
    if periods is not None:
        if periods < 1:
            raise ParameterError(f"periods is {periods}; give at least 1")
        value = np.zeros_like(r)
        for _ in range(periods):
            value = r + step @ value
        return value
    if np.abs(np.linalg.eigvals(step)).max(initial=0) > 1 - 1e-9:
        raise ParameterError("without discount or end the value is infinite; give a discount above 0 or periods")
    return np.asarray(np.linalg.solve(np.eye(len(p)) - step, r))


def segment_value(
    moves: pd.DataFrame,
    *,
    discount: float,
    periods: int | None = None,
    states: Sequence[str] | None = None,
    level: float = 0.95,
    replicates: int = 500,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: what a customer of each segment is worth by the chain, with interval.

    Parameters
    ----------
    moves : pandas.DataFrame
        As `segment_moves` gives them.
    discount, periods
        As in `chain_value`, in periods of the moves' dates.
    states, level
        As in `migration_matrix`.
    replicates : int
        Bootstrap over customers, all moves of one together.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a segment that somebody was in
        segment, customers (moves from it), next_amount (revenue until the next date, a customer), value (discounted
        sum), low, high (NaN with fewer than 30 customers).

    Raises
    ------
    DataError
        A segment that customers come to but that nobody was followed from.
    """
    import pandas as pd

    names = states_of(moves, states)
    from_ = moves["before"].map({name: i for i, name in enumerate(names)}).to_numpy()
    to = moves["after"].map({name: i for i, name in enumerate(names)}).to_numpy()
    dead = sorted({names[i] for i in np.setdiff1d(to, from_)})
    if dead:
        names_of = ", ".join(dead)
        raise DataError(
            f"customers come to {names_of}, but none was followed from there; take more data, or dates closer together"
        )
    who, k = pd.factorize(moves["customer_id"])[0], len(names)
    n = int(who.max()) + 1
    cells = _counts(who, from_ * k + to, n, k * k)
    spent = _counts(who, from_, n, k, moves["amount"].to_numpy(dtype=float))

    whole = np.ones((n, 1))
    size = np.bincount(from_, minlength=k)
    own_shares = (cells.T @ whole).reshape(k, k) / size[:, None]
    own_reward = (spent.T @ whole)[:, 0] / size

    def values(weights: np.ndarray) -> np.ndarray:
        counts = (cells.T @ weights).T.reshape(-1, k, k)
        drawn = counts.sum(axis=2)
        some = drawn > 0  # a replicate may miss a rare segment, which then moves as in the data
        shares = np.where(some[:, :, None], counts / np.where(some, drawn, 1)[:, :, None], own_shares)
        reward = np.where(some, (spent.T @ weights).T / np.where(some, drawn, 1), own_reward)
        each = zip(shares, reward, strict=True)
        return np.array([chain_value(p, r, discount=discount, periods=periods) for p, r in each]).T

    people = moves.groupby("before")["customer_id"].nunique().reindex(names).to_numpy()
    low, high = bootstrap_interval(values, n, level=level, replicates=replicates, rng=rng)
    few = people < FEWEST
    low[few], high[few] = np.nan, np.nan
    table = {"segment": names, "customers": size, "next_amount": own_reward}
    return pd.DataFrame({**table, "value": values(whole)[:, 0], "low": low, "high": high})


def expected_standing(moves: pd.DataFrame, start: pd.Series, *, periods: int, states: Sequence[str]) -> pd.DataFrame:
    """Array: how many customers the chain expects in each segment, and the revenue until then.

    Parameters
    ----------
    moves : pandas.DataFrame
        That the chain is learnt from.
    start : pandas.Series
        Customers by segment at the begin.
    periods : int
        How far to look, at least 1.
    states : sequence of str

    Returns
    -------
    pandas.DataFrame, one row a period
        period (1, 2, …), amount (revenue in it), and a column a segment: customers expected in it at the period's end.
    """
    import pandas as pd

    names = states_of(moves, states)
    counts = pd.crosstab(moves["before"], moves["after"]).reindex(index=names, columns=names, fill_value=0)
    size = counts.sum(axis=1)
    unknown = sorted(set(start.index[start > 0]) - set(size.index[size > 0]))
    if unknown:
        raise DataError(f"nobody was followed from {', '.join(unknown)}; take more data, or dates closer together")
    shares = counts.div(size.where(size > 0), axis=0).fillna(0.0).to_numpy()
    reward = moves.groupby("before")["amount"].mean().reindex(names, fill_value=0.0).to_numpy()
    at = start.reindex(names, fill_value=0).to_numpy(dtype=float)
    rows = []
    for period in range(1, periods + 1):
        amount, at = at @ reward, at @ shares
        rows.append({"period": period, "amount": amount, **dict(zip(names, at, strict=True))})
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class ChainForecast:
    """What a chain foretold of customers known at its end, against what came.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a segment: foretold, came (customers in it at the end).
    foretold, came : float
        Revenue over the whole time.
    """

    table: pd.DataFrame
    foretold: float
    came: float


def chain_forecast(moves: pd.DataFrame, later: pd.DataFrame, *, states: Sequence[str]) -> ChainForecast:
    """Array: the chain learnt from `moves` against the moves that followed.

    Parameters
    ----------
    moves, later : pandas.DataFrame
        As `segment_moves` gives them, with the same cuts and distance of dates; `later` begins where `moves` ends.
        Customers who come new during `later` are left out.
    states : sequence of str
        Order of the segments.
    """
    import pandas as pd

    dates = sorted(later["date"].unique())
    now = later[later["date"] == dates[0]]
    known = later[later["customer_id"].isin(now["customer_id"])]
    told = expected_standing(moves, now["before"].value_counts(), periods=len(dates), states=states)
    came = known.loc[known["date"] == dates[-1], "after"].value_counts()
    table = pd.DataFrame({"foretold": told.iloc[-1].drop(["period", "amount"]), "came": came}).fillna(0.0)
    table = table.reindex([name for name in states if name in table.index]).astype(float)
    return ChainForecast(table, float(told["amount"].sum()), float(known["amount"].sum()))


def _counts(row: np.ndarray, column: np.ndarray, rows: int, columns: int, values: np.ndarray | None = None) -> Any:
    from scipy import sparse

    each = np.ones(len(row)) if values is None else values
    return sparse.csr_array((each, (row, column)), shape=(rows, columns))
