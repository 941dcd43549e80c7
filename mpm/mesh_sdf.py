"""The signed distance to a triangle mesh, sampled on a lattice.

The sign is that of the generalised winding number, exact whatever the mesh (mpm.interior). The distance is exact within
``BAND`` pitches of the faces. Beyond, each point takes the nearest of the surface points that its neighbours found, in
jumps of halving length (jump flooding; Rong and Tan 2006): off by a fraction of the pitch where it matters least.
"""

from typing import NamedTuple

import numpy as np

from mpm.interior import inside_lattice
from mpm.mesh import bounding_box

BAND = 2.0
"""Width on each side of the surface in which every face is tried. Unit: pitches."""
CHUNK = 1 << 20  # (face, point) pairs examined at a time: bounds the memory, not the result


class SampledDistance(NamedTuple):
    """A signed distance and its gradient on a lattice of nx × ny × nz points."""

    samples: np.ndarray
    """Distance (negative inside) and its gradient, [nx, ny, nz, 4]. Units: length; none."""
    origin: np.ndarray
    """Position of point (0, 0, 0), [3]. Unit: length."""
    pitch: float
    """Distance of neighbouring points. Unit: length."""


def sample_distance(vertices: np.ndarray, faces: np.ndarray, resolution: int, reach: float = 0.0) -> SampledDistance:
    """Signed distance to a mesh on a lattice around it.

    Args:
        vertices: positions [V, 3]. Unit: length.
        faces: vertex indices [T, 3].
        resolution: lattice intervals along the longest side of the bounding box.
        reach: how far outside the bounding box the lattice must go, beside two pitches. Unit: length.
    """
    low, high = bounding_box(vertices)
    pitch = float((high - low).max()) / resolution
    border = int(np.ceil(reach / pitch)) + 2
    cells = np.ceil((high - low) / pitch).astype(int) + 2 * border
    shape = (int(cells[0]) + 1, int(cells[1]) + 1, int(cells[2]) + 1)
    origin = low - border * pitch
    points = (vertices - origin) / pitch
    nearest = _flood(_nearest_in_band(points[faces], shape))
    distance = np.linalg.norm(nearest - np.moveaxis(np.indices(shape), 0, -1), axis=-1)
    distance = np.where(inside_lattice(points, faces, shape), -distance, distance)
    gradient = np.stack(np.gradient(distance), axis=-1)
    return SampledDistance(np.concatenate([pitch * distance[..., None], gradient], axis=-1), origin, pitch)


def _nearest_in_band(triangles, shape):
    """The nearest point of the faces for lattice points close to one, infinity for the others: [nx, ny, nz, 3]."""
    nearest = np.full((np.prod(shape), 3), np.inf)
    best = np.full(np.prod(shape), np.inf)
    low = np.maximum(np.ceil(triangles.min(axis=1) - BAND), 0).astype(np.int64)
    high = np.minimum(np.floor(triangles.max(axis=1) + BAND), np.array(shape) - 1).astype(np.int64)
    extent = np.maximum(high - low + 1, 0)
    last = np.cumsum(extent.prod(axis=1))
    start = 0
    while start < len(triangles):
        done = last[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(last, done + CHUNK, side="right")))
        face, points = _lattice_points(low[start:stop], extent[start:stop])
        found = closest_points(points.astype(float), triangles[start:stop][face])
        distance = ((found - points) ** 2).sum(axis=1)
        order = np.lexsort((distance, node := np.ravel_multi_index(tuple(points.T), shape)))
        node, first = np.unique(node[order], return_index=True)
        found, distance = found[order][first], distance[order][first]
        closer = distance < best[node]
        best[node[closer]], nearest[node[closer]] = distance[closer], found[closer]
        start = stop
    nearest[best > BAND**2] = np.inf  # a corner of a face's box may be nearer to a face whose box ends before it
    return nearest.reshape(*shape, 3)


def _lattice_points(low, extent):
    """All points [P, 3] of boxes that begin at ``low`` [T, 3], and the box of each, [P]."""
    counts = extent.prod(axis=1)
    box = np.repeat(np.arange(len(low)), counts)
    rank = np.arange(len(box)) - np.repeat(np.cumsum(counts) - counts, counts)
    j, k = extent[box, 1], extent[box, 2]
    return box, low[box] + np.stack([rank // (j * k), rank // k % j, rank % k], axis=1)


def closest_points(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """The point of triangle p [P, 3, 3] that is closest to point p [P, 3]: its foot, or on an edge."""
    edges = np.roll(triangles, -1, axis=1) - triangles
    along = ((points[:, None] - triangles) * edges).sum(axis=2)
    length = (edges**2).sum(axis=2)
    t = np.clip(np.divide(along, length, out=np.zeros_like(along), where=length > 0), 0, 1)
    on_edges = triangles + t[..., None] * edges
    choice = ((on_edges - points[:, None]) ** 2).sum(axis=2).argmin(axis=1)
    closest = on_edges[np.arange(len(points)), choice]
    normal = np.cross(edges[:, 0], edges[:, 1])
    area = (normal**2).sum(axis=1)
    sides = (np.cross(edges, points[:, None] - triangles) * normal[:, None]).sum(axis=2)
    above = (area > 0) & (sides >= 0).all(axis=1)
    height = ((points - triangles[:, 0]) * normal).sum(axis=1)
    foot = points - np.divide(height, area, out=np.zeros_like(height), where=area > 0)[:, None] * normal
    return np.where(above[:, None], foot, closest)


def _flood(nearest):
    """``nearest`` with the infinite entries filled."""
    points = np.moveaxis(np.indices(nearest.shape[:3]), 0, -1).astype(float)
    fixed = np.isfinite(nearest[..., 0])
    best = np.where(fixed, 0.0, np.inf)  # those in the band are exact already
    step = 1 << (max(nearest.shape[:3]) - 1).bit_length()
    while step > 1:
        step //= 2
        for axis in range(3):
            for shift in (step, -step):
                _take_from_neighbour(nearest, best, points, axis, shift)
    return nearest


def _take_from_neighbour(nearest, best, points, axis, shift):
    to, source = [slice(None)] * 3, [slice(None)] * 3
    to[axis], source[axis] = (
        (slice(shift, None), slice(None, -shift)) if shift > 0 else (slice(None, shift), slice(-shift, None))
    )
    if not min(nearest[tuple(to)].shape):
        return
    offer = nearest[tuple(source)]
    with np.errstate(invalid="ignore"):
        distance = ((offer - points[tuple(to)]) ** 2).sum(axis=-1)
    closer = distance < best[tuple(to)]
    best[tuple(to)] = np.where(closer, distance, best[tuple(to)])
    nearest[tuple(to)] = np.where(closer[..., None], offer, nearest[tuple(to)])
