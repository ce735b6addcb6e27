"""Attributes of customers as levels: rare ones joined, and the columns that a logistic model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from crmlib.columns import numbers
from crmlib.errors import DataError, MissingColumnsError, ParameterError
from crmlib.frames import to_pandas, wrap

if TYPE_CHECKING:
    import pandas as pd


#: Level of an attribute that is missing.
NOT_STATED = "not stated"
#: Level that takes in all levels too rare to have an effect of their own.
OTHER = "other"


def attribute_table(customers: Any, attributes: Sequence[str]) -> pd.DataFrame:
    """Their columns, from any frame, in its order.

    Raises
    ------
    MissingColumnsError, ParameterError
    """
    if isinstance(attributes, str) or not len(attributes):
        raise ParameterError(f"attributes is {attributes!r}; give a list of names, at least one")
    return to_pandas(wrap(customers, list(attributes), table="customers").to_native())


def best_flags(best: ArrayLike, customers: int) -> np.ndarray:
    """Whether each customer is among the best.

    Raises
    ------
    DataError
    """
    flags = numbers(best, "best")
    if flags.shape != (customers,):
        raise DataError(f"best has shape {flags.shape} for {customers} customers; give one of each")
    if not np.all((flags == 0) | (flags == 1)):
        raise DataError("best must be true or false for every customer, as best_customers gives it")
    return np.asarray(flags == 1)


def level_names(values: pd.Series) -> pd.Series:
    """Values as text, missing ones by a name of their own."""
    return values.astype("object").where(values.notna(), NOT_STATED).astype(str)


def frequent_levels(values: pd.Series, best: np.ndarray, rarest: int) -> tuple[str, ...]:
    """Levels that are frequent enough, the most frequent first; "other" last where some are not."""
    import pandas as pd

    counts = pd.crosstab(values.to_numpy(), best).reindex(columns=[True, False], fill_value=0)
    kept = counts[counts.min(axis=1) >= rarest].sum(axis=1)
    names = [str(name) for name in kept.sort_values(ascending=False, kind="stable").index]
    joined = counts.drop(names).sum()
    if len(counts) > len(names) and OTHER not in names and joined.min() >= rarest:
        names.append(OTHER)
    return tuple(names)


def coarse_levels(customers: pd.DataFrame, levels: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Attributes with what is no level put to "other", or to the reference where there is none."""
    import pandas as pd

    if missing := [name for name in levels if name not in customers.columns]:
        raise MissingColumnsError(f"prospects lack {', '.join(map(repr, missing))}; give the attributes of the fit")
    columns: dict[str, Any] = {}
    for name, own in levels.items():
        values = level_names(customers[name])
        columns[name] = values.where(values.isin(own), OTHER if OTHER in own else own[0]).to_numpy()
    return pd.DataFrame(columns)


def design_matrix(coarse: pd.DataFrame, levels: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Intercept, and a column of zeros and ones for every level but the references."""
    import pandas as pd

    columns: dict[str, Any] = {"intercept": np.ones(len(coarse))}
    for name, own in levels.items():
        for level in own[1:]:
            columns[f"{name}: {level}"] = (coarse[name] == level).to_numpy(dtype=float)
    return pd.DataFrame(columns)
