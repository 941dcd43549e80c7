"""What a simulation starts from: particles of all bodies, cameras; and the checks that a user's mistakes meet."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridge.runtime import current
from configs.body import BodyConfig
from configs.errors import InputError
from configs.mesh import mesh_path
from configs.mpm import MPMConfig
from configs.simulate import SimulateConfig
from experiments.camera_views import perspective_views
from experiments.scene_checks import check_fits, check_time_step
from experiments.views import View
from mpm.mesh import load_mesh
from mpm.particles import fill_mesh
from mpm.primitives import fill_box, fill_cylinder, fill_sphere
from mpm.trajectory import rotation_matrix


@dataclass
class SimulateScene:
    """Everything that stays the same, and the start. Row p is particle p; bodies follow one another."""

    x: Tensor
    """Positions at the start [N, 3]. Unit: length."""
    v: Tensor
    """Velocities at the start [N, 3]. Unit: length / time."""
    mass: Tensor
    """[N]."""
    volume: Tensor
    """Rest volumes [N]. Unit: length³."""
    material_id: Tensor
    """Place of each particle's material in the configuration's list, int64 [N]."""
    body: Tensor
    """Number of each particle's body, int64 [N]."""
    spacings: list[float]
    """Distance between neighbouring particles of each body. Unit: length."""
    mpm: MPMConfig
    """The simulator's configuration, whose time step divides the frame's, if it is not auto."""
    views: list[View]
    """The cameras."""


def build_scene(config: SimulateConfig) -> SimulateScene:
    """Fill, place and check all bodies.

    Raises:
        InputError: whatever is wrong with meshes, bodies, grid or time step.
    """
    dt = "auto" if config.mpm.dt == "auto" else config.frame_dt / config.steps
    mpm = config.mpm.model_copy(update={"dt": dt})
    check_time_step(mpm)
    spacings = [mpm.grid.spacing / body.points_per_cell ** (1 / 3) for body in config.bodies]
    points = [_fill(n, body, spacings[n], config) for n, body in enumerate(config.bodies)]
    _check_apart(points, spacings)
    counts = torch.tensor([len(x) for x in points])
    real = current().dtype

    def spread(values: list, dtype: torch.dtype = real) -> Tensor:
        return torch.tensor(values, dtype=dtype).repeat_interleave(counts)

    ids = [config.material_id(body) for body in config.bodies]
    densities = [config.materials[number].density for number in ids]
    volumes = [spacing**3 for spacing in spacings]
    velocities = [initial_velocity(body, x) for body, x in zip(config.bodies, points, strict=True)]
    return SimulateScene(
        x=torch.tensor(np.concatenate(points), dtype=real),
        v=torch.tensor(np.concatenate(velocities), dtype=real),
        mass=spread([density * volume for density, volume in zip(densities, volumes, strict=True)]),
        volume=spread(volumes),
        material_id=spread(ids, torch.int64),
        body=spread(list(range(len(points))), torch.int64),
        spacings=spacings,
        mpm=mpm,
        views=perspective_views(config.cameras, config.render.width, config.render.height),
    )


def initial_velocity(body: BodyConfig, x: np.ndarray) -> np.ndarray:
    """Velocities [N, 3] of the body's particles at ``x`` [N, 3]: ``configs.body.VelocityConfig`` has the formula."""
    r = x - np.asarray(body.center)
    twist = np.asarray(body.velocity.twist)
    strength = float(np.linalg.norm(twist))
    spin = np.asarray(body.velocity.angular) + (np.outer(r @ twist, twist / strength) if strength else 0.0)
    return np.asarray(body.velocity.linear) + np.cross(spin, r)


def _fill(number: int, body: BodyConfig, spacing: float, config: SimulateConfig) -> np.ndarray:
    """Particles [N, 3] of a body at its place."""
    try:
        x = _shape(body, spacing)
    except InputError as error:
        raise InputError(f"bodies.{number}: {error}") from error
    if body.jitter:
        offsets = np.random.default_rng([config.seed, number]).uniform(-0.5, 0.5, x.shape)
        x = x + offsets * (body.jitter * spacing)
    x = x @ rotation_matrix(np.radians(body.rotation)).T + np.asarray(body.center)
    check_fits(f"bodies.{number}: the {body.shape}", x, config.mpm, "move or shrink the body")
    return x


def _shape(body: BodyConfig, spacing: float) -> np.ndarray:
    """Particles [N, 3] about the origin."""
    if body.box is not None:
        return fill_box(body.box, spacing)
    if body.sphere is not None:
        return fill_sphere(body.sphere, spacing)
    if body.cylinder is not None:
        return fill_cylinder(*body.cylinder, spacing)
    assert body.mesh is not None
    vertices, faces = load_mesh(mesh_path(body.mesh))
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    longest = float((high - low).max())
    scale = body.extent / longest if body.extent and longest > 0 else 1.0
    return fill_mesh((vertices - (low + high) / 2) * scale, faces, spacing)


def _check_apart(points: list[np.ndarray], spacings: list[float]) -> None:
    """Raise if two bodies share a cell of half a particle spacing: they would be in one place."""
    pitch = min(spacings) / 2
    cells = [{tuple(cell) for cell in np.floor(x / pitch).astype(np.int64).tolist()} for x in points]
    for j in range(len(cells)):
        for i in range(j):
            if shared := len(cells[i] & cells[j]):
                raise InputError(
                    f"bodies.{i} and bodies.{j} overlap: {shared} of their particles are closer than half a spacing; "
                    "expected bodies that are apart or touch"
                )
