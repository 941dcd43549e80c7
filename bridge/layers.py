"""Drawn splats over a colour, an image, or an image with depth; differentiable in every tensor."""

import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_shape
from configs.errors import InputError

OWNER = "composite_over"


def composite_over(
    colors: Tensor,
    alphas: Tensor,
    background: Tensor,
    depths: Tensor | None = None,
    background_depths: Tensor | None = None,
) -> Tensor:
    """``colors + (1 - alphas) background`` (Porter and Duff, SIGGRAPH 1984), where the splats pass the z-test.

    Args:
        colors: what ``rasterization`` drew without backgrounds [..., H, W, D], already weighted by alpha.
        alphas: [..., H, W, 1].
        background: one colour [D], or an image [..., H, W, D].
        depths: depth of the splats [..., H, W, 1], such as render mode ``ED`` or ``meta["median_depths"]``; needed
            for the z-test. Unit: length.
        background_depths: depth of the background [..., H, W, 1], along the view like ``depths``: where it is smaller,
            the background hides the splats of that pixel. Infinity is far away. Unit: length.

    Returns:
        [..., H, W, D]. The choice of the z-test is not differentiated.

    Raises:
        InputError: shapes that do not fit, values that are not finite, one depth without the other.
    """
    size, d = tuple(colors.shape[:-1]), colors.shape[-1]
    expect_shape(OWNER, "alphas", alphas, (*size, 1))
    if background.ndim > 1:
        expect_shape(OWNER, "background", background, (*size, d))
    else:
        expect_shape(OWNER, "background", background, (d,))
    for name, tensor in (("colors", colors), ("alphas", alphas), ("background", background)):
        expect_finite(OWNER, name, tensor)
    over = colors + (1 - alphas) * background
    if depths is None and background_depths is None:
        return over
    if depths is None or background_depths is None:
        missing = "depths" if depths is None else "background_depths"
        raise InputError(f"{OWNER}: {missing} is None; expected both depths, or none")
    expect_shape(OWNER, "depths", depths, (*size, 1))
    expect_shape(OWNER, "background_depths", background_depths, (*size, 1))
    expect_finite(OWNER, "depths", depths)
    if background_depths.isnan().any():
        raise InputError(f"{OWNER}: background_depths has a NaN; expected lengths, or infinity for far away")
    return torch.where(depths <= background_depths, over, background.expand_as(over))
