"""What a drawn picture is made of: the Gaussians behind each pixel, the visibility of each Gaussian, median depth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bridge.exchange import from_torch, to_torch
from bridge.lent_memory import launches
from bridge.runtime import current
from bridge.splats import side_by_side
from configs.errors import InputError
from render.contributions import Contributions, find_contributions


@dataclass(frozen=True)
class PixelContributions:
    """The Gaussians that C images of W × H pixels are made of; not differentiable."""

    ids: Tensor
    """The nearest k Gaussians that contribute to each pixel, front to back, int32 [C, H, W, k]; -1 after the last."""
    weights: Tensor
    """Their weights alpha T [C, H, W, k]; 0 after the last. Their sum over all contributions is the pixel's alpha."""
    counts: Tensor
    """How many contribute to each pixel, kept or not, int32 [C, H, W]."""
    median_ids: Tensor
    """The last Gaussian that a pixel meets while more than half the light is left, int32 [C, H, W]; -1: none."""
    weight_sums: Tensor
    """Each Gaussian's weights summed over the pixels of an image [C, N]."""
    weight_maxima: Tensor
    """The largest weight of each Gaussian [C, N]: 0 is hidden or outside, near 1 is plainly seen."""


def pixel_contributions(meta: Mapping[str, Any], k: int = 8) -> PixelContributions:
    """Ids and weights of the Gaussians that each pixel sees, from the ``meta`` of ``rasterization``.

    Args:
        k: how many are kept for each pixel; memory grows with it, the other outputs do not depend on it.

    Raises:
        InputError: ``k`` is not a positive whole number, or more values than 32-bit indices count.
    """
    (c, n), (height, width) = meta["opacities"].shape, (meta["height"], meta["width"])
    if isinstance(k, bool) or int(k) != k or k < 1:
        raise InputError(f"pixel_contributions: k is {k}; expected a positive whole number")
    if c * height * width * k >= 2**31:
        raise InputError(f"pixel_contributions: {c * height * width * k} values for k = {k}; expected fewer than 2³¹")
    current()
    device = meta["opacities"].device
    with launches():
        b = Contributions(c, n, width, height, int(k))
        starts = meta["isect_offsets"].flatten()
        offsets = torch.cat([starts, starts.new_tensor([len(meta["flatten_ids"])])])
        splats = side_by_side([meta[name].detach() for name in ("means2d", "depths", "conics", "opacities")])
        lists = from_torch(offsets), from_torch(meta["flatten_ids"])
        find_contributions(b, from_torch(splats), *lists, meta["tile_size"], meta["tile_width"], meta["tile_height"])
        images = [to_torch(array, (c, height, width, int(k)), device) for array in (b.ids, b.weights)]
        images += [to_torch(array, (c, height, width), device) for array in (b.counts, b.median_ids)]
        return PixelContributions(*images, *(to_torch(a, (c, n), device) for a in (b.weight_sums, b.weight_maxima)))


def median_depth(meta: Mapping[str, Any], contributions: PixelContributions | None = None) -> Tensor:
    """Depth of the Gaussian at which half of a pixel's light is gone [C, H, W]; 0 where none contributes.

    The depth of the last Gaussian met with T > 1/2 (Huang et al., "2D Gaussian Splatting", SIGGRAPH 2024).
    Differentiable in the depths, hence in means and cameras; which Gaussian it is has no derivative. Unit: length.

    Args:
        contributions: spares the walk if ``pixel_contributions`` was called before.
    """
    ids = (contributions or pixel_contributions(meta, 1)).median_ids.long()
    depths = meta["depths"]
    if not depths.shape[1]:
        return depths.new_zeros(ids.shape)
    found = depths.gather(1, ids.clamp(min=0).flatten(1)).reshape(ids.shape)
    return torch.where(ids >= 0, found, torch.zeros_like(found))
