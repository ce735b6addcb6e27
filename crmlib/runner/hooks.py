"""Commands of the user's that hear how a report ended: to mail, to page someone, to copy a page.

A command is started without a shell, with the run's folder as its last argument and in the
environment `CRM_RUN_FOLDER`, `CRM_REPORT`, `CRM_OUTCOME`, `CRM_EXIT_CODE`, `CRM_MESSAGE` and `CRM_PAGE`.
Where no run began (data missing, already running) folder and page are empty. What becomes of the
command is told in a line, and changes neither the report's record nor the exit code.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from crmlib.errors import ParameterError
from crmlib.runner import records
from crmlib.runner.records import Record

#: Seconds after which a command is killed.
LONGEST = 300


@dataclass(frozen=True)
class Hooks:
    """What to start after a report failed, or was made anew.

    Parameters
    ----------
    on_failure, on_success : str
        Command lines, split as a shell would; `""` for none.

    Raises
    ------
    ParameterError
        A command line cannot be split.
    """

    on_failure: str = ""
    on_success: str = ""

    def __post_init__(self) -> None:
        for name, line in (("--on-failure", self.on_failure), ("--on-success", self.on_success)):
            _words(name, line)

    def told(self, root: Path, record: Record) -> str:
        """Start the command that fits the record; a line on how it failed, empty when all is well."""
        if record["outcome"] == "up to date":
            return ""
        name = "--on-success" if record["exit_code"] == 0 else "--on-failure"
        words = _words(name, self.on_success if record["exit_code"] == 0 else self.on_failure)
        if not words:
            return ""
        folder = root / records.FOLDER / "runs" / record["run"] if record.get("run") else None
        page = folder / "report.html" if folder and record["outcome"] == "good" else None
        environment = {
            **os.environ,
            "CRM_PROJECT": str(root),
            "CRM_RUN_FOLDER": str(folder or ""),
            "CRM_REPORT": str(record.get("publication") or record["report"]),
            "CRM_OUTCOME": record["outcome"],
            "CRM_EXIT_CODE": str(record["exit_code"]),
            "CRM_MESSAGE": str(record.get("message", "")).replace("\0", ""),
            "CRM_PAGE": str(page or ""),
        }
        return _ended(name, [*words, str(folder or "")], root, environment)


def _words(name: str, line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise ParameterError(f"{name} {line[:60]!r} is no command line: {error}") from error


def _ended(name: str, words: list[str], root: Path, environment: dict[str, str]) -> str:
    # Through a file: what the command leaves in the background would keep a pipe open, and us waiting.
    with tempfile.TemporaryFile() as messages:
        try:
            command = subprocess.Popen(
                words,
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=messages,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return f"{name} {words[0]} cannot be started: {getattr(error, 'strerror', None) or error}"
        try:
            code = command.wait(LONGEST)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(command.pid, signal.SIGKILL)
            command.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                return f"{name} {words[0]} took longer than {LONGEST} s and was killed"
            raise
        if code == 0:
            return ""
        messages.seek(max(0, messages.seek(0, os.SEEK_END) - 4096))
        said = messages.read().decode(errors="replace").strip().splitlines()
    return f"{name} {words[0]} left with {code}" + (f": {said[-1][:200]}" if said else "")
