"""``render.lighting``: how splats are lit."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.base import Color, NonNegative, Real, Section, Share, Vec3


class DirectionalLightConfig(Section):
    """Parallel light from far away."""

    direction: Vec3
    """Where the light travels to. Unit: none."""
    color: Color = (1.0, 1.0, 1.0)
    """Red, green, blue in [0, 1]. Unit: none."""
    intensity: NonNegative = 1.0
    """Factor of the colour. Unit: none."""

    @model_validator(mode="after")
    def _has_direction(self):
        if not any(self.direction):
            raise ValueError("direction is 0, 0, 0; expected a direction")
        return self


class PointLightConfig(Section):
    """Light from a point, weaker with the distance d: intensity / (a + b d + c d²)."""

    position: Vec3
    """Where the light is. Unit: length."""
    color: Color = (1.0, 1.0, 1.0)
    """Red, green, blue in [0, 1]. Unit: none."""
    intensity: NonNegative = 1.0
    """Factor of the colour. Unit: none."""
    attenuation: tuple[NonNegative, NonNegative, NonNegative] = (1.0, 0.0, 0.0)
    """a, b, c. Unit: 1, 1/length, 1/length²."""

    @model_validator(mode="after")
    def _attenuates(self):
        if not any(self.attenuation):
            raise ValueError("attenuation is 0, 0, 0; expected at least one positive number")
        return self


class LightingConfig(Section):
    """One look for all pictures. Without a light of its own, the light is at the camera."""

    model: Literal["lambert", "blinn_phong"] = "lambert"
    """lambert: ambient and diffuse light; blinn_phong: highlights too."""
    ambient: Share = 0.35
    """Share of the colour that needs no light. Unit: none."""
    diffuse: Share = 0.65
    """Share of the colour that is lit by the cosine. Unit: none."""
    specular: Share = 0.2
    """Strength of the highlights, which have the light's colour. Unit: none."""
    shininess: Annotated[Real, Field(ge=1)] = 32.0
    """Exponent of the highlights: larger is smaller and sharper. Unit: none."""
    two_sided: bool = True
    """Normals are turned to the viewer: the inside of a shell is lit like its outside."""
    directional: DirectionalLightConfig | None = None
    """Parallel light."""
    point: PointLightConfig | None = None
    """Light from a point."""
