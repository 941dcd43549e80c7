"""Straight lines in a picture, hidden where something is nearer."""

import itertools

import numpy as np

from configs.mpm import GridConfig
from experiments.views import View

NEAR = 1e-3
MOST = 4096
"""Points of one line."""


def grid_box(grid: GridConfig) -> np.ndarray:
    """The twelve edges [12, 2, 3] of the grid's box. Unit: length."""
    corners = np.array(list(itertools.product((0, 1), repeat=3)))
    pairs = [(a, b) for a, b in itertools.combinations(range(8), 2) if np.abs(corners[a] - corners[b]).sum() == 1]
    places = np.array(grid.origin) + corners * (np.array(grid.size) - 1) * grid.spacing
    return places[np.array(pairs)]


def draw_lines(
    image: np.ndarray, depth: np.ndarray, view: View, segments: np.ndarray, color: tuple[float, float, float]
) -> None:
    """Draw segments [S, 2, 3] (world) into ``image`` [H, W, 3], one pixel wide; ``depth`` [H, W] is 0 for nothing."""
    for ends in view.to_camera(segments.reshape(-1, 3)).reshape(-1, 2, 3):
        clipped = _in_front(ends)
        if clipped is None:
            continue
        pixels = view.to_pixels(clipped)
        count = int(np.clip(np.ceil(np.abs(pixels[1] - pixels[0]).max()) + 1, 2, MOST))
        share = np.linspace(0, 1, count)[:, None]
        u, v = np.floor(pixels[0] + share * (pixels[1] - pixels[0])).astype(int).T
        # 1 / z, not z, is linear in the image
        z = 1 / ((1 - share[:, 0]) / clipped[0, 2] + share[:, 0] / clipped[1, 2])
        inside = (u >= 0) & (u < view.width) & (v >= 0) & (v < view.height)
        u, v, z = u[inside], v[inside], z[inside]
        seen = (depth[v, u] == 0) | (z <= depth[v, u])
        image[v[seen], u[seen]] = color


def _in_front(ends: np.ndarray) -> np.ndarray | None:
    """The part of a segment [2, 3] before the camera; None if there is none."""
    z = ends[:, 2]
    if z.max() <= NEAR:
        return None
    if z.min() >= NEAR:
        return ends
    behind = int(z.argmin())
    share = (NEAR - z[behind]) / (z[1 - behind] - z[behind])
    clipped = ends.copy()
    clipped[behind] += share * (ends[1 - behind] - ends[behind])
    return clipped
