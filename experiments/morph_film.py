"""The pictures of a morph: a video of every recorded frame, before and after, and the final splats."""

from dataclasses import replace

import numpy as np
import torch

from bridge.mpm_state import MPMState
from bridge.surface import Surface
from bridge.upsampler import Splats, SurfaceUpsampler
from configs.morph import MorphConfig
from experiments.film import Film
from experiments.images import load_image, save_image
from experiments.mesh_image import rasterize_mesh
from experiments.morph_scene import MorphScene
from experiments.outputs import RunFolder
from experiments.surface_memory import SurfaceMemory
from experiments.views import View


class MorphFilm(Film):
    """Draws states from the first camera at the video's size."""

    def __init__(self, config: MorphConfig, scene: MorphScene, surface_of: SurfaceMemory, folder: RunFolder):
        video = folder.video(config.output.fps) if config.output.video else None
        super().__init__(config.render, scene.views[0], config.output.video_size, video)
        self.scene, self.surface_of, self.folder = scene, surface_of, folder
        self.upsampler = SurfaceUpsampler(config.drawn_upsample, scene.spacing, config.render.particle_color)
        self.surface: Surface | None = None
        self.before: np.ndarray | None = None
        self.splats_before: Splats | None = None

    def start(self, state: MPMState) -> None:
        """The state before the first episode; not yet in the video."""
        self.surface = self.surface_of(state.x)
        self.splats_before = self.splats(state)
        self.before = self.draw(self.splats_before)

    def add_frame(self, number: int, state: MPMState) -> None:
        """A recorded frame of the episode under way, as frames/NNNN.png and in the video."""
        if self.video:
            image = self.draw(self.splats(state))
            save_image(self.folder.frame_image(number), image)
            self.add(image)

    def replay(self, count: int) -> None:
        """The first frames of an interrupted run, from their pictures; what came after them is removed."""
        for path in self.folder.later_frames(count):
            path.unlink()
        for number in range(count) if self.video else []:
            self.add(load_image(self.folder.frame_image(number)))

    def end_episode(self, state: MPMState) -> None:
        """The next episode starts from this state: its surface is found anew."""
        self.surface = self.surface_of(state.x)

    def write_last(self, folder: RunFolder, state: MPMState) -> None:
        """before_after.png and splats_final.ply of the last state, and its points if ``upsample.png`` asks for them."""
        splats = self.splats(replace(state, F_total=torch.eye(3).to(state.x).expand(len(state.x), 3, 3)))
        folder.write_splats(splats)
        if self.upsampler.config.png.enabled and self.splats_before is not None:
            folder.write_surface(self.splats_before, splats, self.upsampler.config.png)
        folder.write_before_after({"start": self.before, "end": self.draw(splats), "target": self._draw_target()})

    def splats(self, state: MPMState) -> Splats:
        """The Gaussians of a state of the episode under way."""
        with torch.no_grad():
            return self.upsampler(state.x, state.F_total, self.surface)

    def _draw_target(self) -> np.ndarray:
        """The target mesh under the same light."""
        mask, depth = rasterize_mesh(*self.scene.target_mesh, self.view)
        points, normals = (torch.from_numpy(array) for array in _surface_from_depth(depth, self.view))
        color = torch.tensor(self.render.particle_color, dtype=points.dtype).expand_as(points)
        lit = self.light(color, normals, points).clamp(0, 1).numpy()
        return np.where(mask[..., None], lit, np.array(self.render.background))


def _surface_from_depth(depth: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Points and normals [H, W, 3] in the world of the surface that a depth image [H, W] shows."""
    v, u = np.mgrid[: view.height, : view.width] + 0.5
    rays = np.stack([(u - view.K[0, 2]) / view.K[0, 0], (v - view.K[1, 2]) / view.K[1, 1], np.ones_like(u)], axis=-1)
    points = (rays * depth[..., None] - view.viewmat[:3, 3]) @ view.viewmat[:3, :3]
    return points, np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
