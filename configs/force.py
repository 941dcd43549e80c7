"""``mpm.forces``: accelerations that vary in space and not in time, one section a kind."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.base import NonNegative, Positive, Real, Section, Vec3


class RadialForceConfig(Section):
    """Towards or away from a point: strength (|d| / reach)^power in the direction of d = x − center."""

    kind: Literal["radial"]
    """The word that chooses this section."""
    center: Vec3 = (0.0, 0.0, 0.0)
    """The point. Unit: length."""
    strength: Real
    """Acceleration at the distance ``reach``, positive away from the center. Unit: length / time²."""
    reach: Positive = 1.0
    """The distance at which ``strength`` holds. Unit: length."""
    power: Real = 0.0
    """Exponent of the distance: 0 is the same everywhere, 1 a spring, −2 Newton's gravity. Unit: none."""
    softening: NonNegative = 0.0
    """Added to the distance, in squares, before the power is taken: bounds negative powers. Unit: length."""

    @model_validator(mode="after")
    def _bounded(self):
        if self.power < 0 and not self.softening:
            raise ValueError(
                f"power is {self.power:g} with softening 0; expected a softening > 0, the center is singular"
            )
        return self


class VortexForceConfig(Section):
    """Around an axis: strength times the distance from it over ``reach``, fading beyond: exp(½ (1 − (r / reach)²))."""

    kind: Literal["vortex"]
    """The word that chooses this section."""
    center: Vec3 = (0.0, 0.0, 0.0)
    """A point of the axis. Unit: length."""
    axis: Vec3 = (0.0, 1.0, 0.0)
    """Direction of the axis, of any length but 0; the turn is right-handed. Unit: none."""
    strength: Real
    """Acceleration at the distance ``reach``, the largest. Unit: length / time²."""
    reach: Positive = 1.0
    """The distance of the largest acceleration. Unit: length."""

    @model_validator(mode="after")
    def _has_axis(self):
        if not any(self.axis):
            raise ValueError("axis is (0, 0, 0); expected a direction")
        return self


class BoxForceConfig(Section):
    """The same acceleration everywhere in a box along the axes, none outside: wind, a lift."""

    kind: Literal["box"]
    """The word that chooses this section."""
    low: Vec3
    """Smallest corner. Unit: length."""
    high: Vec3
    """Largest corner. Unit: length."""
    acceleration: Vec3
    """The acceleration. Unit: length / time²."""

    @model_validator(mode="after")
    def _has_inside(self):
        if any(a >= b for a, b in zip(self.low, self.high, strict=True)):
            raise ValueError(f"low is {self.low} and high is {self.high}; expected low below high along each axis")
        return self


Force = Annotated[RadialForceConfig | VortexForceConfig | BoxForceConfig, Field(discriminator="kind")]
"""Any kind's section, chosen by its ``kind``."""
