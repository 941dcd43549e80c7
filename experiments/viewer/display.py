"""Whether a window can be opened here: where it cannot, GGUI ends the process without a word to catch."""

import os
import re
import socket
import sys

from configs.errors import InputError


def instead(name: str) -> str:
    """The command that needs no window."""
    return f"without a window: diffmpm view {name} --headless --video out.mp4"


def check_display(name: str) -> None:
    """Raise ``InputError`` where there is no display; ``name`` is what was to be seen."""
    if sys.platform != "linux" or os.environ.get("WAYLAND_DISPLAY"):
        return
    display = os.environ.get("DISPLAY", "")
    if not display:
        raise InputError(f"view: no display was found (DISPLAY is not set); {instead(name)}")
    if not _answers(display):
        raise InputError(f"view: the display {display} does not answer; {instead(name)}")


def no_vulkan(name: str) -> InputError:
    """What to say where GGUI finds no driver."""
    return InputError(
        "view: no Vulkan driver was found, which the window needs; on Debian: apt-get install mesa-vulkan-drivers "
        f"libvulkan1; {instead(name)}"
    )


def _answers(display: str) -> bool:
    """Whether an X server listens at a local display; one on another machine is believed."""
    local = re.fullmatch(r"(?:unix)?:(\d+)(?:\.\d+)?", display)
    if not local:
        return True
    path = f"/tmp/.X11-unix/X{local[1]}"
    for address in (path, f"\0{path}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            try:
                server.connect(address)
            except OSError:
                continue
            return True
    return False
