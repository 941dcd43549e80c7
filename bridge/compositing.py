"""Tile lists and compositing of projected Gaussians as a torch function."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from bridge.binning import export_lists
from bridge.checks import expect_shape, expect_shapes
from bridge.exchange import clear, hand_over, load
from bridge.lent_memory import launches
from bridge.memory import available_bytes
from bridge.once_differentiable import once_differentiable
from bridge.projection import drop, export, needs_grad, seed
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
    expect_shape(OWNER, "radii", radii, ("C", "N", 2))
    c, n = radii.shape[:2]
    gaussians = {"means2d": means2d, "depths": depths, "conics": conics, "opacities": opacities}
    shapes: dict[str, tuple[int | str, ...]] = {"means2d": (c, n, 2), "depths": (c, n), "conics": (c, n, 3)}
    expect_shapes(OWNER, gaussians, {**shapes, "opacities": (c, n)})
    expect_shape(OWNER, "colors", colors, (1 if len(colors) == 1 else c, n, "D"))
    if backgrounds is not None:
        expect_shape(OWNER, "backgrounds", backgrounds, (c, colors.shape[-1]))
    projected = (radii, means2d, depths, conics, opacities)
    view = View(width, height, tile_size, "accumulated", absgrad)
    image, alphas, *lists = composite_checked(projected, colors, backgrounds, view)
    return Composited(image[..., :-1], alphas[..., 0], image[..., -1], *lists)


class View(NamedTuple):
    """What is composited besides its tensors."""

    width: int
    height: int
    tile_size: int
    depth: str
    """What the image's last channel holds besides colours: ``none``, ``accumulated`` or ``expected`` depth."""
    absgrad: bool


def composite_checked(projected, colors: Tensor, backgrounds: Tensor | None, view: View) -> tuple[Tensor, ...]:
    """``composite_gaussians`` of arguments that are known to be right.

    Args:
        projected: what ``project_gaussians`` returned.
        colors: [N, D], [1, N, D] or [C, N, D].

    Returns:
        image [C, H, W, D] or, with depth, [C, H, W, D + 1], alphas [C, H, W, 1], and the tile lists.
    """
    tensors = (*projected[1:], colors, backgrounds)
    return _Composite.apply(view, needs_grad(tensors), projected[0], *tensors)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, view, differentiable, radii, *tensors):
        colors = tensors[4]
        c, n, _ = radii.shape
        device = radii.device
        with launches():
            b = Compositing(
                c,
                n,
                colors.shape[-1],
                view.width,
                view.height,
                tile_size=view.tile_size,
                colors_per_camera=colors.ndim == 3 and len(colors) > 1,
                needs_grad=differentiable,
                absgrad=view.absgrad,
                depth=view.depth,
                background_grad=ctx.needs_input_grad[-1],
                available=available_bytes,
            )
            load(radii, b.radii)
            for tensor, array in zip(tensors, _inputs(b), strict=True):
                if tensor is not None:
                    load(tensor, array)
            composite(b)
            size = (c, view.height, view.width)
            image = hand_over(b.image, (*size, colors.shape[-1] + (view.depth != "none")), device)
            alphas = hand_over(b.alphas, (*size, 1), device)
            exported = export_lists(b.tiles, c, n, device)
        lists = (exported.tiles_per_gauss, exported.isect_offsets, exported.flatten_ids)
        ctx.mark_non_differentiable(*lists)
        # The kernels read their memory: torch watches it.
        ctx.save_for_backward(*tensors, radii, *lists[1:])
        ctx.buffers, ctx.shapes = b, [tensor.shape if tensor is not None else None for tensor in tensors]
        return image, alphas, *lists

    @staticmethod
    @once_differentiable
    def backward(ctx, *bars):
        means2d = ctx.saved_tensors[0]
        b = ctx.buffers
        with launches():
            seed(bars[:2], _outputs(b), _inputs(b))
            if b.absgrad:
                clear(b.means2d_abs)
            composite_grad(b)
            if b.absgrad:
                means2d.absgrad = hand_over(b.means2d_abs, means2d.shape, means2d.device)
            drop(_outputs(b))
            gradients = export(_inputs(b), ctx.shapes, ctx.needs_input_grad[3:], means2d.device)
        return None, None, None, *gradients


def _inputs(b: Compositing):
    return b.means2d, b.depths, b.conics, b.opacities2d, b.colors, b.backgrounds


def _outputs(b: Compositing):
    return b.image, b.alphas
