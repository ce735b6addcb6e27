"""What else than letting customers go: price, minimum order, cheaper channel, each with its break-even."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike

from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.intervals import FEWEST, bootstrap_interval, require_level
from crmlib.profitability.activities import activities
from crmlib.profitability.drivers import Count, Day, collected, in_order
from crmlib.profitability.margin import require_margins

if TYPE_CHECKING:
    import pandas as pd

SMALL_ORDERS = "small_orders"


@dataclass(frozen=True, slots=True)
class Lever:
    """What a measure would have brought in the period after its customers were chosen.

    Attributes
    ----------
    name : str
    customers : int
        Customers touched.
    gain, low, high : float
        Change of profit at the assumed share of leavers, with the bootstrap interval over customers, NaN with
        fewer than 30 touched.
    break_even, break_even_low, break_even_high : float
        Share of the touched (0-1, weighted by margin) that may leave before the lever loses; 0 where it gains
        nothing even if all stay, 1 where it gains even if all leave. NaN for letting go, which has no leavers but
        those it wants, and where nobody is touched.
    best_touched : int
        How many of the best customers are touched.
    best_at_risk : float
        Share of the best customers' margin (0-1) that may leave in consequence before the gain is undone, as in
        `poaching_break_even`; NaN where nobody is touched.
    leaving, level : float
        The assumed share of leavers, and the level of the intervals.
    """

    name: str
    customers: int
    gain: float
    low: float
    high: float
    break_even: float
    break_even_low: float
    break_even_high: float
    best_touched: int
    best_at_risk: float
    leaving: float
    level: float


def next_period(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Array: the second period's margins of the first period's customers, in the order of the first.

    Parameters
    ----------
    before, after : pandas.DataFrame
        As `customer_margin` gives them, one row a customer.

    Returns
    -------
    pandas.DataFrame, one row a customer of the first period
        The columns of `after`; 0 for who has no row in it.

    Raises
    ------
    MissingColumnsError, DataError
        No customer_id; a customer twice in a period.
    """
    for name, table in (("before", before), ("after", after)):
        if "customer_id" not in table.columns:
            raise MissingColumnsError(f"{name} lacks 'customer_id'; give what customer_margin returns")
        if table["customer_id"].duplicated().any():
            raise DataError(f"{name} holds a customer twice; give one row a customer")
    rows = before[["customer_id"]].merge(after, on="customer_id", how="left")
    there = rows["customer_id"].isin(after["customer_id"])
    numbers = [name for name in rows.columns if name != "customer_id"]
    return rows.assign(**{name: rows[name].where(there, 0.0) for name in numbers})


def small_orders(tables: Mapping[str, Any], *, minimum: float, since: Day = None, as_of: Day = None) -> Any:
    """Frame: orders below a minimum amount, by customer; returns (negative amounts) are none.

    Parameters
    ----------
    tables : mapping of str to any frame
        orders (customer_id, amount; ordered_at where a period is given).
    minimum : float
        Above 0, in the source's currency.
    since, as_of : date or ISO string, optional
        First and last day that count, both included. Default: all days.

    Returns
    -------
    frame of the same kind, one row a customer with an order
        customer_id, small_orders (how many), small_revenue (what they come to). Sorted by customer on eager frames.

    Raises
    ------
    ParameterError, MissingColumnsError
    """
    if not (np.isfinite(minimum) and minimum > 0):
        raise ParameterError(f"the minimum order is {minimum}; give an amount above 0")
    orders = nw.from_native(tables["orders"])
    if "amount" not in orders.collect_schema().names():
        raise MissingColumnsError("orders lacks 'amount'; add it to say which orders are small")
    small = (nw.col("amount") >= 0) & (nw.col("amount") < minimum)
    flagged = orders.with_columns(
        small_orders=nw.when(small).then(nw.lit(1.0)).otherwise(nw.lit(0.0)),
        small_revenue=nw.when(small).then(nw.col("amount")).otherwise(nw.lit(0.0)),
    )
    sums = {name: Count("orders", name) for name in (SMALL_ORDERS, "small_revenue")}
    return in_order(collected({"orders": flagged.to_native()}, sums, since=since, as_of=as_of)).to_native()


def avoidable_rate(costs: Any, driver: str) -> float:
    """Array: avoidable cost of one more unit of a driver, all its activities together; 0 where none charges it.

    Parameters
    ----------
    costs : any frame or sequence of Activity
        As `activities` takes them; those given as an amount save nothing by one unit less.
    driver : str
    """
    return float(sum(one.rate * one.avoidable for one in activities(costs) if one.driver == driver and one.rate))


def price_change(margin: pd.DataFrame, rise: float) -> np.ndarray:
    """Array: what a price higher by `rise` (0.05 = 5 %) adds to each customer who stays and buys as much.

    Refunds fall with it: it is the revenue that rises, so a customer with returns only loses.

    Raises
    ------
    ParameterError
        A fall of 100 % or more.
    """
    if not (np.isfinite(rise) and rise > -1):
        raise ParameterError(f"the price rises by {rise}; give a share such as 0.05, above -1")
    return rise * margin["revenue"].to_numpy(dtype=float)


def minimum_order_change(small: pd.DataFrame, *, minimum: float, cost_per_order: float) -> np.ndarray:
    """Array: what each customer saves the firm who places small orders together instead of apart.

    A customer who buys for S in k orders below the minimum m buys the same in max(1, ⌊S / m⌋) of at least m (S below
    m: a single one, let pass), and k less these orders cost nothing: the goods are the same, and their picking.

    Parameters
    ----------
    small : pandas.DataFrame
        small_orders, small_revenue of the period that judges, as `small_orders` gives them.
    minimum : float
        Above 0.
    cost_per_order : float
        Avoidable cost of an order, at least 0: see `avoidable_rate`.
    """
    if not (minimum > 0 and cost_per_order >= 0):
        raise ParameterError(f"minimum {minimum} and cost {cost_per_order}: give more than 0, and at least 0")
    orders, revenue = small[SMALL_ORDERS].to_numpy(dtype=float), small["small_revenue"].to_numpy(dtype=float)
    together = np.minimum(orders, np.maximum(1.0, np.floor(revenue / minimum)))
    return cost_per_order * (orders - np.where(orders > 0, together, 0.0))


def channel_change(margin: pd.DataFrame, saved: float, *, names: Sequence[str] | None = None) -> np.ndarray:
    """Array: what a cheaper channel saves: a share of each customer's avoidable cost of the named activities.

    Parameters
    ----------
    margin : pandas.DataFrame
        Of the period that judges.
    saved : float
        Share of that cost (0-1).
    names : sequence of str, optional
        Activities. Default: all, the column avoidable_cost.
    """
    if not 0 <= saved <= 1:
        raise ParameterError(f"the channel saves {saved}; give a share from 0 to 1")
    columns = ["avoidable_cost"] if names is None else [f"avoidable_{name}" for name in names]
    lacking = [name for name in columns if name not in margin.columns]
    if lacking:
        raise MissingColumnsError(f"margin lacks {', '.join(map(repr, lacking))}; give what customer_margin returns")
    return saved * margin[columns].sum(axis=1).to_numpy(dtype=float)


def lever(
    name: str,
    margin: ArrayLike,
    change: ArrayLike | None,
    *,
    touched: ArrayLike,
    best: ArrayLike,
    leaving: float = 0.0,
    level: float = 0.95,
    replicates: int = 1_000,
    rng: np.random.Generator,
) -> Lever:
    r"""Array: what a measure brings in the period after, and how many of the touched may leave for it.

    With contribution :math:`f_i` of the judging period, the change :math:`\Delta_i` of whoever stays, the
    touched T and the share x of them (by margin) that leaves,

    .. math:: G(x) = (1 - x) \sum_T \Delta_i - x \sum_T f_i, \qquad
        x^* = \sum_T \Delta_i \Big/ \sum_T (f_i + \Delta_i),

    the break-even sales loss of pricing. Where the touched bring a loss even so, all may leave: x* is 1, and
    letting them go is the better lever. Without a change the measure is letting go: G is minus their contribution.

    Parameters
    ----------
    name : str
    margin : array-like, shape (n,)
        Contribution of the period that judges.
    change : array-like, shape (n,), or None
        What it adds for a customer who stays; None for letting go.
    touched, best : array-like of bool, shape (n,)
        Chosen on the period before.
    leaving : float
        Assumed share (0-1) of the touched that leaves.
    level, replicates
        Level of the intervals; number of bootstrap replicates.
    rng : numpy.random.Generator

    Returns
    -------
    Lever
        Nobody touched, or nobody there: a gain of 0 without interval, break-evens NaN.

    Raises
    ------
    DataError, ParameterError

    References
    ----------
    Nagle, T. T., & Müller, G. (2018), The strategy and tactics of pricing, 6th ed., chapter on financial analysis.

    Examples
    --------
    A price rise of 5 % at a margin of 40 %: 5 / 45 of the customers may leave.

    >>> everybody = [True]
    >>> found = lever("price", [40], [5], touched=everybody, best=everybody, rng=np.random.default_rng(1))
    >>> round(found.gain, 2), round(found.break_even, 4)
    (5.0, 0.1111)
    """
    require_level(level)
    if not 0 <= leaving <= 1:
        raise ParameterError(f"a share of {leaving} leaves; give 0 to 1")
    values, who, top = np.asarray(margin, float), np.asarray(touched, bool), np.asarray(best, bool)
    added = np.zeros(values.shape) if change is None else np.asarray(change, dtype=float)
    if values.ndim != 1 or not values.shape == who.shape == top.shape == added.shape:
        raise DataError("margin, change, touched and best must be columns of one length")
    require_margins(values)
    require_margins(added)
    gone = 1.0 if change is None else leaving
    sums = np.stack([np.where(who, added, 0.0), np.where(who, values, 0.0), np.where(top, values, 0.0)])

    def statistics(weights: np.ndarray) -> np.ndarray:
        adds, brings, stake = sums @ weights
        gain = (1 - gone) * adds - gone * brings
        return np.stack([gain, _share(adds, brings + adds), _share(gain, stake)])

    gain, even, risk = statistics(np.ones((len(values), 1)))[:, 0]
    ends = np.full((2, 3), np.nan)
    if who.sum() >= FEWEST:
        ends = np.stack(bootstrap_interval(statistics, len(values), level=level, replicates=replicates, rng=rng))
    if change is None or not who.any():
        even, ends[:, 1] = np.nan, np.nan
    return Lever(
        name=name,
        customers=int(who.sum()),
        gain=float(gain) + 0.0,
        low=float(ends[0, 0]),
        high=float(ends[1, 0]),
        break_even=float(even),
        break_even_low=float(ends[0, 1]),
        break_even_high=float(ends[1, 1]),
        best_touched=int((who & top).sum()),
        best_at_risk=float(risk) if who.any() else np.nan,
        leaving=gone,
        level=level,
    )


def decision_table(levers: Sequence[Lever]) -> pd.DataFrame:
    """Array: the levers side by side, in the order given.

    Returns
    -------
    pandas.DataFrame, one row a lever
        Indexed by lever: customers, gain, low, high (money), break_even, break_even_low, break_even_high (share of the
        touched that may leave), best_touched (customers), best_at_risk (share of the best customers' margin that may
        leave in consequence).
    """
    import pandas as pd

    names = ["customers", "gain", "low", "high", "break_even", "break_even_low", "break_even_high"]
    names += ["best_touched", "best_at_risk"]
    rows = [[getattr(one, name) for name in names] for one in levers]
    return pd.DataFrame(rows, columns=names, index=pd.Index([one.name for one in levers], name="lever"))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part / whole within 0-1: nothing to gain 0, nothing at stake 1."""
    ratio = np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 1.0)
    return np.where(part > 0, np.clip(ratio, 0, 1), 0.0)
