"""``bodies``: what a simulation starts from. Each is one shape full of particles, with a velocity."""

from typing import Annotated

from pydantic import Field, model_validator

from configs.base import Color, Count, Integer, Positive, Real, Section, Vec3
from configs.mesh import MeshName

SHAPES = ("mesh", "box", "sphere", "cylinder")


class VelocityConfig(Section):
    """Initial velocity of a body at r from its centre: linear + (angular + (twist · r) twist / |twist|) × r."""

    linear: Vec3 = (0.0, 0.0, 0.0)
    """Velocity of the centre. Unit: length / time."""
    angular: Vec3 = (0.0, 0.0, 0.0)
    """Spin about the centre: axis times angle per time. Unit: radian / time."""
    twist: Vec3 = (0.0, 0.0, 0.0)
    """Axis times the growth of the spin along it: the two ends turn opposite ways. Unit: radian / (time · length)."""


class BodyConfig(Section):
    """One body. It has exactly one of the shapes mesh, box, sphere and cylinder."""

    mesh: MeshName | None = None
    """A mesh, as of ``source.mesh``."""
    extent: Positive | None = None
    """Longest side of the mesh's bounding box; null leaves the file's size. Unit: length."""
    box: tuple[Positive, Positive, Positive] | None = None
    """Sides along x, y, z. Unit: length."""
    sphere: Positive | None = None
    """Radius. Unit: length."""
    cylinder: tuple[Positive, Positive] | None = None
    """Radius, and height along y. Unit: length."""
    center: Vec3 = (0.0, 0.0, 0.0)
    """Where the centre of the unturned shape's bounding box is put. Unit: length."""
    rotation: Vec3 = (0.0, 0.0, 0.0)
    """Axis times angle by which the shape is turned about its centre. Unit: degree."""
    points_per_cell: Count = 8
    """Particles per grid cell; their spacing is the grid's divided by the cube root of this. Unit: none."""
    jitter: Annotated[Real, Field(ge=0, le=1)] = 0.0
    """Seeded random offset of each particle along each axis, up to ± half of this. Unit: particle spacings."""
    material: Integer | str | None = None
    """Place in ``mpm.materials``, from 0, or the law of the one there that has it; null is the only material.
    Unit: none."""
    velocity: VelocityConfig = VelocityConfig()
    """Initial velocity."""
    color: Color | None = None
    """Red, green, blue in [0, 1]; null is ``render.particle_color``. Unit: none."""
    flows: bool | None = None
    """Whether pictures find its surface anew in each frame, as what flows or breaks needs, or let the one at the start
    deform; null goes by the law of its material."""

    @property
    def shape(self) -> str:
        """Which of ``SHAPES`` it has."""
        return next(name for name in SHAPES if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_shape(self):
        given = [name for name in SHAPES if getattr(self, name) is not None]
        if len(given) != 1:
            told = f"{' and '.join(given)} are given" if given else "it has no shape"
            raise ValueError(f"{told}; expected exactly one of {', '.join(SHAPES)}")
        if self.extent is not None and self.mesh is None:
            raise ValueError(f"extent is given for a {given[0]}; expected it with a mesh only")
        return self
