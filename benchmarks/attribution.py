"""Credits against ChannelAttribution 2.2.5, ten million journeys, and a thousand replicates of ten thousand paths.

`python -m benchmarks.attribution`. The peer simulates what is solved here, so its error stands beside our zero. It
is used as a black box in an environment of its own, made on first use in the folder for temporary files (or named
by CRM_BENCH_CHANNELS, a Python that can import ChannelAttribution). It comes as source: without a C++ compiler
there is no comparison. The peer gets a table of a million journeys in the form it wants, one row each with its path
as text; this package gets the same journeys as touches and outcomes, and, beside it, as that text. Both read
what they are given; imports are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import journeys
from benchmarks.measuring import Result, measured, python, quickest, show
from benchmarks.peers import peer_python

JOURNEYS, MANY = 1_000_000, 10_000_000
ORDERS, FORMS, AT_LEAST = (1, 3), ("touches", "paths as text"), 5
PEER = ("ChannelAttribution==2.2.5", "matplotlib", "pandas", "pyarrow")
MEMORY = 4 * 1024  # MiB
RUNS = 5
REPLICATED = ("linear", "markov", "shapley", "person_period")

_PEER_PROGRAM = """
import json, sys, time
import pandas as pd
import ChannelAttribution as peer
path, order, answer = sys.argv[1:]
table = pd.read_parquet(path)
options = {"var_null": "nulls", "order": int(order), "verbose": False, "flg_pro": False}
for _ in range(2):
    began = time.perf_counter()
    found = peer.markov_model(table, "path", "conversions", **options)
    seconds = time.perf_counter() - began
credit = dict(zip(found["channel_name"], found["total_conversions"].astype(float)))
json.dump({"seconds": seconds, "credit": credit}, open(answer, "w"))
"""


def results() -> list[Result]:
    """Orders 1 and 3 against the peer; first what stands alone: memory, and the time of a bootstrap."""
    large()
    bootstrap()
    return against_peer()


def against_peer(number: int = JOURNEYS) -> list[Result]:
    """Each order from both forms, the quickest of everybody's runs.

    Each run computes its credits twice and states the time of the second: the first also imports, and takes its memory
    from the system, at .1 to .3 s here.
    """
    peer = peer_python("ChannelAttribution", PEER, variable="CRM_BENCH_CHANNELS")
    if peer is None:
        return []
    found = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path, answer = (Path(folder) / name for name in ("paths.parquet", "answer.json"))
        journeys.as_text(np.random.default_rng(8), number).to_parquet(path)
        for order in ORDERS:
            given = [str(path), str(order), str(answer)]
            ours = [python("-m", "benchmarks.attribution", "--one", *given, "--form", form) for form in FORMS]
            commands = [[peer, "-c", _PEER_PROGRAM, *given], *ours]
            (others, theirs), *own_runs = quickest(commands, answer, runs=RUNS)
            for form, (own, stated) in zip(FORMS, own_runs, strict=True):
                exact = stated["credit"]
                error = max(abs(theirs["credit"][name] / value - 1) for name, value in exact.items())
                work = f"Markov credits of order {order}, {number:,} journeys, {len(exact)} channels, from {form}"
                note = f"simulation error up to {100 * error:.1f} % of a credit, ours 0"
                found.append(Result(work, "ChannelAttribution 2.2.5", own, others, AT_LEAST, note))
    return found


def large(number: int = MANY) -> None:
    """Credits of ten million journeys, rows in no order, from a DuckDB relation over Parquet."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        touches = journeys.write(Path(folder), np.random.default_rng(1), number, shuffled=True)
        cost = measured(python("-m", "benchmarks.attribution", "--large", folder))
    promise = f"{MEMORY / 1024:g} GiB"
    print(f"{number:,} journeys, {touches:,} touches from Parquet: {cost.seconds:.0f} s, {cost.memory:,.0f} MiB")
    if cost.memory > MEMORY:
        raise SystemExit(f"ten million journeys took more than {promise}")


def _one(path: str, order: str, answer: str, *, text: bool) -> None:
    """Time this package on a table of paths, or on touches and outcomes."""
    import scipy.sparse  # noqa: F401

    from crmlib import attribution

    table = pd.read_parquet(path)
    rule = attribution.markov(int(order))

    def tables(paths: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        return attribution.from_paths(paths, value=None, merged=text)

    given = None if text else tables(table)
    for _ in range(2):
        began = time.perf_counter()
        found = attribution.credits(*(given or tables(table)), rule=rule)
        seconds = time.perf_counter() - began
    credit = dict(zip(found["channel"], found["conversions"], strict=True))
    Path(answer).write_text(json.dumps({"seconds": seconds, "credit": credit}))


def bootstrap(rows: int = 10_000) -> None:
    """Time of 1,000 replicates over so many paths, by rule."""
    from crmlib import attribution

    paths = journeys.as_text(np.random.default_rng(5), 5 * rows)
    touches, outcomes = attribution.from_paths(paths, value=None, merged=True)
    kept = outcomes["journey_id"] <= rows
    touches, outcomes = touches[touches["journey_id"] <= rows], outcomes[kept]
    for rule in REPLICATED:
        began = time.perf_counter()
        attribution.credit_intervals(touches, outcomes, rule=rule, rng=np.random.default_rng(1))
        print(f"1,000 replicates over {len(outcomes):,} paths, {rule}: {time.perf_counter() - began:.1f} s", flush=True)


def _large(folder: str) -> None:
    import duckdb

    from crmlib import attribution

    touches, outcomes = (duckdb.read_parquet(f"{folder}/{name}.parquet") for name in ("touches", "outcomes"))
    attribution.credits(touches, outcomes, rule="markov")


def main() -> None:
    """Run all, or the piece that a process of its own is for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--large", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        _one(*given.one, text=given.form == FORMS[1])
    elif given.large:
        _large(given.large)
    else:
        sys.exit(0 if show(results()) else 1)


if __name__ == "__main__":
    main()
