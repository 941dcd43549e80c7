"""Scattering particles to the grid with few atomic additions: the way of GPUs; mpm.shares has that of CPUs.

Both scatters of a step, P2G and the adjoint of G2P, give a node Σ w (momentum + affine d), P2G its mass besides. One
thread takes ``run_length()`` particles in the order of cells (mpm.order) and one layer of their stencils across x. As
long as they lie in the same cell it adds up in registers; only where the cell changes do the sums go to memory. Any
order gives the right sums, an order by cells gives few additions: with 8 particles in a cell an eighth of them.
"""

from collections.abc import Callable

import taichi as ti

from kernels.arrays import runs_on_cpu
from mpm.bspline import pick
from mpm.constants import SIZE, SPACING
from mpm.grid import NUMBERS, touch
from mpm.transfers import column_of, row_start, stencil


def run_length() -> int:
    """Particles that one thread takes: long runs waste fewer sums, a GPU wants many threads."""
    return 64 if runs_on_cpu() else 8


def scatter_threads() -> int:
    """``block_dim`` of the scatters' loops; on the CPU, the turns that a thread takes at once."""
    return 8 if runs_on_cpu() else 128


@ti.func
def scatter_turns(n, nodes: ti.template()):
    """Turns of a scatter's loop over ``n`` particles."""
    return (n + ti.static(run_length()) - 1) // ti.static(run_length()) * nodes


def make_scatter(nodes: int, give: Callable, with_mass: bool) -> Callable:
    """The ``ti.func`` of one turn of a scatter for splines of ``nodes`` nodes an axis.

    ``give(state, n, a, b, constants, domain, p)`` returns whether particle ``p`` takes part, its position, mass,
    momentum and affine momentum [3, 3]; ``a`` and ``b`` are whatever arrays it reads. Without mass, only the last
    three numbers of a node are added to.
    """
    channels = NUMBERS if with_mass else NUMBERS - 1

    @ti.func
    def flush(grid: ti.template(), touched: ti.template(), sums: ti.template(), row, domain: ti.template()):
        """Add the sums of the layer whose first node is ``row``."""
        for j in ti.static(range(nodes)):
            node = row + j * domain[SIZE + 2]
            touch(touched, node, nodes)
            for k, c in ti.static(ti.ndrange(nodes, channels)):
                sum_at = ti.static((j * nodes + k) * channels + c)
                ti.atomic_add(grid[NUMBERS * (node + k) + NUMBERS - channels + c], sums[sum_at])

    @ti.func
    def add_up(sums: ti.template(), layer, t, wx, wy, wz, m, momentum, affine, h):
        """Add one particle's share of a layer to the sums."""
        inner = momentum + (h * (layer - t[0])) * column_of(affine, 0)
        for j in ti.static(range(nodes)):
            row = inner + (h * (j - t[1])) * column_of(affine, 1)
            wxy = pick(wx, layer) * wy[j]
            for k in ti.static(range(nodes)):
                w = wxy * wz[k]
                p = w * (row + (h * (k - t[2])) * column_of(affine, 2))
                first = ti.static((j * nodes + k) * channels)
                if ti.static(with_mass):
                    sums[first] += w * m
                for c in ti.static(range(3)):
                    sums[first + channels - 3 + c] += p[c]

    @ti.func
    def scatter_turn(
        grid: ti.template(),
        touched: ti.template(),
        order: ti.template(),
        n,
        state: ti.template(),
        a: ti.template(),
        b: ti.template(),
        constants: ti.template(),
        domain: ti.template(),
        turn,
    ):
        layer = turn % nodes
        begin = turn // nodes * ti.static(run_length())
        end = ti.min(begin + ti.static(run_length()), n)
        sums = ti.Vector([0.0 for _ in range(nodes * nodes * channels)])
        row = -1  # first node of the layer that the sums belong to
        for s in range(begin, end + 1):  # the last turn only flushes
            p = order[ti.min(s, end - 1)]
            takes_part, x, m, momentum, affine = give(state, n, a, b, constants, domain, p)
            first, t, wx, wy, wz = stencil(x, constants, nodes)
            new_row = -1
            if takes_part and s < end:
                new_row = row_start(first, layer, 0, domain)
            if new_row != row:
                if row >= 0:
                    flush(grid, touched, sums, row, domain)
                sums = ti.Vector([0.0 for _ in range(nodes * nodes * channels)])
                row = new_row
            if new_row >= 0:
                add_up(sums, layer, t, wx, wy, wz, m, momentum, affine, constants[SPACING])

    return scatter_turn
