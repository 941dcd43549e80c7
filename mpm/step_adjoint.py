"""The adjoint of a step (mpm.step): of the particles' update, of the transfers, of the grid and of the stress."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import taichi as ti

from kernels.launch import prepared
from kernels.linalg import eye3, frobenius
from mpm import transfers
from mpm.constants import BULK_VISCOSITY, CLAMPED, DAMPING, DT, INERTIA, MATERIAL_MASS, MATERIAL_VOLUME
from mpm.deformation import advance_adjoint, may_be_scaled, trust_scale_adjoint
from mpm.grid import PIECE, clear_piece, grid_velocity_adjoint
from mpm.laws.law import Law
from mpm.laws.particle import controlled_f
from mpm.laws.stress import particle_stress_adjoint
from mpm.participants import particle_takes_part
from mpm.scatter import make_scatter, scatter_threads, scatter_turns
from mpm.shares import g2p_adjoint_to_share, in_shares, merge_shares, particles_of_turn, share_of_turn, share_turns
from mpm.state import F_TOTAL, C, F, V, X, add_vec3, get_mat3, get_vec3, set_mat3, set_vec3


class AdjointKernels(NamedTuple):
    """The adjoint of a step, whole or in two parts, between which mpm.surroundings has its own.

    All take the same arguments. ``adjoint`` changes in place; dL/dA so far and dL/d(affine) lie beside it, for a stress
    that is not compiled in.
    """

    step: Callable[..., None]
    from_grid: Callable[..., None]
    to_grid: Callable[..., None]


@functools.cache
def adjoint_kernels(nodes: int, law: Law | None = None, rows: tuple[int, ...] = ()) -> AdjointKernels:
    """Kernels for splines of ``nodes`` nodes an axis (3 or 4).

    ``law``: that of all particles, if its stress's adjoint is written by hand, with the ``rows`` of material that hold
    its parameters; None: the stress's adjoint comes after.
    """
    has_law = law is not None
    stress_adjoint: Any = particle_stress_adjoint(law, rows) if law else None
    scatter_seeds = make_scatter(nodes, _make_give_seeds(nodes), with_mass=False)
    update_adjoint, to_grid_adjoint = _make_update_adjoint(nodes), _make_to_grid_adjoint(nodes)

    def make(of_from_grid: bool, moves_nodes: bool, of_to_grid: bool):
        @prepared
        @ti.kernel
        def adjoint_step(
            source: ti.types.ndarray(ndim=1),
            target: ti.types.ndarray(ndim=1),
            n: ti.i32,
            order: ti.types.ndarray(ndim=1),
            material: ti.types.ndarray(ndim=1),
            material_bar: ti.types.ndarray(ndim=1),
            laws: ti.types.ndarray(ndim=1),
            controls: ti.types.ndarray(ndim=4),
            controls_bar: ti.types.ndarray(ndim=4),
            interval: ti.i32,
            affine: ti.types.ndarray(ndim=1),
            affine_bar: ti.types.ndarray(ndim=1),
            a_bar: ti.types.ndarray(ndim=1),
            v_bar: ti.types.ndarray(ndim=1),
            grid: ti.types.ndarray(ndim=1),
            grid_bar: ti.types.ndarray(ndim=1),
            touched: ti.types.ndarray(ndim=1),
            pieces: ti.i32,
            grids: ti.types.ndarray(ndim=1),
            shares: ti.i32,
            gravity_bar: ti.types.ndarray(ndim=1),
            adjoint: ti.types.ndarray(ndim=1),
            constants: ti.types.ndarray(ndim=1),
            domain: ti.types.ndarray(ndim=1),
        ):
            longer, turns = ti.max(n, pieces), scatter_turns(n, nodes)
            # affine_bar holds dL/dC until P2G's adjoint
            if ti.static(of_from_grid and in_shares()):
                for turn in range(share_turns(shares)):
                    share = share_of_turn(turn)
                    begin, end = particles_of_turn(turn, shares, n)
                    for p in range(begin, end):
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
                            grids,
                            touched,
                            share,
                            pieces,
                            adjoint,
                            constants,
                            domain,
                            p,
                        )
            if ti.static(of_from_grid and not in_shares()):
                for i in range(longer):
                    if i < pieces:
                        clear_piece(grid_bar, touched, i)
                    if i < n:
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
                            grids,
                            touched,
                            0,
                            pieces,
                            adjoint,
                            constants,
                            domain,
                            i,
                        )
                ti.loop_config(block_dim=ti.static(scatter_threads()))
                for turn in range(turns):
                    scatter_seeds(grid_bar, touched, order, n, source, v_bar, affine_bar, constants, domain, turn)
            if ti.static(moves_nodes or (of_from_grid and in_shares())):
                for piece in range(pieces):
                    if ti.static(in_shares()):
                        merge_shares(grids, shares, pieces, grid_bar, touched, piece)
                    if ti.static(moves_nodes) and touched[piece] != 0:
                        for node in range(PIECE * piece, PIECE * (piece + 1)):
                            part = grid_velocity_adjoint(grid, grid_bar, constants, domain, node)
                            for c in ti.static(range(3)):
                                gravity_bar[3 * node + c] = gravity_bar[3 * node + c] + part[c]
            if ti.static(of_to_grid):
                for p in range(n):
                    to_grid_adjoint(
                        source, n, material, material_bar, affine, affine_bar, grid_bar, adjoint, constants, domain, p
                    )
                    if ti.static(has_law):
                        stress_adjoint(
                            source,
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

        return adjoint_step

    return AdjointKernels(
        step=make(of_from_grid=True, moves_nodes=True, of_to_grid=True),
        from_grid=make(of_from_grid=True, moves_nodes=False, of_to_grid=False),
        to_grid=make(of_from_grid=False, moves_nodes=False, of_to_grid=True),
    )


def _make_give_seeds(nodes: int) -> Callable:
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

    return give_seeds


def _make_update_adjoint(nodes: int) -> Callable:
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
        grids: ti.template(),
        touched: ti.template(),
        share,
        pieces,
        adjoint: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        p,
    ):
        """Adjoint of the particle's update and of G2P: dL/dA so far, dL/dv' and dL/dC, from which others scatter."""
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
        if particle_takes_part(source, n, affine, constants, domain, nodes, p):
            if may_be_scaled(a, c, constants):
                _, c_raw = transfers.g2p(grid, constants, domain, x, nodes)
                c_bar, trust_a_bar = trust_scale_adjoint(a, c_raw, c_bar, constants)
                a_bar += trust_a_bar
            if ti.static(in_shares()):
                x_bar += g2p_adjoint_to_share(
                    grids, touched, share, pieces, grid, constants, domain, x, v_bar, c_bar, v_new, nodes
                )
            else:
                x_bar += transfers.g2p_adjoint(grid, constants, domain, x, v_bar, c_bar, v_new, nodes)
        else:
            v_bar, c_bar = ti.Vector([0.0, 0.0, 0.0]), 0.0 * eye3()
        set_vec3(adjoint, n, X, p, x_bar)
        set_mat3(adjoint, n, F, p, f_bar)
        set_mat3(adjoint, n, F_TOTAL, p, f_total_bar)
        set_mat3(a_bar_out, n, 0, p, a_bar)
        if ti.static(not in_shares()):
            set_vec3(v_bar_out, n, 0, p, v_bar)
            set_mat3(c_bar_out, n, 0, p, c_bar)

    return update_adjoint


@ti.func
def _momentum_adjoint(
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
    nodes: ti.template(),
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


def _make_to_grid_adjoint(nodes: int) -> Callable:
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
        if particle_takes_part(source, n, affine, constants, domain, nodes, p):
            _momentum_adjoint(
                source, n, material, material_bar, affine, affine_bar, grid_bar, adjoint, constants, domain, nodes, p
            )
        else:
            set_vec3(adjoint, n, V, p, ti.Vector([0.0, 0.0, 0.0]))
            set_mat3(adjoint, n, C, p, 0.0 * eye3())
            set_mat3(affine_bar, n, 0, p, 0.0 * eye3())

    return particle_to_grid_adjoint
