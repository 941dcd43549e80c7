"""What a constitutive law is."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Law:
    """A hyperelastic law: the Kirchhoff stress as a function of F. Its gradient comes from Taichi's autodiff.

    ``kirchhoff_stress(F, R, parameters) -> τ`` is a ``ti.func``: loop-free, no in-place updates of a value already
    read (taichi's autodiff gets those wrong). ``R`` is the rotation of F = R S, whose gradient is handled outside.
    """

    name: str
    """The word in ``mpm.material.law``."""
    parameters: tuple[str, ...]
    """Names of the per-particle parameters, in the order in which ``parameters`` holds them."""
    energy: Callable
    """``energy(F, R, parameters) -> Ψ``: energy per rest volume, ``ti.func``."""
    kirchhoff_stress: Callable
    """``kirchhoff_stress(F, R, parameters) -> τ`` = (∂Ψ/∂F) Fᵀ, 3×3, ``ti.func``."""
    uses_rotation: bool
    """Whether R is needed; where it is not, the identity is passed."""
