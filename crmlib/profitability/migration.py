"""Who of the low-value customers became high-value: groups of two periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.columns import number_table, numbers
from crmlib.errors import DataError, ParameterError
from crmlib.profitability.losses import wilson
from crmlib.profitability.margin import require_margins

if TYPE_CHECKING:
    import pandas as pd

#: Group of those who had no order in the second period.
ABSENT = "not seen"


@dataclass(frozen=True, slots=True)
class Rise:
    """How many of the lowest customers were among the highest a period later.

    Attributes
    ----------
    customers, risen : int
        Of the lowest group in the first period, how many were in the highest of the second.
    share, low, high : float
        risen / customers (0-1) with Wilson's interval; NaN where there is nobody.
    others_share : float
        The same share among all other customers.
    margin : float
        Joint margin of the risen in the second period.
    group_margin : float
        Joint margin of the whole lowest group in the second period.
    level : float
    """

    customers: int
    risen: int
    share: float
    low: float
    high: float
    others_share: float
    margin: float
    group_margin: float
    level: float


def migration_matrix(pairs: pd.DataFrame, *, groups: int = 5) -> pd.DataFrame:
    """Array: from which group of the first period customers came to which group of the second.

    Groups of the second period are formed among those seen in it; who was not seen has a column of their own.

    Parameters
    ----------
    pairs : pandas.DataFrame
        As `paired_margins` gives them.
    groups : int
        Number of groups of equal size in each period, 1 the lowest. Equal margins share a group.

    Returns
    -------
    pandas.DataFrame
        Rows `group` 1 … groups of the first period, columns "not seen" and 1 … groups; shares of the row (0-1), NaN
        in a row without customers.
    """
    import pandas as pd

    pairs = require_pairs(pairs)
    counts = pd.crosstab(quantile_groups(pairs["before"], groups), _later_groups(pairs, groups))
    numbers: list[Any] = list(range(1, groups + 1))
    counts = counts.reindex(index=numbers, columns=[ABSENT, *numbers], fill_value=0)
    sizes = counts.sum(axis=1)
    return counts.div(sizes.where(sizes > 0), axis=0).rename_axis(index="group", columns="later group")


def rise(pairs: pd.DataFrame, *, groups: int = 10, lowest: int = 3, highest: int = 2, level: float = 0.95) -> Rise:
    """Array: share of the lowest groups that is among the highest a period later.

    Parameters
    ----------
    pairs : pandas.DataFrame
        As `paired_margins` gives them.
    groups, lowest, highest : int
        Number of groups, and how many of them count as lowest (first period) and highest (second period).
    level : float

    Returns
    -------
    Rise

    Raises
    ------
    ParameterError
        More lowest or highest groups than there are.
    """
    for name, value in (("lowest", lowest), ("highest", highest)):
        if not 1 <= value < groups:
            raise ParameterError(f"{name} is {value}; with {groups} groups give 1 to {groups - 1}")
    pairs = require_pairs(pairs)
    low_group = quantile_groups(pairs["before"], groups) <= lowest
    later = _later_groups(pairs, groups)
    high_group = np.array([group != ABSENT and group > groups - highest for group in later], dtype=bool)
    risen = int((low_group & high_group).sum())
    share, low, high = wilson(risen, int(low_group.sum()), level=level)
    others = float(high_group[~low_group].mean()) if (~low_group).any() else np.nan
    sums = (float(pairs["after"][low_group & high_group].sum()), float(pairs["after"][low_group].sum()))
    return Rise(int(low_group.sum()), risen, share, low, high, others, *sums, level)


def require_pairs(pairs: Any) -> pd.DataFrame:
    """Array: before, after (floats) and seen of each customer, once they are what they are called.

    Raises
    ------
    MissingColumnsError
    DataError
        Margins that are no numbers or missing; `seen` is missing.
    """
    table = number_table(pairs, ("before", "after"), table="pairs", others=("seen",))
    for name in ("before", "after"):
        require_margins(table[name])
    if table["seen"].isna().any():
        raise DataError("seen is missing for some customers; take the pairs from paired_margins")
    return table.astype({"seen": bool})


def quantile_groups(values: Any, groups: int) -> np.ndarray:
    """Array: number of each value's group, 1 the lowest; equal values share the group of their mean rank.

    Raises
    ------
    ParameterError
        Fewer than 2 groups.
    DataError
        A value is missing or no number.
    """
    import pandas as pd

    if isinstance(groups, bool) or not isinstance(groups, (int, np.integer)) or groups < 2:
        raise ParameterError(f"groups is {groups!r}; give a whole number of 2 or more")
    given = numbers(values, "values")
    require_margins(given)
    ranks = pd.Series(given).rank(method="average").to_numpy()
    return np.clip(np.ceil(groups * (ranks - 0.5) / max(len(ranks), 1)), 1, groups).astype(int)


def _later_groups(pairs: pd.DataFrame, groups: int) -> np.ndarray:
    """Group in the second period among those seen in it, else "not seen"."""
    seen = pairs["seen"].to_numpy()
    later = np.full(len(pairs), ABSENT, dtype=object)
    later[seen] = quantile_groups(pairs["after"].to_numpy()[seen], groups)
    return later
