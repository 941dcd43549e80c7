"""The viewer without a window: what is shown, and everything that can be done to it."""

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from pydantic import ValidationError

from bridge.simulation_error import SimulationError
from configs.cameras import CamerasConfig
from configs.errors import InputError
from experiments.camera_views import perspective_views
from experiments.images import to_bytes
from experiments.viewer.camera import OrbitCamera
from experiments.viewer.curve import draw_curves
from experiments.viewer.look import COLORS, OVERLAYS, Look
from experiments.viewer.picture import Painter, Picture
from experiments.viewer.push import Push
from experiments.viewer.source import Source

SPEEDS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Frames of a source for each picture."""


class Viewer:
    """One source, or two side by side that share camera, look and time."""

    def __init__(self, sources: list[Source]):
        self.sources = sources
        self.painters = [Painter(source) for source in sources]
        self.look = Look()
        self.camera = self._first_camera()
        self.playing, self.speed = False, 1.0
        self.message = ""
        """What was done last; shown in the window."""
        self.problem = ""
        """What is wrong with the moment that was asked for; shown instead."""
        self.pictures: list[Picture] = []
        """Those drawn last, one a source."""
        self.push: Push | None = None
        self.curves: dict[str, list[float]] = {}
        """Losses to draw in a corner, by name; the first is their sum."""
        self._due = 0.0
        if all(source.stage is None for source in sources):
            self.look.view = "rgb"

    @property
    def stage(self):
        """That of the first source."""
        return self.sources[0].stage

    @property
    def number(self) -> int:
        """The frame shown: that of the source that is furthest."""
        return max(source.number for source in self.sources)

    @property
    def last(self) -> int | None:
        """The last frame of the longest source; None if one has no end."""
        ends = [source.last for source in self.sources]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def seekable(self) -> bool:
        """Whether there is another moment to go to."""
        return any(source.seekable for source in self.sources)

    @property
    def overlays(self) -> list[str]:
        """Those that there is something for."""
        return [name for name in OVERLAYS if any(name in painter.overlays for painter in self.painters)]

    @property
    def colors(self) -> list[str]:
        """What the particles' colours can say."""
        morph = any(source.stage and source.stage.morph for source in self.sources)
        states = any(source.state for source in self.sources)
        return [name for name in COLORS if name == "body" or (states and (name != "gradient" or morph))]

    def tick(self, patience: float = math.inf) -> None:
        """Between two pictures: advance by what the speed asks for, if it plays, for no longer than ``patience`` and a
        frame (s); a failure halts it.
        """
        if not self.playing:
            return
        self._due += self.speed
        end = time.perf_counter() + patience
        while self._due >= 1 and self.playing:
            self._due = self._due - 1 if time.perf_counter() < end else 0.0
            self.step()

    def step(self, frames: int = 1) -> None:
        """Some frames further, or back; stops at the end."""
        number = self.number + frames
        self.seek(number)
        if self.last is not None and number >= self.last:
            self.playing = False

    def seek(self, number: int) -> None:
        """Show a frame; sources that end earlier show their last."""
        number, self.problem = max(number, 0), ""
        for source in self.sources:
            try:
                source.seek(number if source.last is None else min(number, source.last))
            except (InputError, SimulationError) as error:
                self.playing = False
                self.problem = str(error).removeprefix("view: ")

    def reset(self) -> None:
        """Back to the start, halted."""
        if not self.seekable:
            return
        self.playing, self.message, self._due = False, "", 0.0
        self.look.ranges.clear()
        self.seek(0)

    def toggle_playing(self) -> None:
        """Play or halt; at the end, from the start again."""
        if not self.playing and self.last is not None and self.number >= self.last:
            self.seek(0)
        self.playing = not self.playing

    def change_speed(self, steps: int) -> None:
        """The next of ``SPEEDS`` up or down."""
        place = SPEEDS.index(self.speed) + steps
        self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]

    def next_color(self) -> None:
        """The particles' colours say something else: the one after, and around."""
        names = self.colors
        at = names.index(self.look.color) if self.look.color in names else -1
        self.look.choose_color(names[(at + 1) % len(names)])

    def next_preset(self) -> None:
        """The camera looks from the next of its sides."""
        self.message = f"from the side: {self.camera.next_preset()}"

    def focus(self) -> None:
        """Bring all particles into the picture."""
        self.camera.focus(np.concatenate([source.x.double().cpu().numpy() for source in self.sources]))

    def home(self) -> None:
        """The camera of the start."""
        self.camera = self._first_camera()

    def picture(self, width: int, height: int) -> np.ndarray:
        """What is to be seen, uint8 [H, W, 3]; two sources share the width."""
        share = max(width // len(self.sources), 1)
        view = self.camera.view(share, height)
        self.pictures = [painter.draw(self.look, view) for painter in self.painters]
        image = np.concatenate([picture.image for picture in self.pictures], axis=1)
        image = to_bytes(np.pad(image, ((0, 0), (0, width - image.shape[1]), (0, 0)), mode="edge"))
        draw_curves(image, self.curves)
        return image

    def signature(self) -> tuple:
        """What the picture depends on: equal ones give equal pictures."""
        camera, look = self.camera, self.look
        place = (*camera.target, camera.distance, camera.azimuth, camera.elevation, *camera.up, camera.fov)
        values = tuple(p.value for source in self.sources for p in source.parameters)
        states = tuple((source.number, id(source.state)) for source in self.sources)
        return place, look.view, look.color, *look.shown.values(), values, states

    def begin_push(self, u: float, v: float) -> None:
        """Take hold of what is at the pixel (column, row) of the last picture."""
        number, u = self._panel(u)
        self.push = Push.at(self.sources[number], self.pictures[number], self.camera, u, v)

    def drag_push(self, u: float, v: float) -> None:
        """Pull it to another pixel."""
        if self.push is None:
            return
        number, u = self._panel(u)
        if not self.push.drag(self.pictures[number], self.camera, u, v):
            self.message = "only a live simulation can be pushed"

    def end_push(self) -> None:
        """Let go."""
        self.push = None

    def save_camera(self, path: Path) -> str:
        """Write the camera as YAML, and return it."""
        text = self.camera.to_yaml()
        path.write_text(text, encoding="utf-8")
        self.message = f"saved {path.name}"
        return text

    def load_camera(self, path: Path) -> None:
        """Take the first of the cameras of a YAML file with a section ``cameras``, as ``save_camera`` writes it.

        Raises:
            InputError: no such file, or no camera in it.
        """
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            cameras = CamerasConfig.model_validate(content["cameras"])
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValidationError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"view: camera {path}: {reason}; expected a section cameras") from None
        view, up = perspective_views(cameras, 2, 2)[0], self.camera.up
        if cameras.views:
            up = np.asarray(cameras.views[0].up, np.float64)
            up /= np.linalg.norm(up)
        center = np.asarray(cameras.views[0].target if cameras.views else self.camera.target, np.float64)
        self.camera = OrbitCamera.of_view(view, up, center)

    def _panel(self, u: float) -> tuple[int, float]:
        """Which source a column belongs to, and the column in its picture."""
        if not self.pictures:
            return 0, u
        width = self.pictures[0].depth.shape[1]
        number = int(min(max(u // width, 0), len(self.sources) - 1))
        return number, u - number * width

    def _first_camera(self) -> OrbitCamera:
        source = self.sources[0]
        if source.home or not source.stage:
            return replace(source.home or OrbitCamera())
        x = source.x.double().cpu().numpy()
        return OrbitCamera.of_view(source.stage.views[0], source.stage.up, x[np.isfinite(x).all(axis=1)].mean(axis=0))
