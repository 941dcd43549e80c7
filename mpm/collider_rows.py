"""A configuration's colliders as the arrays that the kernels read (mpm.colliders)."""

import numpy as np

from configs.collider import BoxConfig, ColliderConfig, CylinderConfig, MeshColliderConfig, SphereConfig
from configs.mpm import MPMConfig
from mpm.bspline import NODES
from mpm.colliders import (
    CONDITION,
    COUNTS,
    FIRST,
    FRICTION,
    KIND,
    LATTICE,
    MARGIN,
    PITCH,
    POSITION,
    ROTATION,
    ROW,
    SHAPE,
    SIZE,
    SPIN,
    VELOCITY,
)
from mpm.constants import WALLS
from mpm.mesh import bounding_box, load_mesh
from mpm.mesh_sdf import SampledDistance, sample_distance
from mpm.shapes import SHAPES
from mpm.trajectory import as_built, pose, rotation_vector

ON_SURFACE = 1e-4
"""Nodes so little outside of what a collider acts on are on its surface: rounding decides nothing. Unit: spacings."""


class ColliderRows:
    """Kinds, samples and rows of ``config.colliders``; reads and samples the meshes."""

    def __init__(self, config: MPMConfig):
        self.colliders = config.colliders
        self.kinds = np.zeros((len(self.colliders), KIND), dtype=np.int32)
        """[K, KIND]."""
        self.fixed = np.zeros((len(self.colliders), ROW))
        """[K, ROW]: what does not change with time; 0 elsewhere."""
        self.as_built = np.array([as_built(collider) for collider in self.colliders]).reshape(-1, 3, 3)
        """[K, 3, 3]: rotations that the configured ones follow upon."""
        samples: list[np.ndarray] = []
        reach = 0.5 * NODES[config.kernel] * config.grid.spacing
        for k, collider in enumerate(self.colliders):
            self.kinds[k, SHAPE], self.kinds[k, CONDITION] = SHAPES[collider.shape], WALLS[collider.condition]
            self.fixed[k, FRICTION] = collider.friction
            self.fixed[k, MARGIN] = _margin(collider, reach) + ON_SURFACE * config.grid.spacing
            self.fixed[k, SIZE : SIZE + 3] = _size(collider)
            if isinstance(collider, MeshColliderConfig):
                self._add_mesh(k, collider, samples)
        self.samples = np.concatenate(samples) if samples else np.zeros((1, 4))
        """Of all meshes, one after another: [P, 4] (mpm.sampled_distance)."""
        corners = self.fixed[:, SIZE : SIZE + 3], self.fixed[:, LATTICE : LATTICE + 3]
        self.extent = np.maximum(*(np.linalg.norm(corner, axis=1) for corner in corners))
        """[K]: how far from its centre a body reaches at most; 0 for planes. Unit: length."""

    def _add_mesh(self, k: int, collider: MeshColliderConfig, samples: list[np.ndarray]) -> None:
        sampled = _sample(collider, float(self.fixed[k, MARGIN]))
        self.kinds[k, FIRST] = sum(map(len, samples))
        self.kinds[k, COUNTS : COUNTS + 3] = sampled.samples.shape[:3]
        self.fixed[k, LATTICE : LATTICE + 3], self.fixed[k, PITCH] = sampled.origin, sampled.pitch
        samples.append(sampled.samples.reshape(-1, 4))

    def rows(self, steps: int, dt: float, time: float = 0.0) -> np.ndarray:
        """[steps, K, ROW] for the steps of ``dt`` from ``time`` on; [1, K, ROW] if nothing moves."""
        if not any(collider.moves for collider in self.colliders):
            steps = 1
        steps = max(steps, 1)
        rows = np.tile(self.fixed, (steps, 1, 1))
        times = time + dt * np.arange(steps + 1)
        for k, collider in enumerate(self.colliders):
            position, rotation = pose(collider, times)
            turn = rotation[1:] @ rotation[:-1].transpose(0, 2, 1)
            rows[:, k, POSITION : POSITION + 3] = position[:-1]
            rows[:, k, ROTATION : ROTATION + 9] = rotation[:-1].reshape(-1, 9)
            rows[:, k, VELOCITY : VELOCITY + 3] = np.diff(position, axis=0) / dt
            rows[:, k, SPIN : SPIN + 3] = rotation_vector(turn) / dt
        return rows


def _margin(collider: ColliderConfig, reach: float) -> float:
    """As given, or what makes the body as thick as the stencil of a particle is wide."""
    return max(0.0, reach - collider.thinnest) if collider.margin is None else collider.margin


def _size(collider: ColliderConfig) -> tuple[float, float, float]:
    if isinstance(collider, SphereConfig):
        return (collider.radius, 0.0, 0.0)
    if isinstance(collider, BoxConfig):
        return collider.half_size
    if isinstance(collider, CylinderConfig):
        return (collider.radius, collider.half_height, 0.0)
    return (0.0, 0.0, 0.0)


def _sample(collider: MeshColliderConfig, margin: float) -> SampledDistance:
    vertices, faces = load_mesh(collider.path)
    low, high = bounding_box(vertices)
    scale = collider.scale if collider.extent is None else collider.extent / float((high - low).max())
    return sample_distance(scale * (vertices - (low + high) / 2), faces, collider.resolution, margin)
