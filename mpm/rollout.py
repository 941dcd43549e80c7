"""One evaluation of the solver: its inputs, the states that the adjoint needs, its outputs, and their gradients."""

import math
from typing import NamedTuple

import numpy as np
import taichi as ti

from configs.errors import InputError
from kernels.arrays import int_array, real_array, real_dtype, scratch_array
from kernels.launch import prepared
from mpm import status
from mpm.constants import COUNT, MATERIAL_LAW
from mpm.grid import NUMBERS, PIECE, Grid
from mpm.order import CellOrder
from mpm.state import INTERNAL

NO_CONTROL = -1
"""``interval`` of a step that no control enters."""
RING = 2
"""States that a rollout without a backward pass keeps."""


class Rollout:
    """Taichi arrays of a rollout of ``steps`` steps of ``n`` particles.

    Inputs (``.grad`` is added to by the adjoint): ``initial [33 N]`` (mpm.state; more with internal variables),
    ``controls [S, N, 3, 3]``, ``material [(2 + parameters) N]``, ``constants [13]`` (mpm.constants; only gravity
    and the walls' friction have gradients), and ``laws [N]``, the number of each particle's law; mpm.surroundings says
    what ``acceleration`` and ``collider_rows`` are. Outputs (``.grad`` is read): ``frames``, a list of
    states, those after every ``record_every`` steps; the last is the final state.
    """

    def __init__(
        self,
        n: int,
        steps: int,
        grid: Grid,
        order: CellOrder,
        intervals: int = 0,
        parameters: int = 2,
        internal: int = 0,
        record_every: int | None = None,
        differentiable: bool = True,
        memory_budget_mb: float = 2048.0,
        checkpoints_on_host: bool = False,
        surrounded_nodes: int = 0,
        collider_numbers: int = 0,
    ):
        if intervals and steps % intervals:
            raise InputError(f"DiffMPM: {intervals} control intervals do not divide steps={steps}")
        if steps < 1:
            raise InputError(f"DiffMPM: steps is {steps}; expected at least 1")
        record_every = steps if record_every is None else record_every
        if record_every < 1 or steps % record_every:
            raise InputError(f"DiffMPM: record_every={record_every} does not divide steps={steps}; expected a divisor")
        self.n, self.steps, self.intervals, self.record_every = n, steps, intervals, record_every
        self.internal, self.components = internal, INTERNAL + internal
        self.differentiable = differentiable
        size, on_device = self.components * n, not checkpoints_on_host
        self.segment = RING - 1
        self.keeps_workings = False
        if differentiable:
            work_size = 9 * n + NUMBERS * PIECE * grid.pieces
            self.segment, self.keeps_workings = plan_segments(steps, size, work_size, memory_budget_mb, on_device)
        self.initial = real_array(size, needs_grad=differentiable)
        self.controls = real_array(intervals, n if intervals else 1, 3, 3, needs_grad=differentiable)
        self.material = real_array((MATERIAL_LAW + parameters) * n, needs_grad=differentiable)
        self.laws = int_array(n)
        self.constants = real_array(COUNT, needs_grad=differentiable)
        self.surrounded = surrounded_nodes > 0
        self.acceleration = real_array(3 * surrounded_nodes, needs_grad=differentiable)
        self.collider_rows = real_array(collider_numbers, needs_grad=differentiable)
        self.frames = [real_array(size, needs_grad=differentiable) for _ in range(steps // record_every)]
        self.states = [scratch_array(size) for _ in range(self.segment + 1)]
        """States of one segment; slot s is the state after s of its steps. Without a backward pass, a ring."""
        self.checkpoints = Checkpoints(size, math.ceil(steps / self.segment) if self.checkpointed else 0, on_device)
        grids = [Grid(PIECE * grid.pieces) for _ in range(steps)] if self.keeps_workings else [grid]
        self._workings = [Workings(scratch_array(9 * n), grid) for grid in grids]
        self.order = order
        self.status = int_array(status.COUNT)
        self.clear_status()

    @property
    def checkpointed(self) -> bool:
        """Whether the adjoint recomputes segments."""
        return self.differentiable and self.segment < self.steps

    def workings(self, step: int) -> "Workings":
        """Of this step, made by the forward pass if ``keeps_workings``; otherwise memory to make them in."""
        return self._workings[step % len(self._workings)]

    def interval_of(self, step: int) -> int:
        """The control that enters this step, or ``NO_CONTROL``."""
        if not self.intervals:
            return NO_CONTROL
        stride = self.steps // self.intervals
        return step // stride if step % stride == 0 else NO_CONTROL

    def clear_status(self) -> None:
        """Forget what went wrong."""
        self.status.from_numpy(status.cleared())


class Workings(NamedTuple):
    """What a step computes on its way from one state to the next."""

    affine: ti.Ndarray
    """``[9 N]``: what P2G scatters beside mass and velocity."""
    grid: Grid


class Checkpoints:
    """Starts of segments, on the device or, at the price of copies, on the host."""

    def __init__(self, size: int, count: int, on_device: bool):
        self.on_device = on_device
        self.kept: list[ti.Ndarray | np.ndarray | None] = [None] * count
        if on_device:
            self.kept = [scratch_array(size) for _ in range(count)]

    def save(self, index: int, state: ti.Ndarray) -> None:
        """Keep a copy of ``state``."""
        if self.on_device:
            copy_state(state, self.kept[index])
        else:
            self.kept[index] = state.to_numpy()

    def restore(self, index: int, state: ti.Ndarray) -> None:
        """Overwrite ``state`` with the copy."""
        if self.on_device:
            copy_state(self.kept[index], state)
        else:
            state.from_numpy(self.kept[index])


def plan_segments(
    steps: int, size: int, work_size: int, memory_budget_mb: float, checkpoints_count: bool
) -> tuple[int, bool]:
    """Steps of a segment, and whether each step's workings are kept: if they fit the budget for all steps at once."""
    bytes_per_number = 8 if real_dtype() == ti.f64 else 4
    if ((steps + 1) * size + steps * work_size) * bytes_per_number <= memory_budget_mb * 2**20:
        return steps, True
    return segment_length(steps, size, memory_budget_mb, checkpoints_count), False


def segment_length(steps: int, size: int, memory_budget_mb: float, checkpoints_count: bool = True) -> int:
    """The largest number of steps whose states of ``size`` numbers fit the budget beside the segments' checkpoints.

    Raises:
        InputError: not even the most economical length (about √steps) fits.
    """
    bytes_per_state = size * (8 if real_dtype() == ti.f64 else 4)
    budget = memory_budget_mb * 2**20 / bytes_per_state
    if steps + 1 <= budget:
        return steps
    economical = max(1, math.isqrt(steps)) if checkpoints_count else 1
    lengths = [
        k for k in range(economical, steps) if k + 1 + (math.ceil(steps / k) if checkpoints_count else 0) <= budget
    ]
    if not lengths:
        states = economical + 1 + (math.ceil(steps / economical) if checkpoints_count else 0)
        raise InputError(
            f"mpm.memory_budget_mb is {memory_budget_mb:g}; {steps} steps of {bytes_per_state / 2**20:.3g} MiB each "
            f"need at least {math.ceil(states * bytes_per_state / 2**20)}"
        )
    return lengths[-1]


@prepared
@ti.kernel
def copy_state(source: ti.types.ndarray(ndim=1), target: ti.types.ndarray(ndim=1)):
    """``target = source``."""
    for i in range(source.shape[0]):
        target[i] = source[i]


@prepared
@ti.kernel
def add_state(source: ti.types.ndarray(ndim=1), target: ti.types.ndarray(ndim=1)):
    """``target += source``."""
    for i in range(source.shape[0]):
        target[i] = target[i] + source[i]
