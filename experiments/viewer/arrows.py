"""Arrows from some particles, the way down the loss."""

import numpy as np

from experiments.viewer.lines import draw_lines
from experiments.views import View

MOST = 400
"""Arrows, of particles drawn at random, always the same."""
COLOR = (0.05, 0.05, 0.35)
REACH = 5.0
"""Length of the longest, less one in a hundred that are cut, in distances of the particles."""
HEAD = 0.3
"""Length of an arrow's head as a share of it."""


def draw_arrows(image: np.ndarray, view: View, x: np.ndarray, gradient: np.ndarray, spacing: float) -> None:
    """Draw −``gradient`` [N, 3] at ``x`` [N, 3] into ``image`` [H, W, 3], over everything, as long as it is steep."""
    chosen = np.random.default_rng(0).permutation(len(x))[:MOST]
    x, down = x[chosen].astype(np.float64), -gradient[chosen].astype(np.float64)
    steepness = np.linalg.norm(down, axis=1)
    usual = (steepness > 0) & np.isfinite(steepness) & np.isfinite(x).all(axis=1)
    if not usual.any():
        return
    x, down, steepness = x[usual], down[usual], steepness[usual]
    steepest = np.quantile(steepness, 0.99)
    way = down * (REACH * spacing * np.minimum(steepness / steepest, 1) / steepness)[:, None]
    tip = x + way
    across = np.cross(way, view.eye - x)
    across *= np.linalg.norm(way, axis=1, keepdims=True) / np.maximum(
        np.linalg.norm(across, axis=1, keepdims=True), 1e-12
    )
    barbs = [tip - HEAD * way + side * HEAD / 2 * across for side in (1, -1)]
    segments = np.concatenate([np.stack([tip, other], axis=1) for other in (x, *barbs)])
    draw_lines(image, np.zeros(image.shape[:2]), view, segments, COLOR)
