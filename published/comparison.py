"""Published numbers and how this package's own are held against them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import published

ENTRIES = Path(__file__).parents[1] / "tests" / "published.yml"

_COMPUTED: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {}


@dataclass(frozen=True)
class Number:
    """A published number beside our own.

    `printed` is the text as published, `ours` None where nothing is computed, `tolerance` absolute.
    """

    key: str
    name: str
    printed: str
    ours: float | None
    tolerance: float
    source: str
    data: str

    @property
    def difference(self) -> float:
        """Ours less the published."""
        return float("nan") if self.ours is None else self.ours - float(self.printed)

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance, but for the last bits of a float."""
        return abs(self.difference) <= self.tolerance + 1e-12 * max(1.0, abs(float(self.printed)))


def computed(key: str, *, inputs: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function that computes the values of an entry.

    Parameters
    ----------
    key : str
        Of the entry.
    inputs : names of values that are given, not computed
        With some, the function is called with the entry's values.
    """

    def registered(function: Callable[..., Any]) -> Callable[..., Any]:
        _COMPUTED[key] = function, inputs
        return function

    return registered


def computed_keys() -> set[str]:
    """Keys that a module of this folder computes."""
    for module in pkgutil.iter_modules(published.__path__):
        if module.name != "__main__":
            importlib.import_module(f"published.{module.name}")
    return set(_COMPUTED)


def entries() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Every entry by key, as numbers and as printed: the text tells how many digits are meant."""
    import yaml

    text = ENTRIES.read_text(encoding="utf-8")
    numbers, printed = yaml.safe_load(text), yaml.load(text, Loader=yaml.BaseLoader)
    return {key: (numbers[key], printed[key]) for key in numbers}


def compared(key: str, entry: dict[str, Any], printed: dict[str, Any]) -> list[Number]:
    """The numbers of one entry beside ours.

    The tolerance is the one that stands beside the value (`llf_tolerance` beside `llf`); else half a unit of the last
    digit printed, or the entry's own where that is narrower. Counts are exact unless the entry says otherwise.
    """
    function, inputs = _COMPUTED[key]
    own = dict(_leaves(function(entry["values"]) if inputs else function()))
    texts = dict(_leaves(printed["values"]))
    numbers = []
    for path, text in texts.items():
        if set(path) & set(inputs) or any(part.endswith(_TOLERANCE) for part in path):
            continue
        ours = own.get(path)
        beside = [(*path[:place], part + _TOLERANCE, *path[place + 1 :]) for place, part in enumerate(path)]
        stated = [float(texts[place]) for place in beside if place in texts]
        tolerance = stated[0] if stated else _tolerance(text, ours, entry.get("tolerance"))
        value = None if ours is None else float(ours)
        numbers.append(Number(key, ".".join(path), text, value, tolerance, entry["source"], entry["data"]))
    return numbers


_TOLERANCE = "_tolerance"


def _tolerance(text: str, ours: Any, entry: float | None) -> float:
    if isinstance(ours, int) and "." not in text:
        return entry if entry is not None and entry >= 1 else 0.0
    exponent = Decimal(text).as_tuple().exponent
    half = float(Decimal(5).scaleb(int(exponent) - 1))
    if entry is None or "." not in text:
        return max(half, entry or 0.0)
    return min(half, entry)


def _leaves(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Numbers of nested mappings and lists, by path."""
    if isinstance(values, dict):
        for name, value in values.items():
            yield from _leaves(value, (*path, str(name)))
    elif isinstance(values, list | tuple):
        for number, value in enumerate(values, 1):
            yield from _leaves(value, (*path, str(number)))
    else:
        yield path, values.item() if hasattr(values, "item") else values
