"""How often the 95 % intervals of credits hold the population's: `python -m benchmarks.attribution_coverage`.

The population is a known mixture of paths through twelve channels, most of which only some hundreds of its
journeys touch. Each seed draws journeys from it. The estimand is what the rule itself says of the whole
population, share and number of conversions. Channels count that had their interval (30 converting journeys)
at every seed: to take a rarer one only where it had is to choose its luckiest draws.

The person-period model, whose replicates are fits, is looked at over a tenth of the samples and with fewer replicates,
and is promised less. The selected order is not looked at: after a choice no interval covers at its level, and what the
rule says of a mixture of so few paths is of another order than what it says of a sample.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd

from benchmarks import journeys
from benchmarks.measuring import Result
from benchmarks.seeds import options, over_seeds
from crmlib import attribution

SEEDS, FIRST_SEED, REPLICATES = 1_000, 50_000, 1_000
RANGE = (0.93, 0.97)
#: Journeys that a seed draws. Shapley's rate needs enough of each channel alone.
RULES = {
    "last_touch": 4_000,
    "linear": 4_000,
    "markov": 4_000,
    "shapley": 4_000,
    "shapley by rate": 40_000,
}
FITTED = {"person_period": 4_000}
#: Mean coverage over the channels that the fitted rule keeps.
LEAST = 0.88


def results() -> list[Result]:
    """No race: the table is printed, and a coverage outside its range by more than chance ends the run."""
    table = coverage()
    print(table.to_string(float_format="{:.4f}".format))
    low, high = (table[["share", "credit"]].agg(end, axis=1) for end in ("min", "max"))
    slack = 2 * table["monte_carlo_error"]
    beyond = table[(low < RANGE[0] - slack) | (high > RANGE[1] + slack)]
    if len(beyond):
        raise SystemExit(f"coverage lies outside 93 to 97 % by more than chance:\n{beyond}")
    fitted = coverage(SEEDS // 10, rules=FITTED, replicates=REPLICATES // 5)
    print(fitted.to_string(float_format="{:.4f}".format))
    least = fitted[["share", "credit"]].mean().min()
    if least < LEAST:
        raise SystemExit(f"intervals of the person-period model cover in {least:.1%}, not in {LEAST:.0%} or more")
    return []


def coverage(
    seeds: int = SEEDS, jobs: int = 2, *, rules: dict[str, int] | None = None, replicates: int = REPLICATES
) -> pd.DataFrame:
    """Coverage of shares and credits by rule and channel, with its Monte Carlo error."""
    task = functools.partial(held, rules=rules or RULES, replicates=replicates)
    drawn = over_seeds(task, first=FIRST_SEED, count=seeds, jobs=jobs, what="coverage of credits")
    rows = pd.concat(drawn).dropna(subset=["share", "credit"])
    found = rows.groupby(["rule", "channel"]).agg(
        share=("share", "mean"), credit=("credit", "mean"), converting=("converting", "mean"), seeds=("share", "size")
    )
    found = found[found["seeds"] == seeds]
    worst = found[["share", "credit"]].min(axis=1)
    return found.assign(monte_carlo_error=np.sqrt(worst * (1 - worst) / seeds))


def held(seed: int, *, rules: dict[str, int], replicates: int) -> pd.DataFrame:
    """Whether each interval of one sample holds the population's share and credit; missing where there is none."""
    touches, outcomes, cells = population()
    rng = np.random.default_rng(seed)
    tables = []
    for name, size in rules.items():
        won, lost = rng.multinomial(size, cells).reshape(2, -1)
        drawn = outcomes.assign(conversions=won, nulls=lost)
        table = attribution.credit_intervals(touches, drawn, rule=_rule(name), replicates=replicates, rng=rng)
        table = table.set_index("channel")
        exact = _exact(name)
        inside = {
            "share": exact["share"].between(table["share_low"], table["share_high"]),
            "credit": (exact["conversions"] * size).between(table["low"], table["high"]),
        }
        known = {key: value.astype(float).where(~table["too_few"]) for key, value in inside.items()}
        tables.append(table[["converting"]].assign(rule=name, **known).reset_index())
    return pd.concat(tables)


@functools.cache
def population() -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Touches and outcomes of distinct paths, and the probability of each path with each outcome."""
    paths = journeys.as_text(np.random.default_rng(77), 3_000)
    touches, outcomes = attribution.from_paths(paths, value=None, merged=True)
    cells = outcomes[["conversions", "nulls"]].to_numpy().T.ravel()
    return touches, outcomes, cells / cells.sum()


@functools.cache
def _exact(name: str) -> pd.DataFrame:
    """The rule's own share and credit of a journey of the population."""
    touches, outcomes, _ = population()
    table = attribution.credits(touches, outcomes, rule=_rule(name)).set_index("channel")
    made = outcomes[["conversions", "nulls"]].to_numpy().sum()
    return table.assign(conversions=table["conversions"] / made)


def _rule(name: str) -> attribution.Rule | str:
    return attribution.shapley("rate") if name == "shapley by rate" else name


def main() -> None:
    """Print the table."""
    given = options(__doc__, seeds=(SEEDS, "samples"))
    fitted = {"rules": FITTED, "replicates": REPLICATES // 5}
    for table in (coverage(given.seeds, given.jobs), coverage(max(given.seeds // 10, 1), given.jobs, **fitted)):
        print(table.to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
