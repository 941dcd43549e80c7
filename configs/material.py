"""``mpm.material``: the parameters of each constitutive law, with units and physical ranges.

A law of one's own has a subclass of ``MaterialConfig`` beside its kernels (docs/materials.md).
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, SerializeAsAny, Tag, WithJsonSchema

from configs.base import NonNegative, Positive, Real, Section


class MaterialConfig(Section):
    """What every law has. ``parameters`` are the numbers that its kernel reads, by name."""

    law: str
    """Name of the law; docs/materials.md has their equations."""
    density: Positive = 1000.0
    """Mass per rest volume. Unit: mass / length³."""

    @property
    def parameters(self) -> dict[str, float]:
        """Name to value of every parameter of the law's kernel."""
        raise NotImplementedError

    @property
    def wave_modulus(self) -> float:
        """ρ c² of pressure waves at rest. Unit: pressure."""
        raise NotImplementedError

    @property
    def viscosity(self) -> float:
        """Shear viscosity that limits the time step. Unit: pressure × time."""
        return 0.0


class ElasticConfig(MaterialConfig):
    """What all solids have."""

    youngs_modulus: Positive = 1.4e5
    """Young's modulus E. Unit: pressure (Pa in SI)."""
    poissons_ratio: Annotated[Real, Field(gt=-1, lt=0.5)] = 0.2
    """Poisson's ratio ν. Unit: none."""

    @property
    def lam(self) -> float:
        """Lamé's first parameter λ = E ν / ((1 + ν)(1 − 2ν)). Unit: pressure."""
        e, nu = self.youngs_modulus, self.poissons_ratio
        return e * nu / ((1 + nu) * (1 - 2 * nu))

    @property
    def mu(self) -> float:
        """Shear modulus μ = E / (2 (1 + ν)). Unit: pressure."""
        return self.youngs_modulus / (2 * (1 + self.poissons_ratio))

    @property
    def parameters(self) -> dict[str, float]:
        """λ and μ."""
        return {"lam": self.lam, "mu": self.mu}

    @property
    def wave_modulus(self) -> float:
        """λ + 2μ. Unit: pressure."""
        return self.lam + 2 * self.mu


class FixedCorotatedConfig(ElasticConfig):
    """Rubber, jelly, flesh: elastic, and goes on when it is inverted."""

    law: Literal["fixed_corotated"] = "fixed_corotated"
    """Name of the law."""


class NeoHookeanConfig(ElasticConfig):
    """Elastic; resists compression without bound."""

    law: Literal["neo_hookean"] = "neo_hookean"
    """Name of the law."""


class HenckyConfig(ElasticConfig):
    """Elastic in the logarithmic strain."""

    law: Literal["hencky"] = "hencky"
    """Name of the law."""


class VonMisesConfig(ElasticConfig):
    """Metals, clay: yields at a shear stress, keeps its volume while it flows."""

    law: Literal["von_mises"] = "von_mises"
    """Name of the law."""
    yield_stress: Positive = 1e3
    """Uniaxial yield stress σ_Y: flow begins at √(3/2) |dev τ| = σ_Y. Unit: pressure."""
    hardening: NonNegative = 0.0
    """H: the yield stress is σ_Y + H ε̄ with the accumulated plastic strain ε̄. Unit: pressure."""

    @property
    def parameters(self) -> dict[str, float]:
        """λ, μ, σ_Y, H."""
        return {**super().parameters, "yield_stress": self.yield_stress, "hardening": self.hardening}


class DruckerPragerConfig(ElasticConfig):
    """Sand, soil: friction between grains, no or little tension."""

    law: Literal["drucker_prager"] = "drucker_prager"
    """Name of the law."""
    friction_angle: Annotated[Real, Field(gt=0, lt=90)] = 35.0
    """φ, the angle of internal friction. Unit: degree."""
    cohesion: NonNegative = 0.0
    """c, the shear stress that holds without pressure. Unit: pressure."""
    volume_correction: bool = True
    """Undo the volume that expansion gained when the material is compressed again (Tampubolon et al. 2017)."""

    @property
    def parameters(self) -> dict[str, float]:
        """λ, μ, φ, c, and 1 or 0 for the volume correction."""
        return {
            **super().parameters,
            "friction_angle": self.friction_angle,
            "cohesion": self.cohesion,
            "volume_correction": float(self.volume_correction),
        }


class HerschelBulkleyConfig(ElasticConfig):
    """Foam, cream, paste: flows beyond a yield stress, the faster the more it is exceeded."""

    law: Literal["herschel_bulkley"] = "herschel_bulkley"
    """Name of the law."""
    yield_stress: Positive = 100.0
    """Uniaxial yield stress σ_Y, as of von_mises. Unit: pressure."""
    consistency: Positive = 10.0
    """η: the excess over the yield stress is η (rate)ⁿ. Unit: pressure × timeⁿ."""
    exponent: Annotated[Real, Field(gt=0, le=1)] = 1.0
    """n: 1 is Bingham's plastic, less thins with the rate. Unit: none."""

    @property
    def parameters(self) -> dict[str, float]:
        """λ, μ, σ_Y, η, n."""
        flow = {"yield_stress": self.yield_stress, "consistency": self.consistency, "exponent": self.exponent}
        return {**super().parameters, **flow}


class FluidConfig(MaterialConfig):
    """Weakly compressible fluids: pressure from the volume ratio (Tait), Newtonian viscosity."""

    law: Literal["fluid"] = "fluid"
    """Name of the law."""
    bulk_modulus: Positive = 1e5
    """K: the sound speed is √(K / ρ); ten times the fastest flow keeps the density within 1 %. Unit: pressure."""
    gamma: Annotated[Real, Field(ge=1)] = 7.0
    """γ of p = K / γ (J^−γ − 1). Unit: none."""
    dynamic_viscosity: NonNegative = 0.0
    """η: adds 2 η times the deviatoric rate of deformation. Unit: pressure × time."""

    @property
    def parameters(self) -> dict[str, float]:
        """K, γ, η."""
        return {
            "bulk_modulus": self.bulk_modulus,
            "gamma": self.gamma,
            "dynamic_viscosity": self.dynamic_viscosity,
        }

    @property
    def wave_modulus(self) -> float:
        """K. Unit: pressure."""
        return self.bulk_modulus

    @property
    def viscosity(self) -> float:
        """η. Unit: pressure × time."""
        return self.dynamic_viscosity


def _law_of(value: Any) -> str:
    """The word that chooses a section: the solver's default without one, ``custom`` for a law of the user's own."""
    if isinstance(value, MaterialConfig):
        return value.law if type(value) in BUILT_IN else "custom"
    return str(value.get("law", "fixed_corotated")) if isinstance(value, dict) else "fixed_corotated"


BUILT_IN = (
    FixedCorotatedConfig,
    NeoHookeanConfig,
    HenckyConfig,
    VonMisesConfig,
    DruckerPragerConfig,
    HerschelBulkleyConfig,
    FluidConfig,
)
"""The sections of the laws that come with diffmpm."""

Material = Annotated[
    Annotated[FixedCorotatedConfig, Tag("fixed_corotated")]
    | Annotated[NeoHookeanConfig, Tag("neo_hookean")]
    | Annotated[HenckyConfig, Tag("hencky")]
    | Annotated[VonMisesConfig, Tag("von_mises")]
    | Annotated[DruckerPragerConfig, Tag("drucker_prager")]
    | Annotated[HerschelBulkleyConfig, Tag("herschel_bulkley")]
    | Annotated[FluidConfig, Tag("fluid")]
    | Annotated[SerializeAsAny[MaterialConfig], WithJsonSchema({"oneOf": []}), Tag("custom")],
    Discriminator(_law_of),
]
"""Any law's section; from YAML, chosen by its ``law``."""
