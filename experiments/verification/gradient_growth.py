"""How a gradient grows with the length of the rollout, and what single precision makes of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

import bridge
from bridge.diffmpm import DiffMPM
from bridge.runtime import current
from experiments.verification.case import Case, Curve, Outcome, Panel, reported, vanishing
from experiments.verification.scenes import box, cell_centres, lattice, solid
from experiments.verification.signals import slope

STEPS = (32, 64, 128, 256, 512, 1024)
DT = 2e-3
TEXT = r"""$L = \sum_p w_p \cdot x_p(T) / N$ with fixed random $w$, for an elastic cube that falls on a sticky floor
at $t \approx 0.3$ and bounces. Free flight alone would give $|\partial L / \partial v_0| \propto T$. Reported: the
exponent of the best power law, and how far single precision is from double (same scene, both on the CPU)."""


@contextmanager
def precision(dtype: torch.dtype) -> Iterator[None]:
    """A runtime of another precision for a while; what the former one served must be built anew."""
    former = current()
    bridge.reset()
    bridge.init(former.backend, dtype)
    try:
        yield
    finally:
        bridge.reset()
        bridge.init(former.backend, former.dtype)


def gradients(dtype: torch.dtype) -> list[torch.Tensor]:
    """dL/dv0 [N, 3] in float64 for every length of the rollout."""
    axis = cell_centres(-0.4, 0.4, 0.1)
    x = lattice(axis, axis, axis).to(dtype)
    config = box((-1.0, -0.8, -1.0), (1.0, 1.0, 1.0), 0.2, DT, solid(100.0, 0.3, 1.0), y_min="sticky").model_copy(
        update={"gravity": (0.0, -4.0, 0.0)}
    )
    w = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    sim, found = DiffMPM(config), []
    for steps in STEPS:
        v = torch.tensor([0.1, -0.5, 0.0], dtype=dtype).repeat(len(x), 1).requires_grad_()
        state = sim(x, v, steps=steps, volume=1e-3)
        (gradient,) = torch.autograd.grad((state.x * w).sum() / len(x), v)
        found.append(gradient.double())
    return found


def run() -> Outcome:
    """Both precisions."""
    results = {}
    for dtype in (torch.float32, torch.float64):
        with precision(dtype):
            results[dtype] = gradients(dtype)
    double, single = results[torch.float64], results[torch.float32]
    size = np.array([float(g.norm()) for g in double])
    gap = np.array([float((a - b).norm() / b.norm()) for a, b in zip(single, double, strict=True)])
    T = DT * np.array(STEPS)
    return Outcome(
        [
            reported("exponent of |dL/dv0| in T", slope(T, size)),
            *(vanishing(f"float32 from float64, {n} steps", e, 1e-2) for n, e in zip(STEPS, gap.tolist(), strict=True)),
        ],
        [
            Panel(
                "gradient by the initial velocity",
                "T",
                "norm",
                [
                    Curve("float64", T, size, points=True),
                    Curve("float32", T, [float(g.norm()) for g in single], points=True),
                    Curve("∝ T", T, size[0] * T / T[0], exact=True),
                ],
                log=True,
            ),
            Panel("float32 from float64", "T", "relative", [Curve("", T, gap, points=True)], log=True),
        ],
    )


CASE = Case("gradient_growth", "Growth of gradients with the rollout", TEXT, run)
