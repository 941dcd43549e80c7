"""Quaternions and scales to covariances, and the adjoint.

    Σ = R diag(s²) Rᵀ       R: rotation of the normalised quaternion (w, x, y, z)

(Kerbl et al., SIGGRAPH 2023, eq. 6.)
"""

import taichi as ti

from kernels.arrays import real_array, scratch_array
from kernels.launch import prepared
from kernels.linalg import load_mat3, load_vec3, store_mat3


class Covariance:
    """Arrays of one evaluation for ``n`` Gaussians."""

    def __init__(self, n: int):
        self.n = n
        self.quats = real_array(n, 4, needs_grad=True)
        """(w, x, y, z), of any length but 0."""
        self.scales = real_array(n, 3, needs_grad=True)
        """Standard deviations along the axes. Unit: length."""
        self.covars = scratch_array(n, 3, 3, needs_grad=True)


@ti.ad.grad_replaced
def covariance(b: Covariance) -> None:
    """``covars`` from ``quats`` and ``scales``."""
    _covariance(b.n, b.quats, b.scales, b.covars)


@ti.ad.grad_for(covariance)
def covariance_grad(b: Covariance) -> None:
    """Add to the gradients of ``quats`` and ``scales`` what that of ``covars`` says."""
    _covariance_grad(b.n, b.quats, b.scales, b.covars.grad, b.quats.grad, b.scales.grad)


@ti.func
def _unit_quaternion(quats: ti.template(), p):
    q = ti.Vector([quats[p, 0], quats[p, 1], quats[p, 2], quats[p, 3]])
    return q / q.norm()


@ti.func
def _rotation(q):
    w, x, y, z = q[0], q[1], q[2], q[3]
    return ti.Matrix(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


@ti.func
def _rotation_adjoint(q, g):
    """Gradient of the four entries of ``q`` when ``g`` is that of ``_rotation(q)``."""
    w, x, y, z = q[0], q[1], q[2], q[3]
    return 2.0 * ti.Vector(
        [
            x * (g[2, 1] - g[1, 2]) + y * (g[0, 2] - g[2, 0]) + z * (g[1, 0] - g[0, 1]),
            w * (g[2, 1] - g[1, 2]) + y * (g[0, 1] + g[1, 0]) + z * (g[0, 2] + g[2, 0]) - 2.0 * x * (g[1, 1] + g[2, 2]),
            w * (g[0, 2] - g[2, 0]) + x * (g[0, 1] + g[1, 0]) + z * (g[1, 2] + g[2, 1]) - 2.0 * y * (g[0, 0] + g[2, 2]),
            w * (g[1, 0] - g[0, 1]) + x * (g[0, 2] + g[2, 0]) + y * (g[1, 2] + g[2, 1]) - 2.0 * z * (g[0, 0] + g[1, 1]),
        ]
    )


@ti.func
def _scale_columns(m, s):
    return ti.Matrix([[m[i, j] * s[j] for j in ti.static(range(3))] for i in ti.static(range(3))])


@ti.func
def covariance_at(quats: ti.template(), scales: ti.template(), p):
    """Σ of Gaussian ``p``."""
    m = covariance_root(quats, scales, p)
    return m @ m.transpose()


@ti.func
def covariance_root(quats: ti.template(), scales: ti.template(), p):
    """R diag(s), whose product with its transpose is Σ of Gaussian ``p``."""
    return _scale_columns(_rotation(_unit_quaternion(quats, p)), load_vec3(scales, p))


@ti.func
def add_covariance_adjoint(
    quats: ti.template(), scales: ti.template(), p, g, quats_bar: ti.template(), scales_bar: ti.template()
):
    """Add to the gradients of a Gaussian's quaternion and scales, not atomically; ``g`` is that of Σ."""
    m_bar = (g + g.transpose()) @ covariance_root(quats, scales, p)
    add_root_adjoint(quats, scales, p, m_bar, quats_bar, scales_bar)


@ti.func
def add_root_adjoint(
    quats: ti.template(), scales: ti.template(), p, m_bar, quats_bar: ti.template(), scales_bar: ti.template()
):
    """The same with the gradient of R diag(s)."""
    q = _unit_quaternion(quats, p)
    s = load_vec3(scales, p)
    r = _rotation(q)
    for j in ti.static(range(3)):
        dot = r[0, j] * m_bar[0, j] + r[1, j] * m_bar[1, j] + r[2, j] * m_bar[2, j]
        scales_bar[p, j] = scales_bar[p, j] + dot
    q_bar = _rotation_adjoint(q, _scale_columns(m_bar, s))
    length = ti.Vector([quats[p, 0], quats[p, 1], quats[p, 2], quats[p, 3]]).norm()
    q_bar = (q_bar - q.dot(q_bar) * q) / length
    for i in ti.static(range(4)):
        quats_bar[p, i] = quats_bar[p, i] + q_bar[i]


@prepared
@ti.kernel
def _covariance(
    n: ti.i32,
    quats: ti.types.ndarray(ndim=2),
    scales: ti.types.ndarray(ndim=2),
    covars: ti.types.ndarray(ndim=3),
):
    for p in range(n):
        store_mat3(covars, p, covariance_at(quats, scales, p))


@prepared
@ti.kernel
def _covariance_grad(
    n: ti.i32,
    quats: ti.types.ndarray(ndim=2),
    scales: ti.types.ndarray(ndim=2),
    covars_bar: ti.types.ndarray(ndim=3),
    quats_bar: ti.types.ndarray(ndim=2),
    scales_bar: ti.types.ndarray(ndim=2),
):
    for p in range(n):
        add_covariance_adjoint(quats, scales, p, load_mat3(covars_bar, p), quats_bar, scales_bar)
