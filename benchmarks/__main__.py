"""Run every benchmark, or those named, and print one table; leave with 1 when a promise is not kept."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.measuring import show


def main() -> None:
    """Every module of this folder that has `results`."""
    present = [item.name for item in pkgutil.iter_modules(benchmarks.__path__)]
    names = sys.argv[1:] or present
    unknown = [name for name in names if name not in present]
    if unknown:
        sys.exit(f"error: there is no benchmark {', '.join(unknown)}; choose from {', '.join(present)}")
    found = []
    for name in names:
        module = importlib.import_module(f"benchmarks.{name}") if name != "__main__" else None
        if hasattr(module, "results"):
            print(f"{name} …", file=sys.stderr, flush=True)
            found += module.results()
    sys.exit(0 if show(found) else 1)


if __name__ == "__main__":
    main()
