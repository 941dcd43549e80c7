"""Any number of points on the surface of a body of particles, evenly, each tied to the particles around it.

The surface is the level set of isosurface.py. Surface particles, moved onto it, are the parents: each gets a share of
the children that goes with its soft weight and the area it stands for, so that a stretched region gets more of them,
and they are laid out around it in the tangent plane like the seeds of a sunflower (Vogel 1979), a disc of that area at
an even density. equalise.py spreads them. All of it happens at detection and is detached from every gradient;
interpolation.py moves the children.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from configs.errors import InputError
from configs.upsample import UpsampleConfig
from kernels.arrays import fill_from_numpy, from_numpy, real_array
from kernels.neighbours import NeighbourTree
from upsample.detection import Surface
from upsample.equalise import equalise, measure_areas, smooth_normals
from upsample.gumbel import draw_scores, relaxed_choice
from upsample.interpolation import Interpolation, interpolate
from upsample.isosurface import Isosurface

PARENT_RADIUS = 2.0
"""Radius in which parents share the surface, in spacings."""
AREA_NEIGHBOURS = 16
"""Children over whose density the area of one is measured."""
MOST = 1.5
"""Children that a parent keeps at a new detection, over what it would get."""
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
BLOCK = 16384
"""Children whose offsets are computed at once: memory stays linear, with a small factor."""


@dataclass(frozen=True)
class Body:
    """Particles of a shape at hand."""

    x: np.ndarray
    """Positions [N, 3]. Unit: length."""
    F: np.ndarray
    """Deformation gradients [N, 3, 3]."""
    volumes: np.ndarray
    """What each stands for now, [N]. Unit: length³."""


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
    scores: np.ndarray | None = None
    """With ``selection: gumbel``, those of each neighbour (upsample.gumbel), [M, k]."""

    def shares(self, config: UpsampleConfig) -> np.ndarray:
        """Share of each neighbour in the child, [M, k]: the weights, or what Gumbel-softmax makes of the scores."""
        if self.scores is None:
            return self.weights
        return relaxed_choice(self.scores, config.sampling_tau, config.selection == "gumbel_hard")


def sample_children(
    body: Body, surface: Surface, count: int, config: UpsampleConfig, earlier: Children | None = None
) -> Children:
    """Lay ``count`` children out on the surface of the particles and tie them to their ``k_F`` nearest particles.

    Args:
        body: the particles, in the shape at hand.
        surface: the surface particles there, with their weights and their normals there.
        count: how many children, at least 1.
        config: how they are laid out.
        earlier: as many children of an earlier shape: those whose parent is a surface particle still, and has at most
            half as many again as its due, stay as they are, in their places; the rest is laid out anew.

    Raises:
        InputError: fewer particles than k_F; an F with determinant ≤ 0; particles that coincide.
    """
    _check(body, config.k_F)
    level = Isosurface(body.x, body.volumes, surface.spacing)
    anchors, normals = level.project_from(body.x[surface.index])
    normals = _else(normals, surface.normals)
    room = _areas(anchors, normals, surface.weights[surface.index], PARENT_RADIUS * surface.spacing)
    due = room * _stretch(body.F[surface.index], normals) ** config.density_gamma
    due *= count / due.sum()
    family, kept = _kept(earlier, surface.index, due, len(body.x), count)
    if earlier is not None and kept.all():
        return earlier
    rng = np.random.default_rng(config.seed)
    lack = np.maximum(due - np.bincount(family[kept], minlength=len(due)), 0)
    numbers = _systematic(lack, count - kept.sum(), rng.random())
    family[~kept] = np.repeat(np.arange(len(due)), numbers)
    points = np.empty((count, 3))
    points[~kept] = anchors[family[~kept]] + _sunflower(normals, room, numbers, rng, config.surf_jitter_alpha)
    if earlier is not None:
        points[kept] = carried(earlier, body, config)[kept]
    points, normals, areas = settle(level, points, normals[family], ~kept, config)
    return tie(body, surface, points, normals, areas, family, ~kept, config, earlier)


def _check(body: Body, k: int) -> None:
    if len(body.x) < k:
        raise InputError(f"sample_children: there are {len(body.x)} particles; expected at least k_F, {k}, or no M")
    det = np.linalg.det(body.F)
    if not (det > 0).all():
        raise InputError(f"sample_children: det F is {det.min():.3g} at particle {det.argmin()}; expected > 0")


def _kept(earlier: Children | None, index: np.ndarray, due: np.ndarray, n: int, count: int):
    """Position of each child's parent in ``index`` (−1: none), and whether the child stays."""
    if earlier is None:
        return np.full(count, -1), np.zeros(count, bool)
    position = np.full(n, -1)
    position[index] = np.arange(len(index))
    family = position[earlier.parents]
    order = np.argsort(family, kind="stable")
    first = np.searchsorted(family[order], family[order])
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count) - first  # of the child in its family
    return family, (family >= 0) & (rank < np.ceil(MOST * due)[family])


def carried(children: Children, body: Body, config: UpsampleConfig) -> np.ndarray:
    """Where the particles carry the children now, [M, 3]."""
    m, k = children.weights.shape
    middle = body.x.mean(axis=0)
    c = Interpolation(len(body.x), m, k)
    values = (children.neighbours, children.shares(config), children.offsets, body.x - middle, body.F)
    for array, value in zip((c.neighbours, c.weights, c.offsets, c.x, c.F), values, strict=True):
        fill_from_numpy(array, value)
    interpolate(c)
    return c.child_x.to_numpy().astype(np.float64) + middle


def _areas(anchors: np.ndarray, normals: np.ndarray, weights: np.ndarray, radius: float) -> np.ndarray:
    """Surface area that each anchor stands for: its weight over their density, where the surface faces the same way.

    With one anchor per area a of a plane, Σ (1 − d²/r²)² = π r² / 3a.
    """
    array, n = from_numpy(anchors), len(anchors)
    start, other, distance = (a.to_numpy() for a in NeighbourTree(array, n).within(array, n, radius, ordered=False))
    own = np.repeat(np.arange(n), np.diff(start[: n + 1]))
    alike = weights[other] * np.maximum((normals[own] * normals[other]).sum(axis=1), 0)
    density = np.bincount(own, alike * (1 - np.minimum(distance / radius, 1) ** 2) ** 2, minlength=n)
    return np.pi * radius**2 / 3 * weights / np.maximum(density, weights)


def _stretch(F: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Area at hand over area at rest of surfaces with these normals at hand: |cof(F) n₀| = det F / |Fᵀ n|."""
    return np.linalg.det(F) / np.linalg.norm(np.einsum("mji,mj->mi", F, normals), axis=1)


def _systematic(shares: np.ndarray, count: int, start: float) -> np.ndarray:
    """Split ``count`` in proportion to the shares: each gets its due, rounded up or down (systematic sampling)."""
    ends = np.cumsum(shares)
    ends = np.floor(ends / ends[-1] * count + start).astype(np.int64)
    return np.diff(ends, prepend=0)


def _sunflower(normals, room, numbers: np.ndarray, rng: np.random.Generator, jitter: float) -> np.ndarray:
    """Offsets in the tangent planes, ``numbers[p]`` to parent p, spread over a disc of its area turned at random.

    ``jitter`` adds Gaussian noise, in units of the square root of a child's area.
    """
    family = np.repeat(np.arange(len(numbers)), numbers)
    place = np.arange(len(family)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    many = numbers[family]
    radius = np.sqrt(room[family] / np.pi * np.where(many > 1, place + 0.5, 0) / many)
    angle = GOLDEN_ANGLE * place + 2 * np.pi * rng.random(len(numbers))[family]
    flat = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    flat += jitter * np.sqrt(room[family] / many)[:, None] * rng.normal(size=flat.shape)
    first = _unit(np.cross(normals, np.eye(3)[np.abs(normals).argmin(axis=1)]))
    second = np.cross(normals, first)
    return flat[:, :1] * first[family] + flat[:, 1:] * second[family]


def settle(level: Isosurface, points, normals, movable: np.ndarray, config: UpsampleConfig):
    """The movable points on the surface, spread evenly among all; normals and areas of all, at hand."""
    m = len(points)
    at, outwards, moves = level.enter(points), real_array(m, 3), from_numpy(movable.astype(np.int32))
    level.project(at, m, outwards, moves)
    if config.post_equalize.enabled:
        equalise(level, at, outwards, moves, m, config.post_equalize)
        level.project(at, m, outwards, moves)
    if config.smooth_normals:
        smooth_normals(at, outwards, m, AREA_NEIGHBOURS)
    areas = measure_areas(at, outwards, m, AREA_NEIGHBOURS) * level.radius**2
    return level.leave(at, m), _else(outwards.to_numpy()[:m].astype(np.float64), normals), areas


def tie(body: Body, surface: Surface, points, normals, areas, family, new, config, earlier: Children | None):
    """Children at these points; those that are not new keep what they were, but for their sizes."""
    neighbours, weights = _ties(points[new], body.x, config.k_F, surface.spacing)
    offsets, child_F = _rest_offsets(points[new], body, neighbours, weights)
    rest_normals = _unit(np.einsum("mji,mj->mi", child_F, normals[new]))  # n ~ cof(F) n0, so n0 ~ Fᵀ n
    sizes = np.sqrt(areas / _stretch(body.F[surface.index], surface.normals)[family])
    scores = None
    if config.selection != "fixed":
        scores = draw_scores(weights, surface.weights[neighbours], config.seed)
    laid_out = Children(surface.index[family[new]], neighbours, weights, offsets, rest_normals, sizes[new], scores)
    return laid_out if earlier is None else replace(_put(earlier, new, laid_out), sizes=sizes)


def _put(earlier: Children, new: np.ndarray, laid_out: Children) -> Children:
    """The earlier children, but the new ones [M] as they were laid out."""
    values = {field.name: getattr(earlier, field.name) for field in fields(Children)}
    values = {name: value.copy() for name, value in values.items() if value is not None}
    for name, value in values.items():
        value[new] = getattr(laid_out, name)
    return Children(**values)


def _ties(points: np.ndarray, x: np.ndarray, k: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest particles of each point, and weights (1 − d²/h²)², h the distance of the last: it hardly counts."""
    middle, m = x.mean(axis=0), len(points)
    tree = NeighbourTree(from_numpy((x - middle) / spacing), len(x))
    neighbours, distance = tree.nearest(from_numpy((points - middle) / spacing), m, k)
    distance = distance.to_numpy().reshape(m, k).astype(np.float64)
    if not (distance[:, -1] > 1e-6).all():
        raise InputError(f"sample_children: k_F = {k} particles and more coincide; expected distinct positions")
    reach = 1.001 * distance[:, -1:] + 1e-6
    weights = (1 - (distance / reach) ** 2) ** 2
    return neighbours.to_numpy().reshape(m, k), weights / weights.sum(axis=1, keepdims=True)


def _rest_offsets(points, body: Body, neighbours, weights) -> tuple[np.ndarray, np.ndarray]:
    """F_i⁻¹ (point − x_i) for each neighbour i, so that now each carries its child just here; and the child's F."""
    inverse = np.linalg.inv(body.F)
    offsets, child_F = np.empty((*neighbours.shape, 3)), np.empty((len(points), 3, 3))
    for first in range(0, len(points), BLOCK):
        block = slice(first, first + BLOCK)
        i = neighbours[block]
        offsets[block] = (inverse[i] @ (points[block, None] - body.x[i])[..., None])[..., 0]
        child_F[block] = np.einsum("mk,mkab->mab", weights[block], body.F[i])
    return offsets, child_F


def _else(directions: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """The directions, and the fallback where they are 0: the density of an even place has no gradient."""
    return np.where(np.linalg.norm(directions, axis=1, keepdims=True) > 0.5, directions, fallback)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12)
