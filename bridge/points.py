"""Meshes to particles as torch tensors."""

from pathlib import Path

import numpy as np
import torch

from bridge.runtime import current
from configs.errors import InputError
from mpm.mesh import load_mesh
from mpm.particles import Particles, fill_mesh

Mesh = str | Path | tuple[np.ndarray, np.ndarray]


def load_points(
    mesh_or_path: Mesh, spacing: float, density: float = 1000.0, jitter: float = 0.0, seed: int = 0
) -> Particles[torch.Tensor]:
    """Fill a mesh with particles on a lattice.

    Args:
        mesh_or_path: a mesh file, a pair (vertices [V, 3], faces [T, 3]), or an object with ``vertices`` and ``faces``
            such as ``trimesh.Trimesh``.
        spacing: distance between neighbouring particles. Unit: length.
        density: mass per rest volume. Unit: mass / length³.
        jitter: random offset of each coordinate, up to ± half of this. Unit: spacings, 0 to 1.
        seed: of the jitter.

    Returns:
        Particles of CPU tensors of the runtime's type: x [N, 3], mass [N] = density spacing³, volume [N] = spacing³.

    Raises:
        InputError: what ``mpm.mesh.load_mesh`` and ``mpm.particles.fill_mesh`` refuse, density <= 0.
    """
    if not (np.isfinite(density) and density > 0):
        raise InputError(f"load_points: density is {density}; expected a positive mass per volume")
    vertices, faces = _mesh(mesh_or_path)
    x = torch.from_numpy(fill_mesh(vertices, faces, spacing, jitter, seed)).to(current().dtype)
    volume = x.new_full((len(x),), spacing**3)
    return Particles(x=x, mass=volume * density, volume=volume)


def _mesh(mesh_or_path: Mesh) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(mesh_or_path, str | Path):
        return load_mesh(mesh_or_path)
    if isinstance(mesh_or_path, tuple | list) and len(mesh_or_path) == 2:
        vertices, faces = mesh_or_path
        return np.asarray(vertices), np.asarray(faces)
    if hasattr(mesh_or_path, "vertices") and hasattr(mesh_or_path, "faces"):
        return np.asarray(mesh_or_path.vertices), np.asarray(mesh_or_path.faces)
    kind = type(mesh_or_path).__name__
    raise InputError(f"load_points: mesh_or_path is a {kind}; expected a path, (vertices, faces) or a mesh object")
