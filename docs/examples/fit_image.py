"""The rasterizer alone: 400 Gaussians learn to look like the duck, from a picture with colours and its outline."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

import bridge
from configs.mesh import MeshConfig
from render.cameras import look_at

SIZE, COUNT = 96, 400
K = torch.tensor([[[110.0, 0.0, SIZE / 2], [0.0, 110.0, SIZE / 2], [0.0, 0.0, 1.0]]])
BACKGROUND = torch.ones(1, 3)


def draw(gaussians: dict[str, Tensor], viewmats: Tensor) -> Tensor:
    """The picture [1, H, W, 3] of means, quats, log scales, logit opacities and colours."""
    g = gaussians
    opacities, scales = g["opacities"].sigmoid(), g["scales"].exp()
    arguments = (g["means"], normalize(g["quats"], dim=1), scales, opacities, g["colors"], viewmats, K, SIZE, SIZE)
    return bridge.rasterization(*arguments, backgrounds=BACKGROUND)[0]


def duck() -> dict[str, Tensor]:
    """One small Gaussian a particle of the duck's mesh, coloured by its height."""
    x = bridge.load_points(MeshConfig(mesh="duck").path, spacing=0.06).x
    x = (x - x.mean(dim=0)) / x.std()
    height = ((x[:, 1:2] - x[:, 1].min()) / (x[:, 1].max() - x[:, 1].min())).clamp(0, 1)
    colors = torch.cat([0.9 - 0.2 * height, 0.4 + 0.4 * height, 0.1 + 0.1 * height], dim=1)
    n = len(x)
    quats, scales = torch.tensor([1.0, 0, 0, 0]).repeat(n, 1), torch.full((n, 3), -3.0)
    return {"means": x, "quats": quats, "scales": scales, "opacities": torch.full((n,), 3.0), "colors": colors}


def main() -> tuple[float, float]:
    """Peak signal-to-noise ratio before and after. Unit: decibel."""
    torch.manual_seed(0)
    viewmats = torch.from_numpy(look_at(eye=(3.0, 1.0, -4.5))).float()[None]
    target = draw(duck(), viewmats)

    start = {
        "means": torch.randn(COUNT, 3),
        "quats": torch.randn(COUNT, 4),
        "scales": torch.full((COUNT, 3), -2.0),
        "opacities": torch.zeros(COUNT),
        "colors": torch.full((COUNT, 3), 0.5),
    }
    gaussians = {name: torch.nn.Parameter(value) for name, value in start.items()}
    optimizer = torch.optim.Adam(gaussians.values(), lr=0.03)

    def quality() -> float:
        with torch.no_grad():
            return float(-10 * (draw(gaussians, viewmats) - target).square().mean().log10())

    before = quality()
    for step in range(150):
        optimizer.zero_grad()
        loss = (draw(gaussians, viewmats) - target).square().mean()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: mean squared error {loss.item():.5f}")
    after = quality()
    print(f"{before:.1f} dB before, {after:.1f} dB after")
    return before, after


if __name__ == "__main__":
    main()
