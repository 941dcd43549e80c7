"""``loss``: the terms of the objective and their weights. A term of weight 0 is not evaluated."""

from configs.base import NonNegative, Section


class MassConfig(Section):
    """Logarithmic mass matching on the grid between the end state and the filled target."""

    weight: NonNegative = 1.0
    """Factor of the term. Unit: none."""


class SilhouetteConfig(Section):
    """Difference of alpha to the target's, averaged over pixels and cameras."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: none."""


class DepthConfig(Section):
    """Difference of expected depth to the target's, where both images show something."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: 1 / length."""


class RGBConfig(Section):
    """Difference of colour to the target's, averaged over pixels and cameras."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: none."""


class VelocityConfig(Section):
    """Mean squared velocity of the particles at the end of an episode: the shape should arrive at rest."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: time² / length²."""


class LossConfig(Section):
    """The objective is the weighted sum of its terms, evaluated at the end state of an episode."""

    mass: MassConfig = MassConfig()
    """Mass matching on the grid."""
    silhouette: SilhouetteConfig = SilhouetteConfig()
    """Matching of the rendered alpha."""
    depth: DepthConfig = DepthConfig()
    """Matching of the rendered depth."""
    rgb: RGBConfig = RGBConfig()
    """Matching of the rendered colour."""
    velocity: VelocityConfig = VelocityConfig()
    """Rest at the end."""
