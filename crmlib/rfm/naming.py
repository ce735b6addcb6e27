"""Scores -> named segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from crmlib.errors import ParameterError
from crmlib.frames import wrap

if TYPE_CHECKING:
    import pandas as pd

#: Segment of each fifth of recency (rows, 1 long ago to 5 just now) and frequency (1 seldom to 5 often).
GRID = (
    ("hibernating", "hibernating", "at risk", "at risk", "cannot lose"),
    ("hibernating", "hibernating", "at risk", "at risk", "cannot lose"),
    ("about to sleep", "about to sleep", "need attention", "loyal", "loyal"),
    ("promising", "potential loyalists", "potential loyalists", "loyal", "loyal"),
    ("new", "potential loyalists", "potential loyalists", "champions", "champions"),
)

#: The segments, from those that bought most and lately to those that bought least and long ago.
SEGMENTS = (
    "champions",
    "loyal",
    "potential loyalists",
    "new",
    "promising",
    "need attention",
    "about to sleep",
    "cannot lose",
    "at risk",
    "hibernating",
)


def segment_grid(bins: int = 5) -> pd.DataFrame:
    """Array: the segment of each pair of scores; every cell has a name.

    With another number of scores than 5 each score takes the fifth that its middle falls into.

    Parameters
    ----------
    bins : int
        Number of scores, as `rfm_scores` was given.

    Returns
    -------
    pandas.DataFrame
        Rows recency_score, columns frequency_score, both 1 … bins; names.

    Examples
    --------
    >>> segment_grid(2).to_numpy().tolist()
    [['hibernating', 'at risk'], ['potential loyalists', 'loyal']]
    """
    import pandas as pd

    if isinstance(bins, bool) or not isinstance(bins, int) or not 2 <= bins <= 100:
        raise ParameterError(f"bins is {bins!r}; give a whole number from 2 to 100")
    fifth = [-(-5 * (2 * score - 1) // (2 * bins)) - 1 for score in range(1, bins + 1)]
    names = [[GRID[recency][frequency] for frequency in fifth] for recency in fifth]
    scores = range(1, bins + 1)
    index, columns = (pd.Index(scores, name=name) for name in ("recency_score", "frequency_score"))
    return pd.DataFrame(names, index=index, columns=columns)


def segments(scores: Any, *, bins: int = 5, grid: Mapping[tuple[int, int], str] | None = None) -> Any:
    """Frame: the named segment of each customer, from recency and frequency scores.

    Money does not enter: recency and frequency say who is likely to buy, money how much is at stake,
    and a name that mixes them says neither.

    Parameters
    ----------
    scores : any frame
        As `rfm_scores` gives it.
    bins : int
        Number of scores.
    grid : mapping, optional
        Names of one's own: (recency score, frequency score) to name, every cell. Default: `segment_grid`.

    Returns
    -------
    frame of the same kind
        The rows with `segment` (text); missing where a score is.

    Raises
    ------
    MissingColumnsError
    ParameterError
        A grid that leaves cells without a name.
    """
    default = segment_grid(bins)
    cells = {(int(r), int(f)): default.loc[r, f] for r in default.index for f in default.columns}
    if grid is not None:
        missing = [cell for cell in cells if not grid.get(cell)]
        if missing:
            shown = ", ".join(map(str, missing[:3])) + (" …" if len(missing) > 3 else "")
            raise ParameterError(
                f"the grid names {len(cells) - len(missing)} of {len(cells)} cells, not {shown}; name all"
            )
        cells = {cell: grid[cell] for cell in cells}
    wrap(scores, ["recency_score", "frequency_score"], table="the scores")
    table = nw.from_native(scores)
    by_name: dict[str, list[nw.Expr]] = {}
    for (recency, frequency), name in cells.items():
        both = (nw.col("recency_score") == recency) & (nw.col("frequency_score") == frequency)
        by_name.setdefault(name, []).append(both)
    segment: Any = nw.lit(None, dtype=nw.String)
    for name, tests in by_name.items():
        segment = nw.when(nw.any_horizontal(*tests, ignore_nulls=True)).then(nw.lit(name)).otherwise(segment)
    return table.with_columns(segment.alias("segment")).to_native()
