"""Rigid bodies that the material runs into: what they do to the velocity of a node, and the adjoint.

``rows`` is flat, ``ROW`` numbers for each collider in each step (or once for all steps, if nothing moves): pose and
motion, friction, and the numbers of its shape. ``kinds`` is flat too, ``KIND`` integers a collider (mpm.collider_rows
makes both). A collider acts on the nodes no further than its margin outside its surface; which nodes those are is not
differentiated. What is: the velocity and spin of the body, its friction, and how the normal and the surface's velocity
at a node change with its pose. Colliders act one after another, in their order.
"""

import taichi as ti

from mpm.contact import respond, respond_adjoint
from mpm.sampled_distance import sampled_direction, sampled_direction_adjoint, sampled_distance
from mpm.shapes import MESH, direction, direction_adjoint, signed_distance, unit, unit_adjoint

POSITION, ROTATION, VELOCITY, SPIN, FRICTION, SIZE, MARGIN, LATTICE, PITCH = 0, 3, 12, 15, 18, 19, 22, 23, 26
"""In a row: centre (3), rotation matrix (9, from the body's frame), velocity (3), angular velocity (3), friction
coefficient, size (3, mpm.shapes), margin; of a mesh's samples, the origin (3) and the pitch."""
MOVING = 19
"""Numbers of a row that have a gradient: those before ``SIZE``."""
ROW = 27
SHAPE, CONDITION, FIRST, COUNTS = 0, 1, 2, 3
"""In a kind: shape (mpm.shapes), condition (mpm.constants.WALLS); of a mesh's samples, the first point and the number
of points along x, y, z."""
KIND = 6


@ti.func
def collide(rows: ti.template(), kinds: ti.template(), samples: ti.template(), first, count, x, velocity):
    """The velocity of the node at ``x`` after the ``count`` colliders, whose rows begin at number ``first``."""
    v = velocity
    for k in range(count):
        at, kind = first + ROW * k, KIND * k
        if _touches(rows, kinds, samples, at, kind, x):
            n, u = _normal(rows, kinds, samples, at, kind, x), _surface_velocity(rows, at, x)
            v = respond(v, u, n, rows[at + FRICTION], kinds[kind + CONDITION])
    return v


@ti.func
def collide_adjoint(
    rows: ti.template(),
    rows_bar: ti.template(),
    kinds: ti.template(),
    samples: ti.template(),
    first,
    count,
    x,
    velocity,
    out_bar,
):
    """dL/d(velocity) from dL/d(``collide``); adds to the rows' gradient."""
    v_bar = out_bar
    touching = 0
    for k in range(count):
        if _touches(rows, kinds, samples, first + ROW * k, KIND * k, x):
            touching = k + 1
    for j in range(touching):
        k = touching - 1 - j
        at, kind = first + ROW * k, KIND * k
        if _touches(rows, kinds, samples, at, kind, x):
            v = collide(rows, kinds, samples, first, k, x, velocity)
            n, u = _normal(rows, kinds, samples, at, kind, x), _surface_velocity(rows, at, x)
            v_bar, u_bar, n_bar, friction_bar = respond_adjoint(
                v, u, n, rows[at + FRICTION], kinds[kind + CONDITION], v_bar
            )
            ti.atomic_add(rows_bar[at + FRICTION], friction_bar)
            _surface_velocity_adjoint(rows, rows_bar, at, x, u_bar)
            _normal_adjoint(rows, rows_bar, kinds, samples, at, kind, x, n_bar)
    return v_bar


@ti.func
def _vec3(numbers: ti.template(), at):
    return ti.Vector([numbers[at + c] for c in ti.static(range(3))])


@ti.func
def _add_vec3(numbers: ti.template(), at, v):
    for c in ti.static(range(3)):
        ti.atomic_add(numbers[at + c], v[c])


@ti.func
def _rotation(rows: ti.template(), at):
    return ti.Matrix([[rows[at + ROTATION + 3 * i + j] for j in ti.static(range(3))] for i in ti.static(range(3))])


@ti.func
def _counts(kinds: ti.template(), kind):
    return ti.Vector([kinds[kind + COUNTS + c] for c in ti.static(range(3))])


@ti.func
def _body_frame(rows: ti.template(), at, x):
    """The node in the collider's own frame."""
    return _rotation(rows, at).transpose() @ (x - _vec3(rows, at + POSITION))


@ti.func
def _touches(rows: ti.template(), kinds: ti.template(), samples: ti.template(), at, kind, x):
    """Whether the collider acts on a node at ``x``."""
    y = _body_frame(rows, at, x)
    distance = 0.0
    if kinds[kind + SHAPE] == MESH:
        origin, counts = _vec3(rows, at + LATTICE), _counts(kinds, kind)
        distance = sampled_distance(samples, y, origin, rows[at + PITCH], kinds[kind + FIRST], counts)
    else:
        distance = signed_distance(kinds[kind + SHAPE], y, _vec3(rows, at + SIZE))
    return distance <= rows[at + MARGIN]


@ti.func
def _direction(rows: ti.template(), kinds: ti.template(), samples: ti.template(), at, kind, y):
    """A vector along the normal at ``y``, both in the collider's frame."""
    g = 0.0 * y
    if kinds[kind + SHAPE] == MESH:
        origin, counts = _vec3(rows, at + LATTICE), _counts(kinds, kind)
        g = sampled_direction(samples, y, origin, rows[at + PITCH], kinds[kind + FIRST], counts)
    else:
        g = direction(kinds[kind + SHAPE], y, _vec3(rows, at + SIZE))
    return g


@ti.func
def _direction_adjoint(rows: ti.template(), kinds: ti.template(), samples: ti.template(), at, kind, y, g_bar):
    y_bar = 0.0 * y
    if kinds[kind + SHAPE] == MESH:
        origin, counts = _vec3(rows, at + LATTICE), _counts(kinds, kind)
        y_bar = sampled_direction_adjoint(samples, y, origin, rows[at + PITCH], kinds[kind + FIRST], counts, g_bar)
    else:
        y_bar = direction_adjoint(kinds[kind + SHAPE], y, _vec3(rows, at + SIZE), g_bar)
    return y_bar


@ti.func
def _normal(rows: ti.template(), kinds: ti.template(), samples: ti.template(), at, kind, x):
    """The outward normal at a node, in the world's frame."""
    y = _body_frame(rows, at, x)
    return _rotation(rows, at) @ unit(_direction(rows, kinds, samples, at, kind, y))


@ti.func
def _normal_adjoint(
    rows: ti.template(),
    rows_bar: ti.template(),
    kinds: ti.template(),
    samples: ti.template(),
    at,
    kind,
    x,
    n_bar,
):
    """n = R m(y), y = Rᵀ (x − p): adds dL/dR and dL/dp."""
    rotation, d = _rotation(rows, at), x - _vec3(rows, at + POSITION)
    y = rotation.transpose() @ d
    g = _direction(rows, kinds, samples, at, kind, y)
    y_bar = _direction_adjoint(rows, kinds, samples, at, kind, y, unit_adjoint(g, rotation.transpose() @ n_bar))
    rotation_bar = n_bar.outer_product(unit(g)) + d.outer_product(y_bar)
    for i, j in ti.static(ti.ndrange(3, 3)):
        ti.atomic_add(rows_bar[at + ROTATION + 3 * i + j], rotation_bar[i, j])
    _add_vec3(rows_bar, at + POSITION, -(rotation @ y_bar))


@ti.func
def _surface_velocity(rows: ti.template(), at, x):
    """u = v + ω × (x − p)."""
    return _vec3(rows, at + VELOCITY) + _vec3(rows, at + SPIN).cross(x - _vec3(rows, at + POSITION))


@ti.func
def _surface_velocity_adjoint(rows: ti.template(), rows_bar: ti.template(), at, x, u_bar):
    _add_vec3(rows_bar, at + VELOCITY, u_bar)
    _add_vec3(rows_bar, at + SPIN, (x - _vec3(rows, at + POSITION)).cross(u_bar))
    _add_vec3(rows_bar, at + POSITION, _vec3(rows, at + SPIN).cross(u_bar))
