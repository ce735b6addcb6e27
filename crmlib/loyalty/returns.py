"""Does the programme pay? What it causes, at a margin, less what its rewards cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, to_pandas, wrap
from crmlib.loyalty.programme import programme_effect

if TYPE_CHECKING:
    import datetime

    import pandas as pd

    from crmlib.data import Tables


def programme_return(
    panel: Any,
    memberships: Any,
    *,
    as_of: str | datetime.date,
    margin_rate: float,
    per_days: float = 30.0,
    horizon: int | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Array: margin that the programme causes, cost of its rewards, and the return on that cost.

    Sales are those of the event study (`programme_effect`), and so is the assumption of parallel trends;
    rewards are paid on all that members buy, caused or not. A member's cost of rewards is spread evenly over
    the days of their membership. Running the programme, and points not yet redeemed, cost extra.

    Parameters
    ----------
    panel : any frame
        As `membership_panel` gives it, with customer_id, period, joined, amount.
    memberships : any frame
        customer_id, joined_at, reward_cost (money since joining); one row a member.
    as_of : date or ISO string
        Day up to which reward_cost is counted.
    margin_rate : float
        Margin of the caused sales before rewards, a share of revenue, 0 to 1.
    per_days : float
        Days that the panel's rates are for.
    horizon, level
        As in `programme_effect`.

    Returns
    -------
    pandas.DataFrame, five rows
        quantity ("caused_sales", "caused_margin", "reward_cost", "net": margin less cost, all per member and
        `per_days` days; "return": net over cost, NaN where rewards cost nothing), value, standard_error,
        low, high. Errors are clustered by customer; that of the return is by the delta method.

    Raises
    ------
    MissingColumnsError
    DataError
        As `programme_effect`; a member of the panel without a row in memberships or without reward_cost.
    ParameterError

    Notes
    -----
    Every quantity is the event study's effect on a column made of sales and cost, as the estimator is linear:
    so the covariance of the two is exact. For the return :math:`\rho = n / c` the column is
    :math:`(n - \rho c) / \bar c`.
    """
    import pandas as pd

    if not 0 <= margin_rate <= 1:
        raise ParameterError(f"margin_rate is {margin_rate}; give a share of revenue between 0 and 1, such as 0.3")
    if not per_days > 0:
        raise ParameterError(f"per_days is {per_days}; give a number of days above 0, such as 30")
    table = to_pandas(wrap(panel, ("customer_id", "period", "joined", "amount"), table="the panel").to_native())
    cost = _cost_rate(table, memberships, as_of, per_days)
    table["caused_sales"] = table["amount"]
    table["caused_margin"] = margin_rate * table["amount"]
    table["reward_cost"] = np.where(table["period"] >= table["joined"].fillna(np.inf), cost, 0.0)
    table["net"] = table["caused_margin"] - table["reward_cost"]

    def effect(outcome: str) -> list[float]:
        found = programme_effect(table, outcome=outcome, horizon=horizon, level=level).overall
        return [float(found[name]) for name in ("effect", "standard_error", "low", "high")]

    rows = {name: effect(name) for name in ("caused_sales", "caused_margin", "reward_cost", "net")}
    spent = rows["reward_cost"][0]
    rows["return"] = [np.nan] * 4
    if spent > 0:
        ratio = rows["net"][0] / spent
        table["linear"] = (table["net"] - ratio * table["reward_cost"]) / spent
        _, error, low, high = effect("linear")
        rows["return"] = [ratio, error, ratio + low, ratio + high]
    made = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "standard_error", "low", "high"])
    return made.rename_axis("quantity").reset_index()


def source_return(tables: Tables, panel: Any, *, margin_rate: float, level: float = 0.95) -> pd.DataFrame | None:
    """Array: `programme_return` of a source with memberships; None where it does not hold reward_cost.

    Parameters
    ----------
    tables : Tables
        With memberships.
    panel : any frame
        Its `programme_panel`.
    margin_rate, level
        As in `programme_return`.
    """
    import narwhals.stable.v2 as nw

    members = tables["memberships"]
    if "reward_cost" not in nw.from_native(members).collect_schema().names():
        return None
    return programme_return(panel, members, as_of=tables.last_day(), margin_rate=margin_rate, level=level)


def _cost_rate(table: pd.DataFrame, memberships: Any, as_of: Any, per_days: float) -> np.ndarray:
    """Cost of rewards of each row's customer, per `per_days` days of membership; 0 for who has not joined."""
    import pandas as pd

    last = as_date(as_of, name="as_of")
    if last is None:
        raise ParameterError("the return needs as_of; give the last day of reward_cost as YYYY-MM-DD")
    columns = ("customer_id", "joined_at", "reward_cost")
    known = to_pandas(wrap(memberships, columns, table="memberships").to_native())
    if known["customer_id"].duplicated().any():
        raise DataError("memberships hold a customer twice; give one row a member, with all their reward_cost")
    known = known[known["joined_at"] < pd.Timestamp(last) + pd.Timedelta(days=1)].set_index("customer_id")
    days = (pd.Timestamp(last) + pd.Timedelta(days=1) - known["joined_at"]).dt.total_seconds() / 86_400
    rate = (per_days * known["reward_cost"].astype(float) / days).reindex(table["customer_id"])
    members = table["joined"].notna().to_numpy()
    missing = table.loc[members & rate.isna().to_numpy(), "customer_id"].nunique()
    if missing:
        raise DataError(f"{missing} members of the panel have no reward_cost; give 0 where no reward was paid")
    return rate.fillna(0.0).to_numpy()
