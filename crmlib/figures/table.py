"""Result tables: a small frame, set by great-tables for a reader.

Names become words, an estimate and its interval stand under one head, and numbers show the digits
that their size deserves. The markup is great-tables'; its style sheet (8 kB a table, for light paper
only) stays out, since Jupyter and the report page bring their own.
"""

from __future__ import annotations

import html
import itertools
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crmlib.errors import ParameterError
from crmlib.figures.digits import Column, formatted, is_number, settle_kinds

if TYPE_CHECKING:
    import pandas as pd
    from great_tables import GT

_ROW = re.compile(r"<tr[^>]*>(.*?)</tr>", re.DOTALL)
_CELL = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_MISSING = "–"
_STYLE = (
    "<style>.gt_table .gt_left{text-align:left}.gt_table .gt_right{text-align:right}.gt_table .gt_center"
    "{text-align:center}.gt_table thead th{vertical-align:bottom}"
    ".gt_table caption,.gt_table .gt_sourcenote{text-align:left}</style>"
)


@dataclass(frozen=True)
class Table:
    """A result table; the last line of a cell shows it.

    Parameters
    ----------
    gt : great_tables.GT
        To go on with great-tables' own methods, whose result shows itself.
    title : str
    """

    gt: GT
    title: str = ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        page = self.gt.as_raw_html()
        markup = page[page.index("<table") : page.rindex("</table>") + len("</table>")]
        if self.title:
            inside = markup.index(">") + 1
            markup = f"{markup[:inside]}\n<caption>{html.escape(self.title)}</caption>{markup[inside:]}"
        return {"text/html": f"<div>{_STYLE}{markup}</div>", "text/plain": _plain(markup, self.title)}


def table(
    frame: Any,
    *,
    title: str = "",
    labels: Mapping[str, str] | None = None,
    percent: Sequence[str] = (),
    digits: int | Mapping[str, int] | None = None,
    level: float | None = None,
    most: int = 40,
    note: str = "",
) -> Table:
    """Result table of a small frame.

    An index with names or words becomes the row heads; a mere row number is left out. `x`, `x_low` and
    `x_high`, or `low` and `high` after an estimate, are set under one head, in the same digits. Whole numbers
    get thousands separators, unless their column's name ends in id, year, seed, code or key. Shares (a name that
    ends in share or rate, all within -1 and 1) are percentages. Days are ISO dates,
    instants go to the second, what is missing is a dash.

    Parameters
    ----------
    frame : pandas.DataFrame, pandas.Series or any eager frame
    title : str
        Caption, such as what a row is.
    labels : mapping of column to words, optional
        In place of the names with blanks for underscores.
    percent : sequence of str, optional
        More columns shown in percent than their names tell; the ends of an interval follow their estimate.
    digits : int or mapping of column to int, optional
        Decimals (where a percentage is shown, its decimals); default such that a column's largest number shows
        four significant digits, or each number its own where they differ more than 10,000-fold.
    level : float, optional
        Coverage of the intervals (0-1), named in the head above them.
    most : int
        Rows shown; a line below a longer table says how many it has.
    note : str
        A line below the table.

    Returns
    -------
    Table

    Raises
    ------
    ParameterError
        `frame` is none, `labels`, `percent` or `digits` name a column that is not there, `digits` is negative or
        `most` below 1.
    """
    from great_tables import GT

    whole, stub = _with_stub(_as_pandas(frame))
    decimals = dict.fromkeys(whole.columns, digits) if not isinstance(digits, Mapping) else dict(digits)
    _refuse_unknown(whole, [*(labels or {}), *percent, *decimals])
    if wrong := [item for item in decimals.values() if item is not None and (isinstance(item, bool) or item < 0)]:
        raise ParameterError(f"digits is {wrong[0]}; give a number of decimals, 0 or more")
    if most < 1:
        raise ParameterError(f"most is {most}; show at least 1 row")
    shown = whole.head(most)
    columns = _columns(shown)
    settle_kinds(columns, percent)
    cells = _cells(columns, stub)
    words = {column.key: (labels or {}).get(column.name, _words(column.name)) for column in columns}
    keys = [column.key for column in columns]
    gt = GT(cells, rowname_col=keys[:stub] or None, id="crm", auto_align=False)
    for column in columns:
        gt = formatted(gt, column, _digits_of(column, decimals))
    gt = gt.sub_missing(missing_text=_MISSING).cols_align("left")
    gt = gt.cols_align("right", columns=[column.key for column in columns[stub:] if column.numeric])
    gt = _headed(gt, columns, words, stub, level)
    if len(whole) > most:
        gt = gt.tab_source_note(f"The first {most:,} of {len(whole):,} rows.")
    gt = gt.tab_source_note(_literal(note)) if note else gt
    return Table(gt.with_id(_identity(gt, title)), title)


def _as_pandas(frame: Any) -> pd.DataFrame:
    import pandas as pd

    from crmlib.frames import to_pandas

    if isinstance(frame, pd.Series):
        return frame.to_frame("value" if frame.name is None else frame.name)
    if isinstance(frame, pd.DataFrame):
        return frame
    try:
        return to_pandas(frame)
    except TypeError as error:
        raise ParameterError(f"{type(frame).__name__} is no table; give a data frame or a series") from error


def _with_stub(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The frame with its row heads as first columns, and how many these are."""
    import pandas as pd

    index = frame.index
    unnamed = index.nlevels == 1 and index.name is None
    names: list[Any] = list(frame.columns)
    columns = [" ".join(map(str, name)).strip() if isinstance(name, tuple) else str(name) for name in names]
    plain = frame.set_axis(pd.Index(columns, dtype=object), axis=1)
    if unnamed and (pd.api.types.is_integer_dtype(index) or not len(index)):
        return plain, 0
    heads = [index.get_level_values(level) for level in range(index.nlevels)]
    names = ["" if head.name is None else str(head.name) for head in heads]
    stub = pd.concat([pd.Series(head, index=range(len(frame)), name=None) for head in heads], axis=1)
    return pd.concat([stub.set_axis(names, axis=1), plain.reset_index(drop=True)], axis=1), len(names)


def _refuse_unknown(frame: pd.DataFrame, names: Sequence[str]) -> None:
    unknown = [name for name in dict.fromkeys(names) if name not in frame.columns]
    if unknown:
        raise ParameterError(
            f"the table has no column {', '.join(map(repr, unknown))} (it has {', '.join(map(repr, frame.columns))})"
        )


def _columns(frame: pd.DataFrame) -> list[Column]:
    """Columns in order, the ends of intervals joined to their estimates."""
    names = list(frame.columns)
    columns = [Column(f"c{place}", name, frame.iloc[:, place]) for place, name in enumerate(names)]
    for low, high in itertools.pairwise(columns):
        if low.name == "low" and high.name == "high" and low is not columns[0]:
            low.estimate = high.estimate = columns[columns.index(low) - 1]
        elif low.name.endswith("_low") and high.name == low.name.removesuffix("_low") + "_high":
            low.estimate = high.estimate = next((c for c in columns if c.name == low.name[:-4]), None)
    return columns


def _cells(columns: Sequence[Column], stub: int) -> pd.DataFrame:
    """The values as great-tables takes them: what is no number becomes text."""
    import pandas as pd

    cells = {column.key: [_text(value) for value in column.values] for column in columns}
    for column in columns[:stub]:  # great-tables replaces what is missing in cells, but not in row heads
        cells[column.key] = [_MISSING if value is None else value for value in cells[column.key]]
    return pd.DataFrame(cells, dtype=object)


def _text(value: Any) -> Any:
    import numpy as np
    import pandas as pd

    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    if pd.api.types.is_bool(value):
        return "yes" if value else "no"
    if (pd.api.types.is_float(value) or isinstance(value, Decimal)) and abs(value) == float("inf"):
        return f"{'−' if value < 0 else ''}∞"
    if is_number(value):
        number = float(value) if isinstance(value, Decimal) and value != int(value) else value
        return number if number else abs(number)  # no minus before a zero
    if isinstance(value, (timedelta, np.timedelta64)):
        return str(pd.Timedelta(value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds").removesuffix(" 00:00:00")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def _words(name: str) -> str:
    """`retention_rate` as "retention rate", `p_holm` as "p (Holm)"."""
    return {"p_value": "p", "p_holm": "p (Holm)"}.get(name, name.replace("_", " ").strip())


def _identity(gt: GT, title: str) -> str:
    """Id of the table, the same for what looks the same: the last bits of a number differ between machines."""
    return f"crm-{zlib.crc32((title + gt.as_raw_html()).encode()):08x}"


def _digits_of(column: Column, decimals: Mapping[str, int | None]) -> int | None:
    own = decimals.get(column.name)
    return decimals.get(column.estimate.name) if own is None and column.estimate is not None else own


def _headed(gt: GT, columns: Sequence[Column], words: Mapping[str, str], stub: int, level: float | None) -> GT:
    """The table with its heads in words, each estimate over its own ends."""
    heads = dict(words)
    for low, high in itertools.pairwise(columns):
        estimate = low.estimate
        if estimate is None or high.estimate is not estimate:
            continue
        over, spanned = words[estimate.key], [low.key, high.key]
        if columns.index(estimate) == columns.index(low) - 1 >= stub:
            spanned, heads[estimate.key] = [estimate.key, *spanned], "estimate"
        heads |= {low.key: "low", high.key: "high"}
        over += f" ({100 * level:g} % interval)" if level is not None else ""
        gt = gt.tab_spanner(_literal(over), columns=spanned, id=f"over-{low.key}")
    if stub and any(words[column.key] for column in columns[:stub]):
        gt = gt.tab_stubhead([_literal(words[column.key]) for column in columns[:stub]])
    return gt.cols_label({column.key: _literal(heads[column.key]) for column in columns[stub:]})


def _literal(text: str) -> Any:
    """Text that great-tables is to take as it stands: no Markdown, no units in braces."""
    import great_tables

    return great_tables.html(html.escape(text))


def _plain(markup: str, title: str) -> str:
    """The table in letters, as a terminal or a reader of differences shows it."""
    rows = [[html.unescape(_TAG.sub("", cell)).strip() for cell in _CELL.findall(row)] for row in _ROW.findall(markup)]
    return "\n".join([*([title] if title else []), *(" | ".join(row) for row in rows)])
