"""Size and span of each table."""

from __future__ import annotations

import pandas as pd
import pytest

from crmlib import data


@pytest.mark.data
@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
def test_overview_of_cdnow_is_the_published_count(engine, published):
    known = published("cdnow_master")["values"]
    orders = data.overview(data.load("cdnow", engine=engine)).loc["orders"]
    assert (orders["rows"], orders["customers"]) == (known["rows"], known["customers"])
    assert orders["amount"] == pytest.approx(known["revenue"], abs=0.005)
    assert (orders["first_day"], orders["last_day"]) == ("1997-01-01", "1998-06-30")


@pytest.mark.parametrize("engine", ["pandas", "polars", "duckdb"])
def test_unknown_customers_are_not_counted_and_absent_columns_are_missing(tmp_path, engine):
    touches = {
        "journey_id": [1, 1, 2, 3],
        "position": [1, 2, 1, 1],
        "channel": ["a", "b", "a", "b"],
        "customer_id": [7, 7, None, 8],
    }
    pd.DataFrame(touches).astype({"customer_id": "Int64"}).to_csv(tmp_path / "touches.csv", index=False)
    pd.DataFrame(
        {"journey_id": [1, 2, 3], "conversions": [1, 0, 1], "nulls": [0, 1, 0], "value": [9.5, 0.0, 3.0]}
    ).to_csv(tmp_path / "outcomes.csv", index=False)
    found = data.overview(data.load(str(tmp_path), engine=engine))
    assert found.loc["touches", ["rows", "customers"]].tolist() == [4, 2]
    assert found.loc["touches", ["first_day", "last_day", "amount"]].isna().all()
    assert found.loc["outcomes", "rows"] == 3
    assert pd.isna(found.loc["outcomes", "customers"])
