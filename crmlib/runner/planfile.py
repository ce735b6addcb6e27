"""`reports.yml` as text: its entries with every scalar as it stands in the file, `for_each` fanned out."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crmlib.errors import ParameterError
from crmlib.project import MARK

_KEYS = ("reports", "keep")
_MOST = 10_000  # reports of one entry
_PART = re.compile("[a-z0-9_-]+")  # of a report's name


@dataclass
class PlanFile:
    """What stands in the file.

    Parameters
    ----------
    entries : mapping of report name to entry
        Fanned out; `family` of each is the name that the file has.
    keep : str or None
        How many run folders to keep of each report.
    faults : list of str
        All that is wrong with its form.
    """

    entries: dict[str, Any] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)
    keep: Any = None
    faults: list[str] = field(default_factory=list)


def planfile(root: Path) -> PlanFile:
    """The plan's file, read.

    Raises
    ------
    ParameterError
        It is no YAML, or holds no mapping of reports.
    """
    import yaml

    found = PlanFile()
    try:
        node = yaml.compose((root / MARK).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        content = _plain(node, set(), found.faults)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"{MARK} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(content.get("reports", ""), dict | None):
        raise ParameterError(f"{MARK} must hold one mapping, `reports:`, of report names to entries")
    found.faults += [f"unknown key {key!r} (known: {', '.join(_KEYS)})" for key in content if key not in _KEYS]
    found.keep = content.get("keep")
    for name, entry in (content["reports"] or {}).items():
        _add(found, name, entry)
    return found


def _add(found: PlanFile, name: str, entry: Any) -> None:
    fanned: Mapping[str, Any] = {name: entry}
    if isinstance(entry, dict) and "for_each" in entry:
        try:
            fanned = _fanned(name, entry)
        except ParameterError as error:
            found.faults.append(f"{name}: for_each: {error}")
    for own, content in fanned.items():
        if own in found.entries:
            found.faults.append(f"{name}: for_each: {own!r} is another report's name already")
        found.entries.setdefault(own, content)
        found.families.setdefault(own, name)


def _fanned(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """One entry for each value, or each combination where several parameters are listed."""
    axes = entry["for_each"]
    if not isinstance(axes, dict) or not axes:
        raise ParameterError("must be a mapping of a parameter to its values, such as {store: [north, south]}")
    rest = {key: value for key, value in entry.items() if key != "for_each"}
    given = rest.get("parameters") or {}
    both = [key for key in axes if isinstance(given, dict) and key in given]
    if both:
        raise ParameterError(f"{', '.join(both)} stands under parameters too; keep one")
    named = {parameter: _named(parameter, values) for parameter, values in axes.items()}
    count = 1
    for values in named.values():
        count *= len(values)
    if count > _MOST:
        raise ParameterError(f"gives {count:,} reports; list at most {_MOST:,}")
    fanned = {}
    for combination in itertools.product(*(values.items() for values in named.values())):
        own = "-".join([name, *(short for short, _ in combination)])
        if own in fanned:
            raise ParameterError(f"two combinations give the name {own!r}; name the values otherwise")
        values = dict(zip(named, (value for _, value in combination), strict=True))
        title = rest.get("title")
        fanned[own] = {**rest, "parameters": {**given, **values} if isinstance(given, dict) else given}
        if isinstance(title, str) and title:
            fanned[own]["title"] = f"{title} – {', '.join(values.values())}"
        if not isinstance(given, dict):
            break
    return fanned


def _named(parameter: str, values: Any) -> dict[str, str]:
    """Values by the part of the report's name that each gives: its own, or one made of its letters and digits."""
    if not isinstance(values, dict | list) or not values:
        raise ParameterError(f"{parameter} needs a list of values, or a mapping of names to values")
    texts = list(values.values()) if isinstance(values, dict) else values
    if not all(isinstance(text, str) for text in texts):
        raise ParameterError(f"{parameter}: each value must be plain")
    if isinstance(values, dict):
        if unnamed := [short for short in values if not _PART.fullmatch(short)]:
            raise ParameterError(f"{parameter}: the name {unnamed[0]!r} must be lower-case letters, digits, _ and -")
        return values
    named: dict[str, str] = {}
    for text in texts:
        short = re.sub("[^a-z0-9]+", "-", _unaccented(text)).strip("-")
        if not short or short in named:
            raise ParameterError(
                f"{parameter}: {text[:40]!r} gives no name of its own; name the values: "
                f"{{{parameter}: {{some-name: {text[:40]!r}}}}}"
            )
        named[short] = text
    return named


def _unaccented(text: str) -> str:
    """In lower case, letters without their marks: Zürich is zurich."""
    return "".join(part for part in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(part))


def _plain(node: Any, above: set[int], faults: list[str]) -> Any:
    """Mappings, lists and the texts of scalars; None for an empty scalar."""
    import yaml

    if node is None or id(node) in above:
        raise ParameterError(f"{MARK} is empty, or refers to itself; it must hold `reports:`")
    within = above | {id(node)}
    if isinstance(node, yaml.MappingNode):
        content: dict[str, Any] = {}
        for key, value in node.value:
            plain = _plain(value, within, faults)
            if not isinstance(key, yaml.ScalarNode) or key.value in content:
                faults.append(f"line {key.start_mark.line + 1}: a key is repeated, or no plain text")
            else:
                content[key.value] = plain
        return content
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, within, faults) for item in node.value]
    return None if node.tag == "tag:yaml.org,2002:null" else node.value
