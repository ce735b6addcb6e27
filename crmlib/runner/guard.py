"""A small process that outlives the runner and ends what a run had started, should the runner be killed.

Fork servers do this for the kernels that they fork. A kernel of a single report, or one started the
ordinary way, has none: it would end by itself a second later, and leave what it had started, and the
folder of its sockets.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from crmlib.runner.processes import kill_all

#: Folders of a run's sockets begin so; nothing else is ever removed.
PRIVATE = "crm-"

_ENDED = b"ended\n"
_MAIN = "from crmlib.runner.guard import main; main()"


@contextlib.contextmanager
def guarded(folder: Path, mark: str) -> Iterator[None]:
    """A run whose processes end, and whose folder goes, with this process at the latest.

    Parameters
    ----------
    folder : Path
        Of the run's sockets.
    mark : str
        Value of `CRM_RUN` of the run.
    """
    guard = subprocess.Popen(
        [sys.executable, "-c", _MAIN, str(folder), mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):  # it was killed
            guard.communicate(_ENDED)


def main() -> None:
    """Wait for the runner's word that the run has ended; without it, the runner is gone."""
    folder, mark = Path(sys.argv[1]), sys.argv[2]
    if sys.stdin.buffer.read() == _ENDED:
        return
    kill_all(None, mark)
    remove(folder)


def remove(folder: Path) -> None:
    """Delete the folder of a run's sockets."""
    if folder.name.startswith(PRIVATE):
        shutil.rmtree(folder, ignore_errors=True)
