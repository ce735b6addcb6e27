"""Coverage and bias of the programme's effect over many simulated firms: `python -m benchmarks.loyalty`.

For each firm the event study, the naive difference, and members against others made alike by weights
and by matching are held against the true effect on the members of that firm. Coverage is a claim only where
a method's assumption holds: everywhere but in the last design for the event study, and for the other three
only where nobody is drawn in by what they buy. Elsewhere the bias is what there is to see.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.seeds import accounted, coverage, options
from crmlib import data, loyalty

DESIGNS: dict[str, dict[str, Any]] = {
    "heavy buyers join, trends parallel": {},
    "anybody joins, trends parallel": {"self_selection": 0.0},
    "heavy buyers join, trends not parallel": {"parallel_trends": False},
}
FIRST_SEED = 10_000
#: Coverage that the event study's 95 % interval has where trends are parallel.
PROMISED = (0.93, 0.97)


def estimates(seed: int, *, customers: int, design: str, level: float = 0.95) -> pd.DataFrame:
    """Every method's estimate at one firm, with its truth: one row a method and outcome."""
    options: dict[str, Any] = {"customers": customers, "tables": loyalty.NEEDED, **DESIGNS[design]}
    firm = data.simulate(np.random.default_rng(seed), **options)
    panel = loyalty.programme_panel(firm)
    made = []
    for outcome in ("orders", "amount"):
        known = loyalty.true_effect(firm, outcome=outcome)
        found = loyalty.programme_comparisons(panel, outcome=outcome, level=level)
        adjusted = loyalty.adjusted_comparisons(panel, outcome=outcome, level=level)
        table = pd.concat([found[found["method"].isin(["event_study", "naive"])], adjusted])
        pretrend = loyalty.programme_effect(panel, outcome=outcome, level=level).pretrend["p_value"]
        truth = np.average(known["effect"], weights=known["members"])
        made.append(table.assign(outcome=outcome, truth=truth, rejected=pretrend < 1 - level))
    return pd.concat(made)


def account(rows: pd.DataFrame) -> pd.DataFrame:
    """Bias, spread, mean standard error and coverage by outcome and method, with Monte Carlo errors."""
    by = ["outcome", "method"]
    groups = rows.groupby(by, sort=False)
    more = {"standard_error": groups["standard_error"].mean(), "pretrend_rejected": groups["rejected"].mean()}
    return coverage(rows.rename(columns={"effect": "estimate"}), by=by).assign(**more)


def measured(design: str, *, firms: int, customers: int, jobs: int) -> pd.DataFrame:
    """The account of one design, printed."""
    task = functools.partial(estimates, customers=customers, design=design)
    what = f"{design}, firms of {customers:,} customers"
    return accounted(task, account, first=FIRST_SEED, count=firms, jobs=jobs, what=what)


def results() -> list[Any]:
    """For `make bench`: 1,000 firms with parallel trends; ends it when the event study does not cover in 93-97 %."""
    table = measured(next(iter(DESIGNS)), firms=1_000, customers=10_000, jobs=2)
    covered = table.xs("event_study", level="method")["coverage"]
    if not covered.between(*PROMISED).all():
        raise SystemExit(f"the event study covers in {covered.min():.1%} to {covered.max():.1%}, not in 93 to 97 %")
    return []


def main() -> None:
    """Print one table a design."""
    firms, customers = (1_000, "simulated firms of each design"), (10_000, "customers of each firm")
    given = options(__doc__, firms=firms, customers=customers)
    for design in DESIGNS:
        measured(design, firms=given.firms, customers=given.customers, jobs=given.jobs)


if __name__ == "__main__":
    main()
