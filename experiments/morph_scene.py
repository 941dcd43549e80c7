"""What a morph starts from: source particles, the target, the cameras; and the checks that a user's mistakes meet."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridge.mass_matching import rasterize_particle_mass
from bridge.points import load_points
from bridge.runtime import current
from configs.errors import InputError
from configs.mesh import MeshConfig
from configs.morph import MorphConfig
from configs.mpm import MPMConfig
from experiments.camera_views import perspective_views
from experiments.mesh_image import rasterize_mesh
from experiments.metrics import sample_faces
from experiments.scene_checks import check_fits, check_time_step, text
from experiments.target_images import expect_one_a_camera, load_target_images
from experiments.views import View
from mpm.mesh import load_mesh
from mpm.particles import Particles
from mpm.placement import Mesh, place_mesh

SURFACE_POINTS = 4096
"""Points of the target's surface with which Gaussians are aligned."""


@dataclass(frozen=True)
class MassTarget:
    """What a mass matching compares with."""

    mpm: MPMConfig
    """The solver's settings, with the grid on which masses are compared."""
    node_mass: Tensor
    """Nodal mass [nx, ny, nz] of the target, in the loss's unit."""
    scale: float
    """Factor from mass to that unit, in which a full cell holds ``full_cell``."""


@dataclass
class MorphScene:
    """Everything that stays the same during a morph."""

    particles: Particles[Tensor]
    """Source particles at rest."""
    spacing: float
    """Distance between neighbouring source particles. Unit: length."""
    target_mesh: Mesh
    """Placed target: vertices [V, 3], faces [T, 3]."""
    target_points: np.ndarray
    """Particles filled directly into the target [P, 3]: the floor of the metrics."""
    target_surface: tuple[np.ndarray, np.ndarray]
    """Points on the target mesh and the unit normals there, [T, 3] each."""
    target_masses: dict[str, MassTarget]
    """Those of the mass matchings that count, by their name in ``loss``."""
    views: list[View]
    """Cameras of the image losses."""
    target_alpha: Tensor
    """Exact coverage of the target, [C, H, W], 0 or 1, or the images given for it."""
    target_depth: Tensor
    """Exact depth of the target, [C, H, W], 0 where there is nothing, or the images given for it. Unit: length."""
    target_rgb: Tensor | None
    """The images given for its colours [C, H, W, 3]; None is the silhouette in the particles' colour."""


def build_scene(config: MorphConfig) -> MorphScene:
    """Load, place, fill and check.

    Raises:
        InputError: whatever is wrong with meshes, grid, time step or cameras.
    """
    check_time_step(config.mpm)
    source_mesh, target_mesh = placed_meshes(config)
    density = config.mpm.material.density
    spacing, particles = _fill("source", config.source, source_mesh, config, density)
    _, target = _fill("target", config.target, target_mesh, config, density)
    views = perspective_views(config.cameras, config.render.width, config.render.height)
    given = load_target_images(config)
    expect_one_a_camera(given, len(views))
    images = [_target_image(number, view, source_mesh, target_mesh) for number, view in enumerate(views)]
    real = current().dtype
    return MorphScene(
        particles=particles,
        spacing=spacing,
        target_mesh=target_mesh,
        target_points=target.x.double().numpy(),
        target_surface=_surface_points(*target_mesh, config.seed),
        target_masses={name: _mass_target(name, target, target_mesh, config) for name, _ in config.loss.mass_terms()},
        views=views,
        target_alpha=torch.tensor(given.get("silhouette", np.stack([mask for mask, _ in images])), dtype=real),
        target_depth=torch.tensor(given.get("depth", np.stack([depth for _, depth in images])), dtype=real),
        target_rgb=torch.tensor(given["rgb"], dtype=real) if "rgb" in given else None,
    )


def placed_meshes(config: MorphConfig) -> tuple[Mesh, Mesh]:
    """Source and target, scaled and moved as the configuration says."""
    source = _placed(config.source, None)
    return source, _placed(config.target, source)


def _placed(config: MeshConfig, source: Mesh | None) -> Mesh:
    vertices, faces = load_mesh(config.path)
    return place_mesh(vertices, faces, config, source), faces


def _fill(
    role: str, mesh_config: MeshConfig, mesh: Mesh, config: MorphConfig, density: float
) -> tuple[float, Particles[Tensor]]:
    spacing = config.mpm.grid.spacing / mesh_config.points_per_cell ** (1 / 3)
    check_fits(f"{role}: the mesh", mesh[0], config.mpm, f"the mesh smaller with {role}.extent")
    return spacing, load_points(mesh, spacing, density, mesh_config.jitter, config.seed)


def _mass_target(name: str, target: Particles[Tensor], mesh: Mesh, config: MorphConfig) -> MassTarget:
    """Of the mass matching of that name, on its grid."""
    settings, grid = getattr(config.loss, name), config.mpm.grid
    refinement = getattr(settings, "refinement", 1)
    if refinement > 1:  # the outermost of the particles end half a spacing within the mesh
        distance = grid.spacing / config.target.points_per_cell ** (1 / 3) / refinement
        target = load_points(mesh, distance, config.mpm.material.density)
    spacing, size = grid.spacing / refinement, tuple(refinement * (n - 1) + 1 for n in grid.size)
    mpm = config.mpm.model_copy(update={"grid": grid.model_copy(update={"spacing": spacing, "size": size})})
    scale = settings.full_cell / (config.mpm.material.density * spacing**3)
    return MassTarget(mpm, rasterize_particle_mass(target.x, target.mass * scale, mpm), scale)


def _surface_points(vertices: np.ndarray, faces: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    points, chosen = sample_faces(vertices, faces, SURFACE_POINTS, seed)
    a, b, c = vertices[faces[chosen]].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    return points, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _target_image(number: int, view: View, source: Mesh, target: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and depth of the target; the camera must see both shapes from outside."""
    for role, mesh in (("source", source), ("target", target)):
        if _inside(view.eye, *mesh):
            raise InputError(f"cameras: camera {number} at {text(view.eye)} is inside the {role}; move it away")
    mask, depth = rasterize_mesh(*target, view)
    if not mask.any():
        raise InputError(
            f"cameras: camera {number} at {text(view.eye)} does not see the target; turn it towards "
            f"{text(target[0].mean(axis=0))} or widen its fov"
        )
    return mask, depth


def _inside(point: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> bool:
    """Winding number above one half (Jacobson et al. 2013): meshes need not be closed."""
    a, b, c = (vertices[faces[:, k]] - point for k in range(3))
    la, lb, lc = (np.linalg.norm(edge, axis=1) for edge in (a, b, c))
    numerator = np.einsum("ij,ij->i", a, np.cross(b, c))
    denominator = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
    return abs(np.arctan2(numerator, denominator).sum() / (2 * np.pi)) > 0.5
