"""The widgets in the window: a panel of everything that can be set, and the page of keys."""

import math
from typing import Any

from experiments.viewer.keys import KEYS, MOUSE
from experiments.viewer.look import COLORS, VIEWS
from experiments.viewer.parameter import Parameter
from experiments.viewer.viewer import Viewer

PANEL = (0.01, 0.01, 0.33, 0.97)
HELP = (0.36, 0.03, 0.6, 0.94)
"""Left, top, width, height as shares of the window."""
LINE, LINES = 43, 3
"""Letters in a line of a message, and its lines; they are kept free, so that nothing moves when there is one."""


def draw_panel(gui: Any, viewer: Viewer, window: Any) -> None:
    """All widgets; what they are set to acts at once."""
    with gui.sub_window("diffmpm", *PANEL):
        _status(gui, viewer)
        _time(gui, viewer)
        gui.text("view")
        viewer.look.view = _choice(gui, VIEWS, viewer.look.view)
        gui.text("particles show")
        viewer.look.color = _choice(gui, COLORS, viewer.look.color)
        if viewer.look.color in viewer.look.ranges:
            gui.text("{:.4g} to {:.4g}".format(*viewer.look.ranges[viewer.look.color]))
        for name, shown in viewer.look.shown.items():
            viewer.look.shown[name] = gui.checkbox(f"show {name}", shown)
        for source in viewer.sources:
            for parameter in source.parameters:
                _slider(gui, parameter)
        for name, action in {
            "screenshot": lambda: window.screenshot(widgets=False),
            "end recording" if window.recording else "record": window.toggle_recording,
            "camera as YAML": window.write_camera,
            "keys": window.toggle_help,
        }.items():
            if gui.button(name):
                action()


def draw_help(gui: Any) -> None:
    """Every key and what the mouse does."""
    with gui.sub_window("keys", *HELP):
        for key in KEYS:
            gui.text(f"{_ascii(key.label):<6} {key.help}")
        for what, does in MOUSE.items():
            gui.text(f"{what}: {does}")


def inside_panel(x: float, y: float) -> bool:
    """Whether a place, in shares of the window from its left and top, is the panel's."""
    left, top, width, height = PANEL
    return left <= x <= left + width and top <= y <= top + height


def _status(gui: Any, viewer: Viewer) -> None:
    gui.text(" | ".join(source.title for source in viewer.sources))
    count = sum(len(source.x) for source in viewer.sources)
    end = "" if viewer.last is None else f"/{viewer.last}"
    gui.text(f"frame {viewer.number}{end}  t {viewer.sources[0].time:.4g}  {count} points")
    for line in range(LINES):
        gui.text(viewer.message[line * LINE : (line + 1) * LINE], color=(1.0, 0.5, 0.3))


def _time(gui: Any, viewer: Viewer) -> None:
    if gui.button("halt" if viewer.playing else "play"):
        viewer.toggle_playing()
    if gui.button("step"):
        viewer.step()
    if gui.button("reset"):
        viewer.reset()
    if viewer.last:
        number = gui.slider_int("frame", viewer.number, 0, viewer.last)
        if number != viewer.number:
            viewer.seek(number)
    exponent = gui.slider_int("speed 2^", round(math.log2(viewer.speed)), -3, 3)
    viewer.speed = 2.0**exponent


def _choice(gui: Any, names: tuple[str, ...], chosen: str) -> str:
    """One of several, as boxes of which one is ticked."""
    for name in names:
        if gui.checkbox(name, name == chosen) and name != chosen:
            chosen = name
    return chosen


def _slider(gui: Any, parameter: Parameter) -> None:
    low, high, old = parameter.low, parameter.high, parameter.value
    gui.text(f"{parameter.label}: {old:.4g}")
    if parameter.logarithmic:
        low, high, old = (math.log10(value) for value in (low, high, old))
    new = gui.slider_float(f"##{parameter.label}", old, low, high)  # what follows ## names it without being shown
    if abs(new - old) > 1e-5 * (high - low):  # the widget rounds to 32 bits
        parameter.set(10.0**new if parameter.logarithmic else new)


def _ascii(label: str) -> str:
    """The window's font has no arrows."""
    return {"→": "Right", "←": "Left", "↑": "Up", "↓": "Down"}.get(label, label)
