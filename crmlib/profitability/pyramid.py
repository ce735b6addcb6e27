"""The customer pyramid, and value beside needs: differentiate customers, then what they are offered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import DataError, ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level
from crmlib.profitability.margin import require_margins

if TYPE_CHECKING:
    import pandas as pd

#: Shares of customers from the top of the pyramid to its base (Curry & Curry 2000).
TIERS: Mapping[str, float] = {"top": 0.01, "large": 0.04, "medium": 0.15, "small": 0.80}
#: Need of a customer in whom nothing stands out.
NONE = "nothing in particular"


def pyramid_tiers(rank_by: ArrayLike, *, tiers: Mapping[str, float] = TIERS) -> np.ndarray:
    """Array: each customer's tier, the highest values first.

    A tier ends at the ⌈share · n⌉-th customer; at a tie the earlier rows stand higher.

    Parameters
    ----------
    rank_by : array-like, shape (n,)
    tiers : mapping of str to float
        Share of customers (above 0) by tier, from the top; they add up to 1.

    Raises
    ------
    ParameterError
        Shares that are not above 0 or do not add up to 1.
    """
    sizes = np.array(list(tiers.values()), dtype=float)
    if not len(sizes) or not (sizes > 0).all() or abs(sizes.sum() - 1) > 1e-9:
        raise ParameterError(f"the tiers' shares are {dict(tiers)}; give shares above 0 that add up to 1")
    by = numbers(rank_by, "rank_by")
    require_margins(by)
    ends = np.ceil(np.cumsum(sizes) * len(by) - 1e-9)
    rank = np.empty(len(by))
    rank[np.argsort(-by, kind="stable")] = np.arange(len(by))
    return np.array(list(tiers), dtype=object)[np.searchsorted(ends[:-1], rank, side="right")]


def customer_pyramid(
    margin: ArrayLike,
    *,
    rank_by: ArrayLike | None = None,
    tiers: Mapping[str, float] = TIERS,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: what each tier of the customer pyramid contributes, the top first.

    Ranked and judged on one period the top looks better than it is; ranked by the period before it says what the
    tier is worth to whoever has to choose.

    Parameters
    ----------
    margin : array-like, shape (n,)
        Contribution of the period that judges.
    rank_by : array-like, shape (n,), optional
        What the tiers are formed by. Default: `margin`.
    tiers
        As in `pyramid_tiers`.
    level, replicates
        Level of the intervals, bootstrap over customers whose tiers stay as they are; number of replicates.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a tier that has customers
        Indexed by tier: customers, customer_share (0-1), margin (joint, money), each (mean), margin_share (of the
        total), low, high (of margin_share). Shares of a total that is not above 0 are NaN, and so is the interval in a
        tier of fewer than 30.

    Raises
    ------
    DataError, ParameterError

    References
    ----------
    Curry, J., & Curry, A. (2000), The customer marketing method, Free Press.
    Zeithaml, V. A., Rust, R. T., & Lemon, K. N. (2001), The customer pyramid: creating and serving profitable
        customers, California Management Review 43(4), 118-142.
    """
    import pandas as pd

    require_level(level)
    values = numbers(margin, "margin")
    by = values if rank_by is None else numbers(rank_by, "rank_by")
    if values.ndim != 1 or values.shape != by.shape:
        raise DataError(f"margin and rank_by must be columns of one length, not {values.shape} and {by.shape}")
    require_margins(values)
    tier = pyramid_tiers(by, tiers=tiers)
    names = [name for name in tiers if (tier == name).any()]
    member = np.stack([tier == name for name in names]) if names else np.zeros((0, len(values)), dtype=bool)
    parts = np.where(member, values, 0.0)

    def shares(weights: np.ndarray) -> np.ndarray:
        total = values @ weights
        return np.where(total > 0, (parts @ weights) / np.where(total > 0, total, 1.0), np.nan)

    sizes, sums = member.sum(axis=1), parts.sum(axis=1)
    ends = np.full((2, len(names)), np.nan)
    if len(values) >= FEWEST and values.sum() > 0:
        ends = np.stack(bootstrap_interval(shares, len(values), level=level, replicates=replicates, rng=rng))
    ends[:, sizes < FEWEST] = np.nan
    table = {
        "customers": sizes,
        "customer_share": sizes / max(len(values), 1),
        "margin": sums,
        "each": sums / np.maximum(sizes, 1),
        "margin_share": shares(np.ones((len(values), 1)))[:, 0],
        "low": ends[0],
        "high": ends[1],
    }
    return pd.DataFrame(table, index=pd.Index(names, name="tier"))


def standout_need(features: pd.DataFrame, *, at_least: float = 0.5) -> np.ndarray:
    """Array: what each customer stands out by: the feature in which their rank among all is highest.

    Ranks make features of different units comparable. Differences in value are not needs: take features that do not
    grow with the amount spent, such as the size of an order or the margin rate.

    Parameters
    ----------
    features : pandas.DataFrame, one row a customer
        A column a need, higher where it is stronger; missing values never stand out.
    at_least : float
        The rank share (0-1) that a feature must reach to count.

    Returns
    -------
    array of str, shape (n,)
        Name of a column, at a tie the earlier one; "nothing in particular" where none reaches `at_least`.

    Raises
    ------
    ParameterError
        No feature, or `at_least` outside 0-1.
    """
    if not len(features.columns) or not 0 <= at_least <= 1:
        raise ParameterError("give at least one feature, and at_least from 0 to 1")
    n = max(len(features), 1)
    ranks = ((features.rank(method="average") - 0.5) / n).fillna(-1.0).to_numpy()
    names = np.array(list(features.columns), dtype=object)
    found = names[ranks.argmax(axis=1)] if len(features) else np.empty(0, dtype=object)
    return np.where(ranks.max(axis=1, initial=-1.0) >= at_least, found, NONE)


def behavioural_needs(margin: pd.DataFrame) -> pd.DataFrame:
    """Array: what customers' behaviour says they look for, as features for `standout_need`.

    Parameters
    ----------
    margin : pandas.DataFrame
        As `customer_margin` gives it.

    Returns
    -------
    pandas.DataFrame, one row a customer; missing for who has no revenue
        `low prices` (goods and discounts, a part of the list price), `small purchases` (minus revenue an order); where
        the margins count these drivers, `one big trip` (lines an order) and `help` (returns and calls for service
        an order).
    """
    import pandas as pd

    usual = margin["revenue"].where(margin["revenue"] > 0)
    orders = margin["orders"].where(margin["orders"] > 0)
    table = {
        "low prices": (margin["goods_cost"] + margin["discounts"]) / (usual + margin["discounts"]),
        "small purchases": -usual / orders,
    }
    if "quantity_lines" in margin:
        table["one big trip"] = margin["quantity_lines"] / orders
    helped = [name for name in ("quantity_returns", "quantity_service_calls") if name in margin]
    if helped:
        calls = margin[helped].sum(axis=1)
        table["help"] = calls.where(calls > 0) / orders
    return pd.DataFrame(table).where(usual.notna())


def value_needs_matrix(
    margin: ArrayLike,
    *,
    value: ArrayLike,
    need: ArrayLike,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: customers and their mean margin by value and by need.

    Value says how much to do for a customer, need what to do: first differentiate customers, then offerings.

    Parameters
    ----------
    margin : array-like, shape (n,)
        Contribution of the period that judges.
    value, need : array-like, shape (n,)
        Tier and need of each customer, known beforehand.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a value and need that occur together, in the order of their names
        value, need, customers, share (of those of this value, 0-1), each (mean margin, money), low, high (of each; NaN
        with fewer than 30 customers).

    Raises
    ------
    DataError

    References
    ----------
    Peppers, D., & Rogers, M. (1993), The one to one future, Doubleday; customers are differentiated by value and needs.
    """
    import pandas as pd

    require_level(level)
    values, tiers, needs = numbers(margin, "margin"), np.asarray(value), np.asarray(need)
    if values.ndim != 1 or not values.shape == tiers.shape == needs.shape:
        raise DataError("margin, value and need must be columns of one length")
    require_margins(values)
    table = pd.DataFrame({"value": tiers, "need": needs, "margin": values})
    rows = []
    for (tier, want), cell in table.groupby(["value", "need"])["margin"]:
        low = high = np.array([np.nan])
        if len(cell) >= FEWEST:
            mean = partial(_mean, cell.to_numpy())
            low, high = bootstrap_interval(mean, len(cell), level=level, replicates=replicates, rng=rng)
        share = len(cell) / int((tiers == tier).sum())
        rows.append((tier, want, len(cell), share, cell.mean(), float(low[0]), float(high[0])))
    return pd.DataFrame(rows, columns=["value", "need", "customers", "share", "each", "low", "high"])


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return values[None, :] @ weights / len(values)
