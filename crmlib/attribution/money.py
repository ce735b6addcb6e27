"""What channels cost, and what a customer costs by the credit that a rule gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.attribution.paths import UNKNOWN
from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas, wrap

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.attribution.sample import CreditSample

#: Verdicts on a channel: its cost per customer lies below, above, or on both sides of what one is worth.
EARNS, LOSES, UNCLEAR, FREE = "earns", "loses", "unclear", "no cost"


def has_costs(touches: Any) -> bool:
    """Whether touches say what they cost."""
    return "cost" in nw.from_native(touches).collect_schema().names()


def channel_costs(touches: Any) -> pd.DataFrame:
    """Array: touches and their cost by channel.

    Parameters
    ----------
    touches : any frame
        channel, cost (money, of one touch).

    Returns
    -------
    pandas.DataFrame, one row a channel, sorted by it
        channel, touches (count), cost (sum).

    Raises
    ------
    MissingColumnsError
    DataError
        A cost that is missing, negative or not finite.
    """
    view = wrap(touches, ("channel", "cost"), table="touches")
    name = nw.col("channel").cast(nw.String)
    known = ~name.is_null() & (name.str.strip_chars() != "")
    named = nw.when(known).then(name).otherwise(nw.lit(UNKNOWN)).alias("channel")
    cost = nw.col("cost").cast(nw.Float64)
    faulty = (cost.is_null() | ~cost.is_finite() | (cost < 0)).cast(nw.Int64)
    sums = view.select(named, cost.alias("cost"), faulty.alias("wrong")).group_by("channel")
    table = to_pandas(
        sums.agg(nw.len().alias("touches"), nw.col("cost").sum(), nw.col("wrong").sum()).to_native(),
        sort_by=["channel"],
    )
    if table["wrong"].sum():
        raise DataError(
            f"touches: cost is missing, negative or not finite in {table['wrong'].sum()} rows; correct them"
        )
    return table[["channel", "touches", "cost"]].astype({"channel": "str", "touches": "int64"})


def acquisition_costs(sample: CreditSample, costs: pd.DataFrame, *, worth: float, level: float = 0.95) -> pd.DataFrame:
    """Array: what a customer costs by channel, as one rule credits them, and whether the channel earns its budget.

    The cost is taken as it is; the interval is that of the credit, turned round. A channel *earns* its
    budget when the whole interval of its cost per customer lies below what a customer is worth, and
    *loses* when it lies above.

    Parameters
    ----------
    sample : CreditSample
        Of conversions.
    costs : pandas.DataFrame
        channel, cost.
    worth : float
        What a newly won customer is worth to the firm (margin, in the currency of the costs), above 0.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a channel, the dearest customer first, free channels last
        channel, cost, customers (credited), cost_per_customer (infinite without customers), low, high
        (missing where too few journeys converted), verdict ("earns", "loses", "unclear", "no cost").

    Raises
    ------
    ParameterError, MissingColumnsError
    """
    if sample.measure != "conversions":
        raise ParameterError(f"the sample credits {sample.measure}; draw one of conversions")
    table = sample.intervals(level=level)
    table["cost"] = _cost_of(table["channel"], costs)
    return priced(table, "credit", worth=worth)


def priced(table: pd.DataFrame, customers: str, *, worth: float) -> pd.DataFrame:
    """Array: cost per customer with interval and verdict, from customers with theirs (low, high)."""
    import pandas as pd

    if not (np.isfinite(worth) and worth > 0):
        raise ParameterError(f"worth is {worth}; give what a customer is worth, above 0")
    cost = table["cost"].to_numpy(dtype=float)
    found = pd.DataFrame({"channel": table["channel"], "cost": cost, "customers": table[customers]})
    found["cost_per_customer"] = price(cost, table[customers].to_numpy(dtype=float))
    found["low"], found["high"] = (price(cost, table[end].to_numpy(dtype=float)) for end in ("high", "low"))
    found["verdict"] = np.select(
        [cost == 0, found["high"] < worth, found["low"] > worth], [FREE, EARNS, LOSES], default=UNCLEAR
    )
    order = pd.DataFrame({"free": cost == 0, "dear": -found["cost_per_customer"], "name": found["channel"]})
    return found.loc[order.sort_values(["free", "dear", "name"]).index].reset_index(drop=True)


def costs_by_rule(credits: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Array: cost per customer by channel and rule, without intervals.

    Parameters
    ----------
    credits : pandas.DataFrame
        rule, channel, conversions, as `credits_by_rule` gives them.
    costs : pandas.DataFrame
        channel, cost.

    Returns
    -------
    pandas.DataFrame
        Rows are channels that cost something, columns rules in their order; infinite where a rule gives none.
    """
    import pandas as pd

    wide = credits.pivot(index="channel", columns="rule", values="conversions")[credits["rule"].unique()]
    cost = pd.Series(_cost_of(pd.Series(wide.index), costs), index=wide.index)
    ratio = {rule: price(cost.to_numpy(), wide[rule].to_numpy(dtype=float)) for rule in wide.columns}
    return pd.DataFrame(ratio, index=wide.index)[cost > 0]


def customers_lost(
    credits: Mapping[str, Mapping[str, float]], costs: Mapping[str, float], added: Mapping[str, float], *, cut: float
) -> dict[str, float]:
    """Array: customers lost when a part of the budget is cut by each rule, the dearest channels first.

    A rule ranks channels by cost per credited customer. Whole channels go, the dearest first, the last
    one in part, until the cut is reached; a channel's true increment falls in proportion to its budget.
    Nothing is extrapolated beyond today's spend. Interactions between channels are left out.

    Parameters
    ----------
    credits : mapping of rule to mapping of channel to credit
    costs, added : mapping of channel to its cost and to the customers that it truly adds
    cut : float
        Part of the whole budget, 0 to 1.

    Returns
    -------
    dict of rule to customers
    """
    if not 0 <= cut <= 1:
        raise ParameterError(f"cut is {cut}; give a share of the budget, 0 to 1")
    paid = [channel for channel, cost in costs.items() if cost > 0]
    lost = {}
    for rule, given in credits.items():
        left, gone = cut * sum(costs[channel] for channel in paid), 0.0
        # dearest first; channels without credit by their cost, ties by name
        for channel in sorted(paid, key=lambda name: (-_dear(costs[name], given.get(name, 0.0)), -costs[name], name)):
            part = min(1.0, left / costs[channel])
            gone += part * added.get(channel, 0.0)
            left -= part * costs[channel]
        lost[rule] = gone
    return lost


def _dear(cost: float, credit: float) -> float:
    return cost / credit if credit > 0 else np.inf


def price(cost: np.ndarray | float, customers: np.ndarray) -> np.ndarray:
    """Cost per customer: infinite where there are none, or fewer; 0 where nothing is spent; missing stays."""
    some = customers > 0
    ratio = np.divide(cost, customers, out=np.where(np.isnan(customers), np.nan, np.inf), where=some)
    return np.where((np.asarray(cost) == 0) & ~np.isnan(customers), 0.0, ratio)


def _cost_of(channels: pd.Series, costs: pd.DataFrame) -> np.ndarray:
    known = costs.set_index("channel")["cost"]
    return channels.map(known).fillna(0.0).to_numpy(dtype=float)
