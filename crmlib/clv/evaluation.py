"""Does the model foresee what customers did? Hold-out evaluation beside naive rules, and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.clv.holdout import by_time, compared, holdout_table, naive_rules
from crmlib.errors import ParameterError
from crmlib.intervals import require_level
from crmlib.models import ContractResults
from crmlib.options import whole

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import TransactionResults


def holdout_evaluation(
    results: TransactionResults | ContractResults, holdout: Any, *, level: float = 0.95
) -> pd.DataFrame:
    """Array: predicted against actual purchases of a hold-out, the model beside naive rules.

    The rules: each customer goes on at the own past rate (frequency / age); everybody buys at the mean rate of all;
    nobody buys any more. Of contracts: everybody renews at the rate of all renewals of the fit; nobody leaves. A
    model is worth its trouble where its squared error is distinctly below theirs. Squared, because an expectation is
    to be judged: the absolute error is least at the median, which for most customers is 0, so by it "no purchases" is
    hard to beat and tells nothing.

    Parameters
    ----------
    results : TransactionResults or ContractResults
        Fitted to these customers' histories.
    holdout : frame
        As `rfm.holdout_history` gives it, or for a BG/BB fit `rfm.opportunity_history`; with the model's covariates by
        name where it has some. Of contracts, one row a customer who was there at the cut: renewals (made by then),
        holdout_periods (renewals that came up since), holdout_renewals (those made), and customers (optional, how
        many such): see `cohort_holdout`.
    level : float
        Of the interval of the difference in error.

    Returns
    -------
    pandas.DataFrame, one row a rule, the model first
        rule; predicted, actual (totals); total_error (predicted / actual - 1); mean_absolute_error and
        root_mean_square_error (purchases a customer); correlation (of predicted and actual over customers, NaN for a
        constant); more_error (mean squared error less the model's), low, high (its paired normal interval); p_value
        (two-sided, adjusted by Holm over the rules).

    Raises
    ------
    DataError
        No customers, or a hold-out without length.
    """
    require_level(level)
    table = holdout_table(results, holdout)
    rules = {"model": table["expected"].to_numpy(float), **naive_rules(results, table)}
    return compared(rules, table["holdout_frequency"].to_numpy(float), level)


def prediction_coverage(
    results: TransactionResults | ContractResults, holdout: Any, *, level: float = 0.95
) -> pd.Series:
    """Array: how many customers bought as often in a hold-out as their prediction interval says.

    The intervals take the estimated parameters as known. Numbers of purchases are whole, so that even where all is
    right more than `level` are inside, most by having bought nothing; too few are inside where customers differ more
    than the model knows, or where demand has moved.

    Parameters
    ----------
    results, holdout
        As in `holdout_evaluation`.
    level : float

    Returns
    -------
    pandas.Series
        customers, inside (share, 0-1), below, above (shares outside), error (standard error of `inside`).
    """
    import pandas as pd

    require_level(level)
    table = holdout_table(results, holdout)
    made = table["holdout_frequency"].to_numpy(float)
    low, high = np.empty(len(table)), np.empty(len(table))
    for rows, time, given in by_time(results, table):
        if isinstance(results, ContractResults):
            renewals, place = np.unique(given["renewals"], return_inverse=True)
            ends = results.renewal_interval(time, renewals, level=level).iloc[place]
        else:
            ends = results.prediction_interval(time, **given, level=level)
        low[rows], high[rows] = ends["low"], ends["high"]
    below, above = float((made < low).mean()), float((made > high).mean())
    inside = 1 - below - above
    error = float(np.sqrt(inside * (1 - inside) / len(made)))
    return pd.Series({"customers": len(made), "inside": inside, "below": below, "above": above, "error": error})


def holdout_calibration(
    results: TransactionResults | ContractResults, holdout: Any, *, by: str = "frequency", groups: int = 8
) -> pd.DataFrame:
    """Array: mean predicted and actual purchases of the hold-out, by what customers had done before.

    Parameters
    ----------
    results, holdout
        As in `holdout_evaluation`.
    by : {"frequency", "recency"}
        Repeat purchases (of contracts: renewals), the last group open; or quantiles of recency as a part of age, who
        never came back apart.
    groups : int
        At most so many, at least 2.

    Returns
    -------
    pandas.DataFrame, one row a group
        group (text), customers, expected, actual (purchases a customer), low, high (normal 95 % interval of actual).
    """
    import pandas as pd

    if by not in ("frequency", "recency"):
        raise ParameterError(f"by is {by!r}; use frequency or recency")
    groups = whole(groups, "groups", least=2, most=10_000)
    if by == "recency" and isinstance(results, ContractResults):
        raise ParameterError("contracts have no recency; use by='frequency', the renewals made")
    table = holdout_table(results, holdout)
    x = table["frequency"].astype(int)
    if by == "frequency":
        least = int(x.min()) if isinstance(results, ContractResults) else 0
        last = least + groups - 1
        number = x.clip(upper=last)
        label = {k: f"{k} or more" if k == last and (x > last).any() else str(k) for k in range(least, last + 1)}
    else:
        share = table["recency"] / table["age"].where(table["age"] > 0)
        cut = pd.qcut(share[x > 0], groups - 1, duplicates="drop")
        number = pd.Series(0, index=table.index)
        number[x > 0] = cut.cat.codes + 1
        names = [f"last at {100 * c.left:.0f} to {100 * c.right:.0f} % of age" for c in cut.cat.categories]
        label = {0: "never came back"} | dict(enumerate(names, start=1))
    grouped = table.groupby(number)["holdout_frequency"]
    out = pd.DataFrame({"customers": grouped.size(), "actual": grouped.mean(), "sd": grouped.std()})
    out["expected"] = table.groupby(number)["expected"].mean()
    step = 1.959964 * out["sd"].fillna(0.0) / np.sqrt(out["customers"])
    out = out.assign(low=out["actual"] - step, high=out["actual"] + step, group=[label[k] for k in out.index])
    return out[["group", "customers", "expected", "actual", "low", "high"]].reset_index(drop=True)
