"""The adjoint of the projection, derived by hand; the symbols are those of render/projection.py.

A ``_bar`` is the loss's derivative by the thing it names. With G the symmetric 2×2 gradient of Σ2 and S = W Σ Wᵀ:

    conic = Σ2⁻¹                    G = -conic V conic, V = [[a, b/2], [b/2, c]] for conic_bar (a, b, c)
    factor f, f² = d / det Σ2, d = det(Σ2 - e I)
                                    d_bar = f_bar (1 - f²) / (2 f det Σ2),  G -= f_bar f e / (2 det Σ2) I
    Σ2 = J S Jᵀ + e I               S_bar = Jᵀ G J,  J_bar = 2 G J S,  G += d_bar adj(Σ2 - e I)
    S = W Σ Wᵀ                      Σ_bar = Wᵀ S_bar W,  W_bar = 2 S_bar W Σ

Those given by their axes, Σ = A Aᵀ, have the rows m_i of J W A, d = |m_0 × m_1|², no difference of large numbers:

    Σ2 = [m_i · m_j] + e I          m_bar_0 = 2 (G_00 m_0 + G_01 m_1 + d_bar m_1 × (m_0 × m_1)), and m_bar_1 likewise
    m_i = (W A)ᵀ j_i                j_bar_i = W A m_bar_i,  (W A)_bar = Σ_i j_i m_bar_iᵀ

    p = W μ + t                     μ_bar = Wᵀ p_bar,  W_bar += p_bar μᵀ,  t_bar = p_bar

What u and J give to p and to the intrinsics is in render/camera_models_adjoint.py.
"""

import taichi as ti

from kernels.arrays import claim_untouched, heavy_block_dim, runs_on_cpu, turns_each
from kernels.launch import prepared
from kernels.linalg import add_mat3, add_vec3, load_mat3, load_vec3, symmetric_part
from render.camera_models import CAMERA_MODELS, jacobian_rows
from render.camera_models_adjoint import camera_adjoint
from render.constants import CAMERA_BLOCK_CPU, CAMERA_BLOCK_GPU, CAMERA_BLOCKS_GPU, COMPENSATION_MIN
from render.covariance import add_root_adjoint, covariance_root
from render.pinhole import focal, image_axes, principal, rotation, translation
from render.projection import Projection, compensation, image_covariance, project
from render.splats import DEPTH, OPACITY, conic_at, mean_at


@ti.ad.grad_for(project)
def project_grad(b: Projection) -> None:
    """Add to the gradients of ``means``, ``shapes``, ``opacities``, ``viewmats``, ``Ks`` what ``splats.grad`` says."""
    rows = [array.grad for array in (b.means, *b.shapes, b.opacities)]
    cameras = (b.viewmats.grad, b.Ks.grad)
    if not b.camera_grad:
        claim_untouched(cameras)  # they are left alone
    project_adjoint(b, b.splats.grad, rows, cameras, claim_untouched(rows))


def project_adjoint(b: Projection, splats_bar, rows, cameras, untouched: bool) -> None:
    """The same into arrays of the caller's.

    Args:
        splats_bar: gradient of ``splats``.
        rows: of ``means``, the two ``shapes``, ``opacities``; ``untouched``: whatever they hold, it is overwritten.
        cameras: of ``viewmats``, ``Ks``; they are added to, if ``b.camera_grad``.
    """
    s = b.settings
    inputs = (b.means, *b.shapes, b.opacities, b.viewmats, b.Ks, b.radii)
    limits = (s.width, s.height, s.eps2d, s.antialiased, b.camera_grad)
    kind, blocks = (CAMERA_MODELS.index(s.camera_model), b.by_axes, untouched), camera_blocks(b.n, b.camera_grad)
    _project_grad(*kind, b.cameras, b.n, *inputs, splats_bar, *rows, *cameras, *limits, *blocks)


def camera_blocks(n: int, camera_grad: bool) -> tuple[int, int, int, int]:
    """How threads share out ``n`` Gaussians: blocks, Gaussians of one, strides from block to block and within one.

    A block adds its share of the camera's gradient once. On a GPU neighbouring threads take neighbouring Gaussians.
    """
    if runs_on_cpu():
        return -(-n // CAMERA_BLOCK_CPU), CAMERA_BLOCK_CPU, CAMERA_BLOCK_CPU, 1
    size = max(CAMERA_BLOCK_GPU, -(-n // CAMERA_BLOCKS_GPU)) if camera_grad else 1
    blocks = -(-n // size)
    return blocks, size, 1, blocks


@ti.func
def _conic_adjoint(conic, conic_bar):
    """G of the module's docstring: -conic V conic."""
    q = ti.Matrix([[conic[0], conic[1]], [conic[1], conic[2]]])
    v = ti.Matrix([[conic_bar[0], 0.5 * conic_bar[1]], [0.5 * conic_bar[1], conic_bar[2]]])
    return -(q @ v @ q)


@ti.func
def _root_adjoint(
    quats: ti.template(),
    scales: ti.template(),
    p,
    w,
    j0,
    j1,
    g,
    sharp_bar,
    quats_bar: ti.template(),
    scales_bar: ti.template(),
):
    """Gradients of the rows of J and of W as a 5×3 matrix; those of quaternion and scales are added to."""
    world_root = covariance_root(quats, scales, p)
    root = w @ world_root
    m0, m1 = root.transpose() @ j0, root.transpose() @ j1
    area = m0.cross(m1)
    m0_bar = 2.0 * (g[0, 0] * m0 + g[0, 1] * m1 + sharp_bar * m1.cross(area))
    m1_bar = 2.0 * (g[0, 1] * m0 + g[1, 1] * m1 + sharp_bar * area.cross(m0))
    root_bar = j0.outer_product(m0_bar) + j1.outer_product(m1_bar)
    add_root_adjoint(quats, scales, p, w.transpose() @ root_bar, quats_bar, scales_bar)
    return _rows(root @ m0_bar, root @ m1_bar, root_bar @ world_root.transpose())


@ti.func
def _covariance_adjoint(covars: ti.template(), p, w, j0, j1, g, covars_bar: ti.template()):
    """The same for a Gaussian that is given by its covariance."""
    sigma = symmetric_part(load_mat3(covars, p))
    cov = w @ sigma @ w.transpose()
    a0, a1 = cov @ j0, cov @ j1
    cross = j0.outer_product(j1)
    cov_bar = g[0, 0] * j0.outer_product(j0) + g[1, 1] * j1.outer_product(j1)
    cov_bar += g[0, 1] * (cross + cross.transpose())
    cov_w = cov_bar @ w
    add_mat3(covars_bar, p, w.transpose() @ cov_w)
    return _rows(2.0 * (g[0, 0] * a0 + g[0, 1] * a1), 2.0 * (g[0, 1] * a0 + g[1, 1] * a1), 2.0 * cov_w @ sigma)


@ti.func
def _rows(j0_bar, j1_bar, w_bar):
    """Two vectors and the rows of a matrix as the rows of one."""
    rows = ti.Matrix.zero(float, 5, 3)
    for j in ti.static(range(3)):
        rows[0, j], rows[1, j] = j0_bar[j], j1_bar[j]
        for i in ti.static(range(3)):
            rows[2 + i, j] = w_bar[i, j]
    return rows


@ti.func
def _clear_rows(
    by_axes: ti.template(),
    p,
    means_bar: ti.template(),
    first_shapes_bar: ti.template(),
    second_shapes_bar: ti.template(),
    opacities_bar: ti.template(),
):
    """Set the gradients of Gaussian ``p`` to 0."""
    opacities_bar[p] = 0.0
    for i in ti.static(range(3)):
        means_bar[p, i] = 0.0
        if ti.static(by_axes):
            second_shapes_bar[p, i] = 0.0
        else:
            for j in ti.static(range(3)):
                first_shapes_bar[p, i, j] = 0.0
    if ti.static(by_axes):
        for i in ti.static(range(4)):
            first_shapes_bar[p, i] = 0.0


@prepared
@ti.kernel
def _project_grad(
    model: ti.template(),
    by_axes: ti.template(),
    untouched: ti.template(),
    cameras: ti.i32,
    n: ti.i32,
    means: ti.types.ndarray(ndim=2),
    first_shapes: ti.types.ndarray(),
    second_shapes: ti.types.ndarray(),
    opacities: ti.types.ndarray(ndim=1),
    viewmats: ti.types.ndarray(ndim=3),
    Ks: ti.types.ndarray(ndim=3),
    radii: ti.types.ndarray(ndim=3),
    splats_bar: ti.types.ndarray(ndim=3),
    means_bar: ti.types.ndarray(ndim=2),
    first_shapes_bar: ti.types.ndarray(),
    second_shapes_bar: ti.types.ndarray(),
    opacities_bar: ti.types.ndarray(ndim=1),
    viewmats_bar: ti.types.ndarray(ndim=3),
    Ks_bar: ti.types.ndarray(ndim=3),
    width: float,
    height: float,
    eps2d: float,
    antialiased: ti.i32,
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
        if ti.static(untouched):
            for turn in range(block_size):
                p = block * block_stride + turn * stride
                if p < n:
                    _clear_rows(by_axes, p, means_bar, first_shapes_bar, second_shapes_bar, opacities_bar)
        for c in range(cameras):
            w, t, f, k = rotation(viewmats, c), translation(viewmats, c), focal(Ks, c), principal(Ks, c)
            w_bar, t_bar = 0.0 * w, 0.0 * t
            axes = image_axes(Ks, c)
            axes_bar, k_bar = 0.0 * axes, 0.0 * k
            for turn in range(block_size):
                p = block * block_stride + turn * stride
                if p < n and radii[c, p, 0] > 0:
                    mean = load_vec3(means, p)
                    centre = w @ mean + t
                    j0, j1 = jacobian_rows(model, centre, f, k, width, height)
                    image = image_covariance(by_axes, first_shapes, second_shapes, p, w, j0, j1)
                    xx, xy, yy, sharp = image[0], image[1], image[2], image[3]
                    det = sharp + eps2d * (xx + yy + eps2d)
                    conic = ti.Vector([yy + eps2d, -xy, xx + eps2d]) / det

                    g = _conic_adjoint(conic, conic_at(splats_bar, c, p))
                    factor, sharp_bar, opacity_bar = 1.0, 0.0, splats_bar[c, p, OPACITY]
                    if antialiased != 0:
                        factor = compensation(sharp, det)
                        if factor > 0:
                            share = opacities[p] * opacity_bar / (2.0 * ti.max(factor, COMPENSATION_MIN) * det)
                            sharp_bar = share * (1.0 - factor * factor)
                            for i in ti.static(range(2)):
                                g[i, i] -= share * factor * factor * eps2d
                    opacities_bar[p] = opacities_bar[p] + factor * opacity_bar

                    rows = ti.Matrix.zero(float, 5, 3)
                    if ti.static(by_axes):
                        rows = _root_adjoint(
                            *(
                                first_shapes,
                                second_shapes,
                                p,
                                w,
                                j0,
                                j1,
                                g,
                                sharp_bar,
                                first_shapes_bar,
                                second_shapes_bar,
                            )
                        )
                    else:
                        g += sharp_bar * ti.Matrix([[yy, -xy], [-xy, xx]])
                        rows = _covariance_adjoint(first_shapes, p, w, j0, j1, g, first_shapes_bar)
                    j0_bar = ti.Vector([rows[0, 0], rows[0, 1], rows[0, 2]])
                    j1_bar = ti.Vector([rows[1, 0], rows[1, 1], rows[1, 2]])

                    pixel_bar = mean_at(splats_bar, c, p)
                    centre_bar, axes_add, k_add = camera_adjoint(
                        model, centre, f, axes, k, width, height, pixel_bar, j0_bar, j1_bar
                    )
                    centre_bar[2] += splats_bar[c, p, DEPTH]
                    axes_bar += axes_add
                    k_bar += k_add

                    add_vec3(means_bar, p, w.transpose() @ centre_bar)
                    for i, j in ti.static(ti.ndrange(3, 3)):
                        w_bar[i, j] += rows[2 + i, j] + centre_bar[i] * mean[j]
                    t_bar += centre_bar
            if camera_wanted != 0:
                for i in ti.static(range(3)):
                    for j in ti.static(range(3)):
                        viewmats_bar[c, i, j] += w_bar[i, j]
                    viewmats_bar[c, i, 3] += t_bar[i]
                for i in ti.static(range(2)):
                    for j in ti.static(range(2)):
                        Ks_bar[c, i, j] += axes_bar[i, j]
                    Ks_bar[c, i, 2] += k_bar[i]
