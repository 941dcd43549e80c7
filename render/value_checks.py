"""A look at the values that the rasterizer is given, while it projects: whether anything may be wrong with them.

Who asked finds out what it is by other, slower means: a fault here is a reason to look closely, no more.
"""

import taichi as ti

from kernels.finite import is_finite
from kernels.linalg import load_mat3, load_vec3, symmetric_part
from render.pinhole import rotation

SUSPICIOUS_DETERMINANT = 1e-4
"""A rotation has determinant 1, in units of its rows' lengths; float32's rounding is far below this."""

SEMIDEFINITE_SLACK = 1e-3
"""How far a covariance's principal minors may be below 0 relative to its largest variance: rounding, and the steps of
finite differences, leave flat Gaussians a little outside."""


@ti.func
def row_is_finite(rows: ti.template(), i):
    """Whether all numbers of row ``i`` are finite, of an array of one, two or three dimensions, if it has so many."""
    fine = True
    if i < rows.shape[0]:
        if ti.static(len(rows.shape) == 1):
            fine = is_finite(rows[i])
        elif ti.static(len(rows.shape) == 2):
            for j in range(rows.shape[1]):
                fine = fine and is_finite(rows[i, j])
        else:
            for j in range(rows.shape[1]):
                for k in range(rows.shape[2]):
                    fine = fine and is_finite(rows[i, j, k])
    return fine


@ti.func
def gaussian_is_sound(
    by_axes: ti.template(),
    c,
    p,
    means: ti.template(),
    first_shapes: ti.template(),
    second_shapes: ti.template(),
    opacities: ti.template(),
):
    """Whether the numbers of Gaussian ``p`` are finite, and its quaternion not 0 or its covariance semi-definite.

    The first camera looks; for the others the answer is yes. The shapes are those of a Projection.
    """
    fine = True
    if c == 0:
        fine = row_is_finite(means, p) and row_is_finite(opacities, p)
        fine = fine and row_is_finite(first_shapes, p) and row_is_finite(second_shapes, p)
        if ti.static(by_axes):
            fine = fine and (load_vec3(first_shapes, p).norm_sqr() > 0 or first_shapes[p, 3] != 0)
        else:
            fine = fine and _is_semidefinite(symmetric_part(load_mat3(first_shapes, p)))
    return fine


@ti.func
def _is_semidefinite(a):
    """Whether no principal minor of a symmetric matrix is below 0 but for SEMIDEFINITE_SLACK."""
    scale = ti.max(ti.abs(a[0, 0]), ti.abs(a[1, 1]), ti.abs(a[2, 2]))
    fine = ti.abs(a[0, 1]) + ti.abs(a[0, 2]) + ti.abs(a[1, 2]) == 0
    if scale > 0:
        m = a / scale
        smallest = ti.min(m[0, 0], m[1, 1], m[2, 2], m.determinant())
        for i, j in ti.static(((0, 1), (0, 2), (1, 2))):
            smallest = ti.min(smallest, m[i, i] * m[j, j] - m[i, j] * m[i, j])
        fine = smallest >= -SEMIDEFINITE_SLACK
    return fine


@ti.func
def camera_is_sound(viewmats: ti.template(), Ks: ti.template(), c):
    """Whether all is finite, ``viewmats[c]`` ends with 0, 0, 0, 1 and is not singular, focal lengths are positive."""
    m = rotation(viewmats, c)
    volume = 1.0
    for i in ti.static(range(3)):
        volume *= ti.Vector([m[i, 0], m[i, 1], m[i, 2]]).norm()
    off = ti.abs(viewmats[c, 3, 3] - 1.0)
    for i in ti.static(range(3)):
        off = ti.max(off, ti.abs(viewmats[c, 3, i]))
    fine = ti.abs(m.determinant()) > SUSPICIOUS_DETERMINANT * volume and off < 1e-5
    fine = fine and Ks[c, 0, 0] > 0 and Ks[c, 1, 1] > 0
    return fine and row_is_finite(viewmats, c) and row_is_finite(Ks, c)
