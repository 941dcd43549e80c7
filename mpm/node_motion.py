"""The grid's share of a step where there is more than gravity and frictionless walls, and its adjoint.

v = (1 − dt c) (p / m + dt (g + a)) with grid damping c and the acceleration a of each node; then colliders, then walls
with friction (docs/method.md 3.3). The momenta stay, and velocities go to an array of the same layout: the adjoint
needs what each velocity was before contact.
"""

import taichi as ti

from kernels.launch import prepared
from mpm.colliders import collide, collide_adjoint
from mpm.constants import DT, GRID_FACTOR, MASS_CUT, ORIGIN, SPACING, WALL_FRICTION
from mpm.contact import respond, respond_adjoint
from mpm.grid import PIECE, gravity, node_index, node_vec3, set_node_vec3, wall


@ti.func
def _free_velocity(grid: ti.template(), acceleration: ti.template(), constants: ti.template(), node):
    """The velocity before contact."""
    a = gravity(constants) + ti.Vector([acceleration[3 * node + c] for c in ti.static(range(3))])
    return constants[GRID_FACTOR] * (node_vec3(grid, node) / grid[4 * node] + constants[DT] * a)


@ti.func
def _node_position(constants: ti.template(), domain: ti.template(), node):
    origin = ti.Vector([constants[ORIGIN + c] for c in ti.static(range(3))])
    return origin + constants[SPACING] * node_index(domain, node)


@ti.func
def _at_walls(constants: ti.template(), domain: ti.template(), node, velocity, axes: ti.template()):
    """The velocity after the walls across the first ``axes`` axes."""
    v, index = velocity, node_index(domain, node)
    for axis in ti.static(range(axes)):
        kind, inward = wall(domain, index, axis)
        v = respond(v, 0.0 * v, _axis_normal(axis, inward), constants[WALL_FRICTION], kind)
    return v


@ti.func
def _at_walls_adjoint(
    constants: ti.template(), constants_bar: ti.template(), domain: ti.template(), node, velocity, out_bar
):
    """dL/d(velocity) from dL/d(``_at_walls``); adds to the gradient of the walls' friction."""
    v_bar, index = out_bar, node_index(domain, node)
    friction_bar = 0.0
    for axis in ti.static((2, 1, 0)):
        kind, inward = wall(domain, index, axis)
        v = _at_walls(constants, domain, node, velocity, axis)
        n = _axis_normal(axis, inward)
        v_bar, _, _, share = respond_adjoint(v, 0.0 * v, n, constants[WALL_FRICTION], kind, v_bar)
        friction_bar += share
    if friction_bar != 0.0:
        ti.atomic_add(constants_bar[WALL_FRICTION], friction_bar)
    return v_bar


@ti.func
def _axis_normal(axis: ti.template(), inward):
    n = ti.Vector([0.0, 0.0, 0.0])
    n[axis] = inward
    return n


@prepared
@ti.kernel
def move_nodes(
    grid: ti.types.ndarray(ndim=1),
    moved: ti.types.ndarray(ndim=1),
    touched: ti.types.ndarray(ndim=1),
    pieces: ti.i32,
    acceleration: ti.types.ndarray(ndim=1),
    constants: ti.types.ndarray(ndim=1),
    domain: ti.types.ndarray(ndim=1),
    rows: ti.types.ndarray(ndim=1),
    kinds: ti.types.ndarray(ndim=1),
    samples: ti.types.ndarray(ndim=1),
    first: ti.i32,
    count: ti.i32,
):
    """``grid`` (mass, momentum) -> ``moved`` (mass, velocity), in the pieces that were touched.

    The rows of the ``count`` colliders begin at number ``first``.
    """
    for piece in range(pieces):
        if touched[piece] != 0:
            for node in range(PIECE * piece, PIECE * (piece + 1)):
                m = grid[4 * node]
                v = ti.Vector([0.0, 0.0, 0.0])
                if m > MASS_CUT:
                    v = _free_velocity(grid, acceleration, constants, node)
                    v = collide(rows, kinds, samples, first, count, _node_position(constants, domain, node), v)
                    v = _at_walls(constants, domain, node, v, 3)
                moved[4 * node] = m
                set_node_vec3(moved, node, v)


@prepared
@ti.kernel
def move_nodes_adjoint(
    grid: ti.types.ndarray(ndim=1),
    grid_bar: ti.types.ndarray(ndim=1),
    touched: ti.types.ndarray(ndim=1),
    pieces: ti.i32,
    acceleration: ti.types.ndarray(ndim=1),
    acceleration_bar: ti.types.ndarray(ndim=1),
    constants: ti.types.ndarray(ndim=1),
    constants_bar: ti.types.ndarray(ndim=1),
    domain: ti.types.ndarray(ndim=1),
    rows: ti.types.ndarray(ndim=1),
    rows_bar: ti.types.ndarray(ndim=1),
    kinds: ti.types.ndarray(ndim=1),
    samples: ti.types.ndarray(ndim=1),
    first: ti.i32,
    count: ti.i32,
):
    """In ``grid_bar``, dL/d(velocity) becomes dL/d(mass, momentum); adds to the other gradients.

    ``acceleration_bar`` is also that of gravity, once it is summed over the nodes.
    """
    for piece in range(pieces):
        if touched[piece] != 0:
            for node in range(PIECE * piece, PIECE * (piece + 1)):
                m = grid[4 * node]
                mass_bar = 0.0
                momentum_bar = ti.Vector([0.0, 0.0, 0.0])
                if m > MASS_CUT:
                    x = _node_position(constants, domain, node)
                    free = _free_velocity(grid, acceleration, constants, node)
                    v = collide(rows, kinds, samples, first, count, x, free)
                    v_bar = _at_walls_adjoint(constants, constants_bar, domain, node, v, node_vec3(grid_bar, node))
                    v_bar = collide_adjoint(rows, rows_bar, kinds, samples, first, count, x, free, v_bar)
                    v_bar *= constants[GRID_FACTOR]
                    momentum_bar = v_bar / m
                    mass_bar = -momentum_bar.dot(node_vec3(grid, node)) / m
                    for c in ti.static(range(3)):
                        acceleration_bar[3 * node + c] = acceleration_bar[3 * node + c] + constants[DT] * v_bar[c]
                grid_bar[4 * node] = mass_bar
                set_node_vec3(grid_bar, node, momentum_bar)
