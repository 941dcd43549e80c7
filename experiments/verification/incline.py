"""A block on an incline with Coulomb's friction."""

import math

import numpy as np
import torch

from bridge.diffmpm import DiffMPM
from bridge.mpm_state import MPMState
from experiments.verification.case import Case, Check, Curve, Outcome, Panel, relative, reported, vanishing
from experiments.verification.scenes import MIDDLE, box, cell_centres, lattice, solid

SLOPE, GRAVITY = 30.0, 1.0
SLIDING, RESTING, DAMPING = (0.0, 0.2, 0.4), 0.7, 20.0
SPACING, PER_CELL, DT, DURATION, FRAMES = 0.1, 2, 2e-3, 2.0, 100
TEXT = r"""A stiff elastic block on a floor with friction $\mu$ (a wall that separates), gravity turned by 30°: it
slides with

```math
a = g (\sin\theta - \mu \cos\theta)
```

and stays where it is for $\mu = 0.7 > \tan\theta$. The acceleration is the slope of the mean velocity over the second
half of the run. Rest is checked while the block comes to rest under damping, and without any damping from there on. A
block that is dropped on its weight and never damped is reported only: Coulomb's law itself lets it creep. The pressure
of an elastic column whose weight is switched on swings between 0 and twice its mean, while the shear stress, whose
waves are slower, holds on; an ideal column of this height on this slope (the wave equation with Coulomb's condition at
its foot, solved on 200 elements) so creeps at 1.6 % of the speed without friction. On a grid twice as fine the block's
creep stays as large (4.2 %)."""


def slide(
    friction: float, damping: float = 0.0, start: MPMState | None = None
) -> tuple[np.ndarray, np.ndarray, MPMState]:
    """Time, mean velocity down the slope, last state; ``damping`` is the grid's, the default start is without load."""
    pitch = SPACING / PER_CELL
    x = lattice(cell_centres(0.0, 1.0, pitch), cell_centres(0.0, 0.5, pitch), MIDDLE)
    config = box((-0.5, 0.0, None), (3.5, 1.0, None), SPACING, DT, solid(1000.0, 0.2, 1.0), y_min="separate")
    turned = math.radians(SLOPE)
    config = config.model_copy(
        update={
            "gravity": (GRAVITY * math.sin(turned), -GRAVITY * math.cos(turned), 0.0),
            "grid_damping": damping,
            "boundary": config.boundary.model_copy(update={"friction": friction}),
        }
    )
    every = round(DURATION / DT / FRAMES)
    inputs = start.inputs() if start else {"x": x}
    with torch.no_grad():
        last = DiffMPM(config)(**inputs, steps=every * FRAMES, volume=pitch**2 * SPACING, record_every=every)
    begin = float(start.v[:, 0].mean()) if start else 0.0
    speed = [begin, *(float(f.v[:, 0].mean()) for f in last.frames or [])]
    return DT * every * np.arange(FRAMES + 1), np.array(speed), last


def sliding(friction: float) -> tuple[Check, list[Curve]]:
    """A block that slides."""
    t, speed, _ = slide(friction)
    turned = math.radians(SLOPE)
    exact = GRAVITY * (math.sin(turned) - friction * math.cos(turned))
    later = t > DURATION / 2
    slope = float(np.polyfit(t[later], speed[later], 1)[0])
    curves = [Curve(f"μ = {friction:g}", t, speed), Curve(f"exact, μ = {friction:g}", t, exact * t, exact=True)]
    return relative(f"acceleration / g, μ = {friction:g}", slope, exact, 0.02), curves


def resting() -> tuple[list[Check], list[Curve]]:
    """A block that should stay where it is: as it comes to rest, and from then on; and one that trembles."""
    t, damped, settled = slide(RESTING, DAMPING)
    _, later, _ = slide(RESTING, start=settled)
    _, dropped, _ = slide(RESTING)
    free = GRAVITY * math.sin(math.radians(SLOPE)) * DURATION

    def largest(speed: np.ndarray) -> float:
        return float(np.abs(speed).max()) / free

    about = f"speed / that without friction, μ = {RESTING:g}"
    checks = [
        vanishing(f"coming to rest: {about}, grid damping {DAMPING:g}", largest(damped[FRAMES // 2 :]), 0.01),
        vanishing(f"at rest: {about}, no damping", largest(later), 0.01),
        reported(f"dropped: {about}, no damping", largest(dropped[FRAMES // 2 :])),
    ]
    names = {"damped": damped, "at rest, not damped": later, "dropped, not damped": dropped}
    return checks, [Curve(f"μ = {RESTING:g}, {name}", t, speed) for name, speed in names.items()]


def run() -> Outcome:
    """Blocks that slide and blocks that rest."""
    slides, (checks, curves) = [*map(sliding, SLIDING)], resting()
    curves = [curve for _, part in slides for curve in part] + curves
    panel = Panel("velocity down the slope", "time", "velocity", curves)
    return Outcome([*(check for check, _ in slides), *checks], [panel])


CASE = Case("incline", "Block on an incline", TEXT, run)
