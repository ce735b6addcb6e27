"""A run's kernel: how it is started, in which environment and folder, and how it is ended."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crmlib.runner import processes
from crmlib.runner.guard import PRIVATE

_SOCKET_PATH_LIMIT = 100  # of 107 characters; a kernel's sockets end in kernel-<36>-ipc-<n>

#: Variables by which a person's settings would reach a report; see `_shared_environment`.
_PERSONAL = (
    "MATPLOTLIBRC",
    "MPLBACKEND",
    "PYTHONINSPECT",
    "PYTHONOPTIMIZE",
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",
    "SOURCE_DATE_EPOCH",
)

#: What Jupyter has to say of a dying kernel is in our account; its own lines would only puzzle.
LOG = logging.getLogger("crmlib.runner.kernel")
LOG.addHandler(logging.NullHandler())
LOG.propagate = False


def kernel(folder: Path) -> Any:
    """Manager of a kernel of this interpreter, not yet started, its sockets in the folder."""
    from jupyter_client.manager import AsyncKernelManager

    from crmlib.runner import warm

    class Manager(AsyncKernelManager):
        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:  # type: ignore[override]
            # A program in a session and environment of its own is known only as long as its parent lives.
            processes.kill_started(getattr(self.provisioner, "pid", None))
            await super().shutdown_kernel(now=now, restart=restart)

    manager = Manager(kernel_spec_manager=warm.specifications(), kernel_name="python3", transport="ipc", log=LOG)
    manager.connection_file = str(folder / "kernel.json")
    return manager


def warm_up(root: Path) -> None:
    """Let a fork server import what the kernels of this project will need; see `crmlib.runner.warm`."""
    from crmlib.runner import warm

    warm.begin(_shared_environment(root), root)


def _shared_environment(root: Path) -> dict[str, str]:
    """The runner's environment, with one fixed hash seed, linear algebra in one thread, and nobody's own settings.

    What a person or another program sets for figures and Python would change the page, or leave it without figures.
    """
    return {
        **processes.KEPT_MEMORY,
        **{name: value for name, value in os.environ.items() if name not in _PERSONAL},
        **processes.ONE_THREAD,
        **_figures(),
        "CRM_PROJECT": str(root),
        "PYTHONHASHSEED": "0",
    }


def _figures() -> dict[str, str]:
    """Figures are shown in the notebook, as Matplotlib itself has them, or the project's own `matplotlibrc`."""
    found = importlib.util.find_spec("matplotlib")
    places = found.submodule_search_locations if found else None
    defaults = {"MATPLOTLIBRC": str(Path(places[0], "mpl-data", "matplotlibrc"))} if places else {}
    return {"MPLBACKEND": "module://matplotlib_inline.backend_inline", **defaults}


def environment(root: Path, folder: Path, mark: str) -> dict[str, str]:
    """Environment of one run's kernel, without a person's IPython profile."""
    return {**_shared_environment(root), "IPYTHONDIR": str(folder / "ipython"), processes.MARK: mark}


@contextlib.contextmanager
def runtime_folder() -> Iterator[Path]:
    """A private folder for sockets, removed in the end; its path short enough for their names."""
    usual = tempfile.gettempdir()
    base = usual if len(usual) + len("/crm-12345678/kernel-ipc-5") <= _SOCKET_PATH_LIMIT else "/tmp"  # noqa: S108
    folder = Path(tempfile.mkdtemp(prefix=PRIVATE, dir=base))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def group(kernel: Any) -> int | None:
    """Process group of the kernel; None while it has none of its own."""
    own = getattr(kernel.provisioner, "pgid", None)
    return own if own and own != os.getpgrp() else None


def expire(kernel: Any, expired: threading.Event) -> None:
    """End the kernel and say that its time was up."""
    expired.set()
    end(kernel)


def end(kernel: Any) -> None:
    """Kill the kernel's process group, and what it has started."""
    own = group(kernel)
    if own is not None:
        processes.kill_started(own)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(own, signal.SIGKILL)
