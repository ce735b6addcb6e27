"""The plan: which notebook with which parameters makes each report. Read from `reports.yml`.

::

    keep: 30                                    # optional: run folders kept of each report
    reports:
      cohorts:                                  # name: lower-case letters, digits, _ and -
        notebook: notebooks/02_cohorts.ipynb    # below the project's folder
        title: Do customers stay?               # optional, for the shelf; else the notebook's
        parameters: {source: cdnow}             # optional; the rest as the notebook declares
        as_of: latest                           # optional: the data's last day, or a date
        max_age_days: 2                         # optional: refuse data that ended longer ago
        cell_timeout: 600                       # optional, seconds
        run_timeout: 3600                       # optional, seconds
        retries: 1                              # optional: after a dead kernel or a timeout
        pdf: true                               # optional: report.pdf beside the page
        recipient: head of sales                # optional: groups of 5 may be shown, to this person alone
        min_customers: 20                       # optional: smallest group shown, instead of 10 (open data: 1)
      stores:                                   # stores-north, stores-south: one notebook, fanned out
        notebook: notebooks/05_rfm.ipynb
        for_each: {source: {north: data/north, south: data/south}}

`for_each` lists values, or names them as above; of several parameters each combination is a report.
The name of the entry stands for all of them: `crm report run stores`.

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
from crmlib.runner.planfile import PlanFile, planfile

CELL_TIMEOUT = 600
RUN_TIMEOUT = 3600
#: A report's name: it becomes a folder and a link.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
#: The value of `as_of` that stands for the data's last day.
LATEST = "latest"

_SECONDS = Parameter("int", CELL_TIMEOUT, low=1, high=7 * 24 * 3600)
_SETTINGS = {
    "cell_timeout": _SECONDS,
    "run_timeout": _SECONDS,
    "max_age_days": Parameter("int", 0, low=0, high=36_525),
    "min_customers": Parameter("int", 10, low=1, high=1_000_000),
    "pdf": Parameter("bool", False),
    "retries": Parameter("int", 0, low=0, high=10),
}
_KEYS = ("notebook", "title", "parameters", "for_each", "as_of", "recipient", *_SETTINGS)
_KEEP = Parameter("int", 1, low=1, high=1_000_000)


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
    max_age_days : int or None
        Data that ended longer ago are refused; None where any will do.
    retries : int
        Runs after one whose kernel died or that took too long.
    latest : bool
        Whether `as_of` shall be the data's last day.
    min_customers : int or None
        Customers that a group on the page has at least; None for 10, or 5 for a named recipient.
    recipient : str
        Who alone gets the page.
    pdf : bool
        Whether the page is made as PDF too.
    """

    name: str
    notebook: Path
    title: str = ""
    declared: Mapping[str, Parameter] = field(default_factory=dict)
    parameters: Mapping[str, Value] = field(default_factory=dict)
    cell_timeout: int = CELL_TIMEOUT
    run_timeout: int = RUN_TIMEOUT
    max_age_days: int | None = None
    retries: int = 0
    latest: bool = False
    min_customers: int | None = None
    recipient: str = ""
    pdf: bool = False


def plan(root: Path, names: Sequence[str] = ()) -> list[Report]:
    """Reports of `reports.yml` in its order: all of them, or those named.

    Parameters
    ----------
    root : Path
    names : sequence of str
        Reports, or entries with `for_each`, which stand for all their reports.

    Raises
    ------
    ParameterError
        The file, an entry, a notebook or a parameter is at fault: every fault, in one line.
    """
    file = planfile(root)
    known = {*file.entries, *file.families.values()}
    faults = [f"there is no report {name!r}" for name in dict.fromkeys(names) if name not in known]
    if faults:
        raise ParameterError(f"{'; '.join(faults)}; {MARK} has {', '.join(file.entries) or 'none'}")
    faults = list(file.faults)
    faults += _faults(lambda: _keep(file))
    found = []
    for name, entry in file.entries.items():
        wanted = not names or name in names or file.families[name] in names
        try:
            report = _report(root, name, entry, notebook_read=wanted)
        except ParameterError as error:
            faults.append(str(error))
        else:
            found += [report] if wanted else []
    if faults:
        raise ParameterError(f"{MARK}: {'; '.join(faults)}")
    return found


def kept(root: Path) -> int | None:
    """How many run folders the plan keeps of each report; None for all."""
    return _keep(planfile(root))


def report_names(root: Path) -> list[tuple[str, str]]:
    """Name and title of every report, notebooks unread: for the shelf, which shows even a broken plan."""
    try:
        entries = planfile(root).entries
    except ParameterError:
        return []
    titled = {name: entry.get("title", "") if isinstance(entry, dict) else "" for name, entry in entries.items()}
    return [(name, title if isinstance(title, str) else "") for name, title in titled.items()]


def _keep(file: PlanFile) -> int | None:
    if file.keep is None:
        return None
    return int(from_text({"keep": _KEEP}, _texts({"keep": file.keep}))["keep"])


def _report(root: Path, name: str, entry: Any, *, notebook_read: bool) -> Report:
    """Report of one entry, or one error that names all its faults."""
    if not NAME.fullmatch(name):
        raise ParameterError(f"{name!r} must be lower-case letters, digits, _ and -, at most 64")
    if not isinstance(entry, dict):
        raise ParameterError(f"{name}: must be a mapping with `notebook:`")
    faults = [f"unknown key {key!r} (known: {', '.join(_KEYS)})" for key in entry if key not in _KEYS]
    settings: dict[str, Any] = {}
    for key in entry:
        if key in _SETTINGS:  # each on its own, so that the faults of all are told
            faults += _faults(lambda key=key: settings.update(from_text(_SETTINGS, _texts({key: entry[key]}))))
    title = entry.get("title") or ""
    if not isinstance(title, str):
        faults.append("title must be text")
    recipient = entry.get("recipient") or ""
    if not isinstance(recipient, str):
        faults.append("recipient must be text")
    try:
        path = _notebook(root, entry.get("notebook"))
    except ParameterError as error:
        faults.append(str(error))
        path = root
    known: dict[str, Parameter] = {}
    values: dict[str, Value] = {}

    def read() -> None:
        known.update(declared(path))
        values.update(defaults(known) | from_text(known, _given(entry, known)))

    if notebook_read and path != root:
        faults += _faults(read)
    if faults:
        raise ParameterError("; ".join(f"{name}: {fault}" for fault in faults))
    latest = entry.get("as_of") == LATEST
    return Report(name, path, title, known, values, latest=latest, recipient=recipient, **settings)


def _given(entry: Mapping[str, Any], known: Mapping[str, Parameter]) -> dict[str, str]:
    """Texts of the parameters that an entry sets, its `as_of` among them unless that is `latest`."""
    given = entry.get("parameters") or {}
    if not isinstance(given, dict):
        raise ParameterError("parameters must be a mapping of names to values")
    if "as_of" not in entry:
        return _texts(given)
    if "as_of" in given or "as_of" not in known:
        wrong = "stands under parameters too; keep one" if "as_of" in given else "is no parameter of the notebook"
        raise ParameterError(f"as_of {wrong}")
    if entry["as_of"] == LATEST:
        return _texts(given)
    return _texts({**given, "as_of": entry["as_of"]})


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
