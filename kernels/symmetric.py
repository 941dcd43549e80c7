"""Functions of symmetric 3×3 matrices, and the logarithmic strain, with exact adjoints.

The derivative of an isotropic tensor function has divided differences of its scalar function, (f(a) − f(b)) / (a − b),
in the eigenvectors' frame (Daleckii and Krein, 1965). They are written so that equal and nearly equal eigenvalues lose
no digits: where eigenvalues are close, their difference is no denominator.
"""

import taichi as ti

from kernels.linalg import eye3
from kernels.polar import svd3

_JACOBI_SWEEPS = 10  # cyclic Jacobi converges quadratically; 4 to 6 sweeps reach float64 rounding
_SERIES = 0.03  # below this a series of 6 terms is exact to float64 rounding, above it the quotient loses no digits


@ti.func
def eig_sym3(a):
    """Eigenvalues [3] and eigenvectors (columns, in SO(3)) of a symmetric matrix, not sorted."""
    d = a
    q = eye3()
    for _ in range(_JACOBI_SWEEPS):
        for i, j in ti.static(((0, 1), (0, 2), (1, 2))):
            if d[i, j] != 0.0:
                theta = (d[j, j] - d[i, i]) / (2.0 * d[i, j])
                t = ti.select(theta >= 0.0, 1.0, -1.0) / (ti.abs(theta) + ti.sqrt(1.0 + theta * theta))
                c = 1.0 / ti.sqrt(1.0 + t * t)
                r = _plane_rotation(i, j, c, t * c)
                d = r.transpose() @ d @ r
                q = q @ r
                d[i, j], d[j, i] = 0.0, 0.0
    return ti.Vector([d[0, 0], d[1, 1], d[2, 2]]), q


@ti.func
def exp_sym3(a):
    """The matrix exponential of a symmetric matrix."""
    values, q = eig_sym3(a)
    return _compose(q, ti.exp(values))


@ti.func
def exp_sym3_adjoint(a, result_bar):
    """dL/da (symmetric) from dL/d exp(a)."""
    values, q = eig_sym3(a)
    inner = q.transpose() @ (0.5 * (result_bar + result_bar.transpose())) @ q
    for i, j in ti.static(ti.ndrange(3, 3)):
        inner[i, j] *= exp_difference(values[i], values[j])
    return q @ inner @ q.transpose()


@ti.func
def log_strain(f):
    """Hencky's strain ε = ½ ln(F Fᵀ) of a matrix with det F > 0; NaN for an inverted one."""
    u, sigma, _ = svd3(f)
    return _compose(u, ti.log(sigma))


@ti.func
def log_strain_adjoint(f, strain_bar):
    """dL/dF from dL/dε (its symmetric part counts)."""
    u, sigma, v = svd3(f)
    inner = u.transpose() @ (0.5 * (strain_bar + strain_bar.transpose())) @ u
    for i, j in ti.static(ti.ndrange(3, 3)):
        inner[i, j] *= log_difference(sigma[i] * sigma[i], sigma[j] * sigma[j]) * sigma[j]
    return u @ inner @ v.transpose()


@ti.func
def _plane_rotation(i: ti.template(), j: ti.template(), c, s):
    r = eye3()
    r[i, i], r[j, j] = c, c
    r[i, j], r[j, i] = s, -s
    return r


@ti.func
def _compose(q, values):
    """q diag(values) qᵀ."""
    scaled = q
    for i, j in ti.static(ti.ndrange(3, 3)):
        scaled[i, j] = q[i, j] * values[j]
    return scaled @ q.transpose()


@ti.func
def exp_difference(a, b):
    """(eᵃ − eᵇ) / (a − b) = e^((a + b) / 2) sinh(h) / h with h = (a − b) / 2."""
    h = 0.5 * (a - b)
    s = h * h
    ratio = 1.0 + s / 6.0 * (1.0 + s / 20.0 * (1.0 + s / 42.0 * (1.0 + s / 72.0)))
    if ti.abs(h) > _SERIES:
        ratio = 0.5 * (ti.exp(h) - ti.exp(-h)) / h
    return ti.exp(0.5 * (a + b)) * ratio


@ti.func
def log_difference(a, b):
    """(ln a − ln b) / (a − b) = 2 / (a + b) · artanh(z) / z with z = (a − b) / (a + b)."""
    z = (a - b) / (a + b)
    s = z * z
    ratio = 1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s * (1.0 / 9.0 + s / 11.0))))
    if ti.abs(z) > _SERIES:
        ratio = 0.5 * ti.log(a / b) / z
    return 2.0 / (a + b) * ratio
