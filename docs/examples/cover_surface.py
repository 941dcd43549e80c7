"""The upsampler alone: particles of a mesh, bent, become 20,000 Gaussians on its surface, in a file for any viewer."""

import sys

import torch

import bridge
from configs.mesh import MeshConfig
from configs.upsample import UpsampleConfig
from render.splat_file import save_splats

SPACING = 0.05


def bend(x: torch.Tensor) -> torch.Tensor:
    """Roll the y axis up to an arc."""
    turn = 0.8 * x[1]
    return torch.stack([(x[0] + 1.2) * turn.cos() - 1.2, (x[0] + 1.2) * turn.sin(), x[2]])


def main(path: str = "bent_rabbit.ply") -> bridge.Splats:
    """The Gaussians, saved in ``path``."""
    rest = bridge.load_points(MeshConfig(mesh="rabbit").path, spacing=SPACING).x
    upsampler = bridge.SurfaceUpsampler(UpsampleConfig(M=20_000, thickness=0.3), spacing=SPACING)
    surface = upsampler.detect(rest)  # once, at rest: the same Gaussians then move with the material
    x = torch.vmap(bend)(rest)
    F = torch.vmap(torch.func.jacrev(bend))(rest)
    splats = upsampler(x, F, surface)
    arrays = [value.detach().numpy() for value in (splats.means, splats.covars, splats.opacities, splats.colors)]
    save_splats(path, *arrays)
    print(f"{len(rest)} particles, {len(splats.means)} Gaussians: {path}")
    return splats


if __name__ == "__main__":
    main(*sys.argv[1:])
