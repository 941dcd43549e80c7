"""Accelerations that vary in space, at the nodes of the grid."""

import numpy as np

from configs.force import BoxForceConfig, Force, RadialForceConfig, VortexForceConfig
from configs.mpm import MPMConfig


def acceleration_field(config: MPMConfig) -> np.ndarray:
    """The sum of ``config.forces`` at every node, float64 [nx, ny, nz, 3], without gravity. Unit: length / time²."""
    grid = config.grid
    axes = [origin + grid.spacing * np.arange(n) for origin, n in zip(grid.origin, grid.size, strict=True)]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return sum((acceleration(force, x) for force in config.forces), np.zeros_like(x))


def acceleration(force: Force, x: np.ndarray) -> np.ndarray:
    """What one force gives to points x [..., 3]: [..., 3]."""
    if isinstance(force, BoxForceConfig):
        inside = ((x >= force.low) & (x <= force.high)).all(axis=-1, keepdims=True)
        return inside * np.array(force.acceleration)
    d = x - np.array(force.center)
    return _radial(force, d) if isinstance(force, RadialForceConfig) else _vortex(force, d)


def _radial(force: RadialForceConfig, d: np.ndarray) -> np.ndarray:
    distance = np.linalg.norm(d, axis=-1, keepdims=True)
    direction = np.divide(d, distance, out=np.zeros_like(d), where=distance > 0)
    return force.strength * (np.hypot(distance, force.softening) / force.reach) ** force.power * direction


def _vortex(force: VortexForceConfig, d: np.ndarray) -> np.ndarray:
    axis = np.array(force.axis) / np.linalg.norm(force.axis)
    around = np.cross(axis, d) / force.reach  # as long as the distance from the axis
    return force.strength * around * np.exp(0.5 * (1 - (around**2).sum(axis=-1, keepdims=True)))
