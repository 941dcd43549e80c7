"""A beam, clamped at one end, let go in gravity: its first frequency and its static deflection from one run."""

import math

import numpy as np
import torch

from bridge.diffmpm import DiffMPM
from experiments.verification.case import Case, Check, Curve, Outcome, Panel, relative, reported
from experiments.verification.scenes import MIDDLE, box, cell_centres, lattice, solid
from experiments.verification.signals import slope, zero_crossings

LENGTH, HEIGHT, YOUNG, DENSITY = 10.0, 1.0, 1000.0, 1.0
DEFLECTION = 0.05
GRAVITY = DEFLECTION * 8 * YOUNG * HEIGHT**2 / 12 / (DENSITY * LENGTH**4)
FREQUENCY = 1.8751**2 / (2 * math.pi) * math.sqrt(YOUNG * HEIGHT**2 / 12 / (DENSITY * LENGTH**4))
COURANT, PER_CELL, EVERY = 0.4, 2, 20
CELLS = (4, 6, 8)
TEXT = r"""Length 10, height 1, $\nu = 0$ (so that plane strain is plane stress), clamped at $x = 0$, weight switched
on at $t = 0$. The beam swings about its static shape in its first mode. Euler and Bernoulli:

```math
f_1 = \frac{1.8751^2}{2 \pi} \sqrt{\frac{E I}{\rho A L^4}}, \qquad \delta = \frac{\rho g A L^4}{8 E I} .
```

$f_1$ is from the zeros of the tip's velocity, $\delta$ the tip's mean over one period; $g$ makes it 0.05. Shear
(Timoshenko) adds 0.8 % to $\delta$ at this slenderness. Four particles per cell."""


def tip(cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time, deflection and downward velocity of the end of a beam of that many cells over its height."""
    spacing = HEIGHT / cells
    dt = COURANT * spacing / math.sqrt(YOUNG / DENSITY)
    pitch = spacing / PER_CELL
    x = lattice(cell_centres(0.0, LENGTH, pitch), cell_centres(-HEIGHT / 2, HEIGHT / 2, pitch), MIDDLE)
    low, high = (0.0, -HEIGHT, None), (LENGTH + spacing, HEIGHT, None)
    config = box(low, high, spacing, dt, solid(YOUNG, 0.0, DENSITY), x_min="sticky").model_copy(
        update={"gravity": (0.0, -GRAVITY, 0.0)}
    )
    steps = EVERY * math.ceil(1.15 / FREQUENCY / dt / EVERY)
    with torch.no_grad():
        frames = DiffMPM(config)(x, steps=steps, volume=pitch**2 * spacing, record_every=EVERY).frames
    end = x[:, 0] > LENGTH - spacing
    deflection = [0.0, *(-float((f.x - x)[end, 1].mean()) for f in frames)]
    velocity = [0.0, *(-float(f.v[end, 1].mean()) for f in frames)]
    return dt * EVERY * np.arange(len(frames) + 1), np.array(deflection), np.array(velocity)


def run(resolutions: tuple[int, ...] = CELLS, tolerance: float = 0.05) -> Outcome:
    """Beams of several resolutions; the tolerance is claimed from 8 cells of height on."""
    checks: list[Check] = []
    curves, errors = [], []
    for cells in resolutions:
        t, u, v = tip(cells)
        period = float(zero_crossings(t[1:], v[1:])[1])
        mean = float(np.trapezoid(u[t <= period], t[t <= period]) / t[t <= period][-1])
        claim = tolerance if cells >= 8 else None
        checks.append(relative(f"first frequency, {cells} cells of height", 1 / period, FREQUENCY, claim))
        checks.append(relative(f"static deflection, {cells} cells of height", mean, DEFLECTION, claim))
        errors.append([check.error for check in checks[-2:]])
        curves.append(Curve(f"{cells} cells", t * FREQUENCY, u))
    exact = DEFLECTION * (1 - np.cos(2 * math.pi * t * FREQUENCY))
    widths, table = HEIGHT / np.array(resolutions), np.array(errors)
    if len(resolutions) > 1:
        checks.append(reported("order of the frequency's error in dx", slope(widths, table[:, 0])))
    return Outcome(
        checks,
        [
            Panel(
                "deflection of the tip",
                "time × f₁",
                "length",
                [*curves, Curve("first mode", t * FREQUENCY, exact, exact=True)],
            ),
            Panel(
                "error",
                "dx",
                "relative",
                [
                    Curve("frequency", widths, table[:, 0], points=True),
                    Curve("deflection", widths, table[:, 1], points=True),
                ],
                log=True,
            ),
        ],
    )


CASE = Case("cantilever", "Cantilever", TEXT, run)
