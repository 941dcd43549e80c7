"""Cameras in NumPy: where to look from, and pinhole intrinsics.

A camera is a world-to-camera matrix ``viewmat`` [4, 4] for column vectors, with OpenCV's axes (x right, y down,
z forward), and an intrinsic matrix ``K`` [3, 3] in pixels, the first pixel's centre at (0.5, 0.5).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from configs.cameras import CamerasConfig
from configs.errors import InputError

GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))


def look_at(eye: ArrayLike, target: ArrayLike = (0, 0, 0), up: ArrayLike = (0, 1, 0)) -> NDArray[np.float64]:
    """``viewmat`` [4, 4] of a camera at ``eye`` that sees ``target`` in its middle and ``up`` pointing up.

    Raises:
        InputError: ``eye`` is ``target``, or ``up`` points along the view.
    """
    eye, target = np.asarray(eye, np.float64), np.asarray(target, np.float64)
    forward = _unit(target - eye, f"look_at: eye and target are both {eye.tolist()}; expected two points")
    sideways = np.cross(forward, np.asarray(up, np.float64))
    right = _unit(sideways, f"look_at: up {list(np.asarray(up))} points along the view; expected another direction")
    rotation = np.stack([right, np.cross(forward, right), forward])
    viewmat = np.eye(4)
    viewmat[:3, :3] = rotation
    viewmat[:3, 3] = -rotation @ eye
    return viewmat


def orbit(
    count: int,
    radius: float,
    elevation: float = 20.0,
    azimuth: float = 0.0,
    target: ArrayLike = (0, 0, 0),
    up: ArrayLike = (0, 1, 0),
) -> NDArray[np.float64]:
    """``viewmats`` [count, 4, 4] at equal angles on a circle around ``up``, counter-clockwise seen from above.

    Args:
        radius: distance from ``target``. Unit: length.
        elevation: angle above the plane through ``target``. Unit: degree.
        azimuth: angle of the first camera, from +z (from +x if ``up`` is along z). Unit: degree.
    """
    angles = np.deg2rad(azimuth) + 2.0 * np.pi * np.arange(count) / max(count, 1)
    height = np.full(count, np.sin(np.deg2rad(elevation)))
    return _around(_directions(height, angles, up), radius, target, up)


def fibonacci_sphere(
    count: int, radius: float, target: ArrayLike = (0, 0, 0), up: ArrayLike = (0, 1, 0)
) -> NDArray[np.float64]:
    """``viewmats`` [count, 4, 4] spread evenly over a sphere around ``target``, on a Fibonacci spiral along ``up``."""
    index = np.arange(count)
    return _around(_directions(1.0 - (2.0 * index + 1.0) / max(count, 1), GOLDEN_ANGLE * index, up), radius, target, up)


def intrinsics(width: int, height: int, fov: float) -> NDArray[np.float64]:
    """``K`` [3, 3] of square pixels with the principal point in the middle.

    Args:
        fov: vertical field of view. Unit: degree.
    """
    if not 0 < fov < 180:
        raise InputError(f"intrinsics: fov is {fov}; expected an angle between 0 and 180 degrees")
    focal = 0.5 * height / np.tan(0.5 * np.deg2rad(fov))
    return np.array([[focal, 0.0, 0.5 * width], [0.0, focal, 0.5 * height], [0.0, 0.0, 1.0]])


def from_config(cameras: CamerasConfig, width: int, height: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``viewmats`` [C, 4, 4] and ``Ks`` [C, 3, 3] of all cameras of a configuration, in its order."""
    viewmats: list[NDArray[np.float64]] = []
    fovs: list[float] = []
    if cameras.orbit:
        o = cameras.orbit
        viewmats.extend(orbit(o.count, o.radius, o.elevation, o.azimuth, o.target, o.up))
        fovs += [o.fov] * o.count
    if cameras.fibonacci:
        f = cameras.fibonacci
        viewmats.extend(fibonacci_sphere(f.count, f.radius, f.target, f.up))
        fovs += [f.fov] * f.count
    for view in cameras.views:
        viewmats.append(look_at(view.eye, view.target, view.up))
        fovs.append(view.fov)
    return np.stack(viewmats), np.stack([intrinsics(width, height, fov) for fov in fovs])


def _directions(height, angles, up) -> NDArray[np.float64]:
    """Unit vectors at ``height`` along ``up`` and ``angles`` around it."""
    axis = _unit(np.asarray(up, np.float64), f"cameras: up is {list(np.asarray(up))}; expected a direction")
    reference = np.array([1.0, 0.0, 0.0] if abs(axis[2]) > 0.9 else [0.0, 0.0, 1.0])
    first = _unit(reference - axis * axis.dot(reference), "")
    second = np.cross(axis, first)
    planar = np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second
    return height[:, None] * axis + np.sqrt(1.0 - height**2)[:, None] * planar


def _around(directions, radius, target, up) -> NDArray[np.float64]:
    if len(directions) == 0 or not radius > 0:
        raise InputError(f"cameras: {len(directions)} cameras at radius {radius}; expected at least 1 and a length")
    centre = np.asarray(target, np.float64)
    return np.stack([look_at(centre + radius * direction, centre, up) for direction in directions])


def _unit(vector, complaint: str) -> NDArray[np.float64]:
    length = np.linalg.norm(vector)
    if not length > 1e-9:
        raise InputError(complaint)
    return vector / length
