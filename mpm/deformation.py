"""How a step moves the deformation: trust region, F and F_total; and its exact adjoint (docs/method.md 3.5, 3.6, 6)."""

import taichi as ti

from kernels.linalg import cofactor3, eye3, frobenius
from mpm.constants import DT, F_SMOOTHING, J_FLOOR, J_MIN


@ti.func
def trust_scale(a, c_raw, constants: ti.template()):
    """The factor s ∈ [0, 1] on C that keeps one step's volume ratio above ``j_min`` (docs/method.md 3.5)."""
    s = 1.0
    if constants[J_MIN] > 0.0 and c_raw.trace() < 0.0:
        j0 = ti.max(a.determinant(), J_FLOOR)
        s = (constants[J_MIN] / j0 - 1.0) / _compression(c_raw, constants)
        s = ti.min(ti.max(s, 0.0), 1.0)
    return s


@ti.func
def may_be_scaled(a, c, constants: ti.template()):
    """Whether C may be s C_raw with s < 1; if not, s = 1 for certain. Where s < 1, J is at the limit ``j_min``, but for
    a margin wider than all rounding. To ask costs less than C_raw, which is not stored.
    """
    result = False
    if constants[J_MIN] > 0.0:
        limit = constants[J_MIN] / ti.max(a.determinant(), J_FLOOR) - 1.0
        result = constants[DT] * c.trace() <= ti.min(0.0, limit + 1e-3)
    return result


@ti.func
def trust_scale_adjoint(a, c_raw, c_bar, constants: ti.template()):
    """dL/dC_raw and the trust region's share of dL/dA, from dL/dC for C = s C_raw."""
    s = trust_scale(a, c_raw, constants)
    c_raw_bar = s * c_bar
    a_bar = 0.0 * eye3()
    if 0.0 < s and s < 1.0:
        s_bar = frobenius(c_bar, c_raw)
        rate = constants[DT] * c_raw.trace()
        if rate < -J_FLOOR:
            c_raw_bar -= (s_bar * s / c_raw.trace()) * eye3()
        j0 = a.determinant()
        if j0 > J_FLOOR:
            ds_dj0 = -constants[J_MIN] / (j0 * j0 * _compression(c_raw, constants))
            a_bar = (s_bar * ds_dj0) * cofactor3(a)
    return c_raw_bar, a_bar


@ti.func
def _compression(c_raw, constants: ti.template()):
    return ti.min(-J_FLOOR, constants[DT] * c_raw.trace())


@ti.func
def advance(a, f, f_total, c, constants: ti.template()):
    """F' = (1 − γ)(I + dt C) A + γ F and F_total' = (I + dt C) F_total."""
    gamma = constants[F_SMOOTHING]
    increment = eye3() + constants[DT] * c
    return (1.0 - gamma) * (increment @ a) + gamma * f, increment @ f_total


@ti.func
def advance_adjoint(a, f_total, c, f_new_bar, f_total_new_bar, constants: ti.template()):
    """dL/dA, dL/dF (the smoothing's share), dL/dF_total and dL/dC of ``advance``."""
    gamma, dt = constants[F_SMOOTHING], constants[DT]
    increment_t = eye3() + dt * c.transpose()
    a_bar = (1.0 - gamma) * (increment_t @ f_new_bar)
    f_total_bar = increment_t @ f_total_new_bar
    c_bar = dt * ((1.0 - gamma) * (f_new_bar @ a.transpose()) + f_total_new_bar @ f_total.transpose())
    return a_bar, gamma * f_new_bar, f_total_bar, c_bar
