"""A law's kinematic tensor K and the share of dL/dF that goes through it."""

import taichi as ti

from kernels.linalg import eye3
from kernels.polar import polar_rotation, polar_rotation_adjoint
from kernels.symmetric import log_strain, log_strain_adjoint


@ti.func
def kinematic_tensor(kind: ti.template(), f):
    """R, ½ ln(F Fᵀ), or the identity, as ``Law.kinematics`` says."""
    k = eye3()
    if ti.static(kind == "rotation"):
        k = polar_rotation(f)
    if ti.static(kind == "log_strain"):
        k = log_strain(f)
    return k


@ti.func
def kinematic_tensor_adjoint(kind: ti.template(), f, k, k_bar):
    """dL/dF from dL/dK."""
    f_bar = 0.0 * eye3()
    if ti.static(kind == "rotation"):
        f_bar = polar_rotation_adjoint(f, k, k_bar)
    if ti.static(kind == "log_strain"):
        f_bar = log_strain_adjoint(f, k_bar)
    return f_bar
