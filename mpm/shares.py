"""Scattering particles to the grid on the CPU: each thread adds to a grid of its own, without atomic additions.

The particles are cut into a few shares, one after another in memory, each with a grid that is zero but for what it was
given; those grids are added up afterwards, in the pieces (mpm.grid) that any share touched, and are zero again.
mpm.scatter does the same work for devices with thousands of threads.
"""

import taichi as ti
from taichi.lang import impl

from kernels.arrays import TURNS_OF_A_CPU_THREAD, runs_on_cpu, vector_array
from mpm.bspline import pick, weight_slopes
from mpm.constants import INERTIA, SIZE, SPACING
from mpm.grid import NUMBERS, PIECE, PIECE_BITS, first_number, numbers_vec3
from mpm.transfers import column_of, stencil

MOST = 16
"""Shares at most: each takes the memory of a grid."""
MOST_NUMBERS = 2**27
"""Numbers of all shares together, unless one has more: half a gigabyte in float32."""
FRESH = 2
"""Mark of a piece of the grid that a share touched in this scatter; 1: what the one before left."""


class Shares:
    """``numbers [S nodes]``, four each: S = ``count`` grids, all zero between kernels; none but on the CPU."""

    def __init__(self, pieces: int):
        size, threads = NUMBERS * PIECE * pieces, impl.current_cfg().cpu_max_num_threads
        self.count = max(1, min(MOST, threads, MOST_NUMBERS // size)) if in_shares() else 0
        self.numbers = vector_array(NUMBERS, self.count * PIECE * pieces)


def in_shares() -> bool:
    """Whether scatters go to shares."""
    return runs_on_cpu()


@ti.func
def share_turns(count):
    """Turns of a loop over ``count`` shares."""
    return count * TURNS_OF_A_CPU_THREAD


@ti.func
def share_of_turn(turn):
    """The share that is done in one of ``TURNS_OF_A_CPU_THREAD`` turns."""
    return turn // TURNS_OF_A_CPU_THREAD


@ti.func
def particles_of_turn(turn, count, n):
    """The first particle of a turn of ``share_turns``, and the first after its last."""
    begin, end = 0, 0
    if turn % TURNS_OF_A_CPU_THREAD == 0:
        begin, end = _first_particle(share_of_turn(turn), count, n), _first_particle(share_of_turn(turn) + 1, count, n)
    return begin, end


@ti.func
def _first_particle(share, count, n):
    return ti.cast(ti.cast(n, ti.i64) * share // count, ti.i32)


@ti.func
def scatter_to_share(
    grids: ti.template(),
    touched: ti.template(),
    share,
    pieces,
    x,
    m,
    momentum,
    affine,
    constants: ti.template(),
    domain: ti.template(),
    nodes: ti.template(),
):
    """P2G of one particle: w m and w (momentum + affine d) to each node of its stencil."""
    first, t, wx, wy, wz = stencil(x, constants, nodes)
    ny, nz = domain[SIZE + 1], domain[SIZE + 2]  # read once: for all that the compiler knows, additions change them
    h = constants[SPACING]
    per_x, per_y, per_z = h * column_of(affine, 0), h * column_of(affine, 1), h * column_of(affine, 2)
    at_first = momentum - t[0] * per_x - t[1] * per_y - t[2] * per_z
    for i in range(nodes):
        for j in range(nodes):
            row = ((first[0] + i) * ny + first[1] + j) * nz + first[2]
            _touch(touched, row, nodes)
            node = _in_share(share, pieces, row)
            wxy = pick(wx, i) * pick(wy, j)
            row_momentum = at_first + i * per_x + j * per_y
            for k in ti.static(range(nodes)):
                w = wxy * wz[k]
                p = row_momentum + k * per_z
                grids[node + k] = grids[node + k] + ti.Vector([w * m, w * p[0], w * p[1], w * p[2]])


@ti.func
def g2p_adjoint_to_share(
    grids: ti.template(),
    touched: ti.template(),
    share,
    pieces,
    grid: ti.template(),
    constants: ti.template(),
    domain: ti.template(),
    x,
    v_bar,
    c_bar,
    v_new,
    nodes: ti.template(),
):
    """The adjoint of G2P, both halves: returns dL/dx (as transfers.g2p_adjoint), scatters w (v_bar + k C_bar d)."""
    first, t, wx, wy, wz = stencil(x, constants, nodes)
    gx, gy, gz = weight_slopes(t[0], nodes), weight_slopes(t[1], nodes), weight_slopes(t[2], nodes)
    ny, nz = domain[SIZE + 1], domain[SIZE + 2]
    h, k_inertia = constants[SPACING], constants[INERTIA]
    scale = k_inertia * h
    per_x, per_y, per_z = scale * column_of(c_bar, 0), scale * column_of(c_bar, 1), scale * column_of(c_bar, 2)
    at_first = v_bar - t[0] * per_x - t[1] * per_y - t[2] * per_z
    x_bar = ti.Vector([0.0, 0.0, 0.0])
    for i in range(nodes):
        for j in ti.static(range(nodes)):
            row = ((first[0] + i) * ny + first[1] + j) * nz + first[2]
            _touch(touched, row, nodes)
            node, source = _in_share(share, pieces, row), first_number(row)
            wx_i, wy_j = pick(wx, i), wy[j]
            row_seed = at_first + i * per_x + j * per_y
            value, slope_z = 0.0, 0.0
            for k in ti.static(range(nodes)):
                seed = row_seed + k * per_z
                dot = seed.dot(numbers_vec3(grid, source + NUMBERS * k))
                value += wz[k] * dot
                slope_z += gz[k] * dot
                w = wx_i * wy_j * wz[k]
                grids[node + k] = grids[node + k] + ti.Vector([0.0, w * seed[0], w * seed[1], w * seed[2]])
            x_bar += ti.Vector([pick(gx, i) * wy_j * value, wx_i * gy[j] * value, wx_i * wy_j * slope_z])
    return x_bar / h - k_inertia * (c_bar.transpose() @ v_new)


@ti.func
def _touch(touched: ti.template(), row, nodes: ti.template()):
    """Mark the pieces of a row's nodes; whichever thread does it writes the same."""
    touched[row >> PIECE_BITS] = FRESH
    touched[(row + ti.static(nodes - 1)) >> PIECE_BITS] = FRESH


@ti.func
def _in_share(share, pieces, node):
    """The node in the grid of a share. That the numbers of the next nodes follow side by side the compiler sees only
    where sums of 32-bit integers cannot overflow, hence the bound; it then adds to four at once."""
    return ti.min(share * PIECE * pieces + node, ti.static(2**29 - 32))


@ti.func
def merge_shares(grids: ti.template(), count, pieces, grid: ti.template(), touched: ti.template(), piece):
    """Make a piece of the grid the sum of all shares', and theirs zero."""
    if touched[piece] != 0:
        fresh = touched[piece] == FRESH
        touched[piece] = ti.cast(fresh, ti.i32)
        sums = ti.Vector([0.0 for _ in range(NUMBERS * PIECE)])
        if fresh:
            for share in range(count):
                first = PIECE * (share * pieces + piece)
                for i in ti.static(range(PIECE)):
                    node = grids[first + i]
                    for c in ti.static(range(NUMBERS)):
                        sums[NUMBERS * i + c] += node[c]
                    grids[first + i] = ti.Vector([0.0 for _ in range(NUMBERS)])
        for i in ti.static(range(NUMBERS * PIECE)):
            grid[ti.static(NUMBERS * PIECE) * piece + i] = sums[i]
