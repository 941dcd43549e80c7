"""Which Gaussians meet which tile of the image, nearest first.

All (camera, Gaussian) pairs are sorted by depth once; each then writes one entry for every tile that its ellipse of
alpha = ALPHA_MIN meets, and a stable sort of the entries by tile keeps the order of depth. Sorting entries by tile
alone takes one or two passes where a combined key of tile and depth takes six. Depths are compared as float32, as in
gsplat; equal depths keep the order of the Gaussians.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import taichi as ti

from configs.errors import InputError
from kernels.arrays import int_array, int_scratch_array, to_numpy
from kernels.launch import prepared
from kernels.sort import MAX_INT, radix_sort, run_starts, running_sums
from render.blending import conic_at, cutoff_exponent, mean_at, meets, ridges
from render.constants import ENTRY_BYTES, SMALL_LISTS, TILE_SIZE

DEPTH_BITS = 31
"""The bits of a non-negative float32, which order like the numbers."""


@dataclass(frozen=True)
class Tiles:
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
    means2d: ti.Ndarray,
    radii: ti.Ndarray,
    depths: ti.Ndarray,
    cameras: int,
    n: int,
    width: int,
    height: int,
    tile_size: int = TILE_SIZE,
    available: Callable[[], int | None] = lambda: None,
    conics: ti.Ndarray | None = None,
    opacities: ti.Ndarray | None = None,
) -> Tiles:
    """Make the tile lists of projected Gaussians; those with radii 0 are in none.

    Args:
        means2d: [C, N, 2], pixels. radii: int32 [C, N, 2], pixels. depths: [C, N].
        conics, opacities: [C, N, 3] and [C, N]; without them a Gaussian is in all tiles of its box.
        available: says how many bytes the lists may take; None: no limit.

    Raises:
        InputError: more entries than 32-bit indices can count, or than are available.
    """
    columns, rows = -(-width // tile_size), -(-height // tile_size)
    pairs, tiles = cameras * n, cameras * rows * columns
    if pairs == 0:
        return Tiles(tile_size, columns, rows, int_array(cameras, n), int_array(tiles + 1), int_array(0), 0)
    counts, keys = int_scratch_array(cameras, n), int_scratch_array(pairs)
    exact = conics is not None and opacities is not None
    shapes = (conics, opacities) if exact else (means2d, depths)
    layout = (columns, rows, tile_size)
    _count(exact, cameras, n, means2d, radii, *shapes, depths, counts, keys, *layout)
    _, order = radix_sort(keys, None, pairs, DEPTH_BITS)
    starts = running_sums(counts, order)
    entries = int(starts[pairs])
    _expect_room(entries, counts, available)
    if entries == 0:
        return Tiles(tile_size, columns, rows, counts, int_array(tiles + 1), int_array(0), 0)
    tile_keys, ids = int_scratch_array(entries), int_scratch_array(entries)
    _emit(exact, pairs, n, means2d, radii, *shapes, order, starts, tile_keys, ids, *layout)
    tile_keys, ids = radix_sort(tile_keys, ids, entries, max(1, (tiles - 1).bit_length()))
    return Tiles(tile_size, columns, rows, counts, run_starts(tile_keys, tiles), ids, entries)


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
def _tile_box(means2d: ti.template(), radii: ti.template(), c, p, columns, rows, tile_size):
    """First column, last column (exclusive), first row, last row (exclusive) that a Gaussian's box meets."""
    limits = ti.Vector([columns, rows])
    box = ti.Vector([0, 0, 0, 0])
    for axis in ti.static(range(2)):
        low = (means2d[c, p, axis] - radii[c, p, axis]) / tile_size
        high = (means2d[c, p, axis] + radii[c, p, axis]) / tile_size
        limit = ti.cast(limits[axis], float)
        box[2 * axis] = ti.cast(ti.floor(ti.max(0.0, ti.min(low, limit))), ti.i32)
        box[2 * axis + 1] = ti.cast(ti.ceil(ti.max(0.0, ti.min(high, limit))), ti.i32)
    return box


@ti.func
def _tile_meets(mean2d, conic, cutoff, column, row, tile_size):
    """Whether the Gaussian reaches a pixel of the tile."""
    low = ti.Vector([column * tile_size + 0.5, row * tile_size + 0.5])
    return meets(mean2d, conic, ridges(conic), cutoff, low, low + (tile_size - 1.0))


@prepared
@ti.kernel
def _count(
    exact: ti.template(),
    cameras: ti.i32,
    n: ti.i32,
    means2d: ti.types.ndarray(ndim=3),
    radii: ti.types.ndarray(ndim=3),
    conics: ti.types.ndarray(ndim=3),
    opacities: ti.types.ndarray(ndim=2),
    depths: ti.types.ndarray(ndim=2),
    counts: ti.types.ndarray(ndim=2),
    keys: ti.types.ndarray(ndim=1),
    columns: ti.i32,
    rows: ti.i32,
    tile_size: ti.i32,
):
    for c, p in ti.ndrange(cameras, n):
        count, key = 0, MAX_INT
        if radii[c, p, 0] > 0:
            box = _tile_box(means2d, radii, c, p, columns, rows, tile_size)
            count = (box[1] - box[0]) * (box[3] - box[2])
            if ti.static(exact):
                mean2d, conic = mean_at(means2d, c, p), conic_at(conics, c, p)
                cutoff = cutoff_exponent(opacities[c, p])
                count = 0
                for row in range(box[2], box[3]):
                    for column in range(box[0], box[1]):
                        if _tile_meets(mean2d, conic, cutoff, column, row, tile_size):
                            count += 1
            key = ti.bit_cast(ti.cast(depths[c, p], ti.f32), ti.i32)
        counts[c, p] = count
        keys[c * n + p] = key


@prepared
@ti.kernel
def _emit(
    exact: ti.template(),
    pairs: ti.i32,
    n: ti.i32,
    means2d: ti.types.ndarray(ndim=3),
    radii: ti.types.ndarray(ndim=3),
    conics: ti.types.ndarray(ndim=3),
    opacities: ti.types.ndarray(ndim=2),
    order: ti.types.ndarray(ndim=1),
    starts: ti.types.ndarray(ndim=1),
    tile_keys: ti.types.ndarray(ndim=1),
    ids: ti.types.ndarray(ndim=1),
    columns: ti.i32,
    rows: ti.i32,
    tile_size: ti.i32,
):
    for i in range(pairs):
        if starts[i + 1] > starts[i]:
            c, p = order[i] // n, order[i] % n
            box = _tile_box(means2d, radii, c, p, columns, rows, tile_size)
            place, end = ti.cast(starts[i], ti.i32), ti.cast(starts[i + 1], ti.i32)
            tiles_left = (box[1] - box[0]) * (box[3] - box[2])
            for row in range(box[2], box[3]):
                for column in range(box[0], box[1]):
                    # Compiled apart, a test on the edge may fall out other than when it was counted: the list is as
                    # long as counted in any case, at worst with a tile too many.
                    met = end - place >= tiles_left
                    if ti.static(exact):
                        mean2d, conic = mean_at(means2d, c, p), conic_at(conics, c, p)
                        cutoff = cutoff_exponent(opacities[c, p])
                        met = met or _tile_meets(mean2d, conic, cutoff, column, row, tile_size)
                    if met and place < end:
                        tile_keys[place] = (c * rows + row) * columns + column
                        ids[place] = order[i]
                        place += 1
                    tiles_left -= 1
