"""Environments of peers that do not fit into this project's own: made on first use."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def peer_python(module: str, requirements: Sequence[str], *, variable: str) -> str | None:
    """Python that can import a peer; None, and said, where it cannot be installed.

    The environment lies in the folder for temporary files and stays there; a Python named by the environment variable
    is taken as it is.
    """
    named = os.environ.get(variable)
    if named:
        return named
    place = Path(tempfile.gettempdir()) / f"crm-bench-{module.lower()}"
    interpreter = place / "bin" / "python"
    ready = [str(interpreter), "-c", f"import {module}"]
    try:
        if not interpreter.exists() or subprocess.run(ready, capture_output=True).returncode:
            print(f"  making an environment for {module} …", file=sys.stderr, flush=True)
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, capture_output=True)
            install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*install, *requirements], check=True, capture_output=True)
        subprocess.run(ready, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        print(f"  {module} cannot be installed here; name a Python that has it by {variable}", file=sys.stderr)
        return None
    return str(interpreter)
