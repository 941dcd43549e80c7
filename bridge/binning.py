"""Tile lists of projected Gaussians as a torch function."""

from typing import NamedTuple

import torch
from torch import Tensor

from bridge.checks import expect_shape
from bridge.exchange import put, take
from bridge.lent_memory import launches
from bridge.memory import available_bytes
from bridge.runtime import current
from bridge.splats import side_by_side
from render.binning import Tiles
from render.binning import bin_gaussians as make_lists
from render.constants import TILE_SIZE


class TileLists(NamedTuple):
    """Which Gaussians meet which tile, nearest first; gsplat's names."""

    tiles_per_gauss: Tensor
    """Tiles that each Gaussian meets, int32 [C, N]."""
    isect_offsets: Tensor
    """Where each tile's list starts, int32 [C, rows, columns]."""
    flatten_ids: Tensor
    """All lists, entries c * N + n, int32 [number of entries]."""


def bin_gaussians(
    means2d: Tensor,
    radii: Tensor,
    depths: Tensor,
    width: int,
    height: int,
    tile_size: int = TILE_SIZE,
    conics: Tensor | None = None,
    opacities: Tensor | None = None,
) -> TileLists:
    """The tile lists that compositing uses, from what ``project_gaussians`` returned.

    Args:
        means2d: [C, N, 2], pixels. radii: int32 [C, N, 2], pixels. depths: [C, N].
        conics, opacities: [C, N, 3] and [C, N]: leave out the tiles of a Gaussian's box that it does not reach, as
            compositing does. None: whole boxes, gsplat 1.5.3's lists.

    Raises:
        InputError: shapes that do not fit, more entries than 32-bit indices or memory allow.
    """
    current()
    expect_shape("bin_gaussians", "depths", depths, ("C", "N"))
    cameras, n = depths.shape
    expect_shape("bin_gaussians", "means2d", means2d, (cameras, n, 2))
    expect_shape("bin_gaussians", "radii", radii, (cameras, n, 2))
    if conics is not None:
        expect_shape("bin_gaussians", "conics", conics, (cameras, n, 3))
    if opacities is not None:
        expect_shape("bin_gaussians", "opacities", opacities, (cameras, n))
    exact = conics is not None and opacities is not None
    with launches(tensors=True):
        splats = side_by_side([means2d, depths, conics, opacities] if exact else [means2d, depths, None, None])
        layout = (cameras, n, width, height, tile_size, available_bytes)
        tiles = make_lists(put(splats), put(radii), *layout, exact=exact)
        return export_lists(tiles, cameras, n, means2d.device)


def export_lists(tiles: Tiles, cameras: int, n: int, device: torch.device) -> TileLists:
    """Tensors of tile lists."""
    offsets = take(tiles.offsets, tuple(tiles.offsets.shape), device)
    ids = take(tiles.ids, (tiles.entries,), device)
    counts = take(tiles.counts, (cameras, n), device)
    shape = (cameras, tiles.rows, tiles.columns)
    return TileLists(counts, offsets.as_strided(shape, (shape[1] * shape[2], shape[2], 1)), ids)


def isect_ids(flatten_ids: Tensor, isect_offsets: Tensor, depths: Tensor) -> Tensor:
    """gsplat's sort keys, int64 [number of entries]: camera, tile, and the bits of the float32 depth."""
    tiles_of_camera = isect_offsets[0].numel()
    ends = torch.cat([isect_offsets.flatten()[1:], isect_offsets.new_tensor([len(flatten_ids)])])
    tile = torch.repeat_interleave(
        torch.arange(isect_offsets.numel(), device=ends.device), (ends - isect_offsets.flatten()).long()
    )
    bits = depths.detach().flatten()[flatten_ids.long()].to(torch.float32).view(torch.int32).long()
    camera, tile = tile // tiles_of_camera, tile % tiles_of_camera
    return (camera << (32 + tiles_of_camera.bit_length())) | (tile << 32) | bits
