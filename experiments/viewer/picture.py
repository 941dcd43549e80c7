"""One source under one look from one camera: every view of the viewer, with and without a window."""

from dataclasses import dataclass, replace

import matplotlib
import numpy as np
import torch
from torch import Tensor

from bridge.normals import shortest_axes
from bridge.rasterization import rasterization
from bridge.runtime import current
from bridge.shading import lights_and_material, shade
from bridge.spheres import sphere_image
from bridge.upsampler import Splats
from configs.lighting import LightingConfig
from experiments.splat_sets import joined
from experiments.viewer.arrows import draw_arrows
from experiments.viewer.lines import draw_lines, grid_box
from experiments.viewer.look import Look
from experiments.viewer.quantities import particle_colors
from experiments.viewer.source import Source
from experiments.viewer.surroundings import Surroundings
from experiments.views import View

BACKGROUND = (1.0, 1.0, 1.0)
BOX = (0.55, 0.55, 0.6)
TARGET = (0.95, 0.6, 0.15)
TARGET_SHARE = 0.45
"""How much of the target is seen through what is there."""
AMBIENT = 0.35
LARGE = 1.2
"""Radius of a sphere that stands for a Gaussian of a surface, in its largest standard deviations."""


@dataclass
class Picture:
    """What is seen."""

    image: np.ndarray
    """[H, W, 3] in [0, 1]."""
    depth: np.ndarray
    """[H, W], 0 for nothing. Unit: length."""


class Painter:
    """Draws one source; keeps what need not be found anew for each picture."""

    def __init__(self, source: Source):
        self.source = source
        self.surroundings = Surroundings(source.stage) if source.stage else None
        self.background = source.stage.config.render.background if source.stage else BACKGROUND

    @property
    def overlays(self) -> set[str]:
        """Those that there is something for."""
        stage, around = self.source.stage, self.surroundings
        there = {"grid": stage, "colliders": around and around.obstacles, "floor": around and around.floor}
        morph = stage and stage.morph
        return {name for name, what in {**there, "target": morph, "arrows": morph}.items() if what}

    def draw(self, look: Look, view: View) -> Picture:
        """The picture with all overlays."""
        around = self.surroundings.splats(self.source, look) if self.surroundings else None
        with torch.no_grad():
            picture = (
                self._particles(look, view, around) if look.view == "particles" else self._splats(look, view, around)
            )
        stage = self.source.stage
        if stage and stage.target is not None and look.shown["target"]:
            self._blend_target(picture, view, stage.target, min(stage.spacings))
        if stage and look.shown["arrows"] and (gradient := self.source.gradient()) is not None:
            x = self.source.x.cpu().numpy()
            draw_arrows(picture.image, view, x, gradient.cpu().numpy(), min(stage.spacings))
        if stage and look.shown["grid"]:
            draw_lines(picture.image, picture.depth, view, grid_box(stage.mpm.grid), BOX)
        return picture

    def _particles(self, look: Look, view: View, around: Splats | None) -> Picture:
        x, radii, colors = self.source.x, self.source.radii, particle_colors(self.source, look)
        if around is not None:
            sizes = LARGE * torch.linalg.eigvalsh(around.covars)[:, -1].clamp(min=0).sqrt()
            # as spheres they would stand out of the surfaces that they lie on
            x = torch.cat([x, around.means - sizes[:, None] * around.normals])
            radii, colors = torch.cat([radii, sizes]), torch.cat([colors, around.colors])
        x, radii, colors = (value.to(_device()) for value in (x, radii, colors))
        return self._lit_spheres(x, radii, colors, view, None if around is None else around.normals.to(x))

    def _lit_spheres(self, x: Tensor, radii: Tensor, colors: Tensor, view: View, flat: Tensor | None = None) -> Picture:
        """Spheres under a light beside the camera; the last ones are lit as what has the normals ``flat`` [M, 3]."""
        seen = sphere_image(x, radii, view.viewmat, view.K, view.width, view.height)
        index = seen.index.clamp(min=0)
        towards = -torch.tensor(view.viewmat[2, :3] + 0.6 * view.viewmat[1, :3] + 0.3 * view.viewmat[0, :3]).to(x)
        towards /= towards.norm()
        light = seen.normal @ towards
        if flat is not None and len(flat):
            beyond = index - (len(x) - len(flat))
            light = torch.where(beyond >= 0, (flat @ towards)[beyond.clamp(min=0)], light)
        light = AMBIENT + (1 - AMBIENT) * light.clamp(min=0)
        lit = (colors[index] * light[..., None]).clamp(0, 1)
        image = torch.where((seen.index >= 0)[..., None], lit, torch.tensor(self.background).to(x))
        return Picture(image.cpu().numpy(), seen.depth.cpu().numpy())

    def _splats(self, look: Look, view: View, around: Splats | None) -> Picture:
        splats = self.source.splats(view)
        if around is not None:
            splats = joined([splats, around])
        splats = Splats(**{name: value.to(_device()) for name, value in vars(splats).items()})
        if self.source.stage:
            splats = _lit(splats, self.source.stage.config.render.lighting, view)
        viewmats, Ks = (torch.tensor(matrix).to(splats.means)[None] for matrix in (view.viewmat, view.K))
        colors = _normals(splats, view) if look.view == "normals" else splats.colors
        arguments = (splats.means, None, None, splats.opacities, colors, viewmats, Ks, view.width, view.height)
        drawn, alphas, _ = rasterization(*arguments, render_mode="RGB+ED", covars=splats.covars)
        rgb, depth, alpha = drawn[0, ..., :3], drawn[0, ..., 3], alphas[0]
        depth = torch.where(alpha[..., 0] > 0.5, depth, torch.zeros_like(depth))
        if look.view == "rgb":
            image = rgb + (1 - alpha) * torch.tensor(self.background).to(rgb)
        elif look.view == "alpha":
            image = alpha.expand(-1, -1, 3)
        elif look.view == "depth":
            image = torch.from_numpy(_depth_colors(depth.cpu().numpy()))
        else:
            image = 0.5 + 0.5 * rgb
        return Picture(image.clamp(0, 1).cpu().numpy(), depth.cpu().numpy())

    def _blend_target(self, picture: Picture, view: View, points: np.ndarray, spacing: float) -> None:
        x = torch.from_numpy(points).to(_device(), self.source.x.dtype)
        radii = torch.full((len(x),), 0.62 * spacing).to(x)
        drawn = self._lit_spheres(x, radii, torch.tensor(TARGET).to(x).expand(len(x), 3), view)
        there = drawn.depth > 0
        picture.image[there] += TARGET_SHARE * (drawn.image[there] - picture.image[there])


def _device() -> torch.device:
    """Where pictures are made of the source's tensors: where the kernels run."""
    return torch.device("cuda" if current().backend == "cuda" and torch.cuda.is_available() else "cpu")


def _lit(splats: Splats, lighting: LightingConfig, view: View) -> Splats:
    eye = torch.tensor(view.eye)
    lights = lights_and_material(lighting, eye)
    return replace(splats, colors=shade(splats.colors, splats.normals, splats.means, eye, *lights))


def _normals(splats: Splats, view: View) -> Tensor:
    """Unit normals in the world's frame, turned to the camera [M, 3]; shortest axes where the splats have none."""
    towards = torch.tensor(view.eye).to(splats.means) - splats.means
    normals = splats.normals
    if not bool(normals.any()):
        normals = shortest_axes(splats.covars, towards)
    return normals * torch.where((normals * towards).sum(dim=1, keepdim=True) < 0, -1.0, 1.0).to(normals)


def _depth_colors(depth: np.ndarray) -> np.ndarray:
    """Near is bright [H, W, 3]; nothing is black."""
    there = depth > 0
    if not there.any():
        return np.zeros((*depth.shape, 3))
    low, high = depth[there].min(), depth[there].max()
    share = 1 - (depth - low) / max(high - low, 1e-12)
    return np.where(there[..., None], matplotlib.colormaps["viridis"](np.clip(share, 0, 1))[..., :3], 0.0)
