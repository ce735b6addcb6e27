"""Does the model foresee what customers did? Hold-out evaluation beside naive rules, and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.errors import DataError, ParameterError
from crmlib.frames import to_pandas, wrap
from crmlib.intervals import holm, require_level

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import TransactionResults

Floats = NDArray[np.float64]

_COLUMNS = ("frequency", "recency", "age", "holdout_time", "holdout_frequency")


def holdout_evaluation(results: TransactionResults, holdout: Any, *, level: float = 0.95) -> pd.DataFrame:
    """Array: predicted against actual purchases of a hold-out, the model beside naive rules.

    The rules: each customer goes on at the own past rate (frequency / age); everybody buys at the mean rate of all;
    nobody buys any more. A model is worth its trouble where its squared error is distinctly below theirs. Squared,
    because an expectation is to be judged: the absolute error is least at the median, which for most customers is 0,
    so by it "no purchases" is hard to beat and tells nothing.

    Parameters
    ----------
    results : TransactionResults
        Fitted to these customers' histories.
    holdout : frame
        As `rfm.holdout_history` gives it, with the model's covariates by name where it has some.
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
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    table = holdout_table(results, holdout)
    actual, time = table["holdout_frequency"].to_numpy(float), table["holdout_time"].to_numpy(float)
    x, age = table["frequency"].to_numpy(float), table["age"].to_numpy(float)
    own = np.divide(x, age, out=np.zeros_like(x), where=age > 0)
    rules = {
        "model": table["expected"].to_numpy(float),
        "own past rate": own * time,
        "mean rate of all": np.full_like(x, x.sum() / max(age.sum(), 1e-300)) * time,
        "no purchases": np.zeros_like(x),
    }
    rows = []
    error = (rules["model"] - actual) ** 2
    for rule, predicted in rules.items():
        more = (predicted - actual) ** 2 - error
        spread = more.std(ddof=1) / np.sqrt(len(more)) if len(more) > 1 else np.nan
        step = norm.ppf(0.5 + level / 2) * spread
        p = 2 * norm.sf(abs(more.mean()) / spread) if spread > 0 else np.nan
        rows.append(
            {
                "rule": rule,
                "predicted": predicted.sum(),
                "actual": actual.sum(),
                "total_error": predicted.sum() / actual.sum() - 1 if actual.sum() else np.nan,
                "mean_absolute_error": np.abs(predicted - actual).mean(),
                "root_mean_square_error": np.sqrt(((predicted - actual) ** 2).mean()),
                "correlation": _correlation(predicted, actual),
                "more_error": more.mean(),
                "low": more.mean() - step,
                "high": more.mean() + step,
                "p_value": p,
            }
        )
    result = pd.DataFrame(rows)
    result.loc[0, ["more_error", "low", "high", "p_value"]] = np.nan
    result.loc[1:, "p_value"] = holm(result.loc[1:, "p_value"].fillna(1.0))
    return result


def holdout_calibration(
    results: TransactionResults, holdout: Any, *, by: str = "frequency", groups: int = 8
) -> pd.DataFrame:
    """Array: mean predicted and actual purchases of the hold-out, by what customers had done before.

    Parameters
    ----------
    results, holdout
        As in `holdout_evaluation`.
    by : {"frequency", "recency"}
        Repeat purchases, the last group open; or quantiles of recency as a part of age, who never came back apart.
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
    if groups < 2:
        raise ParameterError(f"groups is {groups}; give at least 2")
    table = holdout_table(results, holdout)
    x = table["frequency"].astype(int)
    if by == "frequency":
        number, last = x.clip(upper=groups - 1), groups - 1
        label = {k: f"{k} or more" if k == last and (x > last).any() else str(k) for k in range(groups)}
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


def frequency_table(results: TransactionResults, *, top: int = 7) -> pd.DataFrame:
    """Array: how many customers of the fit made 0, 1, 2… repeat purchases, and how many the model expects.

    Parameters
    ----------
    results : TransactionResults
        Of a model without covariates.
    top : int
        The last row holds this number and more, at least 1.

    Returns
    -------
    pandas.DataFrame
        frequency, actual, expected (customers), last (True for the open row).
    """
    import pandas as pd

    if top < 1:
        raise ParameterError(f"top is {top}; give at least 1")
    if results.model.effects:
        raise DataError("the model has covariates, so that no one distribution holds for all; fit it without them")
    given, weights = results.model.histories, results.model.weights
    ages, place = np.unique(given.age, return_inverse=True)
    customers = np.bincount(place, weights=weights)
    chances = np.stack([results.purchase_probability(np.arange(top), age) for age in ages])
    expected = customers @ chances
    actual = np.bincount(np.minimum(given.x, top).astype(int), weights=weights, minlength=top + 1)
    table = {
        "frequency": np.arange(top + 1),
        "actual": actual,
        "expected": [*expected, customers.sum() - expected.sum()],
    }
    return pd.DataFrame(table).assign(last=lambda rows: rows["frequency"] == top)


def holdout_table(results: TransactionResults, holdout: Any) -> pd.DataFrame:
    """Hold-out as a pandas frame with `expected`, each customer's expected purchases in it.

    Raises
    ------
    MissingColumnsError, DataError
    """
    model = results.model
    covariates = tuple(dict.fromkeys((*model.rate_names, *model.dropout_names)))
    table = to_pandas(wrap(holdout, (*_COLUMNS, *covariates), table="holdout").to_native())
    if table.empty:
        raise DataError("the hold-out has no customers; take an earlier as_of")
    if not (table["holdout_time"] > 0).all():
        raise DataError("the hold-out has no length for some customers; `until` must lie after `as_of`")
    expected = np.empty(len(table))
    for time in table["holdout_time"].unique():
        rows = (table["holdout_time"] == time).to_numpy()
        own = table[rows]
        given = {f"{kind}_covariates": own[list(names)] for kind, names in _kinds(model) if names}
        expected[rows] = results.conditional_expectation(time, own["frequency"], own["recency"], own["age"], **given)
    return table.assign(expected=expected)


def _kinds(model: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("rate", model.rate_names), ("dropout", model.dropout_names)


def _correlation(a: ArrayLike, b: ArrayLike) -> float:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if len(a) < 2 or np.ptp(a) <= 1e-12 * max(1.0, float(np.abs(a).max())) or np.ptp(b) == 0:
        return float(np.nan)
    return float(np.corrcoef(a, b)[0, 1])
