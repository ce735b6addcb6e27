"""Interactive sections: drawn without a kernel, drawn anew when a control moves, errors in sight."""

import base64
import re

import nbformat
import pytest
from nbclient import NotebookClient

from crmlib import figures, widgets
from crmlib.errors import ParameterError


@pytest.fixture
def drawn():
    """Draw function that remembers what it was called with."""

    def draw(**values):
        draw.calls.append(values)
        if values.get("n") == 7:
            raise ValueError("<seven> is no even number")
        figure, axes = figures.canvas(height=2, width=5)
        axes.plot(range(int(values.get("n", 3))))
        return figure, f'n is "{values.get("n")}" & more'

    draw.calls = []
    return draw


def picture(explorer) -> bytes:
    """PNG within the live box."""
    return base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', explorer.box().children[-1].value)[1])


def test_the_first_state_is_part_of_the_display(drawn):
    explorer = widgets.explorer(drawn, n=(2, 8, 1, 4, "points (1)"))
    data, metadata = explorer._repr_mimebundle_()
    assert drawn.calls == [{"n": 4}]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"] == {"alt": 'n is "4" & more', "width": 480}
    assert data["text/plain"] == 'n is "4" & more [points (1): 4]'
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.box().model_id


def test_moving_a_control_draws_anew(drawn):
    explorer = widgets.explorer(drawn, n=(2, 8, 1, 4, "points"), kind=(["a", "b"], "kind"))
    slider, choice, output = explorer.box().children
    first = picture(explorer)
    slider.value = 5
    assert drawn.calls[-1] == {"n": 5, "kind": "a"}
    assert picture(explorer) != first
    choice.value = "b"
    assert drawn.calls[-1] == {"n": 5, "kind": "b"}
    assert 'alt="n is &quot;5&quot; &amp; more"' in output.value
    assert len(drawn.calls) == 3
    data, _ = explorer._repr_mimebundle_()
    assert data["text/plain"].endswith("[points: 5, kind: b]")  # shown again, it shows the present state


def test_an_error_is_shown_and_the_next_state_drawn(drawn):
    explorer = widgets.explorer(drawn, n=(2, 8, 1, 4, "points"))
    slider, output = explorer.box().children
    slider.value = 7
    assert 'role="alert"' in output.value
    assert "ValueError: &lt;seven&gt; is no even number" in output.value
    assert "<img" not in output.value  # no picture of other values
    slider.value = 8
    assert "<img" in output.value


def test_an_error_in_the_first_state_is_raised(drawn):
    with pytest.raises(ValueError, match="no even number"):
        widgets.explorer(drawn, n=(2, 8, 1, 7, "points"))


@pytest.mark.parametrize(
    "returned", [None, 3, figures.canvas()[0], (figures.canvas()[0], ""), (figures.canvas()[0], None)]
)
def test_draw_must_give_an_alternative_text(returned):
    with pytest.raises(ParameterError, match="alternative text"):
        widgets.explorer(lambda n: returned, n=(1, 2, 1, 1, "n"))


def test_the_kinds_of_controls(drawn):
    explorer = widgets.explorer(
        drawn, n=(2, 8, 2, 4, "points"), x=(0.0, 1.0, 0.25, 0.5, "share"), y=(0, 1, 0.1, 0, "z"), kind=["month", "week"]
    )
    n, x, y, kind, _ = explorer.box().children
    assert [type(widget).__name__ for widget in (n, x, y, kind)] == [
        "IntSlider",
        "FloatSlider",
        "FloatSlider",
        "Dropdown",
    ]
    assert (n.min, n.max, n.step, n.value, n.description) == (2, 8, 2, 4, "points")
    assert (x.readout_format, y.readout_format) == (".2f", ".1f")
    assert (kind.options, kind.value, kind.description) == (("month", "week"), "month", "kind")
    assert not any(slider.continuous_update for slider in (n, x, y))


@pytest.mark.parametrize(
    "control",
    [
        (5, 2, 1, 3, "n"),
        (2, 2, 1, 2, "n"),
        (2, 5, 0, 3, "n"),
        (2, 5, -1, 3, "n"),
        (2, 5, 9, 3, "n"),
        (2, 5, 1, 6, "n"),
        (2, 5, 1, 1, "n"),
        (0, 1, 0.25, 0.3, "n"),
        (2, 5, 1, 3, ""),
        (2, 5, 1, 3, None),
        (2, "5", 1, 3, "n"),
        (2, float("inf"), 1, 3, "n"),
        (True, 5, 1, 3, "n"),
        (2, 5, 1, 3),
        (),
        [],
        ([], "n"),
        (["a"],),
        (["a"], 3),
        3,
        "abc",
        None,
    ],
)
def test_a_malformed_control_is_refused(drawn, control):
    with pytest.raises(ParameterError, match="control 'n'"):
        widgets.explorer(drawn, n=control)
    assert drawn.calls == []


def test_no_control_is_refused(drawn):
    with pytest.raises(ParameterError, match="at least one control"):
        widgets.explorer(drawn)


def test_without_ipywidgets_the_first_state_still_shows(drawn, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ipywidgets", None)
    data, metadata = widgets.explorer(drawn, n=(2, 8, 1, 4, "points"))._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"}
    assert metadata["image/png"]["alt"]


def test_in_a_live_kernel_the_front_ends_message_redraws():
    """A slider's message goes to the kernel as JupyterLab sends it; the picture comes back."""
    cells = [
        "from crmlib import figures, widgets\n"
        "def draw(n):\n"
        "    figure, axes = figures.canvas(height=2, width=4)\n"
        "    axes.plot(range(n))\n"
        "    return figure, f'{n} points'\n"
        "explorer = widgets.explorer(draw, n=(2, 8, 1, 4, 'points'))\n"
        "explorer",
        "slider, output = explorer.box().children\n"
        "data = {'method': 'update', 'state': {'value': 6}, 'buffer_paths': []}\n"
        "message = {'content': {'data': data}, 'buffers': []}\n"
        "slider.comm.handle_msg(message)\n"
        "print(explorer.values, 'alt=\"6 points\"' in output.value)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    shown, printed = notebook.cells[0].outputs[-1], notebook.cells[1].outputs[-1]
    assert {"image/png", "application/vnd.jupyter.widget-view+json"} <= set(shown.data)
    assert printed.text == "{'n': 6} True\n"
