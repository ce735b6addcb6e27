"""What follows from value, and what it hangs on: what keeping may cost, spend by frequency, other choices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.clv.value import continuous_rate, customer_lifetime_value
from crmlib.columns import number_table
from crmlib.errors import DataError, ParameterError
from crmlib.findings import percent
from crmlib.intervals import require_level
from crmlib.models import BetaGeoBetaBinomialResults, ContractResults
from crmlib.models.gamma_gamma import spending
from crmlib.options import number, whole

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import GammaGammaResults, TransactionResults


def value_scenarios(
    fits: Mapping[str, TransactionResults | ContractResults],
    spend: GammaGammaResults | float | str,
    history: Any,
    *,
    yearly_rates: Sequence[float],
    years: Sequence[float],
    margin_rate: float = 1.0,
    unit: str = "week",
) -> pd.DataFrame:
    """Array: value of the base for every model, discount and horizon.

    Parameters
    ----------
    fits : mapping of name to results
        Fitted to these customers.
    spend, history, margin_rate
        As in `customer_lifetime_value`.
    yearly_rates : floats
        Discount a year, such as 0.1.
    years : floats
        Horizons; infinite for no end.
    unit : {"week", "day", "month", "year"}
        Of the history; of BG/BB and contracts the time between two opportunities or renewals.

    Returns
    -------
    pandas.DataFrame, one row a choice
        model, yearly_rate, years, value (money).
    """
    import pandas as pd

    length = continuous_rate(np.expm1(1.0), unit)  # years in a unit
    rows = []
    for name, results in fits.items():
        discrete = isinstance(results, (BetaGeoBetaBinomialResults, ContractResults))
        for rate in yearly_rates:
            continuous = continuous_rate(rate, unit)
            for span in years:
                table = customer_lifetime_value(
                    results,
                    spend,
                    history,
                    discount_rate=np.expm1(continuous) if discrete else continuous,
                    horizon=span / length,
                    margin_rate=margin_rate,
                    interval=None,
                )
                rows.append((name, rate, span, float(table["value"].sum())))
    return pd.DataFrame(rows, columns=["model", "yearly_rate", "years", "value"])


def order_value_by_frequency(history: Any, *, groups: int = 6, level: float = 0.95) -> pd.DataFrame:
    """Array: mean order value of customers with 1, 2, 3… repeat purchases.

    The gamma-gamma model takes it as the same for all of them: if it rises or falls beyond chance, frequent buyers
    are valued wrongly.

    Parameters
    ----------
    history : frame
        frequency, monetary_value. Customers without repeat purchases are left out.
    groups : int
        At most so many, at least 2, the last one open.
    level : float

    Returns
    -------
    pandas.DataFrame, one row a group with customers
        group (text), customers, order_value (mean over customers of their means), low, high (normal interval; missing
        for one customer).

    Raises
    ------
    DataError, MissingColumnsError, ParameterError
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    groups = whole(groups, "groups", least=2, most=10_000)
    table = number_table(history, ("frequency", "monetary_value"), table="history")
    table = table[table["frequency"] > 0]
    spending(table["frequency"], table["monetary_value"])
    if table.empty:
        raise DataError("no customer bought again, so there is no order value to compare; take a longer period")
    number = table["frequency"].astype(int).clip(upper=groups)
    grouped = table["monetary_value"].groupby(number)
    mean, customers = grouped.mean(), grouped.size()
    step = norm.ppf(0.5 + level / 2) * grouped.std() / np.sqrt(customers)
    more = (table["frequency"] > groups).any()
    names = [f"{k} or more" if k == groups and more else str(k) for k in mean.index]
    columns = {"group": names, "customers": customers, "order_value": mean, "low": mean - step, "high": mean + step}
    return pd.DataFrame(columns).reset_index(drop=True)


def keeping_ceilings(value: pd.Series, *, best_share: float, saved_share: float) -> pd.DataFrame:
    """Array: what keeping a customer may cost at most, among the best and among the others.

    Who leaves now takes the whole expected value away; a measure that keeps a part of the leavers is worth that
    part of it.

    Parameters
    ----------
    value : pandas.Series
        Expected value of each customer.
    best_share : float
        Part of the customers that is called the best, 0-1.
    saved_share : float
        Part of those who would leave now that the measure keeps, 0-1.

    Returns
    -------
    pandas.DataFrame, two rows
        group, customers, value (money), share (of all value), each (mean value, money), ceiling (money a customer).

    Raises
    ------
    DataError
        Fewer than two customers, or no value at all.
    """
    import pandas as pd

    for name, share in (("best_share", best_share), ("saved_share", saved_share)):
        if not 0 <= number(share, name) <= 1:
            raise ParameterError(f"{name} is {share}; give a share between 0 and 1, such as 0.2")
    if len(value) < 2 or not value.sum() > 0:
        raise DataError("two groups need at least 2 customers with some value between them; take more customers")

    ordered = value.sort_values(ascending=False, kind="stable")
    cut = min(math.ceil(best_share * len(ordered)), len(ordered) - 1)
    parts = {f"best {percent(best_share, 0)}": ordered[:cut], "others": ordered[cut:]}
    rows = [(name, len(part), part.sum(), part.sum() / value.sum(), part.mean()) for name, part in parts.items()]
    table = pd.DataFrame(rows, columns=["group", "customers", "value", "share", "each"])
    return table.assign(ceiling=saved_share * table["each"])
