"""A process that has imported the heavy packages and forks a kernel whenever it is asked.

It follows `multiprocessing.forkserver`, which cannot be used as it is: its children inherit no
environment or hash seed of our choice, import the runner's `__main__`, know themselves as workers
of a pool, and share a listening socket that stays in the temporary folder when the runner is
killed. A kernel must be what an ordinary one is: a main process, a session leader, with its own
environment, folder and generators.

It ends with the socket that joins it to the runner: then, however the runner died, it kills
what its kernels had started and removes the folders of their sockets.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from crmlib.runner.guard import remove
from crmlib.runner.preloading import preload
from crmlib.runner.processes import MARK, kill_all, write_mark

#: Process number of each kernel, the socket to tell of its end, and the order it was made by.
Kernels = dict[int, tuple[socket.socket, dict[str, Any]]]

_KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def main() -> None:
    """Serve until the runner is gone; in each child, be the kernel."""
    order = _serve(socket.socket(fileno=int(sys.argv[1])))
    if order is not None:
        _be_kernel(order)


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork a kernel for each order; None when the runner is gone, in a child the order it is for."""
    trouble = preload()
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with contextlib.suppress(BrokenPipeError):  # then there is nothing to read below either
        control.sendall(f"{trouble or 'ready'}\n".encode())
    kernels: Kernels = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                os.read(woken, 4096)
                _report_ends(kernels)
            if control not in ready:
                continue
            try:
                asked, channels, _, _ = socket.recv_fds(control, 1, 1)
            except ConnectionResetError:  # gone before it had read that we are ready
                asked = b""
            if not asked:
                _leave_nothing(kernels)
                return None
            channel = socket.socket(fileno=channels[0])
            with channel.makefile("r", encoding="utf-8") as lines:
                order = json.loads(lines.readline() or "null")
            if order is None:  # the runner died while it asked
                channel.close()
                continue
            server = os.getpid()
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _stand_alone(server)
                channel.sendall(f"pid {os.getpid()}\n".encode())
                for open_socket in (control, channel, *(other for other, _ in kernels.values())):
                    open_socket.close()
                os.close(woken)
                os.close(wake)
                return order
            kernels[child] = (channel, order)


def _report_ends(kernels: Kernels) -> None:
    """Tell the runner how each kernel ended that has."""
    for child in list(kernels):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            channel, _ = kernels.pop(child)
            try:
                channel.sendall(f"exit {os.waitstatus_to_exitcode(status)}\n".encode())
            except OSError:  # nobody asks any more
                continue
            finally:
                channel.close()


def _leave_nothing(kernels: Kernels) -> None:
    """Kill kernels that still run, with all that they started, and remove their sockets."""
    for child, (_, order) in kernels.items():
        kill_all(child, order["environment"].get(MARK, "none"))
        remove(Path(order["folder"]))


def _stand_alone(server: int) -> None:
    """A session and process group of its own, and an end with the server, whatever ends that."""
    import ctypes

    os.setsid()
    ctypes.CDLL(None).prctl(_KILL_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server:
        os._exit(1)


def _be_kernel(order: dict[str, Any]) -> None:
    """Run the kernel application as an interpreter of its own would, in this process."""
    import random
    import time

    import numpy as np
    from ipykernel import kernelapp

    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environment"], JPY_PARENT_PID=str(os.getppid()))
    write_mark(order["environment"].get(MARK, ""))
    time.tzset()
    random.seed()
    np.random.seed()  # noqa: NPY002  the global generator: siblings must not draw the same numbers
    sys.argv = ["ipykernel_launcher.py", *order["arguments"]]
    kernelapp.launch_new_instance()
