"""Tables from any source, each held against its contract.

`load` reads a named source, or a folder of the firm's own files, into pandas, Polars or DuckDB.
`simulate` makes a firm whose truth is known. `sources` and `fetch` list and get the real data,
`fingerprint` tells whether data changed without loading them. What the tables mean stands in
`data/README.md`, what they must satisfy in `crmlib.data.contracts`.
"""

from crmlib.data.checks import contract_report
from crmlib.data.faults import ContractError, Fault
from crmlib.data.overview import overview
from crmlib.data.sources import fetch, fingerprint, load, sources
from crmlib.data.synthetic import simulate, simulate_subscribers
from crmlib.data.tables import MissingTableError, Tables

__all__ = [
    "ContractError",
    "Fault",
    "MissingTableError",
    "Tables",
    "contract_report",
    "fetch",
    "fingerprint",
    "load",
    "overview",
    "simulate",
    "simulate_subscribers",
    "sources",
]
