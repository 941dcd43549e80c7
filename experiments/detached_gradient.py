"""What the upsampler's detached pieces take from a gradient: ``python -m experiments.detached_gradient``.

A ball of particles is drawn, and compared with the picture of a longer one. The derivative of that loss along smooth
displacements of the particles is taken with the surface that was detected before, as the gradient takes it, and with
surfaces detected anew for each displacement, by central differences: the rest is what detection, once detached, lacks.
"""

import numpy as np
import torch
from torch import Tensor

import bridge
from bridge.renderer import GSRenderer3DGS
from bridge.surface import Surface
from configs.upsample import UpsampleConfig
from render.cameras import look_at

SPACING, RADIUS, M, SIZE = 0.25, 2.0, 6000, 96
STEP = 0.02
"""Amplitude of the displacements, in spacings: the layout is made anew for each, and is rough on shorter scales."""
MODES = 24


def ball() -> Tensor:
    """Particles [N, 3]."""
    side = np.arange(-RADIUS, RADIUS, SPACING) + SPACING / 2
    x = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)
    return torch.from_numpy(x[np.linalg.norm(x, axis=1) < RADIUS])


def picture(means: Tensor, covars: Tensor) -> Tensor:
    """Opacity and shortened depth [2, H, W]."""
    renderer = GSRenderer3DGS(SIZE, SIZE, 0.5, 0.5, look_at((1, 2, -6)).T, None, device="cpu")
    out = renderer.render(means, covars)
    return torch.cat([out["alpha"], 0.1 * out["depth"]])


def displacement(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A smooth field u(x) = a sin(k·x + b): a and k [3, 3], [3, 3]."""
    return torch.randn(3, generator=generator).double(), torch.randn(3, generator=generator).double() / RADIUS


def along(x: Tensor, field: tuple[Tensor, Tensor], step: float, carry: bool) -> tuple[Tensor, Tensor]:
    """Displaced particles, and their F: that of the displacement if they are carried, else still the identity."""
    a, k = field
    phase = x @ k + 0.3
    y = x + step * SPACING * torch.sin(phase)[:, None] * a
    F = torch.eye(3).double().repeat(len(x), 1, 1)
    if carry:
        F = F + step * SPACING * torch.cos(phase)[:, None, None] * a[:, None] * k
    return y, F


def main() -> None:
    """Print the shares, root mean square over the displacements."""
    bridge.init("cpu", dtype=torch.float64)
    x, module = ball(), bridge.SurfaceUpsampler(UpsampleConfig(M=M, thickness=0.3, sigma0=0.7), spacing=SPACING)
    generator = torch.Generator().manual_seed(0)
    fields = [displacement(generator) for _ in range(MODES)]
    rest = module.detect(x)
    with torch.no_grad():
        F = torch.eye(3).double().repeat(len(x), 1, 1)
        target = module(x * torch.tensor([1.0, 1.2, 1.0]).double(), F, rest)
        target = picture(target.means, target.covars)

    def loss(y: Tensor, F: Tensor, surface: Surface) -> float:
        with torch.no_grad():
            splats = module(y, F, surface)
            return float(((picture(splats.means, splats.covars) - target) ** 2).mean())

    for carry in (False, True):
        rows = []
        for field in fields:
            ends = [along(x, field, sign * STEP, carry) for sign in (1, -1)]
            anew = [module.detect(y, F if carry else None) for y, F in ends]
            for surfaces in ([rest, rest], anew):
                plus, minus = (loss(y, F, s) for (y, F), s in zip(ends, surfaces, strict=True))
                rows.append((plus - minus) / (2 * STEP))
        fixed, full = np.array(rows).reshape(-1, 2).T
        lack = np.sqrt(((full - fixed) ** 2).mean() / (full**2).mean())
        alike = fixed @ full / np.linalg.norm(fixed) / np.linalg.norm(full)
        which = "of the displacement" if carry else "the identity"
        print(f"F {which}: lacks {lack:.3f} of the derivative, cosine {alike:.4f}")


if __name__ == "__main__":
    main()
