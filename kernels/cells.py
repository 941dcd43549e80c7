"""Cell lists: which points lie near which, exactly, in time linear in the number of points.

Points are sorted by cubic cell on the host, in a fixed order, so that sums over neighbours repeat bit for bit.
"""

import numpy as np
import taichi as ti

from kernels.arrays import from_numpy


class CellList:
    """Points [N, 3] sorted into cells at least ``radius`` wide: neighbours within it lie in the 27 cells around.

    ``order [N]`` lists the points cell by cell; cell (i, j, k) holds ``order[start[c] : start[c + 1]]`` with
    ``c = (i * size[1] + j) * size[2] + k``; ``cell [N, 3]`` is each point's (i, j, k).
    """

    def __init__(self, points: np.ndarray, radius: float):
        points = np.asarray(points, np.float64)
        low = points.min(axis=0)
        extent = points.max(axis=0) - low
        width = radius * (1 + 1e-4)  # rounding of the distances must not reach beyond the next cell
        while (np.floor(extent / width) + 1).prod() > 4 * len(points) + 4096:
            width *= 1.25  # few points in a large box: wider cells are still exact
        self.size = tuple(int(n) for n in np.floor(extent / width) + 1)
        cell = np.minimum(np.floor((points - low) / width).astype(np.int64), np.array(self.size) - 1)
        key = np.ravel_multi_index(tuple(cell.T), self.size)
        counts = np.bincount(key, minlength=int(np.prod(self.size)))
        self.low, self.width = low, width
        """Corner of the first cell, and the cells' edge. Unit: length."""
        self.order = from_numpy(np.argsort(key, kind="stable"))
        self.start = from_numpy(np.concatenate([[0], np.cumsum(counts)]))
        self.cell = from_numpy(cell)


@ti.func
def cell_range(start: ti.template(), cell: ti.template(), p, neighbour, size):
    """First and last entry (exclusive) of ``order`` for one of the 27 cells around point ``p``."""
    i = cell[p, 0] + neighbour // 9 - 1
    j = cell[p, 1] + (neighbour // 3) % 3 - 1
    k = cell[p, 2] + neighbour % 3 - 1
    first, last = 0, 0
    if 0 <= i < size[0] and 0 <= j < size[1] and 0 <= k < size[2]:
        c = (i * size[1] + j) * size[2] + k
        first, last = start[c], start[c + 1]
    return first, last


@ti.func
def row_range(start: ti.template(), cell, row, size):
    """The same for one of the nine rows of three cells, side by side in ``order``, around the place ``cell``."""
    i, j = cell[0] + row // 3 - 1, cell[1] + row % 3 - 1
    first, last = 0, 0
    if 0 <= i < size[0] and 0 <= j < size[1] and -1 <= cell[2] <= size[2]:
        c = (i * size[1] + j) * size[2]
        first, last = start[c + ti.max(cell[2] - 1, 0)], start[c + ti.min(cell[2] + 1, size[2] - 1) + 1]
    return first, last
