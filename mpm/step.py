"""What every step does whatever the material: transfers, grid, update of the particles; and its adjoint.

``transfer_kernels`` compiles them for one B-spline; every number is read from memory. Stress and plastic flow, which
depend on the law, come before and after (mpm.laws).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import taichi as ti

from kernels.finite import is_finite
from kernels.launch import prepared
from kernels.linalg import eye3, frobenius
from mpm import transfers
from mpm.constants import BULK_VISCOSITY, CLAMPED, DAMPING, DT, INERTIA, MATERIAL_MASS, MATERIAL_VOLUME
from mpm.deformation import advance, advance_adjoint, trust_scale, trust_scale_adjoint
from mpm.grid import PIECE, clear_piece, grid_velocity, grid_velocity_adjoint
from mpm.laws.particle import controlled_f
from mpm.scatter import make_scatter, scatter_threads, scatter_turns
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

    to_grid: Callable[..., None]
    """State, affine -> mass and velocity of the grid's nodes."""
    momentum_to_grid: Callable[..., None]
    """State, affine -> mass and momentum of the nodes, which mpm.surroundings moves."""
    from_grid: Callable[..., None]
    """State, grid -> next state, but for plastic flow."""
    adjoint: Callable[..., None]
    """Adjoint of ``to_grid`` and ``from_grid``: ``adjoint`` in place, dL/dA so far and dL/d(affine) beside it."""
    from_grid_adjoint: Callable[..., None]
    """The same in two parts, between which mpm.surroundings has its own: that of ``from_grid``,"""
    to_grid_adjoint: Callable[..., None]
    """and that of ``momentum_to_grid``. All three take the same arguments."""


@functools.cache
def transfer_kernels(nodes: int) -> TransferKernels:
    """Kernels for splines of ``nodes`` nodes an axis (3 or 4)."""

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

    @ti.func
    def give_momentum(
        state: ti.template(),
        n,
        material: ti.template(),
        affine: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        """What P2G scatters."""
        m = material[MATERIAL_MASS * n + p]
        momentum = (constants[DAMPING] * m) * get_vec3(state, n, V, p)
        takes_part = particle_takes_part(state, n, affine, constants, domain, p)
        return takes_part, get_vec3(state, n, X, p), m, momentum, get_mat3(affine, n, 0, p)

    @ti.func
    def give_seeds(
        state: ti.template(),
        n,
        v_bar: ti.template(),
        c_bar: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        """What the adjoint of G2P scatters: w (v_bar + k C_bar d); nothing from those that took no part."""
        x = get_vec3(state, n, X, p)
        seed = get_vec3(v_bar, n, 0, p)
        is_inside = transfers.is_inside(x, domain, constants, nodes)
        return is_inside, x, 0.0, seed, constants[INERTIA] * get_mat3(c_bar, n, 0, p)

    scatter_momentum = make_scatter(nodes, give_momentum, with_mass=True)
    scatter_seeds = make_scatter(nodes, give_seeds, with_mass=False)

    def make_to_grid(moves_nodes: bool):
        @prepared
        @ti.kernel
        def to_grid(
            state: ti.types.ndarray(ndim=1),
            n: ti.i32,
            order: ti.types.ndarray(ndim=1),
            material: ti.types.ndarray(ndim=1),
            affine: ti.types.ndarray(ndim=1),
            grid: ti.types.ndarray(ndim=1),
            touched: ti.types.ndarray(ndim=1),
            pieces: ti.i32,
            constants: ti.types.ndarray(ndim=1),
            domain: ti.types.ndarray(ndim=1),
        ):
            for piece in range(pieces):
                clear_piece(grid, touched, piece)
            ti.loop_config(block_dim=ti.static(scatter_threads()))
            for turn in range(scatter_turns(n, nodes)):
                scatter_momentum(grid, touched, order, n, state, material, affine, constants, domain, turn)
            if ti.static(moves_nodes):
                for piece in range(pieces):
                    if touched[piece] != 0:
                        for node in range(PIECE * piece, PIECE * (piece + 1)):
                            grid_velocity(grid, constants, domain, node)

        return to_grid

    @prepared
    @ti.kernel
    def from_grid(
        source: ti.types.ndarray(ndim=1),
        target: ti.types.ndarray(ndim=1),
        n: ti.i32,
        internal: ti.i32,
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
        for p in range(n):
            x = get_vec3(source, n, X, p)
            v = ti.Vector([0.0, 0.0, 0.0])
            c_raw = 0.0 * eye3()
            if particle_takes_part(source, n, affine, constants, domain, p):
                v, c_raw = transfers.g2p(grid, constants, domain, x, nodes)
            else:
                report_particle(source, n, affine, status, number, last, p)
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
        v_bar_out: ti.template(),
        c_bar_out: ti.template(),
        grid: ti.template(),
        adjoint: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        """Adjoint of the particle's update and of G2P but for its scatter: dL/dA so far, dL/dv' and dL/dC."""
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
            x_bar += transfers.g2p_adjoint(grid, constants, domain, x, v_bar, c_bar, v_new, nodes)
        else:
            v_bar, c_bar = ti.Vector([0.0, 0.0, 0.0]), 0.0 * eye3()
        set_vec3(adjoint, n, X, p, x_bar)
        set_mat3(adjoint, n, F, p, f_bar)
        set_mat3(adjoint, n, F_TOTAL, p, f_total_bar)
        set_mat3(a_bar_out, n, 0, p, a_bar)
        set_vec3(v_bar_out, n, 0, p, v_bar)
        set_mat3(c_bar_out, n, 0, p, c_bar)

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

    @ti.func
    def particle_to_grid_adjoint(
        source: ti.template(),
        n,
        material: ti.template(),
        material_bar: ti.template(),
        affine: ti.template(),
        affine_bar: ti.template(),
        grid_bar: ti.template(),
        adjoint: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        if particle_takes_part(source, n, affine, constants, domain, p):
            momentum_adjoint(
                source, n, material, material_bar, affine, affine_bar, grid_bar, adjoint, constants, domain, p
            )
        else:
            set_vec3(adjoint, n, V, p, ti.Vector([0.0, 0.0, 0.0]))
            set_mat3(adjoint, n, C, p, 0.0 * eye3())
            set_mat3(affine_bar, n, 0, p, 0.0 * eye3())

    def make_adjoint(of_from_grid: bool, of_to_grid: bool):
        """The adjoint of a step's transfers, or of one of them; between the two the grid's own, where both are here."""

        @prepared
        @ti.kernel
        def adjoint_step(
            source: ti.types.ndarray(ndim=1),
            target: ti.types.ndarray(ndim=1),
            n: ti.i32,
            order: ti.types.ndarray(ndim=1),
            material: ti.types.ndarray(ndim=1),
            material_bar: ti.types.ndarray(ndim=1),
            controls: ti.types.ndarray(ndim=4),
            interval: ti.i32,
            affine: ti.types.ndarray(ndim=1),
            affine_bar: ti.types.ndarray(ndim=1),
            a_bar: ti.types.ndarray(ndim=1),
            v_bar: ti.types.ndarray(ndim=1),
            grid: ti.types.ndarray(ndim=1),
            grid_bar: ti.types.ndarray(ndim=1),
            touched: ti.types.ndarray(ndim=1),
            pieces: ti.i32,
            gravity_bar: ti.types.ndarray(ndim=1),
            adjoint: ti.types.ndarray(ndim=1),
            constants: ti.types.ndarray(ndim=1),
            domain: ti.types.ndarray(ndim=1),
        ):
            if ti.static(of_from_grid):
                for piece in range(pieces):
                    clear_piece(grid_bar, touched, piece)
                for p in range(n):  # affine_bar holds dL/dC until P2G's adjoint
                    update_adjoint(
                        source,
                        target,
                        n,
                        controls,
                        interval,
                        affine,
                        a_bar,
                        v_bar,
                        affine_bar,
                        grid,
                        adjoint,
                        constants,
                        domain,
                        p,
                    )
                ti.loop_config(block_dim=ti.static(scatter_threads()))
                for turn in range(scatter_turns(n, nodes)):
                    scatter_seeds(grid_bar, touched, order, n, source, v_bar, affine_bar, constants, domain, turn)
            if ti.static(of_from_grid and of_to_grid):
                for piece in range(pieces):
                    if touched[piece] != 0:
                        for node in range(PIECE * piece, PIECE * (piece + 1)):
                            share = grid_velocity_adjoint(grid, grid_bar, constants, domain, node)
                            for c in ti.static(range(3)):
                                gravity_bar[3 * node + c] = gravity_bar[3 * node + c] + share[c]
            if ti.static(of_to_grid):
                for p in range(n):
                    particle_to_grid_adjoint(
                        source, n, material, material_bar, affine, affine_bar, grid_bar, adjoint, constants, domain, p
                    )

        return adjoint_step

    return TransferKernels(
        to_grid=make_to_grid(moves_nodes=True),
        momentum_to_grid=make_to_grid(moves_nodes=False),
        from_grid=from_grid,
        adjoint=make_adjoint(of_from_grid=True, of_to_grid=True),
        from_grid_adjoint=make_adjoint(of_from_grid=True, of_to_grid=False),
        to_grid_adjoint=make_adjoint(of_from_grid=False, of_to_grid=True),
    )
