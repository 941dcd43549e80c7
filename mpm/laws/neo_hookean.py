"""Compressible neo-Hookean elasticity (Bonet and Wood, "Nonlinear Continuum Mechanics", 2nd ed., eq. 6.27)."""

import taichi as ti

from kernels.linalg import cofactor3, eye3, frobenius
from mpm.laws.law import Law


@ti.func
def energy(f, k, parameters):
    """Ψ = μ/2 (tr FᵀF − 3) − μ ln J + λ/2 (ln J)². Undefined for J ≤ 0: gives NaN, which the solver reports."""
    lam, mu = parameters[0], parameters[1]
    log_j = ti.log(f.determinant())
    return 0.5 * mu * (frobenius(f, f) - 3.0) - mu * log_j + 0.5 * lam * log_j**2


@ti.func
def kirchhoff_stress(f, k, c, parameters):
    """τ = μ (F Fᵀ − I) + λ ln J I."""
    lam, mu = parameters[0], parameters[1]
    log_j = ti.log(f.determinant())
    return mu * (f @ f.transpose() - eye3()) + lam * log_j * eye3()


@ti.func
def stress_adjoint(f, k, parameters, tau_bar):
    """F̄ = μ (τ̄ + τ̄ᵀ) F + λ tr(τ̄) F⁻ᵀ."""
    lam, mu = parameters[0], parameters[1]
    j, pressure_bar = f.determinant(), tau_bar.trace()
    f_bar = mu * ((tau_bar + tau_bar.transpose()) @ f) + (lam * pressure_bar / j) * cofactor3(f)
    mu_bar = frobenius(f @ f.transpose() - eye3(), tau_bar)
    return f_bar, 0.0 * eye3(), ti.Vector([ti.log(j) * pressure_bar, mu_bar])


NEO_HOOKEAN = Law("neo_hookean", ("lam", "mu"), "none", energy, kirchhoff_stress, stress_adjoint=stress_adjoint)
