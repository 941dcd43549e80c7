"""Which points of the integer lattice lie in which triangles of the plane.

The common core of two exact scans: rays through columns of a particle lattice, and the rasterisation of a mesh.
Neighbouring triangles share no point and leave none out, also where points fall on edges and corners.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

CHUNK = 1 << 20  # (triangle, point) pairs examined at a time: bounds the memory, not the result


class Covered(NamedTuple):
    """Pairs of a triangle and a lattice point inside it; ``P`` pairs."""

    triangle: np.ndarray
    """Index of the triangle, [P]."""
    i: np.ndarray
    """First coordinate of the point, [P]."""
    j: np.ndarray
    """Second coordinate of the point, [P]."""
    weights: np.ndarray
    """Barycentric coordinates of the point in the triangle, [P, 3]."""
    sign: np.ndarray
    """+1 for a counter-clockwise triangle, -1 for a clockwise one, [P]."""


def covered_points(triangles: np.ndarray, shape: tuple[int, int]) -> Iterator[Covered]:
    """Yield, in chunks, all pairs of a triangle and a point (i, j), ``0 <= (i, j) < shape``, inside it.

    Args:
        triangles: corners [T, 3, 2] in lattice units, finite.
        shape: extent of the lattice.
    """
    low, extent = _boxes(triangles, shape)
    counts = extent.prod(axis=1)
    (candidates,) = np.nonzero(counts)
    last = np.cumsum(counts[candidates])
    start = 0
    while start < len(candidates):
        done = last[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(last, done + CHUNK, side="right")))
        yield _covered(triangles, low, extent, counts, candidates[start:stop])
        start = stop


def _boxes(triangles, shape):
    """First lattice point and number of lattice points, along i and j, of each triangle's bounding box."""
    limit = np.asarray(shape, dtype=np.float64)
    low = np.ceil(np.clip(triangles.min(axis=1), 0, limit)).astype(np.int64)
    high = np.floor(np.clip(triangles.max(axis=1), -1, limit - 1)).astype(np.int64)
    return low, np.maximum(high - low + 1, 0)


def _covered(triangles, low, extent, counts, chosen) -> Covered:
    triangle = np.repeat(chosen, counts[chosen])
    first = np.cumsum(counts[chosen]) - counts[chosen]
    rank = np.arange(len(triangle)) - np.repeat(first, counts[chosen])
    i = low[triangle, 0] + rank // extent[triangle, 1]
    j = low[triangle, 1] + rank % extent[triangle, 1]
    corners = triangles[triangle]
    value = np.empty((len(triangle), 3))
    side = np.empty((len(triangle), 3), dtype=np.int8)
    for k in range(3):
        value[:, k], side[:, k] = _edge(corners[:, (k + 1) % 3], corners[:, (k + 2) % 3], i, j)
    inside = (side[:, 0] == side[:, 1]) & (side[:, 1] == side[:, 2]) & (side[:, 0] != 0)
    value, total = value[inside], value[inside].sum(axis=1, keepdims=True)
    weights = np.divide(value, total, out=np.full_like(value, 1 / 3), where=total != 0)
    return Covered(triangle[inside], i[inside], j[inside], weights, side[inside, 0])


def _edge(a, b, i, j):
    """Twice the signed area of (a, b, point), and its sign with ties broken.

    Two triangles see a shared edge in opposite directions: evaluating it always from the smaller corner makes both
    get the same number. A point on the edge counts as moved by (e, e^2), e infinitesimal (simulation of simplicity,
    Edelsbrunner and Muecke 1990).
    """
    swap = (b[:, 0] < a[:, 0]) | ((b[:, 0] == a[:, 0]) & (b[:, 1] < a[:, 1]))
    a, b = np.where(swap[:, None], b, a), np.where(swap[:, None], a, b)
    dx, dy = b[:, 0] - a[:, 0], b[:, 1] - a[:, 1]
    value = dx * (j - a[:, 1]) - dy * (i - a[:, 0])
    tie = np.where(dy != 0, -np.sign(dy), np.sign(dx))
    flip = np.where(swap, -1, 1)
    return value * flip, np.where(value != 0, np.sign(value), tie) * flip
