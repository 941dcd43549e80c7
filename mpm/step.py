"""What every step does whatever the material: transfers, grid, update of the particles; and its adjoint.

``transfer_kernels`` compiles them for one B-spline; every number is read from memory. Stress and plastic flow, which
depend on the law, come before and after (mpm.laws).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import taichi as ti

from kernels.finite import is_finite
from kernels.linalg import eye3, frobenius
from mpm import transfers
from mpm.constants import BULK_VISCOSITY, CLAMPED, DAMPING, DT, INERTIA, MATERIAL_MASS, MATERIAL_VOLUME
from mpm.deformation import advance, advance_adjoint, trust_scale, trust_scale_adjoint
from mpm.grid import clear_node, grid_velocity, grid_velocity_adjoint, node_count
from mpm.laws.particle import controlled_f
from mpm.state import (
    F_TOTAL,
    INTERNAL,
    C,
    F,
    V,
    X,
    add_vec3,
    get_mat3,
    get_vec3,
    set_mat3,
    set_vec3,
)
from mpm.status import BROKEN, ESCAPED, LAST_ESCAPED, report


class TransferKernels(NamedTuple):
    """The compiled transfers of one B-spline."""

    transfer: Callable[..., None]
    """source state, affine -> target state, but for plastic flow."""
    transfer_adjoint: Callable[..., None]
    """Adjoint of the update, G2P, grid and P2G: ``adjoint`` in place, dL/dA so far and dL/d(affine) beside it."""


@functools.cache
def transfer_kernels(nodes: int) -> TransferKernels:
    """Kernels for splines of ``nodes`` nodes an axis (3 or 4)."""

    @ti.func
    def particle_to_grid(
        state: ti.template(),
        n,
        material: ti.template(),
        affine: ti.template(),
        grid: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        m = material[MATERIAL_MASS * n + p]
        momentum = (constants[DAMPING] * m) * get_vec3(state, n, V, p)
        x = get_vec3(state, n, X, p)
        transfers.p2g(grid, constants, domain, x, m, momentum, get_mat3(affine, n, 0, p), nodes)

    @ti.func
    def particle_is_finite(state: ti.template(), n, affine: ti.template(), p):
        """Whether what the particle gives to the grid is; a sum is finite only if all its terms are."""
        x, v, g = get_vec3(state, n, X, p), get_vec3(state, n, V, p), get_mat3(affine, n, 0, p)
        return is_finite(ti.abs(x).sum() + ti.abs(v).sum() + ti.abs(g).sum())

    @ti.func
    def particle_takes_part(
        state: ti.template(), n, affine: ti.template(), constants: ti.template(), domain: ti.template(), p
    ):
        inside = transfers.is_inside(get_vec3(state, n, X, p), domain, constants, nodes)
        return inside and particle_is_finite(state, n, affine, p)

    @ti.func
    def report_particle(state: ti.template(), n, affine: ti.template(), status: ti.template(), number, last, p):
        if not particle_is_finite(state, n, affine, p):
            report(status, BROKEN, number, p)
        else:
            report(status, ESCAPED, number, p)
            if last:
                ti.atomic_add(status[LAST_ESCAPED], 1)

    @ti.kernel
    def transfer(
        source: ti.types.ndarray(ndim=1),
        target: ti.types.ndarray(ndim=1),
        n: ti.i32,
        internal: ti.i32,
        material: ti.types.ndarray(ndim=1),
        controls: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        affine: ti.types.ndarray(ndim=1),
        grid: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
        domain: ti.types.ndarray(ndim=1),
        status: ti.types.ndarray(ndim=1),
        number: ti.i32,
        last: ti.i32,
    ):
        for node in range(node_count(domain)):
            clear_node(grid, node)
        for p in range(n):
            if particle_takes_part(source, n, affine, constants, domain, p):
                particle_to_grid(source, n, material, affine, grid, constants, domain, p)
            else:
                report_particle(source, n, affine, status, number, last, p)
        for node in range(node_count(domain)):
            grid_velocity(grid, constants, domain, node)
        for p in range(n):
            x = get_vec3(source, n, X, p)
            v = ti.Vector([0.0, 0.0, 0.0])
            c_raw = 0.0 * eye3()
            if particle_takes_part(source, n, affine, constants, domain, p):
                v, c_raw = transfers.g2p(grid, constants, domain, x, nodes)
            f = get_mat3(source, n, F, p)
            a = controlled_f(source, n, controls, interval, p)
            c = trust_scale(a, c_raw, constants) * c_raw
            f_new, f_total_new = advance(a, f, get_mat3(source, n, F_TOTAL, p), c, constants)
            x_new = x + constants[DT] * v
            if domain[CLAMPED] != 0:
                held = transfers.hold_inside(x_new, domain, constants, nodes)
                if (held - x_new).norm_sqr() > 0.0:
                    ti.atomic_add(status[LAST_ESCAPED], 1)
                x_new = held
            set_vec3(target, n, X, p, x_new)
            set_vec3(target, n, V, p, v)
            set_mat3(target, n, C, p, c)
            set_mat3(target, n, F, p, f_new)
            set_mat3(target, n, F_TOTAL, p, f_total_new)
            for q in range(internal):
                target[(INTERNAL + q) * n + p] = source[(INTERNAL + q) * n + p]

    @ti.func
    def update_adjoint(
        source: ti.template(),
        target: ti.template(),
        n,
        controls: ti.template(),
        interval,
        affine: ti.template(),
        a_bar_out: ti.template(),
        grid: ti.template(),
        grid_bar: ti.template(),
        adjoint: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        """Adjoint of G2P and of the particle's update; leaves dL/dA so far in ``a_bar_out``."""
        dt = constants[DT]
        x, v_new = get_vec3(source, n, X, p), get_vec3(target, n, V, p)
        a = controlled_f(source, n, controls, interval, p)
        f_total = get_mat3(source, n, F_TOTAL, p)
        c = get_mat3(target, n, C, p)
        x_bar = get_vec3(adjoint, n, X, p)
        if domain[CLAMPED] != 0:
            x_bar = transfers.hold_inside_adjoint(x + dt * v_new, x_bar, domain, constants, nodes)
        v_bar = get_vec3(adjoint, n, V, p) + dt * x_bar
        a_bar, f_bar, f_total_bar, c_bar = advance_adjoint(
            a, f_total, c, get_mat3(adjoint, n, F, p), get_mat3(adjoint, n, F_TOTAL, p), constants
        )
        c_bar += get_mat3(adjoint, n, C, p)
        if particle_takes_part(source, n, affine, constants, domain, p):
            if c.trace() <= 0.0:  # only then can the trust region have scaled C; C_raw is not stored
                _, c_raw = transfers.g2p(grid, constants, domain, x, nodes)
                c_bar, trust_a_bar = trust_scale_adjoint(a, c_raw, c_bar, constants)
                a_bar += trust_a_bar
            x_bar += transfers.g2p_adjoint(grid, grid_bar, constants, domain, x, v_bar, c_bar, v_new, nodes)
        set_vec3(adjoint, n, X, p, x_bar)
        set_mat3(adjoint, n, F, p, f_bar)
        set_mat3(adjoint, n, F_TOTAL, p, f_total_bar)
        set_mat3(a_bar_out, n, 0, p, a_bar)

    @ti.func
    def momentum_adjoint(
        state: ti.template(),
        n,
        material: ti.template(),
        material_bar: ti.template(),
        affine: ti.template(),
        affine_bar_out: ti.template(),
        grid_bar: ti.template(),
        adjoint: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        """Adjoint of P2G; leaves dL/d(affine) in ``affine_bar_out`` for the law."""
        x, v = get_vec3(state, n, X, p), get_vec3(state, n, V, p)
        c, g = get_mat3(state, n, C, p), get_mat3(affine, n, 0, p)
        m, volume = material[MATERIAL_MASS * n + p], material[MATERIAL_VOLUME * n + p]
        damping = constants[DAMPING]
        x_bar, m_bar, p_bar, affine_bar = transfers.p2g_adjoint(
            grid_bar, constants, domain, x, m, (damping * m) * v, g, nodes
        )
        trace_bar = -constants[INERTIA] * constants[DT] * volume * constants[BULK_VISCOSITY] * affine_bar.trace()
        add_vec3(adjoint, n, X, p, x_bar)
        set_vec3(adjoint, n, V, p, (damping * m) * p_bar)
        set_mat3(adjoint, n, C, p, m * affine_bar + trace_bar * eye3())
        mass_bar = m_bar + damping * v.dot(p_bar) + frobenius(c, affine_bar)
        volume_bar = frobenius(g - m * c, affine_bar) / volume  # G − m C is proportional to the volume
        material_bar[MATERIAL_MASS * n + p] = material_bar[MATERIAL_MASS * n + p] + mass_bar
        material_bar[MATERIAL_VOLUME * n + p] = material_bar[MATERIAL_VOLUME * n + p] + volume_bar
        set_mat3(affine_bar_out, n, 0, p, affine_bar)

    @ti.kernel
    def transfer_adjoint(
        source: ti.types.ndarray(ndim=1),
        target: ti.types.ndarray(ndim=1),
        n: ti.i32,
        material: ti.types.ndarray(ndim=1),
        material_bar: ti.types.ndarray(ndim=1),
        controls: ti.types.ndarray(ndim=4),
        interval: ti.i32,
        affine: ti.types.ndarray(ndim=1),
        affine_bar: ti.types.ndarray(ndim=1),
        a_bar: ti.types.ndarray(ndim=1),
        grid: ti.types.ndarray(ndim=1),
        grid_bar: ti.types.ndarray(ndim=1),
        gravity_bar: ti.types.ndarray(ndim=1),
        adjoint: ti.types.ndarray(ndim=1),
        constants: ti.types.ndarray(ndim=1),
        domain: ti.types.ndarray(ndim=1),
    ):
        for node in range(node_count(domain)):
            clear_node(grid, node)
            clear_node(grid_bar, node)
        for p in range(n):
            if particle_takes_part(source, n, affine, constants, domain, p):
                particle_to_grid(source, n, material, affine, grid, constants, domain, p)
        for node in range(node_count(domain)):
            grid_velocity(grid, constants, domain, node)
        for p in range(n):
            update_adjoint(
                source,
                target,
                n,
                controls,
                interval,
                affine,
                a_bar,
                grid,
                grid_bar,
                adjoint,
                constants,
                domain,
                p,
            )
        for node in range(node_count(domain)):
            share = grid_velocity_adjoint(grid, grid_bar, constants, domain, node)
            for c in ti.static(range(3)):
                gravity_bar[3 * node + c] = gravity_bar[3 * node + c] + share[c]
        for p in range(n):
            if particle_takes_part(source, n, affine, constants, domain, p):
                momentum_adjoint(
                    source, n, material, material_bar, affine, affine_bar, grid_bar, adjoint, constants, domain, p
                )
            else:
                set_vec3(adjoint, n, V, p, ti.Vector([0.0, 0.0, 0.0]))
                set_mat3(adjoint, n, C, p, 0.0 * eye3())
                set_mat3(affine_bar, n, 0, p, 0.0 * eye3())

    return TransferKernels(transfer, transfer_adjoint)
