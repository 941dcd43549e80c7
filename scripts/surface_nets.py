"""A triangle mesh of a function's zero level set: naive surface nets (Gibson 1998), vertices put on the surface."""

from collections.abc import Callable

import numpy as np

Field = Callable[[np.ndarray], np.ndarray]
"""Signed distance, negative inside, of points [N, 3]: [N]."""


def surface_nets(field: Field, low, high, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Closed, outward oriented mesh of ``field == 0`` in the box from ``low`` to ``high``.

    One vertex in each cell that the surface crosses, one quad (two triangles) around each grid edge that it crosses.

    Returns:
        vertices [V, 3], faces [T, 3].
    """
    low = np.asarray(low, float)
    shape = np.ceil((np.asarray(high, float) - low) / cell).astype(int) + 1
    nodes = low + cell * np.moveaxis(np.indices(shape), 0, -1)
    values = field(nodes.reshape(-1, 3)).reshape(shape)
    vertex, vertices = _vertices(values, low, cell)
    faces = _triangles(_quads(values < 0, vertex), vertices)
    return _relax(field, vertices, faces, cell), faces


def _vertices(values: np.ndarray, low: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Index of each cell's vertex (-1 for none), and the mean of the crossings of the cell's 12 edges."""
    total = np.zeros((*np.subtract(values.shape, 1), 3))
    count = np.zeros(total.shape[:3])
    for axis in range(3):
        a, b = _ends(values, axis)
        crossed = (a < 0) != (b < 0)
        position = np.moveaxis(np.indices(a.shape), 0, -1).astype(float)
        position[..., axis] += np.where(crossed, a / np.where(crossed, a - b, 1), 0)
        for side in np.ndindex(2, 2):
            part = _edges_of_cells(axis, side, total.shape)
            total += np.where(crossed[..., None], position, 0)[part]
            count += crossed[part]
    crossed_cells = count > 0
    vertex = np.full(count.shape, -1)
    vertex[crossed_cells] = np.arange(crossed_cells.sum())
    return vertex, low + cell * total[crossed_cells] / count[crossed_cells, None]


def _ends(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Values at the two ends of every grid edge along an axis."""
    along = np.moveaxis(values, axis, 0)
    return np.moveaxis(along[:-1], 0, axis), np.moveaxis(along[1:], 0, axis)


def _edges_of_cells(axis: int, side: tuple[int, ...], cells: tuple[int, ...]) -> tuple[slice, ...]:
    """Of the grid edges along an axis, the one of each cell that lies on the given side along the other two axes."""
    offset = list(side)
    offset.insert(axis, 0)
    return tuple(slice(o, o + n) for o, n in zip(offset, cells, strict=False))


def _quads(inside: np.ndarray, vertex: np.ndarray) -> np.ndarray:
    """Vertices of the four cells around each crossed edge, counter-clockwise seen from outside."""
    quads = []
    for axis in range(3):
        a, b = _ends(inside, axis)
        edges = np.argwhere(a != b)
        u, v = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
        around = [edges - u - v, edges - v, edges, edges - u]
        quad = np.stack([vertex[tuple(cells.T)] for cells in around], axis=1)
        leaves = a[tuple(edges.T)]  # the edge leaves the solid, so its direction is outwards
        quads.append(np.where(leaves[:, None], quad, quad[:, ::-1]))
    return np.concatenate(quads)


def _triangles(quads: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Each quad cut along its shorter diagonal."""
    p = vertices[quads]
    first = np.linalg.norm(p[:, 0] - p[:, 2], axis=1) <= np.linalg.norm(p[:, 1] - p[:, 3], axis=1) + 1e-6
    cut = np.where(first[:, None], quads, np.roll(quads, -1, axis=1))
    return np.concatenate([cut[:, [0, 1, 2]], cut[:, [0, 2, 3]]])


def _relax(field: Field, vertices: np.ndarray, faces: np.ndarray, cell: float) -> np.ndarray:
    """Even out the triangles: move towards the neighbours' mean, then back to the surface."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    degree = np.bincount(edges[:, 0], minlength=len(vertices))[:, None]
    for _ in range(4):
        mean = np.zeros_like(vertices)
        np.add.at(mean, edges[:, 0], vertices[edges[:, 1]])
        vertices = _project(field, 0.5 * (vertices + mean / degree), cell)
    return vertices


def _project(field: Field, points: np.ndarray, cell: float) -> np.ndarray:
    """Newton steps along the gradient to ``field == 0``, none longer than half a cell."""
    step = 1e-4 * cell
    for _ in range(3):
        gradient = np.stack([field(points + e) - field(points - e) for e in step * np.eye(3)], axis=1) / (2 * step)
        move = -field(points)[:, None] * gradient / np.maximum((gradient**2).sum(axis=1, keepdims=True), 1e-3)
        length = np.linalg.norm(move, axis=1, keepdims=True)
        points = points + move * np.minimum(1, 0.5 * cell / np.maximum(length, 1e-12))
    return points
