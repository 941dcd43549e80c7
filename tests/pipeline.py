"""The whole pipeline at toy size: a ball of particles, 20 steps, surface Gaussians, two cameras, one loss."""

import torch

from bridge.diffmpm import DiffMPM
from bridge.rasterization import rasterization
from bridge.upsampler import SurfaceUpsampler
from configs.mpm import MPMConfig
from configs.upsample import UpsampleConfig

STEPS, INTERVALS, SPACING = 20, 4, 0.125
WIDTH, HEIGHT = 24, 20
CONFIG = MPMConfig(
    grid={"origin": (-1.0, -1.0, -1.0), "spacing": 2 * SPACING, "size": (9, 9, 9)},
    dt=0.02,
    material={"youngs_modulus": 200.0, "poissons_ratio": 0.3, "density": 100.0},
    f_smoothing=0.2,
    j_min=0.5,
    drag=0.4,
)
UPSAMPLE = UpsampleConfig(sigma0=0.6, thickness=0.5, opacity=0.7)
LEAVES = ("dF", "lam", "mu", "x", "gravity")


def make_inputs(dtype=torch.float64) -> dict[str, torch.Tensor]:
    """Leaves of the pipeline; seeded."""
    axis = SPACING * (torch.arange(9, dtype=torch.float64) - 4)
    lattice = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1).reshape(-1, 3)
    g = torch.Generator().manual_seed(5)
    x = lattice[lattice.norm(dim=1) < 3.1 * SPACING]
    x = x + 0.02 * SPACING * torch.randn(x.shape, generator=g, dtype=torch.float64)
    inputs = {
        "dF": 0.01 * torch.randn(INTERVALS, len(x), 3, 3, generator=g, dtype=torch.float64),
        "lam": torch.tensor(115.0, dtype=torch.float64),
        "mu": 60 + 30 * torch.rand(len(x), generator=g, dtype=torch.float64),
        "x": x,
        "gravity": torch.tensor([0.0, -0.4, 0.1], dtype=torch.float64),
    }
    return {name: value.to(dtype) for name, value in inputs.items()}


def make_cameras(dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    """viewmats [2, 4, 4] and Ks [2, 3, 3]: along z and along x."""
    viewmats = torch.eye(4, dtype=dtype).repeat(2, 1, 1)
    viewmats[1, :3, :3] = torch.tensor([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]], dtype=dtype)
    viewmats[:, 2, 3] = 3.0
    K = torch.tensor([[30.0, 0, WIDTH / 2], [0, 30, HEIGHT / 2], [0, 0, 1]], dtype=dtype)
    return viewmats, K.repeat(2, 1, 1)


def detect(x: torch.Tensor):
    """The surface of the undeformed ball: chosen once, for it is not differentiated."""
    return SurfaceUpsampler(UPSAMPLE, spacing=SPACING).detect(make_inputs(x.dtype)["x"])


def image_loss(surface, dF, lam, mu, x, gravity) -> torch.Tensor:
    """Squares of colour, alpha and depth against fixed patterns."""
    state = DiffMPM(CONFIG, lam=lam, mu=mu)(x, dF=dF, steps=STEPS, gravity=gravity)
    splats = SurfaceUpsampler(UPSAMPLE, spacing=SPACING)(state.x, state.F_total, surface)
    viewmats, Ks = make_cameras(x.dtype)
    image, alpha, _ = rasterization(
        splats.means,
        None,
        None,
        splats.opacities,
        0.5 + 0.5 * splats.normals,
        viewmats,
        Ks,
        WIDTH,
        HEIGHT,
        render_mode="RGB+D",
        covars=splats.covars,
    )
    return (image * pattern(image)).sum() + (alpha * pattern(alpha)).sum()


def pattern(image: torch.Tensor) -> torch.Tensor:
    """Fixed weights of the shape of ``image``."""
    return torch.sin(torch.arange(image.numel(), dtype=image.dtype)).reshape(image.shape)


def gradients(dtype=torch.float64) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss and its gradient by every leaf, on the runtime that runs."""
    leaves = {name: value.requires_grad_() for name, value in make_inputs(dtype).items()}
    loss = image_loss(detect(leaves["x"]), **leaves)
    loss.backward()
    return float(loss.detach()), {name: leaf.grad.double() for name, leaf in leaves.items()}
