"""A cloud in free fall, to the last digit of the scheme."""

import numpy as np
import torch

from bridge.diffmpm import DiffMPM
from experiments.verification.case import Case, Curve, Outcome, Panel, vanishing
from experiments.verification.scenes import box, cell_centres, lattice, solid

STEPS, DT = 200, 0.002
GRAVITY, SPEED = (0.3, -9.8, 0.7), (0.2, 1.0, -0.1)
TEXT = r"""Symplectic Euler has its own parabola, which an elastic body must follow exactly, whatever the grid does in
between:

```math
x_n = x_0 + n \Delta t\, v_0 + g \Delta t^2\, \frac{n (n + 1)}{2} .
```

Against $g t^2 / 2$ it is early by $g \Delta t\, t / 2$: first order in $\Delta t$. Elastic cube, 200 steps through
several cells; the error is the largest over all particles and steps, over the distance fallen."""


def run() -> Outcome:
    """The largest deviation from the discrete parabola."""
    axis = cell_centres(-0.25, 0.25, 0.0625)
    x = lattice(axis, axis, axis)
    config = box((-0.5, -1.0, -0.5), (0.7, 0.8, 0.7), 0.125, DT, solid(1e3, 0.3, 1000.0)).model_copy(
        update={"gravity": GRAVITY}
    )
    g, v = (torch.tensor(value, dtype=torch.float64) for value in (GRAVITY, SPEED))
    with torch.no_grad():
        state = DiffMPM(config)(x, v.expand_as(x), steps=STEPS, record_every=1)
    n = np.arange(1, STEPS + 1)
    moved = [DT * k * v + g * DT**2 * k * (k + 1) / 2 for k in n.tolist()]
    error = [float((frame.x - x - move).abs().max()) for frame, move in zip(state.frames, moved, strict=True)]
    fallen = max(float(move.norm()) for move in moved)
    stretch = max(float((frame.F - torch.eye(3, dtype=torch.float64)).abs().max()) for frame in state.frames)
    height = [float((frame.x - x)[:, 1].mean()) for frame in state.frames]
    return Outcome(
        [
            vanishing("deviation from the discrete parabola / distance", max(error) / fallen, 1e-12),
            vanishing("F − I", stretch, 1e-12),
        ],
        [
            Panel(
                "mean height",
                "time",
                "height",
                [
                    Curve("particles", DT * n, height),
                    Curve("discrete", DT * n, [float(move[1]) for move in moved], exact=True),
                ],
            ),
            Panel("largest deviation", "time", "length", [Curve("", DT * n, error)]),
        ],
    )


CASE = Case("free_fall", "Free fall", TEXT, run)
