"""Order of convergence in dx and in dt, by an exact standing wave of finite amplitude."""

import math
from itertools import pairwise

import numpy as np
import torch

from bridge.diffmpm import DiffMPM
from experiments.verification.case import Case, Curve, Outcome, Panel, within
from experiments.verification.scenes import MIDDLE, box, cell_centres, lattice, solid
from experiments.verification.signals import slope

AMPLITUDE, SPEED, END = 0.01, 1.0, 0.4
INNER, OUTER = 0.5, 1.5
CELLS = (8, 16, 32, 64)
"""Cells in a unit of length, half a wavelength."""
FINE = 64
STEPS = (64, 128, 256, 512)
TEXT = r"""With $\nu = 0$ the fixed corotated first Piola stress of an axis-aligned motion is $P = E (F - I)$, linear
however large the strain, so

```math
x(X, t) = X + A \sin(\pi X) \cos(\pi t), \qquad F = 1 + A \pi \cos(\pi X) \cos(\pi t), \qquad \sqrt{E/\rho} = 1,
```

is exact without any body force ($A = 0.01$: strain to 3 %). The bar reaches one unit past the measured middle
$|X| \le 1/2$ on either side, so its ends cannot be felt there before $t = 1$. *In dx*: $\Delta t = h/8$, velocities
started half a step early, which makes the scheme's positions second order in time; the error is the root mean square
of $x - x_\text{exact}$ at $t = 0.4$, over $A$. *In dt*: velocities started at $t = 0$, 64 cells in a unit; the error
is the distance of runs with $\Delta t$ and $\Delta t / 2$. Four particles per cell along the bar; expected orders 2
and 1."""


def wave(cells: int, steps: int, early: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions at the end minus the exact ones, over the amplitude, of the measured middle; and its X.

    Args:
        early: how many steps before t = 0 the starting velocity is taken.
    """
    spacing, dt, pitch = 1 / cells, END / steps, 1 / cells / 4
    X = cell_centres(-OUTER, OUTER, pitch)
    config = box((-OUTER, None, None), (OUTER, None, None), spacing, dt, solid(1.0, 0.0, 1.0))
    at = lattice(X, MIDDLE, MIDDLE)
    shape = AMPLITUDE * torch.sin(math.pi * X)
    x, v = at.clone(), torch.zeros_like(at)
    C = torch.zeros(len(X), 3, 3, dtype=torch.float64)
    F = torch.eye(3, dtype=torch.float64).repeat(len(X), 1, 1)
    x[:, 0] += shape
    rate = math.pi * math.sin(math.pi * early * dt)
    v[:, 0] = rate * shape
    F[:, 0, 0] += AMPLITUDE * math.pi * torch.cos(math.pi * X)
    C[:, 0, 0] = rate * AMPLITUDE * math.pi * torch.cos(math.pi * X) / F[:, 0, 0]
    with torch.no_grad():
        end = DiffMPM(config)(x, v, C, F, steps=steps, volume=pitch * spacing**2)
    inner = X.abs() <= INNER
    exact = at[:, 0] + shape * math.cos(math.pi * END)
    return ((end.x[:, 0] - exact) / AMPLITUDE)[inner], X[inner]


def _rms(value: torch.Tensor) -> float:
    return float(value.square().mean().sqrt())


def run() -> Outcome:
    """Both orders."""
    space = np.array([_rms(wave(cells, round(END * cells * 8), 0.5)[0]) for cells in CELLS])
    runs = [wave(FINE, steps, 0.0)[0] for steps in (*STEPS, 2 * STEPS[-1])]
    time = np.array([_rms(a - b) for a, b in pairwise(runs)])
    dx, dt = 1 / np.array(CELLS), END / np.array(STEPS)
    return Outcome(
        [
            within("order in dx", slope(dx, space), 2.0, 0.2),
            within("order in dt", slope(dt, time), 1.0, 0.1),
        ],
        [
            Panel(
                "in dx",
                "dx",
                "error / A",
                [Curve("measured", dx, space, points=True), Curve("order 2", dx, space[0] * (dx / dx[0]) ** 2, True)],
                log=True,
            ),
            Panel(
                "in dt",
                "dt",
                "difference / A",
                [Curve("measured", dt, time, points=True), Curve("order 1", dt, time[0] * dt / dt[0], True)],
                log=True,
            ),
        ],
    )


CASE = Case("convergence", "Order of convergence", TEXT, run)
