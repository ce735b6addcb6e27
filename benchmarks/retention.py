"""Retention triangle of orders in Parquet: this package on DuckDB against hand-written SQL and against pandas.

Every contestant is a process of its own that reads the file and gives the same triangle: customers
active and their amount by cohort month and age, the ages at which nobody was active left out.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contests import best_costs, main
from benchmarks.measuring import Result, python
from crmlib import cohorts
from crmlib.frames import to_pandas

if TYPE_CHECKING:
    import pandas as pd

MILLIONS = 5
PROMISED = 50

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
        best = best_costs("benchmarks.retention", CONTESTANTS, path)
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


CONTESTANTS = {"crmlib": triangle_by_crmlib, "sql": triangle_by_sql, "pandas": triangle_by_pandas}


def _sums(triangle: pd.DataFrame) -> dict[str, Any]:
    import numpy as np

    weights = np.arange(1, len(triangle) + 1)  # so that order counts too
    return {
        "rows": len(triangle),
        "active": int((triangle["active"] * weights).sum()),
        "ages": int((triangle["age"] * weights).sum()),
        "cohorts": int((triangle["cohort"] * weights).sum()),
        "amount": f"{(triangle['amount'] * weights).sum():.6g}",
    }


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


if __name__ == "__main__":
    main(__doc__, results, CONTESTANTS, _sums, rows="orders", millions=MILLIONS)
