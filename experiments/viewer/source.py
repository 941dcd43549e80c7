"""What can be shown: particles or Gaussians at one moment, and how to come to another."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from bridge.mpm_state import MPMState
from bridge.surface import Surface
from bridge.upsampler import Splats
from configs.morph import MorphConfig
from experiments.splat_sets import joined
from experiments.viewer.camera import OrbitCamera
from experiments.viewer.loss_gradient import LossGradient
from experiments.viewer.parameter import Parameter
from experiments.viewer.stage import Stage
from experiments.views import View


class Source(Protocol):
    """A live simulation, a recorded run or a file of Gaussians."""

    title: str
    parameters: list[Parameter]
    """What can be changed while it runs."""

    @property
    def number(self) -> int:
        """The frame that is shown, from 0."""

    @property
    def last(self) -> int | None:
        """The last frame; None: there is always another."""

    seekable: bool
    """Whether there is another moment to go to."""
    home: OrbitCamera | None
    """Where it is seen from first; None: as its stage's first camera does."""

    @property
    def time(self) -> float:
        """Of the frame. Unit: time."""

    @property
    def stage(self) -> Stage | None:
        """None: there are only Gaussians."""

    @property
    def x(self) -> Tensor:
        """Positions of the particles, or centres of the Gaussians [N, 3]. Unit: length."""

    @property
    def radii(self) -> Tensor:
        """Of the spheres that stand for them [N]. Unit: length."""

    @property
    def state(self) -> MPMState | None:
        """None: there are only Gaussians."""

    def base_colors(self) -> Tensor:
        """Of the particles [N, 3]."""

    def stress(self) -> Tensor | None:
        """Kirchhoff stress [N, 3, 3], unit pressure, if it is known."""

    def gradient(self) -> Tensor | None:
        """Of the loss by the particles' places [N, 3], unit loss / length; None: there is no loss."""

    def splats(self, view: View) -> Splats:
        """Gaussians, not lit, as ``view`` sees them."""

    def seek(self, number: int) -> None:
        """Go to a frame; raises ``InputError`` or ``SimulationError`` and shows what it did before if it cannot."""

    def push(self, center: np.ndarray, radius: float, velocity: np.ndarray) -> bool:
        """Drag what is within ``radius`` of a point along; False: it cannot be."""


class Slope:
    """The gradient of a stage's loss, kept until the state changes; there is none but a morph's."""

    def __init__(self, stage: Stage):
        self._of: LossGradient | None = None
        if isinstance(stage.config, MorphConfig) and stage.morph:
            self._of = LossGradient(stage.config, stage.morph)
        self._kept: tuple[MPMState, Tensor] | None = None

    def at(self, state: MPMState) -> Tensor | None:
        """[N, 3]."""
        if self._of and (self._kept is None or self._kept[0] is not state):
            self._kept = state, self._of(state)
        return self._kept[1] if self._kept else None


class Skin:
    """Gaussians on the bodies of a stage."""

    def __init__(self, stage: Stage):
        self.stage = stage
        bodies = range(len(stage.spacings))
        self.upsamplers = [stage.upsampler(body) for body in bodies]
        self.members = [(stage.body == body).nonzero()[:, 0] for body in bodies]
        self._at_rest: dict[int, Surface] = {}

    def splats(self, state: MPMState) -> Splats:
        """Those of a state: of the surface at rest, carried along, or round ones of one found anew where it flows."""
        with torch.no_grad():
            return joined([self._body(number, state) for number in range(len(self.members))])

    def _body(self, number: int, state: MPMState) -> Splats:
        index, upsampler = self.members[number], self.upsamplers[number]
        x = state.x[index]
        if self.stage.flows[number]:
            return upsampler(x, torch.eye(3).to(x).expand(len(x), 3, 3), None)
        if number not in self._at_rest:
            self._at_rest[number] = upsampler.detect(self.stage.x[index])
        return upsampler(x, state.F_total[index], self._at_rest[number])
