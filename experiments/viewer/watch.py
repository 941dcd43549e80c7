"""A window on a morph while it is optimised."""

import math
import time
import weakref
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bridge.controls import ControlOptimizer
from bridge.diffmpm import DiffMPM
from bridge.mpm_state import MPMState
from bridge.stress import kirchhoff_stress
from bridge.upsampler import Splats
from configs.morph import MorphConfig
from experiments.morph_scene import MorphScene
from experiments.viewer.camera import OrbitCamera
from experiments.viewer.display import unwatched
from experiments.viewer.parameter import Parameter
from experiments.viewer.source import Skin
from experiments.viewer.stage import morph_stage
from experiments.viewer.viewer import Viewer
from experiments.viewer.window import ViewerWindow
from experiments.views import View

SHARE = 0.08
"""Of the time that pictures may take from the optimisation, but for those that answer the user."""
SIZE = (960, 720)


class WatchSource:
    """The state at the end of the episode with the controls so far; its number is that of the iteration."""

    last: int | None = None
    seekable: bool = False
    home: OrbitCamera | None = None

    def __init__(self, config: MorphConfig, scene: MorphScene, sim: DiffMPM, state: MPMState, title: str):
        self.stage, self.title, self.sim, self.state = morph_stage(config, scene), title, sim, state
        self.parameters: list[Parameter] = []
        self.number, self.time = 0, 0.0
        self.skin = Skin(self.stage)
        self.slope: Tensor | None = None
        self.taken: weakref.ref[MPMState] | None = None
        """The optimiser's state that is shown; its graph must be free to go."""

    @property
    def x(self) -> Tensor:
        """[N, 3]."""
        return self.state.x

    @property
    def radii(self) -> Tensor:
        """[N]."""
        return self.stage.radii

    def base_colors(self) -> Tensor:
        """[N, 3]."""
        return self.stage.particle_colors

    def stress(self) -> Tensor:
        """[N, 3, 3]."""
        return kirchhoff_stress(self.sim, self.state)

    def gradient(self) -> Tensor | None:
        """What reached the particles' places when the optimiser last went backward [N, 3]."""
        return self.slope

    def take(self, optimizer: ControlOptimizer) -> None:
        """Show where the optimiser is. Its next update needs the gradient that is found here, and finds it done."""
        state = optimizer.current.state
        if self.taken is None or self.taken() is not state:
            self.taken = weakref.ref(state)
            parts: list[Tensor] = []
            state.x.register_hook(parts.append)
            _ = optimizer.gradient
            self.slope = torch.stack(parts).sum(dim=0) if parts else None
            self.state = state.detach()

    def splats(self, view: View) -> Splats:
        """On the surface as it is now."""
        return self.skin.splats(self.state)

    def seek(self, number: int) -> None:
        """There is only now."""

    def push(self, center: np.ndarray, radius: float, velocity: np.ndarray) -> bool:
        """The optimiser alone moves it."""
        return False


class MorphWatch:
    """Shows each state that it is called with, if there is time; while the viewer is halted, so is the caller.

    Raises:
        InputError: there is no Vulkan driver.
        KeyboardInterrupt: from a call: the window was closed, which ends the run as an interruption does.
    """

    def __init__(self, config: MorphConfig, scene: MorphScene, sim: DiffMPM, state: MPMState, output: Path):
        self.source = WatchSource(config, scene, sim, state, output.name)
        self.viewer = Viewer([self.source])
        self.viewer.look.shown |= {"target": True, "arrows": True}
        self.viewer.playing = True
        self.window = ViewerWindow(self.viewer, output.name, SIZE, output, unwatched(output))
        self._closed = False
        self._cost, self._since = 0.0, time.perf_counter()
        for _ in range(2):  # kernels compile, widgets appear
            self._frame()

    def __call__(self, optimizer: ControlOptimizer, losses: dict[str, float]) -> None:
        """After an iteration; ``losses`` are the objective, named first, and its weighted terms."""
        self.source.number += 1
        self._note(losses)
        while self.window.touched() and self.window.running and self.viewer.playing:
            self._frame(optimizer)
        if time.perf_counter() - self._since >= self._cost / SHARE:
            self._frame(optimizer)
        while not self.viewer.playing and self.window.running:
            self._frame(optimizer)
        if not self.window.running:
            self.close()
            raise KeyboardInterrupt

    def close(self) -> None:
        """Complete recordings, and close the window, if it is there."""
        if not self._closed:
            self._closed = True
            self.window.finish()

    def _note(self, losses: dict[str, float]) -> None:
        """A point of each curve; a term that is new had none before."""
        curves = self.viewer.curves
        for name in {**curves, **losses}:
            curve = curves.setdefault(name, [math.nan] * (self.source.number - 1))
            curve.append(losses.get(name, math.nan))

    def _frame(self, optimizer: ControlOptimizer | None = None) -> None:
        began = time.perf_counter()
        if optimizer:
            self.source.take(optimizer)
        self.window.frame()
        self._since = time.perf_counter()
        self._cost = self._since - began
