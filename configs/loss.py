"""``loss``: the terms of the objective and their weights. A term of weight 0 throughout is not evaluated."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from configs.base import Integer, NonNegative, Positive, Section


class TermConfig(Section):
    """What all terms have. Weights stay the same within an episode: each step lowers one objective."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: none."""
    final_weight: NonNegative | None = None
    """Its value in the last episode; null keeps ``weight``. Unit: that of ``weight``."""
    schedule: Literal["linear", "cosine"] = "linear"
    """How the weight goes from ``weight`` to ``final_weight`` over the episodes."""

    def weight_at(self, progress: float) -> float:
        """The factor when that share of the episodes, 0 to 1, is behind."""
        if self.final_weight is None:
            return self.weight
        share = progress if self.schedule == "linear" else (1 - math.cos(math.pi * progress)) / 2
        return self.weight + share * (self.final_weight - self.weight)

    @property
    def counts(self) -> bool:
        """Whether it is ever evaluated."""
        return self.weight > 0 or bool(self.final_weight)


class MassConfig(TermConfig):
    """Logarithmic mass matching on the grid between the end state and the filled target."""

    weight: NonNegative = 1.0
    """Factor of the term. Unit: none."""
    full_cell: Positive = 75.0
    """What the mass of a full grid cell is scaled to before the logarithm log(1 + mass), whose contrast depends on it.
    Unit: none."""
    outside_weight: NonNegative = 1.0
    """Weight of grid nodes that the target leaves empty. Unit: none."""
    excess_weight: NonNegative = 1.0
    """Weight of those of the target's nodes that hold more than it does. Below 1, filling the target everywhere counts
    more than an even filling: what the centre of mass does not allow there is heaped up somewhere. Unit: none."""
    excess: Literal["log", "linear"] = "log"
    """How what these hold too much counts: by the logarithm, or as a share of a full cell. The slope of the logarithm
    falls beyond some three times the target, so that a heap draws more together."""
    rim_weight: NonNegative = 1.0
    """Weight of nodes that the target hardly fills; up to full ones it rises to 1 with the mass. Below 1, the inside
    counts more than the outline, which silhouettes see. Unit: none."""


class FineMassConfig(MassConfig):
    """Mass matching on a finer grid, which sees voids and heaps smaller than the solver's cells, as a mean over these:
    divided by the number of fine cells in one. Its target is filled more densely by as much, up to the mesh."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: none."""
    refinement: Annotated[Integer, Field(ge=2, le=4)] = 2
    """Fine cells along the side of one of the solver's. Unit: none."""


class SilhouetteConfig(TermConfig):
    """Squared difference of alpha and the target's coverage, averaged over pixels and cameras."""


class DepthConfig(TermConfig):
    """Absolute difference of expected depth to the target's, averaged where both images show something."""

    weight: NonNegative = 0.0
    """Factor of the term. Unit: 1 / length."""


class RGBConfig(TermConfig):
    """Absolute difference of colour to the target's silhouette in the particles' colour, averaged over pixels and
    cameras."""


class EdgeConfig(TermConfig):
    """Share of the Gaussians' projected variance across the edges of the target's silhouettes."""


class AlignmentConfig(TermConfig):
    """Share of the Gaussians' variance along the normal of the nearest point of the target mesh."""


class SizeConfig(TermConfig):
    """Divergence of the Gaussians from balls of their size at rest."""


class NormalsConfig(TermConfig):
    """One minus the cosine between the normals of neighbouring Gaussians."""


class VelocityConfig(TermConfig):
    """Rest at the end: the mean squared way, in grid cells, that the particles would go on in another episode."""


class TemporalConfig(TermConfig):
    """Even motion: mean squared second difference, in grid cells, of positions from control interval to interval."""


class VolumeConfig(TermConfig):
    """Mean of (log det F)² of the solver's F at the end."""


class ElasticConfig(TermConfig):
    """Elastic energy density at the end, as a share of λ + 2μ, by the corotated law."""


class ControlConfig(TermConfig):
    """Mean squared entry of the controls."""


class ControlChangeConfig(TermConfig):
    """Mean squared change of the controls from interval to interval."""


IMAGE_TERMS = ("silhouette", "depth", "rgb", "edges", "alignment", "size", "normals")
"""Terms of the Gaussians; the others are the physics'."""


class LossConfig(Section):
    """The objective is the weighted sum of its terms, evaluated at the end state of an episode."""

    mass: MassConfig = MassConfig()
    """Mass matching on the grid."""
    fine_mass: FineMassConfig = FineMassConfig()
    """Mass matching below the grid's spacing."""
    silhouette: SilhouetteConfig = SilhouetteConfig()
    """Matching of the rendered alpha."""
    depth: DepthConfig = DepthConfig()
    """Matching of the rendered depth."""
    rgb: RGBConfig = RGBConfig()
    """Matching of the rendered colour."""
    edges: EdgeConfig = EdgeConfig()
    """Gaussians drawn out along the target's edges."""
    alignment: AlignmentConfig = AlignmentConfig()
    """Gaussians flat in the target's surface."""
    size: SizeConfig = SizeConfig()
    """Gaussians of the size they had."""
    normals: NormalsConfig = NormalsConfig()
    """Smooth normals."""
    velocity: VelocityConfig = VelocityConfig()
    """Rest at the end."""
    temporal: TemporalConfig = TemporalConfig()
    """Even motion."""
    volume: VolumeConfig = VolumeConfig()
    """Kept volume."""
    elastic: ElasticConfig = ElasticConfig()
    """Little elastic energy."""
    control: ControlConfig = ControlConfig()
    """Small controls."""
    control_change: ControlChangeConfig = ControlChangeConfig()
    """Smooth controls."""
    render_share: Positive | None = None
    """Norm of the gradient of all image terms together, relative to that of all others, at the start of an episode: one
    factor on their weights, found there. null leaves the weights as they are. Unit: none."""
    conflict: Literal["none", "project"] = "none"
    """project: where the two gradients oppose each other, the part of each that does is taken away before the step
    (PCGrad, Yu et al. 2020); the step still has to lower the whole objective."""
    render_gradient: Literal["both", "x", "F"] = "both"
    """Through which part of the end state the image terms act: positions, deformations, or both."""

    def mass_terms(self) -> Iterator[tuple[str, MassConfig]]:
        """The mass matchings among ``terms``."""
        for name, term in self.terms():
            if isinstance(term, MassConfig):
                yield name, term

    def terms(self) -> Iterator[tuple[str, TermConfig]]:
        """Those that count, by name."""
        for name in type(self).model_fields:
            term = getattr(self, name)
            if isinstance(term, TermConfig) and term.counts:
                yield name, term
