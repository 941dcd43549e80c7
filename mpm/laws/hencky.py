"""St. Venant–Kirchhoff elasticity in Hencky's logarithmic strain (Hencky 1928; Klár et al., "Drucker-Prager
elastoplasticity for sand animation", 2016, eq. 26): the elastic part of most plastic laws."""

import taichi as ti

from kernels.linalg import eye3, frobenius
from mpm.laws.law import Law


@ti.func
def energy(f, strain, parameters):
    """Ψ = μ ε : ε + λ/2 (tr ε)² with ε = ½ ln(F Fᵀ). Undefined for J ≤ 0: gives NaN, which the solver reports."""
    lam, mu = parameters[0], parameters[1]
    return mu * frobenius(strain, strain) + 0.5 * lam * strain.trace() ** 2


@ti.func
def kirchhoff_stress(f, strain, c, parameters):
    """τ = 2μ ε + λ tr(ε) I."""
    lam, mu = parameters[0], parameters[1]
    return 2.0 * mu * strain + lam * strain.trace() * eye3()


@ti.func
def stress_adjoint(f, strain, parameters, tau_bar):
    """ε̄ = 2μ τ̄ + λ tr(τ̄) I; the parameters beyond λ and μ are those of a plastic flow."""
    lam, mu = parameters[0], parameters[1]
    parameters_bar = 0.0 * parameters
    parameters_bar[0] = strain.trace() * tau_bar.trace()
    parameters_bar[1] = 2.0 * frobenius(strain, tau_bar)
    return 0.0 * eye3(), 2.0 * mu * tau_bar + lam * tau_bar.trace() * eye3(), parameters_bar


HENCKY = Law("hencky", ("lam", "mu"), "log_strain", energy, kirchhoff_stress, stress_adjoint=stress_adjoint)
