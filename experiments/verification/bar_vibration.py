"""A bar, fixed at one end, in its first axial mode."""

import math

import numpy as np
import torch

from bridge.diffmpm import DiffMPM
from experiments.verification.case import Case, Check, Curve, Outcome, Panel, relative, reported
from experiments.verification.scenes import MIDDLE, box, cell_centres, lattice, solid
from experiments.verification.signals import slope, zero_crossings

LENGTH, YOUNG, DENSITY, SPEED = 25.0, 100.0, 1.0, 0.1
FREQUENCY = math.pi / (2 * LENGTH) * math.sqrt(YOUNG / DENSITY)
PERIOD = 2 * math.pi / FREQUENCY
CELLS = (13, 25, 50, 100)
PER_CELL = 2
COURANT = 0.2
TEXT = r"""Length $L = 25$, $E = 100$, $\rho = 1$, $\nu = 0$, fixed at $x = 0$, started with
$v = V_0 \sin(\pi x / 2L)$, $V_0 = 0.1$ (de Vaucorbeil et al. 2020). With $\nu = 0$ the fixed corotated law is linear
in one dimension, so the solution is exact for any amplitude:

```math
\bar u(t) = \frac{2 V_0}{\pi \omega} \sin \omega t, \qquad \omega = \frac{\pi}{2L} \sqrt{E/\rho}, \qquad T = 10 .
```

The period is that of the mean displacement's zeros. Two particles per cell along the bar."""


def mean_displacement(cells: int, periods: float = 1.1) -> tuple[np.ndarray, np.ndarray]:
    """Time and mean displacement of a bar of that many cells."""
    spacing = LENGTH / cells
    dt = COURANT * spacing / math.sqrt(YOUNG / DENSITY)
    pitch = spacing / PER_CELL
    x = lattice(cell_centres(0.0, LENGTH, pitch), MIDDLE, MIDDLE)
    v = torch.zeros_like(x)
    v[:, 0] = SPEED * torch.sin(math.pi * x[:, 0] / (2 * LENGTH))
    config = box((0.0, None, None), (LENGTH, None, None), spacing, dt, solid(YOUNG, 0.0, DENSITY), x_min="sticky")
    steps = math.ceil(periods * PERIOD / dt)
    with torch.no_grad():
        state = DiffMPM(config)(x, v, steps=steps, volume=pitch * spacing**2, record_every=1)
    u = [0.0, *(float((frame.x - x)[:, 0].mean()) for frame in state.frames)]
    return dt * np.arange(steps + 1), np.array(u)


def run(resolutions: tuple[int, ...] = CELLS, tolerance: float = 0.02) -> Outcome:
    """Bars of several resolutions; the second coarsest has cells of length 1."""
    checks: list[Check] = []
    curves, errors = [], []
    for cells in resolutions:
        t, u = mean_displacement(cells)
        period = float(zero_crossings(t, u)[1])
        checks.append(relative(f"period, {cells} cells", period, PERIOD, tolerance if cells >= 25 else None))
        errors.append(checks[-1].error)
        curves.append(Curve(f"{cells} cells", t, u))
        second, first = np.abs(u[t > PERIOD / 2]).max(), np.abs(u[t <= PERIOD / 2]).max()
        checks.append(reported(f"second half wave / first, {cells} cells", float(second / first)))
    widths = LENGTH / np.array(resolutions)
    checks.append(reported("order of the period's error in dx", slope(widths, np.array(errors))))
    exact = Curve("exact", t, 2 * SPEED / (math.pi * FREQUENCY) * np.sin(FREQUENCY * t), exact=True)
    return Outcome(
        checks,
        [
            Panel("mean displacement", "time", "displacement", [*curves, exact]),
            Panel(
                "error of the period", "dx", "relative", [Curve("", widths, np.array(errors), points=True)], log=True
            ),
        ],
    )


CASE = Case("bar_vibration", "Axial vibration of a bar", TEXT, run)
