r"""What a referred customer is worth: their first days beside those of others, and what sets them apart.

That referred customers are worth more has been found (Schmitt, Skiera & Van den Bulte 2011: at least 16 % at a
German bank). Why matters for what to pay: because referral makes them better, by better matching and by the
referrer's presence (Van den Bulte et al. 2018), or because good customers know others like themselves, who might
have come anyway. Comparing within cells of what the firm knows takes out differences in these columns, never the
likeness that it does not record.

References
----------
Schmitt, P., Skiera, B., & Van den Bulte, C. (2011), Referral programs and customer value, Journal of Marketing
    75(1), 46-59.
Van den Bulte, C., Bayer, E., Skiera, B., & Schmitt, P. (2018), How customer referral programs turn social capital
    into economic capital, Journal of Marketing Research 55(1), 132-146.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.columns import PURCHASE
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import as_date, day_number, to_pandas, wrap
from crmlib.intervals import FEWEST, require_level
from crmlib.referral.base import ReferralBase

if TYPE_CHECKING:
    import pandas as pd

_EPOCH = datetime.date(1970, 1, 1)
OUTCOMES = ("margin", "orders", "active")


def early_value(
    orders: Any,
    customers: Any,
    *,
    as_of: str | datetime.date,
    days: int = 180,
    quiet_days: int = 90,
    margin_rate: float | None = None,
) -> Any:
    """Frame: orders, margin and activity of each customer in their first days.

    Parameters
    ----------
    orders : any frame
        customer_id, ordered_at, amount (a negative one is a return: its margin counts, but it is no order), and cost,
        unless there is a margin_rate.
    customers : any frame of that kind
        customer_id, acquired_at. Those not followed for all the days are left out, so that all have had the same time.
    as_of : date or ISO string
        Last day that counts.
    days : int
        Days since acquisition that count, the day itself and its order included.
    quiet_days : int
        Who ordered in the last so many of them is active, 1 to days.
    margin_rate : float, optional
        Margin as a share of amount, 0 to 1, where the orders have no cost.

    Returns
    -------
    frame of the same kind, one row a customer
        customer_id, orders (Int64), margin (Float64: amount less cost, or amount times margin_rate), active (Int64, 1
        or 0). Who ordered nothing has zeros. Orders before acquisition are left out. Sorted on eager frames.

    Raises
    ------
    MissingColumnsError, ParameterError
    """
    last = as_date(as_of, name="as_of")
    if last is None:
        raise ParameterError("as_of is not set; give the data's last day as YYYY-MM-DD")
    for name, value in (("days", days), ("quiet_days", quiet_days)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
            raise ParameterError(f"{name} is {value!r}; give a whole number of days from 1 on")
    if quiet_days > days:
        raise ParameterError(f"quiet_days is {quiet_days}, more than the {days} days that count; give fewer")
    if margin_rate is not None and not 0 <= margin_rate <= 1:
        raise ParameterError(f"margin_rate is {margin_rate}; give a share of revenue between 0 and 1, such as 0.3")
    money = ("amount",) if margin_rate is not None else ("amount", "cost")
    people: Any = wrap(customers, ("customer_id", "acquired_at"), table="customers")
    people = people.filter(~nw.col("customer_id").is_null(), ~nw.col("acquired_at").is_null())
    people = people.select("customer_id", start=day_number(nw.col("acquired_at")))
    people = people.filter(nw.col("start") + days <= (last - _EPOCH).days)
    bought: Any = wrap(orders, ("customer_id", "ordered_at", *money), table="orders")
    bought = bought.filter(~nw.col("customer_id").is_null(), ~nw.col("ordered_at").is_null())
    bought = bought.with_columns(day=day_number(nw.col("ordered_at"))).join(people, on="customer_id", how="inner")
    age = nw.col("day") - nw.col("start")
    amount = nw.col("amount").cast(nw.Float64)
    margin = amount * margin_rate if margin_rate is not None else amount - nw.col("cost").cast(nw.Float64)
    bought = bought.filter(age >= 0, age <= days).with_columns(
        margin=margin,
        ordered=PURCHASE.cast(nw.Int64),
        late=(PURCHASE & (age > days - quiet_days)).cast(nw.Int64),
    )
    sums = bought.group_by("customer_id").agg(
        orders=nw.col("ordered").sum(), margin=nw.col("margin").sum(), active=nw.col("late").max()
    )
    table = (
        people.select("customer_id")
        .join(sums, on="customer_id", how="left")
        .select(
            "customer_id",
            nw.col("orders").fill_null(0).cast(nw.Int64),
            nw.col("margin").fill_null(0.0),
            nw.col("active").fill_null(0).cast(nw.Int64),
        )
    )
    return (table.sort("customer_id") if isinstance(table, nw.DataFrame) else table).to_native()


def valued_customers(base: ReferralBase, value: Any) -> pd.DataFrame:
    """Array: the customers of the base who have had their first days, with what these brought.

    Parameters
    ----------
    base : ReferralBase
    value : any frame
        `early_value` of the same last day.

    Returns
    -------
    pandas.DataFrame
        Columns of `base.customers`, row (their row there), referrer (row of who brought them, -1 for none), orders,
        margin, active.

    Raises
    ------
    DataError
        Nobody has had the days, or a margin is missing.
    """
    people = base.customers.assign(row=np.arange(len(base.customers)), referrer=-1)
    people.loc[base.links["customer"].to_numpy(), "referrer"] = base.links["referrer"].to_numpy()
    found = people.merge(to_pandas(value), on="customer_id")
    if not len(found):
        raise DataError("no customer has been followed for all the days; take fewer of them")
    if not np.isfinite(found["margin"].to_numpy(dtype=float)).all():
        raise DataError("the margin of some orders is missing; fill in amount and cost")
    return found


def worth_difference(
    valued: pd.DataFrame,
    *,
    outcome: str = "margin",
    attributes: Sequence[str] = ("channel", "region"),
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Array: referred customers against the others in one outcome: as they are, and with like compared with like.

    Parameters
    ----------
    valued : pandas.DataFrame
        `valued_customers`.
    outcome : {"margin", "orders", "active"}
    attributes : sequence of str
        Columns that customers are alike in, beside the month of acquisition.
    level : float
        Normal intervals; errors are clustered by family (a line of referrals: who was referred and who referred them
        share what they have in common).

    Returns
    -------
    pandas.DataFrame, one row a method
        method ("naive": means as they are; "cohort": within months of acquisition, weighted by the referred;
        "matched": within cells of month and attributes, likewise; "regression": least squares on month and
        attributes), referred (customers compared), others, mean (of the referred), other_mean (mean less difference),
        difference, standard_error, low, high. Estimand of the first three: mean over the referred; none is causal
        unless nothing else sets the two apart within a cell. Cells without both kinds are left out, which the
        counts show. Intervals are NaN with fewer than 30 on a side.

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        Everyone was referred, or nobody.
    """
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    if outcome not in OUTCOMES:
        raise ParameterError(f"outcome {outcome!r} is unknown; use one of {', '.join(OUTCOMES)}")
    lacking = [name for name in attributes if name not in valued]
    if lacking:
        raise MissingColumnsError(f"the customers lack {', '.join(lacking)}; name them in `columns` of referral_base")
    treated = valued["referred"].to_numpy(dtype=bool)
    if treated.all() or not treated.any():
        who = "everyone was" if treated.all() else "nobody was"
        raise DataError(
            f"{who} referred among the {len(treated):,} customers with a full window: nobody to compare with"
        )
    y, family = valued[outcome].to_numpy(dtype=float), valued["family"].to_numpy()
    cells = {"naive": [], "cohort": ["cohort"], "matched": ["cohort", *attributes]}
    reach, rows = norm.ppf(0.5 + level / 2), []
    for method in (*cells, "regression"):
        if method == "regression":
            known, value, influence = _regression(valued, y, treated, ["cohort", *attributes])
        else:
            known, value, influence = _within(_codes(valued, cells[method]), y, treated)
        error = float(np.sqrt(np.sum(np.bincount(family[known], influence) ** 2)))
        n = int(treated[known].sum())
        others = int(len(influence) - n)
        mean = y[known][treated[known]].mean() if n else np.nan
        bound = reach * error if min(n, others) >= FEWEST else np.nan
        row = {"method": method, "referred": n, "others": others, "mean": mean, "other_mean": mean - value}
        rows.append(row | {"difference": value, "standard_error": error, "low": value - bound, "high": value + bound})
    return pd.DataFrame(rows)


def _codes(valued: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Number of each customer's cell; missing values make a cell of their own."""
    if not columns:
        return np.zeros(len(valued), dtype=np.int64)
    return valued.groupby(list(columns), sort=False, dropna=False, observed=True).ngroup().to_numpy()


def _within(cell: np.ndarray, y: np.ndarray, treated: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Mean difference within cells weighted by the referred: rows used, value, influence of each of them."""
    number = cell.max() + 1
    n1, n0 = (np.bincount(cell[each], minlength=number) for each in (treated, ~treated))
    used = np.flatnonzero(((n1 > 0) & (n0 > 0))[cell])
    if not len(used):
        return used, np.nan, np.zeros(0)
    cell, y, treated = cell[used], y[used], treated[used]
    m0 = np.bincount(cell[~treated], y[~treated], number) / np.maximum(n0, 1)
    total = treated.sum()
    value = float(np.sum((y - m0[cell])[treated]) / total)
    own = np.where(treated, y - m0[cell] - value, -(y - m0[cell]) * n1[cell] / np.maximum(n0[cell], 1))
    return used, value, own / total


def _regression(
    valued: pd.DataFrame, y: np.ndarray, treated: np.ndarray, columns: Sequence[str]
) -> tuple[np.ndarray, float, np.ndarray]:
    """Coefficient of having been referred beside dummies; what is left of it after them gives its influence."""
    parts = [np.ones((len(y), 1))]
    for name in columns:
        code = _codes(valued, [name])
        parts.append((code[:, None] == np.arange(1, code.max() + 1)).astype(float))
    design = np.hstack(parts)
    gram = np.linalg.pinv(design.T @ design, hermitian=True)  # some tens of columns, and months may be attributes' too

    def left_of(values: np.ndarray) -> np.ndarray:
        return np.asarray(values - design @ (gram @ (design.T @ values)))

    rest = left_of(treated.astype(float))
    size = rest @ rest
    if size < 1e-9 * len(y):
        return np.arange(len(y)), np.nan, np.zeros(len(y))
    value = float(rest @ y / size)
    return np.arange(len(y)), value, rest * left_of(y - value * treated) / size
