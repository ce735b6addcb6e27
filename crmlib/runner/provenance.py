"""What a report was made from: hashes of its inputs, the commit, the versions.

A report is up to date while its notebook, parameters, library, lock and data hash to the same
`key` as in its last good run. The commit and versions are told to the reader but are no inputs:
what of them matters is in the library's and the lock's hash.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import crmlib
from crmlib.runner.parameters import Value

LOCK = "requirements.lock"

_SHOWN = ("crmlib", "numpy", "pandas", "polars", "duckdb", "statsmodels", "matplotlib", "papermill", "nbconvert")


@dataclass(frozen=True)
class Inputs:
    """Hashes (SHA-256, hexadecimal) of all that decides a report's content.

    Parameters
    ----------
    notebook, library, lock : str
        Lock is "none" where the project has no `requirements.lock`.
    parameters : mapping of name to value
        Every parameter, defaults included.
    data : mapping of parameter name to hash
        Of each parameter that names a data source; None when a source has none (a database).
    """

    notebook: str
    library: str
    lock: str
    parameters: Mapping[str, Value]
    data: Mapping[str, str | None]

    @property
    def key(self) -> str | None:
        """Hash of all inputs; None when a source has no hash, so the report is never up to date."""
        if None in self.data.values():
            return None
        parts = [self.notebook, self.library, self.lock, dict(self.parameters), dict(self.data)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def inputs(root: Path, notebook: Path, parameters: Mapping[str, Value]) -> Inputs:
    """Inputs of a report as they are now.

    Raises
    ------
    SourceError
        A parameter named `source` or `…_source` names a source that is unknown or not fetched.
    """
    lock = root / LOCK
    return Inputs(
        notebook=_digest(notebook),
        library=library_hash(),
        lock=_digest(lock) if lock.is_file() else "none",
        parameters=dict(parameters),
        data=data_hashes(parameters),
    )


def data_hashes(parameters: Mapping[str, Value]) -> dict[str, str | None]:
    """Fingerprint of the data behind each parameter that names a source and is not empty.

    Raises
    ------
    SourceError
        A source is unknown or not fetched.
    """
    named = {
        name: value
        for name, value in parameters.items()
        if (name == "source" or name.endswith("_source")) and isinstance(value, str) and value
    }
    if not named:
        return {}
    from crmlib.data import fingerprint

    return {name: fingerprint(value) for name, value in named.items()}


def library_hash() -> str:
    """Hash of the library's modules and page templates, by path and content."""
    folder = Path(crmlib.__file__).parent
    templates = folder / "runner" / "template"
    paths = sorted({*folder.rglob("*.py"), *(path for path in templates.rglob("*") if path.is_file())})
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.relative_to(folder).as_posix()} {_digest(path)}\n".encode())
    return total.hexdigest()


def commit(root: Path) -> str:
    """Commit of the project, marked when tracked files differ from it; "none" without git."""
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return "none"
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return head + (" with uncommitted changes" if changed else "")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a reader would ask for."""
    found = {"python": platform.python_version()}
    for name in _SHOWN:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
