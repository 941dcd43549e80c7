"""Fixed corotated elasticity (Stomakhin et al., "Energetically consistent invertible elasticity", 2012)."""

import taichi as ti

from kernels.linalg import cofactor3, eye3, frobenius
from mpm.laws.law import Law


@ti.func
def energy(f, r, parameters):
    """Ψ = μ ‖F − R‖² + λ/2 (J − 1)²."""
    lam, mu = parameters[0], parameters[1]
    j = f.determinant()
    return mu * frobenius(f - r, f - r) + 0.5 * lam * (j - 1.0) ** 2


@ti.func
def kirchhoff_stress(f, r, c, parameters):
    """τ = 2μ (F − R) Fᵀ + λ (J − 1) J I."""
    lam, mu = parameters[0], parameters[1]
    j = f.determinant()
    return 2.0 * mu * (f - r) @ f.transpose() + lam * (j - 1.0) * j * eye3()


@ti.func
def stress_adjoint(f, r, parameters, tau_bar):
    """F̄ = 2μ (τ̄ F + τ̄ᵀ (F − R)) + λ (2J − 1) tr(τ̄) cof F and R̄ = −2μ τ̄ F."""
    lam, mu = parameters[0], parameters[1]
    j, pressure_bar = f.determinant(), tau_bar.trace()
    r_bar = -2.0 * mu * (tau_bar @ f)
    f_bar = 2.0 * mu * (tau_bar.transpose() @ (f - r)) - r_bar + (lam * (2.0 * j - 1.0) * pressure_bar) * cofactor3(f)
    mu_bar = 2.0 * frobenius((f - r) @ f.transpose(), tau_bar)
    return f_bar, r_bar, ti.Vector([(j - 1.0) * j * pressure_bar, mu_bar])


FIXED_COROTATED = Law(
    "fixed_corotated", ("lam", "mu"), "rotation", energy, kirchhoff_stress, stress_adjoint=stress_adjoint
)
