"""Which points of a lattice lie inside a triangle mesh, watertight or not.

The sign is the generalised winding number (Jacobson, Kavan and Sorkine-Hornung 2013). Summing solid angles over all
faces for all points is slow, so the open edges of the mesh are first closed by a cone to one point: the closed mesh has
an integer winding number that rays count exactly, and the solid angles of the few cone faces are taken off again.
"""

import numpy as np

from mpm.coverage import covered_points

WELD = 1e-9
"""Vertices closer than this, in bounding box diagonals, are one."""
ON_SURFACE = 1e-6
"""Points closer than this to a face, in spacings, lie on it."""
_APEX = np.array([0.0123, 0.0077, 0.0231])  # generic, so that no lattice point lies on the cone


def inside_lattice(vertices: np.ndarray, faces: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Which lattice points have a signed distance <= 0 to the mesh: bool, ``shape``.

    All False when no point lies strictly inside, so that a flat sheet has no interior.

    Args:
        vertices: positions [V, 3] in lattice units: the lattice is the integers ``0 <= (i, j, k) < shape``.
        faces: vertex indices [T, 3].
        shape: number of lattice points along x, y, z.
    """
    vertices, faces = weld(vertices, faces)
    winding = np.abs(_winding_numbers(vertices, faces, shape))  # a mesh that is inside out counts too
    surface = _on_surface(vertices[faces], shape)
    inside = (winding >= 0.5) & ~surface  # winding numbers mean nothing on the surface itself
    return inside | surface if inside.any() else inside


def _winding_numbers(vertices, faces, shape):
    triangles, edges = vertices[faces], open_edges(faces)
    if len(edges) > len(faces):  # triangles that hardly touch: the cone would have more faces than the mesh
        return _solid_angle_sum(triangles, shape)
    cone = _cone(vertices, edges)
    closed = _count_crossings(np.concatenate([triangles, cone]), shape)
    return closed - _solid_angle_sum(cone, shape) if len(cone) else closed


def weld(vertices, faces):
    """One index for all vertices at one place, and faces without repeated corners."""
    diagonal = np.linalg.norm(np.ptp(vertices, axis=0))
    keys = np.round(vertices / (WELD * diagonal)).astype(np.int64)
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    faces = index.reshape(-1)[faces]
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return vertices[first], faces[whole]


def open_edges(faces):
    """Directed edges [E, 2] left when each edge cancels its opposite; an edge left twice is listed twice."""
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    forward = edges[:, 0] < edges[:, 1]
    unique, index = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    net = np.bincount(index.reshape(-1), weights=np.where(forward, 1, -1), minlength=len(unique)).astype(np.int64)
    directed = np.where(net[:, None] > 0, unique, unique[:, ::-1])
    return np.repeat(directed, np.abs(net), axis=0)


def _cone(vertices, edges):
    """Faces [E, 3, 3] that close the open edges: their boundary is that of the mesh, reversed."""
    rim = vertices[edges]
    if not len(rim):
        return rim.reshape(0, 3, 3)
    apex = rim.mean(axis=(0, 1)) + _APEX * np.linalg.norm(np.ptp(vertices, axis=0))
    return np.stack([rim[:, 1], rim[:, 0], np.broadcast_to(apex, rim[:, 0].shape)], axis=1)


def _count_crossings(triangles, shape):
    """Winding number of a closed mesh: signed crossings of the ray from each point towards +z."""
    crossings = np.zeros((shape[0], shape[1], shape[2] + 1), dtype=np.int32)
    for hit in covered_points(triangles[:, :, :2], shape[:2]):
        z = (hit.weights * triangles[hit.triangle, :, 2]).sum(axis=1)
        below = np.clip(np.ceil(z), 0, shape[2]).astype(np.int64)  # points k < below see this face above them
        np.add.at(crossings, (hit.i, hit.j, below), hit.sign)
    return np.cumsum(crossings[:, :, ::-1], axis=2)[:, :, -2::-1]


def _solid_angle_sum(triangles, shape):
    """Sum of the signed solid angles of the triangles / 4 pi (Van Oosterom and Strackee 1983), ``shape``."""
    total = np.empty(shape)
    y, z = np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
    for i in range(shape[0]):  # a plane of points at a time: bounds the memory
        plane = np.stack([np.full_like(y, i), y, z]).astype(np.float64)
        total[i] = sum(_solid_angle(*(corner[:, None, None] - plane for corner in triangle)) for triangle in triangles)
    return total / (4 * np.pi)


def _solid_angle(a, b, c):
    """Solid angle of the triangles (a, b, c), each [3, ...], seen from the origin."""
    la, lb, lc = np.sqrt(_dot(a, a)), np.sqrt(_dot(b, b)), np.sqrt(_dot(c, c))
    cross = b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0]
    return 2 * np.arctan2(_dot(a, cross), la * lb * lc + _dot(a, b) * lc + _dot(b, c) * la + _dot(c, a) * lb)


def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _on_surface(triangles, shape):
    """Which lattice points lie on a face: bool, ``shape``."""
    surface = np.zeros(shape, dtype=bool)
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    steepest = np.abs(normal).argmax(axis=1)
    for axis in range(3):
        across = [(axis + 1) % 3, (axis + 2) % 3]
        facing = triangles[steepest == axis]
        for hit in covered_points(_grown(facing[:, :, across]), tuple(shape[a] for a in across)):
            height = (hit.weights * facing[hit.triangle, :, axis]).sum(axis=1)
            level = np.round(height)
            on = (np.abs(height - level) <= ON_SURFACE) & (level >= 0) & (level < shape[axis])
            index = [None, None, None]
            index[axis], index[across[0]], index[across[1]] = level[on].astype(np.int64), hit.i[on], hit.j[on]
            surface[tuple(index)] = True
    return surface


def _grown(triangles):
    """Plane triangles with corners moved off their centre, so that points on their rim are inside."""
    outwards = triangles - triangles.mean(axis=1, keepdims=True)
    return triangles + ON_SURFACE * np.sign(outwards)
