"""What stays the same in a picture of a configuration: bodies, cameras, surroundings; and what a simulation needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from bridge.upsampler import SurfaceUpsampler
from configs.base import Color
from configs.experiment import ExperimentConfig
from configs.morph import MorphConfig
from configs.mpm import MPMConfig
from configs.simulate import SimulateConfig
from experiments import morph_scene, simulate_scene
from experiments.viewer.camera import upward
from experiments.views import View

MORPH_FRAME = 10
"""Time steps from one frame of a morph to the next where it runs freely."""


@dataclass
class Stage:
    """The particles of all bodies at the start, row p being particle p, and what is around them."""

    config: ExperimentConfig
    mpm: MPMConfig
    steps: int
    """Of the simulator, in a frame."""
    x: Tensor
    """[N, 3]. Unit: length."""
    v: Tensor
    """[N, 3]. Unit: length / time."""
    mass: Tensor
    """[N]."""
    volume: Tensor
    """[N]. Unit: length³."""
    material_id: Tensor
    """int64 [N]."""
    body: Tensor
    """int64 [N]."""
    spacings: Sequence[float]
    """Of the particles of each body. Unit: length."""
    colors: Sequence[Color]
    """Of each body."""
    flows: Sequence[bool]
    """Whether each body's surface is found anew in each picture."""
    views: list[View]
    """The configuration's cameras."""
    morph: morph_scene.MorphScene | None = None
    """Of a morph: what it is to become."""

    @property
    def target(self) -> np.ndarray | None:
        """Points of what a morph is to become [P, 3]. Unit: length."""
        return self.morph.target_points if self.morph else None

    @property
    def up(self) -> np.ndarray:
        """Against gravity, along an axis [3]; without gravity, where the first camera has it."""
        return upward(self.mpm.gravity, self.views[0])

    @property
    def frame_dt(self) -> float:
        """Time from frame to frame."""
        return self.steps * self.mpm.step_dt

    @cached_property
    def radii(self) -> Tensor:
        """Of the spheres that stand for the particles [N]: those at rest just leave no gaps. Unit: length."""
        return 0.62 * torch.tensor(list(self.spacings)).to(self.x)[self.body]

    @cached_property
    def particle_colors(self) -> Tensor:
        """Each particle's body's [N, 3]."""
        return torch.tensor(list(self.colors)).to(self.x)[self.body]

    def upsampler(self, body: int) -> SurfaceUpsampler:
        """Of one body, for pictures."""
        return SurfaceUpsampler(self.config.drawn_upsample, self.spacings[body], self.colors[body])


def build_stage(config: ExperimentConfig) -> Stage:
    """The stage of any task.

    Raises:
        InputError: the configuration does not make a scene.
    """
    if isinstance(config, SimulateConfig):
        return _simulate_stage(config)
    assert isinstance(config, MorphConfig)
    return morph_stage(config, morph_scene.build_scene(config.stages[-1]))


def _simulate_stage(config: SimulateConfig) -> Stage:
    scene = simulate_scene.build_scene(config)
    return Stage(
        config=config,
        mpm=scene.mpm,
        steps=config.steps,
        x=scene.x,
        v=scene.v,
        mass=scene.mass,
        volume=scene.volume,
        material_id=scene.material_id,
        body=scene.body,
        spacings=scene.spacings,
        colors=[body.color or config.render.particle_color for body in config.bodies],
        flows=[config.flows(body) for body in config.bodies],
        views=scene.views,
    )


def morph_stage(config: MorphConfig, scene: morph_scene.MorphScene) -> Stage:
    """The stage of a morph whose scene is there."""
    x = scene.particles.x
    nothing = torch.zeros(len(x), dtype=torch.int64)
    return Stage(
        config=config,
        mpm=config.mpm,
        steps=1 if config.mpm.dt == "auto" else MORPH_FRAME,
        x=x,
        v=torch.zeros_like(x),
        mass=scene.particles.mass,
        volume=scene.particles.volume,
        material_id=nothing,
        body=nothing,
        spacings=[scene.spacing],
        colors=[config.render.particle_color],
        flows=[True],
        views=scene.views,
        morph=scene,
    )
