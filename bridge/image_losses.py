"""Losses on rendered images. All are means: neither resolution nor the number of cameras changes their scale."""

from torch import Tensor

from bridge.checks import expect_shape
from configs.errors import InputError


def rgb_loss(image: Tensor, target: Tensor, kind: str = "l1") -> Tensor:
    """Mean absolute (``l1``) or squared (``mse``) difference of images of one shape."""
    expect_shape("rgb_loss", "target", target, tuple(image.shape))
    return _mean_difference(image - target, kind)


def silhouette_loss(alpha: Tensor, target: Tensor, kind: str = "mse") -> Tensor:
    """Mean difference of the rendered alpha and the target's coverage, both in [0, 1] and of one shape."""
    expect_shape("silhouette_loss", "target", target, tuple(alpha.shape))
    return _mean_difference(alpha - target, kind)


def depth_loss(depth: Tensor, target: Tensor, alpha: Tensor, threshold: float = 0.5) -> Tensor:
    """Mean absolute difference of depths where both images show something.

    Args:
        depth, target: expected depth and target depth (0 where there is nothing) of one shape. Unit: length.
        alpha: the rendered alpha, same shape; pixels of no more than ``threshold`` are left out.
    """
    expect_shape("depth_loss", "target", target, tuple(depth.shape))
    mask = ((alpha.detach() > threshold) & (target > 0)).to(depth)
    return ((depth - target).abs() * mask).sum() / mask.sum().clamp_min(1)


def _mean_difference(difference: Tensor, kind: str) -> Tensor:
    if kind == "l1":
        return difference.abs().mean()
    if kind == "mse":
        return difference.square().mean()
    raise InputError(f"image loss: kind is {kind!r}; expected 'l1' or 'mse'")
