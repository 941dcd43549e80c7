"""The grid's share of a step: momentum to velocity, gravity, walls; and its adjoint.

``grid`` is flat, four numbers a node: mass and momentum after P2G, mass and velocity after ``grid_velocity``. Node
(i, j, k) is number (i ny + j) nz + k. (With an array of four dimensions every access would read the extents again.)
"""

import taichi as ti

from kernels.arrays import int_array, real_array
from mpm.constants import (
    DT,
    GRAVITY,
    MASS_CUT,
    SIZE,
    WALL_NONE,
    WALL_SEPARATE,
    WALL_STICKY,
    WALL_THICKNESS,
)

NUMBERS = 4
"""Numbers a node."""
PIECE_BITS = 2
PIECE = 1 << PIECE_BITS
"""Nodes, one after another in memory, that share a mark."""


class Grid:
    """Scratch memory of one step: ``numbers [4 nodes]`` (up to a whole piece) and the pieces that were ``touched``.

    What is not marked is zero, so that clearing and updating the grid cost what its touched part costs.
    """

    def __init__(self, nodes: int):
        self.pieces = (nodes + PIECE - 1) // PIECE
        self.numbers = real_array(NUMBERS * PIECE * self.pieces)
        self.touched = int_array(self.pieces)


@ti.func
def touch(touched: ti.template(), node, nodes: ti.template()):
    """Mark ``nodes`` nodes, at most a piece, from ``node`` on."""
    touched[node >> PIECE_BITS] = 1
    touched[(node + ti.static(nodes - 1)) >> PIECE_BITS] = 1


@ti.func
def clear_piece(grid: ti.template(), touched: ti.template(), piece):
    """Make a piece zero and unmarked."""
    if touched[piece] != 0:
        touched[piece] = 0
        for i in ti.static(range(PIECE * NUMBERS)):
            grid[PIECE * NUMBERS * piece + i] = 0.0


@ti.func
def first_number(node):
    """Where a node's numbers begin. That those of the next nodes follow side by side the compiler sees only where sums
    of 32-bit integers cannot overflow, hence the bound; it then finds them all from one address."""
    return ti.min(NUMBERS * node, ti.static(2**31 - 128))


@ti.func
def numbers_vec3(grid: ti.template(), number):
    """The momentum or velocity of the node whose numbers begin at ``number``."""
    return ti.Vector([grid[number + 1], grid[number + 2], grid[number + 3]])


@ti.func
def node_vec3(grid: ti.template(), node):
    """The node's momentum or velocity."""
    return numbers_vec3(grid, NUMBERS * node)


@ti.func
def set_node_vec3(grid: ti.template(), node, v):
    """Store the node's momentum or velocity."""
    for c in ti.static(range(3)):
        grid[4 * node + 1 + c] = v[c]


@ti.func
def gravity(constants: ti.template()):
    """The acceleration of all nodes."""
    return ti.Vector([constants[GRAVITY + c] for c in ti.static(range(3))])


@ti.func
def grid_velocity(grid: ti.template(), constants: ti.template(), domain: ti.template(), node):
    """v = p / m + dt g, then the walls (docs/method.md 3.3); 0 where there is no mass."""
    m = grid[4 * node]
    v = ti.Vector([0.0, 0.0, 0.0])
    if m > MASS_CUT:
        v = node_vec3(grid, node) / m + constants[DT] * gravity(constants)
        v = _apply_walls(domain, node, v)
    set_node_vec3(grid, node, v)


@ti.func
def grid_velocity_adjoint(
    grid: ti.template(), grid_bar: ti.template(), constants: ti.template(), domain: ti.template(), node
):
    """In ``grid_bar``, dL/d(velocity) becomes dL/d(mass, momentum); returns dL/d(gravity) of this node."""
    m = grid[4 * node]
    mass_bar = 0.0
    momentum_bar = ti.Vector([0.0, 0.0, 0.0])
    gravity_bar = ti.Vector([0.0, 0.0, 0.0])
    if m > MASS_CUT:
        v = node_vec3(grid, node)
        v_bar = _apply_walls_adjoint(domain, node, v, node_vec3(grid_bar, node))
        momentum_bar = v_bar / m
        # p / m = v − dt g wherever the walls let v_bar through
        mass_bar = -v_bar.dot(v - constants[DT] * gravity(constants)) / m
        gravity_bar = constants[DT] * v_bar
    grid_bar[4 * node] = mass_bar
    set_node_vec3(grid_bar, node, momentum_bar)
    return gravity_bar


@ti.func
def node_index(domain: ti.template(), node):
    """(i, j, k) of a node's number."""
    ny, nz = domain[SIZE + 1], domain[SIZE + 2]
    return ti.Vector([node // (ny * nz), node // nz % ny, node % nz])


@ti.func
def wall(domain: ti.template(), index, axis: ti.template()):
    """Condition at this node for the faces across ``axis``, and the inward normal's sign."""
    kind, inward = WALL_NONE, 0
    if index[axis] < domain[WALL_THICKNESS]:
        kind, inward = domain[2 * axis], 1
    if index[axis] >= domain[SIZE + axis] - domain[WALL_THICKNESS] and domain[2 * axis + 1] != WALL_NONE:
        kind, inward = domain[2 * axis + 1], -1
    return kind, inward


@ti.func
def _apply_walls(domain: ti.template(), node, velocity):
    v, index = velocity, node_index(domain, node)
    for axis in ti.static(range(3)):
        kind, inward = wall(domain, index, axis)
        if kind == WALL_STICKY:
            v = ti.Vector([0.0, 0.0, 0.0])
        elif kind != WALL_NONE and (kind != WALL_SEPARATE or v[axis] * inward < 0.0):
            v[axis] = 0.0
    return v


@ti.func
def _apply_walls_adjoint(domain: ti.template(), node, v, velocity_bar):
    """``v`` is the velocity after the walls: a separating wall has stopped a component iff it is exactly 0."""
    v_bar, index = velocity_bar, node_index(domain, node)
    for axis in ti.static(range(3)):
        kind, _ = wall(domain, index, axis)
        if kind == WALL_STICKY:
            v_bar = ti.Vector([0.0, 0.0, 0.0])
        elif kind != WALL_NONE and (kind != WALL_SEPARATE or v[axis] == 0.0):
            v_bar[axis] = 0.0
    return v_bar
