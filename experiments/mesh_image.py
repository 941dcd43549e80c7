"""Exact pictures of a triangle mesh, sampled at pixel centres: coverage and depth, without a rasterizer's blur."""

import numpy as np

from experiments.views import View
from mpm.coverage import covered_points


def rasterize_mesh(
    vertices: np.ndarray, faces: np.ndarray, view: View, near: float = 1e-3
) -> tuple[np.ndarray, np.ndarray]:
    """What a mesh covers, and how far it is.

    Args:
        vertices: positions [V, 3]. Unit: length.
        faces: vertex indices [T, 3]; either side is seen.
        view: perspective or orthographic camera.
        near: what is nearer along the camera's axis is cut off. Unit: length.

    Returns:
        mask [H, W] bool: a face lies on the ray through the pixel's centre.
        depth [H, W]: the nearest such face's distance along the camera's axis, 0 where there is none. Unit: length.
    """
    triangles = _clip(view.to_camera(np.asarray(vertices, np.float64))[faces], near)
    depth = np.full((view.height, view.width), np.inf)
    pixels = view.to_pixels(triangles) - 0.5  # pixel (i, j) has its centre at the lattice point (i, j)
    z = triangles[:, :, 2]
    for hit in covered_points(pixels, (view.width, view.height)):
        if view.orthographic:
            at = (hit.weights * z[hit.triangle]).sum(axis=1)
        else:  # 1 / z is linear in the image
            at = 1 / (hit.weights / z[hit.triangle]).sum(axis=1)
        np.minimum.at(depth, (hit.j, hit.i), at)
    mask = np.isfinite(depth)
    return mask, np.where(mask, depth, 0.0)


def _clip(triangles: np.ndarray, near: float) -> np.ndarray:
    """The parts of triangles [T, 3, 3] beyond z = near: a corner cut off leaves two, two corners cut off one."""
    kept = (triangles[:, :, 2] >= near).sum(axis=1)
    parts = [triangles[kept == 3]]
    for corners in (1, 2):
        crossing = triangles[kept == corners]
        # turn each triangle so that its odd corner comes first
        odd = ((crossing[:, :, 2] >= near) == (corners == 1)).argmax(axis=1)
        turns = (odd[:, None] + np.arange(3)) % 3
        a, b, c = (crossing[np.arange(len(crossing)), turns[:, k]] for k in range(3))
        ab, ac = _cut(a, b, near), _cut(a, c, near)
        parts += [np.stack([a, ab, ac], axis=1)] if corners == 1 else _quad(ab, b, c, ac)
    return np.concatenate(parts)


def _quad(a, b, c, d):
    return [np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)]


def _cut(a, b, near):
    """Where the segments from a to b meet z = near."""
    t = ((near - a[:, 2]) / (b[:, 2] - a[:, 2]))[:, None]
    return a + t * (b - a)
