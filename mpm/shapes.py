"""Signed distance and outward normal of collider shapes in their own frame, and the adjoint of the normal.

The centre is the origin. A plane is y ≤ 0 and a cylinder's axis is y. ``size`` holds the radius of a sphere, the half
extents of a box, radius and half height of a cylinder. Distances are negative inside. Which points are inside is not
differentiated, so a distance needs no adjoint; a normal does, for it turns as the shape moves past a point. It is the
unit vector along a ``direction``, which for a mesh comes from samples (mpm.sampled_distance).
"""

import taichi as ti

PLANE, SPHERE, BOX, CYLINDER, MESH = range(5)
SHAPES = {"plane": PLANE, "sphere": SPHERE, "box": BOX, "cylinder": CYLINDER, "mesh": MESH}


@ti.func
def signed_distance(shape, y, size):
    """Distance of the point ``y`` to the surface, negative inside."""
    distance = y[1]
    if shape == SPHERE:
        distance = y.norm() - size[0]
    elif shape == BOX:
        excess = ti.abs(y) - size
        distance = ti.max(excess, 0.0).norm() + ti.min(excess.max(), 0.0)
    elif shape == CYLINDER:
        excess = _cylinder_excess(y, size)
        distance = ti.max(excess, 0.0).norm() + ti.min(excess.max(), 0.0)
    return distance


@ti.func
def direction(shape, y, size):
    """A vector along the outward normal at ``y``: that of the nearest point of the surface."""
    g = ti.Vector([0.0, 1.0, 0.0])
    if shape == SPHERE:
        g = y
    elif shape == BOX:
        g = _signs(y) * _box_weights(y, size)
    elif shape == CYLINDER:
        weights = _cylinder_weights(y, size)
        g = weights[0] * unit(_radial(y))
        g[1] = weights[1] * _signs(y)[1]
    return g


@ti.func
def direction_adjoint(shape, y, size, g_bar):
    """dL/dy from dL/d(direction)."""
    y_bar = 0.0 * g_bar
    if shape == SPHERE:
        y_bar = g_bar
    elif shape == BOX:
        if (ti.abs(y) - size).max() > 0.0:  # inside, the normal is constant
            for axis in ti.static(range(3)):
                if ti.abs(y[axis]) > size[axis]:
                    y_bar[axis] = g_bar[axis]
    elif shape == CYLINDER:
        excess, weights = _cylinder_excess(y, size), _cylinder_weights(y, size)
        radial = _radial(y)
        y_bar = unit_adjoint(radial, weights[0] * _radial(g_bar))
        if excess.max() > 0.0:
            if excess[0] > 0.0:
                y_bar += unit(radial).dot(g_bar) * unit(radial)
            if excess[1] > 0.0:
                y_bar[1] += g_bar[1]
    return y_bar


@ti.func
def unit(v):
    """v / |v|; y where v = 0, such as in the middle of a sphere, which has no normal of its own."""
    length = v.norm()
    u = ti.Vector([0.0, 1.0, 0.0])
    if length > 0.0:
        u = v / length
    return u


@ti.func
def unit_adjoint(v, u_bar):
    """dL/dv from dL/d(unit)."""
    v_bar = 0.0 * u_bar
    length = v.norm()
    if length > 0.0:
        u = v / length
        v_bar = (u_bar - u.dot(u_bar) * u) / length
    return v_bar


@ti.func
def _signs(y):
    signs = ti.Vector([1.0, 1.0, 1.0])
    for axis in ti.static(range(3)):
        if y[axis] < 0.0:
            signs[axis] = -1.0
    return signs


@ti.func
def _radial(y):
    return ti.Vector([y[0], 0.0, y[2]])


@ti.func
def _cylinder_excess(y, size):
    """How far the point is beyond the mantle and beyond the caps."""
    return ti.Vector([_radial(y).norm() - size[0], ti.abs(y[1]) - size[1]])


@ti.func
def _cylinder_weights(y, size):
    """Outside, the excesses; inside, 1 for the nearer of mantle and caps."""
    excess = _cylinder_excess(y, size)
    weights = ti.max(excess, 0.0)
    if excess.max() <= 0.0:
        weights = ti.Vector([1.0, 0.0])
        if excess[1] > excess[0]:
            weights = ti.Vector([0.0, 1.0])
    return weights


@ti.func
def _box_weights(y, size):
    """Outside, how far each coordinate is beyond the faces; inside, 1 for the nearest face."""
    excess = ti.abs(y) - size
    weights = ti.max(excess, 0.0)
    if excess.max() <= 0.0:
        weights = ti.Vector([0.0, 0.0, 1.0])
        if excess[0] >= ti.max(excess[1], excess[2]):
            weights = ti.Vector([1.0, 0.0, 0.0])
        elif excess[1] >= excess[2]:
            weights = ti.Vector([0.0, 1.0, 0.0])
    return weights
