"""Surface particles become Gaussians that deform with the material, and the adjoint of that.

Gaussian j sits at particle i = index[j], with rest normal n:

    mean    x_i
    covar   σ² F (I − (1 − t²) n nᵀ) Fᵀ        σ: sigma, t: thickness (1: a ball at rest, small: a disc)
    normal  cof(F) n / |cof(F) n|              Nanson's formula, defined for singular F too

A Gaussian moves with x ↦ F x, so its covariance becomes F Σ0 Fᵀ (Xie et al., "PhysGaussian", 2024).
"""

import taichi as ti

from kernels.arrays import int_array, real_array
from kernels.linalg import add_mat3, add_vec3, cofactor3, eye3, load_mat3, load_vec3, store_mat3, store_vec3


class Gaussians:
    """Arrays of one evaluation: ``n`` particles, ``m`` Gaussians, each at a particle of its own."""

    def __init__(self, n: int, m: int):
        self.n, self.m = n, m
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
    _deform(g.m, g.index, g.rest_normals, g.x, g.F, g.sigma, g.thickness, g.means, g.covars, g.normals)


@ti.ad.grad_for(deform_gaussians)
def deform_gaussians_grad(g: Gaussians) -> None:
    """Add to the gradients of ``x``, ``F``, ``sigma`` and ``thickness`` what those of the outputs say."""
    _deform_grad_means(g.m, g.index, g.means.grad, g.x.grad)
    _deform_grad_shape(
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
    m: ti.i32,
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
        f, n = load_mat3(F, p), load_vec3(rest_normals, j)
        store_vec3(means, j, load_vec3(x, p))
        covar = sigma[j] * sigma[j] * (f @ (_rest_shape(n, thickness[j]) @ f.transpose()))
        store_mat3(covars, j, 0.5 * (covar + covar.transpose()))  # symmetric to the last bit
        c = cofactor3(f) @ n
        length = c.norm()
        if length > 0.0:
            n = c / length
        store_vec3(normals, j, n)


@ti.kernel
def _deform_grad_means(m: ti.i32, index: ti.types.ndarray(), means_bar: ti.types.ndarray(), x_bar: ti.types.ndarray()):
    for j in range(m):
        add_vec3(x_bar, index[j], load_vec3(means_bar, j))


@ti.kernel
def _deform_grad_shape(
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
        shape = _rest_shape(n, t)
        fn = f @ n
        add_mat3(F_bar, p, 2.0 * s * s * (v @ (f @ shape)) + _normal_grad(f, n, load_vec3(normals_bar, j)))
        sigma_bar[j] += 2.0 * s * (v * (f @ (shape @ f.transpose()))).sum()
        thickness_bar[j] += 2.0 * t * s * s * fn.dot(v @ fn)


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
