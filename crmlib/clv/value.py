"""Lifetime value of each customer and of the base, with intervals, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.clv.contracts import ContractValuation
from crmlib.clv.futures import discounted_spend
from crmlib.clv.valuation import Valuation
from crmlib.errors import ParameterError
from crmlib.intervals import require_level
from crmlib.models import ContractResults
from crmlib.options import generator, number

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import GammaGammaResults, TransactionResults


def continuous_rate(yearly: float, unit: str = "week") -> float:
    """Continuous discount a unit of time of a yearly rate: log(1 + yearly) over the units of a year of 365.25 days.

    Examples
    --------
    >>> round(continuous_rate(0.15), 4)
    0.0027
    """
    days = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}
    if unit not in days:
        raise ParameterError(f"unit {unit!r} is unknown; use one of {', '.join(days)}")
    if not -1 < number(yearly, "the yearly rate") < np.inf:
        raise ParameterError(f"the yearly rate is {yearly}; give a share such as 0.1 for 10 %")
    return float(np.log1p(yearly) * days[unit] / 365.25)


def customer_lifetime_value(
    purchases: TransactionResults | ContractResults,
    spend: GammaGammaResults | float | str,
    history: Any,
    *,
    discount_rate: float,
    horizon: float = np.inf,
    margin_rate: float = 1.0,
    interval: str | None = "prediction",
    level: float = 0.95,
    draws: int = 1_000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    r"""Array: value that each customer is still expected to bring in, with an interval.

    Margin × E(order value | spend) × DERT. Purchases to come only: what a customer has brought in is not in it.
    Blocks of customers keep memory bounded: beyond the table given and the one returned some 50 bytes a customer (with
    prediction intervals 80), and what the distinct pairs of frequency and age need.

    Parameters
    ----------
    purchases : TransactionResults or ContractResults
        Fitted BG/NBD, modified BG/NBD, Pareto/NBD or BG/BB; or sBG or BdW, whose customers pay at each renewal.
    spend : GammaGammaResults, float or str
        Fitted model of order values; or one value of an order (the payment of a period of a contract) for all; or
        the name of the column of `history` that holds each customer's. A contract takes the last two.
    history : frame
        customer_id (optional), frequency, recency, age, monetary_value (read for a model of order values), as
        `rfm.purchase_history` gives them, in the unit of the fit, for BG/BB as `rfm.opportunity_history` does; and
        the covariates of the model, by name. Of contracts: customer_id (optional) and renewals, how many each
        customer who is still there has made.
    discount_rate : float
        Continuous, a unit of time: see `continuous_rate`. Of BG/BB, sBG and BdW the one between two opportunities or
        renewals, such as .1.
    horizon : float
        How far to look, in units of time, opportunities or renewals.
    margin_rate : float
        Share of revenue that is margin, above 0 to 1.
    interval : {"prediction", "expectation", None}
        `prediction`: between what the customer's value may turn out to lie, chance and what is not known of the
        customer included, at the estimated parameters. `expectation`: how well the expected value is known (delta
        method on the log scale, both models).
    level : float
    draws : int
        Random futures for each distinct (frequency, age), for prediction intervals.
    rng : numpy.random.Generator, optional
        Needed for prediction intervals, but those of contracts, which are exact.

    Returns
    -------
    pandas.DataFrame, one row a customer in the order given
        customer_id (where given), probability_alive (0-1; 1 under contract), transactions (discounted expected
        number; of a contract the discounted expected residual lifetime just before the next renewal, whose payment is
        not discounted), order_value (expected margin of an order, money), value (money), low, high.

    Raises
    ------
    MissingColumnsError, DataError, ParameterError
        Impossible histories; a margin, level or interval that is not one; mean spend that is infinite.
    """
    import pandas as pd

    require_level(level)
    if interval not in ("prediction", "expectation", None):
        raise ParameterError(f"interval is {interval!r}; use prediction, expectation or None")
    if isinstance(purchases, ContractResults):
        _require_share(margin_rate)
        contracts = ContractValuation(purchases, spend, history, discount_rate, horizon, margin_rate)
        return contracts.table(interval, level)
    if interval == "prediction" and rng is None:
        raise ParameterError("prediction intervals are drawn: give rng=np.random.default_rng(seed)")
    rng = None if rng is None else generator(rng)
    slopes = interval == "expectation"
    base = Valuation(purchases, spend, history, discount_rate, horizon, margin_rate, slopes=slopes)
    names = ["probability_alive", "transactions", "order_value", "value", "low", "high"]
    columns = {name: np.full(base.customers, np.nan) for name in names}
    for part in base.blocks():
        worth = base.expectations(part, slopes=slopes)
        for name in names[:4]:
            columns[name][part] = getattr(worth, name)
        if slopes:
            columns["low"][part], columns["high"][part] = worth.interval(level)
    if interval == "prediction" and rng is not None:
        alive = columns["probability_alive"]
        columns["low"], columns["high"] = discounted_spend(base, alive, level, draws, rng)
    if interval is None:
        del columns["low"], columns["high"]
    table = pd.DataFrame(columns)
    if base.customer_id is not None:
        table.insert(0, "customer_id", base.customer_id)
    return table


def base_value(
    purchases: TransactionResults | ContractResults,
    spend: GammaGammaResults | float | str,
    history: Any,
    *,
    discount_rate: float,
    horizon: float = np.inf,
    margin_rate: float = 1.0,
    level: float = 0.95,
    draws: int = 1_000,
    rng: np.random.Generator | None = None,
) -> pd.Series:
    """Array: value that all customers together are still expected to bring in, with an interval.

    Two variances add up: of the estimated parameters (delta method on the total), which all customers share and
    which therefore does not shrink with their number, and of what independent customers will do (process), from
    random futures. The interval is normal on the log scale.

    Parameters
    ----------
    purchases, spend, history, discount_rate, horizon, margin_rate, level, draws, rng
        As in `customer_lifetime_value`.

    Returns
    -------
    pandas.Series
        customers, value, low, high, parameter_error, process_error (standard errors, money). With a q of the spend
        model up to 2 the variance of one customer's order value is infinite, and so is process_error; low and high
        are then NaN.
    """
    require_level(level)
    if isinstance(purchases, ContractResults):
        _require_share(margin_rate)
        contracts = ContractValuation(purchases, spend, history, discount_rate, horizon, margin_rate)
        return _total(len(contracts.place), *contracts.total(), level)
    if rng is None:
        raise ParameterError("what customers may do is drawn: give rng=np.random.default_rng(seed)")
    rng = generator(rng)
    base = Valuation(purchases, spend, history, discount_rate, horizon, margin_rate)
    total, slope, alive = 0.0, 0.0, np.empty(base.customers)
    for part in base.blocks():
        worth = base.expectations(part, slopes=True)
        total += float(worth.value.sum())
        slope = slope + worth.slopes.sum(axis=1)
        alive[part] = worth.probability_alive
    parameter = float(np.sqrt(slope @ base.free_cov @ slope))
    process = float(np.sqrt(_process_variance(base, alive, draws, rng)))
    return _total(base.customers, total, parameter, process, level)


def _total(customers: int, value: float, parameter: float, process: float, level: float) -> pd.Series:
    """Sum with its two errors and the interval of both."""
    import pandas as pd
    from scipy.stats import norm

    error = np.hypot(parameter, process)
    step = np.exp(norm.ppf(0.5 + level / 2) * error / value) if np.isfinite(error) and value > 0 else np.nan
    values = {"customers": customers, "value": value, "low": value / step, "high": value * step}
    return pd.Series(values | {"parameter_error": parameter, "process_error": process})


def _require_share(margin_rate: float) -> None:
    if not 0 < number(margin_rate, "margin_rate") <= 1:
        raise ParameterError(f"margin_rate is {margin_rate}; give the share of revenue, above 0 to 1")


def _process_variance(base: Valuation, alive: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    """Sum of the customers' variances, E(V²) - E(V)², at the estimated parameters."""
    from crmlib.clv.futures import spend_moments

    if base.shape_of_spend() <= 2:
        return float(np.inf)
    return float(spend_moments(base, alive, draws, rng).sum())
