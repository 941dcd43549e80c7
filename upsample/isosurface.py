"""The surface that particles fill, as a level set of their smoothed density, and points moved onto it.

Each particle stands for a volume V around it. The density

    ρ(y) = Σ V w(|x − y| / r) / r³,   w(s) = 105 / (32 π) (1 − s²)²,

is 1 inside a body and 1/2 at its boundary, where the boundary is flat on the scale of r. The lattice of a filled mesh
ends up to one spacing short of the mesh, on average half a spacing: so do surface particles, but not this level set.
"""

import numpy as np
import taichi as ti

from kernels.arrays import from_numpy, real_array
from kernels.cells import CellList, row_range
from kernels.launch import prepared
from kernels.linalg import load_vec3, store_vec3

SUPPORT = 2.1
"""Radius r, in spacings: reaches the second layer of a lattice, not the third."""
MOVES = 6
"""Newton steps that take a point to the surface."""
LONGEST = 0.3
"""Longest Newton step, in spacings: sheets of one layer reach no density of 1/2, and must not be left."""
NORMALISED = 105 / (32 * np.pi)
"""The integral of (1 − s²)² over the unit ball, to minus one."""


class Isosurface:
    """The level set ρ = 1/2 of particles ``x [N, 3]`` that stand for ``volumes [N]`` (unit: length³).

    Points are given and moved in the surface's own frame: lengths in support radii, from the middle of the particles,
    so that float32 keeps its digits far from the origin.
    """

    def __init__(self, x: np.ndarray, volumes: np.ndarray, spacing: float):
        self.radius, self.middle = SUPPORT * spacing, x.mean(axis=0)
        self.cells = CellList((x - self.middle) / self.radius, 1.0)
        order = self.cells.order.to_numpy()
        self.particles = self.enter(x[order])
        """Cell by cell."""
        self.shares = from_numpy((NORMALISED * volumes / self.radius**3)[order])

    def enter(self, points: np.ndarray) -> ti.Ndarray:
        """Points of the world, in the surface's frame."""
        return from_numpy((points - self.middle) / self.radius)

    def leave(self, points: ti.Ndarray, m: int) -> np.ndarray:
        """Points of the surface's frame, in the world: float64 [m, 3]."""
        return points.to_numpy()[:m].astype(np.float64) * self.radius + self.middle

    def project(
        self,
        points: ti.Ndarray,
        m: int,
        normals: ti.Ndarray,
        movable: ti.Ndarray,
        moves: int = MOVES,
        share: float = 1.0,
    ) -> None:
        """Move the movable ones (≠ 0) of the first ``m`` points along ∇ρ to where ρ is 1/2; ``share`` of a Newton step.

        ``normals`` becomes −∇ρ / |∇ρ| for all of them, 0 where the density is even.
        """
        low, size = ti.Vector(self.cells.low), ti.Vector(self.cells.size)
        grid = low, self.cells.width, size, self.cells.start
        longest = LONGEST / SUPPORT
        _newton(m, moves, share, longest, self.particles, self.shares, *grid, movable, points, normals)

    def project_from(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``project`` for points [M, 3] of the world: the moved points and the unit outward normals, float64 [M, 3]."""
        m, moved, normals = len(points), self.enter(points), real_array(len(points), 3)
        self.project(moved, m, normals, from_numpy(np.ones(m, np.int32)))
        return self.leave(moved, m), normals.to_numpy()[:m].astype(np.float64)


@prepared
@ti.kernel
def _newton(
    m: ti.i32,
    moves: ti.i32,
    share: float,
    longest: float,
    x: ti.types.ndarray(),
    shares: ti.types.ndarray(),
    low: ti.types.vector(3, float),
    width: float,
    size: ti.types.vector(3, ti.i32),
    start: ti.types.ndarray(),
    movable: ti.types.ndarray(),
    points: ti.types.ndarray(),
    normals: ti.types.ndarray(),
):
    """Lengths in support radii; one more turn gives the normal at the last place."""
    for j in range(m):
        at, normal = load_vec3(points, j), ti.Vector([0.0, 0.0, 0.0])
        for move in range(moves + 1):
            density, gradient = 0.0, at * 0.0
            cell = ti.cast(ti.floor((at - low) / width), ti.i32)
            for row in range(9):
                first, last = row_range(start, cell, row, size)
                for i in range(first, last):
                    d = load_vec3(x, i) - at
                    t = ti.max(1.0 - d.dot(d), 0.0)
                    density += shares[i] * t * t
                    gradient += 4.0 * shares[i] * t * d
            slope = gradient.norm()
            if slope > 1e-6:
                normal = -gradient / slope
                if move < moves and movable[j] != 0:
                    at += share * normal * ti.max(-longest, ti.min(longest, (density - 0.5) / slope))
        store_vec3(points, j, at)
        store_vec3(normals, j, normal)
