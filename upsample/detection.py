"""Which particles of a rest shape lie at its surface, and where the surface faces.

Inside a body the neighbours of a particle balance; at the surface one side is missing. The mean offset to the
neighbours measures that and points inwards. Uneven particles are off balance inside too, but there something lies above
them: neighbours in the cone around the normal count against the surface. What is thinner than the support is balanced
but sparse, or flat: few neighbours make a surface too, and neighbours in one sheet. The selection is detached from
every gradient.
"""

from dataclasses import dataclass

import numpy as np
import taichi as ti

from configs.errors import InputError
from kernels.arrays import from_numpy, real_array
from kernels.cells import CellList, cell_range
from kernels.launch import prepared
from kernels.linalg import eye3, load_vec3, store_mat3, store_vec3

K_SURFACE = 39
"""Neighbours in the support inside a body, unless told: the support is then 2.1 spacings, to the second layer."""
CONE = 0.5
"""Cosine of the half angle of the cone around the normal, where the outside should be."""
COVER = 0.75
"""Share of the weight that is lost where the cone is as full as inside a body."""
SHEET = 0.1
"""Surface variation (smallest eigenvalue over their sum) from which neighbours no longer lie in one sheet."""


@dataclass(frozen=True)
class Surface:
    """Surface particles of one rest shape."""

    index: np.ndarray
    """Which particles, int32 [M], increasing."""
    normals: np.ndarray
    """Unit normals, outwards, float64 [M, 3]."""
    weights: np.ndarray
    """Soft weights [N] in (0, 1] of all particles: how surely each is at the surface."""
    spacing: float
    """Distance between neighbouring particles. Unit: length."""


def detect_surface(x: np.ndarray, spacing: float, threshold: float = 0.5) -> Surface:
    """Select the particles whose surface weight is at least ``threshold``.

    Args:
        x: positions [N, 3], finite, N > 0. Unit: length.
        spacing: distance between neighbouring particles. Unit: length.
        threshold: 0 takes all; 0.5 takes the outer layer of a lattice.

    Raises:
        InputError: no particle reaches the threshold.
    """
    weight, normals = surface_weight(x, spacing)
    (index,) = np.nonzero(weight >= threshold)
    if not len(index):
        raise no_surface(threshold, weight.max())
    return Surface(index.astype(np.int32), normals[index], np.where(weight >= threshold, 1.0, 1e-9), float(spacing))


def no_surface(threshold: float, largest: float) -> InputError:
    """What to raise where no weight reaches the threshold."""
    return InputError(
        f"detect_surface: no particle has a surface weight of {threshold:g} (largest {largest:.3g}); "
        "expected a smaller surface_threshold"
    )


def surface_weight(x: np.ndarray, spacing: float, k_surface: int = K_SURFACE) -> tuple[np.ndarray, np.ndarray]:
    """Surface weight [N] in [0, 1] (0 inside, about 1 at a flat surface) and unit outward normals [N, 3].

    ``k_surface`` sets the support: the ball that holds as many particles inside a body.
    """
    x = np.asarray(x, np.float64)
    n, support = len(x), support_of(k_surface)
    full = normalisation(support)
    cells = CellList(x, support * spacing)
    # positions in support radii from the middle: float32 keeps its digits far from the origin
    neighbours = (
        from_numpy((x - x.mean(axis=0)) / (support * spacing)),
        cells.order,
        cells.start,
        cells.cell,
        ti.Vector(cells.size),
        n,
    )
    offset, sums, moments = real_array(n, 3), real_array(n, 2), real_array(n, 3, 3)
    smooth, cover = real_array(n, 3), real_array(n)
    _neighbour_sums(*neighbours, offset, sums, moments)
    offset_sum, (length_sum, density) = _float64(offset), _float64(sums).T
    length = np.linalg.norm(offset_sum, axis=1)
    asymmetry = length / np.maximum(length_sum, 1e-12)
    rough = -offset_sum / np.maximum(length, 1e-12)[:, None]
    _smooth_normals(*neighbours, from_numpy(rough), from_numpy(asymmetry), smooth)
    normals = _unit(_float64(smooth), rough, x - x.mean(axis=0))
    flat, normals = _sheets(_float64(moments), offset_sum, density, normals)
    _cone_sums(*neighbours, from_numpy(normals), cover)
    one_sided = asymmetry / full.asymmetry * (1 - COVER * _float64(cover) / full.cone)
    sparse = (1 - density / full.density) / 0.9
    return np.clip(np.maximum.reduce([one_sided, sparse, flat]), 0, 1), normals


def support_of(k_surface: int) -> float:
    """Radius of the ball in which a particle inside a body has ``k_surface`` neighbours, in spacings."""
    return float(np.cbrt(3 * k_surface / (4 * np.pi)))


@dataclass(frozen=True)
class Normalisation:
    """What the sums over a support are where they are well known."""

    asymmetry: float
    """|Σ w d| / Σ w |d| in the outer layer of a cubic lattice cut along a lattice plane; inclined cuts have more."""
    density: float
    """Σ w inside a body, w = (1 − r²)²: its integral."""
    cone: float
    """The same over the cone, with a factor that rises from 0 at its side to 1 at its axis."""


def normalisation(support: float) -> Normalisation:
    """For a support in spacings."""
    density = 4 * np.pi * (1 / 3 - 2 / 5 + 1 / 7) * support**3
    side = np.arange(-np.ceil(support), np.ceil(support) + 1)
    d = np.stack(np.meshgrid(side, side, side[side <= 0]), axis=-1).reshape(-1, 3) / support
    w = np.maximum(1 - (d**2).sum(axis=1), 0) ** 2
    asymmetry = np.linalg.norm(w @ d) / (w @ np.linalg.norm(d, axis=1))
    return Normalisation(float(asymmetry), density, density * (1 - CONE) / 4)


def _sheets(moments, offset_sum, density, normals) -> tuple[np.ndarray, np.ndarray]:
    """Weights [N] of particles in a sheet of one layer, by weighted PCA, and the normals, those of sheets put right.

    In a sheet neighbours balance, so that asymmetry has no say; but the smallest principal axis is its normal.
    """
    mean = offset_sum / density[:, None]
    covariance = moments / density[:, None, None] - mean[:, :, None] * mean[:, None, :]
    # Few can be sheets: one eigenvalue below SHEET of the trace leaves no larger a determinant than two even others.
    largest = SHEET * ((1 - SHEET) / 2) ** 2 * np.trace(covariance, axis1=1, axis2=2) ** 3
    thin = np.flatnonzero(np.linalg.det(covariance) <= 1.001 * largest)
    values, axes = np.linalg.eigh(covariance[thin])
    flat = 1 - values[:, 0] / np.maximum(SHEET * values.sum(axis=1), 1e-12)
    is_sheet = (flat > 0) & (values[:, 1] > SHEET * values.sum(axis=1))
    sheets, normal = thin[is_sheet], axes[is_sheet, :, 0]
    weights, normals = np.zeros(len(density)), normals.copy()
    weights[sheets] = flat[is_sheet]
    normals[sheets] = normal * np.where((normal * normals[sheets]).sum(axis=1) < 0, -1.0, 1.0)[:, None]
    return weights, normals


def _float64(array: ti.Ndarray) -> np.ndarray:
    return array.to_numpy().astype(np.float64)


def _unit(*choices: np.ndarray) -> np.ndarray:
    """Row by row the first choice that has a direction, normalised; +z if none has."""
    result = np.tile([0.0, 0.0, 1.0], (len(choices[0]), 1))
    for choice in reversed(choices):
        length = np.linalg.norm(choice, axis=1, keepdims=True)
        result = np.where(length > 1e-6, choice / np.maximum(length, 1e-12), result)
    return result


def typical_spacing(x: np.ndarray, samples: int = 256) -> float:
    """Median distance from a particle to its nearest neighbour, over an even choice of particles.

    Raises:
        InputError: fewer than two particles, or particles on top of each other.
    """
    x = np.asarray(x, np.float64)
    if len(x) < 2:
        raise InputError("typical_spacing: one particle has no neighbour; expected spacing as a number")
    nearest = []
    for p in np.unique(np.linspace(0, len(x) - 1, samples).astype(int)):
        squares = ((x - x[p]) ** 2).sum(axis=1)
        squares[p] = np.inf
        nearest.append(np.sqrt(squares.min()))
    spacing = float(np.median(nearest))
    if spacing <= 0:
        raise InputError("typical_spacing: most particles coincide; expected distinct positions")
    return spacing


@prepared
@ti.kernel
def _neighbour_sums(
    x: ti.types.ndarray(),
    order: ti.types.ndarray(),
    start: ti.types.ndarray(),
    cell: ti.types.ndarray(),
    size: ti.types.vector(3, ti.i32),
    n: ti.i32,
    offset: ti.types.ndarray(),
    sums: ti.types.ndarray(),
    moments: ti.types.ndarray(),
):
    """Σ w d, Σ w |d|, Σ w and Σ w d dᵀ over all particles within unit distance, itself included; w = (1 − d²)²."""
    for p in range(n):
        at = load_vec3(x, p)
        total, length, density, moment = at * 0.0, 0.0, 0.0, eye3() * 0.0
        for neighbour in range(27):
            first, last = cell_range(start, cell, p, neighbour, size)
            for entry in range(first, last):
                d = load_vec3(x, order[entry]) - at
                w = _weight(d)
                total += w * d
                length += w * d.norm()
                density += w
                moment += w * d.outer_product(d)
        store_vec3(offset, p, total)
        store_mat3(moments, p, moment)
        sums[p, 0], sums[p, 1] = length, density


@prepared
@ti.kernel
def _smooth_normals(
    x: ti.types.ndarray(),
    order: ti.types.ndarray(),
    start: ti.types.ndarray(),
    cell: ti.types.ndarray(),
    size: ti.types.vector(3, ti.i32),
    n: ti.i32,
    normals: ti.types.ndarray(),
    importance: ti.types.ndarray(),
    smooth: ti.types.ndarray(),
):
    """Mean of the normals within unit distance, weighted by w and importance; not normalised."""
    for p in range(n):
        at = load_vec3(x, p)
        total = at * 0.0
        for neighbour in range(27):
            first, last = cell_range(start, cell, p, neighbour, size)
            for entry in range(first, last):
                q = order[entry]
                total += _weight(load_vec3(x, q) - at) * importance[q] * load_vec3(normals, q)
        store_vec3(smooth, p, total)


@prepared
@ti.kernel
def _cone_sums(
    x: ti.types.ndarray(),
    order: ti.types.ndarray(),
    start: ti.types.ndarray(),
    cell: ti.types.ndarray(),
    size: ti.types.vector(3, ti.i32),
    n: ti.i32,
    normals: ti.types.ndarray(),
    cover: ti.types.ndarray(),
):
    """Σ w (cos - CONE) / (1 - CONE) over the particles within unit distance in the cone around the normal."""
    for p in range(n):
        at, normal = load_vec3(x, p), load_vec3(normals, p)
        total = 0.0
        for neighbour in range(27):
            first, last = cell_range(start, cell, p, neighbour, size)
            for entry in range(first, last):
                d = load_vec3(x, order[entry]) - at
                above = d.dot(normal) - CONE * d.norm()
                if above > 0.0:
                    total += _weight(d) * above / d.norm()
        cover[p] = total / (1.0 - CONE)


@ti.func
def _weight(d):
    t = ti.max(1.0 - d.dot(d), 0.0)
    return t * t
