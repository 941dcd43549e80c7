"""The viewer in a GGUI window: the picture fills it, widgets lie above."""

import time
from collections import deque
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import taichi as ti

from configs.errors import InputError
from experiments.atomic import replacing
from experiments.images import Video
from experiments.viewer.clipboard import copy
from experiments.viewer.display import headless, no_vulkan
from experiments.viewer.elsewhere import Elsewhere
from experiments.viewer.keys import KEYS
from experiments.viewer.mouse import Mouse
from experiments.viewer.panel import draw_help, draw_panels, inside_panels
from experiments.viewer.viewer import Viewer
from kernels.lock import launch_lock

FPS = 60
PATIENCE = 0.2
"""What a picture waits for a fast playback's frames. Unit: s."""
SMALLEST = 16
"""Sides of a window that is worth drawing; a minimised one has none. Unit: pixel."""
BUTTONS = {ti.ui.LMB: "left", ti.ui.MMB: "middle", ti.ui.RMB: "right"}


def run_window(viewer: Viewer, name: str, size: tuple[int, int], output: Path) -> None:
    """Show ``viewer`` until the window is closed; screenshots, recordings and cameras go to ``output``.

    Raises:
        InputError: there is no Vulkan driver.
    """
    window = ViewerWindow(viewer, name, size, output, headless(name))
    try:
        window.run()
    finally:  # also after an interruption: a recording is finished
        window.finish()


class ViewerWindow:
    """The window and its files."""

    def __init__(
        self, viewer: Viewer, title: str, size: tuple[int, int], output: Path, instead: str = "", show: bool = True
    ):
        self.viewer, self.output, self.show = viewer, output, show
        self.elsewhere = Elsewhere()
        try:
            with self.elsewhere.visit():
                self.window = ti.ui.Window(f"diffmpm: {title}", size, show_window=show, fps_limit=FPS)
        except RuntimeError:
            self.elsewhere.close()
            raise no_vulkan(instead) from None
        self.canvas, self.gui = self.window.get_canvas(), self.window.get_gui()
        self.width, self.height = self.first_size = size
        self.mouse = Mouse(viewer)
        self.panel, self.help = True, False
        self.image = np.zeros((size[1], size[0], 3), np.uint8)
        self._shown: tuple | None = None
        self._keys: deque[str] = deque()
        self._wanted: tuple[Path, bool] | None = None
        self._video: Video | None = None
        self._open = True

    def run(self) -> None:
        """Until it is closed."""
        while self.running:
            self.frame()

    @property
    def running(self) -> bool:
        """Until it is closed, by a key or the display."""
        return self._open and self.window.running

    def frame(self) -> None:
        """Input, one picture, widgets."""
        self.width, self.height = self.window.get_window_shape()
        self._input()
        self.viewer.tick(PATIENCE)
        if min(self.width, self.height) < SMALLEST:
            time.sleep(1 / FPS)
        else:
            self._draw()
        if self.show:  # a hidden window must not be shown: Taichi crashes
            with self.elsewhere.visit():
                self.window.show()

    def _draw(self) -> None:
        signature = (self.width, self.height, self.viewer.signature())
        if signature != self._shown:
            self.image = self.viewer.picture(self.width, self.height)
            self._shown = signature
            self._record()
        with launch_lock:
            # columns first, from below
            self.canvas.set_image(np.ascontiguousarray(self.image[::-1].transpose(1, 0, 2)))
            if self.panel:
                draw_panels(self.gui, self.viewer, self)
            if self.help:
                draw_help(self.gui, self)
            if self._wanted:
                self._save(*self._wanted)

    def touched(self) -> bool:
        """Whether a key, the mouse or the closing button waits for an answer; without a picture."""
        self._listen()
        return bool(self._keys) or self.mouse.drag is not None or not self.running

    def _listen(self) -> None:
        """Note the keys pressed, begin drags."""
        x, y = self.window.get_cursor_pos()
        self.window.get_events(ti.ui.RELEASE)  # drop them: is_pressed says enough
        for event in self.window.get_events(ti.ui.PRESS):
            if event.key not in BUTTONS:
                self._keys.append(event.key)
            elif not inside_panels(self.viewer, self, x, 1 - y):
                shift, ctrl = (self.window.is_pressed(key) for key in (ti.ui.SHIFT, ti.ui.CTRL))
                self.mouse.press(BUTTONS[event.key], shift, ctrl, self._cursor())

    def _cursor(self) -> tuple[float, float]:
        """Pixel (column, row)."""
        x, y = self.window.get_cursor_pos()
        return x * self.width, (1 - y) * self.height

    def _input(self) -> None:
        self._listen()
        pressed = self._keys.popleft() if self._keys else None  # one a picture: screenshots show what came before
        for key in KEYS:
            if key.name == pressed:
                key.press(self.viewer, self)
        self.mouse.move(self._cursor(), max(self.height, 1))
        if not self.window.is_pressed(*BUTTONS):
            self.mouse.release()

    def screenshot(self, widgets: bool) -> None:
        """Save the next picture as screenshot_NNN.png."""
        self._wanted = self._next("screenshot", ".png"), widgets

    def _save(self, path: Path, widgets: bool) -> None:
        """The picture, or the drawn window, before it is shown: afterwards it is empty."""
        self._wanted, image = None, self.image
        if widgets:
            with self.elsewhere.visit():
                pixels = self.window.get_image_buffer_as_numpy()[..., :3]
            image = (255 * pixels.transpose(1, 0, 2)[::-1]).round().astype(np.uint8)
        with replacing(path) as temporary:
            imageio.imwrite(temporary, image)
        self.viewer.message = f"saved {path.name}"

    @property
    def recording(self) -> bool:
        """Whether pictures go to a video."""
        return self._video is not None

    def toggle_recording(self) -> None:
        """Begin the next recording_NNN.mp4, or finish it."""
        if self._video is None:
            self._video = Video(self._next("recording", ".mp4"), FPS / 2)
            self._record()
            self.viewer.message = f"recording {self._video.path.name}"
        else:
            self._video.close()
            self.viewer.message = f"saved {self._video.path.name}"
            self._video = None

    def _record(self) -> None:
        """Each new picture is a frame; a window of another size ends the recording."""
        if self._video is None:
            return
        try:
            self._video.add(self.image)
        except InputError:
            self.toggle_recording()

    def write_camera(self) -> None:
        """The camera as YAML: to the clipboard, to stdout, and to camera.yaml."""
        self.output.mkdir(parents=True, exist_ok=True)
        text = self.viewer.save_camera(self.output / "camera.yaml")
        print(text, flush=True)
        self.viewer.message += " and copied it" if copy(text) else "; with xclip installed it would be copied too"

    def toggle_panel(self) -> None:
        """Show the panel or not."""
        self.panel = not self.panel

    def toggle_help(self) -> None:
        """Show the page of keys or not."""
        self.help = not self.help

    def close(self) -> None:
        """Ends ``run``."""
        self._open = False

    def finish(self) -> None:
        """Complete what is being written, and close."""
        if self._video:
            self.toggle_recording()
        with self.elsewhere.visit():
            self.window.destroy()
        self.elsewhere.close()

    def _next(self, stem: str, suffix: str) -> Path:
        """The first free name of its kind."""
        self.output.mkdir(parents=True, exist_ok=True)
        numbers = (number for number in range(10**6) if not (self.output / f"{stem}_{number:03d}{suffix}").exists())
        return self.output / f"{stem}_{next(numbers):03d}{suffix}"
