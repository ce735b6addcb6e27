"""Interactive sections: controls above a figure that is drawn anew when one of them moves.

The first state is part of the display as a PNG with its alternative text, so that it also
shows where no kernel runs: in the committed notebook, on a code host, in print.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crmlib import figures
from crmlib.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[..., "tuple[Figure, str]"]


@dataclass(frozen=True, slots=True)
class Control:
    """One control: a slider over `low..high` in steps, or a choice among `choices`."""

    name: str
    label: str
    start: Any
    low: float = 0
    high: float = 0
    step: float = 0
    choices: tuple[Any, ...] = ()


def explorer(draw: Draw, **controls: Any) -> Explorer:
    """Interactive section; as the last line of a cell it shows itself.

    Parameters
    ----------
    draw : callable
        `draw(**values)` returns a Matplotlib figure and its alternative text. It is called once
        now, and again with all values whenever a control moved.
    **controls
        By the name of `draw`'s argument: a slider `(low, high, step, start, "label (unit)")`,
        of integers if all four numbers are; a choice `([first, second, …], "label")`, which
        starts at its first entry; or a plain list, labelled by its name.

    Returns
    -------
    Explorer

    Raises
    ------
    ParameterError
        No controls, or one that is malformed: no range, a start outside it or off its steps.

    Examples
    --------
    >>> from crmlib import figures, widgets
    >>> def draw(power):
    ...     figure, axes = figures.canvas()
    ...     _ = axes.plot([x**power for x in range(5)])
    ...     return figure, f"x to the power of {power} for x from 0 to 4."
    >>> widgets.explorer(draw, power=(1, 3, 1, 2, "power"))
    x to the power of 2 for x from 0 to 4. [power: 2]
    """
    if not controls:
        raise ParameterError("an interactive section needs at least one control, such as n=(1, 10, 1, 5, 'orders')")
    return Explorer(draw, tuple(_control(name, given) for name, given in controls.items()))


class Explorer:
    """An interactive section with its present state; `explorer` makes one."""

    def __init__(self, draw: Draw, controls: tuple[Control, ...]) -> None:
        self.controls = controls
        self.values: dict[str, Any] = {control.name: control.start for control in controls}
        self._draw = draw
        self._picture, self._alt, self._width = self._drawn()
        self._box: Any = None

    def __repr__(self) -> str:
        state = ", ".join(f"{control.label}: {self.values[control.name]}" for control in self.controls)
        return f"{self._alt} [{state}]"

    def box(self) -> Any:
        """Live controls above the picture, an `ipywidgets.VBox`; the same one each time."""
        if self._box is None:
            self._box = self._live()
        return self._box

    def _drawn(self) -> tuple[bytes, str, int]:
        """PNG, alternative text and width in pixels at the present values."""
        drawn = self._draw(**self.values)
        if not (isinstance(drawn, tuple) and len(drawn) == 2 and isinstance(drawn[1], str) and drawn[1].strip()):
            raise ParameterError("draw must return a figure and its alternative text: return figure, 'what it shows.'")
        figure, alt = drawn
        return figures.png(figure), alt, round(figure.get_figwidth() * 96)

    def _live(self) -> Any:
        import ipywidgets

        output = ipywidgets.HTML(value=self._image())
        widgets = {control.name: _widget(control) for control in self.controls}

        def redraw(_change: Mapping[str, Any]) -> None:
            self.values = {name: widget.value for name, widget in widgets.items()}
            try:
                self._picture, self._alt, self._width = self._drawn()
            except Exception as error:  # shown where the reader looks: a callback's traceback goes unseen
                output.value = _complaint(error)
            else:
                output.value = self._image()

        for widget in widgets.values():
            widget.observe(redraw, names="value")
        return ipywidgets.VBox([*widgets.values(), output])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        picture = {
            "image/png": base64.b64encode(self._picture).decode("ascii"),
            "text/plain": repr(self),
        }
        try:
            live = self.box()._repr_mimebundle_()
        except ImportError:  # without the extra `lab` the first state still shows
            live = {}
        return {**live, **picture}, {"image/png": {"alt": self._alt, "width": self._width}}

    def _image(self) -> str:
        data = base64.b64encode(self._picture).decode("ascii")
        style = f"max-width: 100%; width: {self._width}px"
        return f'<img src="data:image/png;base64,{data}" alt="{html.escape(self._alt)}" style="{style}">'


def _control(name: str, given: Any) -> Control:
    """Checked control from its short form."""
    if isinstance(given, (list, tuple)) and given and isinstance(given[0], (list, tuple)):
        choices, label = (tuple(given[0]), given[1]) if len(given) == 2 else ((), None)
    elif isinstance(given, list):
        choices, label = tuple(given), name
    elif isinstance(given, tuple) and len(given) == 5:
        return _slider(name, *given)
    else:
        choices, label = (), None
    if not choices or not isinstance(label, str):
        raise ParameterError(
            f"control {name!r} is {given!r}; give (low, high, step, start, 'label (unit)') or ([choices], 'label')"
        )
    return Control(name, label, choices[0], choices=choices)


def _slider(name: str, low: Any, high: Any, step: Any, start: Any, label: Any) -> Control:
    """Checked slider."""
    numbers = (low, high, step, start)
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        raise ParameterError(f"control {name!r}: low, high, step and start must be numbers, got {numbers}")
    if not isinstance(label, str) or not label.strip():
        raise ParameterError(f"control {name!r} needs a label with its unit, such as 'look-back (days)'")
    if not (low < high and 0 < step <= high - low):
        raise ParameterError(f"control {name!r}: from {low} to {high} by {step} is no range")
    steps = (start - low) / step
    if not low <= start <= high or abs(steps - round(steps)) > 1e-6:
        raise ParameterError(f"control {name!r}: start {start} is not among {low}, {low + step:g}, … {high}")
    return Control(name, label, start, low, high, step)


def _widget(control: Control) -> Any:
    """The ipywidget of a control. It reports when released, not at every pixel of a drag."""
    import ipywidgets

    common: dict[str, Any] = {
        "value": control.start,
        "description": control.label,
        "style": {"description_width": "initial"},
        "layout": {"width": "min(100%, 480px)"},
    }
    if control.choices:
        return ipywidgets.Dropdown(options=control.choices, **common)
    slider: dict[str, Any] = {"min": control.low, "max": control.high, "step": control.step, "continuous_update": False}
    if all(isinstance(n, int) for n in (control.low, control.high, control.step, control.start)):
        return ipywidgets.IntSlider(**slider, **common)
    decimals = max(0, -math.floor(math.log10(control.step)))
    # A step such as 0.25 needs one digit more than its size says.
    decimals += abs(round(control.step, decimals) - control.step) > 1e-9
    return ipywidgets.FloatSlider(readout_format=f".{decimals}f", **slider, **common)


def _complaint(error: Exception) -> str:
    message = html.escape(f"{type(error).__name__}: {error}")
    return f'<p role="alert" style="color: #A30000">Cannot be drawn at these values. {message}</p>'
