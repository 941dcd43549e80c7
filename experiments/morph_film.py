"""The pictures of a morph: a video of every recorded frame, before and after, and the final splats."""

from dataclasses import replace

import numpy as np
import torch

from bridge.mpm_state import MPMState
from bridge.shading import lights_and_material, shade
from bridge.upsampler import Splats, Surface, SurfaceUpsampler
from configs.experiment import ExperimentConfig
from experiments.images import Video
from experiments.mesh_image import rasterize_mesh
from experiments.morph_scene import MorphScene
from experiments.outputs import RunFolder
from experiments.rendering import render_splats
from experiments.views import View


class MorphFilm:
    """Draws states from the first camera at the video's size; a context manager that closes the video."""

    def __init__(self, config: ExperimentConfig, scene: MorphScene, upsampler: SurfaceUpsampler, folder: RunFolder):
        self.config, self.scene, self.upsampler = config, scene, upsampler
        self.view = _resized(scene.views[0], config.output.video_size)
        self.video: Video | None = folder.video(config.output.fps) if config.output.video else None
        self.surface: Surface | None = None
        self.before: np.ndarray | None = None

    def start(self, state: MPMState) -> None:
        """The state before the first episode."""
        self.surface = self.upsampler.detect(state.x)
        self.before = self._draw(self._splats(state))
        self._add(self.before)

    def add_episode(self, frames: list[MPMState]) -> None:
        """The frames of an episode that started where the last one ended."""
        for frame in frames if self.video else []:
            self._add(self._draw(self._splats(frame)))
        self.surface = self.upsampler.detect(frames[-1].x)

    def write_last(self, folder: RunFolder, state: MPMState) -> None:
        """before_after.png and splats_final.ply of the last state."""
        splats = self._splats(replace(state, F_total=torch.eye(3).to(state.x).expand(len(state.x), 3, 3)))
        folder.write_splats(splats)
        folder.write_before_after({"start": self.before, "end": self._draw(splats), "target": self._draw_target()})

    def _splats(self, state: MPMState) -> Splats:
        with torch.no_grad():
            return self.upsampler(state.x, state.F_total, self.surface)

    def _draw(self, splats: Splats) -> np.ndarray:
        with torch.no_grad():
            lit = replace(splats, colors=self._light(splats.colors, splats.normals, splats.means))
            images = render_splats(lit, [self.view], self.config.render.background)
        return images.rgb[0].clamp(0, 1).cpu().numpy()

    def _draw_target(self) -> np.ndarray:
        """The target mesh under the same light."""
        mask, depth = rasterize_mesh(*self.scene.target_mesh, self.view)
        points, normals = (torch.from_numpy(array) for array in _surface_from_depth(depth, self.view))
        color = torch.tensor(self.config.render.particle_color, dtype=points.dtype).expand_as(points)
        lit = self._light(color, normals, points).clamp(0, 1).numpy()
        return np.where(mask[..., None], lit, np.array(self.config.render.background))

    def _light(self, colors: torch.Tensor, normals: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        eye = torch.tensor(self.view.eye)
        return shade(colors, normals, points, eye, *lights_and_material(self.config.render.lighting, eye))

    def _add(self, image: np.ndarray) -> None:
        if self.video:
            self.video.add(image)

    def __enter__(self) -> "MorphFilm":
        return self

    def __exit__(self, *exception) -> None:
        if self.video:
            self.video.close()


def _surface_from_depth(depth: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Points and normals [H, W, 3] in the world of the surface that a depth image [H, W] shows."""
    v, u = np.mgrid[: view.height, : view.width] + 0.5
    rays = np.stack([(u - view.K[0, 2]) / view.K[0, 0], (v - view.K[1, 2]) / view.K[1, 1], np.ones_like(u)], axis=-1)
    points = (rays * depth[..., None] - view.viewmat[:3, 3]) @ view.viewmat[:3, :3]
    return points, np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))


def _resized(view: View, height: int) -> View:
    """The same camera with ``height`` rows of pixels."""
    factor = height / view.height
    K = view.K * np.array([[factor], [factor], [1.0]])
    return View(view.viewmat, K, round(view.width * factor), height)
