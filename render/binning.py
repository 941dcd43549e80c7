"""Which Gaussians meet which tile of the image, nearest first.

All (camera, Gaussian) pairs are sorted by depth once; each then writes one entry for every tile that its ellipse of
alpha = ALPHA_MIN meets, and a stable sort of the entries by tile keeps the order of depth. Sorting entries by tile
alone takes one or two passes where a combined key of tile and depth takes six. Depths are compared as float32, as in
gsplat; equal depths keep the order of the Gaussians.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import taichi as ti

from configs.errors import InputError
from kernels.arrays import int_array, int_scratch_array, to_numpy
from kernels.launch import prepared
from kernels.sort import MAX_INT, key_array, radix_sort, run_starts, running_sums
from render.blending import cutoff_exponent, meets, ridges
from render.constants import ENTRY_BYTES, SMALL_LISTS, TILE_SIZE
from render.splats import DEPTH, OPACITY, conic_at, mean_at

DEPTH_BITS = 31
"""The bits of a non-negative float32, which order like the numbers."""


class Tiles(NamedTuple):
    """Lists of Gaussians, one for each tile of each camera."""

    tile_size: int
    """Edge of a tile. Unit: pixel."""
    columns: int
    rows: int
    counts: ti.Ndarray
    """Tiles that each Gaussian meets [C, N]."""
    offsets: ti.Ndarray
    """Tile t of camera c owns ``ids[offsets[i] : offsets[i + 1]]``, i = (c * rows + row) * columns + column."""
    ids: ti.Ndarray
    """Entries c * N + n, nearest first."""
    entries: int
    """Number of entries."""


def bin_gaussians(
    splats: ti.Ndarray,
    radii: ti.Ndarray,
    cameras: int,
    n: int,
    width: int,
    height: int,
    tile_size: int = TILE_SIZE,
    available: Callable[[], int | None] = lambda: None,
    counted: tuple[ti.Ndarray, ti.Ndarray] | None = None,
    exact: bool = True,
) -> Tiles:
    """Make the tile lists of projected Gaussians; those with radii 0 are in none.

    Args:
        splats: [C, N, 7] (render/splats.py). radii: int32 [C, N, 2], pixels.
        available: says how many bytes the lists may take; None: no limit.
        counted: the tiles of each Gaussian and its key of depth, if a Projection has found them.
        exact: leave out the tiles of a Gaussian's box that the Gaussian does not reach; else only centres and depths of
            ``splats`` count.

    Raises:
        InputError: more entries than 32-bit indices can count, or than are available.
    """
    grid = columns, rows = tile_grid(width, height, tile_size)
    pairs, tiles = cameras * n, cameras * rows * columns
    if pairs == 0:
        return Tiles(tile_size, columns, rows, int_array(cameras, n), int_array(tiles + 1), int_array(0), 0)
    if counted is None:
        counted = int_scratch_array(cameras, n), int_scratch_array(pairs)
        _count(exact, cameras, n, splats, radii, *counted, *grid, tile_size)
    counts, keys = counted
    _, order = radix_sort(keys, None, pairs, DEPTH_BITS)
    ends = running_sums(counts, order)
    entries = int(ends[pairs - 1])
    _expect_room(entries, counts, available)
    if entries == 0:
        return Tiles(tile_size, columns, rows, counts, int_array(tiles + 1), int_array(0), 0)
    bits = max(1, (tiles - 1).bit_length())
    tile_keys, ids = key_array(entries, bits), int_scratch_array(entries)
    _emit(exact, pairs, n, splats, radii, order, ends, tile_keys, ids, *grid, tile_size)
    tile_keys, ids = radix_sort(tile_keys, ids, entries, bits)
    return Tiles(tile_size, columns, rows, counts, run_starts(tile_keys, tiles), ids, entries)


def tile_grid(width: int, height: int, tile_size: int) -> tuple[int, int]:
    """Columns and rows of the tiles that cover an image."""
    return -(-width // tile_size), -(-height // tile_size)


def _expect_room(entries: int, counts: ti.Ndarray, available: Callable[[], int | None]) -> None:
    """Raise, with the number needed, unless the lists fit."""
    needed = entries * ENTRY_BYTES
    if needed <= SMALL_LISTS:
        return
    memory = available()
    if entries < MAX_INT and (memory is None or needed <= memory):
        return
    exact = int(to_numpy(counts).sum(dtype=np.int64))
    room = "" if memory is None else f", of which {memory / 2**30:.2f} GiB are available"
    raise InputError(
        f"rasterization: Gaussians meet tiles {exact} times, which takes {exact * ENTRY_BYTES / 2**30:.2f} GiB{room}; "
        f"expected fewer than {MAX_INT}: fewer or smaller Gaussians, fewer cameras or a larger tile_size"
    )


@ti.func
def _tile_box(splats: ti.template(), radii: ti.template(), c, p, columns, rows, tile_size):
    """First column, last column (exclusive), first row, last row (exclusive) that a Gaussian's box meets."""
    limits, mean2d = ti.Vector([columns, rows]), mean_at(splats, c, p)
    box = ti.Vector([0, 0, 0, 0])
    for axis in ti.static(range(2)):
        low = (mean2d[axis] - radii[c, p, axis]) / tile_size
        high = (mean2d[axis] + radii[c, p, axis]) / tile_size
        limit = ti.cast(limits[axis], float)
        box[2 * axis] = ti.cast(ti.floor(ti.max(0.0, ti.min(low, limit))), ti.i32)
        box[2 * axis + 1] = ti.cast(ti.ceil(ti.max(0.0, ti.min(high, limit))), ti.i32)
    return box


@ti.func
def _tile_meets(mean2d, conic, cutoff, column, row, tile_size):
    """Whether the Gaussian reaches a pixel of the tile."""
    low = ti.Vector([column * tile_size + 0.5, row * tile_size + 0.5])
    return meets(mean2d, conic, ridges(conic), cutoff, low, low + (tile_size - 1.0))


@ti.func
def count_tiles(exact: ti.template(), splats: ti.template(), radii: ti.template(), c, p, columns, rows, tile_size):
    """How many tiles a Gaussian meets."""
    count = 0
    if radii[c, p, 0] > 0:
        box = _tile_box(splats, radii, c, p, columns, rows, tile_size)
        if ti.static(exact):
            mean2d, conic = mean_at(splats, c, p), conic_at(splats, c, p)
            cutoff = cutoff_exponent(splats[c, p, OPACITY])
            for row in range(box[2], box[3]):
                for column in range(box[0], box[1]):
                    if _tile_meets(mean2d, conic, cutoff, column, row, tile_size):
                        count += 1
        else:
            count = (box[1] - box[0]) * (box[3] - box[2])
    return count


@ti.func
def depth_key(splats: ti.template(), radii: ti.template(), c, p):
    """An integer that orders like the depth; the largest for what is in no list."""
    key = MAX_INT
    if radii[c, p, 0] > 0:
        key = ti.bit_cast(ti.cast(splats[c, p, DEPTH], ti.f32), ti.i32)
    return key


@prepared
@ti.kernel
def _count(
    exact: ti.template(),
    cameras: ti.i32,
    n: ti.i32,
    splats: ti.types.ndarray(ndim=3),
    radii: ti.types.ndarray(ndim=3),
    counts: ti.types.ndarray(ndim=2),
    keys: ti.types.ndarray(ndim=1),
    columns: ti.i32,
    rows: ti.i32,
    tile_size: ti.i32,
):
    for c, p in ti.ndrange(cameras, n):
        counts[c, p] = count_tiles(exact, splats, radii, c, p, columns, rows, tile_size)
        keys[c * n + p] = depth_key(splats, radii, c, p)


@prepared
@ti.kernel
def _emit(
    exact: ti.template(),
    pairs: ti.i32,
    n: ti.i32,
    splats: ti.types.ndarray(ndim=3),
    radii: ti.types.ndarray(ndim=3),
    order: ti.types.ndarray(ndim=1),
    ends: ti.types.ndarray(ndim=1),
    tile_keys: ti.types.ndarray(ndim=1),
    ids: ti.types.ndarray(ndim=1),
    columns: ti.i32,
    rows: ti.i32,
    tile_size: ti.i32,
):
    for i in range(pairs):
        place, end = 0, ti.cast(ends[i], ti.i32)
        if i > 0:
            place = ti.cast(ends[i - 1], ti.i32)
        if place < end:
            pair = ti.cast(order[i], ti.i32)
            c, p = pair // n, pair % n
            box = _tile_box(splats, radii, c, p, columns, rows, tile_size)
            mean2d, conic = mean_at(splats, c, p), conic_at(splats, c, p)
            cutoff = cutoff_exponent(splats[c, p, OPACITY])
            tiles_left = (box[1] - box[0]) * (box[3] - box[2])
            for row in range(box[2], box[3]):
                for column in range(box[0], box[1]):
                    # Compiled apart, a test on the edge may fall out other than when it was counted: the list is as
                    # long as counted in any case, at worst with a tile too many.
                    met = end - place >= tiles_left
                    if ti.static(exact):
                        met = met or _tile_meets(mean2d, conic, cutoff, column, row, tile_size)
                    if met and place < end:
                        tile = (c * rows + row) * columns + column
                        tile_keys[place] = ti.cast(tile, tile_keys.get_type().element_type)
                        ids[place] = pair
                        place += 1
                    tiles_left -= 1
