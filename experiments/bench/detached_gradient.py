"""What the upsampler's detached pieces take from a gradient: ``python -m experiments.bench.detached_gradient``.

A ball of particles is drawn, and compared with the picture of a longer one. The derivative of that loss along smooth
displacements of the particles is taken with the surface that was detected before, as the gradient takes it, and with
surfaces detected anew for each displacement, by central differences: the rest is what detection, once detached, lacks.
Between the two, one piece after the other is done anew.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

import bridge
from bridge.renderer import GSRenderer3DGS
from bridge.surface import Surface, children_from
from bridge.upsampler import SurfaceUpsampler
from configs.upsample import UpsampleConfig
from render.cameras import look_at
from upsample.detection import Surface as Detected
from upsample.detection import surface_weight
from upsample.isosurface import Isosurface
from upsample.sampling import carried, settle, tie

SPACING, RADIUS, M, SIZE = 0.25, 2.0, 6000, 96
STEP = 0.02
"""Amplitude of the displacements, in spacings: the layout is made anew for each, and is rough on shorter scales."""
MODES = 24
STAGES = ("nothing", "ties, normals, areas", "return to the level set", "equalisation", "all")
"""What is done anew; each has those before it too. What is left for the last is the selection and the first layout."""


def ball() -> Tensor:
    """Particles [N, 3]."""
    side = np.arange(-RADIUS, RADIUS, SPACING) + SPACING / 2
    x = np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)
    return torch.from_numpy(x[np.linalg.norm(x, axis=1) < RADIUS])


def picture(means: Tensor, covars: Tensor) -> Tensor:
    """Opacity and shortened depth times opacity, which has no jump at the silhouette: [2, H, W]."""
    renderer = GSRenderer3DGS(SIZE, SIZE, 0.5, 0.5, look_at((1, 2, -6)).T, None, device="cpu")
    out = renderer.render(means, covars)
    return torch.cat([out["alpha"], 0.1 * out["alpha"] * out["depth"]])


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


def relaid(module: SurfaceUpsampler, x: Tensor, F: Tensor, rest: Surface, stage: str) -> Surface:
    """The rest surface, with what ``stage`` and those before it name done anew at the displaced particles."""
    if stage == "nothing" or rest.children is None:
        return rest
    if stage == "all":
        return module.detect(x, F)
    body, spacing, growth = module.body(x, F)
    children, index = rest.children.numpy(), rest.index.numpy()
    _, normals = surface_weight(body.x, spacing * growth)
    found = Detected(index, normals[index], np.ones(len(x)), spacing * growth)
    level, points = Isosurface(body.x, body.volumes, found.spacing), carried(children, body, module.config)
    equalised = module.config.post_equalize.model_copy(update={"enabled": stage == "equalisation"})
    config = module.config.model_copy(update={"post_equalize": equalised})
    every, family = np.ones(len(points), bool), np.searchsorted(index, children.parents)
    movable = every & (stage != "ties, normals, areas")
    points, normals, areas = settle(level, points, found.normals[family], movable, config)
    again = tie(body, found, points, normals, areas, family, every, config, None)
    return replace(rest, children=children_from(again))


def derivatives(module: SurfaceUpsampler, x: Tensor, fields: list, carry: bool, step: float = STEP) -> np.ndarray:
    """Of the loss along each field, with the surface of each stage: [fields, STAGES], by central differences."""
    with torch.no_grad():
        rest, longer = module.detect(x), torch.tensor([1.0, 1.2, 1.0]).double()
        target = module(x * longer, torch.eye(3).double().repeat(len(x), 1, 1), rest)
        target = picture(target.means, target.covars)

        def loss(field, step: float, stage: str) -> float:
            y, F = along(x, field, step, carry)
            splats = module(y, F, relaid(module, y, F, rest, stage))
            return float(((picture(splats.means, splats.covars) - target) ** 2).mean())

        rows = [[loss(f, step, stage) - loss(f, -step, stage) for stage in STAGES] for f in fields]
    return np.array(rows) / (2 * step)


def main() -> None:
    """Print what is missing, root mean square over the displacements, as one piece after the other is done anew."""
    bridge.init("cpu", dtype=torch.float64)
    x, module = ball(), SurfaceUpsampler(UpsampleConfig(M=M, thickness=0.3, sigma0=0.7), spacing=SPACING)
    generator = torch.Generator().manual_seed(0)
    fields = [displacement(generator) for _ in range(MODES)]
    for carry in (False, True):
        print("F of the displacement" if carry else "F the identity")
        found = derivatives(module, x, fields, carry)
        full = found[:, -1]
        for stage, some in zip(STAGES, found.T, strict=True):
            lack = np.sqrt(((full - some) ** 2).mean() / (full**2).mean())
            alike = full @ some / np.linalg.norm(full) / np.linalg.norm(some)
            print(f"  anew: {stage}: lacks {lack:.3f} of the derivative, cosine {alike:.4f}")


if __name__ == "__main__":
    main()
