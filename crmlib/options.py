"""Options that are what they should be: a number, a whole number, a generator of random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crmlib.errors import ParameterError


def number(value: Any, name: str) -> float:
    """One number, infinite or NaN too: what range it must lie in is for the caller to say.

    Raises
    ------
    ParameterError
        Text, a date, several values, nothing.
    """
    given = np.asarray(value)
    if given.ndim or given.dtype.kind not in "biuf":
        raise ParameterError(f"{name} is {value!r}; give one number")
    return float(given)


def whole(value: Any, name: str, *, least: int = 0, most: int = 1_000_000) -> int:
    """One whole number from `least` to `most`.

    Raises
    ------
    ParameterError
    """
    found = np.nan if isinstance(value, (bool, np.bool_)) else number(value, name)
    if not (least <= found <= most and found == np.floor(found)):
        raise ParameterError(f"{name} is {value!r}; give a whole number of at least {least:,}, at most {most:,}")
    return int(found)


def several(values: Any, name: str) -> NDArray[np.float64]:
    """A number or an array of numbers, of its own shape.

    Raises
    ------
    ParameterError
    """
    try:
        given = np.asarray(values)
        if given.dtype.kind in "mMcOUS":
            raise ValueError
        return np.asarray(given, dtype=float)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} is {values!r}; give numbers") from error


def generator(rng: Any) -> np.random.Generator:
    """A generator of random numbers.

    Raises
    ------
    ParameterError
    """
    if not isinstance(rng, np.random.Generator):
        raise ParameterError(f"rng is {rng!r}; give a generator, rng=np.random.default_rng(seed)")
    return rng
