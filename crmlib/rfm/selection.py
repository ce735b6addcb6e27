"""Does a score tell who will buy? What the customers it ranks first bring in afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import bootstrap_interval, holm, require_level

if TYPE_CHECKING:
    import pandas as pd


def captured_share(score: ArrayLike, outcome: ArrayLike, *, depth: float = 0.2) -> float:
    """Array: share of all later outcome that comes from the part of customers with the highest score.

    Customers of equal score who fall across the cut count in part, as if one drew among them by lot:
    a coarse score gains nothing by the order of its rows.

    Parameters
    ----------
    score : array-like, shape (n,)
        Higher is better; made of what was known before.
    outcome : array-like, shape (n,)
        What came after, such as revenue, at least 0 in sum.
    depth : float
        Part of the customers that is selected, between 0 and 1. A score that says nothing captures as much.

    Returns
    -------
    float; NaN where the outcomes add up to nothing

    Examples
    --------
    >>> captured_share([3, 2, 1, 1], [6, 2, 2, 0], depth=0.25)
    0.6
    """
    ranks, y = _ranked(score, outcome)
    return float(_captured(ranks, y, depth)(np.ones((len(y), 1)))[0])


def rule_comparison(
    scores: Mapping[str, ArrayLike],
    outcome: ArrayLike,
    *,
    depth: float = 0.2,
    level: float = 0.95,
    replicates: int | None = None,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: `captured_share` of several rules for the same customers, and their distance to the first.

    Bootstrap over customers, the same draw for all rules, so that differences are paired. Whether a rule
    can be told from the first is decided with Holm's correction over all the rules.

    Parameters
    ----------
    scores : mapping of rule to score
        The first is what the others are compared with.
    outcome, depth
        As in `captured_share`.
    level, replicates
        Level of the intervals, 1 − level the family-wise error of `distinct`; number of resamples, by default 500, or
        as many more as Holm's correction needs to call anything distinct: B resamples give a p of 2/(B + 1) at least,
        times the m rules compared, so B + 1 ≥ 2m/(1 − level).
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a rule
        rule, captured, low, high, difference (to the first rule's), difference_low, difference_high (pointwise),
        p_holm, distinct; of the first rule the last five are 0, 0, 0, 1, False.

    Raises
    ------
    DataError
        Nothing came after, or lengths differ.
    """
    import pandas as pd

    require_level(level)
    if not scores:
        raise ParameterError("no rules are given; name at least one score")
    if replicates is None:
        replicates = max(500, math.ceil(2 * (len(scores) - 1) / (1 - level)))
    ranked = [_ranked(score, outcome) for score in scores.values()]
    y = ranked[0][1]
    if not y.sum() > 0:
        raise DataError("the outcomes add up to nothing, so no share can be captured; take a longer period")
    rules = [_captured(ranks, y, depth) for ranks, _ in ranked]
    draws: list[np.ndarray] = []

    def both(weights: np.ndarray) -> np.ndarray:
        own = np.array([rule(weights) for rule in rules])
        draws.append(own - own[0])
        return np.concatenate([own, own - own[0]])

    low, high = bootstrap_interval(both, len(y), level=level, replicates=replicates, rng=rng)
    apart, k = np.concatenate(draws, axis=1), len(rules)
    side = np.minimum((apart <= 0).sum(axis=1), (apart >= 0).sum(axis=1))
    p_values = np.minimum(2 * (side + 1) / (apart.shape[1] + 1), 1.0)
    p_holm = np.concatenate([[1.0], holm(p_values[1:])])
    value = np.array([rule(np.ones((len(y), 1)))[0] for rule in rules])
    ends = {"difference_low": low[k:], "difference_high": high[k:]}
    table = {"rule": list(scores), "captured": value, "low": low[:k], "high": high[:k], "difference": value - value[0]}
    return pd.DataFrame({**table, **ends, "p_holm": p_holm, "distinct": p_holm <= 1 - level})


def simple_rules(scores: pd.DataFrame) -> dict[str, np.ndarray]:
    """Array: rules that need no model, by name: past spend first, the three scores, and their sum.

    Parameters
    ----------
    scores : pandas.DataFrame
        As `rfm_scores` gives it.
    """
    columns = {
        "past spend": "amount",
        "recency score": "recency_score",
        "frequency score": "frequency_score",
        "monetary score": "monetary_score",
        "RFM score": "rfm_score",
    }
    return {rule: scores[column].to_numpy(dtype=float) for rule, column in columns.items()}


def gains_curve(score: ArrayLike, outcome: ArrayLike) -> pd.DataFrame:
    """Array: share of the outcome captured at each depth, customers of equal score taken together.

    Returns
    -------
    pandas.DataFrame, one row a distinct score, the highest first, after a row of zeros
        depth (share of customers), captured (share of outcome).
    """
    import pandas as pd

    ranks, y = _ranked(score, outcome)
    size, sums = np.bincount(ranks), np.bincount(ranks, weights=y)
    total = sums.sum() if sums.sum() > 0 else np.nan
    shares = {"depth": np.cumsum(size) / len(y), "captured": np.cumsum(sums) / total}
    return pd.concat([pd.DataFrame({"depth": [0.0], "captured": [0.0]}), pd.DataFrame(shares)], ignore_index=True)


def lift_table(
    score: ArrayLike,
    outcome: ArrayLike,
    *,
    groups: int = 10,
    level: float = 0.95,
    replicates: int = 500,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: later outcome by group of score, against the mean of all.

    Parameters
    ----------
    score, outcome
        As in `captured_share`.
    groups : int
        Groups of equal size; customers of equal score share one, so that with a coarse score some are larger and
        some are missing.
    level, replicates, rng
        Of the bootstrap over customers.

    Returns
    -------
    pandas.DataFrame, one row a group that has customers
        group (1 the highest scores), customers, mean (outcome a customer), lift (mean / mean of all), low, high (of the
        lift; NaN with fewer than 30 customers).
    """
    import pandas as pd

    from crmlib.intervals import FEWEST

    if isinstance(groups, bool) or not isinstance(groups, (int, np.integer)) or groups < 2:
        raise ParameterError(f"groups is {groups!r}; give a whole number of 2 or more")
    ranks, y = _ranked(score, outcome)
    size = np.bincount(ranks)
    middle = np.cumsum(size) - size / 2
    group = np.ceil(groups * middle / len(y)).astype(int)[ranks]
    numbers, at = np.unique(group, return_inverse=True)
    if not y.sum() > 0:
        raise DataError("the outcomes add up to nothing, so there is no mean to compare with; take a longer period")
    member = np.equal.outer(np.arange(len(numbers)), at).astype(float)

    def lifts(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):  # a group may be missing from a replicate
            mean = (member @ (weights * y[:, None])) / (member @ weights)
            return mean / ((y @ weights) / weights.sum(axis=0))

    low, high = bootstrap_interval(lifts, len(y), level=level, replicates=replicates, rng=rng)
    customers = member.sum(axis=1).astype(int)
    low[customers < FEWEST], high[customers < FEWEST] = np.nan, np.nan
    table = {"group": numbers, "customers": customers, "mean": member @ y / customers}
    return pd.DataFrame({**table, "lift": lifts(np.ones((len(y), 1)))[:, 0], "low": low, "high": high})


def _ranked(score: ArrayLike, outcome: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Rank of each customer's score, 0 the highest, equal ones alike; and the outcomes.

    Raises
    ------
    DataError
    """
    scores, y = numbers(score, "score"), numbers(outcome, "outcome")
    if scores.ndim != 1 or scores.shape != y.shape or not len(y):
        raise DataError(f"{scores.shape} scores for {y.shape} outcomes; give one of each a customer, at least one")
    if not (np.all(np.isfinite(scores)) and np.all(np.isfinite(y))):
        raise DataError("scores and outcomes must be finite; leave out customers without a score, set no order to 0")
    return np.unique(-scores, return_inverse=True)[1].ravel(), y


def _captured(ranks: np.ndarray, y: np.ndarray, depth: float) -> Callable[[np.ndarray], np.ndarray]:
    """Captured share as a function of weights (n, b), for `bootstrap_interval`."""
    if not 0 < depth < 1:
        raise ParameterError(f"depth is {depth}; give the part of customers to select, between 0 and 1, such as 0.2")
    groups = _grouping(ranks)
    sums_of = groups.multiply(y[None]).tocsr()

    def share(weights: np.ndarray) -> np.ndarray:
        size, sums = (groups @ weights).cumsum(axis=0), (sums_of @ weights).cumsum(axis=0)
        cut, total = depth * size[-1], sums[-1]
        last = (size < cut).sum(axis=0)  # the group in which the cut falls
        each = np.arange(weights.shape[1])
        before = np.where(last > 0, size[last - 1, each], 0.0), np.where(last > 0, sums[last - 1, each], 0.0)
        part = (cut - before[0]) / (size[last, each] - before[0])
        with np.errstate(invalid="ignore", divide="ignore"):
            return (before[1] + part * (sums[last, each] - before[1])) / np.where(total > 0, total, np.nan)

    return share


def _grouping(ranks: np.ndarray) -> Any:
    """Sparse matrix that adds customers up by rank, shape (ranks, n)."""
    from scipy import sparse

    n = len(ranks)
    return sparse.csr_array((np.ones(n), (ranks, np.arange(n))), shape=(int(ranks.max()) + 1, n))
