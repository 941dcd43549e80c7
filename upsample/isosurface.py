"""The surface that particles fill, as a level set of their smoothed density, and points moved onto it.

Each particle stands for a volume V around it. The density

    ρ(y) = Σ V w(|x − y| / r) / r³,   w(s) = 105 / (32 π) (1 − s²)²,

is 1 inside a body and 1/2 at its boundary, where the boundary is flat on the scale of r. The lattice of a filled mesh
ends up to one spacing short of the mesh, on average half a spacing: so do surface particles, but not this level set.
"""

import numpy as np
import taichi as ti

from kernels.arrays import from_numpy, real_array
from kernels.linalg import load_vec3, store_vec3
from kernels.neighbours import NeighbourTree

SUPPORT = 2.1
"""Radius r, in spacings: reaches the second layer of a lattice, not the third."""
ROUNDS = 2
"""Rounds of moves; the neighbours are found anew in each."""
MOVES = 3
"""Newton steps a round."""
LONGEST = 0.3
"""Longest Newton step, in spacings: sheets of one layer reach no density of 1/2, and must not be left."""
NORMALISED = 105 / (32 * np.pi)
"""The integral of (1 − s²)² over the unit ball, to minus one."""


def project_to_isosurface(
    points: np.ndarray, x: np.ndarray, volumes: np.ndarray, spacing: float
) -> tuple[np.ndarray, np.ndarray]:
    """Move ``points [M, 3]`` along the density's gradient to where it is 1/2.

    Args:
        x: particles [N, 3]. Unit: length.
        volumes: what each stands for now, [N]. Unit: length³.
        spacing: distance between neighbouring particles. Unit: length.

    Returns:
        The moved points and the unit outward normals there, −∇ρ / |∇ρ|, float64 [M, 3] each.
    """
    radius, middle = SUPPORT * spacing, x.mean(axis=0)  # float32 keeps its digits far from the origin
    particles, shares = from_numpy((x - middle) / radius), from_numpy(NORMALISED * volumes / radius**3)
    m, longest = len(points), LONGEST / SUPPORT
    moved, normals = from_numpy((points - middle) / radius), real_array(m, 3)
    tree = NeighbourTree(particles, len(x))
    for _ in range(ROUNDS):
        start, neighbours, _ = tree.within(moved, m, 1 + MOVES * longest, ordered=False)
        _newton(m, MOVES, longest, particles, shares, start, neighbours, moved, normals)
    result = moved.to_numpy()[:m].astype(np.float64) * radius + middle
    return result, normals.to_numpy()[:m].astype(np.float64)


@ti.kernel
def _newton(
    m: ti.i32,
    moves: ti.i32,
    longest: float,
    x: ti.types.ndarray(),
    shares: ti.types.ndarray(),
    start: ti.types.ndarray(),
    neighbours: ti.types.ndarray(),
    points: ti.types.ndarray(),
    normals: ti.types.ndarray(),
):
    """Lengths in support radii; one more round gives the normal at the last place."""
    for j in range(m):
        at, normal = load_vec3(points, j), ti.Vector([0.0, 0.0, 0.0])
        for move in range(moves + 1):
            density, gradient = 0.0, at * 0.0
            for entry in range(start[j], start[j + 1]):
                i = neighbours[entry]
                d = load_vec3(x, i) - at
                t = ti.max(1.0 - d.dot(d), 0.0)
                density += shares[i] * t * t
                gradient += 4.0 * shares[i] * t * d
            slope = gradient.norm()
            if slope > 1e-6:
                normal = -gradient / slope
                if move < moves:
                    at += normal * ti.max(-longest, ti.min(longest, (density - 0.5) / slope))
        store_vec3(points, j, at)
        store_vec3(normals, j, normal)
