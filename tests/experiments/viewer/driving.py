"""A real window of ``diffmpm view`` on a display of its own (Xvfb), driven by keys and mouse (xdotool)."""

import os
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np

ROOT = Path(__file__).parent.parent.parent.parent
PATIENCE = 90.0
"""Longest wait for anything: kernels compile. Unit: s."""


class Display:
    """An X server without a screen; a context manager."""

    def __enter__(self) -> "Display":
        read, write = os.pipe()
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
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
        self.server.wait(10)

    def command(self, *arguments: str, **env: str) -> subprocess.Popen:
        """``diffmpm`` on this display."""
        return subprocess.Popen(
            [sys.executable, "-m", "experiments.cli", *arguments],
            cwd=ROOT,
            env={**self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def xdotool(self, *arguments: object) -> str:
        """What it prints."""
        command = ["xdotool", *map(str, arguments)]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False).stdout.strip()


class DrivenWindow:
    """A window of ``diffmpm`` with a hand on its keyboard and mouse. Positions are pixels of the window."""

    def __init__(self, display: Display, output: Path, *arguments: str):
        self.display, self.output = display, output
        self.process = display.command(*arguments, "--output", str(output))
        self.id = wait_for(lambda: display.xdotool("search", "--name", "^diffmpm").split("\n")[0], self.process)
        display.xdotool("windowfocus", self.id)
        self.move(900, 700)
        self.screenshot()  # once it answers, the kernels are compiled

    def key(self, *names: str) -> None:
        """Press one after another; a frame of the window must notice each."""
        for name in names:
            self.display.xdotool("key", name)
            time.sleep(0.05)

    def move(self, x: float, y: float) -> None:
        """The cursor."""
        self.display.xdotool("mousemove", "--window", self.id, round(x), round(y))

    def drag(self, start: tuple[float, float], end: tuple[float, float], held: str = "", button: int = 1) -> None:
        """Press a mouse button, pull, let go; a key may be held. Slow enough for every frame to notice."""
        self.move(*start)
        self.screenshot()
        if held:
            self.display.xdotool("keydown", held)
        self.display.xdotool("mousedown", button)
        self.screenshot()
        for share in (0.25, 0.5, 0.75, 1.0):
            self.move(*((1 - share) * a + share * b for a, b in zip(start, end, strict=True)))
            self.screenshot()
        self.display.xdotool("mouseup", button)
        if held:
            self.display.xdotool("keyup", held)
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
            raise AssertionError(f"the window ended with code {process.returncode}: {process.communicate()[1]}")
        time.sleep(0.05)
    raise AssertionError("no answer")
