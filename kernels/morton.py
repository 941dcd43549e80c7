"""Points along a Morton curve: those next to each other on it are near each other in space."""

import taichi as ti

from kernels.arrays import int_scratch_array, scratch_array
from kernels.launch import prepared
from kernels.linalg import load_vec3, store_vec3
from kernels.sort import radix_sort

BITS = 10
"""Bits an axis in each of the two halves of a code: 30 bits fit a non-negative int32."""
FAN = 32
"""Points, or boxes, of which one thread takes the bounding box."""
MERGES = 6
"""Times that boxes are merged until one is left of 2³¹ points."""


def bounding_cube(points: ti.Ndarray, n: int) -> ti.Ndarray:
    """Lower corner and edge, [4], of a cube that holds the first ``n`` of ``points [N, 3]``; n > 0."""
    count = (n + FAN - 1) // FAN
    low, high, cube = scratch_array(count, 3), scratch_array(count, 3), scratch_array(4)
    _bounding_cube(points, n, count, low, high, cube)
    return cube


def morton_order(points: ti.Ndarray, n: int, cube: ti.Ndarray, coarse: bool = False) -> ti.Ndarray:
    """Indices of the first ``n`` points along the curve through ``cube``, 2^20 cells an axis, 2^10 if ``coarse``.

    Points in one cell keep their order; those outside go with the nearest cell.
    """
    upper, lower, order = int_scratch_array(n), int_scratch_array(n), int_scratch_array(n)
    _codes(points, n, cube, upper, lower, order)
    if coarse:
        return radix_sort(upper, order, n, 3 * BITS)[1]
    _, order = radix_sort(lower, order, n, 3 * BITS)  # the sort is stable: by the lower half first
    keys = int_scratch_array(n)
    _gather(upper, order, n, keys)
    return radix_sort(keys, order, n, 3 * BITS)[1]


@prepared
@ti.kernel
def _bounding_cube(
    points: ti.types.ndarray(ndim=2),
    n: ti.i32,
    count: ti.i32,
    low: ti.types.ndarray(ndim=2),
    high: ti.types.ndarray(ndim=2),
    cube: ti.types.ndarray(ndim=1),
):
    """The first of FAN points, then of FAN boxes, becomes the box of them all, until the first of all is."""
    for box in range(count):
        _merge(points, points, box * FAN, ti.min((box + 1) * FAN, n), 1, low, high, box)
    for merge in ti.static(range(MERGES)):
        for box in range((count + FAN ** (merge + 1) - 1) // FAN ** (merge + 1)):
            first = box * FAN ** (merge + 1)
            end = ti.min(first + FAN ** (merge + 1), count)
            _merge(low, high, first, end, FAN**merge, low, high, first)
    for _ in range(1):
        for a in ti.static(range(3)):
            cube[a] = low[0, a]
        cube[3] = (load_vec3(high, 0) - load_vec3(low, 0)).max()


@ti.func
def _merge(low: ti.template(), high: ti.template(), first, end, step, lower: ti.template(), higher: ti.template(), box):
    """The box of every ``step``-th of the boxes ``first`` … ``end`` becomes box number ``box``."""
    a, b = load_vec3(low, first), load_vec3(high, first)
    i = first + step
    while i < end:
        a, b = ti.min(a, load_vec3(low, i)), ti.max(b, load_vec3(high, i))
        i += step
    store_vec3(lower, box, a)
    store_vec3(higher, box, b)


@prepared
@ti.kernel
def _codes(
    points: ti.types.ndarray(ndim=2),
    n: ti.i32,
    cube: ti.types.ndarray(ndim=1),
    upper: ti.types.ndarray(ndim=1),
    lower: ti.types.ndarray(ndim=1),
    order: ti.types.ndarray(ndim=1),
):
    """Both halves of each point's code."""
    for i in range(n):
        order[i] = i
        place = load_vec3(points, i) - ti.Vector([cube[0], cube[1], cube[2]])
        if cube[3] > 0.0:
            place = place / cube[3]
        side = 1 << BITS
        u, v = 0, 0
        for a in ti.static(range(3)):
            share = ti.max(0.0, ti.min(place[a], 1.0))
            c = ti.min(ti.cast(share * (side * side), ti.i32), side * side - 1)
            u |= _spread(c >> BITS) << a
            v |= _spread(c & (side - 1)) << a
        upper[i], lower[i] = u, v


@ti.func
def _spread(bits):
    """The lowest ten bits, two zeros after each."""
    v = bits
    v = (v | (v << 16)) & 0x030000FF
    v = (v | (v << 8)) & 0x0300F00F
    v = (v | (v << 4)) & 0x030C30C3
    return (v | (v << 2)) & 0x09249249


@prepared
@ti.kernel
def _gather(
    source: ti.types.ndarray(ndim=1), order: ti.types.ndarray(ndim=1), n: ti.i32, target: ti.types.ndarray(ndim=1)
):
    for i in range(n):
        target[i] = source[order[i]]
