"""What each key does: the one table behind the keyboard, the help page and docs/viewer.md."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from experiments.viewer.camera import PRESETS
from experiments.viewer.viewer import Viewer

MOUSE = {
    "drag left": "orbit",
    "drag left with Shift, or drag middle": "pan",
    "drag right": "zoom: up is closer",
    "drag left with Ctrl": "pull the material (live)",
}


@dataclass(frozen=True)
class Key:
    """One key."""

    name: str
    """GGUI's word for it; it has none for digits, punctuation and function keys, and does not report them."""
    label: str
    help: str
    press: Callable[[Viewer, Any], None]
    """Called with the viewer and the window."""


KEYS = [
    Key(" ", "Space", "play, halt", lambda viewer, window: viewer.toggle_playing()),
    Key("Right", "→", "one frame on", lambda viewer, window: viewer.step()),
    Key("Left", "←", "one frame back", lambda viewer, window: viewer.step(-1)),
    Key("Up", "↑", "faster", lambda viewer, window: viewer.change_speed(1)),
    Key("Down", "↓", "slower", lambda viewer, window: viewer.change_speed(-1)),
    Key("r", "R", "back to the start", lambda viewer, window: viewer.reset()),
    Key("v", "V", "next view: particles, rgb, alpha, depth, normals", lambda viewer, window: viewer.look.next_view()),
    Key(
        "c",
        "C",
        "next colour: body, speed, det F, stress, material, gradient",
        lambda viewer, window: viewer.next_color(),
    ),
    Key("g", "G", "the grid's box", lambda viewer, window: viewer.look.toggle("grid")),
    Key("o", "O", "colliders", lambda viewer, window: viewer.look.toggle("colliders")),
    Key("l", "L", "the floor", lambda viewer, window: viewer.look.toggle("floor")),
    Key("t", "T", "a morph's target", lambda viewer, window: viewer.look.toggle("target")),
    Key("a", "A", "arrows down a morph's loss", lambda viewer, window: viewer.look.toggle("arrows")),
    Key("f", "F", "focus: all particles in the picture", lambda viewer, window: viewer.focus()),
    Key("h", "H", "home: the first camera", lambda viewer, window: viewer.home()),
    Key("n", "N", f"next side: {', '.join(PRESETS)}", lambda viewer, window: viewer.next_preset()),
    Key("u", "U", "another way up: y, -y, z, -z, x, -x", lambda viewer, window: viewer.camera.next_up()),
    Key("y", "Y", "copy the camera as YAML, print it, save it", lambda viewer, window: window.write_camera()),
    Key("s", "S", "screenshot", lambda viewer, window: window.screenshot(widgets=False)),
    Key("w", "W", "screenshot with the widgets", lambda viewer, window: window.screenshot(widgets=True)),
    Key("m", "M", "record an mp4, end the recording", lambda viewer, window: window.toggle_recording()),
    Key("p", "P", "the panel", lambda viewer, window: window.toggle_panel()),
    Key("k", "K", "this page", lambda viewer, window: window.toggle_help()),
    Key("Escape", "Esc", "close", lambda viewer, window: window.close()),
]
