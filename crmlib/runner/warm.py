"""Warm kernels: each forked from a server that has imported the heavy packages.

Starting a kernel and importing pandas, statsmodels and seaborn takes longer than most analyses.
`WarmProvisioner` is what Jupyter calls a kernel provisioner: registered as `crm-warm`, it starts
a kernel by asking a server for a fork, and everything else (sockets, signals, shutdown) is as with
an ordinary kernel. Every run is still a process of its own, which cannot see another's state.

Where forking is not to be had (any system but Linux), where `CRM_COLD_KERNELS` is set, where the
server may not fork, and for kernels other than this interpreter's, an ordinary kernel is started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from crmlib.runner.servers import Servers

NAME = "crm-warm"
COLD = "CRM_COLD_KERNELS"

_open: Servers | None = None
_lasting = Servers()  # for kernels that are no plan's, such as JupyterLab's: they end with this process


class WarmProvisioner(LocalProvisioner):
    """Starts kernels by forking a server of this interpreter; an ordinary kernel where that cannot be."""

    #: Whether the kernel was forked.
    forked = False

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel and return how to reach it."""
        arguments = _kernel_arguments(cmd)
        environment = kwargs.get("env")
        if arguments is None or environment is None or not possible():
            return await super().launch_kernel(cmd, **kwargs)
        directory = str(kwargs.get("cwd") or Path.cwd())
        server = (_open or _lasting).server(environment, directory)
        connection = getattr(self.parent, "connection_file", "")
        order = {
            "arguments": arguments,
            "environment": dict(environment),
            "directory": directory,
            "folder": str(Path(connection).parent),
        }
        try:
            forked = await asyncio.to_thread(server.fork, order)
        except OSError as error:
            self.log.warning("an ordinary kernel is started, for the fork server says: %s", error)
            return await super().launch_kernel(cmd, **kwargs)
        self.process: Any = forked
        self.pid = self.pgid = forked.pid
        self.cwd = directory
        self.forked = True
        return self.connection_info


def possible() -> bool:
    """Whether kernels can be forked here: Linux, and `CRM_COLD_KERNELS` not set."""
    return sys.platform == "linux" and os.environ.get(COLD, "0") in ("", "0")


@contextlib.contextmanager
def kernels() -> Iterator[None]:
    """Kernels started within are warm, from one server; it ends with the block, and they with it."""
    global _open  # the provisioner is made by Jupyter, which hands nothing through
    if _open is not None:
        yield
        return
    _open = Servers()
    try:
        yield
    finally:
        ending, _open = _open, None
        ending.close()


def begin(environment: Mapping[str, str], folder: Path) -> None:
    """Let the server import while the caller does something else; without `kernels`, nothing."""
    if _open is not None and possible():
        _open.server(environment, str(folder))


class _NativeKernel(KernelSpecManager):
    """No folders of kernel specifications: what remains is the native one, this interpreter."""

    def get_kernel_spec(self, kernel_name: str) -> Any:
        found = super().get_kernel_spec(kernel_name)
        registered = metadata.entry_points(group="jupyter_client.kernel_provisioners", name=NAME)
        if _open is not None and registered and possible():
            found.metadata["kernel_provisioner"] = {"provisioner_name": NAME}
        return found


def specifications() -> KernelSpecManager:
    """The native kernel's specification, warm within `kernels`."""
    return _NativeKernel(kernel_dirs=[])


def _kernel_arguments(command: list[str]) -> list[str] | None:
    """Arguments of this interpreter's IPython kernel; None when the command starts another program."""
    if "ipykernel_launcher" not in command or os.path.abspath(command[0]) != os.path.abspath(sys.executable):
        return None
    return command[command.index("ipykernel_launcher") + 1 :]
