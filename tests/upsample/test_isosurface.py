"""The level set of the particles' density, and points moved onto it, against every particle."""

import numpy as np

from kernels.arrays import from_numpy, real_array
from upsample.isosurface import NORMALISED, SUPPORT, Isosurface

SPACING = 0.5
RADIUS = SUPPORT * SPACING


def density(y, x):
    """ρ [M] and its gradient [M, 3]."""
    d = (x - y[:, None]) / RADIUS
    t = np.maximum(1 - (d**2).sum(axis=2), 0)
    share = NORMALISED * (SPACING / RADIUS) ** 3
    return share * (t**2).sum(axis=1), 4 * share / RADIUS * (t[:, :, None] * d).sum(axis=1)


def block():
    x = np.stack(np.meshgrid(*[np.arange(7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * SPACING
    rng = np.random.default_rng(0)
    return x + 0.05 * rng.normal(size=x.shape) + [100, -20, 7], rng


def surface_of(x):
    return Isosurface(x, np.full(len(x), SPACING**3), SPACING)


def test_points_reach_a_density_of_one_half():
    x, rng = block()
    near = x[(np.abs(x - x.mean(axis=0)).max(axis=1) > 1.3)]
    points, normals = surface_of(x).project_from(near + 0.1 * rng.normal(size=near.shape))
    rho, gradient = density(points, x)
    assert np.abs(rho - 0.5).max() < 1e-3
    outwards = -gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    np.testing.assert_allclose(normals, outwards, rtol=0, atol=1e-6)


def test_one_newton_step_is_that_of_the_twin():
    x, rng = block()
    y = x[rng.integers(0, len(x), 200)] + 0.6 * rng.normal(size=(200, 3))  # inside, at the surface, out of the grid
    y = np.concatenate([y, x.mean(axis=0) + 50 * rng.normal(size=(20, 3))])
    level, m, movable = surface_of(x), len(y), rng.integers(0, 2, 220)
    points, normals = level.enter(y), real_array(len(y), 3)
    level.project(points, m, normals, from_numpy(movable), moves=1, share=0.7)
    rho, gradient = density(y, x)
    slope = np.linalg.norm(gradient, axis=1)
    moved = movable.astype(bool) & (slope * RADIUS > 1e-6)
    step = 0.7 * np.clip((rho - 0.5) / np.maximum(slope, 1e-12), -0.3 * SPACING, 0.3 * SPACING)
    wanted = y - np.where(moved, step / np.maximum(slope, 1e-12), 0)[:, None] * gradient
    np.testing.assert_allclose(level.leave(points, m), wanted, rtol=0, atol=1e-10)
    assert 50 < moved.sum() < 150
