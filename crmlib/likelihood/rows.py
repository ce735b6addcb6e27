"""Identical rows grouped: a likelihood is evaluated once a distinct row, times its weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlib.columns import numbers
from crmlib.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Distinct rows of some columns.

    Attributes
    ----------
    columns : tuple of float arrays, each of shape (m,)
    weights : float array, shape (m,)
        How many customers each distinct row stands for.
    place : int array, shape (n,)
        The distinct row of each row given: `columns[0][place]` is the first column again.
    first : int array, shape (m,)
        The first given row of each distinct one.
    """

    columns: tuple[Floats, ...]
    weights: Floats
    place: NDArray[np.int64]
    first: NDArray[np.int64]


def distinct_rows(*columns: ArrayLike, weights: ArrayLike | None = None) -> Rows:
    """Array: the distinct rows of columns of equal length, sorted, with the sum of their weights.

    Parameters
    ----------
    columns : array-likes, each of shape (n,), without NaN
    weights : array-like, shape (n,), optional
        At least 0; default 1 a row. Rows of weight 0 stay.

    Returns
    -------
    Rows

    Raises
    ------
    DataError
        Weights that are negative, missing or of another length.

    Examples
    --------
    >>> rows = distinct_rows([1, 0, 1], [5, 6, 5])
    >>> rows.columns, rows.weights, rows.place
    ((array([0., 1.]), array([6., 5.])), array([1., 2.]), array([1, 0, 1]))
    """
    import pandas as pd

    arrays = [np.asarray(column, dtype=float) for column in columns]
    n = len(arrays[0])
    each = checked_weights(weights, n)
    code, size = np.zeros(n, dtype=np.int64), 1
    for array in arrays:  # hash tables: several times faster than sorting rows
        more, values = pd.factorize(array, sort=True)
        if size * len(values) >= 2**62:  # codes of combinations stay whole numbers of 64 bits
            code, seen = pd.factorize(code, sort=True)
            size = len(seen)
        code, size = code * len(values) + more, size * len(values)
    code, _ = pd.factorize(code, sort=True)
    rows = int(code.max()) + 1 if n else 0
    first = np.empty(rows, dtype=np.int64)
    first[code[::-1]] = np.arange(n)[::-1]
    weight = np.bincount(code, weights=each, minlength=rows).astype(float)
    distinct = tuple(np.asarray(array[first], dtype=float) for array in arrays)
    return Rows(distinct, weight, code.astype(np.int64), first)


def checked_weights(weights: ArrayLike | None, n: int) -> Floats:
    """Weights as floats, ones by default.

    Raises
    ------
    DataError
    """
    if weights is None:
        return np.ones(n)
    each = numbers(weights, "weights")
    if each.shape != (n,):
        raise DataError(f"weights have shape {each.shape}, the data {n} rows; give one weight a row")
    if not (np.all(np.isfinite(each)) and np.all(each >= 0)):
        raise DataError("weights must be finite and at least 0: how many customers a row stands for")
    return each
