"""The pictures of a simulation: a video of every frame, and the final splats."""

import torch
from torch import Tensor

from bridge.mpm_state import MPMState
from bridge.surface import Surface
from bridge.upsampler import Splats, SurfaceUpsampler
from configs.simulate import SimulateConfig
from experiments.film import Film
from experiments.floor import Floor
from experiments.obstacles import find_obstacles
from experiments.outputs import RunFolder
from experiments.simulate_scene import SimulateScene
from experiments.splat_sets import joined


class SimulateFilm(Film):
    """Draws states from the first camera at the video's size."""

    def __init__(self, config: SimulateConfig, scene: SimulateScene, folder: RunFolder):
        fps = config.output.fps or 1 / config.frame_dt
        video = folder.video(fps) if config.output.video else None
        super().__init__(config.render, scene.views[0], config.output.video_size, video)
        self.bodies = [BodySurface(config, scene, number) for number in range(len(config.bodies))]
        self.floor = Floor.find(config.mpm)
        self.obstacles = find_obstacles(config.mpm)

    def add_frame(self, state: MPMState, time: float) -> None:
        """Append a state at ``time`` to the video, if there is one."""
        if not self.video:
            return
        splats = [body.splats(state) for body in self.bodies]
        splats += [obstacle.splats(time, state.x) for obstacle in self.obstacles]
        if self.floor:
            splats.append(self.floor.splats(state.x))
        self.add(self.draw(joined(splats)))

    def write_last(self, folder: RunFolder, state: MPMState) -> None:
        """splats_final.ply of the last state: the bodies only."""
        folder.write_splats(joined([body.splats(state) for body in self.bodies]))


class BodySurface:
    """The Gaussians of one body: those of its surface at rest, carried along, or of one found anew if it flows."""

    def __init__(self, config: SimulateConfig, scene: SimulateScene, number: int):
        body = config.bodies[number]
        color = body.color or config.render.particle_color
        self.upsampler = SurfaceUpsampler(config.upsample, scene.spacings[number], color)
        self.index: Tensor = (scene.body == number).nonzero()[:, 0]
        self.at_rest: Surface | None = None if config.flows(body) else self.upsampler.detect(scene.x[self.index])

    def splats(self, state: MPMState) -> Splats:
        """Gaussians of its surface; round ones where it flows: what F says of a fluid's shape is of no use."""
        x, F = state.x[self.index], state.F_total[self.index]
        if self.at_rest is None:
            F = torch.eye(3).to(x).expand(len(x), 3, 3)
        with torch.no_grad():
            return self.upsampler(x, F, self.at_rest)
