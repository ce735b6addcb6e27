"""What the benchmarks on simulated firms share."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.seeds import coverage, over_seeds


def test_coverage_by_hand():
    """Errors of a: 1, -1, 3: bias 1, spread 2, its error 2/√3; two of three intervals hold, √(2/3 · 1/3 / 3).

    Of b one error is infinite, so none, and one row has no interval: bias .5, coverage 1 of 1.
    """
    rows = pd.DataFrame(
        [
            ("a", 11.0, 10.0, 9.0, 12.0),
            ("b", np.inf, 1.0, 1.0, np.inf),
            ("a", 9.0, 10.0, 8.0, 10.0),
            ("a", 13.0, 10.0, 10.1, 15.0),
            ("b", 1.5, 1.0, np.nan, np.nan),
        ],
        columns=["of", "estimate", "truth", "low", "high"],
    )
    table = coverage(rows, by="of")
    assert list(table.index) == ["a", "b"]
    assert table.loc["a"].to_list() == pytest.approx([3, 10, 1, 2 / 3**0.5, 2, 2 / 3, (2 / 27) ** 0.5])
    assert table.loc["b", ["seeds", "bias", "coverage", "coverage_error"]].to_list() == [2, 0.5, 1, 0]


def test_seeds_come_in_order(capsys):
    assert over_seeds(float, first=3, count=7, jobs=2, what="numbers") == [3, 4, 5, 6, 7, 8, 9]
    assert "numbers: 7 of 7 seeds" in capsys.readouterr().err
