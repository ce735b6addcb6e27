"""What customers did in a hold-out beside what a fit, and naive rules, expected of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.columns import column_names, number_table
from crmlib.errors import DataError
from crmlib.intervals import holm, require_level
from crmlib.models import ContractResults

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.models import TransactionResults

Floats = NDArray[np.float64]

_COLUMNS = ("frequency", "recency", "age", "holdout_time", "holdout_frequency")
#: Columns of a hold-out of contracts, by what they are called in the table.
_CONTRACTS = {"renewals": "frequency", "holdout_periods": "holdout_time", "holdout_renewals": "holdout_frequency"}


def holdout_table(results: TransactionResults | ContractResults, holdout: Any) -> pd.DataFrame:
    """Hold-out as a pandas frame with `expected`, each customer's expected purchases (renewals) in it.

    Raises
    ------
    MissingColumnsError, DataError
    """
    table = _read(results, holdout)
    if table.empty:
        raise DataError("the hold-out has no customers; take an earlier as_of")
    made = table["holdout_frequency"].to_numpy(dtype=float)
    if not (np.all(np.isfinite(made)) and np.all(made >= 0) and np.all(made == np.floor(made))):
        raise DataError("the hold-out's numbers of purchases must be whole and at least 0; count days, not money")
    if not ((table["holdout_time"] > 0) & np.isfinite(table["holdout_time"])).all():
        raise DataError("the hold-out has no length for some customers; `until` must lie after `as_of`")
    if isinstance(results, ContractResults) and (table["holdout_frequency"] > table["holdout_time"]).any():
        raise DataError("holdout_renewals lie beyond holdout_periods; one renewal comes up a period")
    expected = np.empty(len(table))
    for rows, time, own in by_time(results, table):
        expected[rows] = _expectation(results, time, own)
    return table.assign(expected=expected)


def by_time(results: Any, table: pd.DataFrame) -> list[tuple[NDArray[np.bool_], Any, dict[str, Any]]]:
    """For each length of hold-out: which rows have it, the length, and their histories."""
    found = []
    for time in table["holdout_time"].unique():
        rows = (table["holdout_time"] == time).to_numpy()
        own = table[rows]
        if isinstance(results, ContractResults):
            given: dict[str, Any] = {"renewals": own["frequency"].to_numpy(dtype=float)}
        else:
            given = {name: own[name] for name in ("frequency", "recency", "age")}
            kinds = ("rate", results.model.rate_names), ("dropout", results.model.dropout_names)
            given |= {f"{kind}_covariates": own[list(names)] for kind, names in kinds if names}
        found.append((rows, time, given))
    return found


def naive_rules(results: Any, table: pd.DataFrame) -> dict[str, Floats]:
    """What rules that need no model expect of each customer of `holdout_table`."""
    time, x = table["holdout_time"].to_numpy(float), table["frequency"].to_numpy(float)
    if isinstance(results, ContractResults):
        model = results.model
        made = float(model.weights @ (model.periods - model.left))
        rate = made / float(model.weights @ model.periods)
        flat = rate * time if rate == 1 else rate * -np.expm1(time * np.log(max(rate, 1e-300))) / (1 - rate)
        return {"one renewal rate for all": flat, "nobody leaves": time}
    age = table["age"].to_numpy(float)
    own = np.divide(x, age, out=np.zeros_like(x), where=age > 0)
    return {
        "own past rate": own * time,
        "mean rate of all": np.full_like(x, x.sum() / max(age.sum(), 1e-300)) * time,
        "no purchases": np.zeros_like(x),
    }


def compared(rules: Mapping[str, Floats], actual: Floats, level: float) -> pd.DataFrame:
    """Array: totals and errors of rules for the same customers, the model's first; see `holdout_evaluation`."""
    import pandas as pd
    from scipy.stats import norm

    require_level(level)
    rows = []
    error = (next(iter(rules.values())) - actual) ** 2
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
                "correlation": correlation(predicted, actual),
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


def correlation(a: ArrayLike, b: ArrayLike) -> float:
    """Pearson correlation; NaN where one is constant."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if len(a) < 2 or np.ptp(a) <= 1e-12 * max(1.0, float(np.abs(a).max())) or np.ptp(b) == 0:
        return float(np.nan)
    return float(np.corrcoef(a, b)[0, 1])


def _read(results: Any, holdout: Any) -> pd.DataFrame:
    if not isinstance(results, ContractResults):
        covariates = tuple(dict.fromkeys((*results.model.rate_names, *results.model.dropout_names)))
        return number_table(holdout, (*_COLUMNS, *covariates), table="holdout")
    several = "customers" in column_names(holdout, table="holdout")
    table = number_table(holdout, (*_CONTRACTS, *(["customers"] * several)), table="holdout")
    if several:
        each = table["customers"].to_numpy()
        if not (np.all(np.isfinite(each)) and np.all(each >= 0) and np.all(each == np.floor(each))):
            raise DataError("customers must be whole numbers of at least 0: how many each row stands for")
        table = table.loc[table.index.repeat(each.astype(int))].reset_index(drop=True)
    counts = table[["renewals", "holdout_periods"]].to_numpy()
    if not (np.all(np.isfinite(counts)) and np.all(counts >= 0) and np.all(counts == np.floor(counts))):
        raise DataError("renewals and holdout_periods must be whole numbers of at least 0 for every customer")
    return table.rename(columns=_CONTRACTS)


def _expectation(results: Any, time: Any, given: dict[str, Any]) -> Any:
    if isinstance(results, ContractResults):
        made, place = np.unique(given["renewals"], return_inverse=True)
        return results.expected_renewals(time, made)[place]
    return results.conditional_expectation(time, **given)
