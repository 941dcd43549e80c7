"""Cameras of the metrics: what an image shows, and where its pixels are."""

from dataclasses import dataclass

import numpy as np

from configs.errors import InputError


@dataclass(frozen=True)
class View:
    """One camera: OpenCV axes (x right, y down, z forward), pixel centres at +0.5."""

    viewmat: np.ndarray
    """World to camera [4, 4]."""
    K: np.ndarray
    """Intrinsics [3, 3]. Unit: pixel; pixel / length if orthographic."""
    width: int
    """Unit: pixel."""
    height: int
    """Unit: pixel."""
    orthographic: bool = False
    """u = fx x + cx instead of u = fx x / z + cx."""

    @property
    def eye(self) -> np.ndarray:
        """Position of the camera [3]. Unit: length."""
        return -self.viewmat[:3, :3].T @ self.viewmat[:3, 3]

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points [P, 3] in camera coordinates."""
        return points @ self.viewmat[:3, :3].T + self.viewmat[:3, 3]

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Camera points [P, 3], in front of the camera, in pixels [P, 2]."""
        xy = points[..., :2] if self.orthographic else points[..., :2] / points[..., 2:]
        return xy * (self.K[0, 0], self.K[1, 1]) + self.K[:2, 2]


@dataclass(frozen=True)
class Frame:
    """The ball that a metric's images show: its silhouette touches the image's four sides in every direction."""

    center: np.ndarray
    """Unit: length, [3]."""
    radius: float
    """Unit: length."""


def frame_around(*clouds: np.ndarray, margin: float = 0.0) -> Frame:
    """The frame that contains all points [P, 3] of all clouds, and ``margin`` (length) around them.

    Its centre is that of the joint bounding box.
    """
    points = np.concatenate([np.asarray(cloud, np.float64) for cloud in clouds])
    if not len(points) or not np.isfinite(points).all():
        raise InputError(f"frame_around: {len(points)} points, not all finite; expected finite points, at least one")
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = float(np.linalg.norm(points - center, axis=1).max()) + margin
    if radius <= 0:
        raise InputError("frame_around: all points are at one place; expected an extent or a margin")
    return Frame(center, radius)


def fibonacci_directions(count: int) -> np.ndarray:
    """Unit vectors [count, 3] spread evenly over the sphere (González 2010: a golden-angle spiral of equal areas)."""
    k = np.arange(count)
    z = 1 - (2 * k + 1) / count
    angle = k * np.pi * (3 - np.sqrt(5))
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=1)


def orthographic_views(frame: Frame, count: int = 12, size: int = 256) -> list[View]:
    """Square orthographic cameras on a Fibonacci sphere, all looking at the frame's centre."""
    return [_orthographic_view(frame, direction, size) for direction in fibonacci_directions(count)]


def _orthographic_view(frame: Frame, direction: np.ndarray, size: int) -> View:
    forward = -direction
    up = np.eye(3)[np.abs(forward).argmin()]
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    viewmat = np.eye(4)
    viewmat[:3, :3] = rotation
    viewmat[:3, 3] = -rotation @ frame.center + (0, 0, 2 * frame.radius)
    scale = size / (2 * frame.radius)
    K = np.array([[scale, 0, size / 2], [0, scale, size / 2], [0, 0, 1]])
    return View(viewmat, K, size, size, orthographic=True)
