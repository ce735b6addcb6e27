"""Purchase histories as arrays: checked, and identical ones grouped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.columns import numbers
from crmlib.errors import DataError
from crmlib.likelihood import Rows, distinct_rows

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Histories:
    """Distinct purchase histories.

    Attributes
    ----------
    x, recency, age : float arrays, shape (m,)
        Repeat purchases; time of the last one, and of the end of observation, since the first purchase.
    rate, dropout : float arrays, shape (m, covariates)
    rows : Rows
        How they stand for the histories given.
    """

    x: Floats
    recency: Floats
    age: Floats
    rate: Floats
    dropout: Floats
    rows: Rows


def histories(
    frequency: ArrayLike,
    recency: ArrayLike,
    age: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    rate: Any = None,
    dropout: Any = None,
) -> Histories:
    """Array: checked and grouped histories.

    Raises
    ------
    DataError
        Lengths differ; a value is missing, infinite, negative or impossible. The message counts them.
    """
    x, last, end = checked_histories(frequency, recency, age)
    z = [covariate_matrix(values, len(x), name) for name, values in (("rate", rate), ("dropout", dropout))]
    rows = distinct_rows(x, last, end, *z[0].T, *z[1].T, weights=weights)
    covariates = np.stack([rows.columns[0], *rows.columns[3:]], axis=1)[:, 1:]
    cut = z[0].shape[1]
    x, last, end = rows.columns[:3]
    return Histories(x, last, end, covariates[:, :cut], covariates[:, cut:], rows)


def checked_histories(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Frequency, recency and age as floats of one shape; a recency beyond age by rounding is cut to it.

    Raises
    ------
    DataError
    """
    given = {"frequency": frequency, "recency": recency, "age": age}
    arrays = {name: numbers(values, name) for name, values in given.items()}
    try:
        x, last, end = np.broadcast_arrays(*arrays.values())
    except ValueError as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(f"lengths differ: {shapes}; give one value of each a customer") from error
    if x.ndim != 1:
        raise DataError(f"frequency, recency and age must be one-dimensional, not of shape {x.shape}")
    for name, array in zip(given, (x, last, end), strict=True):
        _refuse(~np.isfinite(array), f"{name} is missing or infinite", "drop or repair these customers")
        _refuse(array < 0, f"{name} is negative", "times count from the first purchase on, repeats from 0")
    _refuse(x != np.floor(x), "frequency is not whole", "it counts repeat purchases, not money")
    _refuse(last > end * (1 + 1e-9), "recency lies beyond age", "leave out purchases after as_of; use one time unit")
    odd = (x == 0) & (last > 0)
    _refuse(odd, "recency is above 0 without a repeat purchase", "recency is the time from first to last purchase")
    odd = (x > 0) & (last == 0)
    _refuse(odd, "recency is 0 with repeat purchases", "merge the orders of a day, as purchase_history does")
    return x, np.minimum(last, end), end


def covariate_matrix(values: Any, n: int, name: str) -> Floats:
    """Covariates as a matrix with one row a customer; no columns for None.

    Raises
    ------
    DataError
    """
    if values is None:
        return np.empty((n, 0))
    try:
        matrix = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} covariates are not all numbers; code groups as 0 and 1") from error
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or len(matrix) != n:
        raise DataError(f"{name} covariates have shape {matrix.shape} for {n} customers; give one row a customer")
    _refuse(~np.isfinite(matrix).all(axis=1), f"a {name} covariate is missing or infinite", "drop or fill these")
    return matrix


def covariate_names(values: Any, count: int) -> tuple[str, ...]:
    """Column names of a frame, else z1, z2 and so on."""
    names = getattr(values, "columns", None)
    if names is None and getattr(values, "name", None) is not None and count == 1:
        names = [values.name]
    return tuple(map(str, names)) if names is not None else tuple(f"z{i + 1}" for i in range(count))


def _refuse(wrong: NDArray[np.bool_], what: str, remedy: str) -> None:
    if wrong.any():
        raise DataError(f"{what} for {int(wrong.sum()):,} of {len(wrong):,} customers; {remedy}")
