"""``upsample``: how the particles at the surface become Gaussians."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.base import Count, Integer, NonNegative, Positive, Real, Section, Share

Neighbours = Annotated[Integer, Field(ge=4, le=63)]


class EqualizeConfig(Section):
    """Children pushed apart in the tangent planes until they are evenly spread; at detection, detached."""

    enabled: bool = True
    """Whether it is done."""
    iters: Annotated[Integer, Field(ge=0)] = 8
    """Turns of pushes. Unit: none."""
    k: Neighbours = 12
    """Neighbours that push a child. Unit: none."""
    step: Positive = 0.6
    """Length of a push at first. Unit: mean distance to the neighbours."""
    annealing: Annotated[Real, Field(gt=0, le=1)] = 0.9
    """Factor on the step from turn to turn. Unit: none."""
    radius_mul: Positive = 1.2
    """Reach of a push. Unit: mean distance to the neighbours."""
    use_mls_projection: bool = True
    """Return to the surface after each turn; false does so at the end only."""
    mls_iters: Count = 1
    """Newton steps of that return. Unit: none."""
    mls_step: Annotated[Real, Field(gt=0, le=1)] = 1.0
    """Share of a Newton step that is taken. Unit: none."""


class GraphConfig(Section):
    """F of the children from a smooth field on a coarse graph (embedded deformation), in place of a local mean."""

    enabled: bool = False
    """Whether it is done."""
    num_nodes: Count = 180
    """Nodes of the graph, spread over the particles. Unit: none."""
    node_knn: Neighbours = 8
    """Neighbours of a node in the graph. Unit: none."""
    point_knn_nodes: Neighbours = 8
    """Nodes between which a point is interpolated. Unit: none."""
    lambda_lap: NonNegative = 0.01
    """Weight of the graph's Laplacian, which makes neighbouring nodes alike, relative to the particles of a node.
    Unit: none."""


class FigureConfig(Section):
    """Scatter plots and histograms of the points of a run."""

    enabled: bool = False
    """Write points.png and axis_histogram.png with the final splats."""
    dpi: Annotated[Integer, Field(ge=20, le=600)] = 120
    """Resolution. Unit: 1 / inch."""
    ptsize: Positive = 0.5
    """Size of a point. Unit: point (1/72 inch)."""


class UpsampleConfig(Section):
    """Lengths are relative to the particle spacing, so that a preset holds at every resolution."""

    M: Count | None = None
    """Number of Gaussians, laid out evenly on the surface; null puts one at each surface particle. Unit: none."""
    sigma0: Positive = 0.5
    """Standard deviation of an undeformed Gaussian in the plane of the surface; with M, the square root of the surface
    area per Gaussian takes the place of the particle spacing. Unit: particle spacing."""
    thickness: Positive = 1.0
    """Standard deviation along the surface normal, as a share of sigma0; 1 is a ball. Unit: none."""
    opacity: Share = 0.9
    """Opacity of every Gaussian. Unit: none."""
    covariance: Literal["deformed", "stretch", "surface"] = "deformed"
    """``deformed``: F Σ0 Fᵀ, the disc moves with the material. ``stretch``: σ² R S² Rᵀ of the polar decomposition
    F = R S, a ball at rest whatever the thickness. ``surface``: the disc deforms in its plane, its thickness stays,
    along the surface's normal."""
    max_anisotropy: Annotated[Real, Field(ge=1)] | None = None
    """Largest ratio of a Gaussian's standard deviations, at a constant volume; null has no limit. Unit: none."""
    max_growth: Annotated[Real, Field(ge=1)] | None = None
    """Largest factor by which a Gaussian's linear size (cube root of its volume) grows or shrinks; null has no limit.
    Unit: none."""
    surface_threshold: Share = 0.5
    """Surface weight from which a particle belongs to the surface; 0 takes all particles. Unit: none."""
    thr_percentile: Annotated[Real, Field(gt=0, le=100)] | None = None
    """Percentage of the particles, those of the largest surface weights, that make the surface, in place of
    surface_threshold. Unit: none."""
    soft_tau: Positive = 0.08
    """Temperature of the soft surface weight: a parent counts as sigmoid((weight - threshold) / soft_tau).
    Unit: none."""
    hysteresis: Share = 0.03
    """With a history, by how much a surface weight must pass the threshold before a particle joins or leaves the
    surface. Unit: none."""
    ema_beta: Annotated[Real, Field(ge=0, lt=1)] = 0.5
    """With a history, share of the past in the running averages of surface weights and threshold. Unit: none."""
    k_surface: Annotated[Integer, Field(ge=27, le=256)] = 39
    """Neighbours that a particle inside a body has in the radius of the surface detection. Unit: none."""
    smooth_normals: bool = False
    """With M, average the normals over the neighbouring children."""
    density_gamma: Real = 0.0
    """With M, children per area go with this power of the local stretch of the surface: 0 is even now, -1 is even at
    rest. Unit: none."""
    surf_jitter_alpha: NonNegative = 0.0
    """With M, random part of the layout before it is equalised; the square root of the surface area per Gaussian is 1.
    Unit: none."""
    post_equalize: EqualizeConfig = EqualizeConfig()
    """With M, spread the children evenly."""
    k_F: Annotated[Integer, Field(ge=4, le=64)] = 16
    """With M, how many particles carry each Gaussian. Unit: none."""
    selection: Literal["fixed", "gumbel", "gumbel_hard"] = "fixed"
    """With M, which of its k_F particles carry a Gaussian. ``fixed``: all, by weights that go with the distance.
    ``gumbel``: a Gumbel-softmax of these and the surface weights, differentiable by its scores; the noise is drawn
    once, with the layout. ``gumbel_hard``: one alone, with the gradient of ``gumbel``. Unit: none."""
    sampling_tau: Annotated[Real, Field(ge=0.01)] = 0.2
    """Temperature of the Gumbel-softmax. Unit: none."""
    ed: GraphConfig = GraphConfig()
    """Smooth F between the particles and the Gaussians."""
    png: FigureConfig = FigureConfig()
    """Plots of the points."""
    seed: Annotated[Integer, Field(ge=0)] = 0
    """With M, the seed of the layout. Unit: none."""
    learnable: tuple[Literal["sigma0", "thickness", "opacity", "colors"], ...] = ()
    """Which of these are parameters of the module, trained with everything else; ``colors``, one for each Gaussian,
    needs M."""

    @model_validator(mode="after")
    def _colors_have_a_count(self) -> "UpsampleConfig":
        if "colors" in self.learnable and self.M is None:
            raise ValueError("learnable colors need M: without it the number of Gaussians is known at detection only")
        return self

    @model_validator(mode="after")
    def _selection_has_candidates(self) -> "UpsampleConfig":
        if self.selection != "fixed" and self.M is None:
            raise ValueError(f"selection {self.selection} needs M: without it each Gaussian is at one particle")
        return self
