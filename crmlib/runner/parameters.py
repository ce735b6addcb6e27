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
import datetime
import io
import json
import keyword
import math
import re
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crmlib.errors import ParameterError

Value = int | float | str | bool

#: What a parameter may be, as its annotation names it.
TYPES: dict[str, type[Value]] = {"int": int, "float": float, "str": str, "bool": bool}

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_INT = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_RANGE = re.compile(r"(?P<low>[^.\s]*(?:\.[^.\s]+)?)\.\.(?P<high>\S*)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter: its type, default, meaning and what it allows.

    Parameters
    ----------
    type : {"int", "float", "str", "bool"}
    default : int, float, str or bool
    help : str
        The prose of its comment: meaning and unit.
    low, high : int or float, optional
        Smallest and largest value allowed.
    choices : tuple
        The values allowed; empty when free.
    date : bool
        Text must be a day, YYYY-MM-DD; empty only if `optional`.
    optional : bool
        An empty date means "not set".
    """

    type: str
    default: Value
    help: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Value, ...] = ()
    date: bool = False
    optional: bool = False

    @property
    def allowed(self) -> str:
        """What the parameter takes, in words, for messages and listings."""
        if self.choices:
            return "one of " + ", ".join(map(str, self.choices))
        if self.date:
            return "a date as YYYY-MM-DD" + (' or ""' if self.optional else "")
        if self.low is not None or self.high is not None:
            ends = ["" if end is None else f"{end:g}" if isinstance(end, float) else str(end) for end in self.limits]
            return f"{self.type} in {'..'.join(ends)}"
        return {"str": "text on one line", "bool": "true or false"}.get(self.type, self.type)

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Smallest and largest value, None where open."""
        return self.low, self.high


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


def checked(parameters: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Value]:
    """The given values as plain Python scalars, each allowed by its declaration.

    Parameters
    ----------
    parameters : mapping of name to Parameter
        From `declared`.
    given : mapping of name to value
        Python or NumPy scalars. An int is taken for a float; a bool never for an int.

    Raises
    ------
    ParameterError
        Unknown names, wrong types, values not allowed: all of them, in one line.
    """
    return _each(parameters, given, _typed)


def from_text(parameters: Mapping[str, Parameter], given: Mapping[str, str]) -> dict[str, Value]:
    """The given texts, as a command line or plan has them, read by their declared types.

    Raises
    ------
    ParameterError
        Unknown names, texts that are no value of the type, values not allowed: all, in one line.
    """
    return _each(parameters, given, _parsed)


def defaults(parameters: Mapping[str, Parameter]) -> dict[str, Value]:
    """The value of every parameter when nothing is given."""
    return {name: parameter.default for name, parameter in parameters.items()}


def assignments(values: Mapping[str, Value]) -> str:
    """Python source that sets the values: plain typed literals, one a line.

    Raises
    ------
    ParameterError
        A name is no plain lower-case name, or a value no plain int, float, str or bool.
    """
    for name, value in values.items():
        if not _NAME.fullmatch(name) or keyword.iskeyword(name) or type(value) not in TYPES.values():
            raise ParameterError(f"{name!r} = {value!r} is no plain parameter; check it with `checked` first")
    return "\n".join(f"{name} = {value!r}" for name, value in values.items())


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
    return content, notebook.name


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
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
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
    return name, replace(parameter, default=_typed(parameter, default))


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
            rules["choices"] = tuple(_parsed(free, text.strip().strip("\"'")) for text in texts)
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
        ends = [_parsed(free, end) if end else None for end in (low, high)]
    except ParameterError as error:
        raise ParameterError(f"the range {text} cannot be read: {error}") from error
    lowest, highest = ends
    if lowest is not None and highest is not None and lowest > highest:  # type: ignore[operator]
        raise ParameterError(f"the range {text} is empty: its low end lies above its high end")
    return {"low": lowest, "high": highest}


def _each(
    parameters: Mapping[str, Parameter], given: Mapping[str, Any], read: Callable[[Parameter, Any], Value]
) -> dict[str, Value]:
    values: dict[str, Value] = {}
    faults = []
    for name, value in given.items():
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            faults.append(f"parameter {str(name)[:60]!r} is unknown (the notebook declares: {known})")
            continue
        try:
            values[name] = read(parameters[name], value)
        except ParameterError as error:
            faults.append(f"parameter {name}: {error}")
    if faults:
        raise ParameterError("; ".join(faults))
    return values


def _parsed(parameter: Parameter, text: str) -> Value:
    """Value of a text, strictly by the parameter's type."""
    value: Value = text
    if parameter.type == "int":
        if not _INT.fullmatch(text):
            raise ParameterError(f"{text[:60]!r} is no int; give {parameter.allowed}, in digits without leading zeros")
        value = int(text[:40])
    elif parameter.type == "float":
        if not _FLOAT.fullmatch(text):
            raise ParameterError(f"{text[:60]!r} is no float; give {parameter.allowed}")
        value = float(text)
    elif parameter.type == "bool":
        if text not in ("true", "false", "True", "False"):
            raise ParameterError(f"{text[:60]!r} is no bool; give true or false")
        value = text in ("true", "True")
    return _typed(parameter, value)


def _typed(parameter: Parameter, value: Any) -> Value:
    """Plain scalar of exactly the parameter's type, within what it allows."""
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    if parameter.type == "float" and type(value) is int:
        value = float(value) if abs(value) < 2**1000 else math.inf
    if type(value) is not TYPES[parameter.type]:
        raise ParameterError(f"{value!r:.60} is a {type(value).__name__}; give {parameter.allowed}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ParameterError(f"{value} is no finite number; give {parameter.allowed}")
    if type(value) is int and abs(value) >= 2**63:
        raise ParameterError(f"the number does not fit 64 bits; give {parameter.allowed}")
    if isinstance(value, str) and (not value.isprintable() or len(value) > _LONGEST):
        raise ParameterError(
            f"{value[:40]!r} holds a line break or control character, or is longer than {_LONGEST} characters; "
            f"give {parameter.allowed}"
        )
    _within(parameter, value)
    return value


def _within(parameter: Parameter, value: Value) -> None:
    low, high = parameter.limits
    if (low is not None and value < low) or (high is not None and value > high):  # type: ignore[operator]
        raise ParameterError(f"{value!r} is out of range; give {parameter.allowed}")
    if parameter.choices and value not in parameter.choices:
        raise ParameterError(f"{value!r:.60} is not allowed; give {parameter.allowed}")
    if parameter.date and not (value == "" and parameter.optional):
        try:
            if not _DATE.fullmatch(str(value)):
                raise ValueError
            datetime.date.fromisoformat(str(value))
        except ValueError:
            raise ParameterError(f"{value!r:.60} is no day; give {parameter.allowed}") from None
