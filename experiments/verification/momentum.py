"""What a body's particles carry: mass, momentum, angular momentum, and what the grid carries in between."""

import torch
from torch import Tensor

from configs.mpm import MPMConfig


def affine_inertia(config: MPMConfig) -> float:
    """Σ w d d^T per axis: h²/4 (quadratic) or h²/3 (cubic)."""
    return config.grid.spacing**2 / (4 if config.kernel == "quadratic" else 3)


def linear_momentum(v: Tensor, mass: Tensor) -> Tensor:
    """Σ m v, [3], summed in float64."""
    return (mass.double()[:, None] * v.double()).sum(0)


def angular_momentum(x: Tensor, v: Tensor, C: Tensor, mass: Tensor, config: MPMConfig) -> Tensor:
    """Σ m (x × v + (h²/4) ax C), [3], about the origin (Jiang et al. 2015), summed in float64."""
    x, v, C, mass = (value.double() for value in (x, v, C, mass))
    axial = torch.stack([C[:, 2, 1] - C[:, 1, 2], C[:, 0, 2] - C[:, 2, 0], C[:, 1, 0] - C[:, 0, 1]], dim=1)
    return (mass[:, None] * (torch.linalg.cross(x, v) + affine_inertia(config) * axial)).sum(0)
