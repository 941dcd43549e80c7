"""Rollouts of the explicit MLS-MPM solver and their exact adjoint, on resident data."""

import math

import numpy as np
import taichi as ti

from configs.errors import InputError
from configs.mpm import FACES, MPMConfig
from kernels.arrays import from_numpy, real_array, runs_on_cpu, scratch_array
from mpm.bspline import NODES
from mpm.colliders import ROW
from mpm.constants import GRAVITY, MATERIAL_LAW, SIZE, WALLS
from mpm.grid import PIECE, Grid
from mpm.laws import LAWS
from mpm.laws.flow import FlowKernels, flow_kernels
from mpm.laws.gradient import flow_gradient, stress_gradient
from mpm.laws.law import Law
from mpm.laws.stress import StressKernels, stress_kernels
from mpm.order import CellOrder
from mpm.rollout import Rollout, Workings, add_state, copy_state
from mpm.shares import Shares, in_shares
from mpm.step import step_kernels
from mpm.step_adjoint import adjoint_kernels
from mpm.surroundings import Surroundings


class Solver:
    """The simulation that a configuration describes; any number of rollouts may be alive on it.

    It owns the grid, which is scratch memory of one step: rollouts run one after another.
    """

    def __init__(self, config: MPMConfig):
        self.config = config
        self.laws = [_law(name) for name in dict.fromkeys(material.law for material in config.all_materials)]
        """The laws in use; a particle's law is its place in this list."""
        self.parameters = list(dict.fromkeys(name for law in self.laws for name in law.parameters))
        """Names of the parameters of all laws in use: the rows of material from ``MATERIAL_LAW`` on."""
        self.internal = list(dict.fromkeys(name for law in self.laws for name in law.internal))
        """Names of the internal variables of all laws in use, the state's last components."""
        self.nodes = NODES[config.kernel]
        self.stresses = [self._stress(number) for number in range(len(self.laws))]
        self.inlined = self.laws[0] if len(self.laws) == 1 and not runs_on_cpu() else None
        """A law whose stress is compiled into the step: fewer launches, but all compiled anew for each law. On the CPU
        a launch costs little."""
        by_hand = self.inlined if self.inlined and self.inlined.stress_adjoint else None
        self.kernels = step_kernels(self.nodes, *self._with_rows(self.inlined))
        self.adjoint_kernels = adjoint_kernels(self.nodes, *self._with_rows(by_hand))
        self.flows = [self._flow(number) for number in range(len(self.laws))]
        self.surroundings = Surroundings(config)
        size = config.grid.size
        self.grid = Grid(math.prod(size))
        self.shares = Shares(self.grid.pieces)
        self.grid_bar = Grid(0)
        self.gravity_bar = scratch_array(1)
        kinds = [WALLS[getattr(config.boundary, face)] for face in FACES]
        self.domain = from_numpy([*kinds, config.boundary.thickness, *size, int(config.escaped == "clamp")])

    def _stress(self, number: int) -> StressKernels:
        law = self.laws[number]
        return stress_kernels(law, self._rows(law), self._which(number))

    def _flow(self, number: int) -> FlowKernels | None:
        law = self.laws[number]
        if law.flow is None:
            return None
        places = tuple(self.internal.index(name) for name in law.internal)
        return flow_kernels(law, self._rows(law), places, self._which(number))

    def _rows(self, law: Law) -> tuple[int, ...]:
        return tuple(MATERIAL_LAW + self.parameters.index(name) for name in law.parameters)

    def _with_rows(self, law: Law | None) -> tuple:
        return (law, self._rows(law)) if law else ()

    def _which(self, number: int) -> int:
        """The number that a kernel looks for; −1, all particles, where there is one law."""
        return number if len(self.laws) > 1 else -1

    def rollout(self, **sizes) -> Rollout:
        """A new evaluation: the arguments of ``Rollout`` but for those that the configuration knows."""
        surrounded = sizes.pop("surrounded", self.surroundings.needed)
        rows = sizes.pop("collider_rows", self.surroundings.row_count(sizes["steps"]))
        rollout = Rollout(
            surrounded_nodes=self.surroundings.node_count if surrounded else 0,
            collider_numbers=rows * len(self.config.colliders) * ROW if surrounded else 0,
            grid=self.grid,
            order=CellOrder(sizes["n"], self.config.grid.size, self.nodes),
            parameters=len(self.parameters),
            internal=len(self.internal),
            memory_budget_mb=sizes.pop("memory_budget_mb", self.config.memory_budget_mb),
            checkpoints_on_host=self.config.checkpoints == "host",
            **sizes,
        )
        if rollout.differentiable:
            self._prepare_adjoint(rollout.n)
        if surrounded:
            self.surroundings.prepare()
        return rollout

    def _prepare_adjoint(self, n: int) -> None:
        """Fields may only be made on the thread that started Taichi: before torch's backward needs them."""
        for law, stress, flow in zip(self.laws, self.stresses, self.flows, strict=True):
            if stress.gather:
                stress_gradient(law, n)
            if flow and flow.gather:
                flow_gradient(law, n)
        if self.grid_bar.pieces != self.grid.pieces:
            nodes = PIECE * self.grid.pieces
            self.grid_bar, self.gravity_bar = Grid(nodes), scratch_array(3 * nodes)

    def step(self, r: Rollout, number: int, source: ti.Ndarray, target: ti.Ndarray) -> None:
        """The state ``source`` -> the state ``target``, the step ``number`` of the rollout."""
        workings = self._prepare(r, number, source)
        arguments = self._step_arguments(r, number, source, target, workings)
        if r.surrounded:
            self.kernels.momentum_to_grid(*arguments)
            self.surroundings.move(r, number, workings.grid, self.domain)
            moved = workings._replace(grid=self.surroundings.moved)
            self.kernels.from_grid(*self._step_arguments(r, number, source, target, moved))
        else:
            self.kernels.step(*arguments)
        for flow in filter(None, self.flows):
            flow.flow(target, r.n, r.material, r.laws, r.constants)

    def _prepare(self, r: Rollout, number: int, state: ti.Ndarray) -> Workings:
        """What a step's kernel finds done: the particles' order, and the stresses that are not compiled into it."""
        workings = r.workings(number)
        if self.inlined is None:
            given = (state, r.n, r.controls, r.interval_of(number), r.material, r.laws)
            for stress in self.stresses:
                stress.stress(*given, workings.affine, r.constants)
        self._refresh_order(r, state)
        return workings

    def _refresh_order(self, r: Rollout, state: ti.Ndarray) -> None:
        if not in_shares():
            r.order.refresh(state, r.constants, self.domain)

    def _step_arguments(self, r: Rollout, number: int, source, target, workings: Workings) -> tuple:
        affine, grid = workings
        return (
            source,
            target,
            r.n,
            r.internal,
            r.order.list,
            r.material,
            r.laws,
            r.controls,
            r.interval_of(number),
            affine,
            grid.numbers,
            grid.touched,
            grid.pieces,
            self.shares.numbers,
            self.shares.count,
            r.constants,
            self.domain,
            r.status,
            number,
            int(number == r.steps - 1),
        )

    def run_segment(self, r: Rollout, start: int, record: bool) -> None:
        """Run the segment that begins at step ``start``, whose state is in slot 0."""
        for number in range(start, min(start + r.segment, r.steps)):
            state = r.states[number - start + 1]
            self.step(r, number, r.states[number - start], state)
            if record and (number + 1) % r.record_every == 0:
                copy_state(state, r.frames[(number + 1) // r.record_every - 1])

    def step_adjoint(self, r: Rollout, number: int, source: ti.Ndarray, target: ti.Ndarray, a: "Adjoint") -> None:
        """The adjoint of ``target``, the state after step ``number``, becomes that of ``source``."""
        self._flow_adjoint(r, number, source, target, a)
        if r.keeps_workings:
            workings = r.workings(number)
            self._refresh_order(r, source)
        else:
            workings = self._prepare(r, number, source)
            to_grid = self.kernels.momentum_to_grid if r.surrounded else self.kernels.to_grid
            to_grid(*self._step_arguments(r, number, source, target, workings))
        self._transfer_adjoint(r, number, source, target, workings, a)
        self._stress_adjoint(r, number, source, a)

    def _transfer_adjoint(self, r, number, source, target, workings: Workings, a: "Adjoint") -> None:
        affine, grid = workings
        around, bar = self.surroundings, self.grid_bar
        if r.surrounded:
            around.move(r, number, grid, self.domain)
        arguments = (
            source,
            target,
            r.n,
            r.order.list,
            r.material,
            r.material.grad,
            r.laws,
            r.controls,
            r.controls.grad,
            r.interval_of(number),
            affine,
            a.affine_bar,
            a.a_bar,
            a.v_bar,
            around.moved.numbers if r.surrounded else grid.numbers,
            bar.numbers,
            bar.touched,
            bar.pieces,
            self.shares.numbers,
            self.shares.count,
            self.gravity_bar,
            a.state_bar,
            r.constants,
            self.domain,
        )
        if r.surrounded:
            self.adjoint_kernels.from_grid(*arguments)
            around.move_adjoint(r, number, grid, bar, self.gravity_bar, self.domain)
            self.adjoint_kernels.to_grid(*arguments)
        else:
            self.adjoint_kernels.step(*arguments)

    def _stress_adjoint(self, r: Rollout, number: int, state: ti.Ndarray, a: "Adjoint") -> None:
        interval = r.interval_of(number)
        for law, kernels in zip(self.laws, self.stresses, strict=True):
            inputs = (state, r.n, r.controls)
            if kernels.gather is None:
                if self.inlined:  # the step's adjoint has done it
                    continue
                material = (r.material, r.material.grad, r.laws)
                bars = (a.affine_bar, a.a_bar, a.state_bar)
                kernels.finish(*inputs, r.controls.grad, interval, *material, *bars, r.constants)
                continue
            workspace = stress_gradient(law, r.n)
            kernels.gather(*inputs, interval, r.material, r.laws, a.affine_bar, r.constants, workspace)
            workspace.evaluate.grad(r.n)
            kernels.finish(r.n, r.controls.grad, interval, r.material.grad, r.laws, a.a_bar, a.state_bar, workspace)

    def _flow_adjoint(self, r: Rollout, number: int, source: ti.Ndarray, target: ti.Ndarray, a: "Adjoint") -> None:
        for law, kernels in zip(self.laws, self.flows, strict=True):
            if kernels is None:
                continue
            step = (source, target, r.n, r.controls, r.interval_of(number))
            if kernels.gather is None:
                kernels.finish(*step, r.laws, a.state_bar, r.constants)
                continue
            workspace = flow_gradient(law, r.n)
            kernels.gather(*step, r.material, r.laws, a.state_bar, r.constants, workspace)
            workspace.evaluate.grad(r.n)
            kernels.finish(*step, r.material.grad, r.laws, a.state_bar, r.constants, workspace)


class Adjoint:
    """What the backward pass carries from step to step."""

    def __init__(self, r: Rollout):
        self.state_bar = real_array(r.components * r.n)
        """dL/d(state), of the state that the pass has reached."""
        self.a_bar, self.affine_bar = scratch_array(9 * r.n), scratch_array(9 * r.n)
        """dL/dA so far, and dL/d(affine), of one step."""
        self.v_bar = scratch_array(3 * r.n)
        """dL/dv of G2P, of one step."""


def _law(name: str) -> Law:
    if name not in LAWS:
        raise InputError(
            f"mpm.material.law is {name}; expected one of {', '.join(LAWS)} (mpm.laws.register_law adds one)"
        )
    return LAWS[name]


@ti.ad.grad_replaced
def run(solver: Solver, rollout: Rollout) -> None:
    """``rollout.initial`` -> ``rollout.frames``. Under a ``ti.ad.Tape`` its adjoint is exact."""
    rollout.clear_status()
    copy_state(rollout.initial, rollout.states[0])
    if not rollout.differentiable:
        _run_ring(solver, rollout)
        return
    for index, start in enumerate(range(0, rollout.steps, rollout.segment)):
        if index:
            copy_state(rollout.states[-1], rollout.states[0])
        if rollout.checkpointed:
            rollout.checkpoints.save(index, rollout.states[0])
        solver.run_segment(rollout, start, record=True)


def _run_ring(solver: Solver, r: Rollout) -> None:
    for number in range(r.steps):
        source, target = r.states[number % 2], r.states[(number + 1) % 2]
        solver.step(r, number, source, target)
        if (number + 1) % r.record_every == 0:
            copy_state(target, r.frames[(number + 1) // r.record_every - 1])


def state_before(solver: Solver, rollout: Rollout, step: int) -> np.ndarray:
    """The state that step number ``step`` began with, computed again: what is left of a rollout that broke there."""
    copy_state(rollout.initial, rollout.states[0])
    for number in range(step):
        solver.step(rollout, number, rollout.states[number % 2], rollout.states[(number + 1) % 2])
    return rollout.states[step % 2].to_numpy().reshape(rollout.components, rollout.n)


@ti.ad.grad_for(run)
def run_adjoint(solver: Solver, rollout: Rollout) -> None:
    """Add to the gradients of ``rollout``'s inputs, given those of its frames (docs/method.md 6)."""
    adjoint = Adjoint(rollout)
    solver.gravity_bar.fill(0)
    starts = list(range(0, rollout.steps, rollout.segment))
    for index, start in reversed(list(enumerate(starts))):
        if rollout.checkpointed:
            rollout.checkpoints.restore(index, rollout.states[0])
            solver.run_segment(rollout, start, record=False)
        for number in reversed(range(start, min(start + rollout.segment, rollout.steps))):
            if (number + 1) % rollout.record_every == 0:
                add_state(rollout.frames[(number + 1) // rollout.record_every - 1].grad, adjoint.state_bar)
            source, target = rollout.states[number - start : number - start + 2]
            solver.step_adjoint(rollout, number, source, target, adjoint)
    add_state(adjoint.state_bar, rollout.initial.grad)
    if rollout.surrounded:
        _add_acceleration(solver.gravity_bar, rollout.acceleration.grad)
    _add_gravity(solver.gravity_bar, rollout.constants.grad, solver.domain)


@ti.kernel
def _add_acceleration(node_bar: ti.types.ndarray(ndim=1), acceleration_bar: ti.types.ndarray(ndim=1)):
    for i in range(acceleration_bar.shape[0]):
        acceleration_bar[i] = acceleration_bar[i] + node_bar[i]


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
