"""One category of a source in windows of time: the matrix, what comes next, and what the window's length does."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crmlib.errors import DataError, ParameterError
from crmlib.frames import as_date, to_pandas
from crmlib.intervals import bootstrap_interval
from crmlib.wallet.measures import repeat_shares
from crmlib.wallet.purchases import OTHER, brand_matrix, brand_purchases

if TYPE_CHECKING:
    import pandas as pd

    from crmlib.data import Tables


def category_matrix(
    tables: Tables,
    *,
    category: str,
    brand: str = "brand",
    start: str | datetime.date | None = None,
    end: str | datetime.date | None = None,
    largest: int = 8,
    brands: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Array: purchases of each household of a source of each brand of a category.

    Parameters
    ----------
    tables : Tables
        With customers, orders, order_lines, products.
    category, brand, start, end
        As in `brand_purchases`.
    largest, brands
        As in `brand_matrix`.

    Returns
    -------
    pandas.DataFrame
        As `brand_matrix` gives it, with a row for each of customers and the brands' names as text.

    Raises
    ------
    MissingColumnsError, ParameterError
    DataError
        No purchases.
    """
    lines, products, orders = (tables[name] for name in ("order_lines", "products", "orders"))
    window: dict[str, Any] = {"start": start, "end": end}
    bought = to_pandas(brand_purchases(lines, products, orders=orders, category=category, brand=brand, **window))
    named = bought.assign(brand=bought["brand"].astype(str))
    return brand_matrix(named, households=tables["customers"], largest=largest, brands=brands)


def brand_of(matrix: pd.DataFrame, name: str = "") -> str:
    """Array: a brand of a matrix by its name; by default the second largest of those named.

    Raises
    ------
    DataError
        There is no such brand.
    """
    names = [str(each) for each in matrix.columns if each != OTHER]
    if not name:
        return names[min(1, len(names) - 1)]
    if name not in names:
        raise DataError(f"{name!r} is not among the brands named: {', '.join(names)}; take one of them, or name more")
    return name


def next_period(
    tables: Tables,
    *,
    category: str,
    brand: str = "brand",
    days: int,
    end: str | datetime.date,
    largest: int = 8,
    level: float = 0.95,
    replicates: int = 500,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Array: how many of each brand's buyers buy it again in the next period, and what its size predicts.

    The market is fitted to the first of two periods, which follow each other and are equally long.

    Parameters
    ----------
    tables, category, brand, largest
        As in `category_matrix`.
    days : int
        Length of each period, at least 1.
    end : date or ISO string
        Last day of the second.
    level, replicates, rng
        Of the interval over all brands, a bootstrap over households.

    Returns
    -------
    pandas.DataFrame, one row a brand of the first period and one for "all brands"
        As `repeat_shares`, and expected (`DirichletMarket.brand_measures`; over all brands weighted by buyers).

    Raises
    ------
    ParameterError, DataError, ConvergenceError
    """
    from crmlib import models

    last = _last(end)
    middle = last - datetime.timedelta(days=_whole(days))
    spans = ((middle - datetime.timedelta(days=days - 1), middle), (middle + datetime.timedelta(days=1), last))
    names: list[str] | None = None
    periods = []
    for start, until in spans:
        kind: dict[str, Any] = {"category": category, "brand": brand, "largest": largest}
        try:
            periods.append(category_matrix(tables, **kind, start=start, end=until, brands=names))
        except DataError as error:
            raise DataError(
                f"nobody bought {category} from {start} to {until}; take periods under {days} days, or a later end"
            ) from error
        names = names or list(periods[0].columns)
    periods[1] = periods[1].reindex(columns=names, fill_value=0)  # what is new there nobody can have bought before
    market = models.Dirichlet(periods[0]).fit().market
    table = repeat_shares(*periods, level=level)
    table["expected"] = market.brand_measures()["repeat_share"].to_numpy()
    first, second = (each.to_numpy() > 0 for each in periods)
    parts = np.stack([(first & second).sum(axis=1), first.sum(axis=1)]).astype(float)

    def share(weights: np.ndarray) -> np.ndarray:
        again, bought = parts @ weights
        return (again / bought)[None]

    (low,), (high,) = bootstrap_interval(share, parts.shape[1], level=level, replicates=replicates, rng=rng)
    again, bought = parts.sum(axis=1)
    expected = np.average(table["expected"], weights=table["buyers"])
    table.loc[len(table)] = ["all brands", int(bought), int(again), again / bought, low, high, expected]
    return table


def window_sweep(
    tables: Tables,
    *,
    category: str,
    brand: str = "brand",
    ours: str,
    days: Sequence[int],
    end: str | datetime.date,
    largest: int = 8,
    level: float = 0.95,
) -> pd.DataFrame:
    """Array: a brand's measures, and how much households switch, in windows that end on one day.

    Parameters
    ----------
    tables, category, brand, largest
        As in `category_matrix`; the brands named are those of the longest window.
    ours : str
        One of them.
    days : sequence of int
        Lengths of the windows, at least 1.
    end : date or ISO string
    level : float

    Returns
    -------
    pandas.DataFrame, one row a window
        days, penetration, category_share (of `ours`), S, low, high (of the Dirichlet).

    Raises
    ------
    ParameterError, DataError, ConvergenceError
    """
    import pandas as pd

    from crmlib import models

    last, rows = _last(end), []
    names: list[str] | None = None
    for length in sorted({_whole(each) for each in days}, reverse=True):
        start = last - datetime.timedelta(days=length - 1)
        kind: dict[str, Any] = {"category": category, "brand": brand, "largest": largest}
        matrix = category_matrix(tables, **kind, start=start, end=last, brands=names)
        names = names or list(matrix.columns)
        brand_of(matrix, ours)
        own = matrix[ours] > 0
        share = matrix.loc[own, ours].sum() / matrix[own].to_numpy().sum() if own.any() else np.nan
        some = matrix.loc[:, matrix.sum() > 0]  # a brand may be new
        rows.append((length, own.mean(), share, *models.Dirichlet(some).fit().switching_interval(level)))
    return pd.DataFrame(rows[::-1], columns=["days", "penetration", "category_share", "S", "low", "high"])


def _last(end: str | datetime.date) -> datetime.date:
    last = as_date(end, name="end")
    if last is None:
        raise ParameterError("windows need their last day; give end as YYYY-MM-DD")
    return last


def _whole(days: int) -> int:
    if isinstance(days, bool) or not hasattr(days, "__index__") or days < 1:
        raise ParameterError(f"days is {days!r}; give a whole number of days, 1 or more")
    return int(days)
