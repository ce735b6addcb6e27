"""Figures of a fit: read back from the axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crmlib import clv, figures
from crmlib.errors import MissingColumnsError, ParameterError
from crmlib.models import BetaDiscreteWeibull, ShiftedBetaGeometric

TRACKED = pd.DataFrame({"time": [1, 2, 3], "actual": [10, 25, 30], "expected": [12.0, 22.0, 29.0]})
COUNTED = pd.DataFrame(
    {"frequency": [0, 1, 2], "actual": [50, 20, 5], "expected": [48.0, 21.0, 6.0], "last": [False, False, True]}
)


def line(axes, name):
    (found,) = [one for one in axes.lines if one.get_label() == name]
    return found


def test_tracking_shows_what_was_made_and_every_model():
    _, axes = figures.canvas()
    other = TRACKED.assign(expected=[11.0, 21.0, 40.0])
    assert figures.tracking(axes, {"first": TRACKED, "second": other}, known_until=2) is axes
    np.testing.assert_array_equal(line(axes, "made").get_ydata(), [10, 25, 30])
    np.testing.assert_array_equal(line(axes, "first").get_ydata(), [12, 22, 29])
    np.testing.assert_array_equal(line(axes, "second").get_ydata(), [11, 21, 40])
    assert line(axes, "first").get_color() == figures.COLOURS[0]  # the model that comes first keeps its colour
    assert {line(axes, name).get_linestyle() for name in ("first", "second")} == {"--"}
    assert line(axes, "made").get_linestyle() == "-"
    assert [text.get_text() for text in axes.texts] == ["known until here"]
    assert axes.get_ylim() == (0, 1.08 * 40)
    plain = figures.tracking(figures.canvas()[1], {"first": TRACKED})
    assert not plain.texts


def test_frequencies_are_bars_of_customers_and_points_of_every_model():
    _, axes = figures.canvas()
    figures.frequencies(axes, {"first": COUNTED, "second": COUNTED.assign(expected=[49.0, 20.0, 6.0])})
    assert [bar.get_height() for bar in axes.patches] == [50, 20, 5]
    np.testing.assert_array_equal(line(axes, "first").get_ydata(), [48, 21, 6])
    np.testing.assert_array_equal(line(axes, "second").get_ydata(), [49, 20, 6])
    assert line(axes, "first").get_marker() != line(axes, "second").get_marker()
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "1", "2+"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["customers", "first", "second"]


def test_frequencies_of_leavers_and_of_order_values():
    fit = ShiftedBetaGeometric.from_survivors([1000, 869, 743, 653, 593]).fit()
    axes = figures.frequencies(figures.canvas()[1], {"sBG": clv.renewal_table(fit)})
    assert [bar.get_height() for bar in axes.patches] == [131, 126, 90, 60]
    np.testing.assert_array_equal(line(axes, "sBG").get_ydata(), clv.renewal_table(fit)["expected_left"])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "3", "4"]
    classes = pd.DataFrame({"low": [0.0, 12.34], "high": [12.34, np.inf], "actual": [4, 6], "expected": [5.0, 5.0]})
    axes = figures.frequencies(figures.canvas()[1], {"gamma-gamma": classes})
    assert [bar.get_height() for bar in axes.patches] == [4, 6]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["to 12.3", "12.3+"]


@pytest.mark.parametrize("model", [ShiftedBetaGeometric, BetaDiscreteWeibull])
def test_renewals_are_points_with_every_models_band(model):
    table = clv.renewal_table(model.from_survivors([1000, 869, 743, 653, 593]).fit())
    _, axes = figures.canvas()
    figures.renewal_tracking(axes, {"model": table}, known_until=3)
    np.testing.assert_allclose(line(axes, "seen").get_ydata(), [0.869, 0.743, 0.653, 0.593])
    np.testing.assert_array_equal(line(axes, "model").get_ydata(), table["expected"])
    assert len(axes.collections) == 1  # the band
    assert axes.get_ylim()[0] == 0
    assert axes.yaxis.get_major_formatter()(0.5) == "50 %"


@pytest.mark.parametrize("draw", [figures.tracking, figures.frequencies, figures.renewal_tracking])
def test_a_table_of_another_kind_is_refused(draw):
    _, axes = figures.canvas()
    with pytest.raises(ParameterError, match="no table is given"):
        draw(axes, {})
    with pytest.raises(MissingColumnsError, match="the table of A lacks"):
        draw(axes, {"A": pd.DataFrame({"expected": [1.0]})})
    columns = ["time", "actual", "expected", "frequency", "last", "renewal", "survival", "low", "high"]
    with pytest.raises(ParameterError, match="the table of A has no rows"):
        draw(axes, {"A": pd.DataFrame(columns=columns)})
