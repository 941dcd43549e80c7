"""Where each number of a rollout sits in the arrays that the kernels read.

One array instead of a dozen arguments: nothing is compiled anew for a new value, and gravity has a gradient.
"""

import numpy as np

from configs.mpm import MPMConfig
from mpm.bspline import INVERSE_INERTIA, NODES

DT, DAMPING, F_SMOOTHING, J_MIN, BULK_VISCOSITY, SPACING = range(6)
"""In ``constants``: time step; 1 − dt · drag; γ; smallest volume ratio (0: off); ζ; distance of the nodes."""
ORIGIN = 6
"""Position of node (0, 0, 0), 3 numbers."""
GRAVITY = 9
"""Acceleration, 3 numbers."""
INERTIA = 12
"""k of MLS-MPM, 4 / h² or 3 / h². Unit: 1 / length²."""
GRID_FACTOR, WALL_FRICTION = 13, 14
"""1 − dt · grid_damping; the friction coefficient of walls that separate."""
COUNT = 15

MASS_CUT = 1e-30
"""Nodes of no more mass than this carry no velocity: what float32 can divide by. (The reference's 1e-12 depends on the
unit of mass, and drops momentum. Unit: mass.)"""
J_FLOOR = 1e-6
"""Smallest volume ratio that the trust region divides by."""

MATERIAL_MASS, MATERIAL_VOLUME, MATERIAL_LAW = 0, 1, 2
"""Rows of ``material [(2 + parameters) N]``: mass, rest volume, then the parameters of the laws in use."""

WALL_NONE, WALL_STICKY, WALL_SLIP, WALL_SEPARATE = range(4)
WALLS = {"none": WALL_NONE, "sticky": WALL_STICKY, "slip": WALL_SLIP, "separate": WALL_SEPARATE}
WALL_THICKNESS, SIZE = 6, 7
"""In ``domain [11]``, after the conditions of the six faces: the walls' layers of nodes; the nodes along x, y, z."""
CLAMPED = 10
"""In ``domain``: 1 where particles are held at the grid's edge."""


def make_constants(config: MPMConfig, dt: float) -> np.ndarray:
    """``constants [15]`` of a configuration, gravity included, for time steps of ``dt``."""
    h = config.grid.spacing
    numbers = (dt, 1 - dt * config.drag, config.f_smoothing, config.j_min or 0.0, config.bulk_viscosity, h)
    inertia = INVERSE_INERTIA[NODES[config.kernel]] / h**2
    grid = (1 - dt * config.grid_damping, config.boundary.friction)
    return np.array([*numbers, *config.grid.origin, *config.gravity, inertia, *grid])
