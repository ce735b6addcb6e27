r"""When a channel's customers have paid for their acquisition, and what its budget returns.

With :math:`k_j` what channel j cost and :math:`c_j` the customers that it is credited with, one costs
:math:`k_j / c_j`. It has *paid back* at the end of the first age at which the margin of a customer of the channel,
added up from the acquisition on, is that much: :math:`\min \{k : M_{jk} \ge k_j / c_j\}`. Over a horizon of K ages the
budget *returns* :math:`c_j M_{jK} / k_j - 1`, and its net present value is :math:`c_j M_{jK} - k_j`.

Two things are uncertain, how many customers were won and what one is worth; they are drawn apart from each
other. Who is credited is a convention (a rule's credit), or the truth (those whom the channel added).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from crmlib.budget.values import ChannelValues
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.intervals import require_level

if TYPE_CHECKING:
    import pandas as pd

#: Verdicts on a budget: its net value lies above or below zero, or on both sides; or the channel is free.
EARNS, LOSES, UNCLEAR, FREE = "earns", "loses", "unclear", "no cost"
#: Verdicts on a payback: the whole interval lies within the ages seen, beyond them, or on both sides.
WITHIN, BEYOND = "pays back", "not within what was seen"


class Credited(Protocol):
    """Conversions that a rule credits to channels, with replicates: a `CreditSample` of `crmlib.attribution`.

    Attributes
    ----------
    measure : str
        "conversions".
    channels : tuple of str
    credit : array (channels,)
    credits : array (channels, replicates)
    """

    @property
    def measure(self) -> str:
        """What is credited."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names."""

    @property
    def credit(self) -> np.ndarray:
        """Credit of each channel."""

    @property
    def credits(self) -> np.ndarray:
        """The same in each replicate."""


def payback_times(
    values: ChannelValues,
    costs: pd.DataFrame,
    *,
    credited: Credited | pd.DataFrame | None = None,
    discount_rate: float = 0.0,
    level: float = 0.95,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: how long a channel's customer takes to bring in what winning one costs.

    Returns that come later may take the total below the cost again: it is the first time that counts.

    Parameters
    ----------
    values : ChannelValues
    costs : pandas.DataFrame
        channel, cost: what each channel cost while the customers counted were won. A channel that is not there
        costs nothing.
    credited : CreditSample (of `crmlib.attribution`) or pandas.DataFrame, optional
        How many customers each channel won: by a rule, with its replicates; or as channel and customers, counts
        that are drawn as Poisson. By default the customers of `values` who were won from its first
        day on: those won before it were paid for before.
    discount_rate : float
        A year, 0 or more.
    level : float
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame, one row a channel with customers or cost, the quickest first
        channel, cost, customers (credited), cost_per_customer (infinite without customers), days (to the end of the
        age in which it is paid back, 0 for a channel without cost, infinite where that is not within the window),
        low, high (percentile interval, likewise), within (share of replicates that pay back), window (days seen of at
        least 30 customers), verdict ("pays back", "not within what was seen", "unclear", "no cost"). A cost
        that won nobody is never paid back. With customers credited and fewer than 30 seen, days, low, high and within
        are missing and the verdict is "unclear".

    Raises
    ------
    DataError
        A cost or count that is missing, negative or infinite, a channel that stands twice.
    MissingColumnsError, ParameterError
    """
    require_level(level)
    table, places, drawn = _priced(values, costs, credited, rng)
    spent, each = table["cost"].to_numpy(dtype=float), table["cost_per_customer"].to_numpy(dtype=float)
    found = np.where(spent[:, None] == 0, [0.0, 0.0, 0.0, 1.0], np.nan)
    window = np.array([0 if place is None else values.window[place] for place in places], dtype=int)
    found[np.isinf(each)] = np.inf, np.inf, np.inf, 0.0  # nobody is there to pay it back
    for row, place in enumerate(places):
        if place is None or not (window[row] and np.isfinite(each[row]) and spent[row]):
            continue
        total = values.totals(place, discount_rate=discount_rate)[None, : window[row]]
        draws = _first(values.draws(place, discount_rate=discount_rate), price(spent[row], drawn[row]))
        # infinite ends: no interpolation between a number and infinity
        ends = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
        days = values.period_days * np.array([_first(total, each[[row]])[0], *ends])
        found[row] = *days, np.isfinite(draws).mean()
    table["days"], table["low"], table["high"], table["within"] = found.T
    table["window"] = values.period_days * window
    beyond = np.isinf(table["low"])
    table["verdict"] = np.select(
        [table["cost"] == 0, np.isfinite(table["high"]), beyond], [FREE, WITHIN, BEYOND], default=UNCLEAR
    )
    return table.sort_values(["days", "cost_per_customer", "channel"], ignore_index=True)


def channel_returns(
    values: ChannelValues,
    costs: pd.DataFrame,
    *,
    credited: Credited | pd.DataFrame | None = None,
    ages: int | None = None,
    discount_rate: float = 0.0,
    level: float = 0.95,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: what a channel's budget returns within a horizon, and its net present value.

    Parameters
    ----------
    values, costs, credited, discount_rate, level, rng
        As in `payback_times`.
    ages : int, optional
        Ages to add up, from 0 on; by default the `horizon` of `values`, the same for all channels.

    Returns
    -------
    pandas.DataFrame, one row a channel with customers or cost, the best net value first
        channel, cost, customers (credited), cost_per_customer, margin (of a customer within the horizon, discounted),
        net_value (customers · margin - cost), net_low, net_high, return (margin over cost, less 1; missing without
        cost), low, high, verdict ("earns" where the whole interval of the net value lies above 0, "loses" below,
        "unclear", "no cost"). Where no customer is credited, net_value is -cost. Missing where ages lie beyond the
        channel's window; the verdict is then "unclear".

    Raises
    ------
    DataError, MissingColumnsError, ParameterError
    """
    require_level(level)
    size, most = values.horizon if ages is None else ages, int(values.window.max())
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 1 <= size <= max(most, 1):
        raise ParameterError(f"ages is {size!r}; give 1 to {most}, the ages that at least 30 customers completed")
    table, places, drawn = _priced(values, costs, credited, rng)
    margin, net = np.full(len(table), np.nan), np.full((len(table), 3), np.nan)
    count, cost = table["customers"].to_numpy(dtype=float), table["cost"].to_numpy(dtype=float)
    for row, place in enumerate(places):
        if count[row] <= 0:
            net[row, 0] = -cost[row]
        if place is None or values.window[place] < size:
            continue
        margin[row] = values.totals(place, discount_rate=discount_rate)[size - 1]
        draws = values.draws(place, discount_rate=discount_rate)[:, size - 1] * drawn[row] - cost[row]
        net[row] = margin[row] * count[row] - cost[row], *np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    table["margin"] = margin
    table["net_value"], table["net_low"], table["net_high"] = net.T
    ratio = net / np.where(cost > 0, cost, np.nan)[:, None]
    table["return"], table["low"], table["high"] = ratio.T
    table["verdict"] = np.select(
        [cost == 0, table["net_low"] > 0, table["net_high"] < 0], [FREE, EARNS, LOSES], default=UNCLEAR
    )
    return table.sort_values(["net_value", "channel"], ascending=[False, True], ignore_index=True)


def _priced(
    values: ChannelValues, costs: pd.DataFrame, credited: Credited | pd.DataFrame | None, rng: np.random.Generator
) -> tuple[pd.DataFrame, list[int | None], np.ndarray]:
    """Channel, cost, customers and cost of one; the channel's place in `values`; customers in each replicate."""
    import pandas as pd

    cost = _by_channel(costs, "cost", "costs")
    size = values.sums.shape[1]
    if credited is not None and not isinstance(credited, pd.DataFrame):
        if credited.measure != "conversions":
            raise ParameterError(f"the sample credits {credited.measure}; draw one of conversions")
        number = dict(zip(credited.channels, credited.credit, strict=True))
        chosen = credited.credits[:, rng.integers(credited.credits.shape[1], size=size)]
        draws = dict(zip(credited.channels, chosen, strict=True))
    else:
        counted = dict(zip(values.channels, values.won.astype(float), strict=True))
        number = counted if credited is None else _by_channel(credited, "customers", "credited")
        draws = {name: np.asarray(rng.poisson(one, size=size), dtype=float) for name, one in number.items()}
    names = sorted({*number, *values.channels, *(name for name, one in cost.items() if one > 0)})
    table = pd.DataFrame({"channel": pd.Series(names, dtype="str")})
    table["cost"] = [cost.get(name, 0.0) for name in names]
    table["customers"] = [float(number.get(name, 0.0)) for name in names]
    table["cost_per_customer"] = price(table["cost"].to_numpy(), table["customers"].to_numpy())
    known = {name: place for place, name in enumerate(values.channels)}
    none = np.zeros(size)
    return table, [known.get(name) for name in names], np.stack([draws.get(name, none) for name in names])


def _by_channel(table: pd.DataFrame, column: str, what: str) -> dict[str, float]:
    missing = [name for name in ("channel", column) if name not in table.columns]
    if missing:
        raise MissingColumnsError(f"{what} lacks {', '.join(map(repr, missing))}; give channel and {column}")
    amount = table[column].to_numpy(dtype=float)
    if not (np.isfinite(amount) & (amount >= 0)).all():
        raise DataError(f"{what}: {column} is missing, negative or infinite in a row; correct it")
    if table["channel"].duplicated().any():
        twice = table.loc[table["channel"].duplicated(), "channel"].iloc[0]
        raise DataError(f"{what}: channel {twice!r} stands twice; add its rows up")
    return {str(name): float(one) for name, one in zip(table["channel"], amount, strict=True)}


def _first(total: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Ages to the end of the first one at which the total (…, ages) reaches the cost; infinite where none does."""
    reached = total >= np.asarray(cost)[:, None] * (1 - 1e-12)
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1.0, np.inf)


def price(cost: np.ndarray | float, customers: np.ndarray) -> np.ndarray:
    """Cost per customer: infinite where there are none, or fewer; 0 where nothing is spent."""
    each = np.divide(cost, customers, out=np.full(np.shape(customers), np.inf), where=customers > 0)
    return np.where(np.asarray(cost) == 0, 0.0, each)
