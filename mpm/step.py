"""One time step and its adjoint: each is a few loops in as few launches as possible.

``step_kernels`` compiles them for one B-spline and one law; every number is read from memory.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import taichi as ti

from kernels.linalg import eye3, frobenius
from mpm import transfers
from mpm.constants import BULK_VISCOSITY, DAMPING, DT, MATERIAL_LAW, MATERIAL_MASS, MATERIAL_VOLUME
from mpm.deformation import advance, advance_adjoint, trust_scale, trust_scale_adjoint
from mpm.grid import clear_node, grid_velocity, grid_velocity_adjoint, node_count
from mpm.laws import LAWS
from mpm.laws.kinematics import kinematic_tensor, kinematic_tensor_adjoint
from mpm.state import F_TOTAL, C, F, V, X, get_mat3, get_vec3, set_mat3, set_vec3


class StepKernels(NamedTuple):
    """The compiled step of one B-spline and one law."""

    step: Callable[..., None]
    """states[source] -> states[target]."""
    scatter_adjoint: Callable[..., None]
    """Adjoint of G2P, grid and P2G: ``adjoint`` in place, up to the stress."""
    finish_adjoint: Callable[..., None]
    """Adjoint of the stress's arguments, after the law's own gradient kernel ran."""


@functools.cache
def step_kernels(nodes: int, law_name: str) -> StepKernels:
    """Kernels for splines of ``nodes`` nodes an axis (3 or 4) and the law of that name."""
    law = LAWS[law_name]
    kirchhoff_stress, kinematics = law.kirchhoff_stress, law.kinematics
    parameter_count = len(law.parameters)

    @ti.func
    def controlled_f(states: ti.template(), slot, controls: ti.template(), interval, p):
        """A = F + dF in the first step of a control interval."""
        a = get_mat3(states, slot, F, p)
        if interval >= 0:
            for i, j in ti.static(ti.ndrange(3, 3)):
                a[i, j] += controls[interval, p, i, j]
        return a

    @ti.func
    def law_parameters(material: ti.template(), p):
        return ti.Vector([material[MATERIAL_LAW + i, p] for i in ti.static(range(parameter_count))])

    @ti.func
    def viscous_stress(a, k, c, material: ti.template(), constants: ti.template(), p):
        """τ(A) + ζ tr(C) I."""
        tau = kirchhoff_stress(a, k, law_parameters(material, p))
        return tau + constants[BULK_VISCOSITY] * c.trace() * eye3()

    @ti.func
    def stress_scale(material: ti.template(), constants: ti.template(), p):
        """The factor −k dt V between the stress and the affine momentum."""
        k = transfers.inverse_inertia(constants, nodes)
        return -k * constants[DT] * material[MATERIAL_VOLUME, p]

    @ti.func
    def particle_to_grid(
        states: ti.template(),
        slot,
        controls: ti.template(),
        interval,
        material: ti.template(),
        grid: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        m = material[MATERIAL_MASS, p]
        a = controlled_f(states, slot, controls, interval, p)
        c = get_mat3(states, slot, C, p)
        stress = viscous_stress(a, kinematic_tensor(kinematics, a), c, material, constants, p)
        affine = stress_scale(material, constants, p) * stress + m * c
        momentum = (constants[DAMPING] * m) * get_vec3(states, slot, V, p)
        transfers.p2g(grid, constants, domain, get_vec3(states, slot, X, p), m, momentum, affine, nodes)

    @ti.func
    def report_outside(status: ti.template(), number, p):
        """Count the particles of the first step in which any is outside, and keep the first of them."""
        if ti.atomic_min(status[1], number) >= number:
            ti.atomic_add(status[0], 1)
            ti.atomic_min(status[2], p)

    @ti.kernel
    def step(
        states: ti.types.ndarray(ndim=3),
        source: ti.i32,
        target: ti.i32,
        controls: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        material: ti.types.ndarray(ndim=2),
        grid: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
        domain: ti.types.ndarray(ndim=1),
        status: ti.types.ndarray(ndim=1),
        number: ti.i32,
    ):
        for node in range(node_count(domain)):
            clear_node(grid, node)
        for p in range(states.shape[2]):
            if transfers.is_inside(get_vec3(states, source, X, p), domain, constants, nodes):
                particle_to_grid(states, source, controls, interval, material, grid, constants, domain, p)
            else:
                report_outside(status, number, p)
        for node in range(node_count(domain)):
            grid_velocity(grid, constants, domain, node)
        for p in range(states.shape[2]):
            x = get_vec3(states, source, X, p)
            v = ti.Vector([0.0, 0.0, 0.0])
            c_raw = 0.0 * eye3()
            if transfers.is_inside(x, domain, constants, nodes):
                v, c_raw = transfers.g2p(grid, constants, domain, x, nodes)
            f = get_mat3(states, source, F, p)
            a = controlled_f(states, source, controls, interval, p)
            c = trust_scale(a, c_raw, constants) * c_raw
            f_new, f_total_new = advance(a, f, get_mat3(states, source, F_TOTAL, p), c, constants)
            set_vec3(states, target, X, p, x + constants[DT] * v)
            set_vec3(states, target, V, p, v)
            set_mat3(states, target, C, p, c)
            set_mat3(states, target, F, p, f_new)
            set_mat3(states, target, F_TOTAL, p, f_total_new)

    @ti.func
    def update_adjoint(
        states: ti.template(),
        source,
        target,
        controls: ti.template(),
        interval,
        grid: ti.template(),
        grid_bar: ti.template(),
        adjoint: ti.template(),
        workspace: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        """Adjoint of G2P and of the particle's update; leaves dL/dA so far in ``workspace``."""
        dt = constants[DT]
        x = get_vec3(states, source, X, p)
        a = controlled_f(states, source, controls, interval, p)
        f_total = get_mat3(states, source, F_TOTAL, p)
        c = get_mat3(states, target, C, p)
        x_bar = get_vec3(adjoint, 0, X, p)
        v_bar = get_vec3(adjoint, 0, V, p) + dt * x_bar
        a_bar, f_bar, f_total_bar, c_bar = advance_adjoint(
            a, f_total, c, get_mat3(adjoint, 0, F, p), get_mat3(adjoint, 0, F_TOTAL, p), constants
        )
        c_bar += get_mat3(adjoint, 0, C, p)
        if transfers.is_inside(x, domain, constants, nodes):
            if c.trace() <= 0.0:  # only then can the trust region have scaled C; C_raw is not stored
                _, c_raw = transfers.g2p(grid, constants, domain, x, nodes)
                c_bar, trust_a_bar = trust_scale_adjoint(a, c_raw, c_bar, constants)
                a_bar += trust_a_bar
            v_new = get_vec3(states, target, V, p)
            x_bar += transfers.g2p_adjoint(grid, grid_bar, constants, domain, x, v_bar, c_bar, v_new, nodes)
        set_vec3(adjoint, 0, X, p, x_bar)
        set_mat3(adjoint, 0, F, p, f_bar)
        set_mat3(adjoint, 0, F_TOTAL, p, f_total_bar)
        workspace.f.grad[p] = a_bar

    @ti.func
    def momentum_adjoint(
        states: ti.template(),
        source,
        controls: ti.template(),
        interval,
        material: ti.template(),
        material_bar: ti.template(),
        grid_bar: ti.template(),
        adjoint: ti.template(),
        workspace: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        """Adjoint of P2G; leaves the law's arguments and dL/dτ in ``workspace`` for its gradient kernel."""
        x, v = get_vec3(states, source, X, p), get_vec3(states, source, V, p)
        c = get_mat3(states, source, C, p)
        m, damping = material[MATERIAL_MASS, p], constants[DAMPING]
        a = controlled_f(states, source, controls, interval, p)
        k = kinematic_tensor(kinematics, a)
        stress = viscous_stress(a, k, c, material, constants, p)
        scale = stress_scale(material, constants, p)
        x_bar, m_bar, p_bar, affine_bar = transfers.p2g_adjoint(
            grid_bar, constants, domain, x, m, (damping * m) * v, scale * stress + m * c, nodes
        )
        tau_bar = scale * affine_bar
        set_vec3(adjoint, 0, X, p, get_vec3(adjoint, 0, X, p) + x_bar)
        set_vec3(adjoint, 0, V, p, (damping * m) * p_bar)
        set_mat3(adjoint, 0, C, p, m * affine_bar + constants[BULK_VISCOSITY] * tau_bar.trace() * eye3())
        mass_bar = m_bar + damping * v.dot(p_bar) + frobenius(c, affine_bar)
        volume_bar = -transfers.inverse_inertia(constants, nodes) * constants[DT] * frobenius(stress, affine_bar)
        material_bar[MATERIAL_MASS, p] = material_bar[MATERIAL_MASS, p] + mass_bar
        material_bar[MATERIAL_VOLUME, p] = material_bar[MATERIAL_VOLUME, p] + volume_bar
        workspace.f[p] = a
        workspace.k[p] = k
        workspace.tau.grad[p] = tau_bar

    @ti.kernel
    def scatter_adjoint(
        states: ti.types.ndarray(ndim=3),
        source: ti.i32,
        target: ti.i32,
        controls: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        material: ti.types.ndarray(ndim=2),
        material_bar: ti.types.ndarray(ndim=2),
        grid: ti.types.ndarray(ndim=1),
        grid_bar: ti.types.ndarray(ndim=1),
        gravity_bar: ti.types.ndarray(ndim=1),
        adjoint: ti.types.ndarray(ndim=3),
        workspace: ti.template(),
        constants: ti.types.ndarray(ndim=1),
        domain: ti.types.ndarray(ndim=1),
    ):
        for node in range(node_count(domain)):
            clear_node(grid, node)
            clear_node(grid_bar, node)
        for p in range(states.shape[2]):
            if transfers.is_inside(get_vec3(states, source, X, p), domain, constants, nodes):
                particle_to_grid(states, source, controls, interval, material, grid, constants, domain, p)
        for node in range(node_count(domain)):
            grid_velocity(grid, constants, domain, node)
        for p in range(states.shape[2]):
            update_adjoint(
                states, source, target, controls, interval, grid, grid_bar, adjoint, workspace, constants, domain, p
            )
        for node in range(node_count(domain)):
            share = grid_velocity_adjoint(grid, grid_bar, constants, domain, node)
            for c in ti.static(range(3)):
                gravity_bar[3 * node + c] = gravity_bar[3 * node + c] + share[c]
        for p in range(states.shape[2]):
            workspace.k.grad[p] = 0.0 * eye3()
            workspace.parameters[p] = law_parameters(material, p)
            workspace.parameters.grad[p] = 0.0 * law_parameters(material, p)
            if transfers.is_inside(get_vec3(states, source, X, p), domain, constants, nodes):
                momentum_adjoint(
                    states,
                    source,
                    controls,
                    interval,
                    material,
                    material_bar,
                    grid_bar,
                    adjoint,
                    workspace,
                    constants,
                    domain,
                    p,
                )
            else:
                set_vec3(adjoint, 0, V, p, ti.Vector([0.0, 0.0, 0.0]))
                set_mat3(adjoint, 0, C, p, 0.0 * eye3())
                workspace.f[p] = eye3()
                workspace.k[p] = eye3()
                workspace.tau.grad[p] = 0.0 * eye3()

    @ti.kernel
    def finish_adjoint(
        adjoint: ti.types.ndarray(ndim=3),
        controls_bar: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        material_bar: ti.types.ndarray(ndim=2),
        workspace: ti.template(),
    ):
        for p in range(adjoint.shape[2]):
            f, k, k_bar = workspace.f[p], workspace.k[p], workspace.k.grad[p]
            a_bar = workspace.f.grad[p] + kinematic_tensor_adjoint(kinematics, f, k, k_bar)
            set_mat3(adjoint, 0, F, p, get_mat3(adjoint, 0, F, p) + a_bar)
            if interval >= 0:
                for i, j in ti.static(ti.ndrange(3, 3)):
                    controls_bar[interval, p, i, j] = controls_bar[interval, p, i, j] + a_bar[i, j]
            for i in ti.static(range(parameter_count)):
                row = MATERIAL_LAW + i
                material_bar[row, p] = material_bar[row, p] + workspace.parameters.grad[p][i]

    return StepKernels(step, scatter_adjoint, finish_adjoint)
