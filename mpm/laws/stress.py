"""A law's stress for all its particles, and the stress's adjoint: the law-dependent half of P2G.

``affine [9 N]`` is what P2G scatters beside mass and velocity: −k dt V (τ + ζ tr(C) I) + m C (docs/method.md 3.2).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import taichi as ti

from kernels.launch import prepared
from kernels.linalg import eye3
from mpm.constants import BULK_VISCOSITY, MATERIAL_MASS
from mpm.laws.kinematics import kinematic_tensor, kinematic_tensor_adjoint
from mpm.laws.law import Law
from mpm.laws.particle import add_parameters, controlled_f, follows, law_parameters, stress_scale
from mpm.state import C, F, add_mat3, get_mat3, set_mat3


class StressKernels(NamedTuple):
    """The compiled stress of one law."""

    stress: Callable[..., None]
    """state, controls, material -> affine."""
    gather: Callable[..., None] | None
    """The law's arguments and dL/dτ into its workspace; None where the adjoint is written by hand."""
    finish: Callable[..., None]
    """dL/dA and the parameters' gradient, by hand or from the workspace, into the adjoint."""


@functools.cache
def stress_kernels(law: Law, rows: tuple[int, ...], which: int) -> StressKernels:
    """Kernels of a law whose parameters are the ``rows`` of material, for the particles of law number ``which``."""
    if law.stress_adjoint is not None:
        return StressKernels(_stress_kernel(law, rows, which), None, _hand_adjoint(law, rows, which))
    return StressKernels(_stress_kernel(law, rows, which), *_automatic_adjoint(law, rows, which))


@functools.cache
def particle_stress(law: Law, rows: tuple[int, ...], which: int = -1) -> Callable:
    """The ``ti.func`` that makes one particle's row of ``affine``."""
    kinematics, kirchhoff_stress = law.kinematics, law.kirchhoff_stress

    @ti.func
    def stress(
        state: ti.template(),
        n,
        controls: ti.template(),
        interval,
        material: ti.template(),
        laws: ti.template(),
        affine: ti.template(),
        constants: ti.template(),
        p,
    ):
        if follows(laws, which, p):
            a = controlled_f(state, n, controls, interval, p)
            c = get_mat3(state, n, C, p)
            tau = kirchhoff_stress(a, kinematic_tensor(kinematics, a), c, law_parameters(material, n, rows, p))
            viscous = constants[BULK_VISCOSITY] * c.trace() * eye3()
            scale = stress_scale(material, n, constants, p)
            set_mat3(affine, n, 0, p, scale * (tau + viscous) + material[MATERIAL_MASS * n + p] * c)

    return stress


@functools.cache
def particle_stress_adjoint(law: Law, rows: tuple[int, ...], which: int = -1) -> Callable:
    """The ``ti.func`` of its adjoint, where the law has one by hand: adds to dL/dF, the controls' and parameters'."""
    kinematics = law.kinematics
    adjoint_by_hand: Any = law.stress_adjoint

    @ti.func
    def stress_adjoint(
        state: ti.template(),
        n,
        controls: ti.template(),
        controls_bar: ti.template(),
        interval,
        material: ti.template(),
        material_bar: ti.template(),
        laws: ti.template(),
        affine_bar: ti.template(),
        a_bar: ti.template(),
        adjoint: ti.template(),
        constants: ti.template(),
        p,
    ):
        if follows(laws, which, p):
            a = controlled_f(state, n, controls, interval, p)
            k = kinematic_tensor(kinematics, a)
            tau_bar = stress_scale(material, n, constants, p) * get_mat3(affine_bar, n, 0, p)
            f_bar, k_bar, parameters_bar = adjoint_by_hand(a, k, law_parameters(material, n, rows, p), tau_bar)
            total = get_mat3(a_bar, n, 0, p) + f_bar + kinematic_tensor_adjoint(kinematics, a, k, k_bar)
            add_f_bar(adjoint, controls_bar, interval, n, p, total)
            add_parameters(material_bar, n, rows, p, parameters_bar)

    return stress_adjoint


def _stress_kernel(law: Law, rows: tuple[int, ...], which: int):
    stress_of = particle_stress(law, rows, which)

    @prepared
    @ti.kernel
    def stress(
        state: ti.types.ndarray(ndim=1),
        n: ti.i32,
        controls: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        material: ti.types.ndarray(ndim=1),
        laws: ti.types.ndarray(ndim=1),
        affine: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
    ):
        for p in range(n):
            stress_of(state, n, controls, interval, material, laws, affine, constants, p)

    return stress


def _hand_adjoint(law: Law, rows: tuple[int, ...], which: int):
    stress_adjoint = particle_stress_adjoint(law, rows, which)

    @prepared
    @ti.kernel
    def finish(
        state: ti.types.ndarray(ndim=1),
        n: ti.i32,
        controls: ti.types.ndarray(ndim=4),
        controls_bar: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        material: ti.types.ndarray(ndim=1),
        material_bar: ti.types.ndarray(ndim=1),
        laws: ti.types.ndarray(ndim=1),
        affine_bar: ti.types.ndarray(ndim=1),
        a_bar: ti.types.ndarray(ndim=1),
        adjoint: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
    ):
        for p in range(n):
            stress_adjoint(
                state,
                n,
                controls,
                controls_bar,
                interval,
                material,
                material_bar,
                laws,
                affine_bar,
                a_bar,
                adjoint,
                constants,
                p,
            )

    return finish


def _automatic_adjoint(law: Law, rows: tuple[int, ...], which: int):
    kinematics, viscous = law.kinematics, law.viscous

    @ti.kernel
    def gather(
        state: ti.types.ndarray(ndim=1),
        n: ti.i32,
        controls: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        material: ti.types.ndarray(ndim=1),
        laws: ti.types.ndarray(ndim=1),
        affine_bar: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
        workspace: ti.template(),
    ):
        for p in range(n):
            parameters = law_parameters(material, n, rows, p)
            a, tau_bar = eye3(), 0.0 * eye3()  # what another law's particle has: any state, no gradient
            if follows(laws, which, p):
                a = controlled_f(state, n, controls, interval, p)
                tau_bar = stress_scale(material, n, constants, p) * get_mat3(affine_bar, n, 0, p)
            workspace.f[p], workspace.f.grad[p] = a, 0.0 * eye3()
            workspace.k[p], workspace.k.grad[p] = kinematic_tensor(kinematics, a), 0.0 * eye3()
            if ti.static(viscous):
                workspace.c[p], workspace.c.grad[p] = get_mat3(state, n, C, p), 0.0 * eye3()
            workspace.parameters[p], workspace.parameters.grad[p] = parameters, 0.0 * parameters
            workspace.tau.grad[p] = tau_bar

    @ti.kernel
    def finish(
        n: ti.i32,
        controls_bar: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        material_bar: ti.types.ndarray(ndim=1),
        laws: ti.types.ndarray(ndim=1),
        a_bar: ti.types.ndarray(ndim=1),
        adjoint: ti.types.ndarray(ndim=1),
        workspace: ti.template(),
    ):
        for p in range(n):
            if follows(laws, which, p):
                f, k, k_bar = workspace.f[p], workspace.k[p], workspace.k.grad[p]
                total = get_mat3(a_bar, n, 0, p) + workspace.f.grad[p]
                total += kinematic_tensor_adjoint(kinematics, f, k, k_bar)
                add_f_bar(adjoint, controls_bar, interval, n, p, total)
                if ti.static(viscous):
                    add_mat3(adjoint, n, C, p, workspace.c.grad[p])
                add_parameters(material_bar, n, rows, p, workspace.parameters.grad[p])

    return gather, finish


@ti.func
def add_f_bar(adjoint: ti.template(), controls_bar: ti.template(), interval, n, p, a_bar):
    """dL/dA is that of F and, in the first step of an interval, of the control."""
    add_mat3(adjoint, n, F, p, a_bar)
    if interval >= 0:
        for i, j in ti.static(ti.ndrange(3, 3)):
            controls_bar[interval, p, i, j] = controls_bar[interval, p, i, j] + a_bar[i, j]
