"""Where each number of a rollout sits in the array ``constants`` that the kernels read.

One array instead of a dozen arguments: nothing is compiled anew for a new value, and gravity has a gradient.
"""

DT, DAMPING, F_SMOOTHING, J_MIN, BULK_VISCOSITY, SPACING = range(6)
"""Time step; 1 − dt · drag; γ; smallest volume ratio (0: off); ζ; distance of the nodes."""
ORIGIN = 6
"""Position of node (0, 0, 0), 3 numbers."""
GRAVITY = 9
"""Acceleration, 3 numbers."""
COUNT = 12

MASS_CUT = 1e-30
"""Nodes of no more mass than this carry no velocity: what float32 can divide by. (The reference's 1e-12 depends on the
unit of mass, and drops momentum. Unit: mass.)"""
J_FLOOR = 1e-6
"""Smallest volume ratio that the trust region divides by."""

MATERIAL_MASS, MATERIAL_VOLUME, MATERIAL_LAW = 0, 1, 2
"""Rows of ``material [2 + parameters, N]``: mass, rest volume, then the law's parameters."""

WALL_NONE, WALL_STICKY, WALL_SLIP, WALL_SEPARATE = range(4)
WALLS = {"none": WALL_NONE, "sticky": WALL_STICKY, "slip": WALL_SLIP, "separate": WALL_SEPARATE}
WALL_THICKNESS, SIZE = 6, 7
"""In ``domain [10]``, after the conditions of the six faces: the walls' layers of nodes; the nodes along x, y, z."""
