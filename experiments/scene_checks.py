"""Checks that a user's mistakes meet before anything is simulated."""

import numpy as np

from configs.errors import InputError
from configs.mpm import MPMConfig
from mpm.bspline import NODES
from mpm.stability import stable_dt


def check_time_step(config: MPMConfig) -> None:
    """Raise if the time step breaks the CFL condition of the fastest material's pressure waves."""
    limit = stable_dt(config)
    if config.check_dt and config.dt != "auto" and config.dt > limit:
        raise InputError(
            f"mpm.dt is {config.dt:g}; the largest stable step for this grid and material is {limit:.3g} "
            "(mpm.grid.spacing over the speed of sound)"
        )


def check_fits(what: str, points: np.ndarray, config: MPMConfig, remedy: str) -> None:
    """Raise if a point [P, 3] lies where a particle's stencil would leave the grid.

    Args:
        what: subject of the message, such as "source: the mesh".
        remedy: its end: what else than a larger grid would help.
    """
    grid, margin = config.grid, (NODES[config.kernel] - 2) * config.grid.spacing
    low = np.array(grid.origin) + margin
    high = np.array(grid.origin) + (np.array(grid.size) - 1) * grid.spacing - margin
    if (points.min(axis=0) < low).any() or (points.max(axis=0) > high).any():
        raise InputError(
            f"{what} reaches from {text(points.min(axis=0))} to {text(points.max(axis=0))}; mpm.grid takes {text(low)} "
            f"to {text(high)}. Make the grid larger, or {remedy}"
        )


def text(point: np.ndarray) -> str:
    """A point in a message."""
    return "(" + ", ".join(f"{value:.3g}" for value in point) + ")"
