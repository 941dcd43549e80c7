"""``mpm``: grid, material, time step and stabilisers of the MLS-MPM solver."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from configs.base import Count, Integer, NonNegative, Positive, Real, Section, Vec3

WallKind = Literal["none", "sticky", "slip", "separate"]
FACES = ("x_min", "x_max", "y_min", "y_max", "z_min", "z_max")


class GridConfig(Section):
    """The node-centred background grid: node (i, j, k) is at ``origin + spacing * (i, j, k)``."""

    origin: Vec3 = (-1.0, -1.0, -1.0)
    """Position of node (0, 0, 0). Unit: length."""
    spacing: Positive = 0.0625
    """Distance between neighbouring nodes. Unit: length."""
    size: tuple[Integer, Integer, Integer] = (33, 33, 33)
    """Number of nodes along x, y, z; at least 8 each. Unit: nodes."""

    @model_validator(mode="after")
    def _large_enough(self):
        if min(self.size) < 8:
            raise ValueError(f"size is {self.size}; expected at least 8 nodes along each axis")
        return self


class BoundaryConfig(Section):
    """Conditions on the six faces of the grid's box; one word for all six is accepted in YAML.

    ``none``: mass that passes the face is lost. ``sticky``: zero velocity. ``slip``: zero normal velocity.
    ``separate``: the velocity may leave the wall but not enter it.
    """

    x_min: WallKind = "none"
    """Face of smallest x."""
    x_max: WallKind = "none"
    """Face of largest x."""
    y_min: WallKind = "none"
    """Face of smallest y."""
    y_max: WallKind = "none"
    """Face of largest y."""
    z_min: WallKind = "none"
    """Face of smallest z."""
    z_max: WallKind = "none"
    """Face of largest z."""
    thickness: Count = 3
    """Layers of nodes, from the face inwards, on which the condition acts. Unit: nodes."""

    @model_validator(mode="before")
    @classmethod
    def _one_word_for_all(cls, value):
        return dict.fromkeys(FACES, value) if isinstance(value, str) else value


class MaterialConfig(Section):
    """The constitutive law and its parameters."""

    law: Literal["fixed_corotated", "neo_hookean", "hencky"] = "fixed_corotated"
    """Name of the law; docs/method.md has their equations."""
    youngs_modulus: Positive = 1.4e5
    """Young's modulus E. Unit: pressure (Pa in SI)."""
    poissons_ratio: Annotated[Real, Field(gt=-1, lt=0.5)] = 0.2
    """Poisson's ratio ν. Unit: none."""
    density: Positive = 1000.0
    """Mass per rest volume. Unit: mass / length³."""

    @property
    def lam(self) -> float:
        """Lamé's first parameter λ = E ν / ((1 + ν)(1 − 2ν)). Unit: pressure."""
        e, nu = self.youngs_modulus, self.poissons_ratio
        return e * nu / ((1 + nu) * (1 - 2 * nu))

    @property
    def mu(self) -> float:
        """Shear modulus μ = E / (2 (1 + ν)). Unit: pressure."""
        return self.youngs_modulus / (2 * (1 + self.poissons_ratio))


class MPMConfig(Section):
    """One explicit MLS-MPM simulation. Units are the user's own, consistent ones."""

    grid: GridConfig = GridConfig()
    """The background grid."""
    kernel: Literal["quadratic", "cubic"] = "quadratic"
    """B-spline of the transfers, 3 or 4 nodes along each axis."""
    dt: Positive = 1e-3
    """Time step. Unit: time."""
    drag: NonNegative = 0.0
    """Damping of the particle velocity at P2G by the factor 1 − dt · drag. Unit: 1 / time."""
    gravity: Vec3 = (0.0, 0.0, 0.0)
    """Acceleration of every node. Unit: length / time²."""
    boundary: BoundaryConfig = BoundaryConfig()
    """Walls of the grid's box."""
    material: MaterialConfig = MaterialConfig()
    """Constitutive law and density."""
    f_smoothing: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    """γ: share of the old F kept in each step, F' = (1 − γ)(I + dt C)A + γF. 0 is off. Unit: none."""
    j_min: Annotated[Real, Field(gt=0, lt=1)] | None = None
    """Smallest volume ratio that one step may reach; compression beyond it is scaled back. null is off.
    Unit: none."""
    bulk_viscosity: NonNegative = 0.0
    """ζ: adds ζ tr(C) I to the Kirchhoff stress. Unit: pressure × time."""
    memory_budget_mb: Positive = 2048.0
    """Memory for the states that the backward pass needs; beyond it, segments are recomputed. Unit: MiB."""
