"""The camera: it circles a point, and says where it is as the YAML that a configuration takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import yaml

from configs.cameras import ViewConfig
from experiments.views import View
from render.cameras import intrinsics, look_at

STEEPEST = math.radians(89.0)
PRESETS = {
    "front": (0.0, 0.0),
    "back": (180.0, 0.0),
    "right": (90.0, 0.0),
    "left": (-90.0, 0.0),
    "top": (0.0, 89.0),
    "bottom": (0.0, -89.0),
    "corner": (35.0, 25.0),
}
"""Azimuth and elevation of the views that have a name. Unit: degree."""
UPS = [sign * axis + 0.0 for axis in np.eye(3)[[1, 2, 0]] for sign in (1.0, -1.0)]
"""The ways that up can be: y, −y, z, −z, x, −x."""


def upward(gravity: Sequence[float], view: View) -> np.ndarray:
    """Against gravity, along an axis [3]; without gravity, where ``view`` has it."""
    way = -np.asarray(gravity, np.float64)
    if not way.any():
        way = -view.viewmat[1, :3]
    axis = int(np.abs(way).argmax())
    return np.eye(3)[axis] * np.sign(way[axis])


@dataclass
class OrbitCamera:
    """A pinhole camera on a sphere around ``target``. Angles are in radians; azimuth 0 looks along −z, or along −x if
    up is along z.
    """

    target: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """What is in the middle [3]. Unit: length."""
    distance: float = 3.0
    """From the target. Unit: length."""
    azimuth: float = 0.0
    elevation: float = 0.3
    up: np.ndarray = field(default_factory=lambda: np.array([0.0, 1.0, 0.0]))
    """Unit vector [3]."""
    fov: float = 40.0
    """Vertical field of view. Unit: degree."""

    @staticmethod
    def of_view(view: View, up: np.ndarray, center: np.ndarray) -> "OrbitCamera":
        """The camera at a view's place, circling the point before it that is nearest to ``center``; never rolled."""
        forward = view.viewmat[2, :3]
        distance = max(float(forward @ (center - view.eye)), 1e-3)
        camera = OrbitCamera(up=up, target=view.eye + distance * forward, distance=distance)
        camera.fov = math.degrees(2 * math.atan(view.height / (2 * view.K[1, 1])))
        first, second = camera._level()
        camera.azimuth = math.atan2(float(-forward @ second), float(-forward @ first))
        camera.elevation = float(np.clip(math.asin(np.clip(-forward @ up, -1, 1)), -STEEPEST, STEEPEST))
        return camera

    @property
    def eye(self) -> np.ndarray:
        """Where the camera is [3]. Unit: length."""
        return self.target + self.distance * self._outward()

    def view(self, width: int, height: int) -> View:
        """What it sees with that many pixels."""
        viewmat = look_at(self.eye, self.target, self.up)
        return View(viewmat, intrinsics(width, height, self.fov), width, height)

    def orbit(self, right: float, up: float) -> None:
        """Turn what is seen by shares of the image's height: half a turn is all of it."""
        self.azimuth -= math.pi * right
        self.elevation = float(np.clip(self.elevation + math.pi * up, -STEEPEST, STEEPEST))

    def pan(self, right: float, up: float) -> None:
        """Shift what is seen by shares of the image's height."""
        rotation = self.view(1, 1).viewmat[:3, :3]
        height = 2 * self.distance * math.tan(math.radians(self.fov) / 2)
        self.target = self.target - height * (right * rotation[0] - up * rotation[1])

    def zoom(self, factor: float) -> None:
        """Come closer by a factor above 1, step back below."""
        self.distance = float(np.clip(self.distance / factor, 1e-3, 1e6))

    def focus(self, points: np.ndarray) -> None:
        """Look at the middle of ``points`` [P, 3] from as far as shows them all; none are ignored."""
        points = points[np.isfinite(points).all(axis=1)]
        if len(points):
            low, high = points.min(axis=0), points.max(axis=0)
            self.target = (low + high) / 2
            radius = max(float(np.linalg.norm(points - self.target, axis=1).max()), 1e-3)
            self.distance = 1.05 * radius / math.sin(math.radians(self.fov) / 2)

    def preset(self, name: str) -> None:
        """Look from where one of ``PRESETS`` does."""
        self.azimuth, self.elevation = (math.radians(angle) for angle in PRESETS[name])

    def next_preset(self) -> str:
        """Look from where the next of ``PRESETS`` does, and say which; from anywhere else, the first."""
        names, here = list(PRESETS), (math.degrees(self.azimuth), math.degrees(self.elevation))
        at = [number for number, place in enumerate(PRESETS.values()) if np.allclose(here, place)]
        name = names[(at[0] + 1) % len(names)] if at else names[0]
        self.preset(name)
        return name

    def next_up(self) -> None:
        """Turn the next of ``UPS`` up: a file of Gaussians does not say which is."""
        at = int(np.argmax([self.up @ way for way in UPS]))
        self.up = UPS[(at + 1) % len(UPS)]

    def to_yaml(self) -> str:
        """The section ``cameras`` of a configuration."""
        numbers = {"eye": self.eye, "target": self.target, "up": self.up}
        view = {name: [round(float(value), 6) for value in vector] for name, vector in numbers.items()}
        ViewConfig.model_validate({**view, "fov": self.fov})
        return yaml.safe_dump(
            {"cameras": [{**view, "fov": round(self.fov, 4)}]}, sort_keys=False, default_flow_style=None
        )

    def _outward(self) -> np.ndarray:
        first, second = self._level()
        level = math.cos(self.azimuth) * first + math.sin(self.azimuth) * second
        return math.sin(self.elevation) * self.up + math.cos(self.elevation) * level

    def _level(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors that span the plane across ``up``: azimuth 0 and 90 degrees."""
        reference = np.array([1.0, 0.0, 0.0] if abs(self.up[2]) > 0.9 else [0.0, 0.0, 1.0])
        first = reference - self.up * (self.up @ reference)
        first /= np.linalg.norm(first)
        return first, np.cross(self.up, first)
