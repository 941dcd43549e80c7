"""Polar and singular-value decomposition of 3×3 matrices, and the rotation's exact adjoint."""

import taichi as ti

from kernels.arrays import real_dtype
from kernels.linalg import axial, cofactor3, eye3, skew

_JACOBI_SWEEPS = 12  # one-sided Jacobi converges quadratically; 5 to 6 sweeps reach float64 rounding
_NEWTON_STEPS = 30  # with the determinant's scaling 5 to 9 steps reach float64 rounding
_NEARLY_SINGULAR = 1e-5  # det / norm³ below which Newton's iteration loses digits


@ti.func
def polar_rotation(a):
    """The rotation R of A = R S, in SO(3) also for det A ≤ 0.

    Newton's iteration X ← (g X + (g X)⁻ᵀ) / 2 with the determinant's scaling (Higham, "Computing the polar
    decomposition", 1986); where A is inverted or nearly singular, the singular value decomposition, whose smallest
    singular value carries the sign.
    """
    rotation = eye3()
    size = a.norm() / ti.sqrt(3.0)
    if a.determinant() > _NEARLY_SINGULAR * size**3:
        rotation = _newton_polar(a)
    else:
        u, _, v = svd3(a)
        rotation = u @ v.transpose()
    return rotation


@ti.func
def _newton_polar(a):
    # The error after a step is half the square of the change: stop once that is below rounding.
    tolerance = ti.static(1e-8 if real_dtype() == ti.f32 else 1e-17)
    x = a
    change = 1.0
    step = 0
    while step < _NEWTON_STEPS and change > tolerance:
        cofactor = cofactor3(x)
        det = x.determinant()
        scale = 1.0
        if step < 3:  # near convergence the scaling would only add rounding
            scale = _inverse_cube_root(det)
        new = 0.5 * (scale * x + cofactor / (det * scale))
        change = (new - x).norm_sqr()
        x = new
        step += 1
    return x


@ti.func
def _inverse_cube_root(det):
    """det^(-1/3), near 1 roughly: any scaling leads to the same rotation, and a power takes as long as half a step."""
    root = (det + 2.0) / (2.0 * det + 1.0)
    if det < 0.25 or det > 4.0:
        root = ti.pow(det, -1.0 / 3.0)
    return root


@ti.func
def svd3(a):
    """A = U diag(sigma) Vᵀ with U, V in SO(3): the smallest singular value carries the sign of det A.

    One-sided Jacobi rotations of the columns, accurate for small singular values too (Demmel and Veselić, 1992).
    The values are not sorted.
    """
    b = a
    v = eye3()
    for _ in range(_JACOBI_SWEEPS):
        for p, q in ti.static(((0, 1), (0, 2), (1, 2))):
            c, s = _jacobi_rotation(_column(b, p), _column(b, q))
            b = _rotate_columns(b, p, q, c, s)
            v = _rotate_columns(v, p, q, c, s)
    u, sigma = _orthonormal_columns(b)
    return u, sigma, v


@ti.func
def polar_rotation_adjoint(a, rotation, rotation_bar):
    """dL/dA from dL/dR for A = R S, in closed form and finite at equal singular values.

    With dR = R skew(w), (tr(S) I − S) w = axial(Rᵀ dA): the sums of singular values appear, never their differences.
    Where two of them nearly cancel (an inverted A) the system is regularised.
    """
    stretch = rotation.transpose() @ a
    system = stretch.trace() * eye3() - 0.5 * (stretch + stretch.transpose())
    scale = a.norm() + 1e-20
    if ti.abs(system.determinant()) < 1e-6 * scale**3:
        system += 1e-3 * scale * eye3()
    g = system.inverse() @ axial(rotation.transpose() @ rotation_bar)
    return rotation @ skew(g)


@ti.func
def _column(a, j: ti.template()):
    return ti.Vector([a[0, j], a[1, j], a[2, j]])


@ti.func
def _jacobi_rotation(p, q):
    """Cosine and sine of the rotation that makes the columns p and q orthogonal."""
    c, s = 1.0, 0.0
    overlap = p.dot(q)
    if overlap != 0.0:
        zeta = (q.norm_sqr() - p.norm_sqr()) / (2.0 * overlap)
        t = ti.select(zeta >= 0.0, 1.0, -1.0) / (ti.abs(zeta) + ti.sqrt(1.0 + zeta * zeta))
        c = 1.0 / ti.sqrt(1.0 + t * t)
        s = c * t
    return c, s


@ti.func
def _rotate_columns(a, p: ti.template(), q: ti.template(), c, s):
    result = a
    for i in ti.static(range(3)):
        result[i, p] = c * a[i, p] - s * a[i, q]
        result[i, q] = s * a[i, p] + c * a[i, q]
    return result


@ti.func
def _orthonormal_columns(b):
    """U in SO(3) and sigma with b = U diag(sigma); the smallest column may be zero or reversed."""
    n0, n1, n2 = _column(b, 0).norm(), _column(b, 1).norm(), _column(b, 2).norm()
    smallest = 0
    if n1 <= n0 and n1 <= n2:
        smallest = 1
    elif n2 <= n0 and n2 <= n1:
        smallest = 2
    u, sigma = eye3(), ti.Vector([n0, n1, n2])
    for k in ti.static(range(3)):
        if smallest == k:
            first = _unit(_column(b, (k + 1) % 3), ti.Vector([1.0, 0.0, 0.0]))
            second = _column(b, (k + 2) % 3)
            second = _unit(second - first * first.dot(second), _any_orthogonal(first))
            third = first.cross(second)
            for i in ti.static(range(3)):
                u[i, (k + 1) % 3] = first[i]
                u[i, (k + 2) % 3] = second[i]
                u[i, k] = third[i]
            sigma[k] = third.dot(_column(b, k))
    return u, sigma


@ti.func
def _unit(v, otherwise):
    length = v.norm()
    result = otherwise
    if length > 0.0:
        result = v / length
    return result


@ti.func
def _any_orthogonal(v):
    axis = ti.Vector([1.0, 0.0, 0.0])
    if ti.abs(v[0]) > 0.6:
        axis = ti.Vector([0.0, 1.0, 0.0])
    return v.cross(axis).normalized()
