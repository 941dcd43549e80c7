"""The cameras of a configuration as views."""

import numpy as np

from configs.cameras import CamerasConfig
from experiments.views import View, fibonacci_directions


def perspective_views(config: CamerasConfig, width: int, height: int) -> list[View]:
    """All cameras of the configuration, in the order orbit, fibonacci, views."""
    placements = []
    if config.orbit:
        orbit = config.orbit
        placements += [(eye, orbit.target, orbit.up, orbit.fov) for eye in _orbit_eyes(orbit)]
    if config.fibonacci:
        sphere = config.fibonacci
        frame = _frame(sphere.up)
        for direction in fibonacci_directions(sphere.count):
            eye = np.asarray(sphere.target) + sphere.radius * (frame @ direction)
            placements.append((eye, sphere.target, sphere.up, sphere.fov))
    placements += [(view.eye, view.target, view.up, view.fov) for view in config.views]
    return [look_at(*placement, width, height) for placement in placements]


def look_at(eye, target, up, fov: float, width: int, height: int) -> View:
    """A pinhole camera at ``eye`` with ``target`` in the middle of its image; ``fov`` is vertical, in degrees."""
    eye, target = np.asarray(eye, float), np.asarray(target, float)
    forward = _unit(target - eye)
    right = np.cross(forward, np.asarray(up, float))
    if np.linalg.norm(right) < 1e-6:  # a camera on the axis: any right will do
        right = np.cross(forward, np.eye(3)[np.abs(forward).argmin()])
    right = _unit(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    viewmat = np.eye(4)
    viewmat[:3, :3], viewmat[:3, 3] = rotation, -rotation @ eye
    focal = height / 2 / np.tan(np.radians(fov) / 2)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return View(viewmat, K, width, height)


def _orbit_eyes(orbit) -> np.ndarray:
    angles = np.radians(orbit.azimuth) + 2 * np.pi * np.arange(orbit.count) / orbit.count
    elevation = np.radians(orbit.elevation)
    ring = np.stack([np.cos(angles), np.sin(angles), np.full(orbit.count, np.tan(elevation))], axis=1)
    return np.asarray(orbit.target) + orbit.radius * np.cos(elevation) * ring @ _frame(orbit.up).T


def _frame(up) -> np.ndarray:
    """A right-handed frame whose third column is ``up``; for +y up the first camera of an orbit looks along −z."""
    third = _unit(np.asarray(up, float))
    first = _unit(np.cross(np.roll(third, 1), third))
    return np.stack([first, np.cross(third, first), third], axis=1)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)
