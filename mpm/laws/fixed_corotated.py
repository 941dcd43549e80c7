"""Fixed corotated elasticity (Stomakhin et al., "Energetically consistent invertible elasticity", 2012)."""

import taichi as ti

from kernels.linalg import eye3, frobenius
from mpm.laws.law import Law


@ti.func
def energy(f, r, parameters):
    """Ψ = μ ‖F − R‖² + λ/2 (J − 1)²."""
    lam, mu = parameters[0], parameters[1]
    j = f.determinant()
    return mu * frobenius(f - r, f - r) + 0.5 * lam * (j - 1.0) ** 2


@ti.func
def kirchhoff_stress(f, r, parameters):
    """τ = 2μ (F − R) Fᵀ + λ (J − 1) J I."""
    lam, mu = parameters[0], parameters[1]
    j = f.determinant()
    return 2.0 * mu * (f - r) @ f.transpose() + lam * (j - 1.0) * j * eye3()


FIXED_COROTATED = Law("fixed_corotated", ("lam", "mu"), "rotation", energy, kirchhoff_stress)
