"""Von Mises plasticity with linear isotropic hardening: radial return in Hencky's strain (Simo and Hughes,
"Computational Inelasticity", 1998, box 3.1, with logarithmic strains as in their chapter 9)."""

import taichi as ti

from kernels.linalg import eye3
from mpm.laws.hencky import energy, kirchhoff_stress, stress_adjoint
from mpm.laws.law import Law


@ti.func
def flow(strain, internal, parameters, dt):
    """‖dev τ‖ = 2μ ‖dev ε‖ is brought to √(2/3) (σ_Y + H ε̄); ε̄ is the accumulated plastic strain."""
    mu, yield_stress, hardening = parameters[1], parameters[2], parameters[3]
    deviator = strain - strain.trace() / 3.0 * eye3()
    size = 0.0
    returned = strain
    accumulated = internal
    square = (deviator * deviator).sum()
    if square > 0.0:
        size = ti.sqrt(square)
        radius = ti.sqrt(2.0 / 3.0) * (yield_stress + hardening * internal[0])
        excess = 2.0 * mu * size - radius
        if excess > 0.0:
            step = excess / (2.0 * mu + 2.0 / 3.0 * hardening)
            returned = strain - (step / size) * deviator
            accumulated = internal + ti.sqrt(2.0 / 3.0) * step
    return returned, accumulated


VON_MISES = Law(
    "von_mises",
    ("lam", "mu", "yield_stress", "hardening"),
    "log_strain",
    energy,
    kirchhoff_stress,
    stress_adjoint=stress_adjoint,
    internal=("plastic_strain",),
    flow=flow,
)
