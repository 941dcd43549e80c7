"""Pictures of splats from several cameras in one call."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bridge.rasterization import rasterization
from bridge.upsampler import Splats
from experiments.views import View


@dataclass
class Images:
    """What C cameras see."""

    rgb: Tensor
    """[C, H, W, 3], background included."""
    alpha: Tensor
    """[C, H, W]."""
    depth: Tensor
    """Expected depth [C, H, W]; 0 where alpha is 0. Unit: length."""


def render_splats(splats: Splats, views: list[View], background: tuple[float, float, float]) -> Images:
    """Draw the splats from all views, which have one size; differentiable in every splat tensor."""
    like = splats.means
    viewmats, Ks = (
        torch.tensor(np.stack([getattr(view, name) for view in views])).to(like) for name in ("viewmat", "K")
    )
    colors, alphas, _ = rasterization(
        splats.means,
        None,
        None,
        splats.opacities,
        splats.colors,
        viewmats,
        Ks,
        views[0].width,
        views[0].height,
        render_mode="RGB+ED",
        covars=splats.covars,
    )
    alpha = alphas[..., 0]
    # composited here: a background of four channels would have to say what depth lies behind everything
    rgb = colors[..., :3] + (1 - alphas) * torch.tensor(background).to(like)
    return Images(rgb, alpha, colors[..., 3])
