"""What a constitutive law is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Law:
    """A material: stress as a function of the elastic deformation, and how plastic flow relaxes that deformation.

    All functions are ``ti.func``, loop-free but for ``ti.static`` loops, without in-place updates of a value already
    read: Taichi's autodiff gets those wrong. Their gradients come from it, so a law is its forward functions alone.
    """

    name: str
    """The word in ``mpm.material.law``."""
    parameters: tuple[str, ...]
    """Names of the per-particle parameters, in the order in which ``parameters`` holds them."""
    kinematics: Literal["none", "rotation", "log_strain"]
    """What K is, that which the law needs of F and autodiff cannot differentiate: nothing (the identity); R of F = R S
    (kernels.polar); Hencky's strain ½ ln(F Fᵀ) (kernels.symmetric). Its adjoint is exact at equal singular values."""
    energy: Callable
    """``energy(F, K, parameters) -> Ψ``: elastic energy per rest volume."""
    kirchhoff_stress: Callable
    """``kirchhoff_stress(F, K, C, parameters) -> τ`` = (∂Ψ/∂F) Fᵀ plus what the velocity gradient C adds, 3×3."""
    viscous: bool = False
    """Whether the stress depends on C."""
    stress_adjoint: Callable | None = None
    """``stress_adjoint(F, K, parameters, τ̄) -> (F̄, K̄, parameters̄)``: the stress's adjoint by hand, for speed. A law
    without one is differentiated by Taichi."""
    internal: tuple[str, ...] = ()
    """Names of the internal variables that plastic flow keeps for each particle, 0 at rest."""
    flow: Callable | Literal["volume"] | None = None
    """``flow(strain, internal, parameters, dt) -> (strain, internal)``: the return map, from the trial logarithmic
    strain to the elastic one; it may only scale the strain's deviator and change its trace, so that both have the same
    eigenvectors. ``volume``: the shape is forgotten, F becomes J^⅓ I. None: elastic."""
