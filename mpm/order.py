"""Particles in the order of the grid's cells, so that the scatters find those of one cell side by side.

The order is a list of particle numbers, made on the device by counting; the state stays as it is. Nothing depends on
it but speed, so a list some steps old still serves.
"""

import functools
import math

import taichi as ti
from taichi.lang import impl

from kernels.arrays import int_array
from kernels.launch import prepared
from mpm.bspline import first_node
from mpm.constants import SIZE
from mpm.state import X, get_vec3
from mpm.transfers import cell_coordinate

BLOCK = 4
"""Cells along an edge of a block: blocks lie in any order, the cells of a block side by side."""
CELLS = BLOCK**3
STEPS = 8
"""Steps after which a list is made anew: a particle crosses a fraction of a cell in a step."""


class CellOrder:
    """``list [N]``: the numbers of ``n`` particles, those whose stencils of ``nodes`` nodes agree one after another."""

    def __init__(self, n: int, size: tuple[int, int, int], nodes: int):
        blocks = math.prod((extent + BLOCK - 1) // BLOCK for extent in size)
        self.n, self.blocks = n, blocks
        self.list = int_array(n)
        self._kernel = _order_kernel(nodes)
        self._counts: tuple[ti.Ndarray, ...] = ()
        self._age = 0

    def refresh(self, state: ti.Ndarray, constants: ti.Ndarray, domain: ti.Ndarray) -> None:
        """Order the particles by their cells in ``state``, unless that was done a few steps ago."""
        if self._age == 0:
            if not self._counts:  # a cell and a rank for each particle, a first place for each cell, a total
                self._counts = tuple(int_array(size) for size in (self.n, self.n, CELLS * self.blocks, 1))
            self._kernel(state, self.n, self.blocks, constants, domain, *self._counts, self.list)
        self._age = (self._age + 1) % _steps()


def _steps() -> int:
    """A list that is a few steps old depends on where one started: not where a rollout must repeat bit for bit."""
    return 1 if impl.current_cfg().cpu_max_num_threads == 1 else STEPS


@functools.cache
def _order_kernel(nodes: int):
    @ti.func
    def cell_of(x, constants: ti.template(), domain: ti.template()):
        """Number of the cell whose particles share a stencil, block by block; the nearest for what is outside."""
        cell = first_node(cell_coordinate(x, constants), nodes)
        block, inside = 0, 0
        for axis in ti.static(range(3)):
            i = ti.min(ti.max(cell[axis], 0), domain[SIZE + axis] - 1)
            block = block * ((domain[SIZE + axis] + BLOCK - 1) // BLOCK) + i // BLOCK
            inside = inside * BLOCK + i % BLOCK
        return CELLS * block + inside

    @prepared
    @ti.kernel
    def order_by_cell(
        state: ti.types.ndarray(ndim=1),
        n: ti.i32,
        blocks: ti.i32,
        constants: ti.types.ndarray(ndim=1),
        domain: ti.types.ndarray(ndim=1),
        cells: ti.types.ndarray(ndim=1),
        ranks: ti.types.ndarray(ndim=1),
        first: ti.types.ndarray(ndim=1),
        total: ti.types.ndarray(ndim=1),
        order: ti.types.ndarray(ndim=1),
    ):
        for cell in range(CELLS * blocks):
            first[cell] = 0
            if cell == 0:
                total[0] = 0
        for p in range(n):
            cell = cell_of(get_vec3(state, n, X, p), constants, domain)
            cells[p] = cell
            ranks[p] = ti.atomic_add(first[cell], 1)
        for block in range(blocks):  # the counts of cells become the places of their first particles
            count = 0
            for cell in range(CELLS * block, CELLS * (block + 1)):
                count += first[cell]
            if count > 0:
                place = ti.atomic_add(total[0], count)
                for cell in range(CELLS * block, CELLS * (block + 1)):
                    here = first[cell]
                    first[cell] = place
                    place += here
        for p in range(n):
            order[first[cells[p]] + ranks[p]] = p

    return order_by_cell
