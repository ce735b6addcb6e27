"""BG/NBD and Pareto/NBD: this package's fits against lifetimes 0.11.3, and lifetime value of ten million customers.

The peer needs an old NumPy and pandas, so it lives in an environment of its own (or is named by CRM_BENCH_PEER, a
Python that can import lifetimes). Each contestant is a process that reads the same simulated histories; the time
of imports is left out. `python -m benchmarks.btyd --value 1000000` values so many instead.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Result, measured, python, quickest, show
from benchmarks.peers import peer_python

CUSTOMERS = {"BetaGeoNBD": 1_000_000, "ParetoNBD": 100_000}
REPEATS = 5
#: Customers who are valued, and the memory that may take beyond the table given and the one returned (MiB).
VALUED, MEMORY = 10_000_000, 2 * 1024
INTERVALS = ("expectation", "prediction")
#: The peer's last releases: it was archived in 2023.
PEER = ("lifetimes==0.11.3", "numpy<2", "pandas<2.1", "scipy<1.12", "autograd<1.7")
PARAMS = (0.243, 4.414, 0.793, 2.426)

_PEER_PROGRAM = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, ParetoNBDFitter
name, path, answer = sys.argv[1:]
given = {key: pd.Series(column) for key, column in np.load(path).items()}
fitter = {"BetaGeoNBD": BetaGeoFitter, "ParetoNBD": ParetoNBDFitter}[name]()
began = time.perf_counter()
fitter.fit(given["frequency"], given["recency"], given["age"])
seconds = time.perf_counter() - began
json.dump({"seconds": seconds, "params": [float(value) for value in fitter.params_]}, open(answer, "w"))
"""


def results(*, customers: dict[str, int] | None = None, valued: int = VALUED) -> list[Result]:
    """Lifetime value at bounded memory; each model against the peer, the quickest of five of ours.

    Estimates must agree to 3 digits.
    """
    large(valued)
    peer = peer_python("lifetimes", PEER, variable="CRM_BENCH_PEER")
    if peer is None:
        return []
    found = []
    for model, number in (customers or CUSTOMERS).items():
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            path, answer = Path(folder) / "histories.npz", Path(folder) / "answer.json"
            histories = simulated(np.random.default_rng(3), number)
            np.savez(path, **histories)
            command = python("-m", "benchmarks.btyd", "--one", model, str(path), str(answer))
            [(own, ours)] = quickest([command], answer, runs=REPEATS)
            peers = [peer, "-c", _PEER_PROGRAM, model, str(path), str(answer)]
            [(others, theirs)] = quickest([peers], answer, runs=1)
        estimates = ours["params"]
        if not np.allclose(estimates, theirs["params"], rtol=5e-4):
            raise SystemExit(f"{model}: the estimates differ: {estimates} and {theirs['params']}")
        note = f"r, … = {', '.join(f'{value:.4g}' for value in estimates)}; the peer's agree to 3 digits"
        found.append(Result(f"{model}, {number:,} customers", "lifetimes 0.11.3", own, others, 20, note))
    return found


def large(customers: int) -> None:
    """Lifetime value of so many customers with either interval, each in a process of its own, printed."""
    for kind in INTERVALS:
        print(f"  lifetime value of {customers:,} customers, {kind} intervals …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            answer = Path(folder) / "answer.json"
            measured(
                python("-m", "benchmarks.btyd", "--value", str(customers), "--kind", kind, "--answer", str(answer))
            )
            found = json.loads(answer.read_text())
        beyond = found["peak"] - found["before"] - found["result"]
        print(
            f"lifetime value of {customers:,} customers with {kind} intervals: {found['seconds']:.0f} s, "
            f"{beyond:,.0f} MiB beyond the {found['before']:,.0f} MiB held before and the {found['result']:,.0f} MiB "
            "returned"
        )
        if beyond > MEMORY:
            raise SystemExit(
                f"lifetime value took more than {MEMORY / 1024:g} GiB beyond what it was given and returned"
            )


def simulated(rng: np.random.Generator, customers: int) -> dict[str, np.ndarray]:
    """Histories of a BG/NBD population with CDNOW's parameters, seen for 27 to 39 weeks, in whole days."""
    r, alpha, a, b = PARAMS
    rate, p = rng.gamma(r, 1 / alpha, customers), rng.beta(a, b, customers)
    age = rng.integers(189, 274, customers) / 7
    with np.errstate(divide="ignore", over="ignore"):
        leaving = rng.standard_exponential(customers) / (rate * p)
    end = np.minimum(leaving, age)
    made, last = rng.poisson(rate * (1 - p) * end), np.flatnonzero(leaving < age)
    who = np.repeat(np.arange(customers), made)
    when = rng.random(len(who)) * end[who]
    who, when = np.concatenate([who, last]), np.concatenate([when, leaving[last]])
    day = np.unique(who * 1_000 + np.ceil(7 * when).astype(np.int64))  # orders of a day are one purchase
    who, day = day // 1_000, day % 1_000
    recency = np.zeros(customers)
    np.maximum.at(recency, who, day / 7)
    frequency = np.bincount(who, minlength=customers)
    return {"frequency": frequency, "recency": np.minimum(recency, age), "age": age}


def lifetime_value(customers: int, kind: str) -> dict[str, Any]:
    """Seconds and memory that lifetime value of so many customers takes beyond the table given."""
    import resource

    import pandas as pd

    from crmlib import clv
    from crmlib.models import BetaGeoNBD, GammaGamma

    rng = np.random.default_rng(5)
    few = simulated(rng, 200_000)
    purchases = BetaGeoNBD(**few).fit()
    value = rng.gamma(6.25 * np.maximum(few["frequency"], 1), 1 / rng.gamma(3.74, 1 / 15.44, 200_000))
    value /= np.maximum(few["frequency"], 1)
    again = few["frequency"] > 0
    spend = GammaGamma(few["frequency"][again], value[again]).fit()
    chosen = rng.integers(0, 200_000, customers)
    values = np.where(again[chosen], value[chosen] * rng.uniform(0.9, 1.1, customers), np.nan)
    history = pd.DataFrame({name: column[chosen] for name, column in few.items()} | {"monetary_value": values})
    del chosen, values
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter()
    table = clv.customer_lifetime_value(purchases, spend, history, discount_rate=0.0027, interval=kind, rng=rng)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    held = table.memory_usage().sum() / 2**20
    return {
        "customers": customers,
        "interval": kind,
        "seconds": seconds,
        "before": before,
        "peak": peak,
        "result": held,
    }


def _one(name: str, path: str, answer: str) -> None:
    """Time one fit of this package."""
    import statsmodels.base.model  # noqa: F401

    from crmlib import models

    given = np.load(path)
    histories = {key: given[key] for key in ("frequency", "recency", "age")}
    models.BetaGeoNBD(**{key: column[:2_000] for key, column in histories.items()}).fit()  # imports
    began = time.perf_counter()
    fit = getattr(models, name)(**histories).fit()
    seconds = time.perf_counter() - began
    Path(answer).write_text(json.dumps({"seconds": seconds, "params": fit.params.tolist()}))


def main(arguments: Sequence[str]) -> None:
    """Measure with options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, metavar=("MODEL", "PATH", "ANSWER"), help=argparse.SUPPRESS)
    parser.add_argument("--value", type=int, metavar="CUSTOMERS", help="lifetime value of so many instead")
    parser.add_argument("--kind", choices=INTERVALS, help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        _one(*given.one)
        return
    if given.answer:
        given.answer.write_text(json.dumps(lifetime_value(given.value, given.kind)))
        return
    if given.value:
        large(given.value)
        return
    sys.exit(0 if show(results()) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
