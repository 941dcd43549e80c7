"""Whether gradients flow, and are right: ``python -m scripts.test_gradient_flow``.

Every stage alone, then together from pixels to controls and material, each against central differences along a random
direction in float64; then a parameter is learned from the motion it explains.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import bridge
from configs.mpm import MPMConfig
from configs.upsample import UpsampleConfig

SPACING, STEPS, SIZE = 0.125, 20, 24
TOLERANCE = 1e-5
"""Largest relative error of a directional derivative."""
LEARNED = 0.01
"""Largest relative error of the learned parameter."""
CONFIG = MPMConfig.model_validate(
    {
        "grid": {"origin": (-1, -1, -1), "spacing": 2 * SPACING, "size": (9, 9, 9)},
        "dt": 0.02,
        "material": {"youngs_modulus": 200.0, "poissons_ratio": 0.3, "density": 100.0},
    }
)
UPSAMPLE = UpsampleConfig(sigma0=0.6, thickness=0.5)


@dataclass(frozen=True)
class Check:
    """One gradient."""

    path: str
    """From where to where."""
    leaf: str
    """What the gradient is by."""
    norm: float
    """Of the gradient."""
    error: float
    """Relative, against differences; of the learned value in the last check."""
    tolerance: float = TOLERANCE

    @property
    def passed(self) -> bool:
        """A gradient that is there, finite, and right."""
        return 0 < self.norm < float("inf") and self.error <= self.tolerance


def main(arguments: list[str] | None = None) -> int:
    """Print a table of all checks; 0 if all passed."""
    bridge.init("cpu", torch.float64)
    table = Table("path", "gradient by", "norm", "error", "", title="Gradient flow, float64")
    checks = list(run())
    for check in checks:
        verdict = "[green]PASS" if check.passed else "[red]FAIL"
        table.add_row(check.path, check.leaf, f"{check.norm:.3e}", f"{check.error:.1e}", verdict)
    console = Console()
    console.width = max(console.width, 100)
    console.print(table)
    return 0 if all(check.passed for check in checks) else 1


def run() -> Iterator[Check]:
    """All checks, one after the other."""
    yield from _check("renderer", _render_loss, _gaussians())
    x = _ball()
    eye = torch.eye(3, dtype=x.dtype).expand(len(x), 3, 3)
    surface = _upsampler().detect(x)
    bent = {"x": x, "F": eye + 0.1 * _noise(len(x), 3, 3)}
    yield from _check("upsampler + renderer", lambda x, F: _splat_loss(surface, x, F), bent)
    yield from _check("torch → physics → torch", _flow_loss, {"x": x, "v": 0.5 * _noise(len(x), 3)})
    controls = {
        "dF": 0.01 * _noise(4, len(x), 3, 3),
        "lam": torch.tensor(115.0, dtype=torch.float64),
        "mu": torch.tensor(77.0, dtype=torch.float64),
    }
    yield from _check("physics → upsampler → renderer", lambda **c: _image_loss(surface, x, **c), controls)
    yield _learn()


def _check(path: str, function: Callable[..., Tensor], leaves: dict[str, Tensor]) -> Iterator[Check]:
    """The gradient by each leaf against a central difference along a random direction, extrapolated once."""
    inputs = {name: value.detach().clone().requires_grad_() for name, value in leaves.items()}
    gradients = torch.autograd.grad(function(**inputs), list(inputs.values()))
    for (name, value), gradient in zip(leaves.items(), gradients, strict=True):
        direction = _noise(*value.shape, seed=1000)  # a direction of its own: along a quaternion nothing changes
        h = 1e-6 * max(1.0, float(value.norm() / direction.norm()))
        along = [float(function(**{**leaves, name: value + t * h * direction})) for t in (-2, -1, 1, 2)]
        difference = (8 * (along[2] - along[1]) - (along[3] - along[0])) / (12 * h)
        exact = float((gradient * direction).sum())
        yield Check(path, name, float(gradient.norm()), abs(difference - exact) / max(abs(exact), 1e-12))


def _noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)), dtype=torch.float64)


def _ball() -> Tensor:
    axis = SPACING * (torch.arange(9, dtype=torch.float64) - 4)
    lattice = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)
    inside = lattice[lattice.norm(dim=1) < 3.1 * SPACING]
    return inside + 0.003 * _noise(len(inside), 3)


def _upsampler() -> bridge.SurfaceUpsampler:
    return bridge.SurfaceUpsampler(UPSAMPLE, spacing=SPACING)


def _camera() -> tuple[Tensor, Tensor]:
    viewmat = torch.eye(4, dtype=torch.float64)
    viewmat[2, 3] = 3.0
    K = torch.tensor([[30.0, 0, SIZE / 2], [0, 30, SIZE / 2], [0, 0, 1]], dtype=torch.float64)
    return viewmat[None], K[None]


def _gaussians() -> dict[str, Tensor]:
    n = 30
    return {
        "means": 0.4 * _noise(n, 3),
        "quats": _noise(n, 4),
        "scales": 0.05 + 0.1 * _noise(n, 3).abs(),
        "opacities": torch.sigmoid(_noise(n)),
        "colors": torch.sigmoid(_noise(n, 3)),
        "viewmats": _camera()[0],
        "Ks": _camera()[1],
    }


def _weighted(image: Tensor) -> Tensor:
    """A loss that weighs every pixel differently."""
    return (image * torch.sin(torch.arange(image.numel(), dtype=image.dtype)).reshape(image.shape)).sum()


def _render_loss(means, quats, scales, opacities, colors, viewmats, Ks) -> Tensor:
    image, alpha, _ = bridge.rasterization(
        means, quats, scales, opacities, colors, viewmats, Ks, SIZE, SIZE, render_mode="RGB+D"
    )
    return _weighted(image) + _weighted(alpha)


def _splat_loss(surface: bridge.Surface, x: Tensor, F: Tensor) -> Tensor:
    splats = _upsampler()(x, F, surface)
    image, alpha, _ = bridge.rasterization(
        splats.means,
        None,
        None,
        splats.opacities,
        0.5 + 0.5 * splats.normals,
        *_camera(),
        SIZE,
        SIZE,
        covars=splats.covars,
    )
    return _weighted(image) + _weighted(alpha)


def _flow_loss(x: Tensor, v: Tensor) -> Tensor:
    state = bridge.DiffMPM(CONFIG)(torch.tanh(x), v * v.cos(), steps=STEPS)
    return torch.logsumexp(state.x, dim=0).sum() + state.F.square().sum()


def _image_loss(surface: bridge.Surface, x: Tensor, dF: Tensor, lam: Tensor, mu: Tensor) -> Tensor:
    state = bridge.DiffMPM(CONFIG, lam=lam, mu=mu)(x, dF=dF, steps=STEPS)
    return _splat_loss(surface, state.x, state.F_total)


def _learn() -> Check:
    """μ from the final positions of a pulled ball."""
    x, true = _ball(), 77.0
    v = x * x.new_tensor([2.0, -1.0, -1.0])
    with torch.no_grad():
        seen = bridge.DiffMPM(CONFIG, mu=true)(x, v, steps=STEPS).x
    mu = torch.nn.Parameter(torch.tensor(50.0, dtype=torch.float64))
    optimizer = torch.optim.LBFGS([mu], lr=1.0, max_iter=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = 1e6 * (bridge.DiffMPM(CONFIG, mu=mu)(x, v, steps=STEPS).x - seen).square().mean()
        loss.backward()
        return loss

    closure()
    norm = float(mu.grad.abs()) if mu.grad is not None else 0.0
    optimizer.step(closure)
    return Check("μ learned from positions", "mu", norm, abs(float(mu.detach()) - true) / true, LEARNED)


if __name__ == "__main__":
    sys.exit(main())
