"""One task at many seeds, and how often the intervals that it gives hold the truth."""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd

Made = TypeVar("Made")


def over_seeds(task: Callable[[int], Made], *, first: int, count: int, jobs: int, what: str) -> list[Made]:
    """What the task gives at each seed, in their order; how far it is, and what it took, is told as it goes."""
    begin = time.perf_counter()
    context, made = multiprocessing.get_context("forkserver"), []
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for done, found in enumerate(pool.map(task, range(first, first + count), chunksize=5), 1):
            made.append(found)
            if done % 100 == 0 or done == count:
                took = time.perf_counter() - begin
                print(f"  {what}: {done:,} of {count:,} seeds, {took:.0f} s", file=sys.stderr, flush=True)
    return made


def coverage(rows: pd.DataFrame, *, by: str | list[str]) -> pd.DataFrame:
    """Bias, spread and coverage of each group, with Monte Carlo errors; one row a group, in the order met.

    Columns in: `estimate`, `truth`, `low` and `high`. An estimate without an interval has no coverage, and one that is
    not finite, or whose truth is not, has no error.
    """
    held = ((rows["low"] <= rows["truth"]) & (rows["truth"] <= rows["high"])).astype(float)
    known = np.isfinite(rows["estimate"]) & np.isfinite(rows["truth"])
    error = (rows["estimate"] - rows["truth"]).where(known)
    groups = rows.assign(error=error, held=held.where(rows["low"].notna())).groupby(by, sort=False)
    share = groups["held"].mean()
    return pd.DataFrame(
        {
            "seeds": groups.size(),
            "truth": groups["truth"].mean(),
            "bias": groups["error"].mean(),
            "bias_error": groups["error"].sem(),
            "spread": groups["error"].std(),
            "coverage": share,
            "coverage_error": np.sqrt(share * (1 - share) / groups["held"].count()),
        }
    )


def accounted(
    task: Callable[[int], pd.DataFrame],
    account: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    first: int,
    count: int,
    jobs: int,
    what: str,
) -> pd.DataFrame:
    """The account of what the task gives at all seeds, printed."""
    table = account(pd.concat(over_seeds(task, first=first, count=count, jobs=jobs, what=what)))
    print(f"\n{what}\n{table.round(4).to_string()}", flush=True)
    return table


def options(description: str | None, **numbers: tuple[int, str]) -> argparse.Namespace:
    """Options of a command: whole numbers, each with its default and meaning, and how many processes."""
    parser = argparse.ArgumentParser(description=description)
    for name, (default, meaning) in {**numbers, "jobs": (2, "processes")}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=meaning)
    return parser.parse_args()
