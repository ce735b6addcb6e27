"""The layers of the package, and what importing it may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "crmlib"
LAYERS = (
    {"errors", "redaction", "project", "frames", "columns", "options", "intervals", "likelihood", "findings"},
    {"data"},
    {"models"},
    {"attribution", "cohorts", "loyalty", "profitability", "rfm", "clv", "wallet", "basket", "campaigns", "winback"}
    | {"pipeline", "service", "scorecard", "identity", "listening", "offers", "satisfaction", "referral", "rewards"}
    | {"budget", "paths"},
    {"figures", "widgets", "exercises"},
    {"runner"},
    {"cli"},
)
TOPICS = LAYERS[3]
HEAVY = {"pandas", "polars", "duckdb", "pyarrow", "matplotlib", "seaborn", "scipy", "statsmodels", "papermill"}
HEAVY |= {"nbconvert", "nbclient", "nbformat", "ipywidgets", "IPython", "ziamath"}


def layer_faults(package: Path) -> list[str]:
    """Imports of a module from a layer at or below its own, as `importing -> imported`."""
    level = {name: number for number, names in enumerate(LAYERS) for name in names}
    faults = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).with_suffix("").parts
        part = inside[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                base = (node.module or "").split(".")
                if node.level:
                    base = ["crmlib", *inside[: len(inside) - node.level], *filter(None, base)]
                names = [[*base, alias.name] for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name.split(".") for alias in node.names]
            else:
                continue
            targets = {name[1] for name in names if name[0] == "crmlib" and len(name) > 1} - {part, "__version__"}
            faults += [
                f"{'.'.join(inside)} -> {target}"
                for target in sorted(targets)
                if part == "__init__" or level[target] > level[part] or {part, target} <= TOPICS
            ]
    return faults


def test_each_layer_imports_only_those_above():
    assert layer_faults(PACKAGE) == []


def test_every_module_has_a_layer():
    present = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert present - {"__init__", "__pycache__", "py"} <= set().union(*LAYERS)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("cohorts.py", "from crmlib import figures"),
        ("cohorts.py", "from crmlib.loyalty import gini"),
        ("frames.py", "import crmlib.data"),
        ("data/sources.py", "from ..runner import lock"),
        ("data/sources.py", "def late():\n    from crmlib import cli"),
        ("__init__.py", "from crmlib import cohorts"),
    ],
)
def test_a_violation_is_found(tmp_path, module, line):
    path = tmp_path / module
    path.parent.mkdir(exist_ok=True)
    path.write_text(line)
    assert len(layer_faults(tmp_path)) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("cohorts.py", "from crmlib import frames, models"),
        ("cli.py", "from crmlib.runner import lint"),
        (
            "data/sources.py",
            "from . import contracts\nfrom .contracts import rules\nfrom crmlib.errors import DataError",
        ),
        ("widgets.py", "from crmlib import figures"),
    ],
)
def test_an_allowed_import_is_not(tmp_path, module, line):
    path = tmp_path / module
    path.parent.mkdir(exist_ok=True)
    path.write_text(line)
    assert layer_faults(tmp_path) == []


def modules() -> list[str]:
    """Every module and package of crmlib by its dotted name."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def test_importing_is_light():
    """One interpreter imports all modules one by one; what each loaded is told apart by name."""
    program = f"""
import importlib, sys
for name in {modules()!r}:
    importlib.import_module(name)
    loaded = {HEAVY!r} & set(sys.modules)
    if loaded:
        sys.exit(f"import {{name}} loads {{', '.join(sorted(loaded))}}")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
