"""Contracts: who leaves when, by group, and whether groups differ.

A contract's end is seen, so survival curves are in their place. Customers who are still there are censored;
customers who were watched only from some tenure on (`entry`) count from there (left truncation).

References
----------
Kaplan, E. L., & Meier, P. (1958), Nonparametric estimation from incomplete observations, JASA 53, 457-481.
Mantel, N. (1966), Evaluation of survival data and two new rank order statistics arising in its consideration,
    Cancer Chemotherapy Reports 50, 163-170.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw
import numpy as np

from crmlib.cohorts.survival import labels_of, spells
from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, day_number, to_pandas, wrap

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class LogRank:
    """Log-rank test: chi-squared statistic, degrees of freedom, p-value, and events by group.

    `groups` has one row a group: group, customers, observed and expected events.
    """

    statistic: float
    df: int
    p_value: float
    groups: pd.DataFrame


def contract_spells(contracts: Any, *, covariates: Sequence[str] = (), as_of: str | datetime.date | None = None) -> Any:
    """Frame: how long each contract has run, and whether it has ended.

    Parameters
    ----------
    contracts : any frame
        customer_id, and either tenure_months (number) and left (flag), as `subscriptions` has them, or
        started_at and ended_at (date or instant; missing while the contract runs).
    covariates : sequence of str
        Further columns to keep.
    as_of : date or ISO string, optional
        Last day of observation; with dates only, and needed then. A later end counts as running, a later
        start is left out, and so is a row without a start or tenure.

    Returns
    -------
    frame of the same kind, one row a contract
        customer_id, tenure_months (Float64; from dates: days / 30.4375), left (Boolean), and the covariates.

    Raises
    ------
    MissingColumnsError
    ParameterError
        Dates without `as_of`.
    DataError
        A negative tenure: an end before the start. A `left` of words.
    """
    names = nw.from_native(contracts).collect_schema().names()
    kept = dict.fromkeys(name for name in covariates if name not in ("customer_id", "tenure_months", "left"))
    tenure, left = nw.col("tenure_months"), nw.col("left")
    if "tenure_months" in names or "started_at" not in names:
        table = wrap(contracts, ("customer_id", "tenure_months", "left", *kept), table="subscriptions")
        if table.collect_schema()["left"] in (nw.String, nw.Categorical, nw.Enum):  # any word would count as true
            raise DataError("left holds text; make it true for those who left and false for those still there")
        table = table.filter(~tenure.is_null(), ~left.is_null())
    else:
        day = as_date(as_of, name="as_of")
        if day is None:
            raise ParameterError("contracts with dates need as_of, the last day of observation; give it as YYYY-MM-DD")
        table = wrap(contracts, ("customer_id", "started_at", "ended_at", *kept), table="contracts")
        last = (day - datetime.date(1970, 1, 1)).days
        # a missing end is filled before its day is taken: pandas' integers have no missing value
        ended = ~nw.col("ended_at").is_null()
        table = table.filter(~nw.col("started_at").is_null()).with_columns(
            first=day_number(nw.col("started_at")), over=day_number(nw.coalesce("ended_at", "started_at"))
        )
        left_by = ended & (nw.col("over") <= last)
        until = nw.when(left_by).then(nw.col("over")).otherwise(nw.lit(last))
        table = table.filter(nw.col("first") <= last).with_columns(
            tenure_months=(until - nw.col("first")) / 30.4375, left=left_by
        )
    shown = table.select("customer_id", tenure.cast(nw.Float64), left.cast(nw.Boolean), *kept)
    below = int(to_pandas(shown.select(below=(tenure < 0).cast(nw.Int64).sum()).to_native())["below"].fillna(0).iloc[0])
    if below:
        raise DataError(f"{below} contracts end before they start; correct their dates or leave them out")
    return (shown.sort("customer_id") if isinstance(shown, nw.DataFrame) else shown).to_native()


def renewals_made(durations: Any, observed: Any, *, length: float = 12) -> pd.DataFrame:
    """Array: spells counted in renewals, as the models of contracts take them (`models.ShiftedBetaGeometric`).

    A term has `length` units of time. Who leaves during the first term or at its end leaves at renewal 1; who is
    still there has made as many renewals as terms are complete.

    Parameters
    ----------
    durations, observed
        As `survival_curve` takes them.
    length : float
        Of a term, in the unit of the durations, above 0: 12 for yearly contracts in months.

    Returns
    -------
    pandas.DataFrame, one row a customer
        periods (Int64: at which renewal they left, at least 1, or how many they have made), left (Boolean).

    Examples
    --------
    >>> renewals_made([3, 12, 13, 12, 30], [True, True, True, False, False])["periods"].tolist()
    [1, 1, 2, 1, 2]
    """
    import pandas as pd

    if not (np.isfinite(length) and length > 0):
        raise ParameterError(f"length is {length}; give the length of a term, above 0")
    time, left, _ = spells(durations, observed)
    terms = np.round(time / length, 9)  # 0.3 / 0.1 is just below 3
    periods = np.where(left, np.maximum(np.ceil(terms), 1), np.floor(terms))
    return pd.DataFrame({"periods": periods.astype(np.int64), "left": left})


def log_rank(durations: Any, observed: Any, groups: Any, *, strata: Any = None, entry: Any = None) -> LogRank:
    """Array: log-rank test of equal survival in all groups (Mantel 1966).

    It compares the events of each group with those expected if at every time each customer at risk had the
    same chance; it is strongest against hazards in constant proportion and may miss curves that cross.

    Parameters
    ----------
    durations, observed, entry
        As `survival_curve` takes them.
    groups : array-like, shape (n,)
    strata : array-like, shape (n,), optional
        Customers are compared only within their stratum.

    Returns
    -------
    LogRank

    Raises
    ------
    DataError
        No event, or groups never at risk together: nothing can be compared. A group that is gone before the first
        event is in the table, not in the test. One group only has none to be compared with: no degree of freedom,
        statistic and p-value missing.
    """
    import pandas as pd
    from statsmodels.duration.survfunc import survdiff

    time, status, start = spells(durations, observed, entry)
    labels = labels_of(groups, len(time))
    layers = np.zeros(len(time), dtype=int) if strata is None else labels_of(strata, len(time)).factorize()[0]
    if entry is not None:  # without time at risk nobody counts
        watched = time > start
        time, status, start, layers = time[watched], status[watched], start[watched], layers[watched]
        labels = labels[watched].reset_index(drop=True)
    if not status.any():
        raise DataError("nobody left, so groups cannot be compared; follow them for longer")
    rows = pd.DataFrame({"group": labels, "observed": status.astype(int), "expected": 0.0})
    # watched from the start, one is at risk at time 0 too: some leave on their first day
    since = np.full(len(time), -np.inf) if entry is None else start
    for layer in np.unique(layers):
        inside = layers == layer
        rows.loc[inside, "expected"] = _cumulative_hazard(time[inside], status[inside], since[inside])
    table = rows.groupby("group", sort=True).agg(
        customers=("observed", "size"), observed=("observed", "sum"), expected=("expected", "sum")
    )
    if len(table) < 2:
        return LogRank(np.nan, 0, np.nan, table.reset_index())
    # a group that is gone before the first event says nothing
    compared = labels.isin(table.index[table["expected"] > 0]).to_numpy()
    apart = None if strata is None else layers[compared]
    entered = None if entry is None else start[compared]
    try:
        statistic, p_value = survdiff(
            time[compared], status[compared].astype(int), labels[compared].to_numpy(), strata=apart, entry=entered
        )
    except (np.linalg.LinAlgError, ValueError) as error:
        raise DataError("the groups are never at risk together when somebody leaves; compare fewer of them") from error
    return LogRank(float(statistic), labels[compared].nunique() - 1, float(p_value), table.reset_index())


def _cumulative_hazard(time: np.ndarray, status: np.ndarray, entry: np.ndarray) -> np.ndarray:
    """Each customer's Nelson-Aalen hazard while at risk: the events expected of them."""
    times, events = np.unique(time[status], return_counts=True)
    ends, starts = np.sort(time), np.sort(entry)
    at_risk = (
        len(time) - np.searchsorted(ends, times, side="left") - (len(time) - np.searchsorted(starts, times, "left"))
    )
    total = np.concatenate([[0.0], np.cumsum(events / at_risk)])
    return total[np.searchsorted(times, time, side="right")] - total[np.searchsorted(times, entry, side="right")]
