"""The simulator as a torch module."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bridge.checks import expect_finite, expect_shape
from bridge.exchange import expect_alive, load, to_torch
from bridge.runtime import current
from bridge.simulation_error import check_finite_state, outside_error
from configs.errors import InputError
from configs.mpm import MPMConfig
from kernels.lock import launch_lock
from mpm.solver import Solver, run, run_adjoint
from mpm.state import COMPONENTS


@dataclass
class MPMState:
    """Particles after some step; row p is particle p."""

    x: Tensor
    """Positions [N, 3]. Unit: length."""
    v: Tensor
    """Velocities [N, 3]. Unit: length / time."""
    C: Tensor
    """APIC's affine velocity [N, 3, 3], the velocity gradient. Unit: 1 / time."""
    F: Tensor
    """The solver's own deformation gradient [N, 3, 3]: smoothed and controlled if the configuration says so."""
    F_total: Tensor
    """The material's true deformation [N, 3, 3] from the rollout's start: every step's (I + dt C), nothing else."""
    frames: "list[MPMState] | None" = None
    """The states after every ``record_every`` steps, if asked for; the last is this one."""


class DiffMPM(nn.Module):
    """Differentiable MLS-MPM: particles in, particles ``steps`` later out, gradients to every float input.

    Args:
        config: grid, kernel, time step, material, stabilisers (configs.mpm.MPMConfig).
        lam, mu: Lamé parameters, unit pressure: a number, a 0-d tensor, ``[N]``, or an ``nn.Parameter`` of these
            shapes. Default: from ``config.material``.

    Raises:
        InputError: a shape, or a value that is not finite.
        SimulationError: particles left the grid, or the state is not finite any more.
    """

    lam: Tensor
    mu: Tensor
    youngs_modulus: Tensor
    poissons_ratio: Tensor

    def __init__(self, config: MPMConfig, lam: float | Tensor | None = None, mu: float | Tensor | None = None):
        super().__init__()
        current()
        self.config = config
        _hold(self, "lam", config.material.lam if lam is None else lam)
        _hold(self, "mu", config.material.mu if mu is None else mu)
        with launch_lock:
            self.solver = Solver(config)

    @classmethod
    def from_young(cls, config: MPMConfig, E: float | Tensor, nu: float | Tensor) -> "DiffMPM":
        """As the constructor, from Young's modulus ``E`` (pressure) and Poisson's ratio ``nu``.

        They are the module's ``youngs_modulus`` and ``poissons_ratio``, converted anew in each forward: as
        nn.Parameters they learn.
        """
        sim = cls(config)
        del sim.lam, sim.mu
        _hold(sim, "youngs_modulus", E)
        _hold(sim, "poissons_ratio", nu)
        return sim

    def lame_parameters(self) -> tuple[Tensor, Tensor]:
        """λ and μ that the next forward uses, 0-d or [N]. Unit: pressure."""
        if not hasattr(self, "youngs_modulus"):
            return self.lam, self.mu
        E, nu = self.youngs_modulus, self.poissons_ratio
        return E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))

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
        params: dict[str, Tensor] | None = None,
        record_every: int | None = None,
    ) -> MPMState:
        """Advance ``steps`` steps of ``config.dt``.

        Args:
            x: positions [N, 3], unit length.
            v, C, F: velocity [N, 3], affine velocity [N, 3, 3], deformation gradient [N, 3, 3]; 0, 0, I by default.
            dF: control deformation gradients [S, N, 3, 3], S divides ``steps``: dF[s] is added to F in the first
                step of interval s (Xu et al., TVCG 2025).
            gravity: acceleration [3]; default: the configuration's.
            mass: [N] or a number; default: ``config.material.density`` times ``volume``.
            volume: rest volume [N] or a number; default: an eighth of a grid cell.
            record_every: also return the states after every that many steps; divides ``steps``.
        """
        if material_id is not None:
            raise NotImplementedError("DiffMPM: material_id is not supported yet")
        if params:
            raise InputError(f"DiffMPM: params has {sorted(params)}; expected nothing beyond lam and mu for this law")
        n = self._check_state(x, v, C, F)
        intervals = self._check_controls(dF, n)
        initial = _pack(x, v, C, F)
        material = self._material(x, mass, volume)
        constants = self._constants(x, gravity)
        controls = x.new_zeros(1, 1, 3, 3) if dF is None else dF
        inputs = (initial, controls, material, constants)
        sizes = dict(
            steps=steps,
            intervals=intervals,
            record_every=record_every,
            differentiable=torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs),
        )
        frames = _Rollout.apply(self.solver, sizes, *inputs)
        check_finite_state(frames[-1])
        states = [_unpack(frame) for frame in frames]
        last = states[-1]
        last.frames = states if record_every else None
        return last

    def _check_state(self, x, v, C, F) -> int:
        expect_shape("DiffMPM", "x", x, ("N", 3))
        n = x.shape[0]
        if n == 0:
            raise InputError("DiffMPM: x has no particles; expected at least 1")
        for name, value, shape in (("v", v, (n, 3)), ("C", C, (n, 3, 3)), ("F", F, (n, 3, 3))):
            if value is not None:
                expect_shape("DiffMPM", name, value, shape)
                expect_finite("DiffMPM", name, value)
        expect_finite("DiffMPM", "x", x)
        return n

    def _check_controls(self, dF, n: int) -> int:
        if dF is None:
            return 0
        expect_shape("DiffMPM", "dF", dF, ("S", n, 3, 3))
        expect_finite("DiffMPM", "dF", dF)
        return dF.shape[0]

    def _material(self, x: Tensor, mass, volume) -> Tensor:
        """[2 + parameters, N]: mass, volume, lam, mu."""
        volume = self.config.grid.spacing**3 / 8 if volume is None else volume
        mass = self.config.material.density * volume if mass is None else mass
        lam, mu = self.lame_parameters()
        rows = {"mass": mass, "volume": volume, "lam": lam, "mu": mu}
        return torch.stack([_per_particle(name, value, x) for name, value in rows.items()])

    def _constants(self, x: Tensor, gravity: Tensor | None) -> Tensor:
        c = self.config
        numbers = (c.dt, 1 - c.dt * c.drag, c.f_smoothing, c.j_min or 0.0, c.bulk_viscosity, c.grid.spacing)
        fixed = torch.tensor([*numbers, *c.grid.origin], dtype=x.dtype, device=x.device)
        if gravity is None:
            gravity = torch.tensor(c.gravity, dtype=torch.float64)
        expect_shape("DiffMPM", "gravity", gravity, (3,))
        return torch.cat([fixed, gravity.to(fixed)])


def _hold(module: nn.Module, name: str, value: float | Tensor) -> None:
    """Keep a parameter as it is given: nn.Parameter, tensor that belongs to the user's graph, or number."""
    if isinstance(value, nn.Parameter):
        module.register_parameter(name, value)
    else:
        setattr(module, name, value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64))


def _per_particle(name: str, value, x: Tensor) -> Tensor:
    """A number, 0-d or [N] tensor as [N]; gradients sum over what was spread."""
    value = value if isinstance(value, Tensor) else torch.tensor(float(value), dtype=torch.float64)
    if value.ndim > 0:
        expect_shape("DiffMPM", name, value, (x.shape[0],))
    return value.to(x).expand(x.shape[0])


def _pack(x: Tensor, v: Tensor | None, C: Tensor | None, F: Tensor | None) -> Tensor:
    """The state [33, N] of mpm.state: components by particles."""
    n = x.shape[0]
    eye = torch.eye(3, dtype=x.dtype, device=x.device).reshape(9, 1).expand(9, n)
    parts = [
        x.T,
        x.new_zeros(3, n) if v is None else v.to(x).T,
        x.new_zeros(9, n) if C is None else C.to(x).reshape(n, 9).T,
        eye if F is None else F.to(x).reshape(n, 9).T,
        eye,
    ]
    return torch.cat(parts)


def _unpack(packed: Tensor) -> MPMState:
    n = packed.shape[1]
    x, v, C, F, F_total = packed.split([3, 3, 9, 9, 9])
    return MPMState(x.T, v.T, *(m.T.reshape(n, 3, 3) for m in (C, F, F_total)))


class _Rollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx, solver, sizes, initial, controls, material, constants):
        n = initial.shape[1]
        with launch_lock:
            expect_alive(solver.grid)
            rollout = solver.rollout(n=n, **sizes)
            load(initial[None], rollout.initial)
            if rollout.intervals:
                load(controls, rollout.controls)
            load(material, rollout.material)
            load(constants, rollout.constants)
            run(solver, rollout)
            outside = rollout.outside()
            frames = to_torch(rollout.frames, (rollout.frames.shape[0], COMPONENTS, n), initial.device)
        if outside:
            count, step, particle = outside
            raise outside_error(count, step, particle, frames[-1][:3].T)
        ctx.solver, ctx.rollout = solver, rollout
        return frames

    @staticmethod
    @once_differentiable
    def backward(ctx, frames_bar):
        _ = ctx.saved_tensors  # raises if the graph was freed
        rollout = ctx.rollout
        inputs = (rollout.initial, rollout.controls, rollout.material, rollout.constants)
        with launch_lock:
            load(frames_bar, rollout.frames.grad)
            for array in inputs:
                array.grad.fill(0)
            run_adjoint(ctx.solver, rollout)
            gradients = [to_torch(array.grad, tuple(array.shape), frames_bar.device) for array in inputs]
        gradients[0] = gradients[0][0]
        wanted = [grad if need else None for grad, need in zip(gradients, ctx.needs_input_grad[2:], strict=True)]
        return None, None, *wanted
