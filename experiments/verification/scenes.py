"""Particles on lattices, and boxes that make the third (or second) dimension exactly idle.

Slip walls as thick as half the grid zero one velocity component at every node. Quadratic weights factorise, so a single
layer of particles between such walls obeys plane strain to the last digit, and a single row uniaxial strain: plane and
one-dimensional problems cost a few particles, and run through the same three-dimensional code.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from configs.material import ElasticConfig, FixedCorotatedConfig, HenckyConfig, MaterialConfig, NeoHookeanConfig
from configs.mpm import BoundaryConfig, GridConfig, MPMConfig, WallKind

SOLIDS = {"fixed_corotated": FixedCorotatedConfig, "neo_hookean": NeoHookeanConfig, "hencky": HenckyConfig}

IDLE_NODES = 8
"""Nodes along an idle axis, the fewest that a grid may have."""
WALL = IDLE_NODES // 2
"""Layers of every wall: half of an idle axis from either side."""
MARGIN = WALL - 1
"""Cells between the grid's face and the innermost layer of a wall."""


def lattice(*axes: Tensor) -> Tensor:
    """Points [N, 3] of the product of three coordinate lists."""
    return torch.cartesian_prod(*axes).reshape(-1, 3)


def cell_centres(start: float, stop: float, pitch: float) -> Tensor:
    """Middles of the intervals of length ``pitch`` that fill [start, stop], float64."""
    count = round((stop - start) / pitch)
    return start + pitch * (torch.arange(count, dtype=torch.float64) + 0.5)


MIDDLE = torch.zeros(1, dtype=torch.float64)
"""The one coordinate along an idle axis."""


def box(
    low: Sequence[float | None],
    high: Sequence[float | None],
    spacing: float,
    dt: float,
    material: MaterialConfig,
    **walls: WallKind,
) -> MPMConfig:
    """A grid whose walls' innermost nodes are at ``low`` and ``high``; None in both makes the axis idle.

    Args:
        walls: condition of a face (``x_min="sticky"``); ``none`` where an axis that is not idle names none.
    """
    origin, size = [], []
    faces: dict[str, WallKind] = {}
    for axis, a, b in zip("xyz", low, high, strict=True):
        if a is None or b is None:
            origin.append(-(IDLE_NODES - 1) / 2 * spacing)
            size.append(IDLE_NODES)
            faces |= {f"{axis}_min": "slip", f"{axis}_max": "slip"}
        else:
            origin.append(a - MARGIN * spacing)
            size.append(math.ceil((b - a) / spacing - 1e-9) + 1 + 2 * MARGIN)
    return MPMConfig(
        grid=GridConfig(origin=tuple(origin), spacing=spacing, size=tuple(size)),
        dt=dt,
        material=material,
        boundary=BoundaryConfig(thickness=WALL, **{**faces, **walls}),
    )


def solid(youngs_modulus: float, poissons_ratio: float, density: float, law: str = "fixed_corotated") -> ElasticConfig:
    """The parameters of an elastic law."""
    return SOLIDS[law](youngs_modulus=youngs_modulus, poissons_ratio=poissons_ratio, density=density)


def identity(n: int) -> Tensor:
    """F of n particles at rest, [n, 3, 3]."""
    return torch.eye(3, dtype=torch.float64).repeat(n, 1, 1)
