"""Contestants that make the same table from files: each run is a process of its own, timed without its imports."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import Cost, Result, python, quickest, show

if TYPE_CHECKING:
    import pandas as pd

REPEATS = 3
Contestants = Mapping[str, "Callable[[str], pd.DataFrame]"]


def best_costs(module: str, contestants: Contestants, place: Path) -> dict[str, Cost]:
    """Each contestant's quickest run on what lies there; ends the run when their sums differ."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        answer = Path(folder) / "answer.json"
        commands = [python("-m", module, "--one", name, str(place), str(answer)) for name in contestants]
        runs = quickest(commands, answer, runs=REPEATS)
    if any(sums != runs[0][1] for _, sums in runs):
        raise SystemExit(f"the answers differ: {dict(zip(contestants, (sums for _, sums in runs), strict=True))}")
    return {name: cost for name, (cost, _) in zip(contestants, runs, strict=True)}


def main(
    description: str | None,
    results: Callable[..., list[Result]],
    contestants: Contestants,
    sums: Callable[[pd.DataFrame], dict[str, Any]],
    *,
    rows: str,
    millions: float,
) -> None:
    """Measure with options; with `--one`, time one contestant, and write its seconds and what its table adds up to."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--millions", type=float, default=millions, help=f"{rows}; 50 for the size that is promised")
    parser.add_argument("--one", nargs=3, metavar=("CONTESTANT", "PLACE", "ANSWER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.one:
        sys.exit(0 if show(results(millions=given.millions)) else 1)
    import duckdb  # noqa: F401
    import pandas as pd  # noqa: F401

    name, place, answer = given.one
    began = time.perf_counter()
    table = contestants[name](place)
    seconds = time.perf_counter() - began
    Path(answer).write_text(json.dumps({"seconds": seconds, **sums(table)}))
