"""Size and span of each table."""

from __future__ import annotations

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
