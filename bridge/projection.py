"""The projection of Gaussians, and their covariances from quaternions and scales, as torch functions."""

import torch
from torch import Tensor

from bridge.checks import expect_shape, expect_shapes
from bridge.exchange import clear, expect_alive, expect_runtime, hand_over, load, put, take
from bridge.lent_memory import launches
from bridge.once_differentiable import once_differentiable
from bridge.runtime import current
from bridge.splats import columns, side_by_side
from configs.errors import InputError
from kernels.arrays import real_array, scratch_array
from render.camera_models import CAMERA_MODELS
from render.covariance import Covariance, covariance, covariance_grad
from render.projection import Projection, ProjectionSettings, project
from render.projection_adjoint import project_adjoint
from render.splats import NUMBERS, Projected


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
    covars: Tensor | None,
    opacities: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    settings: ProjectionSettings,
    quats: Tensor | None = None,
    scales: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Project N Gaussians into C cameras; differentiable in every tensor, cameras included.

    Args:
        means: [N, 3]. covars: [N, 3, 3]. opacities: [N]. viewmats: [C, 4, 4]. Ks: [C, 3, 3].
        quats, scales: [N, 4] and [N, 3] instead of ``covars``, which is then None.

    Returns:
        radii int32 [C, N, 2], means2d [C, N, 2], depths [C, N], conics [C, N, 3], opacities [C, N]; zeros for what the
        camera does not see. render.projection says what they are.

    Raises:
        InputError: shapes that do not fit, or an unknown camera model.
    """
    owner = "project_gaussians"
    expect_shape(owner, "means", means, ("N", 3))
    expect_shape(owner, "viewmats", viewmats, ("C", 4, 4))
    n = len(means)
    expect_shapes(owner, {"opacities": opacities, "Ks": Ks}, {"opacities": (n,), "Ks": (len(viewmats), 3, 3)})
    if covars is None:
        expect_shape(owner, "quats", quats, (n, 4))
        expect_shape(owner, "scales", scales, (n, 3))
    else:
        expect_shape(owner, "covars", covars, (n, 3, 3))
    if settings.camera_model not in CAMERA_MODELS:
        expected = ", ".join(CAMERA_MODELS)
        raise InputError(f"{owner}: camera_model is {settings.camera_model!r}; expected {expected}")
    return project_checked(means, covars, opacities, viewmats, Ks, settings, quats, scales)[0]


def project_checked(
    means, covars, opacities, viewmats, Ks, settings, quats, scales, tile_size=None, looked_at=None
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor, Tensor], Projected]:
    """``project_gaussians`` of arguments that are known to be right, and the same as arrays, tiles counted.

    Args:
        looked_at: tensors of one row a Gaussian, camera, Gaussian whose values are looked at too, see
            render.projection.Projection; None stands for one that is not there, or for no look at all.
    """
    shapes = (quats, scales) if covars is None else (covars,)
    tensors = (means, *shapes, opacities, viewmats, Ks)
    means2d, depths, conics, lowered, radii, arrays = _Project.apply(settings, tile_size, looked_at, *tensors)
    return (radii, means2d, depths, conics, lowered), arrays


def needs_grad(tensors) -> bool:
    """Whether a stage of these inputs will be asked for gradients; None stands for an input that is not there."""
    return torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors)


def seed(bars, outputs, inputs) -> None:
    """Set the gradients of a stage's outputs, and those of its inputs to zero, before its adjoint runs."""
    expect_alive(outputs[0])
    for bar, array in zip(bars, outputs, strict=True):
        load(bar, array.grad)
    for array in inputs:
        clear(array.grad)


def export(arrays, shapes, needed, device) -> list[Tensor | None]:
    """Gradients of a stage's inputs as tensors; None for those that nobody asked for."""
    gradients = [
        hand_over(array.grad, shape, device) if need else None
        for array, shape, need in zip(arrays, shapes, needed, strict=True)
    ]
    drop(arrays)
    return gradients


def drop(arrays) -> None:
    """After the adjoint: these gradients are read no more."""
    for array in arrays:
        clear(array.grad)


class _Covariances(torch.autograd.Function):
    @staticmethod
    def forward(ctx, quats, scales):
        n = len(quats)
        with launches():
            b = Covariance(n)
            load(quats, b.quats)
            load(scales, b.scales)
            covariance(b)
            ctx.save_for_backward(quats, scales)
            ctx.buffers = b
            return hand_over(b.covars, (n, 3, 3), quats.device)

    @staticmethod
    @once_differentiable
    def backward(ctx, covars_bar):
        _ = ctx.saved_tensors  # raises if the graph was freed
        b = ctx.buffers
        inputs = (b.quats, b.scales)
        with launches():
            seed([covars_bar], [b.covars], inputs)
            covariance_grad(b)
            drop([b.covars])
            return tuple(export(inputs, ((b.n, 4), (b.n, 3)), ctx.needs_input_grad, covars_bar.device))


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx, settings, tile_size, looked_at, *tensors):
        means, viewmats = tensors[0], tensors[-2]
        c, n, device = viewmats.shape[0], means.shape[0], means.device
        by_axes, camera_grad = len(tensors) == 6, any(ctx.needs_input_grad[-2:])
        with launches(tensors=True):
            inputs = [put(tensor) for tensor in tensors]
            if looked_at is not None:
                looked_at = [inputs[-1] if tensor is None else put(tensor) for tensor in looked_at]
            b = Projection(c, n, settings, False, camera_grad, by_axes, inputs, tile_size, looked_at)
            project(b)
            radii, splats = take(b.radii, (c, n, 2), device), take(b.splats, (c, n, NUMBERS), device)
        arrays = Projected(b.radii, b.splats, b.counted)
        b.looked_at = b.counted = b.splats = None  # the adjoint does without
        ctx.mark_non_differentiable(radii)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, radii)  # the kernels read their memory: torch watches it
        ctx.stage, ctx.runtime = b, current()
        return *columns(splats), radii, arrays

    @staticmethod
    @once_differentiable
    def backward(ctx, *bars):
        *tensors, radii = ctx.saved_tensors
        b, device = ctx.stage, radii.device
        expect_runtime(ctx.runtime)
        with launches(tensors=True):
            rows = [scratch_array(*tensor.shape) for tensor in tensors[:-2]]
            cameras = [b.viewmats, b.Ks]  # left alone where nobody asks
            if b.camera_grad:
                cameras = [real_array(*tensor.shape) for tensor in tensors[-2:]]
            twice = rows if b.by_axes else (rows[0], rows[1], rows[1], rows[2])
            project_adjoint(b, put(side_by_side(bars[:4])), twice, cameras, True)
            needed = zip((*rows, *cameras), tensors, ctx.needs_input_grad[3:], strict=True)
            gradients = [take(array, tensor.shape, device) if need else None for array, tensor, need in needed]
        return None, None, None, *gradients
