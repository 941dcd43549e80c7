"""Numbers of one frame of a simulation."""

import torch
from torch import Tensor

from bridge.mpm_state import MPMState


def measure(state: MPMState, mass: Tensor) -> dict:
    """Sums over all particles, in double precision, and extremes; vectors are about the origin.

    Args:
        mass: [N].
    """
    x, v, m = state.x.double(), state.v.double(), mass.double()
    det = torch.linalg.det(state.F.double())
    momentum = m[:, None] * v
    return {
        "particles": len(x),
        "time_steps": state.time_steps,
        "escaped": state.escaped,
        "mass": float(m.sum()),
        "momentum": momentum.sum(dim=0).tolist(),
        "angular_momentum": torch.linalg.cross(x, momentum).sum(dim=0).tolist(),
        "kinetic_energy": float((0.5 * m * v.square().sum(dim=1)).sum()),
        "max_speed": float(v.norm(dim=1).max()),
        "det_F": [float(det.min()), float(det.max())],
    }
