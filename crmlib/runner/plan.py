"""The plan: which notebook with which parameters makes each report. Read from `reports.yml`.

::

    reports:
      cohorts:                                  # name: lower-case letters, digits, _ and -
        notebook: notebooks/02_cohorts.ipynb    # below the project's folder
        title: Do customers stay?               # optional, for the shelf; else the notebook's
        parameters: {source: cdnow}             # optional; the rest as the notebook declares
        cell_timeout: 600                       # optional, seconds
        run_timeout: 3600                       # optional, seconds

Scalars are read as the text that stands in the file, then strictly by the parameter's declared
type: YAML's own guesses (`007` as 7, `yes` as true, 2020-01-01 as a date) never happen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crmlib.errors import ParameterError
from crmlib.project import MARK
from crmlib.runner.parameters import Parameter, Value, declared, defaults, from_text

CELL_TIMEOUT = 600
RUN_TIMEOUT = 3600
#: A report's name: it becomes a folder and a link.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")

_KEYS = ("notebook", "title", "parameters", "cell_timeout", "run_timeout")
_SECONDS = Parameter("int", CELL_TIMEOUT, low=1, high=7 * 24 * 3600)


@dataclass(frozen=True)
class Report:
    """One entry of the plan, its parameters checked against the notebook.

    Parameters
    ----------
    name : str
    notebook : Path
        Absolute path.
    title : str
        For the shelf; `""` when the notebook's own first heading shall stand.
    declared : mapping of name to Parameter
        What the notebook declares.
    parameters : mapping of name to value
        Every parameter with the value that the plan gives it, or its default.
    cell_timeout, run_timeout : int
        Seconds.
    """

    name: str
    notebook: Path
    title: str = ""
    declared: Mapping[str, Parameter] = field(default_factory=dict)
    parameters: Mapping[str, Value] = field(default_factory=dict)
    cell_timeout: int = CELL_TIMEOUT
    run_timeout: int = RUN_TIMEOUT


def plan(root: Path, names: Sequence[str] = ()) -> list[Report]:
    """Reports of `reports.yml` in its order: all of them, or those named.

    Raises
    ------
    ParameterError
        The file, an entry, a notebook or a parameter is at fault: every fault, in one line.
    """
    entries = _entries(root)
    faults = [f"there is no report {name!r}" for name in dict.fromkeys(names) if name not in entries]
    if faults:
        raise ParameterError(f"{'; '.join(faults)}; {MARK} has {', '.join(entries) or 'none'}")
    found = []
    for name, entry in entries.items():
        try:
            report = _report(root, name, entry, notebook_read=not names or name in names)
            found.append(report)
        except ParameterError as error:
            faults.append(str(error))
    if faults:
        raise ParameterError(f"{MARK}: {'; '.join(faults)}")
    return [report for report in found if not names or report.name in names]


def report_names(root: Path) -> list[tuple[str, str]]:
    """Name and title of every entry, notebooks unread: for the shelf, which shows even a broken plan."""
    try:
        entries = _entries(root)
    except ParameterError:
        return []
    titled = {name: entry.get("title", "") if isinstance(entry, dict) else "" for name, entry in entries.items()}
    return [(name, title if isinstance(title, str) else "") for name, title in titled.items()]


def _entries(root: Path) -> dict[str, Any]:
    import yaml

    try:
        node = yaml.compose((root / MARK).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        content = _plain(node, set())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"{MARK} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or set(content) != {"reports"} or not isinstance(content["reports"], dict | None):
        raise ParameterError(f"{MARK} must hold one mapping, `reports:`, of report names to entries")
    return content["reports"] or {}


def _plain(node: Any, above: set[int]) -> Any:
    """Mappings, lists and the texts of scalars; None for an empty scalar."""
    import yaml

    if node is None or id(node) in above:
        raise ParameterError(f"{MARK} is empty, or refers to itself; it must hold `reports:`")
    within = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        content: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in content:
                raise ParameterError(f"{MARK} line {key.start_mark.line + 1}: a key is repeated, or no plain text")
            content[key.value] = _plain(value, within)
        return content
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, within) for item in node.value]
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _report(root: Path, name: str, entry: Any, *, notebook_read: bool) -> Report:
    """Report of one entry, or one error that names all its faults."""
    if not NAME.fullmatch(name):
        raise ParameterError(f"{name!r} must be lower-case letters, digits, _ and -, at most 64")
    if not isinstance(entry, dict):
        raise ParameterError(f"{name}: must be a mapping with `notebook:`")
    faults = [f"unknown key {key!r} (known: {', '.join(_KEYS)})" for key in entry if key not in _KEYS]
    seconds = {"cell_timeout": CELL_TIMEOUT, "run_timeout": RUN_TIMEOUT}
    texts = {key: entry[key] for key in seconds if key in entry}
    faults += _faults(lambda: seconds.update(from_text(dict.fromkeys(seconds, _SECONDS), _texts(texts))))  # type: ignore[arg-type]
    title = entry.get("title") or ""
    if not isinstance(title, str):
        faults.append("title must be text")
    try:
        path = _notebook(root, entry.get("notebook"))
    except ParameterError as error:
        faults.append(str(error))
        path = root
    known: dict[str, Parameter] = {}
    values: dict[str, Value] = {}

    def read() -> None:
        known.update(declared(path))
        given = entry.get("parameters") or {}
        if not isinstance(given, dict):
            raise ParameterError("parameters must be a mapping of names to values")
        values.update(defaults(known) | from_text(known, _texts(given)))

    if notebook_read and path != root:
        faults += _faults(read)
    if faults:
        raise ParameterError("; ".join(f"{name}: {fault}" for fault in faults))
    return Report(name, path, title, known, values, **seconds)


def _faults(step: Any) -> Iterable[str]:
    try:
        step()
    except ParameterError as error:
        return [str(error)]
    return []


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    wrong = [key for key, value in given.items() if not isinstance(value, str)]
    if wrong:
        raise ParameterError(f'{", ".join(wrong)}: must be one plain value (for empty text write "")')
    return dict(given)


def _notebook(root: Path, entry: Any) -> Path:
    if not isinstance(entry, str) or not entry:
        raise ParameterError("`notebook:` is missing; name an .ipynb file below the project's folder")
    path = (root / entry).resolve()
    if not path.is_relative_to(root.resolve()) or path.suffix != ".ipynb":
        raise ParameterError(f"notebook {entry!r} must be an .ipynb file below the project's folder")
    if not path.is_file():
        raise ParameterError(f"there is no notebook {entry}")
    return path
