"""What a constitutive law is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Law:
    """A hyperelastic law: the Kirchhoff stress as a function of F. Its gradient comes from Taichi's autodiff.

    ``kirchhoff_stress(F, K, parameters) -> τ`` is a ``ti.func``: loop-free, no in-place updates of a value already
    read (Taichi's autodiff gets those wrong). ``K`` is the law's kinematic tensor: what of F it needs that autodiff
    cannot take the derivative of. Its adjoint is written by hand, exact also at equal singular values.
    """

    name: str
    """The word in ``mpm.material.law``."""
    parameters: tuple[str, ...]
    """Names of the per-particle parameters, in the order in which ``parameters`` holds them."""
    kinematics: Literal["none", "rotation", "log_strain"]
    """What K is: the identity; R of F = R S (kernels.polar); Hencky's strain ½ ln(F Fᵀ) (kernels.symmetric)."""
    energy: Callable
    """``energy(F, K, parameters) -> Ψ``: energy per rest volume, ``ti.func``."""
    kirchhoff_stress: Callable
    """``kirchhoff_stress(F, K, parameters) -> τ`` = (∂Ψ/∂F) Fᵀ, 3×3, ``ti.func``."""
