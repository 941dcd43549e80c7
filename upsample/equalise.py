"""Points on a surface pushed apart in its tangent planes until they are evenly spread; detached from every gradient.

A point moves away from its k nearest neighbours q that face the same way,

    Δp = s h (I − n nᵀ) Σ w (p − q) / |p − q|  /  Σ w,   w = (1 − |p − q|² / R²)²₊ (n·n_q)₊,

with h the mean distance to them and R a multiple of it. The step s shrinks from turn to turn (annealing), and after
each turn the points return to the surface. Where the spread is even the pushes cancel. (The repulsion of Lipman et al.
2007, "Parameterization-free projection for geometry reconstruction", with a kernel of finite reach.)
"""

import numpy as np
import taichi as ti

from configs.upsample import EqualizeConfig
from kernels.arrays import copy, real_array
from kernels.launch import prepared
from kernels.linalg import load_vec3, store_vec3
from kernels.neighbours import NeighbourTree
from upsample.isosurface import Isosurface

SEARCH_EVERY = 2
"""Turns between searches: in one turn hardly a neighbour changes."""


def equalise(
    surface: Isosurface, points: ti.Ndarray, normals: ti.Ndarray, movable: ti.Ndarray, m: int, how: EqualizeConfig
) -> None:
    """Spread the first ``m`` points (in the surface's frame), which have unit normals; only movable ones (≠ 0) move."""
    k = min(how.k + 1, m)  # a point is its own nearest neighbour
    pushed, step, neighbours = real_array(m, 3), how.step, None
    for turn in range(how.iters if k > 1 else 0):
        if turn % SEARCH_EVERY == 0:
            neighbours, _ = NeighbourTree(points, m).nearest(points, m, k, neighbours)
        _push(m, k, step, how.radius_mul, movable, points, normals, neighbours, pushed)
        copy(pushed, points)
        if how.use_mls_projection:
            surface.project(points, m, normals, movable, moves=how.mls_iters, share=how.mls_step)
        step *= how.annealing


def measure_areas(points: ti.Ndarray, normals: ti.Ndarray, m: int, k: int) -> np.ndarray:
    """Surface area that each point stands for, [m]: one over the density of its k neighbours."""
    k = min(k + 1, m)
    neighbours, distances = NeighbourTree(points, m).nearest(points, m, k)
    result = real_array(m)
    _areas(m, k, normals, neighbours, distances, result)
    return result.to_numpy()[:m].astype(np.float64)


def smooth_normals(points: ti.Ndarray, normals: ti.Ndarray, m: int, k: int) -> None:
    """Each normal becomes the mean over the k neighbours that face the same way, the nearer the heavier."""
    k = min(k + 1, m)
    neighbours, distances = NeighbourTree(points, m).nearest(points, m, k)
    smooth = real_array(m, 3)
    _smooth(m, k, normals, neighbours, distances, smooth)
    copy(smooth, normals)


@prepared
@ti.kernel
def _push(
    m: ti.i32,
    k: ti.i32,
    step: float,
    radius_mul: float,
    movable: ti.types.ndarray(),
    points: ti.types.ndarray(),
    normals: ti.types.ndarray(),
    neighbours: ti.types.ndarray(),
    pushed: ti.types.ndarray(),
):
    for j in range(m):
        at, n, mean = load_vec3(points, j), load_vec3(normals, j), 0.0
        for slot in range(j * k, (j + 1) * k):
            mean += (at - load_vec3(points, neighbours[slot])).norm() / (k - 1)
        reach = ti.max(radius_mul * mean, 1e-12)
        push, total = at * 0.0, 0.0
        for slot in range(j * k, (j + 1) * k):
            other = neighbours[slot]
            apart = at - load_vec3(points, other)
            d = apart.norm()
            if other != j and d < reach:
                t = 1.0 - d * d / (reach * reach)
                w = t * t * ti.max(n.dot(load_vec3(normals, other)), 0.0)
                total += w
                if d > 0.0:
                    push += w * apart / d
                else:
                    push += w * _aside(n, j < other)
        if movable[j] != 0 and total > 0.0:
            push -= push.dot(n) * n
            at += step * mean / total * push
        store_vec3(pushed, j, at)


@ti.func
def _aside(n, first):
    """A tangent for two points in one place: opposite ones for the two."""
    axis = ti.Vector([1.0, 0.0, 0.0])
    if ti.abs(n[0]) > 0.6:
        axis = ti.Vector([0.0, 1.0, 0.0])
    return ti.select(first, 1.0, -1.0) * n.cross(axis).normalized()


@ti.func
def _alike(normals: ti.template(), n, other, distance, reach):
    """(1 − d²/R²)² (n · n')₊."""
    t = 1.0 - (distance / ti.max(reach, 1e-12)) ** 2
    return t * t * ti.max(n.dot(load_vec3(normals, other)), 0.0)


@prepared
@ti.kernel
def _areas(
    m: ti.i32,
    k: ti.i32,
    normals: ti.types.ndarray(),
    neighbours: ti.types.ndarray(),
    distances: ti.types.ndarray(),
    result: ti.types.ndarray(),
):
    """Even points, one per area a of a plane, have Σ (1 − d²/R²)² = π R² / 3a."""
    for j in range(m):
        n, reach, density = load_vec3(normals, j), distances[(j + 1) * k - 1], 0.0
        for slot in range(j * k, (j + 1) * k):
            density += _alike(normals, n, neighbours[slot], distances[slot], reach)
        result[j] = np.pi / 3 * reach * reach / ti.max(density, 1.0)


@prepared
@ti.kernel
def _smooth(
    m: ti.i32,
    k: ti.i32,
    normals: ti.types.ndarray(),
    neighbours: ti.types.ndarray(),
    distances: ti.types.ndarray(),
    smooth: ti.types.ndarray(),
):
    for j in range(m):
        n, reach = load_vec3(normals, j), distances[(j + 1) * k - 1]
        total = n
        for slot in range(j * k, (j + 1) * k):
            total += _alike(normals, n, neighbours[slot], distances[slot], reach) * load_vec3(normals, neighbours[slot])
        if total.norm() > 1e-6:
            total = total.normalized()
        store_vec3(smooth, j, total)
