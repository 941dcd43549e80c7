"""``cameras``: where pictures are taken from. Orbits, Fibonacci spheres and single views may be combined."""

from typing import Annotated

from pydantic import Field, model_validator

from configs.base import Count, Positive, Real, Section, Vec3

FieldOfView = Annotated[Positive, Field(lt=180)]


class ViewConfig(Section):
    """One pinhole camera."""

    eye: Vec3
    """Position of the camera. Unit: length."""
    target: Vec3 = (0.0, 0.0, 0.0)
    """Point in the middle of the image. Unit: length."""
    up: Vec3 = (0.0, 1.0, 0.0)
    """Direction that points up in the image. Unit: none."""
    fov: FieldOfView = 40.0
    """Vertical field of view. Unit: degree."""

    @model_validator(mode="after")
    def _has_frame(self):
        _check_frame(tuple(t - e for t, e in zip(self.target, self.eye, strict=True)), self.up)
        return self


class OrbitConfig(Section):
    """Cameras at equal angles on a circle around ``up``, all looking at ``target``."""

    count: Count = 8
    """Number of cameras. Unit: none."""
    radius: Positive = 3.0
    """Distance from the target. Unit: length."""
    elevation: Annotated[Real, Field(gt=-90, lt=90)] = 20.0
    """Angle above the plane through the target. Unit: degree."""
    azimuth: Real = 0.0
    """Angle of the first camera. Unit: degree."""
    target: Vec3 = (0.0, 0.0, 0.0)
    """Point in the middle of every image. Unit: length."""
    up: Vec3 = (0.0, 1.0, 0.0)
    """Axis of the circle, up in every image. Unit: none."""
    fov: FieldOfView = 40.0
    """Vertical field of view. Unit: degree."""


class FibonacciConfig(Section):
    """Cameras spread evenly over a sphere, all looking at ``target``."""

    count: Count = 12
    """Number of cameras. Unit: none."""
    radius: Positive = 3.0
    """Distance from the target. Unit: length."""
    target: Vec3 = (0.0, 0.0, 0.0)
    """Point in the middle of every image. Unit: length."""
    up: Vec3 = (0.0, 1.0, 0.0)
    """Axis of the sphere, up in every image. Unit: none."""
    fov: FieldOfView = 40.0
    """Vertical field of view. Unit: degree."""


class CamerasConfig(Section):
    """All cameras that are given, in the order orbit, fibonacci, views. A YAML list stands for ``views``."""

    orbit: OrbitConfig | None = None
    """A circle of cameras. null is off."""
    fibonacci: FibonacciConfig | None = None
    """A sphere of cameras. null is off."""
    views: tuple[ViewConfig, ...] = ()
    """Single cameras."""

    @model_validator(mode="before")
    @classmethod
    def _list_of_views(cls, value):
        return {"views": value} if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _not_empty(self):
        if not (self.orbit or self.fibonacci or self.views):
            raise ValueError("no camera; expected orbit, fibonacci or a list of views")
        return self


def _check_frame(forward: tuple[float, ...], up: tuple[float, ...]) -> None:
    if not any(forward):
        raise ValueError("eye and target are the same point; expected two points")
    (a, b, c), (x, y, z) = forward, up
    cross = (b * z - c * y, c * x - a * z, a * y - b * x)
    if sum(e * e for e in cross) <= 1e-12 * sum(e * e for e in forward) * sum(e * e for e in up):
        raise ValueError(f"up is {up}, along the viewing direction; expected another direction")
