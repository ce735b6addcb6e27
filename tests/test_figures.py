"""Figures: read back from the axes, and from what a notebook stores."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg

from crmlib import figures
from crmlib.errors import ParameterError


@pytest.fixture
def shown(monkeypatch):
    """What `show` hands to the notebook: one (data, metadata) a call."""
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: calls.append((data, metadata)))
    return calls


def pixels(png: bytes) -> np.ndarray:
    return image.imread(io.BytesIO(png), format="png")


def contrast(colour: str) -> float:
    """Contrast with white, WCAG 2.2: (1 + 0.05) / (L + 0.05), L the relative luminance."""
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def test_a_figure_is_shown_once_with_its_alternative_text(shown):
    figure, axes = figures.canvas(width=6, height=3)
    axes.plot([1, 2])
    figures.show(figure, alt="A line from 1 to 2.")
    ((data, metadata),) = shown
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == "A line from 1 to 2."
    assert metadata["image/png"] == {"alt": "A line from 1 to 2.", "width": 576}  # 6 inches of 96 CSS pixels
    height, width, _ = pixels(data["image/png"]).shape
    assert width / height == pytest.approx(2, rel=0.01)
    assert width >= 1.5 * 576  # sharp on a dense screen


@pytest.mark.parametrize("alt", ["", "  ", "\n"])
def test_a_figure_without_alternative_text_is_refused(shown, alt):
    with pytest.raises(ParameterError, match="alternative text"):
        figures.show(figures.canvas()[0], alt=alt)
    assert shown == []


def test_the_same_figure_gives_the_same_bytes():
    def drawn():
        figure, axes = figures.canvas()
        figures.curve(axes, range(5), [5, 4, 3, 2, 1], low=[4, 3, 2, 1, 0], high=[6, 5, 4, 3, 2], name="a")
        return figures.png(figure)

    assert drawn() == drawn()


@pytest.mark.parametrize("name", ["微信 🎉", "L" * 300])
def test_names_that_the_font_or_the_sheet_cannot_hold_leave_no_warning(name):
    """pytest makes warnings errors; on a page they would stand as messages."""
    figure, axes = figures.canvas()
    figures.intervals(axes, [name, "b"], [1.0, 2.0], [0.5, 1.0], [1.5, 3.0])
    figures.heatmap(figures.canvas()[1], pd.DataFrame({name: [0.1]}, index=[name]), value="share")
    assert pixels(figures.sheet.png(figure)).shape[1] == 1280  # 8 inches of 160 pixels


def test_nothing_global_changes(shown):
    before = dict(mpl.rcParams)
    figure, axes = figures.canvas(2, sharey=True)
    figures.curve(axes[0], [0, 1], [0, 1], name="a")
    figures.show(figure, alt="Two panels.")
    assert dict(mpl.rcParams) == before
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []  # not kept alive, and not shown a second time at the end of the cell


def test_columns():
    assert figures.canvas(3)[1].shape == (3,)
    left, right = figures.canvas(2, sharey=True)[1]
    left.set_ylim(0, 7)
    assert right.get_ylim() == (0, 7)


def test_colours_can_be_told_apart_from_paper_and_each_other():
    assert len(set(figures.COLOURS)) == len(figures.COLOURS)
    assert contrast(figures.GREY) >= 4.5  # text
    assert contrast(figures.COLOURS[0]) >= 4.5  # the first is used for text and lines
    assert all(contrast(colour) >= 2 for colour in figures.COLOURS)


def test_labels():
    axes = figures.canvas()[1]
    assert figures.label(axes, title="Two of three stay", x="age (months)", y="active share") is axes
    # The house style sets titles flush left, from whichever position.
    titles = {axes.get_title(loc) for loc in ("left", "center", "right")}
    assert titles == {"Two of three stay", ""}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("age (months)", "active share")


def test_a_long_title_is_not_cut():
    figure, axes = figures.canvas(width=5)
    figures.label(axes, title=" ".join(["Newer cohorts come back more often than older ones"] * 3), x="age", y="share")
    axes.plot([1, 2])
    figures.png(figure)
    title = next(text for text in (axes.title, axes._left_title) if text.get_text())
    box = title.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    assert box.x0 >= 0
    assert box.y1 <= figure.bbox.y1 + 1
    assert box.x1 <= figure.bbox.x1 + 1


def test_titles_of_panels_do_not_run_into_each_other():
    figure, panels = figures.canvas(2)
    for axes in panels:
        figures.curve(axes, [0, 1], [0, 1], name="a")
        figures.label(axes, title="Newer cohorts come back more often than older ones", x="age", y="share")
    figures.png(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    left, right = (axes._left_title.get_window_extent(renderer) for axes in panels)
    assert left.x1 < right.x0
    assert right.x1 <= figure.bbox.x1


def test_a_share_axis_shows_percent():
    figure, axes = figures.canvas()
    axes.plot([0, 1], [0, 0.5])
    axes.set_yticks([0, 0.25, 0.5])
    figures.share_axis(axes)
    figures.png(figure)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0 %", "25 %", "50 %"]
    axes.set_xticks([0, 0.125])
    figures.share_axis(axes, "x", digits=1)
    figures.png(figure)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.0 %", "12.5 %"]


@pytest.mark.parametrize(("label_cells", "texts"), [(260, ["50.0", "25.0", "100.0"]), (3, [])])
def test_a_heat_map_labels_its_cells_while_there_is_room(label_cells, texts):
    table = pd.DataFrame([[0.5, 0.25], [1.0, np.nan]], index=["1997-01", "1997-02"], columns=[0, 1])
    axes = figures.heatmap(figures.canvas()[1], table, value="active share", label_cells=label_cells)
    assert [text.get_text() for text in axes.texts] == texts
    bar = axes.figure.axes[-1]
    assert bar.get_ylabel() == "active share (%)"
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["1997-01", "1997-02"]


def test_a_curve_and_its_band():
    axes = figures.canvas()[1]
    figures.curve(axes, [0, 1, 2], [3, 2, 1], low=[2, 1, 0], high=[4, 3, 2], name="cohort", colour=1)
    (line,) = axes.lines
    assert line.get_ydata().tolist() == [3, 2, 1]
    assert (line.get_label(), line.get_color(), line.get_linestyle()) == ("cohort", figures.COLOURS[1], "-")
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0, 4)


def test_a_step_holds_its_value_until_the_next():
    axes = figures.canvas()[1]
    figures.curve(axes, [0, 1, 2], [1.0, 0.5, 0.25], name="", step=True, dashed=True)
    (line,) = axes.lines
    assert line.get_drawstyle() == "steps-post"
    assert line.get_linestyle() == "--"
    assert axes.get_legend_handles_labels()[1] == []  # no name, no entry


def test_colours_beyond_the_last_begin_anew():
    axes = figures.canvas()[1]
    figures.curve(axes, [0], [0], name="a", colour=len(figures.COLOURS))
    assert axes.lines[0].get_color() == figures.COLOURS[0]


@pytest.mark.parametrize("ends", [{"low": [0, 0]}, {"high": [1, 1]}])
def test_half_a_band_is_refused(ends):
    with pytest.raises(ParameterError, match="low and high"):
        figures.curve(figures.canvas()[1], [0, 1], [0, 1], name="a", **ends)


def test_intervals_of_nothing_warn_of_no_limits():
    """As where no later cohort is old enough to compare: the reference alone is drawn."""
    _, axes = figures.canvas()
    assert len(figures.intervals(axes, [], [], [], [], reference=0).get_yticks()) == 0


def test_intervals_read_from_top_to_bottom():
    axes = figures.canvas()[1]
    figures.intervals(axes, ["first", "second"], [0.2, 0.4], [0.1, 0.3], [0.3, 0.5], reference=0, truth=[0.25, 0.35])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["first", "second"]
    top, bottom = axes.get_ylim()[::-1]
    assert top < 0 < 1 < bottom  # row 0 lies above row 1
    spans = [path.vertices[:, 0].tolist() for path in axes.collections[0].get_paths()]
    assert spans == [[0.1, 0.3], [0.3, 0.5]]
    drawn = {tuple(line.get_xdata()) for line in axes.lines}
    assert {(0.2, 0.4), (0.25, 0.35), (0, 0)} == drawn


def test_the_zero_is_on_the_axis():
    axes = figures.canvas()[1]
    axes.plot([1, 2], [10, 20])
    low, high = figures.from_zero(axes).get_ylim()
    assert low == 0
    assert 20 < high < 25
    flat = figures.canvas()[1]
    flat.plot([1, 2], [0, 0])
    assert figures.from_zero(flat).get_ylim() == (0, 1)
    assert figures.from_zero(figures.canvas()[1]).get_ylim() == (0, 1)  # nothing drawn


def test_ages_have_whole_ticks():
    figure, axes = figures.canvas()
    axes.plot([0, 1, 2, 3])
    figures.whole_numbers(axes)
    figures.png(figure)
    assert all(tick == int(tick) for tick in axes.get_xticks())


def test_a_legend_names_what_has_a_name():
    axes = figures.canvas()[1]
    figures.curve(axes, [0, 1], [0, 1], name="cohort")
    figures.curve(axes, [0, 1], [1, 0], name="")
    legend = figures.legend(axes).get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["cohort"]


def test_dots_draws_a_marker_a_column_and_leaves_out_what_is_not_finite():
    _, axes = figures.canvas()
    table = pd.DataFrame({"one": [1.0, float("inf")], "two": [3.0, 4.0]}, index=["first", "second"])
    figures.dots(axes, table, reference=2, truth=[2, 5])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert axes.get_legend_handles_labels()[1] == ["one", "two", "truth"]
    drawn = dict(zip(["reference", "one", "two", "truth"], axes.lines, strict=True))
    assert np.isnan(drawn["one"].get_xdata()[1])
    assert drawn["truth"].get_xdata().tolist() == [2, 5]
    figures.dots(figures.canvas()[1], table.head(0))
