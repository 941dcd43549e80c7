"""Surface particles become Gaussians that deform with the material, and the adjoint of that.

Gaussian j sits at particle i = index[j], with rest normal n:

    mean    x_i
    covar   σ² F (I − (1 − t²) n nᵀ) Fᵀ        σ: sigma, t: thickness (1: a ball at rest, small: a disc)
    normal  cof(F) n / |cof(F) n|              Nanson's formula, defined for singular F too

A Gaussian moves with x ↦ F x, so its covariance becomes F Σ0 Fᵀ (Xie et al., "PhysGaussian", 2024). A shear tilts the
disc's short axis F n off the normal, and a stretch makes the disc thicker. The aligned form does neither,

    covar   σ² (F (I − n nᵀ) Fᵀ + t² n' n'ᵀ)   n': normal

Both are computed as products G Gᵀ and get a few rounding errors added along the diagonal: however thin the disc and
whatever F, they are positive definite.
"""

import numpy as np
import taichi as ti

from kernels.arrays import int_array, real_array, real_dtype
from kernels.linalg import add_mat3, add_vec3, cofactor3, eye3, load_mat3, load_vec3, store_mat3, store_vec3

ROUNDING = 4
"""What is added to the diagonal. Unit: the machine's epsilon times σ² + the trace."""


class Gaussians:
    """Arrays of one evaluation: ``n`` particles, ``m`` Gaussians, each at a particle of its own.

    ``aligned`` chooses the form of the covariance.
    """

    def __init__(self, n: int, m: int, aligned: bool = False):
        self.n, self.m, self.aligned = n, m, aligned
        self.index = int_array(m)
        """Particle of each Gaussian; no particle twice."""
        self.rest_normals = real_array(m, 3)
        self.x = real_array(n, 3, needs_grad=True)
        self.F = real_array(n, 3, 3, needs_grad=True)
        self.sigma = real_array(m, needs_grad=True)
        """Standard deviation at rest. Unit: length."""
        self.thickness = real_array(m, needs_grad=True)
        """Standard deviation along the normal at rest, as a share of sigma."""
        self.means = real_array(m, 3, needs_grad=True)
        self.covars = real_array(m, 3, 3, needs_grad=True)
        self.normals = real_array(m, 3, needs_grad=True)


@ti.ad.grad_replaced
def deform_gaussians(g: Gaussians) -> None:
    """``means``, ``covars`` and ``normals`` from ``x``, ``F``, ``sigma`` and ``thickness``."""
    inputs = g.index, g.rest_normals, g.x, g.F, g.sigma, g.thickness
    floor = ROUNDING * float(np.finfo(np.float64 if real_dtype() == ti.f64 else np.float32).eps)
    _deform(g.aligned, g.m, floor, *inputs, g.means, g.covars, g.normals)


@ti.ad.grad_for(deform_gaussians)
def deform_gaussians_grad(g: Gaussians) -> None:
    """Add to the gradients of ``x``, ``F``, ``sigma`` and ``thickness`` what those of the outputs say."""
    _deform_grad_means(g.m, g.index, g.means.grad, g.x.grad)
    _deform_grad_shape(
        g.aligned,
        g.m,
        g.index,
        g.rest_normals,
        g.F,
        g.sigma,
        g.thickness,
        g.covars.grad,
        g.normals.grad,
        g.F.grad,
        g.sigma.grad,
        g.thickness.grad,
    )


@ti.func
def _rest_shape(normal, thickness):
    """I − (1 − t²) n nᵀ: the rest covariance over σ²."""
    return eye3() - (1.0 - thickness * thickness) * normal.outer_product(normal)


@ti.kernel
def _deform(
    aligned: ti.template(),
    m: ti.i32,
    floor: float,
    index: ti.types.ndarray(),
    rest_normals: ti.types.ndarray(),
    x: ti.types.ndarray(),
    F: ti.types.ndarray(),
    sigma: ti.types.ndarray(),
    thickness: ti.types.ndarray(),
    means: ti.types.ndarray(),
    covars: ti.types.ndarray(),
    normals: ti.types.ndarray(),
):
    for j in range(m):
        p = index[j]
        f, n, t = load_mat3(F, p), load_vec3(rest_normals, j), thickness[j]
        store_vec3(means, j, load_vec3(x, p))
        u = _deformed_normal(f, n)
        across = t
        if ti.static(aligned):
            across = 0.0
        root = f - (1.0 - across) * (f @ n).outer_product(n)
        covar = root @ root.transpose()
        if ti.static(aligned):
            covar += t * t * u.outer_product(u)
        covar += floor * (1.0 + covar.trace()) * eye3()
        covar *= sigma[j] * sigma[j]
        store_mat3(covars, j, 0.5 * (covar + covar.transpose()))  # symmetric to the last bit
        store_vec3(normals, j, u)


@ti.func
def _deformed_normal(f, n):
    u = cofactor3(f) @ n
    length = u.norm()
    if length > 0.0:
        u = u / length
    else:
        u = n
    return u


@ti.kernel
def _deform_grad_means(m: ti.i32, index: ti.types.ndarray(), means_bar: ti.types.ndarray(), x_bar: ti.types.ndarray()):
    for j in range(m):
        add_vec3(x_bar, index[j], load_vec3(means_bar, j))


@ti.kernel
def _deform_grad_shape(
    aligned: ti.template(),
    m: ti.i32,
    index: ti.types.ndarray(),
    rest_normals: ti.types.ndarray(),
    F: ti.types.ndarray(),
    sigma: ti.types.ndarray(),
    thickness: ti.types.ndarray(),
    covars_bar: ti.types.ndarray(),
    normals_bar: ti.types.ndarray(),
    F_bar: ti.types.ndarray(),
    sigma_bar: ti.types.ndarray(),
    thickness_bar: ti.types.ndarray(),
):
    for j in range(m):
        p = index[j]
        f, n, s, t = load_mat3(F, p), load_vec3(rest_normals, j), sigma[j], thickness[j]
        v = load_mat3(covars_bar, j)
        v = 0.5 * (v + v.transpose())
        # the part along the normal is that of axis: F n, or n'
        u_bar, axis, across = load_vec3(normals_bar, j), f @ n, t
        if ti.static(aligned):
            axis, across = _deformed_normal(f, n), 0.0
            u_bar += 2.0 * s * s * t * t * (v @ axis)
        shape = _rest_shape(n, across)
        add_mat3(F_bar, p, 2.0 * s * s * (v @ (f @ shape)) + _normal_grad(f, n, u_bar))
        along = axis.dot(v @ axis)
        sigma_bar[j] += 2.0 * s * ((v * (f @ (shape @ f.transpose()))).sum() + (t * t - across * across) * along)
        thickness_bar[j] += 2.0 * t * s * s * along


@ti.func
def _normal_grad(f, n, u_bar):
    """Gradient to F of u_bar · u, u = c / |c|, c = cof(F) n = n₀ f₁×f₂ + n₁ f₂×f₀ + n₂ f₀×f₁ with F's columns f."""
    c = cofactor3(f) @ n
    length = c.norm()
    result = f * 0.0
    if length > 0.0:
        u = c / length
        g = (u_bar - u.dot(u_bar) * u) / length
        f0, f1, f2 = f @ ti.Vector([1.0, 0.0, 0.0]), f @ ti.Vector([0.0, 1.0, 0.0]), f @ ti.Vector([0.0, 0.0, 1.0])
        to_f0 = n[1] * g.cross(f2) + n[2] * f1.cross(g)
        to_f1 = n[0] * f2.cross(g) + n[2] * g.cross(f0)
        to_f2 = n[0] * g.cross(f1) + n[1] * f0.cross(g)
        result = ti.Matrix.cols([to_f0, to_f1, to_f2])
    return result
