"""How an episode of a morph begins and what the next one starts from."""

import torch
from torch import Tensor

from bridge.controls import ControlOptimizer
from bridge.mpm_state import MPMState
from bridge.physics_losses import limited, relaxed
from configs.morph import MorphConfig
from experiments.morph_objective import MorphObjective


def at_rest(x: Tensor) -> MPMState:
    """Particles ``x [N, 3]`` undeformed, without velocity."""
    eye = torch.eye(3, dtype=x.dtype, device=x.device).expand(len(x), 3, 3)
    return MPMState(x, torch.zeros_like(x), torch.zeros_like(eye), eye.clone(), eye.clone())


def episode_optimizer(
    config: MorphConfig, objective: MorphObjective, last_lr: float | None, controls: Tensor | None = None
) -> ControlOptimizer:
    """For the episode that ``objective`` has begun, from ``controls [S, N, 3, 3]`` or none.

    Args:
        last_lr: step length with which the last episode ended, if there was one.
    """
    o, start = config.optimize, objective.start
    assert start is not None
    if controls is None:
        controls = start.x.new_zeros(o.steps // o.control_stride, len(start.x), 3, 3)
    return ControlOptimizer(
        objective,
        controls,
        o.lr,
        # a step length that the last episode had to shrink is a better guess than the largest one
        None if last_lr is None else max(4 * last_lr, o.lr / 8),
        o.lr_growth,
        o.max_halvings,
        o.adam_floor,
        objective.refusal,
        o.optimizer,
        config.loss.conflict == "project",
    )


def next_start(config: MorphConfig, episode: int, end: MPMState) -> MPMState:
    """The state from which the episode after ``episode`` starts."""
    o = config.optimize
    start = MPMState(*(getattr(end, name).detach().contiguous() for name in ("x", "v", "C", "F", "F_total")))
    start.F = limited(start.F, o.max_stretch)
    if o.plasticity and episode >= o.plasticity_warmup:
        start.F = relaxed(start.F, o.plasticity)
    return start
