"""Colours that depend on the direction of view, by spherical harmonics: buffers, forward pass and adjoint.

    e = -W⁻¹ t        u = (μ - e) / |μ - e|        ℓ = Rᵀ u / |Rᵀ u|        color = max(1/2 + Σ_k Y_k(ℓ) c_k, 0)

with the camera's centre e from its world-to-camera rotation W and translation t (Kerbl et al., SIGGRAPH 2023,
section 5.1; render/harmonic_basis.py has Y_k), and R the rotation of the Gaussian's frame: coefficients given at
rest keep their appearance when the Gaussian turns by R. The adjoint, with g = Σ_k (c_k · color_bar) ∇Y_k(ℓ):

    c_k_bar = Y_k color_bar       h = (I - ℓ ℓᵀ) g / |Rᵀ u|       R_bar = u hᵀ       μ_bar = (I - u uᵀ) R h / |μ - e|
    e_bar = -Σ μ_bar              t_bar = -W⁻ᵀ e_bar              W_bar = t_bar eᵀ
"""

import taichi as ti

from kernels.arrays import heavy_block_dim, int_array, real_array, scratch_array, turns_each
from kernels.launch import prepared
from kernels.linalg import add_mat3, add_vec3, load_mat3, load_vec3
from render.constants import COLOR_OFFSET, DIRECTION_MIN
from render.harmonic_basis import basis_size, harmonic_basis, harmonic_gradient
from render.pinhole import rotation, translation
from render.projection import Projection
from render.projection_adjoint import camera_blocks


class SphericalHarmonics:
    """Arrays of one evaluation: ``n`` Gaussians of ``channels`` channels seen by ``cameras`` cameras.

    Args:
        degree: the highest degree used, 0 to 4.
        bases: coefficients stored for each channel, at least (degree + 1)²; the rest is not read.
        coeffs_per_camera: whether ``coeffs`` has a row for each camera or one for all.
        rotated: whether ``frames`` turn the directions.
        as_colors: add 1/2 and cut off below 0; else the plain sum.
        camera_grad: whether the adjoint adds to the gradient of ``viewmats``.
        projection: share its means, viewmats and radii, so that a tape leads on; else they are new arrays.
    """

    def __init__(
        self,
        cameras: int,
        n: int,
        degree: int,
        bases: int,
        channels: int,
        *,
        coeffs_per_camera: bool = False,
        rotated: bool = False,
        as_colors: bool = True,
        projection: Projection | None = None,
        needs_grad: bool = True,
        camera_grad: bool = True,
    ):
        self.cameras, self.n, self.degree, self.channels = cameras, n, degree, channels
        self.camera_grad = camera_grad
        self.rotated, self.as_colors, self.coeff_stride = rotated, as_colors, int(coeffs_per_camera)
        if projection is None:
            self.means = real_array(n, 3, needs_grad=needs_grad)
            self.viewmats = real_array(cameras, 4, 4, needs_grad=needs_grad)
            self.radii = int_array(cameras, n, 2)
        else:
            self.means, self.viewmats, self.radii = projection.means, projection.viewmats, projection.radii
        assert bases >= basis_size(degree)
        self.coeffs = real_array(cameras if coeffs_per_camera else 1, n, bases, channels, needs_grad=needs_grad)
        """[C or 1, N, bases, channels]."""
        self.frames = real_array(n if rotated else 1, 3, 3, needs_grad=needs_grad)
        """Rotations R from the frame of the coefficients to the world [N, 3, 3], if ``rotated``."""
        self.colors = scratch_array(cameras, n, channels, needs_grad=needs_grad)
        """[C, N, channels]; 0 where the radii are 0."""


@ti.ad.grad_replaced
def spherical_harmonics(b: SphericalHarmonics) -> None:
    """``colors`` of all Gaussians whose radii are not 0."""
    inputs = (b.means, b.viewmats, b.radii, b.coeffs, b.frames)
    sizes = (b.cameras, b.n, b.channels, b.coeff_stride, b.rotated, b.as_colors)
    _spherical_harmonics(b.degree, *inputs, b.colors, *sizes)


@ti.ad.grad_for(spherical_harmonics)
def spherical_harmonics_grad(b: SphericalHarmonics) -> None:
    """Add to the gradients of ``means``, ``viewmats``, ``coeffs``, ``frames`` what that of ``colors`` says."""
    inputs = (b.means, b.viewmats, b.radii, b.coeffs, b.frames, b.colors, b.colors.grad)
    gradients = (b.means.grad, b.viewmats.grad, b.coeffs.grad, b.frames.grad)
    sizes = (b.cameras, b.n, b.channels, b.coeff_stride, b.rotated, b.as_colors)
    blocks = camera_blocks(b.n, b.camera_grad)
    _spherical_harmonics_grad(b.degree, *inputs, *gradients, *sizes, b.camera_grad, *blocks)


@ti.func
def _eye(viewmats: ti.template(), c):
    """The camera's centre; ``viewmats`` need not be a rotation."""
    return -(rotation(viewmats, c).inverse() @ translation(viewmats, c))


@ti.func
def _direction(v):
    return v / ti.max(v.norm(), DIRECTION_MIN)


@ti.func
def _direction_adjoint(v, u_bar):
    """Gradient of ``v`` when ``u_bar`` is that of ``_direction(v)``."""
    u = _direction(v)
    return (u_bar - u.dot(u_bar) * u) / ti.max(v.norm(), DIRECTION_MIN)


@prepared
@ti.kernel
def _spherical_harmonics(
    degree: ti.template(),
    means: ti.types.ndarray(ndim=2),
    viewmats: ti.types.ndarray(ndim=3),
    radii: ti.types.ndarray(ndim=3),
    coeffs: ti.types.ndarray(ndim=4),
    frames: ti.types.ndarray(ndim=3),
    colors: ti.types.ndarray(ndim=3),
    cameras: ti.i32,
    n: ti.i32,
    channels: ti.i32,
    coeff_stride: ti.i32,
    rotated: ti.i32,
    as_colors: ti.i32,
):
    for c, p in ti.ndrange(cameras, n):
        if radii[c, p, 0] > 0:
            local = _direction(load_vec3(means, p) - _eye(viewmats, c))
            if rotated != 0:
                local = _direction(load_mat3(frames, p).transpose() @ local)
            basis = harmonic_basis(local, degree)
            for channel in range(channels):
                color = 0.0
                for k in ti.static(range(basis_size(degree))):
                    color += basis[k] * coeffs[c * coeff_stride, p, k, channel]
                if as_colors != 0:
                    color = ti.max(color + COLOR_OFFSET, 0.0)
                colors[c, p, channel] = color
        else:
            for channel in range(channels):
                colors[c, p, channel] = 0.0


@prepared
@ti.kernel
def _spherical_harmonics_grad(
    degree: ti.template(),
    means: ti.types.ndarray(ndim=2),
    viewmats: ti.types.ndarray(ndim=3),
    radii: ti.types.ndarray(ndim=3),
    coeffs: ti.types.ndarray(ndim=4),
    frames: ti.types.ndarray(ndim=3),
    colors: ti.types.ndarray(ndim=3),
    colors_bar: ti.types.ndarray(ndim=3),
    means_bar: ti.types.ndarray(ndim=2),
    viewmats_bar: ti.types.ndarray(ndim=3),
    coeffs_bar: ti.types.ndarray(ndim=4),
    frames_bar: ti.types.ndarray(ndim=3),
    cameras: ti.i32,
    n: ti.i32,
    channels: ti.i32,
    coeff_stride: ti.i32,
    rotated: ti.i32,
    as_colors: ti.i32,
    camera_wanted: ti.i32,
    blocks: ti.i32,
    block_size: ti.i32,
    block_stride: ti.i32,
    stride: ti.i32,
):
    # A thread owns a block of Gaussians, so that their gradients need no atomics and a camera's need few.
    turns = ti.static(turns_each())
    ti.loop_config(block_dim=ti.static(heavy_block_dim()))
    for first_turn in range(blocks * turns):
        if first_turn % turns != 0:
            continue
        block = first_turn // turns
        for c in range(cameras):
            eye, eye_bar = _eye(viewmats, c), ti.Vector([0.0, 0.0, 0.0])
            for turn in range(block_size):
                p = block * block_stride + turn * stride
                if p < n and radii[c, p, 0] > 0:
                    view = load_vec3(means, p) - eye
                    u = _direction(view)
                    turned = u
                    if rotated != 0:
                        turned = load_mat3(frames, p).transpose() @ u
                    local = _direction(turned)
                    basis = harmonic_basis(local, degree)
                    weights = 0.0 * basis
                    for channel in range(channels):
                        bar = colors_bar[c, p, channel]
                        if as_colors == 0 or colors[c, p, channel] > 0:
                            for k in ti.static(range(basis_size(degree))):
                                weights[k] += bar * coeffs[c * coeff_stride, p, k, channel]
                                old = coeffs_bar[c * coeff_stride, p, k, channel]
                                coeffs_bar[c * coeff_stride, p, k, channel] = old + basis[k] * bar
                    u_bar = _direction_adjoint(turned, harmonic_gradient(local, weights, degree))
                    if rotated != 0:
                        add_mat3(frames_bar, p, u.outer_product(u_bar))
                        u_bar = load_mat3(frames, p) @ u_bar
                    view_bar = _direction_adjoint(view, u_bar)
                    add_vec3(means_bar, p, view_bar)
                    eye_bar -= view_bar
            if camera_wanted != 0:
                t_bar = -(rotation(viewmats, c).inverse().transpose() @ eye_bar)
                for i in ti.static(range(3)):
                    for j in ti.static(range(3)):
                        viewmats_bar[c, i, j] += t_bar[i] * eye[j]
                    viewmats_bar[c, i, 3] += t_bar[i]
