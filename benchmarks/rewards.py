"""Coverage of points pressure and defection over many simulated programmes: `python -m benchmarks.rewards`.

Pressure is looked for where there is none and where there is some, with a December of twice the usual: the month
held against itself should hold the truth in 95 % of the programmes, the rate that never changes takes
the season for pressure. Defection is held against the same members' orders without the programme.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import multiprocessing
import time
from typing import Any

import numpy as np
import pandas as pd

from crmlib import rewards

FIRST_SEED = 20_000
#: Coverage that the 95 % interval of points pressure has.
PROMISED = (0.93, 0.97)


def pressure(seed: int, *, acceleration: float, members: int = 400) -> list[tuple[str, float, bool]]:
    """Estimate, error of its logarithm, and whether the interval holds the truth, by both estimates."""
    world: dict[str, Any] = {"members": members, "acceleration": acceleration, "seasonality": 1.0}
    orders, joins = rewards.simulated_cards(np.random.default_rng(seed), **world)
    progress = rewards.card_progress(orders, joins, threshold=10, as_of="2025-12-31")
    rows = []
    for name, estimate in (
        ("own month", rewards.points_pressure),
        ("constant rate", rewards.constant_rate_pressure),
    ):
        found = estimate(progress).acceleration
        held = bool(found["low"] <= acceleration <= found["high"])
        rows.append((f"{name}, {acceleration:g}", float(np.log(found["value"] / acceleration)), held))
    return rows


def leaving(seed: int, *, effect: float, customers: int = 3_000) -> list[tuple[str, float, bool]]:
    """Months, error of the difference in lapsing, and whether the interval holds the truth."""
    world = rewards.simulated_departures(np.random.default_rng(seed), customers=customers, effect=effect)
    trials = rewards.lapse_trials(world.orders, world.memberships, as_of=world.as_of)
    rows = []
    for months in (3, 6, 9, 12):
        truth = rewards.true_defection(world, months=months)
        found = rewards.defection(trials, months=months).overall
        held = bool(found["low"] <= truth <= found["high"])
        rows.append((f"{months} months, {effect:g}", float(found["difference"] - truth), held))
    return rows


def measured(task: Any, *, count: int, jobs: int, title: str) -> pd.DataFrame:
    """Bias, spread and coverage with their Monte Carlo errors, printed with what it took."""
    begin = time.perf_counter()
    context = multiprocessing.get_context("forkserver")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
        made = [row for rows in pool.map(task, range(FIRST_SEED, FIRST_SEED + count), chunksize=10) for row in rows]
    table = pd.DataFrame(made, columns=["of", "error", "held"])
    groups = table.groupby("of", sort=False)
    share = groups["held"].mean()
    account = pd.DataFrame(
        {
            "bias": groups["error"].mean(),
            "bias_error": groups["error"].std() / np.sqrt(count),
            "spread": groups["error"].std(),
            "coverage": share,
            "coverage_error": np.sqrt(share * (1 - share) / count),
        }
    )
    print(f"\n{title}: {count:,} simulated programmes, {time.perf_counter() - begin:.0f} s")
    print(account.round(4).to_string(), flush=True)
    return account


def results() -> list[Any]:
    """For `make bench`: 1,000 programmes without a card; ends it when the own month does not cover in 93-97 %."""
    task = functools.partial(pressure, acceleration=1.0)
    covered = measured(task, count=1_000, jobs=2, title="no card")["coverage"].iloc[0]
    if not PROMISED[0] <= covered <= PROMISED[1]:
        raise SystemExit(f"points pressure covers in {covered:.1%}, not in 93 to 97 %")
    return []


def main() -> None:
    """Print one table a design."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programmes", type=int, default=1_000, help="simulated programmes of each design")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    given = parser.parse_args()
    for acceleration in (1.0, 1.5):
        task = functools.partial(pressure, acceleration=acceleration)
        measured(task, count=given.programmes, jobs=given.jobs, title=f"acceleration {acceleration:g}")
    for effect in (0.4, 1.0):
        task = functools.partial(leaving, effect=effect)
        measured(task, count=given.programmes, jobs=given.jobs, title=f"factor of leaving {effect:g}")


if __name__ == "__main__":
    main()
