"""A real window of ``diffmpm view`` on a display of its own (Xvfb), driven by keys and mouse (xdotool)."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np

ROOT = Path(__file__).parent.parent.parent.parent
PATIENCE = 400.0
"""Longest wait for anything: a machine may be busy, and kernels compile. Unit: s."""
PROGRAMS = {"Xvfb": "xvfb", "xdotool": "xdotool"}
"""What is needed, and the Debian package that has it."""


def expect_programs() -> None:
    """Fail and say what is missing."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    assert not missing, (
        f"the tests of the window need {' and '.join(missing)}, which .ci/run installs: apt-get install "
        f"{' '.join(missing)} mesa-vulkan-drivers libvulkan1"
    )


def _hear_interrupts() -> None:
    """A shell has processes in its background ignore them, and their children with them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Display:
    """An X server without a screen; a context manager."""

    def __enter__(self) -> "Display":
        expect_programs()
        read, write = os.pipe()
        # without -noreset it would start anew, and lose what it is told meanwhile, whenever its last client leaves
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset"]
        self.server = subprocess.Popen(command, pass_fds=(write,), stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        self.env = {**os.environ, "DISPLAY": f":{number}", "PYTHONPATH": str(ROOT)}
        self.env.pop("WAYLAND_DISPLAY", None)
        return self

    def __exit__(self, *exception) -> None:
        self.server.terminate()
        self.server.wait(PATIENCE)

    def command(self, *arguments: str, folder: Path = ROOT, **env: str) -> subprocess.Popen:
        """``diffmpm`` on this display, with ``folder`` as its working directory."""
        return subprocess.Popen(
            [sys.executable, "-m", "experiments.cli", *arguments],
            cwd=folder,
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_interrupts,
        )

    def xdotool(self, *arguments: object) -> str:
        """What it prints."""
        command = ["xdotool", *map(str, arguments)]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False).stdout.strip()

    def press_the_close_button(self, window: str) -> None:
        """Ask a window to close as a window manager does when its button is pressed."""
        x11 = ctypes.CDLL("libX11.so.6")
        for function in (x11.XOpenDisplay, x11.XInternAtom):
            function.restype = ctypes.c_void_p
        display = ctypes.c_void_p(x11.XOpenDisplay(self.env["DISPLAY"].encode()))
        protocols, close = (
            ctypes.c_long(x11.XInternAtom(display, name, 0)).value for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")
        )
        event = (ctypes.c_long * 24)()  # XClientMessageEvent, padded to an XEvent's size
        event[0], event[4], event[5], event[6], event[7] = 33, int(window), protocols, 32, close
        x11.XSendEvent(display, ctypes.c_ulong(int(window)), 0, ctypes.c_long(0), ctypes.byref(event))
        x11.XSync(display, 0)
        x11.XCloseDisplay(display)


class DrivenWindow:
    """A window of ``diffmpm`` with a hand on its keyboard and mouse. Positions are pixels of the window."""

    def __init__(self, display: Display, output: Path, *arguments: str):
        self.display, self.output, self.folder = display, output, output.parent
        self.process = display.command(*arguments, "--output", str(output), folder=self.folder)
        self.id = wait_for(lambda: display.xdotool("search", "--name", "^diffmpm").split("\n")[0], self.process)
        self.focus()
        self.move(500, 700)
        self.screenshot()  # once it answers, the kernels are compiled

    def focus(self) -> None:
        """Make it the one that keys go to."""
        wait_for(lambda: self._has_focus() or self.display.xdotool("windowfocus", self.id), self.process)

    def _has_focus(self) -> bool:
        return self.display.xdotool("getwindowfocus") == self.id

    def key(self, *names: str) -> None:
        """Press one after another; the window hears them in their order, one in each picture."""
        for name in names:
            self.display.xdotool("key", name)

    def move(self, x: float, y: float) -> None:
        """The cursor."""
        self.display.xdotool("mousemove", "--window", self.id, round(x), round(y))

    def drag(self, start: tuple[float, float], end: tuple[float, float], held: str = "", button: int = 1) -> None:
        """Press a mouse button, pull, let go; a key may be held. Each step waits for a picture of the window."""
        self.move(*start)
        self.screenshot()
        if held:
            self.display.xdotool("keydown", held)
        self.display.xdotool("mousedown", button)
        self.screenshot()
        for share in (0.5, 1.0):
            self.move(*((1 - share) * a + share * b for a, b in zip(start, end, strict=True)))
            self.screenshot()
        self.display.xdotool("mouseup", button)
        if held:
            self.display.xdotool("keyup", held)
        self.screenshot()

    def click(self, place: tuple[float, float]) -> None:
        """Press the left button, and let go; each step waits for a picture of the window."""
        self.move(*place)
        for step in ("mousedown", "mouseup"):
            self.screenshot()
            self.display.xdotool(step, 1)
        self.screenshot()

    def screenshot(self, key: str = "s") -> np.ndarray:
        """What the window shows after all that was pressed before, [H, W, 3]; key ``w`` has the widgets."""
        before = set(self.output.glob("screenshot_*.png"))
        self.key(key)
        (path,) = wait_for(lambda: set(self.output.glob("screenshot_*.png")) - before, self.process)
        return iio.imread(path).astype(int)

    def end(self) -> tuple[int, str, str]:
        """Wait for it; exit code, stdout, stderr."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


def wait_for(question, process: subprocess.Popen):
    """The answer once it is not empty."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        if process.poll() is not None:
            raise AssertionError(f"the window ended with code {process.returncode}: {process.communicate()}")
        time.sleep(0.02)
    raise AssertionError("no answer")
