"""One evaluation of the solver: its inputs, the states that the adjoint needs, its outputs, and their gradients."""

import math

import numpy as np
import taichi as ti

from configs.errors import InputError
from kernels.arrays import int_array, real_array, real_dtype, scratch_array
from mpm.constants import COUNT
from mpm.state import COMPONENTS

NO_CONTROL = -1
"""``interval`` of a step that no control enters."""
_NO_STEP = 2**31 - 1


class Rollout:
    """Taichi arrays of a rollout of ``steps`` steps of ``n`` particles.

    Inputs (``.grad`` is added to by the adjoint): ``initial [1, 33, N]`` (mpm.state), ``controls [S, N, 3, 3]``,
    ``material [2 + parameters, N]`` and ``constants [12]`` (mpm.constants; only gravity has a gradient).
    Outputs (``.grad`` is read): ``frames [K, 33, N]``, the states after every ``record_every`` steps; the last
    is the final state.
    """

    def __init__(
        self,
        n: int,
        steps: int,
        intervals: int = 0,
        parameters: int = 2,
        record_every: int | None = None,
        differentiable: bool = True,
        memory_budget_mb: float = 2048.0,
    ):
        if intervals and steps % intervals:
            raise InputError(f"DiffMPM: {intervals} control intervals do not divide steps={steps}")
        if steps < 1:
            raise InputError(f"DiffMPM: steps is {steps}; expected at least 1")
        record_every = steps if record_every is None else record_every
        if record_every < 1 or steps % record_every:
            raise InputError(f"DiffMPM: record_every={record_every} does not divide steps={steps}; expected a divisor")
        self.n, self.steps, self.intervals, self.record_every = n, steps, intervals, record_every
        self.differentiable = differentiable
        self.segment = segment_length(steps, n, memory_budget_mb) if differentiable else min(steps, 8)
        self.initial = real_array(1, COMPONENTS, n, needs_grad=differentiable)
        self.controls = real_array(intervals, n if intervals else 1, 3, 3, needs_grad=differentiable)
        self.material = real_array(2 + parameters, n, needs_grad=differentiable)
        self.constants = real_array(COUNT, needs_grad=differentiable)
        self.frames = real_array(steps // record_every, COMPONENTS, n, needs_grad=differentiable)
        segments = math.ceil(steps / self.segment)
        self.states = scratch_array(self.segment + 1, COMPONENTS, n)
        """States of the segment in work; slot 0 is its start."""
        self.checkpoints = scratch_array(segments if differentiable and segments > 1 else 1, COMPONENTS, n)
        """Starts of all segments."""
        self.status = int_array(3)
        self.clear_status()

    @property
    def checkpointed(self) -> bool:
        """Whether the adjoint recomputes segments."""
        return self.differentiable and self.segment < self.steps

    def interval_of(self, step: int) -> int:
        """The control that enters this step, or ``NO_CONTROL``."""
        if not self.intervals:
            return NO_CONTROL
        stride = self.steps // self.intervals
        return step // stride if step % stride == 0 else NO_CONTROL

    def clear_status(self) -> None:
        """Forget particles found outside the grid."""
        self.status.from_numpy(np.array([0, _NO_STEP, _NO_STEP], dtype=np.int32))

    def outside(self) -> tuple[int, int, int] | None:
        """(number of particles, step, first particle) of the first step that found any outside the grid."""
        count, step, first = (int(value) for value in self.status.to_numpy())
        return (count, step, first) if count else None


def segment_length(steps: int, n: int, memory_budget_mb: float) -> int:
    """The largest number of steps whose states fit the budget beside the checkpoints of all segments.

    Raises:
        InputError: not even the most economical length (about √steps) fits.
    """
    bytes_per_state = COMPONENTS * n * (8 if real_dtype() == ti.f64 else 4)
    budget = memory_budget_mb * 2**20 / bytes_per_state
    if steps + 1 <= budget:
        return steps
    economical = max(1, math.isqrt(steps))
    lengths = [k for k in range(economical, steps) if k + 1 + math.ceil(steps / k) <= budget]
    if not lengths:
        needed = (economical + 1 + math.ceil(steps / economical)) * bytes_per_state / 2**20
        raise InputError(
            f"mpm.memory_budget_mb is {memory_budget_mb:g}; {steps} steps of {n} particles need at least {needed:.0f}"
        )
    return lengths[-1]
