"""The four tensors of projected Gaussians, which lie side by side in one array: kernels read that."""

from collections.abc import Sequence

import torch
from torch import Tensor

from render.splats import CONIC, DEPTH, MEAN, NUMBERS, OPACITY, WIDTHS

PLACES = (MEAN, DEPTH, CONIC, OPACITY)


def columns(splats: Tensor) -> tuple[Tensor, ...]:
    """means2d [C, N, 2], depths [C, N], conics [C, N, 3], opacities [C, N] in the memory of ``splats`` [C, N, 7]."""
    # Unsafe: no views, which torch lets nobody change in place. Nobody changes ``splats``.
    means2d, depths, conics, opacities = torch.unsafe_split_with_sizes(splats, WIDTHS, -1)
    return means2d, depths.squeeze_(-1), conics, opacities.squeeze_(-1)


def side_by_side(parts: Sequence[Tensor | None]) -> Tensor:
    """The inverse: the memory that the parts still share, else a copy; zeros for those that are None."""
    first = parts[0]
    if first is not None and _adjoin(parts, first):
        return first.as_strided((*first.shape[:2], NUMBERS), first.stride())
    like = next(part for part in parts if part is not None)
    rows = [
        like.new_zeros(*like.shape[:2], width) if part is None else part.reshape(*like.shape[:2], width)
        for part, width in zip(parts, WIDTHS, strict=True)
    ]
    return torch.cat(rows, dim=-1)


def _adjoin(parts: Sequence[Tensor | None], first: Tensor) -> bool:
    """Whether the parts are the columns of one array that begins with ``first``."""
    strides, address = (first.shape[1] * NUMBERS, NUMBERS), first.data_ptr()
    for part, place in zip(parts, PLACES, strict=True):
        if part is None or part.stride()[:2] != strides or part.data_ptr() != address + place * first.itemsize:
            return False
    return first.shape[1] > 0
