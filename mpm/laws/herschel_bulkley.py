"""Herschel–Bulkley viscoplasticity, implicit in time (Yue et al., "Continuum foam: a material point method for
shear-dependent flows", 2015; Perzyna 1966)."""

import taichi as ti

from kernels.linalg import eye3
from mpm.laws.hencky import energy, kirchhoff_stress, stress_adjoint
from mpm.laws.law import Law

NEWTON_STEPS = 8
"""Newton's iteration for the convex y + b y^(1/n) = const, 1/n ≥ 1, from an upper bound at which the left side is at
most twice the right: monotone, and after 6 steps at float64 rounding."""


@ti.func
def flow(strain, internal, parameters, dt):
    """The excess y of ‖dev τ‖ over √(2/3) σ_Y solves y + 2μ dt (y / η)^(1/n) = its trial value."""
    mu, yield_stress, consistency, exponent = parameters[1], parameters[2], parameters[3], parameters[4]
    deviator = strain - strain.trace() / 3.0 * eye3()
    square = (deviator * deviator).sum()
    returned = strain
    if square > 0.0:
        size = ti.sqrt(square)
        trial = 2.0 * mu * size - ti.sqrt(2.0 / 3.0) * yield_stress
        if trial > 0.0:
            excess = _relaxed(trial, 2.0 * mu * dt, consistency, 1.0 / exponent)
            returned = strain - ((trial - excess) / (2.0 * mu * size)) * deviator
    return returned, internal


@ti.func
def _relaxed(trial, rate, consistency, power):
    """y in [0, trial] with y + rate (y / consistency)^power = trial."""
    y = ti.min(trial, consistency * ti.pow(trial / rate, 1.0 / power))
    for _ in ti.static(range(NEWTON_STEPS)):
        term = rate * ti.pow(y / consistency, power)
        y = y - (y + term - trial) / (1.0 + power * term / y)
    return y


HERSCHEL_BULKLEY = Law(
    "herschel_bulkley",
    ("lam", "mu", "yield_stress", "consistency", "exponent"),
    "log_strain",
    energy,
    kirchhoff_stress,
    stress_adjoint=stress_adjoint,
    flow=flow,
)
