"""Coverage of points pressure and defection over many simulated programmes: `python -m benchmarks.rewards`.

Pressure is looked for where there is none and where there is some, with a December of twice the usual: the month
held against itself should hold the truth in 95 % of the programmes, the rate that never changes takes
the season for pressure. Defection is held against the same members' orders without the programme.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.seeds import accounted, coverage, options
from crmlib import rewards

FIRST_SEED = 20_000
#: Coverage that the 95 % interval of points pressure has.
PROMISED = (0.93, 0.97)


def pressure(seed: int, *, acceleration: float, members: int = 400) -> pd.DataFrame:
    """Logarithm of the acceleration with its interval and truth: one row an estimate."""
    world: dict[str, Any] = {"members": members, "acceleration": acceleration, "seasonality": 1.0}
    orders, joins = rewards.simulated_cards(np.random.default_rng(seed), **world)
    progress = rewards.card_progress(orders, joins, threshold=10, as_of="2025-12-31")
    both = {"own month": rewards.points_pressure, "constant rate": rewards.constant_rate_pressure}
    found = [estimate(progress).acceleration for estimate in both.values()]
    found = np.log([[one["value"], one["low"], one["high"]] for one in found])
    return _rows([f"{name}, {acceleration:g}" for name in both], found, np.log(acceleration))


def leaving(seed: int, *, effect: float, customers: int = 3_000) -> pd.DataFrame:
    """Difference in lapsing with its interval and truth: one row a number of months."""
    world = rewards.simulated_departures(np.random.default_rng(seed), customers=customers, effect=effect)
    trials = rewards.lapse_trials(world.orders, world.memberships, as_of=world.as_of)
    after = (3, 6, 9, 12)
    truth = [rewards.true_defection(world, months=months) for months in after]
    found = [rewards.defection(trials, months=months).overall for months in after]
    found = [[one["difference"], one["low"], one["high"]] for one in found]
    return _rows([f"{months} months, {effect:g}" for months in after], found, truth)


def measured(task: Callable[[int], pd.DataFrame], *, count: int, jobs: int, title: str) -> pd.DataFrame:
    """Bias, spread and coverage with their Monte Carlo errors, printed."""
    account = functools.partial(coverage, by="of")
    return accounted(task, account, first=FIRST_SEED, count=count, jobs=jobs, what=title)


def results() -> list[Any]:
    """For `make bench`: 1,000 programmes without a card; ends it when the own month does not cover in 93-97 %."""
    task = functools.partial(pressure, acceleration=1.0)
    covered = measured(task, count=1_000, jobs=2, title="no card")["coverage"].iloc[0]
    if not PROMISED[0] <= covered <= PROMISED[1]:
        raise SystemExit(f"points pressure covers in {covered:.1%}, not in 93 to 97 %")
    return []


def _rows(names: list[str], found: Any, truth: Any) -> pd.DataFrame:
    return pd.DataFrame(found, columns=["estimate", "low", "high"]).assign(of=names, truth=truth)


def main() -> None:
    """Print one table a design."""
    given = options(__doc__, programmes=(1_000, "simulated programmes of each design"))
    for acceleration in (1.0, 1.5):
        task = functools.partial(pressure, acceleration=acceleration)
        measured(task, count=given.programmes, jobs=given.jobs, title=f"acceleration {acceleration:g}")
    for effect in (0.4, 1.0):
        task = functools.partial(leaving, effect=effect)
        measured(task, count=given.programmes, jobs=given.jobs, title=f"factor of leaving {effect:g}")


if __name__ == "__main__":
    main()
