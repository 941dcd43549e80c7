"""A signed distance given by samples on a lattice: trilinear interpolation of the distance and of its gradient.

``samples`` is flat, four numbers a lattice point: the distance and its gradient (mpm.mesh_sdf makes them). Point
(i, j, k) of a lattice of nx × ny × nz points that begins at point ``first`` is number first + (i ny + j) nz + k, and
lies at ``origin + pitch (i, j, k)`` in the shape's frame. Outside the lattice everything is far away.
"""

import taichi as ti

FAR = 1e30
"""The distance outside the lattice. Unit: length."""


@ti.func
def _cell(y, origin, pitch, counts):
    """The lattice point before ``y``, the fractions of the cell passed, and whether there is such a cell."""
    u = (y - origin) / pitch
    base = ti.floor(u, ti.i32)
    inside = True
    for axis in ti.static(range(3)):
        if base[axis] < 0 or base[axis] + 1 >= counts[axis]:
            inside = False
    return base, u - base, inside


@ti.func
def _corner(base, c: ti.template(), first, counts):
    """Number of the corner (c[0], c[1], c[2]) of the cell."""
    return first + ((base[0] + c[0]) * counts[1] + base[1] + c[1]) * counts[2] + base[2] + c[2]


@ti.func
def _weight(t, c: ti.template()):
    """Trilinear weight of a corner."""
    w = 1.0
    for axis in ti.static(range(3)):
        w *= t[axis] if ti.static(c[axis]) else 1.0 - t[axis]
    return w


@ti.func
def _weight_slope(t, c: ti.template(), along: ti.template()):
    """Its derivative by t[along]."""
    w = 1.0 if ti.static(c[along]) else -1.0
    for axis in ti.static(range(3)):
        if ti.static(axis != along):
            w *= t[axis] if ti.static(c[axis]) else 1.0 - t[axis]
    return w


@ti.func
def sampled_distance(samples: ti.template(), y, origin, pitch, first, counts):
    """The interpolated distance at ``y``."""
    base, t, inside = _cell(y, origin, pitch, counts)
    distance = FAR
    if inside:
        distance = 0.0
        for c in ti.static(ti.ndrange(2, 2, 2)):
            distance += _weight(t, c) * samples[4 * _corner(base, c, first, counts)]
    return distance


@ti.func
def sampled_direction(samples: ti.template(), y, origin, pitch, first, counts):
    """The interpolated gradient of the distance at ``y``, which lies in the lattice."""
    base, t, _ = _cell(y, origin, pitch, counts)
    g = 0.0 * y
    for c in ti.static(ti.ndrange(2, 2, 2)):
        w = _weight(t, c)
        at = 4 * _corner(base, c, first, counts) + 1
        for axis in ti.static(range(3)):
            g[axis] += w * samples[at + axis]
    return g


@ti.func
def sampled_direction_adjoint(samples: ti.template(), y, origin, pitch, first, counts, g_bar):
    """dL/dy from dL/d(direction)."""
    base, t, _ = _cell(y, origin, pitch, counts)
    y_bar = 0.0 * y
    for c in ti.static(ti.ndrange(2, 2, 2)):
        at = 4 * _corner(base, c, first, counts) + 1
        along = 0.0
        for axis in ti.static(range(3)):
            along += samples[at + axis] * g_bar[axis]
        for axis in ti.static(range(3)):
            y_bar[axis] += _weight_slope(t, c, axis) * along / pitch
    return y_bar
