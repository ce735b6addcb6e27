"""Fork servers as the runner sees them: started, asked for kernels, ended."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from crmlib.runner.preloading import QUIET
from crmlib.runner.processes import MARK

_BACKEND = "module://matplotlib_inline.backend_inline"
_OWN = (MARK, "IPYTHONDIR", "JPY_PARENT_PID", "JPY_SESSION_NAME", "JPY_INTERRUPT_EVENT", "IPY_INTERRUPT_EVENT")
_NO_MARK = "0" * 16
_READY_SECONDS = 120
_MAIN = "from crmlib.runner.forkserver import main; main()"


class ForkedProcess:
    """A forked kernel, with those parts of `subprocess.Popen` that a provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lines = channel.makefile("r", encoding="utf-8")
        self._lock = threading.Lock()
        self.returncode: int | None = None
        kind, _, number = self._lines.readline().partition(" ")
        if kind != "pid":
            self._lines.close()
            raise OSError("it has ended")
        self.pid = int(number)

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        with self._lock:
            if self.returncode is None and select.select([self._channel], [], [], 0)[0]:
                self._end()
            return self.returncode

    def wait(self) -> int:
        """Exit status, once it has ended."""
        with self._lock:
            if self.returncode is None:
                self._end()
            return self.returncode or 0

    def send_signal(self, number: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def _end(self) -> None:
        kind, _, number = self._lines.readline().partition(" ")
        # Without a word the server itself has ended, and its kernels with it.
        self.returncode = int(number) if kind == "exit" else -signal.SIGKILL
        self._lines.close()
        self._channel.close()


class ForkServer:
    """The server for kernels of one environment and folder; started at once, ready a little later.

    Parameters
    ----------
    environment : mapping of str to str
        What imports may read, such as `MPLBACKEND` and `PYTHONHASHSEED`.
    folder : str
        Where a `matplotlibrc` may lie.
    """

    def __init__(self, environment: Mapping[str, str], folder: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, str(theirs.fileno())],
                env={"MPLBACKEND": _BACKEND} | dict(environment) | QUIET | {MARK: _NO_MARK},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._control = ours
        self._lock = threading.Lock()
        self._state = ""

    @property
    def trouble(self) -> str:
        """Why it forks nothing, or "" when all is well; waits until it has imported."""
        with self._lock:
            if not self._state:
                self._control.settimeout(_READY_SECONDS)
                try:
                    self._state = self._control.recv(4096).decode().strip() or "it ended"
                except OSError as error:
                    self._state = str(error)
                self._control.settimeout(None)
        return "" if self._state == "ready" else self._state

    def fork(self, order: Mapping[str, Any]) -> ForkedProcess:
        """A kernel made by this order: arguments, environment, directory, folder of its sockets.

        Raises
        ------
        OSError
            The server has ended, or may not fork.
        """
        if self.trouble:
            raise OSError(self.trouble)
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
            ours.sendall(json.dumps(dict(order)).encode() + b"\n")
            return ForkedProcess(ours)
        except OSError:
            ours.close()
            raise

    def close(self) -> None:
        """End it, and kernels that still run."""
        self._control.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Servers:
    """The servers of a plan: one for each environment and folder that its kernels have."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[tuple[frozenset[tuple[str, str]], str], ForkServer] = {}

    def server(self, environment: Mapping[str, str], folder: str) -> ForkServer:
        """The server for kernels of this environment, started when it is not."""
        shared = {name: value for name, value in environment.items() if name not in _OWN}
        key = frozenset(shared.items()), folder
        with self._lock:
            if key not in self._servers:
                self._servers[key] = ForkServer(shared, folder)
            return self._servers[key]

    def close(self) -> None:
        """End all."""
        with self._lock:
            for server in self._servers.values():
                server.close()
            self._servers.clear()
