"""Gradients through 200 steps: the dot-product test for every input."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from bridge.diffmpm import DiffMPM
from configs.mpm import MPMConfig
from experiments.verification.case import Case, Check, Outcome, vanishing
from experiments.verification.scenes import box, cell_centres, lattice, solid

STEPS, INTERVALS, TOLERANCE = 200, 2, 1e-6
LAWS = ("fixed_corotated", "neo_hookean", "hencky")
TEXT = r"""For a random direction $u$ in an input and random weights $w$ on the whole final state
($x, v, C, F, F_\text{total}$) the adjoint's $\langle u, J^T w \rangle$ must equal $\langle J u, w \rangle$, with
$J u$ from central differences of five points in float64. Elastic cubes of 64 particles, 200 steps, onto a sticky
floor; drag, smoothing, bulk viscosity and controls on. Joint: all inputs moved together. The error is relative."""


def dot_product_error(
    function: Callable[..., Tensor], inputs: Mapping[str, Tensor], names: tuple[str, ...], step: float = 1e-5
) -> float:
    """|⟨J u, w⟩ − ⟨u, Jᵀ w⟩| / |⟨J u, w⟩| of the vector-valued function, u over the named inputs together.

    ``step`` is relative to each input's size; the differences have five points.
    """
    g = torch.Generator().manual_seed(11)
    leaves = {name: inputs[name].clone().requires_grad_() for name in names}
    output = function(**{**inputs, **leaves})
    w = torch.randn(output.shape, generator=g, dtype=output.dtype)
    gradients = dict(zip(names, torch.autograd.grad(output, list(leaves.values()), w), strict=True))
    u = {}
    for name in names:
        direction = torch.randn(inputs[name].shape, generator=g, dtype=output.dtype)
        u[name] = direction * max(1.0, float(inputs[name].norm() / direction.norm()))

    def along(t: float) -> float:
        with torch.no_grad():
            moved = function(**{**inputs, **{name: inputs[name] + t * step * u[name] for name in names}})
        return float((moved * w).sum())

    tangent = (8 * (along(1) - along(-1)) - (along(2) - along(-2))) / (12 * step)
    adjoint = float(sum((gradients[name] * u[name]).sum() for name in names))
    return abs(tangent - adjoint) / abs(tangent)


def bouncing_cube(law: str, kernel: str) -> tuple[MPMConfig, dict[str, Tensor]]:
    """A soft cube that meets a sticky floor, and every input that has a gradient."""
    g = torch.Generator().manual_seed(2)

    def rand(*shape):
        return torch.rand(*shape, generator=g, dtype=torch.float64)

    axis = cell_centres(-0.5, 0.5, 0.25)
    x = lattice(axis, axis, axis) + 0.05 * rand(64, 3)
    config = box((-1.5, -0.9, -1.5), (1.5, 1.2, 1.5), 0.5, 4e-3, solid(40.0, 0.3, 2.0, law), y_min="sticky").model_copy(
        update={"kernel": kernel, "drag": 0.3, "f_smoothing": 0.002, "bulk_viscosity": 0.1}
    )
    inputs = {
        "x": x,
        "v": torch.tensor([0.3, -1.0, 0.1], dtype=torch.float64) + 0.2 * rand(64, 3),
        "C": 0.2 * rand(64, 3, 3),
        "F": torch.eye(3, dtype=torch.float64) + 0.05 * rand(64, 3, 3),
        "dF": 0.05 * rand(INTERVALS, 64, 3, 3),
        "lam": 20 + 5 * rand(64),
        "mu": 15 + 5 * rand(64),
        "gravity": torch.tensor([0.3, -3.0, 0.7], dtype=torch.float64),
        "mass": 0.03 * (0.8 + 0.4 * rand(64)),
        "volume": 0.0156 * (0.8 + 0.4 * rand(64)),
    }
    return config, inputs


def final_state(config: MPMConfig, steps: int) -> Callable[..., Tensor]:
    """All of the last state in one vector, as a function of the inputs."""

    def function(lam, mu, **inputs):
        state = DiffMPM(config, lam=lam, mu=mu)(**inputs, steps=steps)
        return torch.cat([part.reshape(-1) for part in (state.x, state.v, state.C, state.F, state.F_total)])

    return function


def joint(law: str, kernel: str) -> Check:
    """All inputs moved together."""
    config, inputs = bouncing_cube(law, kernel)
    error = dot_product_error(final_state(config, STEPS), inputs, tuple(inputs))
    return vanishing(f"joint, {law}, {kernel}", error, TOLERANCE)


def run() -> Outcome:
    """Every input by itself for each law, and all together for each law and spline."""
    checks: list[Check] = []
    for law in LAWS:
        config, inputs = bouncing_cube(law, "quadratic")
        for name in inputs:
            error = dot_product_error(final_state(config, STEPS), inputs, (name,))
            checks.append(vanishing(f"{name}, {law}", error, TOLERANCE))
        checks += [joint(law, kernel) for kernel in ("quadratic", "cubic")]
    return Outcome(checks)


CASE = Case("gradients", "Gradients through 200 steps", TEXT, run)
