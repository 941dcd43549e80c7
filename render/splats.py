"""A projected Gaussian as one row of numbers, which every later kernel reads; a gradient of it has the same layout."""

from typing import Any, NamedTuple

import taichi as ti

MEAN, DEPTH, CONIC, OPACITY = 0, 2, 3, 6
"""Columns: the centre's x and y, the depth, xx, xy and yy of the conic, the opacity (render/projection.py)."""

WIDTHS = (2, 1, 3, 1)
"""How many columns each of these four takes, in their order."""

NUMBERS = sum(WIDTHS)


class Projected(NamedTuple):
    """What tile lists and compositing read of a projection, under the names that render/projection.py has for it."""

    radii: Any
    splats: Any
    counted: tuple[Any, Any] | None = None


@ti.func
def mean_at(splats: ti.template(), c, p):
    """The centre of Gaussian ``p`` in camera ``c``."""
    return ti.Vector([splats[c, p, MEAN], splats[c, p, MEAN + 1]])


@ti.func
def conic_at(splats: ti.template(), c, p):
    """xx, xy, yy of its conic."""
    return ti.Vector([splats[c, p, CONIC], splats[c, p, CONIC + 1], splats[c, p, CONIC + 2]])


@ti.func
def store_splat(splats: ti.template(), c, p, mean2d, depth, conic, opacity):
    """Write its row."""
    splats[c, p, DEPTH], splats[c, p, OPACITY] = depth, opacity
    for i in ti.static(range(2)):
        splats[c, p, MEAN + i] = mean2d[i]
    for i in ti.static(range(3)):
        splats[c, p, CONIC + i] = conic[i]


@ti.func
def add_to_splat(splats: ti.template(), c, p, mean2d, depth, conic, opacity):
    """Add to its row, atomically."""
    splats[c, p, DEPTH] += depth
    splats[c, p, OPACITY] += opacity
    for i in ti.static(range(2)):
        splats[c, p, MEAN + i] += mean2d[i]
    for i in ti.static(range(3)):
        splats[c, p, CONIC + i] += conic[i]
