"""Notebook parameters: read from the annotated cell, checked before a kernel starts.

The first code cell tagged `parameters` declares each parameter on a line of its own::

    name: type = literal  # meaning, unit, allowed range

- `name` is a lower-case Python name; `type` is one of `int`, `float`, `str`, `bool`; the
  default is a literal of that type. Comment lines and blank lines may stand between; nothing else.
- The comment says what the parameter means. It is cut at commas, and these parts are enforced:

  ==========================  ============================================================
  `LOW..HIGH`                 a number from LOW to HIGH, both allowed; either may be left
                              out: `100..10000`, `0..1`, `1..`, `..0`
  `one of A, B, C`            exactly one of the listed values; takes the rest of the comment
  `ISO date`                  text of the form YYYY-MM-DD that names a day
  `ISO date or ""`            the same, or empty for "not set"
  ==========================  ============================================================

  Every other part is prose (the meaning first, then the unit). Text that begins with the
  words of a rule is that rule: a range that cannot be read is an error, not prose.

For example::

    source: str = "cdnow"  # data source, a name of `crm data list`, a folder or a database
    engine: str = "pandas"  # engine, one of pandas, polars, duckdb
    as_of: str = ""  # last day looked at (the data's last day when empty), ISO date or ""
    seed: int = 1  # seed of the random numbers, 0..4294967295
    level: float = 0.95  # level of the intervals, share, 0.5..0.999

The cell is parsed, never executed. Values from the command line and from `reports.yml` are
text and are read strictly by the declared type: `007`, `1_000`, `1.0` and `true` are no int,
`nan`, `inf` and `1e999` no float, only `true` and `false` (or `True`, `False`) a bool.
"""

from __future__ import annotations

import ast
import io
import json
import keyword
import re
import tokenize
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from crmlib.errors import ParameterError
from crmlib.runner.values import (
    NAME,
    TYPES,
    Parameter,
    Value,
    assignments,
    checked,
    defaults,
    from_text,
    parsed,
    typed,
)

__all__ = ["TYPES", "Parameter", "Value", "assignments", "checked", "declared", "defaults", "from_text"]

_RANGE = re.compile(r"(?P<low>[^.\s]*(?:\.[^.\s]+)?)\.\.(?P<high>\S*)")


def declared(notebook: Path | Mapping[str, Any]) -> dict[str, Parameter]:
    """Parameters that a notebook declares, in its order; empty when it declares none.

    Parameters
    ----------
    notebook : Path or notebook node
        An .ipynb file, or its parsed content.

    Raises
    ------
    ParameterError
        The file is no notebook, or its cell breaks the form above; all faults in one line.
    """
    content, name = _content(notebook)
    cells = [
        cell
        for cell in content.get("cells", [])
        if cell.get("cell_type") == "code" and "parameters" in cell.get("metadata", {}).get("tags", [])
    ]
    if len(cells) > 1:
        raise ParameterError(f"{name}: {len(cells)} cells are tagged 'parameters'; keep one")
    if not cells:
        return {}
    source = cells[0].get("source", "")
    source = source if isinstance(source, str) else "".join(source)
    try:
        return _declarations(source)
    except ParameterError as error:
        raise ParameterError(f"{name}: parameters cell: {error}") from error


def _content(notebook: Path | Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    if isinstance(notebook, Mapping):
        return notebook, "notebook"
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParameterError(f"there is no notebook {notebook}") from error
    except (OSError, ValueError) as error:
        raise ParameterError(f"{notebook} cannot be read as a notebook: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
        raise ParameterError(f"{notebook} is no notebook of format 4; save it again from JupyterLab")
    if not all(map(_sound, content["cells"])):
        raise ParameterError(f"{notebook} holds a cell that is none; save it again from JupyterLab")
    return content, notebook.name


def _sound(cell: Any) -> bool:
    """Whether a cell has the shape that is read here; papermill reports what else may be wrong with it."""
    if not isinstance(cell, dict) or not isinstance(cell.get("metadata", {}), dict):
        return False
    tags, source = cell.get("metadata", {}).get("tags", []), cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    return isinstance(tags, list) and all(isinstance(line, str) for line in lines)


def _declarations(source: str) -> dict[str, Parameter]:
    try:
        statements = ast.parse(source).body
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        raise ParameterError(f"is no Python: {error}") from error
    comments = {token.start[0]: token.string.lstrip("#").strip() for token in tokens if token.type == tokenize.COMMENT}
    found: dict[str, Parameter] = {}
    faults = []
    for statement in statements:
        line = source.splitlines()[statement.lineno - 1].strip()
        try:
            name, parameter = _declaration(statement, comments.get(statement.end_lineno or statement.lineno, ""))
            if name in found:
                raise ParameterError(f"{name} is declared twice")
            found[name] = parameter
        except ParameterError as error:
            faults.append(f"line {statement.lineno} ({line[:60]!r}): {error}")
    if faults:
        raise ParameterError("; ".join(faults))
    return found


def _declaration(statement: ast.stmt, comment: str) -> tuple[str, Parameter]:
    form = "write each as `name: type = literal  # meaning, unit, allowed range`"
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        raise ParameterError(form)
    name, kind = statement.target.id, statement.annotation
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ParameterError(f"{name!r} must be a lower-case name")
    if not isinstance(kind, ast.Name) or kind.id not in TYPES:
        raise ParameterError(f"the type must be one of {', '.join(TYPES)}")
    try:
        default = ast.literal_eval(statement.value) if statement.value is not None else None
    except (ValueError, SyntaxError, TypeError, RecursionError):
        default = None
    if default is None:
        raise ParameterError(f"the default must be a literal; {form}")
    parameter = _ruled(kind.id, comment)
    return name, replace(parameter, default=typed(parameter, default))


def _ruled(kind: str, comment: str) -> Parameter:
    """Parameter of this kind with the rules of its comment; the default is set by the caller."""
    blank = TYPES[kind]()
    prose: list[str] = []
    rules: dict[str, Any] = {}
    parts = comment.split(",")
    for position, part in enumerate(map(str.strip, parts)):
        if part.startswith("one of "):
            texts = [part.removeprefix("one of "), *parts[position + 1 :]]
            free = Parameter(kind, blank)
            rules["choices"] = tuple(parsed(free, text.strip().strip("\"'")) for text in texts)
            break
        if part in ("ISO date", 'ISO date or ""', "ISO date or ''"):
            if kind != "str":
                raise ParameterError(f"'ISO date' is for str, not {kind}")
            rules |= {"date": True, "optional": part != "ISO date"}
        elif (match := _RANGE.fullmatch(part)) is not None:
            rules |= _limits(kind, match["low"], match["high"])
        elif part.startswith("ISO date") or (".." in part and "..." not in part):
            raise ParameterError(f'the rule {part!r} cannot be read; write `LOW..HIGH`, `ISO date` or `ISO date or ""`')
        elif part:
            prose.append(part)
    return Parameter(kind, blank, help=", ".join(prose), **rules)


def _limits(kind: str, low: str, high: str) -> dict[str, Value | None]:
    text = f"{low}..{high}"
    if kind not in ("int", "float"):
        raise ParameterError(f"the range {text} is for int or float, not {kind}")
    free = Parameter(kind, TYPES[kind]())
    try:
        ends = [parsed(free, end) if end else None for end in (low, high)]
    except ParameterError as error:
        raise ParameterError(f"the range {text} cannot be read: {error}") from error
    lowest, highest = ends
    if lowest is not None and highest is not None and lowest > highest:  # type: ignore[operator]
        raise ParameterError(f"the range {text} is empty: its low end lies above its high end")
    return {"low": lowest, "high": highest}
