"""The simulator as a torch module."""

import math

import torch
from torch import Tensor, nn

from bridge.checks import expect_finite, expect_shape
from bridge.exchange import expect_alive, load, to_torch
from bridge.mpm_checks import check_counts, check_places, check_time_step, stable_step
from bridge.mpm_material import check_elastic, check_material_id, check_ranges, default_parameter, per_particle
from bridge.mpm_state import MPMState, check_state, is_whole, pack, unpack
from bridge.once_differentiable import once_differentiable
from bridge.runtime import current
from bridge.simulation_error import SimulationError, broken_error, escaped_error
from bridge.surroundings import SurroundingTensors
from configs.errors import InputError
from configs.mpm import MPMConfig
from kernels.lock import launch_lock
from mpm import status
from mpm.constants import GRAVITY, WALL_FRICTION, make_constants
from mpm.rollout import Rollout
from mpm.solver import Solver, run, run_adjoint, state_before


class DiffMPM(nn.Module):
    """Differentiable MLS-MPM: particles in, particles ``steps`` later out, gradients to every float input.

    Args:
        config: grid, kernel, time step, materials, stabilisers (configs.mpm.MPMConfig).
        lam, mu: Lamé parameters, unit pressure: a number, a 0-d tensor, [materials], [N], or an ``nn.Parameter`` of
            these shapes. Default: from the configuration's materials.

    Raises:
        InputError: a shape, a value that is not finite or outside its physical range, particles outside the grid or at
            one place, a time step above the stable one.
        SimulationError: particles left the grid, or the state is not finite any more; ``.state`` is the last whole one.
    """

    lam: Tensor
    mu: Tensor
    youngs_modulus: Tensor
    poissons_ratio: Tensor

    def __init__(self, config: MPMConfig, lam: float | Tensor | None = None, mu: float | Tensor | None = None):
        super().__init__()
        current()
        self.config = config
        with launch_lock:
            self.solver = Solver(config)
        for name, value in (("lam", lam), ("mu", mu)):
            if name in self.solver.parameters:
                _hold(self, name, default_parameter(config, name) if value is None else value)
            elif value is not None:
                raise InputError(f"DiffMPM: {name} is given; the laws in use have {', '.join(self.solver.parameters)}")

    @classmethod
    def from_young(cls, config: MPMConfig, E: float | Tensor, nu: float | Tensor) -> "DiffMPM":
        """As the constructor, from Young's modulus ``E`` (pressure) and Poisson's ratio ``nu``.

        They are the module's ``youngs_modulus`` and ``poissons_ratio``, converted anew in each forward: as
        nn.Parameters they learn.
        """
        sim = cls(config)
        if "lam" not in sim.solver.parameters:
            raise InputError(f"DiffMPM: E and nu are given; the laws in use have {', '.join(sim.solver.parameters)}")
        del sim.lam, sim.mu
        _hold(sim, "youngs_modulus", E)
        _hold(sim, "poissons_ratio", nu)
        return sim

    def lame_parameters(self) -> tuple[Tensor, Tensor]:
        """λ and μ that the next forward uses, 0-d, [materials] or [N]. Unit: pressure."""
        if not hasattr(self, "youngs_modulus"):
            return self.lam, self.mu
        E, nu = self.youngs_modulus, self.poissons_ratio
        check_elastic(E, nu)
        return E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))

    @property
    def parameter_names(self) -> list[str]:
        """Names of the parameters of the laws in use."""
        return list(self.solver.parameters)

    @property
    def internal_names(self) -> list[str]:
        """Names of the columns of ``MPMState.internal``."""
        return list(self.solver.internal)

    def forward(
        self,
        x: Tensor,
        v: Tensor | None = None,
        C: Tensor | None = None,
        F: Tensor | None = None,
        *,
        dF: Tensor | None = None,
        steps: int,
        gravity: Tensor | None = None,
        mass: Tensor | float | None = None,
        volume: Tensor | float | None = None,
        material_id: Tensor | None = None,
        params: dict[str, Tensor | float] | None = None,
        record_every: int | None = None,
        F_total: Tensor | None = None,
        internal: Tensor | None = None,
        colliders: dict[str, Tensor] | None = None,
        acceleration: Tensor | None = None,
        wall_friction: Tensor | None = None,
        time: float = 0.0,
    ) -> MPMState:
        """Advance ``steps`` steps of ``config.dt``, or of ``config.frame_dt`` with ``dt: auto``.

        Args:
            x: positions [N, 3], unit length.
            v, C, F: velocity [N, 3], affine velocity [N, 3, 3], deformation gradient [N, 3, 3]; 0, 0, I by default.
            dF: control deformation gradients [S, N, 3, 3], S divides ``steps``: dF[s] is added to F in the first
                step of interval s (Xu et al., TVCG 2025).
            gravity: acceleration [3]; default: the configuration's.
            mass: [N], [materials] or a number; default: the material's density times ``volume``.
            volume: rest volume, likewise; default: an eighth of a grid cell.
            material_id: [N] integers, places in ``config.materials``; needed if that has several.
            params: further parameters of the laws in use (``parameter_names``), each a number, 0-d, [materials] or [N];
                default: the configuration's.
            record_every: also return the states after every that many steps; divides ``steps``.
            F_total, internal: those of the state to go on from, [N, 3, 3] and [N, Q]; default: I and 0.
            colliders: motion of the K bodies of ``config.colliders`` in the S steps, if it is not the configured one:
                ``position [S + 1, K, 3]`` or ``velocity [S, K, 3]``, ``rotation [S + 1, K, 3]`` (rotation vectors) or
                ``angular_velocity [S, K, 3]``, ``friction [K]``. Positions are those at the steps' boundaries;
                velocities follow from them, or they from the velocities, which may also be [K, 3].
            acceleration: of every node [nx, ny, nz, 3], added to gravity and ``config.forces``.
            wall_friction: 0-d; default: ``config.boundary.friction``.
            time: when the first step begins, for configured trajectories. Unit: time.
        """
        check_counts(steps=steps, record_every=record_every)
        parts = {"v": v, "C": C, "F": F, "F_total": F_total, "internal": internal}
        n = check_state(x, parts, len(self.solver.internal))
        intervals = self._check_controls(dF, n)
        check_places(x, self.config)
        rows = self._material_rows(x, mass, volume, material_id, params or {})
        laws = self._laws(x, material_id)
        check_ranges(rows, self.solver.laws, laws)
        inputs = (
            torch.cat(list(rows.values())),
            x.new_zeros(1, 1, 3, 3) if dF is None else dF,
            self._gravity(x, gravity),
        )
        state = pack(x, parts, len(self.solver.internal))
        frame_dt = self.config.step_dt
        around = SurroundingTensors(
            self.solver.surroundings, x, steps, frame_dt, time, acceleration, colliders, wall_friction
        )
        if self.config.dt == "auto":
            return self._run_frames(state, laws, rows, inputs, around, steps, intervals, record_every)
        bodies = around.rows(frame_dt, slice(0, steps), 1)
        check_time_step(self.config, rows, around.surface_speed(bodies))
        states = self._run(state, laws, (*inputs, bodies), around, frame_dt, steps, intervals, record_every)
        states[-1].frames = states if record_every else None
        return states[-1]

    def _check_controls(self, dF: Tensor | None, n: int) -> int:
        if dF is None:
            return 0
        expect_shape("DiffMPM", "dF", dF, ("S", n, 3, 3))
        expect_finite("DiffMPM", "dF", dF)
        return dF.shape[0]

    def _material_rows(self, x: Tensor, mass, volume, material_id, params: dict) -> dict[str, Tensor]:
        """Mass, volume and every parameter of the laws in use, [N] each, in the solver's order."""
        names = self.solver.parameters
        if unknown := sorted(set(params) - (set(names) - {"lam", "mu"})):
            accepted = [name for name in names if name not in ("lam", "mu")]
            expected = ", ".join(accepted) or "nothing beyond lam and mu"
            raise InputError(f"DiffMPM: params has {', '.join(unknown)}; expected {expected}")
        materials = self.config.all_materials
        check_material_id(material_id, x.shape[0], len(materials))

        def spread(name: str, value) -> Tensor:
            return per_particle(name, value, x, material_id, len(materials))

        volume = spread("volume", self.config.grid.spacing**3 / 8 if volume is None else volume)
        density = torch.tensor([material.density for material in materials], dtype=torch.float64)
        density = spread("density", density if len(materials) > 1 else density[0])
        rows = {"mass": density * volume if mass is None else spread("mass", mass), "volume": volume}
        given = dict(zip(("lam", "mu"), self.lame_parameters(), strict=True)) if "lam" in names else {}
        given |= params
        for name in names:
            rows[name] = spread(name, given[name] if name in given else default_parameter(self.config, name))
        return rows

    def _laws(self, x: Tensor, material_id: Tensor | None) -> Tensor:
        """Each particle's place in the solver's list of laws, int32 [N]."""
        names = [law.name for law in self.solver.laws]
        table = torch.tensor([names.index(material.law) for material in self.config.all_materials], dtype=torch.int32)
        if material_id is None:
            return table[:1].expand(x.shape[0]).to(x.device)
        return table.to(x.device)[material_id.to(x.device).long()]

    def _gravity(self, x: Tensor, gravity: Tensor | None) -> Tensor:
        if gravity is None:
            return torch.tensor(self.config.gravity, dtype=torch.float64).to(x)
        expect_shape("DiffMPM", "gravity", gravity, (3,))
        expect_finite("DiffMPM", "gravity", gravity)
        return gravity.to(x)

    def _run(
        self,
        state,
        laws,
        inputs,
        around: SurroundingTensors,
        dt: float,
        steps: int,
        intervals: int,
        record_every,
        share: float = 1.0,
    ):
        """The recorded states of one rollout of equal steps."""
        material, controls, gravity, bodies = inputs
        constants = torch.from_numpy(make_constants(self.config, dt)).to(state)
        constants = torch.cat(
            [constants[:GRAVITY], gravity, constants[GRAVITY + 3 : WALL_FRICTION], around.friction[None]]
        )
        tensors = (state, controls, material, constants, around.acceleration, bodies.reshape(-1))
        sizes = dict(
            steps=steps,
            intervals=intervals,
            record_every=record_every,
            differentiable=torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors),
            memory_budget_mb=self.config.memory_budget_mb * share,
            surrounded=around.used,
            collider_rows=len(bodies),
        )
        *frames, escaped = _Rollout.apply(self.solver, sizes, laws, *tensors)
        states = [unpack(frame, len(laws)) for frame in frames]
        for number, recorded in enumerate(states):
            recorded.escaped, recorded.time_steps = None, (number + 1) * (steps // len(states))
        states[-1].escaped = int(escaped)
        return states

    def _run_frames(
        self, state, laws, rows, inputs, around: SurroundingTensors, frames: int, intervals: int, record_every
    ) -> MPMState:
        """``dt: auto``: each frame is a rollout of its own with as many equal steps as its start asks for."""
        if frames < 1 or (intervals and frames % intervals) or (record_every and frames % record_every):
            raise InputError(
                f"DiffMPM: steps={frames}, {intervals} control intervals, record_every={record_every}; expected steps "
                "of at least 1, and divisors of it"
            )
        material, controls, gravity = inputs
        recorded, frame_dt = [], float(self.config.frame_dt or 0.0)
        held, time_steps = 0, 0
        gained = float(gravity.detach().norm()) * frame_dt + around.gained_speed(frame_dt)
        for frame in range(frames):
            limit = stable_step(self.config, rows, state.detach(), gained, around.collider_speed(frame))
            substeps = max(1, math.ceil(frame_dt / (self.config.courant * limit)))
            starts = bool(intervals) and frame % (frames // intervals) == 0
            number = frame // (frames // intervals) if starts else 0
            control = controls[number : number + 1] if starts else state.new_zeros(1, 1, 3, 3)
            dt = frame_dt / substeps
            inputs = (material, control, gravity, around.rows(dt, slice(frame, frame + 1), substeps))
            (last,) = self._run(state, laws, inputs, around, dt, substeps, int(starts), None, 1 / frames)
            time_steps += substeps
            last.time_steps = time_steps
            if self.config.escaped == "clamp":
                last.escaped = held = held + (last.escaped or 0)
            state = pack(last.x, {k: t for k, t in last.inputs().items() if k != "x"}, len(self.solver.internal))
            if record_every and (frame + 1) % record_every == 0:
                recorded.append(last)
        last.frames = recorded if record_every else None
        return last


def _hold(module: nn.Module, name: str, value: float | Tensor) -> None:
    """Keep a parameter as it is given: nn.Parameter, tensor that belongs to the user's graph, or number."""
    if isinstance(value, nn.Parameter):
        module.register_parameter(name, value)
    else:
        setattr(module, name, value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64))


class _Rollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, solver, sizes, laws, initial, controls, material, constants, acceleration, bodies):
        n = len(laws)
        with launch_lock:
            expect_alive(solver.domain)
            rollout = solver.rollout(n=n, **sizes)
            load(initial, rollout.initial)
            if rollout.intervals:
                load(controls, rollout.controls)
            load(material, rollout.material)
            load(laws, rollout.laws)
            load(constants, rollout.constants)
            if rollout.surrounded:
                load(acceleration, rollout.acceleration)
                load(bodies, rollout.collider_rows)
            run(solver, rollout)
            frames = [to_torch(frame, tuple(frame.shape), initial.device) for frame in rollout.frames]
            found = rollout.status.to_numpy()
            if error := _error(solver, rollout, found, frames[-1]):
                raise error
        ctx.solver, ctx.rollout = solver, rollout
        escaped = torch.tensor(int(found[status.LAST_ESCAPED]))
        ctx.mark_non_differentiable(escaped)
        return *frames, escaped

    @staticmethod
    @once_differentiable
    def backward(ctx, *outputs_bar):
        _ = ctx.saved_tensors  # raises if the graph was freed
        rollout, frames_bar = ctx.rollout, outputs_bar[:-1]
        state = (rollout.initial, rollout.controls, rollout.material, rollout.constants)
        inputs = (*state, rollout.acceleration, rollout.collider_rows)
        with launch_lock:
            for frame, frame_bar in zip(rollout.frames, frames_bar, strict=True):
                load(frame_bar, frame.grad)
            for array in inputs:
                array.grad.fill(0)
            run_adjoint(ctx.solver, rollout)
            gradients = [to_torch(array.grad, tuple(array.shape), frames_bar[0].device) for array in inputs]
        wanted = [grad if need else None for grad, need in zip(gradients, ctx.needs_input_grad[3:], strict=True)]
        return None, None, None, *wanted


def _error(solver: Solver, rollout: Rollout, found, last: Tensor) -> SimulationError | None:
    """What went wrong first, with the state before that step; None if nothing did."""
    broken = status.read(found, status.BROKEN)
    escaped = status.read(found, status.ESCAPED) if solver.config.escaped == "error" else None
    if broken is None and escaped is None:
        broken = _not_finite(last, rollout)
    reports = [report for report in (broken, escaped) if report]
    if not reports:
        return None
    first = min(reports, key=lambda report: report.step)
    if first is escaped:
        return escaped_error(first, _state_at(solver, rollout, first.step))
    state = _state_at(solver, rollout, first.step)
    if first.step and not is_whole(state):
        state = _state_at(solver, rollout, first.step - 1)
    return broken_error(first, state)


def _state_at(solver: Solver, rollout: Rollout, step: int) -> MPMState:
    return unpack(torch.from_numpy(state_before(solver, rollout, step).reshape(-1)), rollout.n)


def _not_finite(packed: Tensor, rollout: Rollout) -> status.Report | None:
    """Particles whose final numbers are not finite: no later step was there to find them."""
    bad = ~torch.isfinite(packed.reshape(-1, rollout.n)).all(dim=0)
    return status.Report(int(bad.sum()), rollout.steps, int(bad.nonzero()[0])) if bool(bad.any()) else None
