"""3-vectors and 3×3 matrices in scalar arrays: load, store, add, and small algebra.

``[N, 3]`` and ``[N, 3, 3]`` are torch's layout, and that of every array at a stage's edge.
"""

import taichi as ti


@ti.func
def load_vec3(a: ti.template(), p):
    """Row ``p`` of an array ``[N, 3]``."""
    return ti.Vector([a[p, 0], a[p, 1], a[p, 2]])


@ti.func
def store_vec3(a: ti.template(), p, v):
    """``a[p, :] = v``."""
    for i in ti.static(range(3)):
        a[p, i] = v[i]


@ti.func
def add_vec3(a: ti.template(), p, v):
    """``a[p, :] += v``, not atomic: one thread owns row ``p``."""
    for i in ti.static(range(3)):
        a[p, i] = a[p, i] + v[i]


@ti.func
def load_mat3(a: ti.template(), p):
    """Row ``p`` of an array ``[N, 3, 3]``."""
    return ti.Matrix([[a[p, i, j] for j in ti.static(range(3))] for i in ti.static(range(3))])


@ti.func
def store_mat3(a: ti.template(), p, m):
    """``a[p, :, :] = m``."""
    for i, j in ti.static(ti.ndrange(3, 3)):
        a[p, i, j] = m[i, j]


@ti.func
def add_mat3(a: ti.template(), p, m):
    """``a[p, :, :] += m``, not atomic: one thread owns row ``p``."""
    for i, j in ti.static(ti.ndrange(3, 3)):
        a[p, i, j] = a[p, i, j] + m[i, j]


@ti.func
def symmetric_part(m):
    """Half the sum of a square matrix and its transpose."""
    return 0.5 * (m + m.transpose())


@ti.func
def eye3():
    """The 3×3 identity in the runtime's floating-point type."""
    return ti.Matrix([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


@ti.func
def frobenius(a, b):
    """``a : b``, the sum of the products of the entries."""
    return (a * b).sum()


@ti.func
def cofactor3(a):
    """The cofactor matrix ``det(a) a^{-T}``, defined for singular ``a`` too."""
    c0 = ti.Vector([a[0, 0], a[1, 0], a[2, 0]])
    c1 = ti.Vector([a[0, 1], a[1, 1], a[2, 1]])
    c2 = ti.Vector([a[0, 2], a[1, 2], a[2, 2]])
    return ti.Matrix.cols([c1.cross(c2), c2.cross(c0), c0.cross(c1)])


@ti.func
def skew(v):
    """The matrix of the cross product: ``skew(v) @ u = v × u``."""
    return ti.Matrix([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


@ti.func
def axial(m):
    """The vector with ``axial(m) · w = m : skew(w)`` for every w."""
    return ti.Vector([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
