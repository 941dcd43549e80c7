"""What all films share: splats under the configuration's light, seen by one camera, added to a video."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bridge.shading import lights_and_material, shade
from bridge.upsampler import Splats
from configs.render import RenderConfig
from experiments.images import Video
from experiments.rendering import render_splats
from experiments.views import View


class Film:
    """Draws splats from ``view`` with ``height`` rows of pixels; a context manager that closes the video."""

    def __init__(self, render: RenderConfig, view: View, height: int, video: Video | None):
        self.render, self.view, self.video = render, _resized(view, height), video

    def draw(self, splats: Splats) -> np.ndarray:
        """Image [H, W, 3] in [0, 1]."""
        with torch.no_grad():
            lit = replace(splats, colors=self.light(splats.colors, splats.normals, splats.means))
            images = render_splats(lit, [self.view], self.render.background)
        return images.rgb[0].clamp(0, 1).cpu().numpy()

    def light(self, colors: Tensor, normals: Tensor, points: Tensor) -> Tensor:
        """Lit colours [..., 3] of points [..., 3]."""
        eye = torch.tensor(self.view.eye)
        return shade(colors, normals, points, eye, *lights_and_material(self.render.lighting, eye))

    def add(self, image: np.ndarray) -> None:
        """Append to the video, if there is one."""
        if self.video:
            self.video.add(image)

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        if self.video:
            self.video.close()


def _resized(view: View, height: int) -> View:
    """The same camera with ``height`` rows of pixels."""
    factor = height / view.height
    K = view.K * np.array([[factor], [factor], [1.0]])
    return View(view.viewmat, K, round(view.width * factor), height)
