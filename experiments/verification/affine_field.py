"""A velocity field that is linear in space passes the grid unchanged."""

import torch

from bridge.diffmpm import DiffMPM
from experiments.verification.case import Case, Outcome, vanishing
from experiments.verification.scenes import box, solid

PARTICLES = 400
TEXT = r"""$v = A x + b$ and $C = A$ on scattered particles of random masses come back after P2G and G2P as they were
(Jiang et al. 2015): both transfers reproduce linear fields, at the body's border too. The exact flow of one step is
then $F' = (I + \Delta t A) F$."""


def run() -> Outcome:
    """Both splines; errors relative to the largest entry."""
    g = torch.Generator().manual_seed(5)

    def rand(*shape):
        return torch.rand(*shape, generator=g, dtype=torch.float64) - 0.5

    x, gradient, offset, F = rand(PARTICLES, 3), 4 * rand(3, 3), rand(3), torch.eye(3) + 0.3 * rand(PARTICLES, 3, 3)
    v, C, mass = x @ gradient.T + offset, gradient.expand(PARTICLES, 3, 3), 1.0 + rand(PARTICLES)
    checks = []
    for kernel in ("quadratic", "cubic"):
        config = box((-0.7,) * 3, (0.7,) * 3, 0.1, 1e-3, solid(1.0, 0.0, 1.0)).model_copy(update={"kernel": kernel})
        with torch.no_grad():
            state = DiffMPM(config, lam=0.0, mu=0.0)(x, v, C, F, steps=1, mass=mass)
        flow = torch.eye(3, dtype=torch.float64) + config.dt * gradient
        for name, ours, exact in (("v", state.v, v), ("C", state.C, C), ("F", state.F, flow @ F)):
            checks.append(vanishing(f"{name}, {kernel}", float((ours - exact).abs().max() / exact.abs().max()), 1e-12))
    return Outcome(checks)


CASE = Case("affine_field", "Affine fields", TEXT, run)
