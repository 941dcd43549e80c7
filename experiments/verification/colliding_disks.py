"""Two elastic disks that meet head on and part again."""

import math

import numpy as np
import torch
from torch import Tensor

from bridge.diffmpm import DiffMPM
from experiments.verification.case import Case, Curve, Outcome, Panel, reported, vanishing, within
from experiments.verification.scenes import MIDDLE, box, cell_centres, lattice, solid

RADIUS, SPEED, SPACING, PER_CELL = 0.2, 0.1, 0.05, 2
CENTRES = ((0.2, 0.2), (0.8, 0.8))
DT, DURATION, EVERY = 2e-3, 3.4, 5
MATERIAL = solid(1000.0, 0.3, 1000.0, law="neo_hookean")
CONTACT = (math.dist(*CENTRES) - 2 * RADIUS) / (2 * math.sqrt(2) * SPEED)
TEXT = r"""Sulsky, Chen and Schreyer (1994): disks of radius 0.2 at (0.2, 0.2) and (0.8, 0.8), $E = 1000$, $\nu = 0.3$, $\rho = 1000$, velocities
$\pm(0.1, 0.1)$, cells of 1/20, four particles per cell, plane strain. The disks touch at $t = 1.59$; on a grid they feel each other when they share
nodes, up to two cells of distance earlier. Total momentum stays 0, total energy does not grow, and most of the kinetic energy comes back."""


def disks() -> tuple[Tensor, Tensor]:
    """Positions and velocities."""
    pitch = SPACING / PER_CELL
    axis = cell_centres(0.0, 1.0, pitch)
    grid = lattice(axis, axis, MIDDLE)
    parts = [grid[(grid[:, :2] - torch.tensor(c, dtype=torch.float64)).norm(dim=1) <= RADIUS] for c in CENTRES]
    towards = torch.tensor([SPEED, SPEED, 0.0], dtype=torch.float64)
    return torch.cat(parts), torch.cat([towards.expand_as(parts[0]), -towards.expand_as(parts[1])])


def neo_hookean_energy(F: Tensor, volume: float) -> float:
    """Σ V Ψ(F), docs/method.md section 4."""
    log_j = torch.linalg.det(F).log()
    psi = 0.5 * MATERIAL.mu * ((F**2).sum((1, 2)) - 3) - MATERIAL.mu * log_j + 0.5 * MATERIAL.lam * log_j**2
    return float(volume * psi.sum())


def run() -> Outcome:
    """Energies and momentum over the whole encounter."""
    x, v = disks()
    volume = SPACING**3 / PER_CELL**2
    mass = MATERIAL.density * volume
    config = box((-0.1, -0.1, None), (1.1, 1.1, None), SPACING, DT, MATERIAL)
    with torch.no_grad():
        state = DiffMPM(config)(x, v, steps=round(DURATION / DT), volume=volume, record_every=EVERY)
    frames = state.frames
    t = DT * EVERY * np.arange(len(frames) + 1)
    kinetic = np.array([0.5 * mass * float((value**2).sum()) for value in (v, *(f.v for f in frames))])
    elastic = np.array([0.0, *(neo_hookean_energy(f.F, volume) for f in frames)])
    total = kinetic + elastic
    momentum = max(float(f.v.sum(0).norm()) for f in frames) / float(v.norm(dim=1).sum())
    start = float(t[np.argmax(kinetic < 0.999 * kinetic[0])])
    middle = len(x) // 2
    apart = float((frames[-1].x[middle:].mean(0) - frames[-1].x[:middle].mean(0)).norm())
    rise = float(np.maximum(total[1:] - np.minimum.accumulate(total)[:-1], 0).max() / total[0])
    return Outcome(
        [
            vanishing("total momentum / Σ m |v|", momentum, 1e-12),
            vanishing("largest rise of the total energy / initial", rise, 0.01),
            within("time of first contact", start, CONTACT, 2 * SPACING / (2 * math.sqrt(2) * SPEED)),
            within("kinetic energy at the end / at the start", float(kinetic[-1] / kinetic[0]), 0.925, 0.075),
            reported("total energy at the end / at the start", float(total[-1] / total[0])),
            reported("distance of the centres at the end", apart),
        ],
        [
            Panel(
                "energy",
                "time",
                "energy / initial",
                [
                    Curve("kinetic", t, kinetic / total[0]),
                    Curve("elastic", t, elastic / total[0]),
                    Curve("total", t, total / total[0]),
                    Curve("geometric contact", [CONTACT, CONTACT], [0, 1], exact=True),
                ],
            ),
            Panel("particles", "x", "y", _snapshots(x, frames, t), equal=True),
        ],
    )


def _snapshots(x, frames, t) -> list[Curve]:
    closest = min(range(len(frames)), key=lambda i: float((frames[i].v ** 2).sum()))
    chosen = {"start": x, f"t = {t[closest + 1]:.2f}": frames[closest].x, f"t = {t[-1]:.1f}": frames[-1].x}
    return [Curve(name, p[:, 0].numpy(), p[:, 1].numpy(), points=True) for name, p in chosen.items()]


CASE = Case("colliding_disks", "Colliding disks", TEXT, run)
