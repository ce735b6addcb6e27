"""Coverage of the lifetime-value models' 95 % intervals on simulated customers: `python -m benchmarks.btyd_coverage`.

Each firm is a sample of customers who behave as the model says; its estimand is the parameter that made them.
Wald intervals on the log scale, as `conf_int` gives them unless a parameter is vague, then by profile. Customers are
first seen on whole weeks, so that those without a repeat purchase are few distinct rows. A sample in which no maximum
is found counts as not covered.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.seeds import over_seeds
from crmlib import models
from crmlib.errors import ConvergenceError

SEEDS, FIRST_SEED = 1_000, 20_000
#: Coverage that 95 % intervals promise.
PROMISED = (0.93, 0.97)


class Design(NamedTuple):
    """A model, its true parameters, how many customers, and what they do."""

    model: Any
    truth: tuple[float, ...]
    customers: int
    data: Callable[..., tuple[np.ndarray, ...]]


def histories(rng: np.random.Generator, n: int, truth: tuple[float, ...], *, kind: str) -> tuple[np.ndarray, ...]:
    """Continuous purchase histories, seen for 30 to 50 whole weeks."""
    r, alpha, third, fourth = truth
    rate, age = rng.gamma(r, 1 / alpha, n), rng.integers(30, 51, n).astype(float)
    with np.errstate(divide="ignore", over="ignore"):
        if kind == "pareto":
            leaving, stays, ends = rng.standard_exponential(n) / rng.gamma(third, 1 / fourth, n), rate, False
        else:
            p = rng.beta(third, fourth, n)
            leaving, stays, ends = rng.standard_exponential(n) / (rate * p), rate * (1 - p), True
            if kind == "modified":
                leaving = np.where(rng.random(n) < p, 0.0, leaving)
    until = np.minimum(leaving, age)
    made = rng.poisson(stays * until)
    last = ends & (leaving < age) & (leaving > 0)
    latest = until * rng.beta(np.maximum(made, 1), 1)
    return made + last, np.where(last, leaving, np.where(made > 0, latest, 0.0)), age


def opportunities(rng: np.random.Generator, n: int, truth: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    """Eight opportunities to buy."""
    p, theta = rng.beta(truth[0], truth[1], n), rng.beta(truth[2], truth[3], n)
    bought = (rng.random((n, 8)) < p[:, None]) & (np.arange(8) < rng.geometric(theta)[:, None] - 1)
    last = np.where(bought.any(axis=1), 8 - bought[:, ::-1].argmax(axis=1), 0)
    return bought.sum(axis=1), last, np.full(n, 8)


def spend(rng: np.random.Generator, n: int, truth: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    """Means of one order and more."""
    p, q, gamma = truth
    x = rng.geometric(0.4, n)
    return x, rng.gamma(p * x) / rng.gamma(q, 1 / gamma, n) / x


def renewals(rng: np.random.Generator, n: int, truth: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    """Nine renewals."""
    theta, c = rng.beta(truth[0], truth[1], n), truth[2] if len(truth) > 2 else 1.0
    left = np.ceil(np.power(np.log(rng.random(n)) / np.log1p(-theta), 1 / c))
    return np.minimum(left, 9), left <= 9


def counts(rng: np.random.Generator, n: int, truth: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    """Purchases in 4 to 12 whole weeks."""
    time = rng.integers(4, 13, n).astype(float)
    return rng.poisson(rng.gamma(truth[0], 1 / truth[1], n) * time), time


DESIGNS = {
    "NBD": Design(models.NBD, (0.4, 2.0), 2_000, counts),
    "BetaGeoNBD": Design(models.BetaGeoNBD, (0.6, 6.0, 0.8, 2.4), 2_400, functools.partial(histories, kind="bg")),
    "ModifiedBetaGeoNBD": Design(
        models.ModifiedBetaGeoNBD, (0.6, 6.0, 0.8, 2.4), 5_000, functools.partial(histories, kind="modified")
    ),
    "ParetoNBD": Design(models.ParetoNBD, (0.55, 10.6, 0.6, 11.7), 5_000, functools.partial(histories, kind="pareto")),
    "BetaGeoBetaBinomial": Design(models.BetaGeoBetaBinomial, (1.2, 0.75, 0.66, 2.78), 3_000, opportunities),
    "GammaGamma": Design(models.GammaGamma, (6.25, 3.74, 15.44), 4_000, spend),
    "ShiftedBetaGeometric": Design(models.ShiftedBetaGeometric, (0.7, 1.2), 1_000, renewals),
    "BetaDiscreteWeibull": Design(models.BetaDiscreteWeibull, (0.7, 2.0, 1.3), 3_000, renewals),
}


def covered(seed: int, *, name: str) -> list[float]:
    """Which intervals hold the truth at one seed; NaN where no maximum was found."""
    design = DESIGNS[name]
    rng = np.random.default_rng(seed)
    try:
        ends = design.model(*design.data(rng, design.customers, design.truth)).fit().conf_int()
    except ConvergenceError:
        return [np.nan] * len(design.truth)
    return list(((ends["low"].to_numpy() <= design.truth) & (design.truth <= ends["high"].to_numpy())).astype(float))


def account(name: str, rows: list[list[float]]) -> pd.DataFrame:
    """Coverage of each parameter with its Monte Carlo error."""
    design, held = DESIGNS[name], np.array(rows)
    share = np.nan_to_num(held).mean(axis=0)
    return pd.DataFrame(
        {
            "model": name,
            "parameter": getattr(design.model, "names", ("r", "alpha")),
            "truth": design.truth,
            "customers": design.customers,
            "samples": len(held),
            "failed": int(np.isnan(held).any(axis=1).sum()),
            "coverage": share,
            "error": np.sqrt(share * (1 - share) / len(held)),
        }
    )


def coverage(names: list[str], *, seeds: int = SEEDS, jobs: int = 2) -> pd.DataFrame:
    """Table of all parameters."""
    tables = []
    for name in names:
        task = functools.partial(covered, name=name)
        tables.append(account(name, over_seeds(task, first=FIRST_SEED, count=seeds, jobs=jobs, what=name)))
    return pd.concat(tables, ignore_index=True)


def results() -> list[Any]:
    """For `make bench`: the table is printed; a coverage beyond what is promised by more than chance ends the run."""
    table = coverage(list(DESIGNS))
    print(table.round(4).to_string(index=False))
    slack = 2 * table["error"]
    beyond = table[(table["coverage"] < PROMISED[0] - slack) | (table["coverage"] > PROMISED[1] + slack)]
    if len(beyond):
        raise SystemExit(f"coverage lies outside 93 to 97 % by more than chance:\n{beyond.to_string(index=False)}")
    return []


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="samples of each model")
    parser.add_argument("--models", nargs="*", default=list(DESIGNS), choices=list(DESIGNS))
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    given = parser.parse_args()
    print(coverage(given.models, seeds=given.seeds, jobs=given.jobs).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
