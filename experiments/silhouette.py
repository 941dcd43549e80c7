"""Silhouettes of particles and meshes, and how much two of them differ."""

import numpy as np

from configs.errors import InputError
from experiments.mesh_image import rasterize_mesh
from experiments.views import View

RADIUS = 0.75
"""Radius of a particle's ball in a silhouette, in initial particle spacings."""
_CHUNK = 1 << 20  # pixels of balls' squares looked at together


def particle_silhouettes(x: np.ndarray, radius: float, views: list[View]) -> np.ndarray:
    """Pixels [C, H, W] whose centre lies in the projected ball of a particle; orthographic views only.

    Args:
        x: positions [N, 3]. Unit: length.
        radius: of the balls. Unit: length.

    Raises:
        InputError: positions that are not finite, radius <= 0.
    """
    x = np.asarray(x, np.float64)
    if not np.isfinite(x).all():
        raise InputError(f"silhouette: {(~np.isfinite(x).all(axis=1)).sum()} of {len(x)} positions are not finite")
    if not radius > 0:
        raise InputError(f"silhouette: radius is {radius}; expected a positive length")
    return np.stack([_discs(view.to_pixels(view.to_camera(x)), radius * view.K[0, 0], view) for view in views])


def _discs(centers: np.ndarray, radius: float, view: View) -> np.ndarray:
    mask = np.zeros((view.height, view.width), dtype=bool)
    side = np.arange(int(np.ceil(2 * radius)) + 1)
    step = max(1, _CHUNK // len(side) ** 2)
    for start in range(0, len(centers), step):
        u, v = centers[start : start + step, :, None].transpose(1, 0, 2) - 0.5
        i = np.ceil(np.clip(u - radius, -1e9, 1e9)).astype(np.int64) + side
        j = np.ceil(np.clip(v - radius, -1e9, 1e9)).astype(np.int64) + side
        inside = (i - u)[:, None, :] ** 2 + (j - v)[:, :, None] ** 2 <= radius**2
        inside &= ((i >= 0) & (i < view.width))[:, None, :] & ((j >= 0) & (j < view.height))[:, :, None]
        p, row, column = np.nonzero(inside)
        mask[j[p, row], i[p, column]] = True
    return mask


def mesh_silhouettes(vertices: np.ndarray, faces: np.ndarray, views: list[View]) -> np.ndarray:
    """Pixels [C, H, W] that a mesh covers, exactly."""
    return np.stack([rasterize_mesh(vertices, faces, view)[0] for view in views])


def silhouette_iou(masks: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Intersection over union [C] of masks [C, H, W]; 1 where both are empty."""
    union = (masks | target).sum(axis=(1, 2))
    return np.where(union > 0, (masks & target).sum(axis=(1, 2)) / np.maximum(union, 1), 1.0)


def silhouette_error(masks: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Symmetric difference over the target's area [C] of masks [C, H, W].

    Raises:
        InputError: an empty target: nothing to compare with.
    """
    area = target.sum(axis=(1, 2))
    if not area.all():
        raise InputError(f"silhouette: the target covers no pixel in view {int((area == 0).argmax())}")
    return (masks ^ target).sum(axis=(1, 2)) / area
