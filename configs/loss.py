"""``loss``: the terms of the objective and their weights. A term of weight 0 is not evaluated."""

from configs.base import NonNegative, Positive, Section


class MassConfig(Section):
    """Logarithmic mass matching on the grid between the end state and the filled target."""

    weight: NonNegative = 1.0
    """Factor of the term. Unit: none."""
    full_cell: Positive = 75.0
    """What the mass of a full grid cell is scaled to before the logarithm log(1 + mass), whose contrast depends on it.
    Unit: none."""
    outside_weight: NonNegative = 1.0
    """Weight of grid nodes that the target leaves empty. Unit: none."""


class SilhouetteConfig(Section):
    """Squared difference of alpha and the target's coverage, averaged over pixels and cameras."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: none."""


class DepthConfig(Section):
    """Absolute difference of expected depth to the target's, averaged where both images show something."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: 1 / length."""


class RGBConfig(Section):
    """Absolute difference of colour to the target's silhouette in the particles' colour, averaged over pixels and
    cameras."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: none."""


class VelocityConfig(Section):
    """Rest at the end: the mean squared way, in grid cells, that the particles would go on in another episode."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: none."""


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
