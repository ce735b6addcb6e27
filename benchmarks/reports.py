"""Reports: this runner against `papermill` and then `jupyter nbconvert`, one notebook after another.

Both get the same cells: those for people at a keyboard are taken out for the peer as well.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.measuring import Cost, Result, measured, python, show

ROOT = Path(__file__).parents[1]
STORE = Path(__file__).with_name("store.ipynb")
STORES = 50
SAMPLE = 10
TURNS = 2  # whoever goes first reads files that the next finds in memory


def results(*, stores: int = STORES, sample: int = SAMPLE) -> list[Result]:
    """The plan of the repository, and one report for each of 50 stores."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        return [_plan(Path(folder) / "plan"), _stores(Path(folder) / "stores", stores, min(sample, stores))]


def _plan(root: Path) -> Result:
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    (root / "data").symlink_to(ROOT / "data")
    shutil.copy(ROOT / "reports.yml", root)
    reports = _reports(root)
    turns = [(_own(root), _peers(root, reports)) for _ in range(TURNS)]
    own, peers = (min(costs, key=lambda cost: cost.seconds) for costs in zip(*turns, strict=True))
    return Result(f"plan, {len(reports)} reports", "papermill, nbconvert", own, peers, 4, f"best of {TURNS} turns each")


def _stores(root: Path, stores: int, sample: int) -> Result:
    (root / "notebooks").mkdir(parents=True)
    shutil.copy(STORE, root / "notebooks" / "store.ipynb")
    _write_orders(root / "orders", stores)
    entries = [
        f"  store_{number}: {{notebook: notebooks/store.ipynb, parameters: {{source: orders, store: {number}}}}}\n"
        for number in range(1, stores + 1)
    ]
    (root / "reports.yml").write_text("reports:\n" + "".join(entries))
    own = _own(root)
    peers = _peers(root, _reports(root)[:sample]).times(stores / sample)
    note = "" if sample == stores else f"peer measured on {sample}, times {stores / sample:g}"
    return Result(f"{stores} store reports", "papermill, nbconvert", own, peers, 8, note)


def _own(root: Path) -> Cost:
    command = python("-c", "from crmlib.cli import main; main()", "--project", str(root), "report", "run", "--force")
    return measured(command)


def _peers(root: Path, reports: Iterable[tuple[Path, dict[str, object]]]) -> Cost:
    """One process each, one after another, as a scheduler's script calls them."""
    import nbformat

    from crmlib.runner.preparation import prepared

    total = Cost(0, 0, 0)
    env = {"CRM_PROJECT": str(root)}
    ready, executed = root / "ready.ipynb", root / "executed.ipynb"
    for path, parameters in reports:
        nbformat.write(prepared(nbformat.read(path, as_version=4)), ready)
        given = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
        options = ["--no-progress-bar", "--cwd", str(root), "--kernel", "python3"]
        total += measured(python("-m", "papermill", str(ready), str(executed), *options, *given), env=env)
        total += measured(python("-m", "nbconvert", "--to", "html", str(executed)), env=env)
    return total


def _reports(root: Path) -> list[tuple[Path, dict[str, object]]]:
    """Notebook and own parameters of each report of the plan."""
    from crmlib.runner.plan import plan

    return [
        (
            report.notebook,
            {name: value for name, value in report.parameters.items() if value != report.declared[name].default},
        )
        for report in plan(root)
    ]


def _write_orders(folder: Path, stores: int) -> None:
    """Two years of 4,000 orders a store."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(1)
    size = 4_000 * stores
    days = np.sort(rng.integers(0, 730, size))
    orders = pd.DataFrame(
        {
            "customer_id": rng.zipf(1.3, size) % (500 * stores),
            "order_id": np.arange(size),
            "ordered_at": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
            "amount": np.round(rng.lognormal(3, 0.7, size), 2),
            "store_id": rng.integers(1, stores + 1, size),
        }
    )
    orders["ordered_at"] = orders["ordered_at"].astype("datetime64[us]")
    folder.mkdir()
    orders.to_parquet(folder / "orders.parquet")


def main(arguments: Sequence[str]) -> None:
    """Measure with options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", type=int, default=STORES)
    parser.add_argument("--sample", type=int, default=SAMPLE, help="store reports that the peer makes; all with 50")
    given = parser.parse_args(arguments)
    sys.exit(0 if show(results(stores=given.stores, sample=given.sample)) else 1)


if __name__ == "__main__":
    os.environ.pop("CRM_PROJECT", None)
    main(sys.argv[1:])
