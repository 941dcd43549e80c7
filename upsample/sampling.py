"""Any number of points on the surface of a body of particles, evenly, each tied to the particles around it.

The surface is the level set of isosurface.py. Surface particles, moved onto it, are the parents: each gets a share of
the children that goes with the area it stands for, so that a stretched region gets more of them, and they are laid out
around it in the tangent plane like the seeds of a sunflower (Vogel 1979), a disc of that area at an even density.
All of it happens once, at detection, and is detached from every gradient; interpolation.py moves the children.
"""

from dataclasses import dataclass

import numpy as np

from configs.errors import InputError
from kernels.arrays import from_numpy
from kernels.neighbours import NeighbourTree
from upsample.detection import Surface
from upsample.isosurface import project_to_isosurface

PARENT_RADIUS = 2.0
"""Radius in which parents share the surface, in spacings."""
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
BLOCK = 16384
"""Children whose offsets are computed at once: memory stays linear, with a small factor."""


@dataclass(frozen=True)
class Children:
    """M points on the surface, k neighbours each."""

    parents: np.ndarray
    """Particle from which each child was laid out, int32 [M]."""
    neighbours: np.ndarray
    """Particles that carry it, int32 [M, k], nearest first."""
    weights: np.ndarray
    """Share of each neighbour, [M, k]; their sum is 1."""
    offsets: np.ndarray
    """From the neighbour to the child, in the rest frame of the neighbour's F, [M, k, 3]. Unit: length."""
    rest_normals: np.ndarray
    """Unit outward normals in the rest frame, [M, 3]."""
    sizes: np.ndarray
    """Square root of the surface area that each child stands for, at rest, [M]. Unit: length."""


def sample_children(
    x: np.ndarray, F: np.ndarray, volumes: np.ndarray, surface: Surface, count: int, k: int, seed: int
) -> Children:
    """Lay ``count`` children out on the surface of the particles and tie them to their ``k`` nearest particles.

    Args:
        x: positions [N, 3]. Unit: length.
        F: deformation gradients [N, 3, 3].
        volumes: what each particle stands for at x, [N]. Unit: length³.
        surface: the surface particles at x, with their normals at x.
        count: how many children, at least 1.
        k: neighbours of a child, at most 64.
        seed: of the one random number generator that is used.

    Raises:
        InputError: fewer particles than k; an F with determinant ≤ 0.
    """
    if len(x) < k:
        raise InputError(f"sample_children: there are {len(x)} particles; expected at least k_F, {k}")
    det = np.linalg.det(F)
    if not (det > 0).all():
        raise InputError(f"sample_children: det F is {det.min():.3g} at particle {det.argmin()}; expected > 0")
    spacing = surface.spacing
    anchors, normals = project_to_isosurface(x[surface.index], x, volumes, spacing)
    normals = _else(normals, surface.normals)
    areas = _areas(anchors, normals, PARENT_RADIUS * spacing)
    rng = np.random.default_rng(seed)
    numbers = _systematic(areas, count, rng.random())
    family = np.repeat(np.arange(len(areas)), numbers)  # position of the parent in the surface's index
    laid_out = anchors[family] + _sunflower(normals, areas, numbers, rng.random(len(areas)))
    points, outwards = project_to_isosurface(laid_out, x, volumes, spacing)
    outwards = _else(outwards, normals[family])
    neighbours, weights = _ties(points, x, k, spacing)
    offsets, child_F = _rest_offsets(points, x, F, neighbours, weights)
    rest_normals = _unit(np.einsum("mji,mj->mi", child_F, outwards))  # n ~ cof(F) n0, so n0 ~ Fᵀ n
    stretch = np.linalg.det(child_F) / np.linalg.norm(np.einsum("mji,mj->mi", child_F, outwards), axis=1)
    sizes = np.sqrt((areas / np.maximum(numbers, 1))[family] / stretch)
    return Children(surface.index[family], neighbours, weights, offsets, rest_normals, sizes)


def _areas(anchors: np.ndarray, normals: np.ndarray, radius: float) -> np.ndarray:
    """Surface area that each anchor stands for: one over their density, where the surface faces the same way.

    With one anchor per area a of a plane, Σ (1 − d²/r²)² = π r² / 3a.
    """
    array, n = from_numpy(anchors), len(anchors)
    start, other, distance = (a.to_numpy() for a in NeighbourTree(array, n).within(array, n, radius, ordered=False))
    own = np.repeat(np.arange(n), np.diff(start[: n + 1]))
    alike = np.maximum((normals[own] * normals[other]).sum(axis=1), 0)
    density = np.bincount(own, alike * (1 - np.minimum(distance / radius, 1) ** 2) ** 2, minlength=n)
    return np.pi * radius**2 / 3 / np.maximum(density, 1)


def _systematic(shares: np.ndarray, count: int, start: float) -> np.ndarray:
    """Split ``count`` in proportion to the shares: each gets its due, rounded up or down (systematic sampling)."""
    ends = np.cumsum(shares)
    ends = np.floor(ends / ends[-1] * count + start).astype(np.int64)
    return np.diff(ends, prepend=0)


def _sunflower(normals: np.ndarray, areas: np.ndarray, numbers: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Offsets in the tangent planes, ``numbers[p]`` to parent p, spread over a disc of its area turned at random."""
    family = np.repeat(np.arange(len(numbers)), numbers)
    place = np.arange(len(family)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    many = numbers[family]
    radius = np.sqrt(areas[family] / np.pi * np.where(many > 1, place + 0.5, 0) / many)
    angle = GOLDEN_ANGLE * place + 2 * np.pi * turns[family]
    axis = np.eye(3)[np.abs(normals).argmin(axis=1)]
    first = _unit(np.cross(normals, axis))
    second = np.cross(normals, first)
    return radius[:, None] * (np.cos(angle)[:, None] * first[family] + np.sin(angle)[:, None] * second[family])


def _ties(points: np.ndarray, x: np.ndarray, k: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest particles of each point, and weights (1 − d²/h²)², h the distance of the last: it hardly counts."""
    middle, m = x.mean(axis=0), len(points)
    tree = NeighbourTree(from_numpy((x - middle) / spacing), len(x))
    neighbours, distance = tree.nearest(from_numpy((points - middle) / spacing), m, k)
    distance = distance.to_numpy().reshape(m, k).astype(np.float64)
    reach = 1.001 * distance[:, -1:] + 1e-6
    weights = (1 - (distance / reach) ** 2) ** 2
    return neighbours.to_numpy().reshape(m, k), weights / weights.sum(axis=1, keepdims=True)


def _rest_offsets(points, x, F, neighbours, weights) -> tuple[np.ndarray, np.ndarray]:
    """F_i⁻¹ (point − x_i) for each neighbour i, so that now each carries its child just here; and the child's F."""
    inverse = np.linalg.inv(F)
    offsets, child_F = np.empty((*neighbours.shape, 3)), np.empty((len(points), 3, 3))
    for first in range(0, len(points), BLOCK):
        block = slice(first, first + BLOCK)
        i = neighbours[block]
        offsets[block] = (inverse[i] @ (points[block, None] - x[i])[..., None])[..., 0]
        child_F[block] = np.einsum("mk,mkab->mab", weights[block], F[i])
    return offsets, child_F


def _else(directions: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """The directions, and the fallback where they are 0: the density of an even place has no gradient."""
    return np.where(np.linalg.norm(directions, axis=1, keepdims=True) > 0.5, directions, fallback)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)
