"""The widgets in the window: a panel for time and view, one for what is shown, saved and changed, the page of keys."""

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from experiments.viewer.curve import curve_color
from experiments.viewer.keys import KEYS, MOUSE
from experiments.viewer.look import VIEWS
from experiments.viewer.parameter import Parameter
from experiments.viewer.viewer import Viewer

Place = tuple[float, float, float, float]
"""Left, top, width, height as shares of the window."""
MARGIN = 0.01
"""Of the window, on all sides of a panel."""
WIDTH, MOST, HELP_WIDTH = 220, 0.32, 480
"""Of a panel, and no more than that share of the window; of the page of keys. Unit: pixel."""
LINE_HEIGHT, WIDGET_HEIGHT, TITLE_HEIGHT = 17, 23, 36
"""Of a text; of a button, box or slider; of a panel without them. Unit: pixel."""
BUTTONS = 5
"""Below the overlays."""
PROBLEM, MESSAGE = (1.0, 0.5, 0.3), (0.6, 0.9, 0.6)
LETTERS, LINES = 29, 4
"""Of a message; its lines are kept free, so that nothing moves when there is one."""


def draw_panels(gui: Any, viewer: Viewer, window: Any) -> None:
    """All widgets; what they are set to acts at once."""
    left, right = _places(viewer, window)
    with _panel(gui, "diffmpm", left, window):
        _status(gui, viewer)
        _time(gui, viewer)
        gui.text("view")
        viewer.look.view = _choice(gui, VIEWS, viewer.look.view)
        if len(viewer.colors) > 1:
            gui.text("particles show")
            viewer.look.choose_color(_choice(gui, viewer.colors, viewer.look.color))
        gui.text(_range(viewer))
    with _panel(gui, "more", right, window):
        for name in viewer.overlays:
            viewer.look.shown[name] = gui.checkbox(f"show {name}", viewer.look.shown[name])
        _buttons(gui, viewer, window)
        for number, (name, curve) in enumerate(viewer.curves.items()):
            gui.text(f"{name} {curve[-1]:.5g}", color=tuple(value / 255 for value in curve_color(number)))
        for number, parameter in enumerate(_parameters(viewer)):
            _slider(gui, parameter, number)


def draw_help(gui: Any, window: Any) -> None:
    """Every key and what the mouse does."""
    with _panel(gui, "keys", _help_place(window), window):
        for key in KEYS:
            gui.text(f"{_ascii(key.label):<6} {key.help}")
        for what, does in MOUSE.items():
            gui.text(f"{what}: {does}")


def inside_panels(viewer: Viewer, window: Any, x: float, y: float) -> bool:
    """Whether a place, in shares of the window from its left and top, is the widgets'."""
    places = [*(_places(viewer, window) if window.panel else ()), *([_help_place(window)] if window.help else ())]
    return any(left <= x <= left + width and top <= y <= top + height for left, top, width, height in places)


def _places(viewer: Viewer, window: Any) -> list[Place]:
    """Left, top, width, height of the two panels as shares of the window: as high as what is in them."""
    sliders, colors = len(_parameters(viewer)), len(viewer.colors)
    time = (viewer.last != 0) + 3 * viewer.seekable + bool(viewer.last)
    texts = 3 + LINES + viewer.seekable + 1 + (colors > 1) + 1, len(viewer.curves) + sliders
    widgets = time + len(VIEWS) + colors * (colors > 1), len(viewer.overlays) + BUTTONS + sliders
    heights = [
        TITLE_HEIGHT + LINE_HEIGHT * lines + WIDGET_HEIGHT * more for lines, more in zip(texts, widgets, strict=True)
    ]
    width = min(WIDTH / window.width, MOST)
    lefts = MARGIN, 1 - MARGIN - width
    shares = [min(height / window.height, 1 - 2 * MARGIN) for height in heights]
    return [(left, MARGIN, width, share) for left, share in zip(lefts, shares, strict=True)]


def _help_place(window: Any) -> Place:
    """In the middle, above the panels where there is no room beside them."""
    width = min(HELP_WIDTH / window.width, 1 - 2 * MARGIN)
    height = TITLE_HEIGHT + LINE_HEIGHT * (len(KEYS) + len(MOUSE))
    return (1 - width) / 2, MARGIN, width, min(height / window.height, 1 - 2 * MARGIN)


def _panel(gui: Any, title: str, place: Place, window: Any) -> Any:
    """One at a place. Its hidden name is another for each size: GGUI looks at a place only when it meets a name first,
    and takes it for shares of the window's first size.
    """
    name = f"{title}##{window.width}x{window.height}x{place[3]:.3f}"
    across, down = window.width / window.first_size[0], window.height / window.first_size[1]
    left, top, width, height = place
    return gui.sub_window(name, left * across, top * down, width * across, height * down)


def _parameters(viewer: Viewer) -> list[Parameter]:
    return [parameter for source in viewer.sources for parameter in source.parameters]


def _status(gui: Any, viewer: Viewer) -> None:
    gui.text(" | ".join(source.title for source in viewer.sources))
    gui.text(_moment(viewer))
    gui.text(f"{sum(len(source.x) for source in viewer.sources)} points")
    lines = textwrap.wrap(viewer.problem or viewer.message, LETTERS, max_lines=LINES, placeholder=" ...")
    for line in range(LINES):
        gui.text(lines[line] if line < len(lines) else "", color=PROBLEM if viewer.problem else MESSAGE)


def _moment(viewer: Viewer) -> str:
    """What is shown of what there is."""
    if viewer.seekable:
        end = "" if viewer.last is None else f"/{viewer.last}"
        return f"frame {viewer.number}{end}  t {viewer.sources[0].time:.4g}"
    return f"iteration {viewer.number}" if viewer.last is None else ""


def _range(viewer: Viewer) -> str:
    """What the colours run over."""
    color, ranges = viewer.look.color, viewer.look.ranges
    if color in ranges:
        return "{:.4g} to {:.4g}".format(*ranges[color])
    return "" if color in ("body", "material") or len(viewer.colors) == 1 else "grey: not known here"


def _time(gui: Any, viewer: Viewer) -> None:
    if viewer.last != 0 and gui.button("halt" if viewer.playing else "play"):
        viewer.toggle_playing()
    if not viewer.seekable:
        return
    if gui.button("step"):
        viewer.step()
    if gui.button("reset"):
        viewer.reset()
    if viewer.last:
        number = gui.slider_int("##frame", viewer.number, 0, viewer.last)
        if number != viewer.number:
            viewer.seek(number)
    gui.text(f"speed {viewer.speed:g}")
    exponent = gui.slider_int("##speed", round(math.log2(viewer.speed)), -3, 3)
    viewer.speed = 2.0**exponent


def _buttons(gui: Any, viewer: Viewer, window: Any) -> None:
    actions: dict[str, Callable[[], None]] = {
        "next side": viewer.next_preset,
        "screenshot": lambda: window.screenshot(widgets=False),
        "end recording" if window.recording else "record": window.toggle_recording,
        "copy camera": window.write_camera,
        "keys": window.toggle_help,
    }
    for name, action in actions.items():
        if gui.button(name):
            action()


def _choice(gui: Any, names: Sequence[str], chosen: str) -> str:
    """One of several, as boxes of which one is ticked."""
    for name in names:
        if gui.checkbox(name, name == chosen) and name != chosen:
            chosen = name
    return chosen


def _slider(gui: Any, parameter: Parameter, number: int) -> None:
    low, high, old = parameter.low, parameter.high, parameter.value
    gui.text(f"{parameter.label}: {old:.4g}")
    if parameter.logarithmic:
        low, high, old = (math.log10(value) for value in (low, high, old))
    new = gui.slider_float(
        f"##{number}", old, low, high
    )  # what follows ## names it without being shown: two may share a label
    if abs(new - old) > 1e-5 * (high - low):  # the widget rounds to 32 bits
        parameter.set(10.0**new if parameter.logarithmic else new)


def _ascii(label: str) -> str:
    """The window's font has no arrows."""
    return {"→": "Right", "←": "Left", "↑": "Up", "↓": "Down"}.get(label, label)
