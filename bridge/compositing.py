"""Tile lists and compositing of projected Gaussians as a torch function."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from bridge.binning import export_lists
from bridge.checks import expect_shape, expect_shapes
from bridge.exchange import clear, hand_over, load
from bridge.lent_memory import launches
from bridge.memory import available_bytes
from bridge.projection import drop, export, seed
from bridge.runtime import current
from render.compositing import Compositing, composite, composite_grad
from render.constants import TILE_SIZE

OWNER = "composite_gaussians"


@dataclass(frozen=True)
class Composited:
    """Images of C cameras and the tile lists they were made from."""

    colors: Tensor
    """[C, H, W, D], background included."""
    alphas: Tensor
    """[C, H, W]."""
    depths: Tensor
    """Accumulated depth Σ w z, [C, H, W]. Unit: length."""
    tiles_per_gauss: Tensor
    """Tiles that each Gaussian meets, int32 [C, N]."""
    isect_offsets: Tensor
    """Where each tile's list starts, int32 [C, rows, columns]."""
    flatten_ids: Tensor
    """All lists, entries c * N + n, nearest first, int32 [number of entries]."""


def composite_gaussians(
    radii: Tensor,
    means2d: Tensor,
    depths: Tensor,
    conics: Tensor,
    opacities: Tensor,
    colors: Tensor,
    backgrounds: Tensor | None,
    width: int,
    height: int,
    tile_size: int = TILE_SIZE,
    absgrad: bool = False,
) -> Composited:
    """Composite what ``bridge.projection.project_gaussians`` returned; differentiable in every float tensor.

    Args:
        colors: [1, N, D] for all cameras, or [C, N, D]; D may be 0.
        backgrounds: [C, D]; None is black.
        absgrad: after ``backward``, ``means2d.absgrad`` holds the absolute gradients summed over the pixels
            (Ye et al., "AbsGS", 2024).

    Raises:
        InputError: shapes that do not fit, or tile lists beyond memory or 32-bit indices.
    """
    current()
    expect_shape(OWNER, "radii", radii, ("C", "N", 2))
    c, n = radii.shape[:2]
    gaussians = {"means2d": means2d, "depths": depths, "conics": conics, "opacities": opacities}
    shapes: dict[str, tuple[int | str, ...]] = {"means2d": (c, n, 2), "depths": (c, n), "conics": (c, n, 3)}
    expect_shapes(OWNER, gaussians, {**shapes, "opacities": (c, n)})
    expect_shape(OWNER, "colors", colors, (1 if len(colors) == 1 else c, n, "D"))
    if backgrounds is not None:
        expect_shape(OWNER, "backgrounds", backgrounds, (c, colors.shape[-1]))
    if backgrounds is None:
        backgrounds = colors.new_zeros(len(radii), colors.shape[-1])
    tensors = (means2d, depths, conics, opacities, colors, backgrounds)
    differentiable = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    return Composited(*_Composite.apply((width, height), tile_size, absgrad, differentiable, radii, *tensors))


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, size, tile_size, absgrad, differentiable, radii, *tensors):
        colors = tensors[4]
        (c, n), device = radii.shape[:2], radii.device
        with launches():
            b = Compositing(
                c,
                n,
                colors.shape[-1],
                *size,
                tile_size=tile_size,
                colors_per_camera=len(colors) > 1,
                needs_grad=differentiable,
                absgrad=absgrad,
                background_grad=ctx.needs_input_grad[-1],
                memory=available_bytes(),
            )
            load(radii, b.radii)
            for tensor, array in zip(tensors, _inputs(b), strict=True):
                load(tensor, array)
            composite(b)
            outputs = [hand_over(a, shape, device) for a, shape in zip(_outputs(b), _output_shapes(b), strict=True)]
            exported = export_lists(b.tiles, c, n, device)
        lists = (exported.tiles_per_gauss, exported.isect_offsets, exported.flatten_ids)
        ctx.mark_non_differentiable(*lists)
        # The kernels read their memory: torch watches it.
        ctx.save_for_backward(*tensors, radii, *lists[1:])
        ctx.buffers, ctx.shapes = b, [tensor.shape for tensor in tensors]
        return (*outputs, *lists)

    @staticmethod
    @once_differentiable
    def backward(ctx, *bars):
        means2d = ctx.saved_tensors[0]
        b = ctx.buffers
        with launches():
            seed(bars[:3], _outputs(b), _inputs(b))
            clear(b.means2d_abs)
            composite_grad(b)
            if b.absgrad:
                means2d.absgrad = hand_over(b.means2d_abs, means2d.shape, means2d.device)
            drop(_outputs(b))
            gradients = export(_inputs(b), ctx.shapes, ctx.needs_input_grad[5:], means2d.device)
        return None, None, None, None, None, *gradients


def _inputs(b: Compositing):
    return b.means2d, b.depths, b.conics, b.opacities2d, b.colors, b.backgrounds


def _outputs(b: Compositing):
    return b.image, b.alphas, b.depth_map


def _output_shapes(b: Compositing):
    size = (b.cameras, b.height, b.width)
    return (*size, b.channels), size, size
