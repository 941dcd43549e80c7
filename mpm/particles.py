"""Particles that fill a mesh: nodes of a lattice inside it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from configs.errors import InputError
from mpm.interior import inside_lattice, open_edges, weld
from mpm.mesh import bounding_box, check_mesh

MAX_NODES = 200_000_000  # about 3 GB while the interior is found

Array = TypeVar("Array")


@dataclass
class Particles(Generic[Array]):
    """Material points of one kind of array: NumPy here, torch tensors from ``bridge.load_points``."""

    x: Array
    """Positions [N, 3]. Unit: length."""
    mass: Array
    """Masses [N]. Unit: mass."""
    volume: Array
    """Rest volumes [N]. Unit: length³."""


def fill_mesh(vertices: np.ndarray, faces: np.ndarray, pitch: float, jitter: float = 0.0, seed: int = 0) -> np.ndarray:
    """Lattice points inside a mesh: float64 [N, 3], sorted by x, then y, then z.

    The lattice starts at the smallest corner of the mesh's bounding box. A point is inside where the signed distance
    is <= 0 (points on the surface included), with the sign of the generalised winding number: holes do no harm.

    Args:
        vertices: positions [V, 3]. Unit: length.
        faces: vertex indices [T, 3].
        pitch: distance between neighbouring lattice points. Unit: length.
        jitter: each coordinate of each point is moved by a uniform random offset of up to ± half of this, after the
            interior was found. Unit: pitches, 0 to 1.
        seed: of the jitter.

    Raises:
        InputError: empty mesh, non-finite vertices, no interior at this pitch, pitch or jitter out of range.
    """
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    check_mesh(vertices, faces, "fill_mesh")
    if not (np.isfinite(pitch) and pitch > 0):
        raise InputError(f"fill_mesh: pitch is {pitch}; expected a positive length")
    if not 0 <= jitter <= 1:
        raise InputError(f"fill_mesh: jitter is {jitter}; expected 0 to 1 (particle spacings)")
    low, high = bounding_box(vertices)
    count = np.ceil((high - low) / pitch) + 1
    if count.prod() > MAX_NODES:
        raise InputError(
            f"fill_mesh: pitch {pitch:g} gives {count.prod():.3g} lattice points in the bounding box "
            f"{_text(high - low)}; expected at most {MAX_NODES:.0e}: a larger pitch or a smaller mesh"
        )
    inside = inside_lattice((vertices - low) / pitch, faces, (int(count[0]), int(count[1]), int(count[2])))
    if not inside.any():
        raise InputError(
            f"fill_mesh: no point of a lattice of pitch {pitch:g} lies inside the mesh (bounding box "
            f"{_text(high - low)}); expected a closed surface wider than the pitch"
        )
    points = low + np.argwhere(inside) * pitch
    if jitter:
        points += np.random.default_rng(seed).uniform(-0.5, 0.5, points.shape) * (jitter * pitch)
    return points


def mesh_volume(vertices: np.ndarray, faces: np.ndarray, resolution: int = 64) -> float:
    """Volume enclosed by a mesh: exact if it is watertight, else that of lattice cells with their centre inside.

    Args:
        vertices: positions [V, 3]. Unit: length.
        faces: vertex indices [T, 3].
        resolution: lattice points along the longest side of the bounding box.

    Raises:
        InputError: empty mesh, non-finite vertices, no interior.
    """
    return _volume_and_centroid(vertices, faces, resolution, "mesh_volume")[0]


def mesh_centroid(vertices: np.ndarray, faces: np.ndarray, resolution: int = 64) -> np.ndarray:
    """Centre of mass [3] of what a mesh encloses; arguments and errors as of ``mesh_volume``. Unit: length."""
    return _volume_and_centroid(vertices, faces, resolution, "mesh_centroid")[1]


def _volume_and_centroid(vertices, faces, resolution: int, owner: str) -> tuple[float, np.ndarray]:
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
    check_mesh(vertices, faces, owner)
    low, high = bounding_box(vertices)
    pitch = float((high - low).max()) / resolution
    if pitch > 0:
        vertices, faces = weld((vertices - low) / pitch - 0.5, faces)
        if len(open_edges(faces)):
            cells = [int(n) for n in np.ceil((high - low) / pitch)]
            inside = np.argwhere(inside_lattice(vertices, faces, (cells[0], cells[1], cells[2])))
            volume, moment = float(len(inside)), inside.sum(axis=0)
        else:
            a, b, c = vertices[faces].transpose(1, 0, 2)
            parts = (a * np.cross(b, c)).sum(axis=1) / 6  # signed volumes of tetrahedra with the origin
            volume, moment = float(parts.sum()), parts @ (a + b + c) / 4
        if abs(volume) > 1e-9:
            return abs(volume) * pitch**3, low + (moment / volume + 0.5) * pitch
    raise InputError(f"{owner}: the mesh (bounding box {_text(high - low)}) encloses no volume")


def _text(size: np.ndarray) -> str:
    return " x ".join(f"{side:.4g}" for side in size)
