"""The colliders of a simulation's pictures, as flat Gaussians on their surfaces. Planes have no end: none is drawn."""

from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from torch import Tensor

from bridge.upsampler import Splats
from configs.collider import BoxConfig, ColliderConfig, CylinderConfig, MeshColliderConfig, SphereConfig
from configs.mpm import MPMConfig
from mpm.mesh import load_mesh
from mpm.trajectory import pose

COLOR = (0.62, 0.64, 0.68)
"""Red, green, blue of all colliders."""
SIGMA = 0.9
"""Standard deviation of a Gaussian, in square roots of the area that it stands for: random places leave no holes."""
FEWEST, MOST = 500, 10_000
"""Gaussians of a collider; in between, four for each grid cell of its surface."""


@dataclass
class Obstacle:
    """One collider: points on its surface in its own frame."""

    collider: ColliderConfig
    points: np.ndarray
    """[M, 3]. Unit: length."""
    normals: np.ndarray
    """Outward [M, 3]."""
    sigma: float
    """Standard deviation of the Gaussians. Unit: length."""

    def splats(self, time: float, like: Tensor) -> Splats:
        """Its Gaussians where it is at ``time``."""
        positions, rotations = pose(self.collider, np.array([time]))
        points = torch.tensor(self.points @ rotations[0].T + positions[0]).to(like)
        normals = torch.tensor(self.normals @ rotations[0].T).to(like)
        m = len(points)
        across = 0.99 * normals[:, :, None] * normals[:, None, :]
        covars = self.sigma**2 * (torch.eye(3).to(like) - across)
        color = torch.tensor(COLOR).to(like).expand(m, 3)
        return Splats(points, covars, torch.full((m,), 0.99).to(like), color, normals)


def find_obstacles(config: MPMConfig) -> list[Obstacle]:
    """All colliders that have a surface to draw."""
    found = [(collider, _surface(collider)) for collider in config.colliders]
    return [_obstacle(collider, mesh, config.grid.spacing) for collider, mesh in found if mesh is not None]


def _obstacle(collider: ColliderConfig, mesh: trimesh.Trimesh, spacing: float) -> Obstacle:
    count = int(np.clip(4 * mesh.area / spacing**2, FEWEST, MOST))
    points, faces = trimesh.sample.sample_surface(mesh, count, seed=0)
    return Obstacle(collider, np.asarray(points), mesh.face_normals[faces], SIGMA * float(np.sqrt(mesh.area / count)))


def _surface(collider: ColliderConfig) -> trimesh.Trimesh | None:
    """In its own frame: cylinders stand along y there."""
    if isinstance(collider, SphereConfig):
        return trimesh.creation.icosphere(subdivisions=4, radius=collider.radius)
    if isinstance(collider, BoxConfig):
        return trimesh.creation.box(2 * np.asarray(collider.half_size))
    if isinstance(collider, CylinderConfig):
        mesh = trimesh.creation.cylinder(collider.radius, 2 * collider.half_height, sections=128)
        mesh.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
        return mesh
    if isinstance(collider, MeshColliderConfig):
        return _mesh(collider)
    return None


def _mesh(collider: MeshColliderConfig) -> trimesh.Trimesh:
    vertices, faces = load_mesh(collider.path)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    scale = collider.scale if collider.extent is None else collider.extent / float((high - low).max())
    return trimesh.Trimesh(scale * (vertices - (low + high) / 2), faces, process=False)
