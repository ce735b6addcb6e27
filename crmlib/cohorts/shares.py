"""Active shares with intervals, and cohorts compared at equal age."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import ParameterError
from crmlib.intervals import FEWEST, holm, require_level

if TYPE_CHECKING:
    import pandas as pd


def retention_intervals(triangle: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Array: the triangle with a Wilson interval for each cell's active share.

    Pointwise: each interval covers its own cell's probability with the stated level, not the whole curve.

    Parameters
    ----------
    triangle : pandas.DataFrame
        Columns customers and active, as `retention_triangle` gives them.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        A copy with `low` and `high` (0-1); NaN where customers is 0.
    """
    from statsmodels.stats.proportion import proportion_confint

    require_level(level)
    active, customers = (triangle[name].to_numpy(dtype=float) for name in ("active", "customers"))
    some = customers > 0
    low, high = np.full(len(triangle), np.nan), np.full(len(triangle), np.nan)
    low[some], high[some] = proportion_confint(active[some], customers[some], alpha=1 - level, method="wilson")
    return triangle.assign(low=low, high=high)


def pooled_retention(triangle: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Array: active share by age over all cohorts together, complete periods only.

    Each age pools the cohorts that have completed it, so later ages rest on fewer cohorts.

    Returns
    -------
    pandas.DataFrame, one row an age
        age, cohorts (number pooled), customers, active, retention_rate, amount, low, high (Wilson).
    """
    whole = triangle[triangle["complete"]]
    sums = whole.groupby("age", as_index=False).agg(
        cohorts=("cohort", "nunique"),
        customers=("customers", "sum"),
        active=("active", "sum"),
        amount=("amount", "sum"),
    )
    sums["retention_rate"] = sums["active"] / sums["customers"]
    return retention_intervals(sums, level=level)


def returned_triangle(activity: pd.DataFrame) -> pd.DataFrame:
    """Array: how many of each cohort have ordered again by each age, complete periods only.

    The active share at one age depends on the season in which a cohort reaches that age; the share
    that has come back *by* an age adds the ages up, and after a whole year every cohort has seen
    each season once. It is the better yardstick for "are newer cohorts better?".

    Parameters
    ----------
    activity : pandas.DataFrame
        As `customer_activity` gives it.

    Returns
    -------
    pandas.DataFrame, one row a cohort and age from 1 on
        The columns of `retention_triangle`, so that intervals, pooling and comparison work alike:
        cohort, age, customers, active (customers with an order at any age from 1 to this one),
        retention_rate (active / customers), amount (revenue of ages 1 to this one), complete (True).
    """
    import pandas as pd

    whole = activity[activity["age"] < activity["complete_ages"]]
    start = whole[whole["age"] == 0].groupby("cohort")
    sizes = start.agg(customers=("age", "size"), complete_ages=("complete_ages", "first"))
    again = whole[whole["age"] >= 1]
    first = again[again["orders"] > 0].groupby("customer_id").agg(age=("age", "min"), cohort=("cohort", "first"))
    pairs = [(cohort, age) for cohort, ages in sizes["complete_ages"].items() for age in range(1, ages)]
    cells = pd.MultiIndex.from_tuples(pairs, names=["cohort", "age"]) if pairs else sizes.index[:0]
    table = pd.DataFrame(pairs, columns=["cohort", "age"])
    table["customers"] = table["cohort"].map(sizes["customers"])
    table["active"] = first.groupby(["cohort", "age"]).size().reindex(cells, fill_value=0).to_numpy()
    table["amount"] = again.groupby(["cohort", "age"])["amount"].sum().reindex(cells, fill_value=0.0).to_numpy()
    table[["active", "amount"]] = table.groupby("cohort")[["active", "amount"]].cumsum()
    table["retention_rate"] = table["active"] / table["customers"]
    columns = ["cohort", "age", "customers", "active", "retention_rate", "amount"]
    return table[columns].assign(complete=True)


def cohort_comparison(triangle: pd.DataFrame, *, age: int, baseline: Any = None, level: float = 0.95) -> pd.DataFrame:
    """Array: each later cohort's active share against the baseline's, at the same complete age.

    The interval of each difference is Newcombe's, pointwise. Whether two cohorts can be told apart
    is decided by the two-sample score test (pooled z, Pearson's chi-square) with Holm's correction
    over all the comparisons of the call, never by whether intervals overlap.

    Parameters
    ----------
    triangle : pandas.DataFrame
        As `retention_triangle` gives it.
    age : int
        Age in periods, at least 1; cohorts that have not completed it are left out.
    baseline : optional
        The cohort (its first day) to compare with. Default: the earliest of at least 30 customers that
        has completed `age` (of a handful nothing could ever be told apart), else the earliest at all;
        smaller ones before it are left out.
    level : float
        Level of the intervals; 1 − level is the family-wise error of `distinct`.

    Returns
    -------
    pandas.DataFrame, one row a cohort other than the baseline, in order of cohorts; none if fewer than two
        cohort, baseline, age, customers, retention_rate, baseline_rate, difference (share points, later
        minus baseline), low, high, p_value, p_holm, distinct (bool).

    Raises
    ------
    ParameterError
        Age below 1, a level outside (0, 1), or a baseline that has not completed `age`.

    References
    ----------
    Newcombe (1998), method 10; Pearson (1900), Philosophical Magazine 50, 157-175; Holm (1979).
    """
    import pandas as pd

    require_level(level)
    if age < 1:
        raise ParameterError(f"age is {age}; compare cohorts at age 1 or later: at age 0 every customer is active")
    whole = triangle[triangle["complete"] & (triangle["age"] == age)].sort_values("cohort")
    if baseline is None:
        large = whole[whole["customers"] >= FEWEST]
        base = (whole if large.empty else large).head(1)
        whole = whole[whole["cohort"] >= base["cohort"].min()]
    else:
        base = whole[whole["cohort"] == pd.Timestamp(baseline)]
        if base.empty:
            raise ParameterError(f"baseline {baseline!r} is no cohort that has completed age {age}")
    others = whole[~whole["cohort"].isin(base["cohort"])]
    rows = [_difference(other, base.iloc[0], level) for _, other in others.iterrows()]
    numbers = ["retention_rate", "baseline_rate", "difference", "low", "high", "p_value"]
    table = pd.DataFrame(rows, columns=["cohort", "baseline", "age", "customers", *numbers])
    table = table.astype({"cohort": "datetime64[us]", "baseline": "datetime64[us]", "age": int, "customers": int})
    table = table.astype(dict.fromkeys(numbers, float))  # also when there is no row
    table["p_holm"] = holm(table["p_value"])
    table["distinct"] = table["p_holm"] < 1 - level
    return table


def _difference(other: pd.Series, base: pd.Series, level: float) -> tuple[Any, ...]:
    """One row of `cohort_comparison` without the correction."""
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

    counts = (other["active"], other["customers"], base["active"], base["customers"])
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff", alpha=1 - level)
    p_value = 1.0  # where all or nobody is active there is no difference to test
    if 0 < counts[0] + counts[2] < counts[1] + counts[3]:
        p_value = float(proportions_ztest(np.array(counts[::2]), np.array(counts[1::2]))[1])
    difference = other["retention_rate"] - base["retention_rate"]
    head = (other["cohort"], base["cohort"], other["age"], other["customers"])
    return (*head, other["retention_rate"], base["retention_rate"], difference, low, high, p_value)
