"""Tile lists and compositing of projected Gaussians as a torch function."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from bridge.binning import TileLists, export_lists
from bridge.checks import expect_shape, expect_shapes
from bridge.exchange import expect_runtime, incoming, put, take
from bridge.lent_memory import launches
from bridge.memory import available_bytes
from bridge.once_differentiable import once_differentiable
from bridge.runtime import current
from bridge.splats import columns, side_by_side
from kernels.arrays import real_array, scratch_array
from render.compositing import Compositing, adjoint_overwrites, composite, composite_adjoint
from render.constants import TILE_SIZE
from render.splats import NUMBERS, Projected

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
    image, alphas, lists = composite_checked(projected, None, colors, backgrounds, view)
    counts, offsets, ids = lists.tiles_per_gauss, lists.isect_offsets, lists.flatten_ids
    return Composited(image[..., :-1], alphas[..., 0], image[..., -1], counts, offsets, ids)


class View(NamedTuple):
    """What is composited besides its tensors."""

    width: int
    height: int
    tile_size: int
    depth: str
    """What the image's last channel holds besides colours: ``none``, ``accumulated`` or ``expected`` depth."""
    absgrad: bool


def composite_checked(
    projected, arrays: Projected | None, colors: Tensor, backgrounds: Tensor | None, view: View
) -> tuple[Tensor, Tensor, TileLists]:
    """``composite_gaussians`` of arguments that are known to be right.

    Args:
        projected: what ``project_gaussians`` returned.
        arrays: what ``project_checked`` returned beside it for the same size of tiles; None: they are made of
            ``projected``.
        colors: [N, D], [1, N, D] or [C, N, D].

    Returns:
        image [C, H, W, D] or, with depth, [C, H, W, D + 1], alphas [C, H, W, 1], and the tile lists.
    """
    return _Composite.apply(view, projected[0], arrays, *projected[1:], colors, backgrounds)


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, view, radii, arrays, *tensors):
        *splats, colors, backgrounds = tensors
        (c, n, _), device, channels = radii.shape, radii.device, colors.shape[-1]
        per_camera = colors.ndim == 3 and len(colors) > 1
        with launches(tensors=True):
            if arrays is None:
                arrays = Projected(put(radii), put(side_by_side(splats)))
            if backgrounds is None:
                backgrounds = _black(c, channels, radii.device)
            inputs = put(colors, (c * n if per_camera else n, channels)), put(backgrounds)
            b = Compositing(
                c,
                n,
                channels,
                view.width,
                view.height,
                tile_size=view.tile_size,
                colors_per_camera=per_camera,
                projection=arrays,
                inputs=inputs,
                needs_grad=False,
                absgrad=view.absgrad,
                depth=view.depth,
                background_grad=ctx.needs_input_grad[-1],
                available=available_bytes,
            )
            composite(b)
            size = (c, view.height, view.width)
            image = take(b.image, (*size, channels + (view.depth != "none")), device)
            alphas = take(b.alphas, (*size, 1), device)
            lists = export_lists(b.tiles, c, n, device)
        b.image = b.alphas = b.counted = None  # the adjoint does without: no circle of references
        ctx.set_materialize_grads(False)
        # The kernels read their memory: torch watches it.
        ctx.save_for_backward(*tensors, radii, lists.isect_offsets, lists.flatten_ids)
        ctx.stage, ctx.runtime = b, current()
        return image, alphas, lists

    @staticmethod
    @once_differentiable
    def backward(ctx, *bars):
        means2d, _, _, _, colors, backgrounds, *_ = ctx.saved_tensors
        b, device, (*_, background_wanted) = ctx.stage, means2d.device, ctx.needs_input_grad
        expect_runtime(ctx.runtime)
        with launches(tensors=True):
            size, of_splats = (b.cameras, b.height, b.width), means2d.shape[:2]
            outputs = incoming(bars[0], (*size, b.channels + (b.depth_kind != 0))), incoming(bars[1], (*size, 1))
            overwritten = adjoint_overwrites(b)
            make = scratch_array if overwritten else real_array
            sums = [make(*of_splats, NUMBERS), make(*b.colors.shape)]
            # Arrays that are left alone stand for what nobody asked for.
            backgrounds_bar = real_array(*backgrounds.shape) if background_wanted else b.backgrounds
            absolute = make(*of_splats, 2) if b.absgrad else sums[0]
            composite_adjoint(b, outputs, sums, backgrounds_bar, absolute, overwritten)
            if b.absgrad:
                means2d.absgrad = take(absolute, means2d.shape, device)
            splats_bar = columns(take(sums[0], (*of_splats, NUMBERS), device))
            colors_bar = take(sums[1], colors.shape, device)
            backgrounds_bar = take(backgrounds_bar, backgrounds.shape, device) if background_wanted else None
        return None, None, None, *splats_bar, colors_bar, backgrounds_bar


@functools.lru_cache(maxsize=8)
def _black(cameras: int, channels: int, device: torch.device) -> Tensor:
    """Backgrounds where there are none; they are read only."""
    return torch.zeros(cameras, channels, dtype=current().dtype, device=device)
