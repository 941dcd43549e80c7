"""Mass, momentum and angular momentum of a free elastic body: one step in float64, a thousand in float32."""

import numpy as np
import torch

from bridge.diffmpm import DiffMPM
from bridge.runtime import current
from configs.mpm import MPMConfig
from experiments.verification.case import Case, Curve, Outcome, Panel, vanishing
from experiments.verification.momentum import angular_momentum, linear_momentum
from experiments.verification.scenes import box, cell_centres, lattice, solid

KERNELS = ("quadratic", "cubic")
LONG = 1000
TEXT = r"""No forces from outside: a spinning, vibrating elastic cube with random masses. Every step keeps $\sum m v$
and

```math
L = \sum_p m_p \left( x_p \times v_p + \tfrac{h^2}{4}\, \mathrm{ax}(C_p) \right)
```

($h^2/3$ for cubic splines; Jiang et al. 2015). A particle's mass is an input that no step writes; that the grid
carries all of it shows in gravity: after a step $\sum m v$ has grown by $\Delta t\, g \sum m$ exactly. Errors are
relative to $\sum m |v|$, $\sum m |x \times v|$, $\Delta t |g| \sum m$."""


def spinning_cube(kernel: str) -> tuple[MPMConfig, dict[str, torch.Tensor], torch.Tensor]:
    """A cube of 8 particles per cell, stretched and set in a swirling motion, and its particles' masses."""
    config = box((-1.6, -1.6, -1.6), (1.6, 1.6, 1.6), 0.2, 2e-3, solid(200.0, 0.3, 10.0)).model_copy(
        update={"kernel": kernel}
    )
    axis = cell_centres(-0.5, 0.5, 0.1)
    x = lattice(axis, axis, axis) + torch.tensor([0.031, -0.027, 0.012], dtype=torch.float64)
    spin = torch.tensor([[0.1, -2.0, 0.5], [2.0, 0.3, -1.0], [-0.5, 1.0, -0.2]], dtype=torch.float64)
    n = len(x)
    mass = 0.01 * (0.5 + torch.rand(n, generator=torch.Generator().manual_seed(3), dtype=torch.float64))
    stretch = torch.eye(3, dtype=torch.float64) + 0.05 * spin.T
    v = x @ spin.T + torch.tensor([0.2, -0.1, 0.05], dtype=torch.float64)
    dtype = current().dtype
    state = {"x": x, "v": v, "C": spin.expand(n, 3, 3), "F": stretch.expand(n, 3, 3)}
    return config, {name: value.to(dtype) for name, value in state.items()}, mass.to(dtype)


def _scales(x, v, mass) -> tuple[float, float]:
    x, v, mass = x.double(), v.double(), mass.double()
    return float((mass * v.norm(dim=1)).sum()), float((mass * torch.linalg.cross(x, v).norm(dim=1)).sum())


def run_transfers(steps: int = 20) -> Outcome:
    """The largest change that any one step makes, float64."""
    checks = []
    for kernel in KERNELS:
        config, state, mass = spinning_cube(kernel)
        worst = {"mass on the grid": 0.0, "momentum": 0.0, "angular momentum": 0.0}
        sim, gravity = DiffMPM(config), torch.tensor([0.0, -9.8, 0.0], dtype=torch.float64)
        scales = _scales(state["x"], state["v"], mass)
        for _ in range(steps):
            with torch.no_grad():
                after = sim(**state, steps=1, mass=mass, volume=0.001)
                pulled = sim(**state, steps=1, mass=mass, volume=0.001, gravity=gravity)
            gained = linear_momentum(pulled.v - after.v, mass) / (config.dt * gravity.norm() * mass.sum())
            momenta = linear_momentum(after.v, mass) - linear_momentum(state["v"], mass)
            spins = angular_momentum(after.x, after.v, after.C, mass, config) - angular_momentum(
                **{key: state[key] for key in ("x", "v", "C")}, mass=mass, config=config
            )
            weight = (gained - gravity / gravity.norm()).norm()
            found = (weight, momenta.norm() / scales[0], spins.norm() / scales[1])
            worst = {key: max(value, float(new)) for (key, value), new in zip(worst.items(), found, strict=True)}
            state = {name: getattr(after, name) for name in state}
        checks += [vanishing(f"{name}, {kernel}", value, 1e-12) for name, value in worst.items()]
    return Outcome(checks)


def run_drift() -> Outcome:
    """The drift over a thousand steps, float32."""
    checks, linear, angular = [], [], []
    for kernel in KERNELS:
        config, start, mass = spinning_cube(kernel)
        scales = _scales(start["x"], start["v"], mass)
        with torch.no_grad():
            frames = DiffMPM(config)(**start, steps=LONG, mass=mass, volume=0.001, record_every=10).frames
        states = [tuple(start[key] for key in ("x", "v", "C")), *((f.x, f.v, f.C) for f in frames)]
        p = [linear_momentum(v, mass) for _, v, _ in states]
        spin = [angular_momentum(x, v, C, mass, config) for x, v, C in states]
        drifts = [
            np.array([float((now - past[0]).norm()) / scale for now in past])
            for past, scale in zip((p, spin), scales, strict=True)
        ]
        t = config.dt * 10 * np.arange(len(states))
        linear.append(Curve(kernel, t, drifts[0]))
        angular.append(Curve(kernel, t, drifts[1]))
        checks.append(vanishing(f"momentum over {LONG} steps, {kernel}", drifts[0].max(), 1e-5))
        checks.append(vanishing(f"angular momentum over {LONG} steps, {kernel}", drifts[1].max(), 1e-4))
    panels = [Panel("momentum", "time", "drift", linear), Panel("angular momentum", "time", "drift", angular)]
    return Outcome(checks, panels)


TRANSFERS = Case("conservation", "Conservation in one step", TEXT, run_transfers)
DRIFT = Case(
    "conservation_drift",
    "Conservation over 1,000 steps in float32",
    "The same cube over 1,000 steps in single precision; the drift is the largest over the run.",
    run_drift,
    dtype="float32",
)
