"""What a step does: stress, transfers, grid, update of the particles. mpm.step_adjoint has its adjoint.

``step_kernels`` compiles it for one B-spline and, where all particles have the same law, with that law's stress; every
number is read from memory. The stresses of several laws, each with its own particles, come before (mpm.laws.stress),
plastic flow after (mpm.laws.flow). Loops that do not wait for one another are one: the host's time is what it launches.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import taichi as ti

from kernels.launch import prepared
from kernels.linalg import eye3
from mpm import transfers
from mpm.constants import CLAMPED, DAMPING, DT, MATERIAL_MASS
from mpm.deformation import advance, trust_scale
from mpm.grid import PIECE, clear_piece, grid_velocity
from mpm.laws.law import Law
from mpm.laws.particle import controlled_f
from mpm.laws.stress import particle_stress
from mpm.participants import particle_takes_part, report_particle
from mpm.scatter import make_scatter, scatter_threads, scatter_turns
from mpm.shares import in_shares, merge_shares, particles_of_turn, scatter_to_share, share_of_turn, share_turns
from mpm.state import F_TOTAL, INTERNAL, C, F, V, X, get_mat3, get_vec3, set_mat3, set_vec3
from mpm.status import LAST_ESCAPED


class StepKernels(NamedTuple):
    """A step and its parts. All take the same arguments."""

    step: Callable[..., None]
    """State -> next state, but for plastic flow."""
    to_grid: Callable[..., None]
    """State -> affine, mass and velocity of the grid's nodes."""
    momentum_to_grid: Callable[..., None]
    """State -> affine, mass and momentum of the nodes, which mpm.surroundings moves."""
    from_grid: Callable[..., None]
    """State, affine, grid -> next state, but for plastic flow."""


@functools.cache
def step_kernels(nodes: int, law: Law | None = None, rows: tuple[int, ...] = ()) -> StepKernels:
    """Kernels for splines of ``nodes`` nodes an axis (3 or 4).

    ``law``: that of all particles, with the ``rows`` of material that hold its parameters; None: affine is given.
    """
    has_law = law is not None
    stress: Any = particle_stress(law, rows) if law else None
    give_momentum = _make_give_momentum(nodes)
    scatter_momentum = make_scatter(nodes, give_momentum, with_mass=True)
    update = _make_update(nodes)

    def make(of_to_grid: bool, moves_nodes: bool, of_from_grid: bool):
        @prepared
        @ti.kernel
        def step(
            source: ti.types.ndarray(ndim=1),
            target: ti.types.ndarray(ndim=1),
            n: ti.i32,
            internal: ti.i32,
            order: ti.types.ndarray(ndim=1),
            material: ti.types.ndarray(ndim=1),
            laws: ti.types.ndarray(ndim=1),
            controls: ti.types.ndarray(ndim=4),
            interval: ti.i32,
            affine: ti.types.ndarray(ndim=1),
            grid: ti.types.ndarray(ndim=1),
            touched: ti.types.ndarray(ndim=1),
            pieces: ti.i32,
            grids: ti.types.ndarray(ndim=1),
            shares: ti.i32,
            constants: ti.types.ndarray(ndim=1),
            domain: ti.types.ndarray(ndim=1),
            status: ti.types.ndarray(ndim=1),
            number: ti.i32,
            last: ti.i32,
        ):
            longer, turns = ti.max(n, pieces), scatter_turns(n, nodes)
            if ti.static(of_to_grid and in_shares()):
                for turn in range(share_turns(shares)):
                    share = share_of_turn(turn)
                    begin, end = particles_of_turn(turn, shares, n)
                    for p in range(begin, end):
                        if ti.static(has_law):
                            stress(source, n, controls, interval, material, laws, affine, constants, p)
                        takes_part, x, m, momentum, g = give_momentum(source, n, material, affine, constants, domain, p)
                        if takes_part:
                            scatter_to_share(grids, touched, share, pieces, x, m, momentum, g, constants, domain, nodes)
            if ti.static(of_to_grid and not in_shares()):
                for i in range(longer):
                    if i < pieces:
                        clear_piece(grid, touched, i)
                    if ti.static(has_law):  # noqa: SIM102 (without a law there is no stress to compile)
                        if i < n:
                            stress(source, n, controls, interval, material, laws, affine, constants, i)
                ti.loop_config(block_dim=ti.static(scatter_threads()))
                for turn in range(turns):
                    scatter_momentum(grid, touched, order, n, source, material, affine, constants, domain, turn)
            if ti.static(moves_nodes or (of_to_grid and in_shares())):
                for piece in range(pieces):
                    if ti.static(in_shares()):
                        merge_shares(grids, shares, pieces, grid, touched, piece)
                    if ti.static(moves_nodes) and touched[piece] != 0:
                        for node in range(PIECE * piece, PIECE * (piece + 1)):
                            grid_velocity(grid, constants, domain, node)
            if ti.static(of_from_grid):
                for p in range(n):
                    update(
                        source, target, n, controls, interval, affine, grid, constants, domain, status, number, last, p
                    )
                    for q in range(internal):
                        target[(INTERNAL + q) * n + p] = source[(INTERNAL + q) * n + p]

        return step

    return StepKernels(
        step=make(of_to_grid=True, moves_nodes=True, of_from_grid=True),
        to_grid=make(of_to_grid=True, moves_nodes=True, of_from_grid=False),
        momentum_to_grid=make(of_to_grid=True, moves_nodes=False, of_from_grid=False),
        from_grid=make(of_to_grid=False, moves_nodes=False, of_from_grid=True),
    )


def _make_give_momentum(nodes: int) -> Callable:
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
        takes_part = particle_takes_part(state, n, affine, constants, domain, nodes, p)
        return takes_part, get_vec3(state, n, X, p), m, momentum, get_mat3(affine, n, 0, p)

    return give_momentum


def _make_update(nodes: int) -> Callable:
    @ti.func
    def update(
        source: ti.template(),
        target: ti.template(),
        n,
        controls: ti.template(),
        interval,
        affine: ti.template(),
        grid: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        status: ti.template(),
        number,
        last,
        p,
    ):
        """G2P and the new state of a particle."""
        x = get_vec3(source, n, X, p)
        v = ti.Vector([0.0, 0.0, 0.0])
        c_raw = 0.0 * eye3()
        if particle_takes_part(source, n, affine, constants, domain, nodes, p):
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

    return update
