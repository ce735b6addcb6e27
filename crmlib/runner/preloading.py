"""What a fork server imports before it forks, so that its kernels need not.

Only a process with a single thread may fork, so what starts threads on import (Polars) is left to
the kernel, and a server that finds more than one thread in itself forks nothing and says why.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib
import importlib.util
import io
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

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

#: Set while the server imports, and not in its kernels: no thread that tidies Arrow's memory.
QUIET = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


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
    """Import this package, draw a figure and set a table: fonts and formats are found and read once for all kernels."""
    import pkgutil

    import pandas as pd

    import crmlib
    from crmlib import figures

    for module in pkgutil.iter_modules(crmlib.__path__):
        if module.name not in NOT_FOR_KERNELS:
            importlib.import_module(f"crmlib.{module.name}")
    figure, axes = figures.canvas()
    figures.curve(axes, [0, 1], [0, 1], name="line")
    figures.legend(figures.label(axes, title="title", x="x", y="y"))
    figures.png(figure)
    figures.table(pd.DataFrame({"share": [0.5], "p_value": [0.5], "orders": [1]}))._repr_mimebundle_()


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
