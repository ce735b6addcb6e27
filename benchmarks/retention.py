"""Retention triangle of orders in Parquet: this package on DuckDB against hand-written SQL and against pandas.

Every contestant is a process of its own that reads the file and gives the same triangle: customers
active and their amount by cohort month and age, the ages at which nobody was active left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Cost, Result, measured, python, show

if TYPE_CHECKING:
    import pandas as pd

MILLIONS = 5
PROMISED = 50
REPEATS = 3

#: One pass over orders, the cohort of each customer joined back.
SQL = """
with monthly as (
    select customer_id, 12 * year(ordered_at) + month(ordered_at) as month, sum(amount) as amount
    from '{path}' group by all
), first as (
    select customer_id, min(month) as cohort from monthly group by customer_id
)
select cohort, month - cohort as age, count(*) as active, sum(amount) as amount
from monthly join first using (customer_id) group by all order by all
"""


def results(*, millions: float = MILLIONS) -> list[Result]:
    """Against DuckDB SQL and pandas; each the quickest of three."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "orders.parquet"
        _write_orders(path, round(millions * 1_000_000))
        costs: dict[str, list[Cost]] = {"crmlib": [], "sql": [], "pandas": []}
        sums = set()
        for _ in range(REPEATS):  # in turn, so that a busy moment meets all
            for name, found in costs.items():
                answer = Path(folder) / "answer.json"
                found.append(measured(python("-m", "benchmarks.retention", "--one", name, str(path), str(answer))))
                stated = json.loads(answer.read_text())
                found[-1] = Cost(stated.pop("seconds"), found[-1].processor, found[-1].memory)
                sums.add(json.dumps(stated))
        if len(sums) != 1:
            raise SystemExit(f"the triangles differ: {sums}")
        best = {name: min(found, key=lambda cost: cost.seconds) for name, found in costs.items()}
    work = f"retention triangle, {millions:g} million orders"
    promised = millions >= PROMISED
    note = "without imports" + ("" if promised else f"; promised: {1 / 1.2:.2f} × and 5 × at {PROMISED} million")
    return [
        Result(work, "hand-written DuckDB SQL", best["crmlib"], best["sql"], 1 / 1.2 if promised else 0, note),
        Result(work, "pandas", best["crmlib"], best["pandas"], 5 if promised else 0, note),
    ]


def triangle_by_crmlib(path: str) -> pd.DataFrame:
    """The package's own function, on a DuckDB relation."""
    import duckdb

    from crmlib import cohorts
    from crmlib.frames import to_pandas

    found = to_pandas(cohorts.retention_triangle(duckdb.read_parquet(path)), sort_by=["cohort", "age"])
    found = found[found["active"] > 0]
    months = 12 * found["cohort"].dt.year + found["cohort"].dt.month
    return found.assign(cohort=months)[["cohort", "age", "active", "amount"]]


def triangle_by_sql(path: str) -> pd.DataFrame:
    """What one would write by hand."""
    import duckdb

    return duckdb.sql(SQL.format(path=path)).df()


def triangle_by_pandas(path: str) -> pd.DataFrame:
    """What one would write by hand in pandas."""
    import pandas as pd

    orders = pd.read_parquet(path, columns=["customer_id", "ordered_at", "amount"])
    orders["month"] = 12 * orders["ordered_at"].dt.year + orders["ordered_at"].dt.month
    monthly = orders.groupby(["customer_id", "month"], as_index=False)["amount"].sum()
    monthly["cohort"] = monthly.groupby("customer_id")["month"].transform("min")
    monthly["age"] = monthly["month"] - monthly["cohort"]
    found = monthly.groupby(["cohort", "age"])["amount"].agg(["size", "sum"]).reset_index()
    return found.set_axis(["cohort", "age", "active", "amount"], axis=1)


def _one(name: str, path: str, answer: str) -> None:
    """Time one contestant; write its seconds and what its triangle adds up to."""
    import time

    import duckdb  # noqa: F401
    import numpy as np
    import pandas as pd  # noqa: F401

    from crmlib import cohorts  # noqa: F401

    contestant = {"crmlib": triangle_by_crmlib, "sql": triangle_by_sql, "pandas": triangle_by_pandas}[name]
    began = time.perf_counter()
    found = contestant(path)
    seconds = time.perf_counter() - began
    weights = np.arange(1, len(found) + 1)  # so that order counts too
    stated = {
        "rows": len(found),
        "active": int((found["active"] * weights).sum()),
        "ages": int((found["age"] * weights).sum()),
        "cohorts": int((found["cohort"] * weights).sum()),
        "amount": f"{(found['amount'] * weights).sum():.6g}",
    }
    Path(answer).write_text(json.dumps({"seconds": seconds, **stated}))


def _write_orders(path: Path, size: int) -> None:
    """Three years of orders of one customer for every 25 orders."""
    source = f"""
    copy (
        select (hash(i) % {max(size // 25, 1)})::bigint as customer_id, i as order_id,
            timestamp '2023-01-01' + interval (hash(7 * i + 3) % 1095) day
                + interval (hash(i) % 86400) second as ordered_at,
            (hash(3 * i) % 10000) / 100.0::double as amount
        from range({size}) t(i)
    ) to '{path}'
    """
    # A process of its own: what DuckDB holds on to would count as memory of what follows.
    subprocess.run(python("-c", "import duckdb, sys; duckdb.sql(sys.argv[1])", source), check=True)


def main(arguments: Sequence[str]) -> None:
    """Measure with options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, default=MILLIONS, help="orders; 50 for the size that is promised")
    parser.add_argument("--one", nargs=3, metavar=("CONTESTANT", "PATH", "ANSWER"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        _one(*given.one)
        return
    sys.exit(0 if show(results(millions=given.millions)) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
