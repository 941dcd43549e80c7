"""Rollouts of the explicit MLS-MPM solver and their exact adjoint, on resident data."""

import math

import taichi as ti

from configs.mpm import FACES, MPMConfig
from kernels.arrays import from_numpy, real_array, scratch_array
from mpm.bspline import NODES
from mpm.constants import GRAVITY, SIZE, WALLS
from mpm.laws import LAWS
from mpm.laws.gradient import stress_gradient
from mpm.rollout import Rollout
from mpm.state import COMPONENTS, add_slot, copy_slot
from mpm.step import step_kernels


class Solver:
    """The simulation that a configuration describes; any number of rollouts may be alive on it.

    It owns the grid, which is scratch memory of one step: rollouts run one after another.
    """

    def __init__(self, config: MPMConfig):
        self.config = config
        self.law = LAWS[config.material.law]
        self.nodes = NODES[config.kernel]
        self.kernels = step_kernels(self.nodes, self.law.name)
        size = config.grid.size
        self.grid = scratch_array(4 * math.prod(size))
        self.grid_bar = scratch_array(1)
        self.gravity_bar = scratch_array(1)
        kinds = [WALLS[getattr(config.boundary, face)] for face in FACES]
        self.domain = from_numpy([*kinds, config.boundary.thickness, *size])

    def rollout(self, **sizes) -> Rollout:
        """A new evaluation: the arguments of ``Rollout`` but for those that the configuration knows."""
        rollout = Rollout(parameters=len(self.law.parameters), memory_budget_mb=self.config.memory_budget_mb, **sizes)
        if rollout.differentiable:
            self._prepare_adjoint(rollout.n)
        return rollout

    def _prepare_adjoint(self, n: int) -> None:
        """Fields may only be made on the thread that started Taichi: before torch's backward needs them."""
        stress_gradient(self.law, n)
        if tuple(self.grid_bar.shape) != tuple(self.grid.shape):
            self.grid_bar = scratch_array(self.grid.shape[0])
            self.gravity_bar = scratch_array(self.grid.shape[0] // 4 * 3)

    def step(self, rollout: Rollout, number: int, source: int, target: int) -> None:
        """states[source] -> states[target], the step ``number`` of the rollout."""
        self.kernels.step(
            rollout.states,
            source,
            target,
            rollout.controls,
            rollout.interval_of(number),
            rollout.material,
            self.grid,
            rollout.constants,
            self.domain,
            rollout.status,
            number,
        )

    def run_segment(self, rollout: Rollout, start: int, record: bool) -> None:
        """Run the segment that begins at step ``start``, whose state is in slot 0."""
        end = min(start + rollout.segment, rollout.steps)
        for number in range(start, end):
            slot = number - start
            self.step(rollout, number, slot, slot + 1)
            if record and (number + 1) % rollout.record_every == 0:
                copy_slot(rollout.states, slot + 1, rollout.frames, (number + 1) // rollout.record_every - 1)

    def step_adjoint(self, rollout: Rollout, number: int, slot: int, adjoint: ti.Ndarray) -> None:
        """``adjoint`` of the state after step ``number`` becomes that of the state before it, in ``slot``."""
        workspace = stress_gradient(self.law, rollout.n)
        interval = rollout.interval_of(number)
        self.kernels.scatter_adjoint(
            rollout.states,
            slot,
            slot + 1,
            rollout.controls,
            interval,
            rollout.material,
            rollout.material.grad,
            self.grid,
            self.grid_bar,
            self.gravity_bar,
            adjoint,
            workspace,
            rollout.constants,
            self.domain,
        )
        workspace.stress.grad(rollout.n)
        self.kernels.finish_adjoint(
            adjoint,
            rollout.controls.grad,
            interval,
            rollout.material.grad,
            workspace,
        )


@ti.ad.grad_replaced
def run(solver: Solver, rollout: Rollout) -> None:
    """``rollout.initial`` -> ``rollout.frames``. Under a ``ti.ad.Tape`` its adjoint is exact."""
    rollout.clear_status()
    copy_slot(rollout.initial, 0, rollout.states, 0)
    for index, start in enumerate(range(0, rollout.steps, rollout.segment)):
        if index:
            copy_slot(rollout.states, rollout.segment, rollout.states, 0)
        if rollout.checkpointed:
            copy_slot(rollout.states, 0, rollout.checkpoints, index)
        solver.run_segment(rollout, start, record=True)


@ti.ad.grad_for(run)
def run_adjoint(solver: Solver, rollout: Rollout) -> None:
    """Add to the gradients of ``rollout``'s inputs, given those of its frames (docs/method.md 6)."""
    adjoint = real_array(1, COMPONENTS, rollout.n)
    solver.gravity_bar.fill(0)
    starts = list(range(0, rollout.steps, rollout.segment))
    for index, start in reversed(list(enumerate(starts))):
        if rollout.checkpointed:
            copy_slot(rollout.checkpoints, index, rollout.states, 0)
            solver.run_segment(rollout, start, record=False)
        for number in reversed(range(start, min(start + rollout.segment, rollout.steps))):
            if (number + 1) % rollout.record_every == 0:
                add_slot(rollout.frames.grad, (number + 1) // rollout.record_every - 1, adjoint, 0)
            solver.step_adjoint(rollout, number, number - start, adjoint)
    add_slot(adjoint, 0, rollout.initial.grad, 0)
    _add_gravity(solver.gravity_bar, rollout.constants.grad, solver.domain)


@ti.kernel
def _add_gravity(
    gravity_bar: ti.types.ndarray(ndim=1), constants_bar: ti.types.ndarray(ndim=1), domain: ti.types.ndarray(ndim=1)
):
    for row in range(domain[SIZE] * domain[SIZE + 1]):
        total = ti.Vector([0.0, 0.0, 0.0])
        for k in range(domain[SIZE + 2]):
            node = row * domain[SIZE + 2] + k
            total += ti.Vector([gravity_bar[3 * node + c] for c in ti.static(range(3))])
        for c in ti.static(range(3)):
            ti.atomic_add(constants_bar[GRAVITY + c], total[c])
