"""Where the loss of a morph would have the particles of any state go."""

import torch
from torch import Tensor

from bridge.diffmpm import DiffMPM
from bridge.mpm_state import MPMState
from bridge.upsampler import SurfaceUpsampler
from configs.morph import MorphConfig
from experiments.morph_objective import MorphObjective
from experiments.morph_scene import MorphScene

OF_THE_WAY = ("temporal", "control", "control_change")
"""Terms of controls and of the way to a state, not of the state."""


class LossGradient:
    """The gradient of a morph's objective by the particles' places, the state taken for the end of the last episode.

    Image terms have the configured weights, also with ``loss.render_share``.
    """

    def __init__(self, config: MorphConfig, scene: MorphScene):
        self.last = config.optimize.episodes - 1
        upsampler = SurfaceUpsampler(config.upsample, scene.spacing, config.render.particle_color)
        self.objective = MorphObjective(config, scene, DiffMPM(config.mpm), upsampler)

    def __call__(self, state: MPMState) -> Tensor:
        """[N, 3]; everything but the places is held. Unit: loss / length."""
        objective, state = self.objective, state.detach()
        state.F_total = torch.eye(3).to(state.x).expand_as(state.F)  # the surface is found anew, here
        objective.start_from(state, self.last)
        objective.weights = {name: w for name, w in objective.weights.items() if name not in OF_THE_WAY}
        if not objective.weights:
            return torch.zeros_like(state.x)
        with torch.enable_grad():
            state.x = state.x.clone().requires_grad_()
            total = objective.evaluate(state, state.x.new_zeros(1, 1, 3, 3)).total
            (gradient,) = torch.autograd.grad(total, state.x, allow_unused=True)
        return torch.zeros_like(state.x) if gradient is None else gradient
