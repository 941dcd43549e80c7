"""Colliders, accelerations and the walls' friction as tensors: what a rollout is surrounded by."""

import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_shape
from bridge.collider_motion import ColliderMotion, collider_motion
from configs.errors import InputError
from configs.mpm import FACES
from mpm.colliders import SPIN, VELOCITY
from mpm.forces import acceleration_field
from mpm.surroundings import Surroundings

SAMPLES = 8
"""Times in a frame at which the colliders' speed is looked at."""


class SurroundingTensors:
    """The arguments of one ``DiffMPM.forward`` that concern the nodes, checked; ``None`` means as configured.

    Args:
        around: the solver's part.
        x: particles; says device and dtype.
        frames: number of ``steps``, each ``frame_dt`` long.
        time: when the first begins. Unit: time.
        acceleration: of every node [nx, ny, nz, 3], added to what is configured. Unit: length / time².
        colliders: see ``collider_motion``.
        wall_friction: 0-d, in the place of ``config.boundary.friction``.
    """

    def __init__(
        self,
        around: Surroundings,
        x: Tensor,
        frames: int,
        frame_dt: float,
        time: float,
        acceleration: Tensor | None,
        colliders: dict[str, Tensor] | None,
        wall_friction: Tensor | None,
    ):
        self.around, self.x, self.time, self.frame_dt = around, x, time, frame_dt
        given = [value for value in (acceleration, colliders, wall_friction) if value is not None]
        self.used = around.needed or bool(given)
        self.friction = _friction(wall_friction, around, x)
        self.motion: ColliderMotion | None = None
        if colliders is not None:
            self.motion = collider_motion(colliders, around.colliders, frames, frame_dt, time)
        self.acceleration = self._acceleration(acceleration) if self.used else x.new_zeros(1)

    def rows(self, dt: float, frames: slice, substeps: int) -> Tensor:
        """[T, K, ROW] for some frames, each cut into ``substeps`` of ``dt``."""
        colliders = self.around.colliders
        if self.motion is not None:
            fixed = torch.from_numpy(colliders.fixed).to(self.motion.position.device)
            rows = self.motion.rows(fixed, dt, frames, substeps)
        else:
            steps = (frames.stop - frames.start) * substeps
            rows = torch.from_numpy(colliders.rows(steps, dt, self.time + frames.start * self.frame_dt))
        return rows.to(self.x)

    def gained_speed(self, frame_dt: float) -> float:
        """The most that the nodes' acceleration adds to a speed in a frame. Unit: length / time."""
        largest = self.acceleration.detach().reshape(-1, 3).norm(dim=1).max() if self.used else 0.0
        return float(largest) * frame_dt

    def collider_speed(self, frame: int) -> float:
        """The largest speed of any collider's surface in a frame. Unit: length / time."""
        return self.surface_speed(self.rows(self.frame_dt / SAMPLES, slice(frame, frame + 1), SAMPLES))

    def surface_speed(self, rows: Tensor) -> float:
        """The largest speed of any collider's surface in ``rows`` [T, K, ROW]. Unit: length / time."""
        extent = torch.from_numpy(self.around.colliders.extent).to(rows)
        if not len(extent):
            return 0.0
        v, spin = rows.detach()[..., VELOCITY : VELOCITY + 3], rows.detach()[..., SPIN : SPIN + 3]
        return float((v.norm(dim=-1) + extent * spin.norm(dim=-1)).max())

    def _acceleration(self, given: Tensor | None) -> Tensor:
        config = self.around.config
        field = torch.from_numpy(acceleration_field(config)).to(self.x)
        if given is not None:
            expect_shape("DiffMPM", "acceleration", given, (*config.grid.size, 3))
            expect_finite("DiffMPM", "acceleration", given)
            field = field + given.to(self.x)
        return field.reshape(-1)


def _friction(given: Tensor | None, around: Surroundings, x: Tensor) -> Tensor:
    if given is None:
        return torch.tensor(around.config.boundary.friction, dtype=torch.float64).to(x)
    expect_shape("DiffMPM", "wall_friction", given, ())
    expect_finite("DiffMPM", "wall_friction", given)
    if float(given.detach()) < 0:
        raise InputError(f"DiffMPM: wall_friction is {float(given.detach()):g}; expected at least 0")
    if "separate" not in (getattr(around.config.boundary, face) for face in FACES):
        raise InputError(
            "DiffMPM: wall_friction is given, but no face of mpm.boundary separates; expected one that does"
        )
    return given.to(x)
