"""``mpm.colliders``: rigid bodies that the material runs into, one section a shape; at rest or on a given way."""

import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.base import Count, NonNegative, Positive, Real, Section, Vec3
from configs.mesh import MeshName, mesh_path

Condition = Literal["sticky", "slip", "separate"]


class KeyframeConfig(Section):
    """Where a collider is at one time."""

    time: Real
    """When, from the start of the simulation. Unit: time."""
    position: Vec3
    """Position of the centre, or of a plane's point. Unit: length."""
    rotation: Vec3 = (0.0, 0.0, 0.0)
    """Axis times angle of the rotation about the centre; between keyframes it changes evenly, so that 720 makes two
    turns. Unit: degree."""


class ColliderConfig(Section):
    """What all shapes have. A collider moves evenly from ``position``, or from keyframe to keyframe, held before the
    first and after the last."""

    condition: Condition = "separate"
    """sticky: material takes on the surface's velocity. slip: only its normal part. separate: so does what approaches;
    what leaves is free."""
    friction: NonNegative = 0.0
    """Coulomb's coefficient, for separate: at most this times the normal impulse acts along the surface. Unit: none."""
    margin: NonNegative | None = None
    """How far outside the surface it acts; null is 0, or for bodies thinner than the reach of a particle (3 grid cells,
    4 with cubic), through which material would leak, what makes them as thick. Unit: length."""
    position: Vec3 = (0.0, 0.0, 0.0)
    """Position of the centre at the start. Unit: length."""
    rotation: Vec3 = (0.0, 0.0, 0.0)
    """Axis times angle of the rotation about the centre at the start. Unit: degree."""
    velocity: Vec3 = (0.0, 0.0, 0.0)
    """Constant velocity of the centre. Unit: length / time."""
    angular_velocity: Vec3 = (0.0, 0.0, 0.0)
    """Constant angular velocity about the centre. Unit: radian / time."""
    keyframes: tuple[KeyframeConfig, ...] = ()
    """A trajectory instead of position, rotation and constant velocities; at least two, in order of time."""

    @property
    def thinnest(self) -> float:
        """The radius of the largest ball that fits inside, infinite if it is not known. Unit: length."""
        return math.inf

    @property
    def moves(self) -> bool:
        """Whether the pose changes with time."""
        return bool(self.keyframes) or any(self.velocity) or any(self.angular_velocity)

    @model_validator(mode="after")
    def _friction_has_effect(self):
        if self.friction and self.condition != "separate":
            raise ValueError(f"friction is {self.friction:g} with condition {self.condition}; expected separate")
        return self

    @model_validator(mode="after")
    def _one_trajectory(self):
        constant = ("position", "rotation", "velocity", "angular_velocity")
        given = [name for name in constant if any(getattr(self, name))]
        if self.keyframes and given:
            raise ValueError(f"keyframes and {', '.join(given)} are given; expected one of them")
        times = [keyframe.time for keyframe in self.keyframes]
        if len(times) == 1 or any(a >= b for a, b in pairwise(times)):
            raise ValueError(f"keyframes are at times {times}; expected at least two, each later than the one before")
        return self


class PlaneConfig(ColliderConfig):
    """A half space: all that lies behind the plane through ``position``."""

    shape: Literal["plane"]
    """The word that chooses this section."""
    normal: Vec3 = (0.0, 1.0, 0.0)
    """Direction out of the half space, of any length but 0. Unit: none."""

    @model_validator(mode="after")
    def _has_normal(self):
        if not any(self.normal):
            raise ValueError("normal is (0, 0, 0); expected a direction")
        return self


class SphereConfig(ColliderConfig):
    """A ball."""

    shape: Literal["sphere"]
    """The word that chooses this section."""
    radius: Positive
    """Its radius. Unit: length."""

    @property
    def thinnest(self) -> float:
        """The radius."""
        return self.radius


class BoxConfig(ColliderConfig):
    """A cuboid, along the axes unless rotated."""

    shape: Literal["box"]
    """The word that chooses this section."""
    half_size: tuple[Positive, Positive, Positive]
    """Half its extent along x, y, z. Unit: length."""

    @property
    def thinnest(self) -> float:
        """Half of its smallest extent."""
        return min(self.half_size)


class CylinderConfig(ColliderConfig):
    """A solid cylinder; a flat one is a disk."""

    shape: Literal["cylinder"]
    """The word that chooses this section."""
    radius: Positive
    """Its radius. Unit: length."""
    half_height: Positive
    """Half its extent along the axis. Unit: length."""
    axis: Vec3 = (0.0, 1.0, 0.0)
    """Direction of the axis, of any length but 0. Unit: none."""

    @property
    def thinnest(self) -> float:
        """The smaller of radius and half height."""
        return min(self.radius, self.half_height)

    @model_validator(mode="after")
    def _has_axis(self):
        if not any(self.axis):
            raise ValueError("axis is (0, 0, 0); expected a direction")
        return self


class MeshColliderConfig(ColliderConfig):
    """A triangle mesh, watertight or not, as a sampled signed distance; its centre is that of its bounding box."""

    shape: Literal["mesh"]
    """The word that chooses this section."""
    mesh: MeshName
    """Path of a mesh file, from the working directory or from the YAML's own folder; or the name of one of the
    project's own meshes."""
    scale: Positive = 1.0
    """Uniform factor about the centre. Unit: none."""
    extent: Positive | None = None
    """Longest side of the bounding box, instead of ``scale``; null is off. Unit: length."""
    resolution: Annotated[Count, Field(ge=8, le=512)] = 64
    """Samples of the signed distance along the longest side. Unit: none."""

    @property
    def path(self):
        """The mesh file."""
        return mesh_path(self.mesh)


Collider = Annotated[
    PlaneConfig | SphereConfig | BoxConfig | CylinderConfig | MeshColliderConfig, Field(discriminator="shape")
]
"""Any shape's section, chosen by its ``shape``."""
