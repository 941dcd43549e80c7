"""Whether a window can be opened here: where it cannot, GGUI ends the process without a word to catch."""

import ctypes
import os
import sys

from configs.errors import InputError


def headless(name: str) -> str:
    """What to do where ``diffmpm view`` finds no window."""
    return f"without a window: diffmpm view {name} --headless --video out.mp4"


def unwatched(output: object) -> str:
    """What to do where ``diffmpm run --view`` finds no window."""
    return f"without a window: leave out --view, then diffmpm view {output} --headless --video out.mp4"


def check_display(instead: str) -> None:
    """Raise ``InputError`` where there is no X display, also one of Wayland's; ``instead`` is what to do then."""
    if sys.platform != "linux":
        return
    display = os.environ.get("DISPLAY", "")
    if not display:
        wayland = "; on Wayland, XWayland sets it" if os.environ.get("WAYLAND_DISPLAY") else ""
        raise InputError(f"view: no display was found (DISPLAY is not set{wayland}); {instead}")
    if not _opens(display):
        raise InputError(f"view: the display {display} cannot be opened; {instead}")


def no_vulkan(instead: str) -> InputError:
    """What to say where GGUI finds no driver."""
    return InputError(
        "view: no Vulkan driver was found, which the window needs; on Debian: apt-get install mesa-vulkan-drivers "
        f"libvulkan1; {instead}"
    )


def _opens(display: str) -> bool:
    """Whether the X server answers and lets us in. The connection stays: one that loses its last starts anew, deaf."""
    x11 = ctypes.CDLL("libX11.so.6")  # Taichi itself is linked with it
    x11.XOpenDisplay.restype = ctypes.c_void_p
    return bool(x11.XOpenDisplay(display.encode()))
