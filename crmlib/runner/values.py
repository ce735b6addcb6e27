"""Values of parameters: plain scalars of the declared type, within what is allowed.

`crmlib.runner.parameters` says how a notebook declares them, and gives these names on.
"""

from __future__ import annotations

import datetime
import keyword
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crmlib.errors import ParameterError

Value = int | float | str | bool

#: What a parameter may be, as its annotation names it.
TYPES: dict[str, type[Value]] = {"int": int, "float": float, "str": str, "bool": bool}

#: Names that a parameter may have.
NAME = re.compile(r"[a-z][a-z0-9_]*")

_INT = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
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
    return _each(parameters, given, typed)


def from_text(parameters: Mapping[str, Parameter], given: Mapping[str, str]) -> dict[str, Value]:
    """The given texts, as a command line or plan has them, read by their declared types.

    Raises
    ------
    ParameterError
        Unknown names, texts that are no value of the type, values not allowed: all, in one line.
    """
    return _each(parameters, given, parsed)


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
        if not NAME.fullmatch(name) or keyword.iskeyword(name) or type(value) not in TYPES.values():
            raise ParameterError(f"{name!r} = {value!r} is no plain parameter; check it with `checked` first")
    return "\n".join(f"{name} = {value!r}" for name, value in values.items())


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


def parsed(parameter: Parameter, text: str) -> Value:
    """Value of a text, strictly by the parameter's type.

    Raises
    ------
    ParameterError
        The text is no value of the type, or not allowed.
    """
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
    return typed(parameter, value)


def typed(parameter: Parameter, value: Any) -> Value:
    """Plain scalar of exactly the parameter's type, within what it allows.

    Raises
    ------
    ParameterError
        The value is of another type, or not allowed.
    """
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
