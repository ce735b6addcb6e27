"""Customer margins from order lines in Parquet: this package on DuckDB, its memory limited, against hand-written SQL.

Every contestant is a process of its own that reads the files and gives one row a customer: revenue, contribution and
margin, after handling an order, picking a line, the acquisition written off over a year, and a rent shared out by
revenue.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contests import best_costs, main
from benchmarks.measuring import Result, python
from crmlib import profitability
from crmlib.frames import to_pandas
from crmlib.profitability import Activity

if TYPE_CHECKING:
    import pandas as pd

MILLIONS = 5
#: What DuckDB may hold in memory; beyond it the work goes to disk.
MEMORY = "1GB"
RENT = 1e6

#: Lines and orders added up by customer, each file read once; 365 days that end with the data.
SQL = """
with counted as (
    select customer_id, count(*) as lines
    from '{folder}/order_lines.parquet' join '{folder}/orders.parquet' using (order_id) group by all
), sold as (
    select customer_id, count(*) as orders, sum(amount) as revenue, sum(cost) as goods
    from '{folder}/orders.parquet' group by all
), won as (
    select customer_id,
        greatest(least(date '2026-01-01' - acquired_at::date, 360), 0) / 360 as due
    from '{folder}/customers.parquet'
), joined as (select * from won left join sold using (customer_id) left join counted using (customer_id))
select customer_id, coalesce(revenue, 0) as revenue,
    coalesce(revenue - goods - 1.5 * orders - 0.3 * lines, 0) as contribution,
    coalesce(revenue - goods - 1.5 * orders - 0.3 * lines, 0)
        - 20 * due - {rent} * coalesce(revenue, 0) / sum(revenue) over () as full_margin
from joined where orders > 0 or due > 0
"""


def results(*, millions: float = MILLIONS) -> list[Result]:
    """Against DuckDB SQL; each the quickest of three."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        best = best_costs("benchmarks.profitability", CONTESTANTS, _written(Path(folder), round(millions * 1_000_000)))
    work = f"customer margins, {millions:g} million lines, {millions / 50:g} million customers"
    note = f"DuckDB held to {MEMORY}; imports left out"
    return [Result(work, "hand-written DuckDB SQL", best["crmlib"], best["sql"], 1 / 2, note)]


def margins_by_crmlib(folder: str) -> pd.DataFrame:
    """The package's own function, on DuckDB relations."""
    import duckdb

    _limit(folder)
    tables = {name: duckdb.read_parquet(f"{folder}/{name}.parquet") for name in ("orders", "order_lines", "customers")}
    costs = [
        Activity("handling", "orders", rate=1.5),
        Activity("picking", "lines", rate=0.3),
        Activity("winning", "acquisition/12", rate=20.0),
        Activity("rent", "revenue", amount=RENT),
    ]
    return to_pandas(profitability.customer_margin(tables, costs, as_of="2025-12-31"))


def margins_by_sql(folder: str) -> pd.DataFrame:
    """What one would write by hand."""
    import duckdb

    _limit(folder)
    return duckdb.sql(SQL.format(folder=folder, rent=RENT)).df()


def _limit(folder: str) -> None:
    import duckdb

    duckdb.sql(f"set memory_limit = '{MEMORY}'")
    duckdb.sql(f"set temp_directory = '{folder}/spilled'")
    duckdb.sql("set preserve_insertion_order = false")


CONTESTANTS = {"crmlib": margins_by_crmlib, "sql": margins_by_sql}


def _sums(margins: pd.DataFrame) -> dict[str, Any]:
    weights = margins["customer_id"] % 1_000  # so that it counts whose margin it is
    sums = {column: f"{(margins[column] * weights).sum():.8g}" for column in ("revenue", "contribution", "full_margin")}
    return {"customers": len(margins), **sums}


def _written(folder: Path, lines: int) -> Path:
    """Folder of tables: five lines an order, ten orders a customer, a year of orders, two years of acquisitions."""
    orders, customers = max(lines // 5, 1), max(lines // 50, 1)
    tables = {
        "orders": f"""select i as order_id, (hash(i) % {customers})::bigint as customer_id,
            timestamp '2025-01-01' + interval (hash(7 * i) % 365) day as ordered_at,
            (hash(3 * i) % 9000) / 100.0::double + 5 as amount, (hash(3 * i) % 9000) / 160.0::double as cost
            from range({orders}) t(i)""",
        "order_lines": f"""select i // 5 as order_id, (hash(i) % 20000)::bigint as product_id,
            1 + (hash(5 * i) % 3)::bigint as quantity, (hash(i) % 2000) / 100.0::double as amount
            from range({lines}) t(i)""",
        "customers": f"""select i as customer_id, timestamp '2024-01-01' + interval (hash(i) % 700) day as acquired_at
            from range({customers}) t(i)""",
    }
    for name, source in tables.items():
        # A process of its own: what DuckDB holds on to would count as memory of what follows.
        command = f"copy ({source}) to '{folder}/{name}.parquet'"
        quiet = "duckdb.sql('set enable_progress_bar = false')"
        subprocess.run(python("-c", f"import duckdb, sys; {quiet}; duckdb.sql(sys.argv[1])", command), check=True)
    return folder


if __name__ == "__main__":
    main(__doc__, results, CONTESTANTS, _sums, rows="lines", millions=MILLIONS)
