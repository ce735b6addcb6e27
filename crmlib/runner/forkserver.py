"""A process that has imported the heavy packages and forks a kernel whenever it is asked.

It follows `multiprocessing.forkserver`, which cannot be used as it is: its children inherit no
environment or hash seed of our choice, import the runner's `__main__`, know themselves as workers
of a pool, and share a listening socket that stays in the temporary folder when the runner is
killed. A kernel must be what an ordinary one is: a main process, a session leader, with its own
environment, folder and generators.

Only a process with a single thread may fork, so what starts threads on import (Polars) is left to
the kernel, and a server that finds more than one thread in itself forks nothing and says why. The
server ends with the socket that joins it to the runner: then, however the runner died, it kills
what its kernels had started and removes the folders of their sockets.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.util
import io
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crmlib.runner.processes import MARK, kill_all, write_mark

#: Names in this order: what a kernel is made of, then what most notebooks import.
PRELOADED = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "IPython.core.completer",
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "scipy.optimize",
    "scipy.special",
    "scipy.stats",
    "statsmodels.api",
    "statsmodels.duration.survfunc",
    "matplotlib.pyplot",
    "seaborn",
    "narwhals.stable.v2",
    "narwhals._arrow.dataframe",
    "narwhals._pandas_like.dataframe",
    "narwhals._pandas_like.group_by",
    "pyarrow.dataset",
    "statsmodels.miscmodels.ordinal_model",
)
#: Not for kernels: the runner itself, and what only a person at a keyboard calls.
NOT_FOR_KERNELS = ("cli", "exercises", "runner")
#: Left to the kernels, for these start threads; statsmodels names Polars only to compare types.
LATE = ("polars", "duckdb")

#: Folders of a run's sockets begin so; nothing else is ever removed.
PRIVATE = "crm-"

#: Set while the server imports, and not in its kernels: no thread that tidies Arrow's memory.
QUIET = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}

#: Process number of each kernel, the socket to tell of its end, and the order it was made by.
Kernels = dict[int, tuple[socket.socket, dict[str, Any]]]

_KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def main() -> None:
    """Serve until the runner is gone; in each child, be the kernel."""
    order = _serve(socket.socket(fileno=int(sys.argv[1])))
    if order is not None:
        _be_kernel(order)


def preload() -> str:
    """Import what kernels will need; why nothing must be forked from this process, or "" when all is well."""
    import gc

    sys.path[:] = [entry for entry in sys.path if entry]  # a kernel looks in its own folder, later
    # Read when ipykernel is imported: a kernel whose parent changes ends by itself.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    late = [_Late(name) for name in LATE if name not in sys.modules]
    for module in late:
        module.__spec__ = importlib.util.find_spec(module.__name__)
    sys.modules.update({module.__name__: module for module in late if module.__spec__})
    with _as_in_a_kernel():
        for name in PRELOADED:
            with contextlib.suppress(ImportError):  # then the notebook that needs it says so
                importlib.import_module(name)
    for name in LATE:  # out of the way again: a kernel finds no trace of them
        if type(sys.modules.pop(name, None)) is types.ModuleType:
            return f"{name} is loaded by what it imports"
    with _as_in_a_kernel():
        _preload_library()
    for name in LATE:
        if name in sys.modules:
            return f"{name} is loaded by this package"
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        return f"{threads} threads run in it"
    gc.collect()
    gc.freeze()  # what is shared stays shared: the collector would touch, and so copy, every page
    return ""


def _preload_library() -> None:
    """Import this package, and draw a figure: fonts are found and read once for all kernels."""
    import pkgutil

    import crmlib
    from crmlib import figures

    for module in pkgutil.iter_modules(crmlib.__path__):
        if module.name not in NOT_FOR_KERNELS:
            importlib.import_module(f"crmlib.{module.name}")
    figure, axes = figures.canvas()
    figures.curve(axes, [0, 1], [0, 1], name="line")
    figures.legend(figures.label(axes, title="title", x="x", y="y"))
    figures.png(figure)


@contextlib.contextmanager
def _as_in_a_kernel() -> Iterator[None]:
    """What pandas looks at when imported, to choose how many columns to show and in which encoding."""
    builtins.get_ipython = lambda: types.SimpleNamespace(kernel=None)  # type: ignore[attr-defined]
    try:
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="UTF-8")):
            yield
    finally:
        del builtins.get_ipython  # type: ignore[attr-defined]


class _LateClass(type):
    """A class of a package that is not loaded: what is an instance is known once the package is."""

    def __instancecheck__(cls, instance: Any) -> bool:
        real = getattr(sys.modules.get(cls.__module__), cls.__name__, None)
        return isinstance(real, type) and isinstance(instance, real)


class _Late(types.ModuleType):
    """Stands for a package while the server imports what names its classes; later hands on to the real one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            if name in ("DataFrame", "LazyFrame", "Series"):
                return _LateClass(name, (), {"__module__": self.__name__})
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


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
        folder = Path(order["folder"])
        if folder.name.startswith(PRIVATE):
            shutil.rmtree(folder, ignore_errors=True)


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
