"""Weakly compressible Newtonian fluid: Tait's equation of state (Becker and Teschner, "Weakly compressible SPH for free
surface flows", 2007) and viscous stress."""

import taichi as ti

from kernels.linalg import eye3
from mpm.laws.law import Law


@ti.func
def energy(f, k, parameters):
    """Ψ with −dΨ/dJ = p = K/γ (J^−γ − 1); for γ = 1, whose integral is a logarithm, Ψ = K (J − 1 − ln J)."""
    bulk, gamma = parameters[0], parameters[1]
    j = f.determinant()
    psi = bulk * (j - 1.0 - ti.log(j))
    if gamma > 1.0:
        psi = bulk / gamma * ((ti.pow(j, 1.0 - gamma) - 1.0) / (gamma - 1.0) + j - 1.0)
    return psi


@ti.func
def kirchhoff_stress(f, k, c, parameters):
    """τ = −p J I + 2 η J dev((C + Cᵀ) / 2)."""
    bulk, gamma, viscosity = parameters[0], parameters[1], parameters[2]
    j = f.determinant()
    pressure = bulk / gamma * (ti.pow(j, -gamma) - 1.0)
    rate = 0.5 * (c + c.transpose()) - c.trace() / 3.0 * eye3()
    return -pressure * j * eye3() + 2.0 * viscosity * j * rate


FLUID = Law(
    "fluid",
    ("bulk_modulus", "gamma", "dynamic_viscosity"),
    "none",
    energy,
    kirchhoff_stress,
    viscous=True,
    flow="volume",
)
