"""Reading cameras inside kernels: world-to-camera matrices and pinhole intrinsics."""

import taichi as ti


@ti.func
def rotation(viewmats: ti.template(), c):
    """The 3×3 block of ``viewmats[c]``."""
    return ti.Matrix([[viewmats[c, i, j] for j in ti.static(range(3))] for i in ti.static(range(3))])


@ti.func
def translation(viewmats: ti.template(), c):
    """The last column of ``viewmats[c]``."""
    return ti.Vector([viewmats[c, 0, 3], viewmats[c, 1, 3], viewmats[c, 2, 3]])


@ti.func
def focal(Ks: ti.template(), c):
    """(fx, fy) in pixels."""
    return ti.Vector([Ks[c, 0, 0], Ks[c, 1, 1]])


@ti.func
def image_axes(Ks: ti.template(), c):
    """The upper left 2×2 block of ``Ks[c]``: focal lengths and skew."""
    return ti.Matrix([[Ks[c, 0, 0], Ks[c, 0, 1]], [Ks[c, 1, 0], Ks[c, 1, 1]]])


@ti.func
def principal(Ks: ti.template(), c):
    """(cx, cy) in pixels; the first pixel's centre is (0.5, 0.5)."""
    return ti.Vector([Ks[c, 0, 2], Ks[c, 1, 2]])
