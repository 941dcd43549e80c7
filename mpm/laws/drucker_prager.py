"""Drucker–Prager plasticity of sand (Klár et al., "Drucker-Prager elastoplasticity for sand animation", 2016), with
cohesion and the volume correction of Tampubolon et al., "Multi-species simulation of porous sand and water mixtures",
2017."""

import taichi as ti

from kernels.linalg import eye3
from mpm.laws.hencky import energy, kirchhoff_stress, stress_adjoint
from mpm.laws.law import Law


@ti.func
def flow(strain, internal, parameters, dt):
    """Return to the cone 2μ ‖dev ε‖ + α (tr τ − 3 c cot φ) ≤ 0, or to its tip; α = √(2/3) 2 sin φ / (3 − sin φ).

    ``internal[0]`` is the volume (logarithm) that was gained without stress; it is given back under compression.
    """
    lam, mu = parameters[0], parameters[1]
    phi = parameters[2] * (3.14159265358979323846 / 180.0)
    sine = ti.sin(phi)
    alpha = ti.sqrt(2.0 / 3.0) * 2.0 * sine / (3.0 - sine)
    bulk = 3.0 * lam + 2.0 * mu  # tr τ = bulk · tr ε
    tip = 3.0 * parameters[3] * ti.cos(phi) / (sine * bulk)  # tr ε of the cone's tip
    correction = parameters[4] * internal[0]
    trace = strain.trace() + correction
    deviator = strain - strain.trace() / 3.0 * eye3()
    square = (deviator * deviator).sum()
    returned = deviator + trace / 3.0 * eye3()
    if trace >= tip:
        returned = tip / 3.0 * eye3()
    elif square > 0.0:
        size = ti.sqrt(square)
        excess = size + alpha * bulk * (trace - tip) / (2.0 * mu)
        if excess > 0.0:
            returned = (1.0 - excess / size) * deviator + trace / 3.0 * eye3()
    gained = internal
    gained[0] = parameters[4] * (trace - returned.trace())
    return returned, gained


DRUCKER_PRAGER = Law(
    "drucker_prager",
    ("lam", "mu", "friction_angle", "cohesion", "volume_correction"),
    "log_strain",
    energy,
    kirchhoff_stress,
    stress_adjoint=stress_adjoint,
    internal=("gained_volume",),
    flow=flow,
)
