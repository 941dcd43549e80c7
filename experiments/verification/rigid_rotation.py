"""A body that spins freely, and one that has been turned and is at rest."""

import math

import numpy as np
import torch

from bridge.diffmpm import DiffMPM
from experiments.verification.case import Case, Curve, Outcome, Panel, reported, vanishing, within
from experiments.verification.momentum import angular_momentum
from experiments.verification.scenes import box, cell_centres, identity, lattice, solid

LAWS = ("fixed_corotated", "neo_hookean", "hencky")
SPIN, TURNS, DT = 2.0, 1.0, 2e-3
TEXT = r"""*Turned*: with $F = R$ and no velocity nothing moves, for every law ($\tau(R) = 0$). *Spinning*: an elastic
cube of 8 particles per cell turns once at $\omega = 2$. Angular momentum stays (Jiang et al. 2015); the angle is
$\omega t$ but for the slowing by centrifugal stretch; kinetic and elastic energy are reported (the APIC filter takes
what the grid does not resolve)."""


def turned(law: str) -> float:
    """Largest velocity after 3 steps from F = R, over the wave speed."""
    axis = cell_centres(-0.3, 0.3, 0.1)
    x = lattice(axis, axis, axis)
    R = torch.linalg.matrix_exp(torch.tensor([[0.0, -1.0, 0.4], [1.0, 0.0, 0.7], [-0.4, -0.7, 0.0]]).double())
    material = solid(100.0, 0.3, 1.0, law)
    config = box((-0.8,) * 3, (0.8,) * 3, 0.2, DT, material)
    with torch.no_grad():
        state = DiffMPM(config)(x, F=R.expand(len(x), 3, 3), steps=3)
    return float(state.v.abs().max()) / math.sqrt(material.wave_modulus / material.density)


def run() -> Outcome:
    """Both bodies."""
    axis = cell_centres(-0.4, 0.4, 0.1)
    x = lattice(axis, axis, axis)
    omega = SPIN * torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    config = box((-1.0,) * 3, (1.0,) * 3, 0.2, DT, solid(1000.0, 0.3, 1.0))
    steps = 5 * math.ceil(TURNS * 2 * math.pi / SPIN / DT / 5)
    mass = torch.full((len(x),), 1e-3, dtype=torch.float64)
    n = len(x)
    with torch.no_grad():
        state = DiffMPM(config)(
            x, x @ omega.T, omega.expand(n, 3, 3), identity(n), steps=steps, mass=mass, volume=1e-3, record_every=5
        )
    frames = state.frames
    t = DT * 5 * np.arange(1, len(frames) + 1)
    L0 = angular_momentum(x, x @ omega.T, omega.expand(n, 3, 3), mass, config)
    L = [angular_momentum(f.x, f.v, f.C, mass, config) for f in frames]
    angle = np.unwrap([math.atan2(float(f.F[:, 1, 0].mean()), float(f.F[:, 0, 0].mean())) for f in frames])
    kinetic = np.array([0.5 * float((mass[:, None] * f.v**2).sum()) for f in frames])
    kinetic /= 0.5 * float((mass[:, None] * (x @ omega.T) ** 2).sum())
    rotation = _polar(state.F)
    strain = float((state.F - rotation).abs().max())
    return Outcome(
        [
            *(vanishing(f"turned and at rest: velocity / wave speed, {law}", turned(law), 1e-12) for law in LAWS),
            vanishing("spinning: angular momentum", max(float((now - L0).norm() / L0.norm()) for now in L), 1e-10),
            within("spinning: angle after a turn (rad)", float(angle[-1]), SPIN * float(t[-1]), 0.05),
            reported("spinning: kinetic energy at the end / at the start", float(kinetic[-1])),
            reported("spinning: largest entry of F − R at the end", strain),
        ],
        [
            Panel(
                "angle of the mean F",
                "time",
                "rad",
                [Curve("particles", t, angle), Curve("ωt", t, SPIN * t, exact=True)],
            ),
            Panel("kinetic energy / initial", "time", "", [Curve("", t, kinetic)]),
        ],
    )


def _polar(F: torch.Tensor) -> torch.Tensor:
    U, _, Vh = torch.linalg.svd(F)
    return U @ Vh


CASE = Case("rigid_rotation", "Rigid rotation", TEXT, run)
