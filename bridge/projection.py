"""The projection of Gaussians, and their covariances from quaternions and scales, as torch functions."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bridge.checks import expect_shape, expect_shapes
from bridge.exchange import load, to_torch
from bridge.runtime import current
from configs.errors import InputError
from kernels.lock import launch_lock
from render.camera_models import CAMERA_MODELS
from render.covariance import Covariance, covariance, covariance_grad
from render.projection import Projection, ProjectionSettings, project
from render.projection_adjoint import project_grad


def covariances(quats: Tensor, scales: Tensor) -> Tensor:
    """Covariances [N, 3, 3] from quaternions (w, x, y, z) [N, 4] of any length but 0 and scales [N, 3].

    Raises:
        InputError: shapes that do not fit.
    """
    current()
    expect_shape("covariances", "quats", quats, ("N", 4))
    expect_shape("covariances", "scales", scales, (len(quats), 3))
    return _Covariances.apply(quats, scales)


def project_gaussians(
    means: Tensor,
    covars: Tensor,
    opacities: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    settings: ProjectionSettings,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Project N Gaussians into C cameras; differentiable in every tensor, cameras included.

    Args:
        means: [N, 3]. covars: [N, 3, 3]. opacities: [N]. viewmats: [C, 4, 4]. Ks: [C, 3, 3].

    Returns:
        radii int32 [C, N, 2], means2d [C, N, 2], depths [C, N], conics [C, N, 3], opacities [C, N]; zeros for what the
        camera does not see. render.projection says what they are.

    Raises:
        InputError: shapes that do not fit, or an unknown camera model.
    """
    current()
    owner = "project_gaussians"
    expect_shape(owner, "means", means, ("N", 3))
    expect_shape(owner, "viewmats", viewmats, ("C", 4, 4))
    n = len(means)
    tensors = {"covars": covars, "opacities": opacities, "Ks": Ks}
    expect_shapes(owner, tensors, {"covars": (n, 3, 3), "opacities": (n,), "Ks": (len(viewmats), 3, 3)})
    if settings.camera_model not in CAMERA_MODELS:
        expected = ", ".join(CAMERA_MODELS)
        raise InputError(f"{owner}: camera_model is {settings.camera_model!r}; expected {expected}")
    inputs = (means, covars, opacities, viewmats, Ks)
    differentiable = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    return _Project.apply(settings, differentiable, *inputs)


def seed(bars, outputs, inputs) -> None:
    """Set the gradients of a stage's outputs, and those of its inputs to zero, before its adjoint runs."""
    for bar, array in zip(bars, outputs, strict=True):
        load(bar, array.grad)
    for array in inputs:
        array.grad.fill(0)


def export(arrays, shapes, needed, device) -> list[Tensor | None]:
    """Gradients of a stage's inputs as tensors; None for those that nobody asked for."""
    return [
        to_torch(array.grad, shape, device) if need else None
        for array, shape, need in zip(arrays, shapes, needed, strict=True)
    ]


class _Covariances(torch.autograd.Function):
    @staticmethod
    def forward(ctx, quats, scales):
        n = len(quats)
        with launch_lock:
            b = Covariance(n)
            load(quats, b.quats)
            load(scales, b.scales)
            covariance(b)
            ctx.save_for_backward(quats)
            ctx.buffers = b
            return to_torch(b.covars, (n, 3, 3), quats.device)

    @staticmethod
    @once_differentiable
    def backward(ctx, covars_bar):
        _ = ctx.saved_tensors  # raises if the graph was freed
        b = ctx.buffers
        inputs = (b.quats, b.scales)
        with launch_lock:
            seed([covars_bar], [b.covars], inputs)
            covariance_grad(b)
            return tuple(export(inputs, ((b.n, 4), (b.n, 3)), ctx.needs_input_grad, covars_bar.device))


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx, settings, differentiable, means, covars, opacities, viewmats, Ks):
        c, n, device = len(viewmats), len(means), means.device
        tensors = (means, covars, opacities, viewmats, Ks)
        with launch_lock:
            b = Projection(c, n, settings, needs_grad=differentiable)
            for tensor, array in zip(tensors, _inputs(b), strict=True):
                load(tensor, array)
            project(b)
            radii = to_torch(b.radii, (c, n, 2), device)
            outputs = [to_torch(a, (c, n, *a.shape[2:]), device) for a in _outputs(b)]
        ctx.mark_non_differentiable(radii)
        ctx.save_for_backward(means)
        ctx.buffers, ctx.shapes = b, [tensor.shape for tensor in tensors]
        return (radii, *outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, _, *bars):
        (means,) = ctx.saved_tensors
        b = ctx.buffers
        with launch_lock:
            seed(bars, _outputs(b), _inputs(b))
            project_grad(b)
            return None, None, *export(_inputs(b), ctx.shapes, ctx.needs_input_grad[2:], means.device)


def _inputs(b: Projection):
    return b.means, b.covars, b.opacities, b.viewmats, b.Ks


def _outputs(b: Projection):
    return b.means2d, b.depths, b.conics, b.opacities2d
