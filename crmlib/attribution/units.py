"""What a bootstrap of journeys draws: customers, journeys, or cells of alike journeys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from crmlib.attribution.order import folded
from crmlib.attribution.paths import Paths
from crmlib.attribution.positional import Rule
from crmlib.errors import DataError
from crmlib.intervals import resamples

#: Up to so many of each unit, on average, drawing one by one is quicker than the multinomial of all units.
_ONE_BY_ONE = 9


@dataclass(frozen=True, slots=True)
class Units:
    """What is drawn: distinct units with how often each occurred, and what each adds to every path."""

    paths: Paths
    amount: Any
    journeys: Any
    counts: np.ndarray


def units(paths: Paths, rule: Rule, measure: str, rng: np.random.Generator) -> Units:
    """Units to draw for a rule and a measure; `rng` assigns journeys to folds where the rule needs them.

    A journey keeps its fold in every replicate, or copies of it would be held out from themselves.

    Raises
    ------
    DataError
        Counts that are no whole numbers, none at all, or the value of rows that hold several journeys.
    """
    counts = np.stack([paths.conversions, paths.nulls], axis=1)
    if (counts != np.round(counts)).any():
        raise DataError("conversions and nulls must be whole numbers to be resampled")
    if not counts.sum():
        raise DataError("there are no journeys to resample: conversions and nulls are all 0")
    if measure == "value" and (counts.sum(axis=1) > 1).any():
        raise DataError(
            "an interval for value needs the value of each journey: a row here holds several; use measure='conversions'"
        )
    if rule.parts():
        paths = folded(paths, rule.parts(), rng)
    apart = rule.uses_times and paths.age is not None
    grouped, group = (paths, np.arange(len(counts))) if apart else paths.distinct()
    if paths.customers is not None:
        return _customer_units(paths, grouped, group, measure)
    if measure == "value":
        return _single_units(paths, grouped, group)
    return _cell_units(grouped)


def _cell_units(grouped: Paths) -> Units:
    """Journeys as units: cells of path and outcome."""
    from scipy import sparse

    counts = np.concatenate([grouped.conversions, grouped.nulls])
    size = len(grouped.lengths)
    cells = np.flatnonzero(counts)
    shape = (size, len(cells))
    column = np.arange(len(cells))
    journeys = sparse.csr_array((np.ones(len(cells)), (cells % size, column)), shape=shape)
    won = sparse.csr_array(((cells < size).astype(float), (cells % size, column)), shape=shape)
    return Units(grouped, won, journeys, counts[cells].astype(np.int64))


def _single_units(paths: Paths, grouped: Paths, group: np.ndarray) -> Units:
    """Journeys as units, each with its own value."""
    from scipy import sparse

    rows = np.flatnonzero(paths.journeys)
    place, shape = (group[rows], np.arange(len(rows))), (len(grouped.lengths), len(rows))
    value = sparse.csr_array((paths.value[rows], place), shape=shape)
    journeys = sparse.csr_array((paths.journeys[rows], place), shape=shape)
    return Units(grouped, value, journeys, np.ones(len(rows), dtype=np.int64))


def _customer_units(paths: Paths, grouped: Paths, group: np.ndarray, measure: str) -> Units:
    """Customers as units; those whose journeys agree in path, counts and amount are one kind."""
    from scipy import sparse

    assert paths.customers is not None
    amount = getattr(paths, measure)
    _, customer = np.unique(paths.customers, return_inverse=True)
    alike = group
    for feature in (paths.journeys, amount):
        _, level = np.unique(feature, return_inverse=True)
        _, alike = np.unique(alike * (int(level.max()) + 1) + level, return_inverse=True)
    alone = np.bincount(customer)[customer] == 1
    kind = np.where(alone, alike, alike.max(initial=0) + 1 + customer)
    _, first, inverse = np.unique(kind, return_index=True, return_inverse=True)
    counts = np.bincount(inverse, alone, len(first)).astype(np.int64)
    counts = np.where(counts > 0, counts, 1)  # a customer with several journeys is a kind of its own
    rows = np.flatnonzero(~alone | (np.arange(len(kind)) == first[inverse]))
    place, shape = (group[rows], inverse[rows]), (len(grouped.lengths), len(first))
    return Units(
        grouped,
        sparse.csr_array((amount[rows], place), shape=shape),
        sparse.csr_array((paths.journeys[rows], place), shape=shape),
        counts,
    )


def draw(counts: np.ndarray, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """How often each unit is drawn, shape (units, replicates), as many in all as there were."""
    n, size = int(counts.sum()), len(counts)
    if n == size:
        return resamples(n, replicates, rng)
    if n > _ONE_BY_ONE * size:
        return rng.multinomial(n, counts / n, size=replicates).T.astype(float, order="C")
    unit = np.repeat(np.arange(size), counts)
    drawn = np.empty((replicates, size))
    for row in drawn:
        row[:] = np.bincount(unit[rng.integers(n, size=n, dtype=np.int32)], minlength=size)
    return np.ascontiguousarray(drawn.T)


def leave_outs(counts: np.ndarray, groups: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each unit is left when one of equal groups drawn by lot is gone, in blocks (units, `size`).

    The rest is scaled up to as many as there were. Of fewer units than groups, each is a group.
    """
    from scipy import sparse

    n = int(counts.sum())
    groups = min(groups, n)
    unit, group = np.repeat(np.arange(len(counts)), counts), rng.permutation(n) % groups
    gone = sparse.csc_array((np.ones(n), (unit, group)), shape=(len(counts), groups))
    for start in range(0, groups, size):
        left = counts[:, None] - gone[:, start : start + size].toarray()
        yield left * (n / np.maximum(left.sum(axis=0), 1))
