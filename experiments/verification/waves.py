"""Speed of pressure and shear waves in a bar."""

import math

import numpy as np
import torch

from bridge.diffmpm import DiffMPM
from experiments.verification.case import Case, Check, Curve, Outcome, Panel, relative
from experiments.verification.scenes import MARGIN, MIDDLE, box, cell_centres, identity, lattice, solid
from experiments.verification.signals import peak

YOUNG, POISSON, DENSITY = 100.0, 0.3, 1.0
CELLS_PER_WAVE, WAVES, PER_CELL, COURANT = 20, 6, 2, 0.2
AMPLITUDE = 1e-4
TEXT = r"""A pulse of one raised cosine, 20 cells long, with $\partial u / \partial x = -v / c$ so that it travels one
way only, in a bar whose transverse motion (for shear: longitudinal motion) is suppressed:

```math
c_p = \sqrt{(\lambda + 2 \mu) / \rho}, \qquad c_s = \sqrt{\mu / \rho} .
```

The speed is the distance of the peak's way over three wavelengths by its time. $E = 100$, $\nu = 0.3$, $\rho = 1$;
small amplitude (strain $10^{-4}$), so the speed is the linear one."""


def travel(shear: bool) -> tuple[float, float, list[Curve]]:
    """Measured speed, exact speed, and the profiles at the start and at the end."""
    material = solid(YOUNG, POISSON, DENSITY)
    c = math.sqrt((material.mu if shear else material.lam + 2 * material.mu) / DENSITY)
    length, spacing = float(WAVES), 1 / CELLS_PER_WAVE
    dt = COURANT * spacing / math.sqrt((material.lam + 2 * material.mu) / DENSITY)
    pitch = spacing / PER_CELL
    config = box((0.0, None, None), (length, None, None), spacing, dt, material)
    if shear:
        config = _only_transverse(config)
    x = lattice(cell_centres(0.0, length, pitch), MIDDLE, MIDDLE)
    s = x[:, 0] - 1.5
    pulse = torch.where(s.abs() < 0.5, 0.5 * (1 + torch.cos(2 * math.pi * s)), 0.0) * AMPLITUDE
    moving = 1 if shear else 0
    v, F, C = torch.zeros_like(x), identity(len(x)), torch.zeros(len(x), 3, 3, dtype=torch.float64)
    v[:, moving] = c * pulse
    F[:, moving, 0] -= pulse
    slope = torch.where(s.abs() < 0.5, -math.pi * torch.sin(2 * math.pi * s), 0.0) * AMPLITUDE
    C[:, moving, 0] = c * slope
    sim = DiffMPM(config)
    steps = round(3 / c / dt)
    with torch.no_grad():
        end = sim(x, v, C, F, steps=steps, volume=pitch * spacing**2)
    here = [x[:, 0].numpy(), end.x[:, 0].numpy()]
    profile = [v[:, moving].numpy() / c / AMPLITUDE, end.v[:, moving].numpy() / c / AMPLITUDE]
    way = peak(here[1], profile[1]) - peak(here[0], profile[0])
    exact = 0.5 * (1 + np.cos(2 * math.pi * np.clip(here[1] - 1.5 - c * steps * dt, -0.5, 0.5)))
    curves = [
        Curve("start", here[0], profile[0]),
        Curve("end", here[1], profile[1]),
        Curve("exact", here[1], exact, exact=True),
    ]
    return way / (steps * dt), c, curves


def _only_transverse(config):
    """Every node between slip walls across x; y is free."""
    walls = {
        "x_min": "slip",
        "x_max": "slip",
        "y_min": "none",
        "y_max": "none",
        "thickness": config.grid.size[0] // 2 + MARGIN,
    }
    return config.model_copy(update={"boundary": config.boundary.model_copy(update=walls)})


def run() -> Outcome:
    """Both waves."""
    checks: list[Check] = []
    panels = []
    for name, shear in (("pressure", False), ("shear", True)):
        measured, exact, curves = travel(shear)
        checks.append(relative(f"speed of the {name} wave", measured, exact, 0.02))
        panels.append(Panel(f"{name} wave", "x", "velocity / amplitude", curves))
    return Outcome(checks, panels)


CASE = Case("waves", "Pressure and shear waves", TEXT, run)
