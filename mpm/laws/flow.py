"""Plastic flow at the end of a step, F_trial -> F, and its adjoint (docs/method.md 4).

The return map acts on the logarithmic strain; as it keeps the eigenvectors, F = exp(ε − ε_trial) F_trial.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import taichi as ti

from kernels.linalg import cofactor3, eye3
from kernels.symmetric import exp_sym3, exp_sym3_adjoint, log_strain, log_strain_adjoint
from mpm.constants import DT
from mpm.deformation import advance
from mpm.laws.law import Law
from mpm.laws.particle import add_parameters, controlled_f, follows, law_parameters
from mpm.state import F_TOTAL, INTERNAL, C, F, get_mat3, set_mat3


class FlowKernels(NamedTuple):
    """The compiled flow of one plastic law."""

    flow: Callable[..., None]
    """F and the internal variables of the new state, in place."""
    gather: Callable[..., None] | None
    """The flow's arguments and its results' gradients into its workspace; None where the adjoint is written by hand."""
    finish: Callable[..., None]
    """The adjoint of the new state becomes that of the trial state."""


@functools.cache
def flow_kernels(law: Law, rows: tuple[int, ...], internal: tuple[int, ...], which: int) -> FlowKernels:
    """Kernels of a law whose parameters are ``rows`` of material and whose internal variables are ``internal``."""
    if law.flow == "volume":
        return FlowKernels(_volume_flow(which), None, _volume_flow_adjoint(which))
    return FlowKernels(_strain_flow(law, rows, internal, which), *_strain_flow_adjoint(law, rows, internal, which))


@ti.func
def _trial_f(
    source: ti.template(), target: ti.template(), n, controls: ti.template(), interval, constants: ti.template(), p
):
    """F before the flow, which overwrote it: from the state before the step and C after it."""
    a = controlled_f(source, n, controls, interval, p)
    f, f_total = get_mat3(source, n, F, p), get_mat3(source, n, F_TOTAL, p)
    trial, _ = advance(a, f, f_total, get_mat3(target, n, C, p), constants)
    return trial


@ti.func
def _get_internal(state: ti.template(), n, internal: ti.template(), p):
    result = ti.Vector([0.0 for _ in range(max(1, len(internal)))])
    for i in ti.static(range(len(internal))):
        result[i] = state[(INTERNAL + internal[i]) * n + p]
    return result


@ti.func
def _set_internal(state: ti.template(), n, internal: ti.template(), p, values):
    for i in ti.static(range(len(internal))):
        state[(INTERNAL + internal[i]) * n + p] = values[i]


def _strain_flow(law: Law, rows, internal, which):
    law_flow: Any = law.flow

    @ti.kernel
    def flow(
        target: ti.types.ndarray(ndim=1),
        n: ti.i32,
        material: ti.types.ndarray(ndim=1),
        laws: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
    ):
        for p in range(n):
            if follows(laws, which, p):
                f = get_mat3(target, n, F, p)
                strain = log_strain(f)
                kept = _get_internal(target, n, internal, p)
                returned, new = law_flow(strain, kept, law_parameters(material, n, rows, p), constants[DT])
                set_mat3(target, n, F, p, exp_sym3(returned - strain) @ f)
                _set_internal(target, n, internal, p, new)

    return flow


def _strain_flow_adjoint(law: Law, rows, internal, which):
    law_flow: Any = law.flow

    @ti.kernel
    def gather(
        source: ti.types.ndarray(ndim=1),
        target: ti.types.ndarray(ndim=1),
        n: ti.i32,
        controls: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        material: ti.types.ndarray(ndim=1),
        laws: ti.types.ndarray(ndim=1),
        adjoint: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
        workspace: ti.template(),
    ):
        for _ in range(1):
            workspace.dt[None] = constants[DT]
        for p in range(n):
            parameters = law_parameters(material, n, rows, p)
            kept = _get_internal(source, n, internal, p)
            strain, change_bar, kept_bar = 0.0 * eye3(), 0.0 * eye3(), 0.0 * kept
            if follows(laws, which, p):
                f = _trial_f(source, target, n, controls, interval, constants, p)
                strain = log_strain(f)
                returned, _ = law_flow(strain, kept, parameters, constants[DT])
                change = returned - strain
                f_bar = get_mat3(adjoint, n, F, p)
                change_bar = exp_sym3_adjoint(change, f_bar @ f.transpose())
                kept_bar = _get_internal(adjoint, n, internal, p)
                set_mat3(adjoint, n, F, p, exp_sym3(change) @ f_bar)
            workspace.strain[p], workspace.strain.grad[p] = strain, -change_bar
            workspace.internal[p], workspace.internal.grad[p] = kept, 0.0 * kept
            workspace.parameters[p], workspace.parameters.grad[p] = parameters, 0.0 * parameters
            workspace.returned.grad[p], workspace.kept.grad[p] = change_bar, kept_bar

    @ti.kernel
    def finish(
        source: ti.types.ndarray(ndim=1),
        target: ti.types.ndarray(ndim=1),
        n: ti.i32,
        controls: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        material_bar: ti.types.ndarray(ndim=1),
        laws: ti.types.ndarray(ndim=1),
        adjoint: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
        workspace: ti.template(),
    ):
        for p in range(n):
            if follows(laws, which, p):
                f = _trial_f(source, target, n, controls, interval, constants, p)
                f_bar = get_mat3(adjoint, n, F, p) + log_strain_adjoint(f, workspace.strain.grad[p])
                set_mat3(adjoint, n, F, p, f_bar)
                _set_internal(adjoint, n, internal, p, workspace.internal.grad[p])
                add_parameters(material_bar, n, rows, p, workspace.parameters.grad[p])

    return gather, finish


def _volume_flow(which):
    @ti.kernel
    def flow(
        target: ti.types.ndarray(ndim=1),
        n: ti.i32,
        material: ti.types.ndarray(ndim=1),
        laws: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
    ):
        for p in range(n):
            if follows(laws, which, p):
                j = get_mat3(target, n, F, p).determinant()
                set_mat3(target, n, F, p, ti.exp(ti.log(j) / 3.0) * eye3())

    return flow


def _volume_flow_adjoint(which):
    @ti.kernel
    def finish(
        source: ti.types.ndarray(ndim=1),
        target: ti.types.ndarray(ndim=1),
        n: ti.i32,
        controls: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        laws: ti.types.ndarray(ndim=1),
        adjoint: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
    ):
        for p in range(n):
            if follows(laws, which, p):
                f = _trial_f(source, target, n, controls, interval, constants, p)
                j = f.determinant()
                scale = ti.exp(ti.log(j) / 3.0) / (3.0 * j) * get_mat3(adjoint, n, F, p).trace()
                set_mat3(adjoint, n, F, p, scale * cofactor3(f))

    return finish
