"""A block on an incline with Coulomb's friction."""

import math

import numpy as np
import torch

from bridge.diffmpm import DiffMPM
from experiments.verification.case import Case, Check, Curve, Outcome, Panel, relative, vanishing
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
half of the run. Rest needs damping: the elastic block lands on its weight, keeps trembling, and creeps at a constant
speed of the order of $g \sin\theta$ times the period of the trembling (a quarter at a quarter of the gravity, half at
ten times the stiffness, the same at a quarter of the step), presumably since a node out of contact has no friction."""


def slide(friction: float, damping: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Time and mean velocity down the slope; ``damping`` is the grid's."""
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
    with torch.no_grad():
        frames = DiffMPM(config)(x, steps=every * FRAMES, volume=pitch**2 * SPACING, record_every=every).frames
    speed = [0.0, *(float(f.v[:, 0].mean()) for f in frames)]
    return DT * every * np.arange(FRAMES + 1), np.array(speed)


def sliding(friction: float) -> tuple[Check, list[Curve]]:
    """A block that slides."""
    t, speed = slide(friction)
    turned = math.radians(SLOPE)
    exact = GRAVITY * (math.sin(turned) - friction * math.cos(turned))
    later = t > DURATION / 2
    slope = float(np.polyfit(t[later], speed[later], 1)[0])
    curves = [Curve(f"μ = {friction:g}", t, speed), Curve(f"exact, μ = {friction:g}", t, exact * t, exact=True)]
    return relative(f"acceleration / g, μ = {friction:g}", slope, exact, 0.02), curves


def resting(damping: float) -> tuple[Check, list[Curve]]:
    """A block that should stay where it is."""
    t, speed = slide(RESTING, damping)
    free = GRAVITY * math.sin(math.radians(SLOPE)) * DURATION
    name = f"μ = {RESTING:g}, grid damping {damping:g}"
    ratio = float(np.abs(speed[FRAMES // 2 :]).max()) / free
    check = vanishing(f"at rest: speed / that without friction, {name}", ratio, 0.01)
    return check, [Curve(name, t, speed)]


def run() -> Outcome:
    """Blocks that slide and blocks that rest."""
    found = [*map(sliding, SLIDING), resting(DAMPING), resting(0.0)]
    curves = [curve for _, part in found for curve in part]
    return Outcome([check for check, _ in found], [Panel("velocity down the slope", "time", "velocity", curves)])


CASE = Case("incline", "Block on an incline", TEXT, run)
