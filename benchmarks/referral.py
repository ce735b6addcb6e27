"""Coverage of the referral estimates over many simulated firms: `python -m benchmarks.referral`.

Each estimate is held against what its own estimand is in the population that the firm is drawn from. Coverage is
claimed where the assumption holds. For the worth of the referred it is a claim only where nobody resembles anybody
(`likeness` 0), so that what sets them apart is what being referred does; with likeness there is its bias to see.

The simulated firm wins a set number of customers, of whom some are referred; in a branching process how many are won is
itself what comes out. So the number is drawn, Poisson, and the chance of each to have been referred goes with it.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.seeds import accounted, coverage, options
from crmlib import referral

DESIGNS: dict[str, dict[str, Any]] = {"alike are referred": {}, "anybody is referred": {"likeness": 0.0}}
FIRST_SEED = 50_000
DAYS, FIRST_DAYS, QUIET = 180, 180, 90
#: Coverage that 95 % intervals have, worth apart where like refers like.
PROMISED = (0.93, 0.97)
_REWARD, _R = 5.0, 0.4


def estimates(seed: int, *, customers: int, design: str, level: float = 0.95) -> pd.DataFrame:
    """Every estimate at one firm with its truth: one row an estimate."""
    won = int(np.random.default_rng([seed, 1]).poisson(customers))
    firm = referral.referring_firm(seed, customers=won, reproduction=_R * won / customers, **DESIGNS[design])
    scale = customers / won  # from the truth of this firm to that of all of them
    base = referral.referral_base(
        firm["referrals"], firm["customers"], as_of=firm.as_of, columns=["referral_arm", "channel", "region"]
    )
    value = referral.early_value(firm["orders"], firm["customers"], as_of=firm.as_of, days=FIRST_DAYS, quiet_days=QUIET)
    valued = referral.valued_customers(base, value)
    truth, rows = firm.truth, []

    def add(name: str, known: float, row: Any, column: str) -> None:
        rows.append((name, known, row[column], row["low"], row["high"]))

    number = referral.reproduction_number(base, days=DAYS, level=level).iloc[0]
    add("reproduction number", scale * referral.true_reproduction(firm, days=DAYS), number, "reproduction")
    rows.append(("  all brought over all customers", rows[0][1], number["crude"], np.nan, np.nan))
    for row in referral.reproduction_number(base, days=DAYS, by="referral_arm", level=level).to_dict("records"):
        offered = row["group"] == "offered"
        add(
            f"reproduction number, {row['group']}",
            scale * referral.true_reproduction(firm, days=DAYS, offered=offered),
            row,
            "reproduction",
        )
    mean, median = referral.true_cycle(firm, days=DAYS)
    found = referral.cycle_time(base, days=DAYS, level=level).set_index("statistic")
    add("mean cycle time", mean, found.loc["mean"], "days")
    rows.append(("  mean of the cycles seen", mean, found.loc["mean", "seen"], np.nan, np.nan))
    add("median cycle time", median, found.loc["median"], "days")
    known = referral.true_worth(firm, days=FIRST_DAYS, quiet_days=QUIET).set_index("outcome")
    for outcome in referral.OUTCOMES:
        matched = referral.worth_difference(valued, outcome=outcome, level=level).set_index("method")
        add(f"worth of the referred, {outcome}", known.loc[outcome, "caused"], matched.loc["cohort"], "difference")
    returns = referral.programme_return(base, valued, reward=_REWARD, days=DAYS, arm="referral_arm", level=level)
    returns = returns.set_index("quantity")
    # the gamma distribution function cancels between the arms
    add("share caused by the reward", 1 - 1 / truth.parameters.reward_effect, returns.loc["caused_share"], "value")
    return pd.DataFrame(rows, columns=["quantity", "truth", "estimate", "low", "high"])


def account(rows: pd.DataFrame) -> pd.DataFrame:
    """Bias, spread, mean width and coverage by estimate, with Monte Carlo errors."""
    groups = rows.groupby("quantity", sort=False)
    return coverage(rows, by="quantity").assign(width=groups["high"].mean() - groups["low"].mean())


def measured(design: str, *, firms: int, customers: int, jobs: int) -> pd.DataFrame:
    """The account of one design, printed."""
    task = functools.partial(estimates, customers=customers, design=design)
    what = f"{design}, firms of {customers:,} customers"
    return accounted(task, account, first=FIRST_SEED, count=firms, jobs=jobs, what=what)


def results() -> list[Any]:
    """For `make bench`: 1,000 small firms; ends it when an interval does not cover in 93-97 %."""
    for design in DESIGNS:
        covered = measured(design, firms=1_000, customers=3_000, jobs=2)["coverage"].dropna()
        if design == "alike are referred":
            covered = covered[~covered.index.str.startswith("worth")]
        if not covered.between(*PROMISED).all():
            raise SystemExit(
                f"{covered.idxmin()} covers in {covered.min():.1%}, {covered.idxmax()} in {covered.max():.1%}"
            )
    return []


def main() -> None:
    """Print one table a design."""
    firms, customers = (1_000, "simulated firms of each design"), (3_000, "customers of each firm")
    given = options(__doc__, firms=firms, customers=customers)
    for design in DESIGNS:
        measured(design, firms=given.firms, customers=given.customers, jobs=given.jobs)


if __name__ == "__main__":
    main()
