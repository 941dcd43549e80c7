"""Motion of colliders as tensors: what ``DiffMPM.forward(colliders=…)`` accepts, as the rows that the kernels read.

Everything is computed in float64, for a velocity is a small difference of positions over a small time.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_shape
from bridge.rotations import rotation_matrix, rotation_vector
from configs.errors import InputError
from mpm.collider_rows import ColliderRows
from mpm.colliders import FRICTION, MOVING, POSITION, ROTATION

EXCLUSIVE = (("position", "velocity"), ("rotation", "angular_velocity"))


@dataclass
class ColliderMotion:
    """Poses of K colliders at the S + 1 boundaries of S steps, and the constant velocities in each."""

    position: Tensor
    """[S + 1, K, 3]. Unit: length."""
    rotation: Tensor
    """[S + 1, K, 3, 3], from each shape's own frame."""
    velocity: Tensor
    """[S, K, 3]. Unit: length / time."""
    spin: Tensor
    """[S, K, 3], angular velocity. Unit: radian / time."""
    friction: Tensor
    """[K]."""

    def rows(self, fixed: Tensor, dt: float, steps: slice, substeps: int = 1) -> Tensor:
        """[T, K, ROW] for some steps, each cut into ``substeps`` of ``dt``; ``fixed [K, ROW]`` never changes."""
        velocity, spin = (value[steps, None].expand(-1, substeps, -1, -1) for value in (self.velocity, self.spin))
        passed = dt * torch.arange(substeps, dtype=torch.float64, device=fixed.device)[:, None, None]
        position = self.position[:-1][steps, None] + passed * velocity
        rotation = rotation_matrix(passed * spin) @ self.rotation[:-1][steps, None]
        parts = (position, rotation.flatten(-2), velocity, spin, self.friction.expand(velocity.shape[:-1])[..., None])
        moving = torch.cat(parts, dim=-1).flatten(0, 1)
        return torch.cat([moving, fixed[:, MOVING:].expand(len(moving), -1, -1)], dim=-1)


def collider_motion(
    given: dict[str, Tensor], colliders: ColliderRows, steps: int, dt: float, time: float
) -> ColliderMotion:
    """The motion that a user gave, with what is missing from the configuration.

    Args:
        given: any of ``position [S + 1, K, 3]`` or ``velocity [S, K, 3]``, ``rotation [S + 1, K, 3]`` (rotation
            vectors) or ``angular_velocity [S, K, 3]``, ``friction [K]``; velocities also [K, 3], the same in all steps.
        colliders: those of the configuration.
        steps, dt, time: S steps of dt from a time on.

    Raises:
        InputError: unknown names, wrong shapes, values that are not finite, friction < 0, both of a pair.
    """
    shapes = _check(given, steps, len(colliders.colliders))
    values = {name: value.double().expand(shapes[name]) for name, value in given.items()}
    device = next(iter(values.values())).device if values else torch.device("cpu")
    default = torch.from_numpy(colliders.rows(steps, dt, time)).to(device).expand(steps, -1, -1)
    velocity, spin = default[..., 12:15], default[..., 15:18]
    position, rotation = default[:1, :, POSITION : POSITION + 3], default[0, :, ROTATION : ROTATION + 9]
    rotation = rotation.unflatten(-1, (3, 3))
    if "position" in values:
        velocity, position = values["position"].diff(dim=0) / dt, values["position"]
    else:
        velocity = values.get("velocity", velocity)
        position = torch.cat([position, position + dt * velocity.cumsum(dim=0)])
    if "rotation" in values:
        as_built = torch.from_numpy(colliders.as_built).to(device)
        rotations = rotation_matrix(values["rotation"]) @ as_built
        spin = rotation_vector(rotations[1:] @ rotations[:-1].mT) / dt
    else:
        spin = values.get("angular_velocity", spin)
        rotations = _turned(rotation, rotation_matrix(dt * spin))
    friction = values.get("friction", default[0, :, FRICTION])
    return ColliderMotion(position, rotations, velocity, spin, friction)


def _turned(start: Tensor, turns: Tensor) -> Tensor:
    """[S + 1, K, 3, 3]: ``start [K, 3, 3]`` and what each of the turns [S, K, 3, 3] makes of the one before."""
    rotations = [start]
    for turn in turns:
        rotations.append(turn @ rotations[-1])
    return torch.stack(rotations)


def _check(given: dict[str, Tensor], steps: int, count: int) -> dict[str, tuple[int, ...]]:
    """Shapes that the given tensors are expanded to."""
    boundary, inside = (steps + 1, count, 3), (steps, count, 3)
    shapes: dict[str, tuple[int, ...]] = {"position": boundary, "velocity": inside, "friction": (count,)}
    shapes |= {"rotation": boundary, "angular_velocity": inside}
    if not count:
        raise InputError(
            "DiffMPM: colliders is given, but the configuration has none; expected some in config.colliders"
        )
    if unknown := sorted(set(given) - set(shapes)):
        raise InputError(f"DiffMPM: colliders has {', '.join(unknown)}; expected {', '.join(shapes)}")
    for pair in EXCLUSIVE:
        if all(name in given for name in pair):
            raise InputError(
                f"DiffMPM: colliders has {' and '.join(pair)}; expected one of them, for each follows from the other"
            )
    for name, value in given.items():
        constant = shapes[name] == inside and isinstance(value, Tensor) and value.ndim == 2
        expect_shape("DiffMPM", f"colliders.{name}", value, inside[1:] if constant else shapes[name])
        expect_finite("DiffMPM", f"colliders.{name}", value)
    if "friction" in given and bool((given["friction"].detach() < 0).any()):
        raise InputError(
            f"DiffMPM: colliders.friction is {float(given['friction'].detach().min()):g}; expected at least 0"
        )
    return shapes
