"""A look at all values that the rasterizer is given, in one launch: whether anything may be wrong with them.

Who asked finds out what it is by other, slower means: a fault here is a reason to look closely, no more.
"""

import taichi as ti

from kernels.finite import is_finite
from kernels.launch import prepared
from kernels.linalg import load_vec3
from render.pinhole import rotation

SUSPICIOUS_DETERMINANT = 1e-4
"""A rotation has determinant 1, in units of its rows' lengths; float32's rounding is far below this."""


@ti.func
def _row_is_finite(rows: ti.template(), p):
    """Whether all numbers of row ``p`` of an array of one, two or three dimensions are finite."""
    fine = True
    if ti.static(len(rows.shape) == 1):
        fine = is_finite(rows[p])
    elif ti.static(len(rows.shape) == 2):
        for i in range(rows.shape[1]):
            fine = fine and is_finite(rows[p, i])
    else:
        for i in range(rows.shape[1]):
            for j in range(rows.shape[2]):
                fine = fine and is_finite(rows[p, i, j])
    return fine


@ti.func
def _is_camera(viewmats: ti.template(), Ks: ti.template(), c):
    """Whether ``viewmats[c]`` surely ends with 0, 0, 0, 1 and is not singular, and the focal lengths are positive."""
    m = rotation(viewmats, c)
    volume = 1.0
    for i in ti.static(range(3)):
        volume *= ti.Vector([m[i, 0], m[i, 1], m[i, 2]]).norm()
    off = ti.abs(viewmats[c, 3, 3] - 1.0)
    for i in ti.static(range(3)):
        off = ti.max(off, ti.abs(viewmats[c, 3, i]))
    return (
        ti.abs(m.determinant()) > SUSPICIOUS_DETERMINANT * volume and off < 1e-5 and Ks[c, 0, 0] > 0 and Ks[c, 1, 1] > 0
    )


@prepared
@ti.kernel
def find_faults(
    by_axes: ti.template(),
    means: ti.types.ndarray(ndim=2),
    first_shapes: ti.types.ndarray(),
    second_shapes: ti.types.ndarray(),
    opacities: ti.types.ndarray(ndim=1),
    colors: ti.types.ndarray(),
    backgrounds: ti.types.ndarray(),
    frames: ti.types.ndarray(),
    viewmats: ti.types.ndarray(ndim=3),
    Ks: ti.types.ndarray(ndim=3),
    faults: ti.types.ndarray(ndim=1),
):
    """``faults[0] = 1`` if a number is not finite, a quaternion is 0 or a camera may be none; else it stays.

    ``first_shapes`` and ``second_shapes`` are those of a Projection. For what there is none of, any array that is
    looked at anyway stands.
    """
    for p in range(means.shape[0]):
        fine = _row_is_finite(means, p) and _row_is_finite(first_shapes, p) and _row_is_finite(second_shapes, p)
        fine = fine and is_finite(opacities[p])
        if ti.static(by_axes):
            fine = fine and (load_vec3(first_shapes, p).norm_sqr() > 0 or first_shapes[p, 3] != 0)
        if not fine:
            faults[0] = 1
    for index in ti.grouped(colors):
        if not is_finite(colors[index]):
            faults[0] = 1
    for index in ti.grouped(backgrounds):
        if not is_finite(backgrounds[index]):
            faults[0] = 1
    for index in ti.grouped(frames):
        if not is_finite(frames[index]):
            faults[0] = 1
    for c in range(viewmats.shape[0]):
        fine = _is_camera(viewmats, Ks, c)
        for i, j in ti.ndrange(4, 4):
            fine = fine and is_finite(viewmats[c, i, j])
        for i, j in ti.ndrange(3, 3):
            fine = fine and is_finite(Ks[c, i, j])
        if not fine:
            faults[0] = 1
